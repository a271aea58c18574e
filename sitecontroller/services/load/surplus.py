"""PV surplus in the cycle: what a group of EVSEs may take of what the roof has left over.

Owner of the group's share. Any meter that is silent makes the surplus unknown, which is none.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sitecontroller.config.surplus import SurplusSettings
from sitecontroller.dlm.limits import Limit, PhaseLimits
from sitecontroller.dlm.shares import power_of, shared_a
from sitecontroller.dlm.snapshot import Amperes, Demand
from sitecontroller.dlm.surplus import OwnUse, SurplusCar, SurplusShare, available_w
from sitecontroller.domain.topology import PHASES, Meter
from sitecontroller.domain.views import SurplusView
from sitecontroller.services.load.circuits import (
    ASSUMED_AFTER_S,
    LATE_GRACE_S,
    LATE_PERIODS,
    CircuitControl,
    Sample,
    Sight,
)
from sitecontroller.services.load.evse import Timing
from sitecontroller.services.load.flows import flows_of
from sitecontroller.services.load.limits import GroupControl
from sitecontroller.services.load.takers import (
    charging,
    import_w,
    taker_of,
    unsteered_a,
    voltages,
)

WORDS = "PV surplus"


@dataclass(frozen=True, slots=True)
class _Flows:
    """What the meters say now, W: grid import, battery charging, the roof; None: not in use."""

    grid_w: float
    battery_w: float
    pv_w: float | None


class PvSurplus:
    """One group. `sample` is a meter's last good sample, however old."""

    def __init__(
        self,
        settings: SurplusSettings,
        group: GroupControl,
        circuit: CircuitControl,
        meters: Mapping[str, Meter],
        sample: Callable[[str], Sample | None],
        timing: Timing,
    ) -> None:
        self._settings = settings
        self._group = group
        self._circuit = circuit
        self._meters = meters
        self._sample = sample
        self._timing = timing
        self._own_use = OwnUse()
        self._share = SurplusShare(settings.mode, settings.start_after_s, settings.stop_after_s)
        self._left_w: float | None = None

    def follow(self, demands: Sequence[Demand], now_s: float) -> None:
        """Reckon what is left over now and limit the group by it. `demands`: of its EVSEs."""
        flows, measured = self._flows(now_s), self._circuit.measured
        self._left_w = (
            None if flows is None or measured is None else self._left_over_w(flows, now_s)
        )
        volts = voltages(measured.reading) if measured is not None else None
        cars = [SurplusCar(taker_of(d), d.limit_a > 0) for d in charging(demands)]
        given = self._share.update(self._left_w, cars, now_s, *(() if volts is None else (volts,)))
        unsteered = unsteered_a(demands)
        rest_w = given.power_w - (power_of(unsteered, volts) if volts is not None else 0.0)
        least_w = sum(taker.minimum_w(volts) for taker in given.served) if volts else 0.0
        given_a: Amperes = (0.0, 0.0, 0.0)
        if volts is not None:
            given_a = shared_a(given.served, max(rest_w, least_w), volts)
        self._group.metered = self._limits(unsteered, given_a)

    def view(self) -> SurplusView:
        """For people."""
        return SurplusView(
            group_id=self._group.group.group_id,
            available_w=None if self._left_w is None else round(self._left_w),
            given_w=round(self._share.given.power_w),
            charging=len(self._share.given.served),
        )

    def _left_over_w(self, flows: _Flows, now_s: float) -> float:
        assert self._circuit.measured is not None, "flows were measured"
        volts = voltages(self._circuit.measured.reading)
        low_w = high_w = 0.0
        for control in self._group.members:
            for phase, flow in enumerate(flows_of(control, now_s, self._timing)):
                low_w += flow.low_a * volts[phase]
                high_w += flow.high_a * volts[phase]
        return available_w(
            self._own_use.update(flows.grid_w - flows.battery_w, low_w, high_w),
            reserve_w=self._settings.reserve_w,
            battery_charge_w=flows.battery_w,
            battery_first=self._settings.battery_first,
            pv_w=flows.pv_w,
        )

    def _flows(self, now_s: float) -> _Flows | None:
        """None where any meter that counts is silent."""
        sample = self._circuit.measured
        grid_w = import_w(sample.reading) if sample is not None else None
        if grid_w is None or self._circuit.sight >= Sight.ASSUMED:
            return None
        battery_w, pv_w = 0.0, None
        if self._settings.battery_meter_id is not None:
            measured_w = self._power_w(self._settings.battery_meter_id, now_s)
            if measured_w is None:
                return None
            battery_w = measured_w
        if self._settings.pv_meter_id is not None:
            measured_w = self._power_w(self._settings.pv_meter_id, now_s)
            if measured_w is None:
                return None
            pv_w = abs(measured_w)
        return _Flows(grid_w, battery_w, pv_w)

    def _power_w(self, meter_id: str, now_s: float) -> float | None:
        sample = self._sample(meter_id)
        late_s = LATE_PERIODS * self._meters[meter_id].period_s + LATE_GRACE_S
        if sample is None or now_s - sample.received_s > max(ASSUMED_AFTER_S, late_s):
            return None
        return sample.reading.power_w

    def _limits(self, unsteered: Amperes, given_a: Amperes) -> PhaseLimits:
        one, two, three = (
            Limit(unsteered[phase] + given_a[phase], WORDS, self._group.group.group_id)
            for phase in PHASES
        )
        return one, two, three
