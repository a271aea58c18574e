"""How many CALLs are begun in one turn of the event loop, over all stations together.

A station sends its next message when the one before was answered, so what is begun in a turn also
bounds what is read, stored and written in the turns after it. When 250 stations come back with full
queues, load management and meters then wait for a few messages and not for 250. Cheap messages may
be many: the number follows how long turns take.
"""

import asyncio
import time
from collections import deque

CALLS_MIN, CALLS_MAX = 8, 64
TURN_S_MIN, TURN_S_MAX = 0.0015, 0.003
"""A shorter turn may hold twice as many CALLs, a longer one half."""


class Pace:
    """Turns in the order in which they were asked for."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._per_turn = self._left = CALLS_MIN
        self._began_s = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def turn(self) -> None:
        """Wait until one more CALL may be begun."""
        if self._left == self._per_turn:
            self._began_s = time.perf_counter()
            self._loop.call_soon(self._next_turn)
        if self._left > 0:
            self._left -= 1
            return
        future = self._loop.create_future()
        self._waiting.append(future)
        await future

    def _next_turn(self) -> None:
        took_s = time.perf_counter() - self._began_s
        if took_s > TURN_S_MAX:
            self._per_turn = max(CALLS_MIN, self._per_turn // 2)
        elif self._waiting and took_s < TURN_S_MIN:
            self._per_turn = min(CALLS_MAX, self._per_turn * 2)
        self._left = self._per_turn
        while self._waiting and self._left > 0:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)
                self._left -= 1
        if self._left < self._per_turn:
            self._began_s = time.perf_counter()
            self._loop.call_soon(self._next_turn)
