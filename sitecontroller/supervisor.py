"""Runs the parts of a controller that never end; one that fails is started again, with an alarm.

Our own faults crash one part, not the site: while load management is down, leases lapse and the
chargers fall back by themselves.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

RESTART_AFTER_S = 1.0
CANCEL_AGAIN_S = 1.0
"""A part that goes on after this lost its cancellation (a library's `asyncio.wait_for` does that
in Python 3.11), or takes too long over its end."""


class Supervisor:
    """Keeps parts going until `parts` is closed; `on_failure` hears the name of one that failed."""

    def __init__(self, parts: contextlib.AsyncExitStack, on_failure: Callable[[str], None]) -> None:
        self._parts = parts
        self._on_failure = on_failure

    def keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Keep `work` going until the site stops."""
        task = asyncio.get_running_loop().create_task(self._again(name, work), name=name)

        async def stop() -> None:
            while not task.done():
                task.cancel()
                await asyncio.wait((task,), timeout=CANCEL_AGAIN_S)

        self._parts.push_async_callback(stop)

    async def _again(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except asyncio.CancelledError:
                # Asked to stop, or merely the end of something that `work` awaited?
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                self._failed(name)
            except Exception:
                self._failed(name)
            await asyncio.sleep(RESTART_AFTER_S)

    def _failed(self, name: str) -> None:
        log.exception("%s: failed, starts again in %g s", name, RESTART_AFTER_S)
        try:
            self._on_failure(name)
        except Exception:
            log.exception("%s: that it failed could not be told", name)
