"""Base load: what flows through a metered circuit that isn't EVSEs.

The meter speaks every second, cars every ten and late. Between their readings a car's current is
known only to lie between two bounds, wide while it follows a new limit. So the base load is known
to lie between meter − highest and meter − lowest, and the estimate moves from its last value only
as far as it must. Whatever part of a change it ascribes to cars stays within their exposure, so
base + exposure never falls below what the meter shows. Where the meter is above the cap all the
same, that part is no longer ascribed to cars.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from sitecontroller.dlm.snapshot import Amperes
from sitecontroller.dlm.stability import Hold
from sitecontroller.domain.topology import PHASES, PerPhase

HISTORY_DAYS = 7
OVER_CAP_A = 0.3
TRIPS_SHARE = 1.45
"""Of a circuit's limit: more than that ends by its breaker (IEC 60898-1, conventional tripping
current). Nobody gets anything long before; a register that shows ten times the truth for a second
would otherwise be released for minutes."""
DOUBT_EVERY_S = 8.0


class Flow(NamedTuple):
    """What one EVSE, or all below a circuit, do to one phase, A.

    `low_a` and `high_a` bound what is drawn now; `told_a` is what was last told, or may be drawn
    where nothing can be told; `falling_a` is how much more than told the last readings showed.
    """

    low_a: float = 0.0
    high_a: float = 0.0
    told_a: float = 0.0
    falling_a: float = 0.0


NO_FLOW = Flow()
Flows = tuple[Flow, Flow, Flow]
"""L1, L2, L3."""
NO_FLOWS: Flows = (NO_FLOW, NO_FLOW, NO_FLOW)


def summed(flows: Iterable[Flows]) -> Flows:
    """All EVSEs below a circuit together."""
    sums = [[0.0, 0.0, 0.0, 0.0] for _ in PHASES]
    for evse in flows:
        if evse is NO_FLOWS:
            continue
        for total, flow in zip(sums, evse, strict=True):
            if flow is not NO_FLOW:
                low_a, high_a, told_a, falling_a = flow
                total[0] += low_a
                total[1] += high_a
                total[2] += told_a
                total[3] += falling_a
    one, two, three = (Flow(*total) for total in sums)
    return one, two, three


def flow_bounds(
    draw_a: float | None,
    *,
    exposure_a: float,
    limit_a: float,
    fresh: bool,
    settled: bool,
    raised: bool = True,
    least_a: float | None = None,
    gives_a: float = 0.0,
) -> tuple[float, float]:
    """Bounds of one EVSE's current per phase it uses.

    `settled`: a reading was taken since the reaction time after the last change of its limit.
    `raised`: the last reading came before it could follow an increase; else nobody draws more now.
    Without a reading nothing is ruled out; a stale one says only that it hardly draws more. Below 0
    is what a car gives back; `least_a` is less than `draw_a` where a reading may mean either. It
    may give back `gives_a` since it was told to, whatever its readings show of that.
    """
    if draw_a is None:
        return 0.0, exposure_a
    lowest_a = draw_a if least_a is None else least_a
    if gives_a > 0:
        lowest_a = min(lowest_a, -gives_a)
    if not fresh:
        return min(0.0, lowest_a), min(max(0.0, draw_a), exposure_a)
    if settled:
        return lowest_a, draw_a
    return min(lowest_a, limit_a), max(draw_a, exposure_a) if raised else draw_a


@dataclass(slots=True)
class BaseLoad:
    """One metered circuit's estimate, and the value that is held against ups and downs: at most
    `most_a`, so that a false peak doesn't last."""

    most_a: Amperes = (inf, inf, inf)
    estimate_a: list[float | None] = field(default_factory=lambda: [None, None, None])
    _holds: tuple[Hold, Hold, Hold] = field(default_factory=lambda: (Hold(), Hold(), Hold()))
    _doubted_s: list[float] = field(default_factory=lambda: [float("-inf")] * 3)

    def update(self, meter_a: PerPhase, flows: Flows, cap_a: Amperes, now_s: float) -> PerPhase:
        """Take a meter sample; returns the held base load, None where nothing was ever known.

        Never below 0: what a roof delivers now may be gone in a second.
        """
        for phase in PHASES:
            measured_a, flow = meter_a[phase], flows[phase]
            if measured_a is None:
                continue
            highest_a = measured_a - flow.low_a
            lowest_a = measured_a - flow.high_a
            last_a = self.estimate_a[phase]
            base_a = highest_a if last_a is None else min(max(last_a, lowest_a), highest_a)
            missing_a = self._missing(phase, measured_a, flow, cap_a[phase], now_s)
            if missing_a > 0:
                base_a = min(max(base_a, cap_a[phase] - flow.told_a + missing_a), highest_a)
            self.estimate_a[phase] = base_a
            self._holds[phase].update(min(max(0.0, base_a), self.most_a[phase]), now_s)
        return self.held_a

    def _missing(
        self, phase: int, measured_a: float, flow: Flow, cap_a: float, now_s: float
    ) -> float:
        """By how much the meter is above the cap although enough was told, as it seemed.

        Then part of what was ascribed to cars that follow their limits is base load after all.
        Asked once per reaction, so that what it brings about can show first.
        """
        missing_a = measured_a - flow.falling_a - cap_a
        if missing_a <= OVER_CAP_A or now_s - self._doubted_s[phase] < DOUBT_EVERY_S:
            return 0.0
        self._doubted_s[phase] = now_s
        return missing_a

    @property
    def held_a(self) -> PerPhase:
        """What to count with."""
        one, two, three = self._holds
        return (one.value_a, two.value_a, three.value_a)


@dataclass(slots=True)
class WorstOfHour:
    """The greatest base load per hour of the day over the last days, for when the meter is dead."""

    _by_hour: dict[int, list[tuple[int, Amperes]]] = field(default_factory=dict)

    def note(self, day: int, hour: int, base_a: PerPhase) -> None:
        """Remember a base load seen; `day` counts days, `hour` is 0 to 23."""
        one, two, three = (0.0 if a is None else a for a in base_a)
        seen = self._by_hour.setdefault(hour, [])
        if seen and seen[-1][0] == day:
            before = seen[-1][1]
            seen[-1] = (day, (max(before[0], one), max(before[1], two), max(before[2], three)))
        else:
            seen.append((day, (one, two, three)))
            del seen[:-HISTORY_DAYS]

    def worst_a(self, hour: int) -> Amperes:
        """Per phase the worst seen in that hour; 0 where nothing was seen."""
        seen = [amperes for _, amperes in self._by_hour.get(hour, ())]
        one, two, three = (max((a[phase] for a in seen), default=0.0) for phase in PHASES)
        return (one, two, three)
