"""What the site's own meters limit in every cycle: peak demand, PV surplus."""

from collections.abc import Callable, Sequence
from datetime import datetime

from sitecontroller.dlm.snapshot import Demand
from sitecontroller.domain.views import DemandView, SurplusView
from sitecontroller.services.load.circuits import Sample
from sitecontroller.services.load.demand import PeakDemand
from sitecontroller.services.load.evse import EvseControl
from sitecontroller.services.load.state import LoadState
from sitecontroller.services.load.surplus import PvSurplus


class OwnMeters:
    """Those that site.toml asks for; `sample` is a meter's last good sample, however old, `demand`
    what the cycle takes an EVSE to want."""

    def __init__(
        self,
        state: LoadState,
        sample: Callable[[str], Sample | None],
        demand: Callable[[EvseControl, float], Demand],
    ) -> None:
        self._state = state
        self._demand_of = demand
        self.peak_demand: PeakDemand | None = None
        self._surplus: PvSurplus | None = None
        target, surplus = state.settings.demand, state.settings.surplus
        if target is not None:
            self.peak_demand = PeakDemand(target, state.circuits.by_id[target.circuit_id])
        if surplus is not None:
            groups = {group.group.group_id: group for group in state.limits.groups}
            self._surplus = PvSurplus(
                surplus,
                groups[surplus.group_id],
                state.circuits.by_id[surplus.circuit_id],
                state.topology.meters,
                sample,
                state.timing,
            )

    def follow(self, now: datetime, now_s: float) -> None:
        """Once per cycle, after the circuits were measured."""
        demand, surplus = self._state.settings.demand, self._state.settings.surplus
        if demand is not None and self.peak_demand is not None:
            below = self._state.below[demand.circuit_id]
            self.peak_demand.follow(self._demands(below, now_s), now)
        if surplus is not None and self._surplus is not None:
            members = self._state.topology.groups[surplus.group_id].members
            controls = [self._state.controls[key] for key in members]
            self._surplus.follow(self._demands(controls, now_s), now_s)

    def demand_view(self, circuit_id: str, now: datetime) -> DemandView | None:
        """The peak-demand window that is counted at this circuit."""
        demand = self._state.settings.demand
        if self.peak_demand is None or demand is None or demand.circuit_id != circuit_id:
            return None
        return self.peak_demand.view(now)

    def surplus_view(self, circuit_id: str) -> SurplusView | None:
        """The surplus that is measured at this circuit."""
        surplus = self._state.settings.surplus
        if self._surplus is None or surplus is None or surplus.circuit_id != circuit_id:
            return None
        return self._surplus.view()

    def _demands(self, controls: Sequence[EvseControl], now_s: float) -> list[Demand]:
        """Of those that charge or might draw something."""
        return [
            self._demand_of(control, now_s)
            for control in controls
            if control.transaction is not None or control.exposure_a(now_s) > 0
        ]
