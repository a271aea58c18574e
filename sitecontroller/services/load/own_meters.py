"""What the site's own meters limit in every cycle: peak demand, PV surplus."""

from collections.abc import Callable
from datetime import datetime

from sitecontroller.dlm.snapshot import Demand
from sitecontroller.domain.topology import EvseKey
from sitecontroller.domain.views import DemandView, SurplusView
from sitecontroller.services.load.circuits import Sample
from sitecontroller.services.load.demand import PeakDemand
from sitecontroller.services.load.state import LoadState
from sitecontroller.services.load.surplus import PvSurplus


class OwnMeters:
    """Those that site.toml asks for; `sample` is a meter's last good sample, however old."""

    def __init__(self, state: LoadState, sample: Callable[[str], Sample | None]) -> None:
        self._state = state
        self._demand: PeakDemand | None = None
        self._surplus: PvSurplus | None = None
        demand, surplus = state.settings.demand, state.settings.surplus
        if demand is not None:
            self._demand = PeakDemand(demand, state.circuits.by_id[demand.circuit_id])
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
        if demand is not None and self._demand is not None:
            below = self._state.below[demand.circuit_id]
            self._demand.follow(self._demands([c.key for c in below], now_s), now)
        if surplus is not None and self._surplus is not None:
            members = self._state.topology.groups[surplus.group_id].members
            self._surplus.follow(self._demands(members, now_s), now_s)

    def demand_view(self, circuit_id: str, now: datetime) -> DemandView | None:
        """The peak-demand window that is counted at this circuit."""
        demand = self._state.settings.demand
        if self._demand is None or demand is None or demand.circuit_id != circuit_id:
            return None
        return self._demand.view(now)

    def surplus_view(self, circuit_id: str) -> SurplusView | None:
        """The surplus that is measured at this circuit."""
        surplus = self._state.settings.surplus
        if self._surplus is None or surplus is None or surplus.circuit_id != circuit_id:
            return None
        return self._surplus.view()

    def _demands(self, keys: "list[EvseKey] | tuple[EvseKey, ...]", now_s: float) -> list[Demand]:
        """Of those that charge or might draw something."""
        controls = [self._state.controls[key] for key in keys]
        return [
            control.demand(now_s)
            for control in controls
            if control.transaction is not None or control.exposure_a(now_s) > 0
        ]
