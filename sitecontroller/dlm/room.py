"""The room that circuits and groups have, as one flat list with an entry per circuit and phase.

EVSEs on the same circuit, phases and groups form a *bundle*: they meet the same entries, so sums
are made per bundle first. That is what keeps a thousand EVSEs affordable in plain Python.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sitecontroller.dlm.snapshot import CircuitState, Demand, Snapshot
from sitecontroller.domain.topology import PHASE_NAMES, PHASES, EvseKey

EPSILON_A = 1e-7
"""Below every meter's resolution: what sums of floats may be off by."""


@dataclass(slots=True)
class Bundle:
    """Demands (by their number) that meet the same entries of the room."""

    entries: tuple[int, ...]
    members: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Label:
    """How an entry is named when it binds."""

    bound_by: str
    text: str


class Room:
    """`free_a[entry]` is what an entry still has to give; entries are ordered root first."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.labels: list[Label] = []
        self.free_a: list[float] = []
        self._entry: dict[str, int] = {}
        self._circuits = {circuit.circuit_id: circuit for circuit in snapshot.circuits}
        for circuit in sorted(snapshot.circuits, key=self._by_depth):
            self._add_circuit(circuit)
        self._groups: dict[EvseKey, tuple[int, ...]] = {}
        for group in sorted(snapshot.groups, key=lambda group: group.group_id):
            first = len(self.free_a)
            for phase in PHASES:
                self.labels.append(Label(group.group_id, f"{group.name}, {PHASE_NAMES[phase]}"))
                self.free_a.append(group.cap_a[phase])
            for key in group.members:
                self._groups[key] = (*self._groups.get(key, ()), first)
        self._paths: dict[tuple[str, tuple[int, ...]], tuple[int, ...]] = {}
        self._differences: dict[tuple[str, int, int], int] = {}

    def entries(self, demand: Demand) -> tuple[int, ...]:
        """Every entry that a demand's current flows through."""
        place = (demand.circuit_id, demand.phases)
        path = self._paths.get(place)
        if path is None:
            path = self._paths[place] = self._path(*place)
        groups = self._groups.get(demand.key) if self._groups else None
        if groups:
            return path + tuple(first + phase for first in groups for phase in demand.phases)
        return path

    def bundles(self, demands: Iterable[Demand]) -> list[Bundle]:
        """Demands numbered in their order, put together by what they meet."""
        bundles: dict[object, Bundle] = {}
        plain = not self._groups
        for number, demand in enumerate(demands):
            kind: object = (demand.circuit_id, demand.phases) if plain else self.entries(demand)
            bundle = bundles.get(kind)
            if bundle is None:
                bundle = bundles[kind] = Bundle(self.entries(demand))
            bundle.members.append(number)
        return list(bundles.values())

    def below(self, circuit_id: str) -> frozenset[str]:
        """The ids of a circuit and of all that hang on it."""
        return frozenset(
            other for other in self._circuits if circuit_id in self._circuit_ids_up_from(other)
        )

    def limit_difference(
        self, circuit_id: str, high: int, low: int, label: Label, free_a: float
    ) -> None:
        """Below a circuit, what loads phase `high` and not `low` may take `free_a` together."""
        entry = self._differences.get((circuit_id, high, low))
        if entry is None:
            self._differences[circuit_id, high, low] = len(self.free_a)
            self.labels.append(label)
            self.free_a.append(free_a)
            self._paths.clear()
        else:
            self.free_a[entry] = free_a

    def _path(self, circuit_id: str, phases: tuple[int, ...]) -> tuple[int, ...]:
        circuits = self._circuit_ids_up_from(circuit_id)
        entries = [self._entry[id_] + phase for id_ in reversed(circuits) for phase in phases]
        entries += (
            entry
            for (id_, high, low), entry in self._differences.items()
            if id_ in circuits and high in phases and low not in phases
        )
        return tuple(entries)

    def _circuit_ids_up_from(self, circuit_id: str) -> list[str]:
        ids: list[str] = []
        current: str | None = circuit_id
        while current is not None:
            ids.append(current)
            current = self._circuits[current].parent_id
        return ids

    def _add_circuit(self, circuit: CircuitState) -> None:
        self._entry[circuit.circuit_id] = len(self.free_a)
        for phase in PHASES:
            base_a = circuit.base_a[phase]
            name = f"{circuit.name}, {PHASE_NAMES[phase]}"
            if base_a is None:
                self.labels.append(Label("meter", f"{name} is not measured"))
                self.free_a.append(float("-inf"))
            else:
                self.labels.append(Label(circuit.circuit_id, name))
                self.free_a.append(circuit.cap_a[phase] - base_a)

    def _by_depth(self, circuit: CircuitState) -> tuple[int, str]:
        depth, parent_id = 0, circuit.parent_id
        while parent_id is not None:
            depth, parent_id = depth + 1, self._circuits[parent_id].parent_id
            assert depth <= len(self._circuits), f"circuits above {circuit.circuit_id} form a ring"
        return depth, circuit.circuit_id
