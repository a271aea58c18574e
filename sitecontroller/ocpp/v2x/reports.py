"""Reports of the device model, gathered from their parts (B07, B08).

Parts may come in any order, twice, or not at all: what came is kept, and what is missing is told.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from sitecontroller.domain.device import Reading, Variable
from sitecontroller.domain.errors import CallTimeout, ConnectionLost
from sitecontroller.ocpp.values import integer, rows
from sitecontroller.ocpp.variables import reported
from sitecontroller.ports import CallAnswer

ROWS_MAX = 5000
CHARACTERS_MAX = 2_000_000
"""Of all values of a report: ten times what the largest station is known to tell."""
PARTS_MAX = 5000
OPEN_MAX = 4
FIRST_PART_S = 30.0
NEXT_PART_S = 10.0
SETTLE_S = 1.0
"""After a part that leaves `tbc` out, which may mean "no more" or nothing at all."""
WHOLE_S = 120.0
ROWS_AT_ONCE = 40
"""Rows read in one turn of the loop: 3 ms."""


class Report:
    """The parts of one report; the first 5000 variables of it."""

    def __init__(self, request_id: int) -> None:
        self.request_id = request_id
        self.variables: dict[str, Variable] = {}
        self._parts: set[int] = set()
        self._last: int | None = None
        self._surely = False
        self._cut = False
        self._characters = 0
        self._came = asyncio.Event()

    async def take(self, payload: dict[str, Any]) -> None:
        """One NotifyReport."""
        number = integer(payload.get("seqNo"))
        if number is None or number < 0:
            number = max(self._parts, default=-1) + 1
        found = rows(payload.get("reportData"), ROWS_MAX)
        for start in range(0, len(found), ROWS_AT_ONCE):
            for row in found[start : start + ROWS_AT_ONCE]:
                self._take_row(row)
            await asyncio.sleep(0)
        if len(self._parts) < PARTS_MAX:
            self._parts.add(number)
        if payload.get("tbc") is not True and number >= (self._last or 0):
            self._last, self._surely = number, payload.get("tbc") is False
        elif self._last is not None and number > self._last:
            self._last = None
        self._came.set()

    async def arrived(self) -> Reading:
        """Wait for all of it, or for as long as parts keep coming. CallTimeout if none did."""
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + WHOLE_S
        while not (self._whole and self._surely):
            quiet_s = SETTLE_S if self._whole else NEXT_PART_S if self._parts else FIRST_PART_S
            self._came.clear()
            try:
                async with asyncio.timeout_at(min(loop.time() + quiet_s, ends_s)):
                    await self._came.wait()
            except TimeoutError:
                break
        if not self._parts:
            raise CallTimeout(
                f"no part of the report came within {FIRST_PART_S:.0f} s",
                remedy="Ask for single settings by name",
            )
        note = self._note()
        return Reading(tuple(self.variables.values()), complete=not note, note=note)

    @property
    def _whole(self) -> bool:
        return self._last is not None and not self._missing

    @property
    def _missing(self) -> list[int]:
        end = max(self._parts, default=-1) if self._last is None else self._last
        return [number for number in range(min(end, PARTS_MAX)) if number not in self._parts]

    def _note(self) -> str:
        said = []
        if self._missing:
            numbers = ", ".join(str(number + 1) for number in self._missing[:5])
            said.append(f"of the report's parts these did not come: {numbers}")
        if self._last is None:
            said.append("the report's last part did not come")
        if self._cut:
            said.append(f"the charger tells more than the {len(self.variables)} that were kept")
        return "; ".join(said)

    def _take_row(self, row: dict[str, Any]) -> None:
        found = reported(row)
        if found is None:
            return
        known = self.variables.get(found.name)
        size = len(found.name) + len(found.value or "") + sum(map(len, found.choices))
        size += sum(len(other.value or "") for other in found.others.values())
        if known is None and (
            len(self.variables) >= ROWS_MAX or self._characters + size > CHARACTERS_MAX
        ):
            self._cut = True
            return
        if known is None:
            self._characters += size
            self.variables[found.name] = found
        elif not known.secret:
            self.variables[found.name] = _joined(known, found)


def _joined(known: Variable, found: Variable) -> Variable:
    """One variable whose attributes came in two rows, or twice."""
    others = {**known.others, **found.others}
    if found.value is None and not found.secret:
        return replace(known, others=others)
    return replace(found, others=others)


class Reports:
    """The reports a connected station is asked for; their numbers differ over connections."""

    def __init__(self, first_request_id: int) -> None:
        self._next_id = first_request_id
        self._open: dict[int, Report] = {}

    async def take(self, payload: dict[str, Any]) -> None:
        """A NotifyReport; parts of a report nobody waits for are left."""
        report = self._open.get(integer(payload.get("requestId")) or 0)
        if report is not None:
            await report.take(payload)

    async def ask(
        self, dialect: Any, say: Callable[[int], Awaitable[CallAnswer]]
    ) -> tuple[CallAnswer, Reading | None]:
        """Ask with a number of its own, then gather the parts.

        CallTimeout when none came, ConnectionLost when the station went.
        """
        self._next_id += 1
        report = Report(self._next_id)
        self._open[report.request_id] = report
        while len(self._open) > OPEN_MAX:
            del self._open[next(iter(self._open))]
        try:
            answer = await say(report.request_id)
            if not answer.accepted:
                return answer, None
            waiting = dialect.background.spawn(_outcome(report), f"{dialect.station_id} report")
            await asyncio.wait({waiting})
            if waiting.cancelled():
                raise ConnectionLost(f"{dialect.station_id} went away while it reported")
            outcome: Reading | CallTimeout = waiting.result()
            if isinstance(outcome, CallTimeout):
                raise outcome
            return answer, outcome
        finally:
            self._open.pop(report.request_id, None)


async def _outcome(report: Report) -> Reading | CallTimeout:
    """As a value: a background task that fails is a fault of ours."""
    try:
        return await report.arrived()
    except CallTimeout as error:
        return error
