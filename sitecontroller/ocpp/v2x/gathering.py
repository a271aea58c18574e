"""What a 2.x station sends in parts once it has accepted a question: monitors, messages, customers.

Parts are numbered where the message has room for it, may come in any order or twice, and are
bounded. What came is handed over even when the last part never comes, and said to be incomplete.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sitecontroller.domain.errors import CallTimeout, ConnectionLost
from sitecontroller.ocpp.values import integer
from sitecontroller.ports import CallAnswer

Read = Callable[[dict[str, Any]], list[Any]]
"""A part's payload → what it holds."""

ITEMS_MAX = 5000
PARTS_MAX = 1000
OPEN_MAX = 8
FIRST_PART_S = 30.0
NEXT_PART_S = 10.0
WHOLE_S = 120.0


@dataclass(frozen=True, slots=True)
class Gathered:
    """All that came, in the order of its parts."""

    items: tuple[Any, ...]
    complete: bool


class _Waiting:
    """The parts of one answer."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._parts: dict[int, list[Any]] = {}
        self._last: int | None = None
        self._count = 0
        self._cut = False
        self._came = asyncio.Event()

    def take(self, payload: dict[str, Any]) -> None:
        number = integer(payload.get("seqNo"))
        if number is None or not 0 <= number < PARTS_MAX:
            number = len(self._parts)
        if number not in self._parts and len(self._parts) < PARTS_MAX:
            found = self._read(payload)
            room = ITEMS_MAX - self._count
            self._cut = self._cut or len(found) > room
            self._parts[number] = found[:room]
            self._count += len(self._parts[number])
        if payload.get("tbc") is not True:
            self._last = number
        self._came.set()

    async def arrived(self) -> Gathered | CallTimeout:
        """As a value: a background task that fails is a fault of ours."""
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + WHOLE_S
        while not self._whole:
            quiet_s = NEXT_PART_S if self._parts else FIRST_PART_S
            self._came.clear()
            try:
                async with asyncio.timeout_at(min(loop.time() + quiet_s, ends_s)):
                    await self._came.wait()
            except TimeoutError:
                break
        if not self._parts:
            return CallTimeout(
                f"the charger accepted, but told nothing within {FIRST_PART_S:.0f} s",
                remedy="Try again; look into its journal if it stays",
            )
        items = tuple(item for number in sorted(self._parts) for item in self._parts[number])
        return Gathered(items, complete=self._whole and not self._cut)

    @property
    def _whole(self) -> bool:
        return self._last is not None and all(n in self._parts for n in range(self._last + 1))


class Gatherings:
    """The questions under way on one connection; their numbers differ over connections."""

    def __init__(self, first_request_id: int) -> None:
        self._next_id = first_request_id
        self._open: dict[tuple[str, int], _Waiting] = {}

    def take(self, action: str, payload: dict[str, Any]) -> bool:
        """A part of an answer; False: nobody waits for it."""
        number = integer(payload.get("requestId"))
        waiting = None if number is None else self._open.get((action, number))
        if waiting is None:
            return False
        waiting.take(payload)
        return True

    async def ask(
        self,
        dialect: Any,
        action: str,
        read: Read,
        say: Callable[[int], Awaitable[CallAnswer]],
    ) -> tuple[CallAnswer, Gathered | None]:
        """Ask with a number of its own, then gather the parts that come as `action`.

        None: it will send none. CallTimeout when none came, ConnectionLost when the station went.
        """
        self._next_id += 1
        request_id = self._next_id
        waiting = self._open[action, request_id] = _Waiting(read)
        while len(self._open) > OPEN_MAX:
            del self._open[next(iter(self._open))]
        try:
            answer = await say(request_id)
            if not answer.accepted or answer.status != "Accepted":
                return answer, None
            task = dialect.background.spawn(waiting.arrived(), f"{dialect.station_id} {action}")
            await asyncio.wait({task})
            if task.cancelled():
                raise ConnectionLost(f"{dialect.station_id} went away while it answered")
            outcome: Gathered | CallTimeout = task.result()
            if isinstance(outcome, CallTimeout):
                raise outcome
            return answer, outcome
        finally:
            self._open.pop((action, request_id), None)


def first_request_id(now: datetime) -> int:
    """So that no part of an earlier connection fits."""
    return int(now.timestamp()) & 0x3FFFFFFF
