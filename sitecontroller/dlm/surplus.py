"""Charging from what the roof has left over: how much that is, and which cars may have it.

What is left over is reckoned without the cars and without the battery: what the building takes less
what the roof delivers. A car's current is known only within bounds while it follows a new limit
(`base.flow_bounds`), so the estimate moves no further than these force it to; else every change of
ours would look like a cloud. Clouds come and go, contactors must not: a car starts when its minimum
was there for some minutes, and stops when it was missing for some more.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from sitecontroller.dlm.shares import Taker
from sitecontroller.dlm.snapshot import Amperes
from sitecontroller.domain.topology import NOMINAL_V

SMOOTH_S = 60.0
"""Time constant: shorter clouds are ridden out."""
SAMPLE_EVERY_S = 5.0
RAISE_EVERY_S = 90.0
LOWER_EVERY_S = 30.0
"""Each change is a write to the flash of every station concerned."""
RAISE_A = 0.5
LOWER_A = 0.25
"""A smaller change per car and phase isn't worth one."""


class SurplusMode(StrEnum):
    """What cars get when too little is left over."""

    SURPLUS = "surplus"
    """Nothing."""
    SURPLUS_AND_MINIMUM = "surplus+minimum"
    """Their minimum, from wherever it comes."""


@dataclass(frozen=True, slots=True)
class SurplusCar:
    """A car that may charge from the surplus; `running`: it is told more than 0."""

    taker: Taker
    running: bool


@dataclass(frozen=True, slots=True)
class Given:
    """What these cars may take together, W, and which of them may charge."""

    power_w: float = 0.0
    served: tuple[Taker, ...] = ()


@dataclass(slots=True)
class OwnUse:
    """What the site takes besides these cars and the battery less what the roof delivers, W; below
    0 is surplus."""

    estimate_w: float | None = None

    def update(self, net_w: float, low_w: float, high_w: float) -> float:
        """`net_w`: grid less battery, import and charging positive; the cars draw between `low_w`
        and `high_w`. Of all that fits, what is nearest to the last."""
        highest_w, lowest_w = net_w - low_w, net_w - high_w
        last_w = highest_w if self.estimate_w is None else self.estimate_w
        self.estimate_w = min(max(last_w, lowest_w), highest_w)
        return self.estimate_w


def available_w(
    own_use_w: float,
    *,
    reserve_w: float,
    battery_charge_w: float,
    battery_first: bool,
    pv_w: float | None = None,
) -> float:
    """What cars may take, below 0 where it is missing.

    What the battery gives back is never counted. With `battery_first` it keeps what it charges
    with. No more than the roof delivers, where that is measured.
    """
    left_w = -own_use_w - reserve_w
    if battery_first:
        left_w -= max(0.0, battery_charge_w)
    return left_w if pv_w is None else min(left_w, pv_w)


@dataclass(slots=True)
class SurplusShare:
    """Decides over time what cars get; all instants are monotonic seconds."""

    mode: SurplusMode = SurplusMode.SURPLUS
    start_after_s: float = 300.0
    stop_after_s: float = 600.0
    smooth_w: float | None = None
    given: Given = Given()
    _history: deque[tuple[float, float]] = field(default_factory=deque)
    _at_s: float = 0.0
    _changed_s: float = float("-inf")

    def update(
        self,
        left_w: float | None,
        cars: Sequence[SurplusCar],
        now_s: float,
        voltage_v: Amperes = (NOMINAL_V,) * 3,
    ) -> Given:
        """`left_w` None: not known; then nobody gets more than the mode grants without surplus, and
        it begins anew. Cars in the order in which they are served."""
        self._remember(left_w, now_s)
        served = self._served(cars, now_s, voltage_v)
        minimum_w = sum(taker.minimum_w(voltage_v) for taker in served)
        if left_w is None or not served:
            self.given, self._changed_s = Given(minimum_w, served), now_s
            return self.given
        want_w = max(minimum_w, self.smooth_w or 0.0)
        if served != self.given.served or self._is_worth(want_w, minimum_w, now_s, voltage_v):
            self.given, self._changed_s = Given(want_w, served), now_s
        return self.given

    def _remember(self, left_w: float | None, now_s: float) -> None:
        if left_w is None:
            self.smooth_w = None
            self._history.clear()
            return
        passed_s = max(0.0, now_s - self._at_s)
        last_w = left_w if self.smooth_w is None else self.smooth_w
        self.smooth_w = last_w + (left_w - last_w) * passed_s / (passed_s + SMOOTH_S)
        self._at_s = now_s
        history = self._history
        if not history or now_s - history[-1][0] >= SAMPLE_EVERY_S:
            history.append((now_s, self.smooth_w))
        keep_s = max(self.start_after_s, self.stop_after_s)
        while len(history) > 1 and history[1][0] <= now_s - keep_s:
            history.popleft()

    def _served(
        self, cars: Sequence[SurplusCar], now_s: float, voltage_v: Amperes
    ) -> tuple[Taker, ...]:
        """Who runs goes on while the minima were there in the last minutes at least once; others
        begin when they were there all the time."""
        if self.mode is SurplusMode.SURPLUS_AND_MINIMUM:
            return tuple(car.taker for car in cars)
        if self.smooth_w is None:
            return ()
        most_w = self._most_w(now_s)
        least_w = self._least_w(now_s)
        served, needed_w = [], 0.0
        for car in sorted(cars, key=lambda car: not car.running):
            with_it_w = needed_w + car.taker.minimum_w(voltage_v)
            if with_it_w <= (most_w if car.running else least_w):
                served.append(car.taker)
                needed_w = with_it_w
        return tuple(served)

    def _most_w(self, now_s: float) -> float:
        since_s = now_s - self.stop_after_s
        if self._history[0][0] > since_s:
            return float("inf")
        return max(left_w for at_s, left_w in self._history if at_s >= since_s)

    def _least_w(self, now_s: float) -> float:
        since_s = now_s - self.start_after_s
        if self._history[0][0] > since_s:
            return float("-inf")
        return min(left_w for at_s, left_w in self._history if at_s >= since_s)

    def _is_worth(self, want_w: float, minimum_w: float, now_s: float, voltage_v: Amperes) -> bool:
        """Whether a change is large and the last one long ago enough."""
        volts = sum(voltage_v[phase] for taker in self.given.served for phase in taker.phases)
        calm_s, more_w = now_s - self._changed_s, want_w - self.given.power_w
        if more_w > 0:
            return calm_s >= RAISE_EVERY_S and more_w >= RAISE_A * volts
        at_bottom = want_w == minimum_w and more_w < 0
        return calm_s >= LOWER_EVERY_S and (at_bottom or -more_w >= LOWER_A * volts)
