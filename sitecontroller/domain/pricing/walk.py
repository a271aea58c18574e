"""How much of each price a session used: its periods walked in order of time and cut wherever
another price may begin to hold.

Energy is linear within a period. FLAT is used once, at the first instant at which one holds.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from sitecontroller.domain.pricing.local_time import LocalTime, instant_us
from sitecontroller.domain.pricing.plan import (
    HOUR_US,
    SECOND_US,
    Exact,
    Moment,
    Part,
    Plan,
    Scope,
    scaled,
)
from sitecontroller.domain.tariff import PausedTime, TariffDimension
from sitecontroller.domain.usage import ChargingPeriod, PeriodState, Usage

ENERGY, FLAT = TariffDimension.ENERGY, TariffDimension.FLAT
TIME, PARKING_TIME = TariffDimension.TIME, TariffDimension.PARKING_TIME
_PAUSED = {
    PausedTime.FREE: None,
    PausedTime.TIME: TIME,
    PausedTime.PARKING_TIME: PARKING_TIME,
}


@dataclass(slots=True)
class Volumes:
    """What was used of each part, in the order of first use; the last part used of a dimension."""

    used: dict[Part, Exact] = field(default_factory=dict)
    last: dict[TariffDimension, Part] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)

    def add(self, part: Part, volume: Exact) -> None:
        """More of it, now."""
        self.used[part] = self.used.get(part, 0) + volume
        self.last[part.component.dimension] = part


class _Span(NamedTuple):
    """A period as numbers; `hours` is the time that is priced."""

    begin_us: int
    end_us: int
    energy: Exact
    hours: Exact
    period: ChargingPeriod


class _Cut(NamedTuple):
    """An instant within a span and what had flowed since the start by then."""

    at_us: Exact
    energy: Exact


def walked(plan: Plan, usage: Usage) -> tuple[Volumes, Volumes]:
    """What the session and what its reservation used."""
    reserved: list[_Span] = []
    session: list[_Span] = []
    for period in usage.periods:
        spans = reserved if period.state is PeriodState.RESERVATION else session
        spans.append(_span(period))
    scope = plan.expired if usage.reservation_expired else plan.reserved
    return (
        _Walk(plan, plan.session, _ordered(session), usage).volumes() if session else Volumes(),
        _Walk(plan, scope, _ordered(reserved), usage).volumes() if reserved else Volumes(),
    )


def _span(period: ChargingPeriod) -> _Span:
    begin_us, end_us = instant_us(period.start_at), instant_us(period.end_at)
    hours: Exact = end_us - begin_us
    if period.volume_hours is not None:
        hours = _whole(Fraction(period.volume_hours) * HOUR_US)
    energy = scaled(period.energy_kwh, 9) if period.energy_kwh else 0
    return _Span(begin_us, end_us, energy, hours, period)


def _ordered(spans: list[_Span]) -> list[_Span]:
    """By time. What neither lasts nor brings anything is left out, unless there is nothing else."""
    lasting = [span for span in spans if span.end_us > span.begin_us or span.energy or span.hours]
    kept = lasting or spans[:1]
    kept.sort(key=lambda span: (span.begin_us, span.end_us))
    return kept


class _Walk:
    """One way through the spans of a scope."""

    def __init__(self, plan: Plan, scope: Scope, spans: list[_Span], usage: Usage) -> None:
        self._scope = scope
        self._spans = spans
        self._found = Volumes()
        self._flat = scope.parts[FLAT]
        self._energy = scope.parts[ENERGY]
        self._times = {
            PeriodState.CHARGING: scope.parts[TIME],
            PeriodState.PARKING: scope.parts[PARKING_TIME],
            PeriodState.RESERVATION: scope.parts[TIME],
        }
        dimension = _PAUSED[plan.tariff.paused]
        self._times[PeriodState.PAUSED] = () if dimension is None else scope.parts[dimension]
        self._grace_us = self._grace_left_us = plan.tariff.idle_grace_s * SECOND_US
        self._local: LocalTime | None = None
        self._began_us = spans[0].begin_us
        self._changes_us = [self._began_us + after_us for after_us in scope.lasted_us]
        if scope.local_us:
            self._local = LocalTime(usage.zone, spans[0].begin_us, spans[-1].end_us, scope.local_us)
            self._changes_us = sorted([*self._changes_us, *self._local.changes_us])

    def volumes(self) -> Volumes:
        """All that was used."""
        flowed: Exact = 0
        for span in self._spans:
            self._walk(span, flowed)
            flowed += span.energy
        return self._found

    def _walk(self, span: _Span, flowed: Exact) -> None:
        state = span.period.state
        grace_end_us = span.begin_us
        if state is PeriodState.PARKING:
            grace_end_us += self._grace_left_us
            self._grace_left_us = max(0, self._grace_left_us - (span.end_us - span.begin_us))
        elif state is PeriodState.CHARGING:
            self._grace_left_us = self._grace_us
        energy = () if state is PeriodState.RESERVATION else self._energy
        times = self._times[state]
        if not (energy or times or self._flat):
            return
        begin = _Cut(span.begin_us, flowed)
        for end in self._cuts(span, flowed, grace_end_us):
            self._price(span, begin, end, energy, times if begin.at_us >= grace_end_us else ())
            begin = end

    def _price(
        self,
        span: _Span,
        begin: _Cut,
        end: _Cut,
        energy: tuple[Part, ...],
        times: tuple[Part, ...],
    ) -> None:
        """One stretch in which no price changes."""
        if energy and (volume := end.energy - begin.energy):
            part = self._held(energy, span, begin)
            if part is not None:
                self._found.add(part, volume)
        if times and (hours := _share(span, begin, end)):
            part = self._held(times, span, begin)
            if part is not None:
                self._found.add(part, hours)
        if self._flat:
            part = self._held(self._flat, span, begin)
            if part is not None:
                self._found.add(part, 1)
                self._flat = ()

    def _held(self, parts: tuple[Part, ...], span: _Span, at: _Cut) -> Part | None:
        """The first that matches."""
        moment: Moment | None = None
        for part in parts:
            if part.match is None:
                return part
            if moment is None:
                moment = self._moment(span, at)
            holds = part.match.holds(moment)
            if holds:
                return part
            if holds is None:
                self._note_unknown(part, moment)
        return None

    def _note_unknown(self, part: Part, moment: Moment) -> None:
        assert part.match is not None, "what always holds needs nothing to be known"
        missing = " and ".join(part.match.missing(moment))
        self._found.unknown.add(
            f"elements[{part.element}] ({part.component.dimension}) depends on {missing}, which is "
            "unknown for some periods: it did not apply there"
        )

    def _moment(self, span: _Span, at: _Cut) -> Moment:
        """Bounds are whole µs: the µs in which an instant lies tells its side."""
        at_us = at.at_us if type(at.at_us) is int else int(at.at_us // 1)
        day, time_us = (0, 0) if self._local is None else self._local.day_and_time_us(at_us)
        period = span.period
        return Moment(
            day, time_us, at_us - self._began_us, at.energy, period.current_a, period.power_kw
        )

    def _cuts(self, span: _Span, flowed: Exact, grace_end_us: int) -> Iterable[_Cut]:
        """The ends of the stretches of a span, in order."""
        last = _Cut(span.end_us, flowed + span.energy)
        cuts: list[_Cut] = []
        if self._changes_us:
            first = bisect_right(self._changes_us, span.begin_us)
            for at_us in self._changes_us[first : bisect_left(self._changes_us, span.end_us)]:
                cuts.append(_Cut(at_us, _flowed(span, flowed, at_us)))
        if span.begin_us < grace_end_us < span.end_us:
            cuts.append(_Cut(grace_end_us, _flowed(span, flowed, grace_end_us)))
        if span.energy and self._scope.energies:
            first = bisect_right(self._scope.energies, flowed)
            for bound in self._scope.energies[first : bisect_left(self._scope.energies, last[1])]:
                share = Fraction(bound - flowed) / span.energy
                reached_us = _whole(span.begin_us + share * (span.end_us - span.begin_us))
                cuts.append(_Cut(reached_us, bound))
        if not cuts:
            return (last,)
        cuts.sort()
        return (*cuts, last)


def _flowed(span: _Span, flowed: Exact, at_us: int) -> Exact:
    """What had flowed by an instant within the span."""
    if not span.energy:
        return flowed
    length_us = span.end_us - span.begin_us
    return flowed + _whole(_ratio(span.energy * (at_us - span.begin_us), length_us))


def _share(span: _Span, begin: _Cut, end: _Cut) -> Exact:
    """The priced time between two cuts; of a span without length, as its energy is shared."""
    length_us = span.end_us - span.begin_us
    if not length_us:
        if not span.energy:
            return span.hours
        return _whole(Fraction(span.hours) * (end.energy - begin.energy) / span.energy)
    lasted_us = end.at_us - begin.at_us
    if span.hours == length_us:
        return lasted_us
    return _whole(Fraction(span.hours) * lasted_us / length_us)


def _ratio(value: Exact, by: int) -> Exact:
    return Fraction(value, by) if isinstance(value, int) else value / by


def _whole(value: Exact) -> Exact:
    """A fraction that is a whole number as one: its arithmetic is much faster."""
    return value.numerator if value.denominator == 1 else value
