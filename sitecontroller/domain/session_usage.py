"""What a session used, from what is stored of it: readings, what the station said the car did, and
when the site itself held the car back.

Pure, and the same for the running price and the bill. Energy is the session's, whatever single
readings say: they only tell when it flowed, evenly between two of them.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal

from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.station import ChargingState
from sitecontroller.domain.usage import (
    PeriodState,
    Usage,
    UsageReading,
    periods_of,
)

WAKES_WITHIN = timedelta(minutes=10)
"""So long a car may take to charge again after a pause of ours, at our expense."""
TAKES_W, TAKES_A = 100.0, 0.5
"""Below both a car takes nothing: less is its electronics."""
READINGS_MAX = 5000
"""Of a session, looked at: of more, every so manieth."""
_S_PER_H = 3600
_CHARGES = (None, ChargingState.CHARGING)


@dataclass(frozen=True, slots=True)
class SessionMark:
    """A moment from which on something else holds: what the station says the car does, or whether
    the site holds it back (`paused`, with its `reason`). None: not what this mark is about.

    `at` is on the time line of the station, `noted_at` by our clock.
    """

    at: datetime
    noted_at: datetime
    charging_state: ChargingState | None = None
    paused: bool | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What is known of a session. `start_wh` is the register at its start (None: unknown);
    `energy_wh` what it delivered in all."""

    start_at: datetime
    end_at: datetime
    start_wh: Decimal | None
    energy_wh: Decimal
    readings: Sequence[MeterReading] = ()
    marks: Sequence[SessionMark] = ()


@dataclass(frozen=True, slots=True)
class _Point:
    """A moment of which something was measured; `so_far_wh` None: not the register."""

    at: datetime
    so_far_wh: Decimal | None
    reading: MeterReading | None = None


@dataclass(frozen=True, slots=True)
class _Pause:
    """`woken_by`: from then on what the car doesn't take is its own doing."""

    begin_at: datetime
    end_at: datetime
    woken_by: datetime


def usage_of(facts: SessionFacts, zone: tzinfo) -> Usage:
    """The periods of a session, split where the car's state changed."""
    return Usage(periods_of(_States(facts).readings()), zone)


def paused_for(usage: Usage) -> timedelta:
    """How long the site, not the car, was the reason that nothing flowed."""
    spans = (p.end_at - p.start_at for p in usage.periods if p.state is PeriodState.PAUSED)
    return sum(spans, timedelta())


class _States:
    """What the car did at each moment of a session."""

    def __init__(self, facts: SessionFacts) -> None:
        self._facts = facts
        self._points = _points(facts)
        self._point_times = [point.at for point in self._points]
        marks = sorted(facts.marks, key=lambda mark: (mark.at, mark.noted_at))
        self._words = [mark for mark in marks if mark.charging_state is not None]
        self._word_times = [max(mark.at, facts.start_at) for mark in self._words]
        self._pauses = tuple(_pauses([m for m in marks if m.paused is not None], facts))

    def readings(self) -> Iterator[UsageReading]:
        """Every moment at which something may change, with what holds from then on."""
        moments = [(point.at, point.so_far_wh) for point in self._points]
        measured = set(self._point_times)
        moments += [(at, None) for at in sorted(self._changes()) if at not in measured]
        moments.sort(key=lambda moment: moment[0])
        woken_after: _Pause | None = None
        for at, so_far_wh in moments:
            state = self._base(at)
            pause = self._pause_before(at)
            if pause is not None and at < pause.end_at:
                state = PeriodState.PAUSED
            elif pause is not None and pause is not woken_after:
                if state is PeriodState.CHARGING:
                    woken_after = pause
                elif at < pause.woken_by:
                    state = PeriodState.PAUSED
            yield UsageReading(at, so_far_wh, state, *self._electric(at))

    def _changes(self) -> set[datetime]:
        moments = {*self._word_times}
        for pause in self._pauses:
            moments |= {pause.begin_at, pause.end_at, pause.woken_by}
        return {at for at in moments if self._facts.start_at <= at < self._facts.end_at}

    def _base(self, at: datetime) -> PeriodState:
        """By what the station says and what is measured, as if nobody held the car back."""
        begin, end = self._around(at)
        takes = _takes(begin, end)
        number = bisect_right(self._word_times, at) - 1
        word = self._words[number].charging_state if number >= 0 else None
        if word in _CHARGES:
            return PeriodState.PARKING if takes is False else PeriodState.CHARGING
        if takes and self._word_times[number] <= begin.at:
            return PeriodState.CHARGING  # some don't tell that the car goes on
        if word is ChargingState.SUSPENDED_EVSE:
            return PeriodState.PAUSED
        return PeriodState.PARKING

    def _pause_before(self, at: datetime) -> _Pause | None:
        """The last that had begun by then."""
        begun = [pause for pause in self._pauses if pause.begin_at <= at]
        return begun[-1] if begun else None

    def _around(self, at: datetime) -> tuple[_Point, _Point]:
        number = min(bisect_right(self._point_times, at), len(self._points) - 1)
        return self._points[number - 1], self._points[number]

    def _electric(self, at: datetime) -> tuple[Decimal | None, Decimal | None]:
        """Current in A, all phases together, and power in kW."""
        begin, end = self._around(at)
        for point in (end, begin):
            if point.reading is not None:
                current_a, power_kw = _current_a(point.reading), _power_kw(point.reading)
                if current_a is not None or power_kw is not None:
                    return current_a, power_kw
        return None, None


