"""When load management cycles: at a meter's sample, at what sessions do, or after a second."""

import asyncio
import contextlib

from sitecontroller.ports import Clock

CYCLE_S = 1.0
CYCLE_S_MIN = 0.2
"""Between two cycles; many sessions may begin and end in that time."""


class CyclePace:
    """Wakes one loop of cycles."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wanted = asyncio.Event()
        self._wanted_since_s = clock.monotonic_s()
        self._overloaded = asyncio.Event()

    def ask(self, *, overloaded: bool = False) -> None:
        """A cycle is wanted soon; where a circuit is `overloaded`, at once."""
        if not self._wanted.is_set():
            self._wanted_since_s = self._clock.monotonic_s()
            self._wanted.set()
        if overloaded:
            self._overloaded.set()

    async def due(self) -> float:
        """Wait for what calls for a cycle; returns since when it has been due, monotonic."""
        waits_since_s = self._clock.monotonic_s()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CYCLE_S):
                await self._wanted.wait()
        if not self._wanted.is_set():
            return waits_since_s + CYCLE_S
        self._wanted.clear()
        self._overloaded.clear()
        return max(self._wanted_since_s, waits_since_s)

    async def rest(self) -> None:
        """The pause after a cycle; an overload ends it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CYCLE_S_MIN):
                await self._overloaded.wait()
