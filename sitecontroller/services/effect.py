"""What a command brings about, watched from before it is sent: a station may act first and answer
later.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Self

from sitecontroller.domain.events import Event, TransactionChanged
from sitecontroller.publisher import Publisher


class Effect:
    """A watch that leaving its block ends, unless it is `kept`."""

    def __init__(
        self,
        publisher: Publisher,
        is_effect: Callable[[Any], bool],
        *kinds: type[Any],
    ) -> None:
        """`is_effect` judges events of these kinds; none named: changes of transactions."""
        self._is_effect = is_effect
        self._seen = asyncio.Event()
        self._kept = False
        self._unsubscribe = publisher.subscribe(self._look, *(kinds or (TransactionChanged,)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._kept:
            self._unsubscribe()

    def kept(self) -> Self:
        """Go on watching until `shows` returns."""
        self._kept = True
        return self

    async def shows(self, within_s: float) -> bool:
        """Whether it showed, or does in time."""
        try:
            async with asyncio.timeout(within_s):
                await self._seen.wait()
        except TimeoutError:
            return False
        finally:
            self._unsubscribe()
        return True

    def _look(self, event: Event) -> None:
        if self._is_effect(event):
            self._seen.set()
