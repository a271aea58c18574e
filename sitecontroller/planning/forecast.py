"""What the building will draw: a week of quarter-hours learned from the site's own weeks.

One series at a time, in W or A: the site's total, a phase, a circuit. A week is local time, so that
a clock change moves nothing. Weeks count less the older they are, and medians leave a holiday or a
fault of one week without effect. How far off this is comes from walking through the history: each
week is forecast from those before it alone, which gives the quantiles and the error that is shown.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import exp2, fsum, isfinite
from typing import NamedTuple
from zoneinfo import ZoneInfo

QUARTER_HOUR = timedelta(minutes=15)
DAY_SLOTS = 96
WEEK_SLOTS = 7 * DAY_SLOTS
HALF_LIFE_WEEKS = 4.0
WEEKS_MAX = 26
"""Half a year: what is older weighs about a hundredth."""
LOW, MID, HIGH = 0.1, 0.5, 0.9
NEIGHBOURS = ((0, 1.0), (-1, 0.4), (1, 0.4))
"""Quarter-hours beside one that help to find its median; together they weigh less than it does, so
that a step in the load stays where it is."""
ERROR_SLOTS = 2
"""Errors are taken together with those of half an hour before and after, and of like days."""

Rows = Iterable[tuple[datetime, float | None]]


class Quantiles(NamedTuple):
    """The value that 10, 50 and 90 % of what comes stays below."""

    low: float
    mid: float
    high: float


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The error of forecasts of weeks that were not known then, in the unit of the series.

    Counted where the same quarter-hour of the week before is known too: `naive_mae` is the error of
    expecting that again. `bias` above 0: forecast too high. `below_low` and `above_high` are the
    parts (0 to 1) of what came that lay outside the quantiles; 0.1 each is right.
    """

    samples: int
    mae: float
    bias: float
    naive_mae: float
    below_low: float
    above_high: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """What was learned. `accuracy` is None until two forecasts could be checked: three weeks."""

    zone: ZoneInfo
    slots: tuple[Quantiles | None, ...]
    accuracy: Accuracy | None

    def predict(self, start_at: datetime, intervals: int) -> list[Quantiles | None]:
        """For that many quarter-hours; None where the history has nothing like it."""
        return [
            self.slots[_slot(start_at + number * QUARTER_HOUR, self.zone)[1]]
            for number in range(intervals)
        ]


def learn(rows: Rows, *, zone: ZoneInfo) -> Forecast:
    """A forecast from (instant, value) in any order; a value that is None or no number is a gap.

    Two weeks are the least that gives quantiles. 26 weeks of quarter-hours take about a second.
    """
    weeks = _weeks(rows, zone)
    walk = _Walk()
    for week in sorted(weeks):
        walk.step(week, weeks[week])
    next_week = max(weeks, default=0) + 1
    return Forecast(zone, walk.profile(next_week), walk.accuracy())


def _slot(at: datetime, zone: ZoneInfo) -> tuple[int, int]:
    """Week (counted from the year 1) and quarter-hour of the week, in local time."""
    assert at.tzinfo is not None, "instants are aware"
    local = at.astimezone(zone)
    week = (local.toordinal() - 1) // 7
    return week, local.weekday() * DAY_SLOTS + local.hour * 4 + local.minute // 15


