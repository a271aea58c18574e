"""What load management knows of a site and hands from one cycle to the next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sitecontroller.config import LoadSettings
from sitecontroller.domain.topology import EvseKey, Topology
from sitecontroller.ports import Clock
from sitecontroller.services.load.circuits import Circuits
from sitecontroller.services.load.evse import EvseControl, Timing, unknown_exposure
from sitecontroller.services.load.limits import SiteLimits
from sitecontroller.services.load.shedding import Shedding

LEASE_UNCERTAINTY_S = 12.0
"""How much later than planned a lease may end: the station's clock and the message's way."""
READING_GRACE_S = 2.0


@dataclass(frozen=True, slots=True)
class LoadState:
    """Every EVSE and circuit, and what limits them; `began_s` is when this run began."""

    topology: Topology
    settings: LoadSettings
    clock: Clock
    began_s: float
    timing: Timing
    controls: Mapping[EvseKey, EvseControl]
    of_station: Mapping[str, Sequence[EvseControl]]
    below: Mapping[str, Sequence[EvseControl]]
    """The EVSEs under each circuit."""
    circuits: Circuits
    limits: SiteLimits
    shedding: Shedding


def unknown_state(
    topology: Topology,
    settings: LoadSettings,
    clock: Clock,
    sample_interval_s: float,
    earlier_leases_s: float | None = None,
) -> LoadState:
    """Before anything is heard. Limits of a controller that ran before may still hold for
    `earlier_leases_s`; by default a lease and its uncertainty."""
    began_s, reaction_s = clock.monotonic_s(), settings.reaction_s
    stale_s = 2 * sample_interval_s + READING_GRACE_S
    if earlier_leases_s is None:
        earlier_leases_s = settings.longest_lease_s + LEASE_UNCERTAINTY_S
    controls = {
        evse.key: EvseControl(evse, unknown_exposure(evse, began_s + earlier_leases_s, began_s))
        for evse in topology.evses()
    }
    circuits = Circuits(topology)
    return LoadState(
        topology,
        settings,
        clock,
        began_s,
        Timing(reaction_s, stale_s, max(2 * reaction_s, stale_s) + 2 * reaction_s),
        controls,
        {
            station.station_id: tuple(controls[evse.key] for evse in station.evses)
            for station in topology.stations.values()
        },
        {
            circuit_id: tuple(controls[evse.key] for evse in topology.below(circuit_id))
            for circuit_id in topology.circuits
        },
        circuits,
        SiteLimits(topology, circuits, controls),
        Shedding(circuits.up),
    )
