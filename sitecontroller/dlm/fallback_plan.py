"""Which EVSEs keep a fallback where the fuses can't bear one for each (S2).

As many as fit keep their minimum, one after the other: always one of the circuit, of those above
it, of the station, that has the smallest share so far; then the one whose phases carry least; then
the one farthest from those chosen, so that free bays lie spread. Takes a second for 500 EVSEs: for
the workshop's process, not for the loop. Pure.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from sitecontroller.dlm.fallbacks import TOLERANCE_A, Place, places, prove_fallbacks
from sitecontroller.domain.commissioning import FallbackProposal, KeptFallback
from sitecontroller.domain.topology import PHASES, Evse, EvseKey, Topology


def propose_fallbacks(topology: Topology) -> FallbackProposal:
    """A fair set of fallbacks, with its proof. ConfigurationError where not even none fits."""
    chosen = _chosen(topology)
    proposed = with_fallbacks(topology, chosen)
    kept = tuple(
        KeptFallback(e.station_id, e.evse_id, e.fallback_a, chosen.get(e.key, 0.0))
        for e in topology.evses()
    )
    return FallbackProposal(kept, prove_fallbacks(proposed), tuple(_lines(kept)))


def with_fallbacks(topology: Topology, fallback_a: dict[EvseKey, float]) -> Topology:
    """The same site with these fallbacks and no others."""
    stations = {
        station.station_id: replace(
            station,
            evses=tuple(replace(e, fallback_a=fallback_a.get(e.key, 0.0)) for e in station.evses),
        )
        for station in topology.stations.values()
    }
    return replace(topology, stations=stations)


def _chosen(topology: Topology) -> dict[EvseKey, float]:
    choice = _Choice(topology)
    open_evses = list(topology.evses())
    while open_evses:
        open_evses = [evse for evse in open_evses if choice.fits(evse)]
        if open_evses:
            best = min(open_evses, key=choice.rank)
            open_evses.remove(best)
            choice.take(best)
    return choice.kept_a


class _Choice:
    """What has been chosen so far, and the room that it leaves."""

    def __init__(self, topology: Topology) -> None:
        self.kept_a: dict[EvseKey, float] = {}
        self._paths = {id_: [c.circuit_id for c in topology.path(id_)] for id_ in topology.circuits}
        self._number = {evse.key: number for number, evse in enumerate(topology.evses())}
        self._free_a: list[list[float]] = []
        self._limit_a: list[tuple[float, float, float]] = []
        self._places: dict[EvseKey, list[int]] = {evse.key: [] for evse in topology.evses()}
        for number, place in enumerate(places(topology)):
            self._add(number, place)
        self._size = Counter(name for evse in topology.evses() for name in self._rooms(evse))
        self._taken: Counter[str] = Counter()

    def _add(self, number: int, place: Place) -> None:
        self._free_a.append([place.limit_a[p] - place.base_a[p] for p in PHASES])
        self._limit_a.append(place.limit_a)
        for evse in place.evses:
            self._places[evse.key].append(number)

    def _rooms(self, evse: Evse) -> tuple[str, ...]:
        """Whose shares are compared, from the top: the circuits on the way, the station."""
        circuits = tuple(f"circuit {id_}" for id_ in reversed(self._paths[evse.circuit_id]))
        return (*circuits, f"station {evse.station_id}")

    def fits(self, evse: Evse) -> bool:
        """Whether its minimum does nowhere exceed a limit."""
        return all(
            self._free_a[place][phase] + TOLERANCE_A >= evse.current_a_min
            for place in self._places[evse.key]
            for phase in evse.phase_map.site_phases
        )

    def rank(self, evse: Evse) -> tuple[object, ...]:
        """The least comes next."""
        shares = tuple(self._taken[name] / self._size[name] for name in self._rooms(evse))
        fullest = max(
            1 - self._free_a[place][phase] / max(self._limit_a[place][phase], TOLERANCE_A)
            for place in self._places[evse.key]
            for phase in evse.phase_map.site_phases
        )
        number = self._number[evse.key]
        nearest = min((abs(self._number[key] - number) for key in self.kept_a), default=0)
        return shares, round(fullest, 3), -nearest, evse.fallback_a == 0, number

    def take(self, evse: Evse) -> None:
        """It keeps its minimum."""
        self.kept_a[evse.key] = evse.current_a_min
        self._taken.update(self._rooms(evse))
        for place in self._places[evse.key]:
            for phase in evse.phase_map.site_phases:
                self._free_a[place][phase] -= evse.current_a_min


def _lines(kept: tuple[KeptFallback, ...]) -> Iterator[str]:
    for each in kept:
        if each.proposed_a != each.configured_a:
            yield (
                f"station {each.station_id}, EVSE {each.evse_id}: "
                f"fallback_a = {each.proposed_a:g}   # was {each.configured_a:g}"
            )