def _weeks(rows: Rows, zone: ZoneInfo) -> dict[int, dict[int, float]]:
    """Means by week and slot, of the newest `WEEKS_MAX`."""
    found: dict[int, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for at, value in rows:
        if value is not None and isfinite(value):
            week, slot = _slot(at, zone)
            found[week][slot].append(value)
    newest = max(found, default=0)
    return {
        week: {slot: fsum(values) / len(values) for slot, values in sorted(slots.items())}
        for week, slots in found.items()
        if week > newest - WEEKS_MAX
    }


class _Walk:
    """One week after the other: forecast it, note the errors, then learn it."""

    def __init__(self) -> None:
        self._values: list[list[tuple[int, float]]] = [[] for _ in range(WEEK_SLOTS)]
        self._errors: dict[tuple[bool, int], list[tuple[int, float]]] = defaultdict(list)
        self._last: tuple[int, Mapping[int, float]] = (0, {})
        self._checked: list[tuple[Quantiles, float, float]] = []

    def step(self, week: int, actual: Mapping[int, float]) -> None:
        forecast = self.profile(week)
        last_week, last = self._last
        for slot, value in actual.items():
            quantiles = forecast[slot]
            if quantiles is not None and last_week == week - 1 and slot in last:
                self._checked.append((quantiles, last[slot], value))
        for slot, value in actual.items():
            if (mid := self._median(slot, week)) is not None:
                self._errors[_pool(slot)].append((week, value - mid))
        for slot, value in actual.items():
            self._values[slot].append((week, value))
        self._last = (week, actual)

    def profile(self, week: int) -> tuple[Quantiles | None, ...]:
        """What is expected of that week, from the weeks before it."""
        spreads = {pool: self._spread(pool, week) for pool in list(self._errors)}
        slots: list[Quantiles | None] = []
        for slot in range(WEEK_SLOTS):
            mid, spread = self._median(slot, week), spreads.get(_pool(slot))
            if mid is None or spread is None:
                slots.append(None)
            else:
                slots.append(Quantiles(mid + min(0.0, spread[0]), mid, mid + max(0.0, spread[1])))
        return tuple(slots)

    def accuracy(self) -> Accuracy | None:
        count = len(self._checked)
        if not count:
            return None
        return Accuracy(
            count,
            mae=sum(abs(q.mid - value) for q, _, value in self._checked) / count,
            bias=sum(q.mid - value for q, _, value in self._checked) / count,
            naive_mae=sum(abs(last - value) for _, last, value in self._checked) / count,
            below_low=sum(value < q.low for q, _, value in self._checked) / count,
            above_high=sum(value > q.high for q, _, value in self._checked) / count,
        )

    def _median(self, slot: int, week: int) -> float | None:
        """Of the slot and its neighbours; where it has nothing, of like days at that time."""
        weighted = [
            (value, weight * _weight(week - then))
            for offset, weight in NEIGHBOURS
            for then, value in self._values[(slot + offset) % WEEK_SLOTS]
        ]
        if not weighted:
            weighted = [
                (value, _weight(week - then))
                for like in range(slot % DAY_SLOTS, WEEK_SLOTS, DAY_SLOTS)
                if _pool(like) == _pool(slot)
                for then, value in self._values[like]
            ]
        return _quantile(weighted, MID)

    def _spread(self, pool: tuple[bool, int], week: int) -> tuple[float, float] | None:
        weekend, day_slot = pool
        weighted = [
            (error, _weight(week - then))
            for offset in range(-ERROR_SLOTS, ERROR_SLOTS + 1)
            for then, error in self._errors.get((weekend, (day_slot + offset) % DAY_SLOTS), ())
        ]
        low, high = _quantile(weighted, LOW), _quantile(weighted, HIGH)
        return None if low is None or high is None else (low, high)


def _pool(slot: int) -> tuple[bool, int]:
    """Which slots are alike: weekend or not, and the time of day."""
    return slot >= 5 * DAY_SLOTS, slot % DAY_SLOTS


def _weight(age_weeks: int) -> float:
    return exp2(-age_weeks / HALF_LIFE_WEEKS)


def _quantile(weighted: Sequence[tuple[float, float]], part: float) -> float | None:
    """The value that `part` of the weight lies below, linear between the values' own middles."""
    if not weighted:
        return None
    ordered = sorted(weighted)
    wanted = part * sum(weight for _, weight in ordered)
    below = 0.0
    last_middle = last_value = None
    for value, weight in ordered:
        middle = below + weight / 2
        if middle >= wanted:
            if last_middle is None or last_value is None:
                return value
            return last_value + (value - last_value) * (wanted - last_middle) / (
                middle - last_middle
            )
        below += weight
        last_middle, last_value = middle, value
    return ordered[-1][0]
