"""The peak-demand target in the cycle: counts a circuit's window, says what cars may add to it.

Owner of the running window. What was before the first sample counts as much as the fuses let
through, unless it is taken up from before a restart. While the meter is silent (S4) the target
limits nothing; the silence counts.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from sitecontroller.config.demand import DemandSettings
from sitecontroller.dlm.demand_window import (
    DemandWindow,
    Sampled,
    allowed_w,
    counted,
    expected_w,
    so_far_wh,
)
from sitecontroller.dlm.limits import Limit, PhaseLimits
from sitecontroller.dlm.shares import affordable, power_of, shared_a
from sitecontroller.dlm.snapshot import Amperes, Demand
from sitecontroller.domain.limit_source import SOURCE_WORDS, LimitSource
from sitecontroller.domain.topology import HIGHEST_V, PHASES
from sitecontroller.domain.views import DemandView
from sitecontroller.services.load.circuits import (
    LATE_GRACE_S,
    LATE_PERIODS,
    CircuitControl,
    Sample,
    Sight,
)
from sitecontroller.services.load.takers import (
    charging,
    import_w,
    taker_of,
    unsteered_a,
    voltages,
)

WORDS = f"site limit '{SOURCE_WORDS[LimitSource.DEMAND]}'"


class PeakDemand:
    """One circuit's target."""

    def __init__(self, settings: DemandSettings, circuit: CircuitControl) -> None:
        self._settings = settings
        self._circuit = circuit
        self._gap_s = LATE_PERIODS * circuit.period_s + LATE_GRACE_S
        self._fuse_w = sum(circuit.circuit.limit_a) * HIGHEST_V
        self.window: DemandWindow | None = None
        """As counted so far; None: nothing was measured yet."""
        self._counted: Sample | None = None
        self.missing_w: float | None = None
        """By how much the building alone is above what may flow; None: nobody knows."""

    @property
    def name(self) -> str:
        """What tells its windows from those of another target."""
        return f"{self._circuit_id}-{self._settings.period_s}"

    def resume(self, window: DemandWindow) -> None:
        """Go on with what was counted before a restart, unless something was measured since."""
        self.window = self.window or window

    def follow(self, demands: Sequence[Demand], now: datetime) -> None:
        """Count what was measured since, and limit the circuit by what that leaves. `demands`: of
        the EVSEs below it."""
        self._count()
        self._circuit.metered = self._limits(demands, now)

    def view(self, now: datetime) -> DemandView | None:
        """For people; None while there is no target or nothing was measured yet."""
        target_w, window = self._target_w(now), self.window
        if target_w is None or window is None:
            return None
        energy_wh, left_s = self._so_far_wh(window, now), self._left_s(now)
        power_w = window.sampled.power_w if window.sampled is not None else 0.0
        period_s = self._settings.period_s
        ends_at = datetime.fromtimestamp(now.timestamp() + left_s, UTC)
        return DemandView(
            target_w=target_w,
            ends_at=ends_at,
            energy_wh=round(energy_wh, 1),
            allowed_w=round(self._allowed_w(target_w, window, now)),
            expected_w=round(expected_w(energy_wh, power_w, period_s=period_s, left_s=left_s)),
        )

    def _count(self) -> None:
        sample = self._circuit.measured
        counted_before = self._counted
        if sample is None or (counted_before and sample.reading is counted_before.reading):
            return
        self._counted = sample
        power_w = import_w(sample.reading)
        if power_w is None:
            return
        self.window = counted(
            self.window,
            Sampled(sample.reading.at.timestamp(), power_w),
            period_s=self._settings.period_s,
            gap_s=self._gap_s,
            worst_w=self._fuse_w,
        )

    def _limits(self, demands: Sequence[Demand], now: datetime) -> PhaseLimits | None:
        self.missing_w = None
        target_w, window, base_a = self._target_w(now), self.window, self._circuit.base_a
        one_a, two_a, three_a = base_a
        if target_w is None or window is None or self._circuit.sight >= Sight.ASSUMED:
            return None
        if one_a is None or two_a is None or three_a is None or self._counted is None:
            return None
        voltage_v = voltages(self._counted.reading)
        one, two, three = unsteered_a(demands)
        taken_a = one_a + one, two_a + two, three_a + three
        allowed_w = self._allowed_w(target_w, window, now)
        self.missing_w = power_of((one_a, two_a, three_a), voltage_v) - allowed_w
        rest_w = allowed_w - power_of(taken_a, voltage_v)
        given_a = self._given_a(demands, rest_w, voltage_v)
        spare_a = (rest_w - power_of(given_a, voltage_v)) / sum(voltage_v)
        limits = [
            Limit(max(0.0, taken_a[p] + given_a[p] + spare_a), WORDS, self._circuit_id)
            for p in PHASES
        ]
        return limits[0], limits[1], limits[2]

    def _given_a(self, demands: Sequence[Demand], rest_w: float, voltage_v: Amperes) -> Amperes:
        """What is left, on the phases where cars can use it."""
        takers = [taker_of(demand) for demand in charging(demands)]
        return shared_a(affordable(takers, rest_w, voltage_v), max(0.0, rest_w), voltage_v)

    def _target_w(self, now: datetime) -> float | None:
        period_s = self._settings.period_s
        began_s = now.timestamp() // period_s * period_s
        return self._settings.target_w_at(datetime.fromtimestamp(began_s, UTC))

    def _left_s(self, now: datetime) -> float:
        return self._settings.period_s - now.timestamp() % self._settings.period_s

    def _so_far_wh(self, window: DemandWindow, now: datetime) -> float:
        return so_far_wh(
            window,
            now.timestamp(),
            period_s=self._settings.period_s,
            gap_s=self._gap_s,
            worst_w=self._fuse_w,
        )

    def _allowed_w(self, target_w: float, window: DemandWindow, now: datetime) -> float:
        return allowed_w(
            target_w,
            self._so_far_wh(window, now),
            period_s=self._settings.period_s,
            left_s=self._left_s(now),
            most_w=self._fuse_w,
        )

    @property
    def _circuit_id(self) -> str:
        return self._circuit.circuit.circuit_id