def _pauses(marks: Sequence[SessionMark], facts: SessionFacts) -> Iterator[_Pause]:
    begin_at: datetime | None = None
    for mark in marks:
        at = min(max(mark.at, facts.start_at), facts.end_at)
        if mark.paused and begin_at is None:
            begin_at = at
        elif not mark.paused and begin_at is not None:
            yield _Pause(begin_at, at, at + WAKES_WITHIN)
            begin_at = None
    if begin_at is not None:
        yield _Pause(begin_at, facts.end_at, facts.end_at)


def _points(facts: SessionFacts) -> list[_Point]:
    """From start to end: registers that rise from 0 to the session's energy, others left out."""
    every = 1 + len(facts.readings) // READINGS_MAX
    readings = sorted(facts.readings, key=lambda reading: reading.at)[::every]
    points = [_Point(facts.start_at, Decimal(0), None)]
    for reading, so_far_wh in zip(readings, _so_far_wh(readings, facts), strict=True):
        at = min(max(reading.at, facts.start_at), facts.end_at)
        points.append(_Point(at, so_far_wh, reading))
    points.append(_Point(facts.end_at, facts.energy_wh, None))
    return points


def _so_far_wh(readings: Sequence[MeterReading], facts: SessionFacts) -> list[Decimal | None]:
    registers = [_wh(reading.energy_import_wh) for reading in readings]
    known = [register for register in registers if register is not None]
    if not known:
        return [None] * len(readings)
    base, last = _base_wh(known[0], facts), Decimal(0)
    counted: list[Decimal] = []
    before = base
    for register in known:
        counted.append(
            (counted[-1] if counted else Decimal(0)) + max(Decimal(0), register - before)
        )
        before = register
    direct = [register - base for register in known]
    rises = direct if max(direct) <= facts.energy_wh and min(direct) >= 0 else counted
    following = iter([*rises[1:], facts.energy_wh])
    values = iter(rises)
    found: list[Decimal | None] = []
    for each in registers:
        if each is None:
            found.append(None)
            continue
        value, after = next(values), next(following)
        fits = last <= value <= facts.energy_wh and (value <= after or after < last)
        found.append(value if fits else None)
        last = value if fits else last
    return found


def _base_wh(first: Decimal, facts: SessionFacts) -> Decimal:
    """Where the register began; the first reading where the start was told of another one."""
    if facts.start_wh is None or not 0 <= first - facts.start_wh <= facts.energy_wh:
        return first
    return facts.start_wh


def _takes(begin: _Point, end: _Point) -> bool | None:
    """Whether a car took something between two points; None: nobody can tell."""
    taking = [None if p.reading is None else _is_taking(p.reading) for p in (begin, end)]
    lasts_s = Decimal((end.at - begin.at).total_seconds())
    if begin.so_far_wh is not None and end.so_far_wh is not None and lasts_s:
        mean_w = (end.so_far_wh - begin.so_far_wh) * _S_PER_H / lasts_s
        if mean_w >= Decimal(TAKES_W):
            return True
    elif taking == [True, True]:
        return True
    return False if taking == [False, False] else None


def _is_taking(reading: MeterReading) -> bool | None:
    if reading.power_w is not None:
        return abs(reading.power_w) >= TAKES_W
    known = [abs(current) for current in reading.current_a if current is not None]
    return max(known) >= TAKES_A if known else None


def _current_a(reading: MeterReading) -> Decimal | None:
    known = [current for current in reading.current_a if current is not None]
    return Decimal(str(round(sum(known), 3))) if known else None


def _power_kw(reading: MeterReading) -> Decimal | None:
    return None if reading.power_w is None else Decimal(str(reading.power_w)).scaleb(-3)


def _wh(register_wh: float | None) -> Decimal | None:
    """To the mWh, the resolution in which it is stored."""
    return None if register_wh is None else Decimal(round(register_wh * 1000)) / 1000


def reasons_of(marks: Iterable[SessionMark]) -> tuple[str, ...]:
    """Why the site held the car back, each once, in the order of time."""
    found = {mark.reason: None for mark in marks if mark.paused and mark.reason}
    return tuple(found)
