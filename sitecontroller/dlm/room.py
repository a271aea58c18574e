"""The room that circuits and groups have, as one flat list with an entry per circuit and phase.

EVSEs on the same circuit, phases and groups form a *bundle*: they meet the same entries, so sums
are made per bundle first. That is what keeps a thousand EVSEs affordable in plain Python.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from sitecontroller.dlm.snapshot import Demand, Snapshot
from sitecontroller.domain.topology import PHASE_NAMES, PHASES, EvseKey

EPSILON_A = 1e-7
"""Below every meter's resolution: what sums of floats may be off by."""
UNKNOWN = float("-inf")
"""The room of a circuit-phase whose base load isn't known."""
LAYOUTS_MAX = 8


@dataclass(slots=True)
class Bundle:
    """Demands (by their number) that meet the same entries of the room."""

    entries: tuple[int, ...]
    members: list[int] = field(default_factory=list)


class Label(NamedTuple):
    """How an entry is named when it binds."""

    bound_by: str
    text: str


class Layout:
    """Which entries lie on the way of a circuit's phases. Depends on the tree's shape alone."""

    def __init__(self, parents: tuple[tuple[str, str | None], ...]) -> None:
        self._parent_of = dict(parents)
        self.order = sorted(self._parent_of, key=lambda id_: (len(self.up(id_)), id_))
        """Circuit ids, root first; each has three entries."""
        self._first = {id_: 3 * number for number, id_ in enumerate(self.order)}
        self._paths: dict[Place, tuple[int, ...]] = {}

    def path(self, place: "Place") -> tuple[int, ...]:
        """Entries from the root down to the circuit."""
        path = self._paths.get(place)
        if path is None:
            circuit_id, phases = place
            path = tuple(
                self._first[id_] + phase
                for id_ in reversed(self.up(circuit_id))
                for phase in phases
            )
            self._paths[place] = path
        return path

    def up(self, circuit_id: str) -> list[str]:
        """The circuit and all above it."""
        ids: list[str] = []
        current: str | None = circuit_id
        while current is not None:
            ids.append(current)
            current = self._parent_of[current]
            assert len(ids) <= len(self._parent_of), f"circuits above {circuit_id} form a ring"
        return ids


Place = tuple[str, tuple[int, ...]]
"""A circuit and the phases in use."""

layout_of = lru_cache(maxsize=LAYOUTS_MAX)(Layout)
"""The tree hardly ever changes, so its ways are found once."""


class Room:
    """`free_a[entry]` is what an entry still has to give; entries are ordered root first."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._layout = layout_of(tuple([(c.circuit_id, c.parent_id) for c in snapshot.circuits]))
        circuits = {circuit.circuit_id: circuit for circuit in snapshot.circuits}
        self._circuits = [circuits[circuit_id] for circuit_id in self._layout.order]
        self.free_a = [
            UNKNOWN if base is None else cap - base
            for circuit in self._circuits
            for cap, base in zip(circuit.cap_a, circuit.base_a, strict=True)
        ]
        self.reserve_a = [circuit.reserve_a for circuit in self._circuits for _ in PHASES]
        """What more an entry has beside its room, against ripple."""
        self._further_labels: list[Label] = []
        self._groups: dict[EvseKey, tuple[int, ...]] = {}
        for group in sorted(snapshot.groups, key=lambda group: group.group_id):
            first = len(self.free_a)
            self.free_a += group.cap_a
            self.reserve_a += (0.0,) * len(PHASES)
            self._further_labels += (
                Label(group.group_id, f"{group.name}, {name}") for name in PHASE_NAMES
            )
            for key in group.members:
                self._groups[key] = (*self._groups.get(key, ()), first)
        self._differences: dict[tuple[str, int, int], int] = {}

    def label(self, entry: int) -> Label:
        """How to name an entry to people."""
        number, phase = divmod(entry, len(PHASES))
        if number >= len(self._circuits):
            return self._further_labels[entry - len(PHASES) * len(self._circuits)]
        circuit = self._circuits[number]
        name = f"{circuit.name}, {PHASE_NAMES[phase]}"
        if circuit.base_a[phase] is None:
            return Label("meter", f"{name} is not measured")
        return Label(circuit.circuit_id, name)

    def entries(self, demand: Demand) -> tuple[int, ...]:
        """Every entry that a demand's current flows through."""
        path = self._layout.path((demand.circuit_id, demand.phases))
        if self._groups:
            for first in self._groups.get(demand.key, ()):
                path += tuple(first + phase for phase in demand.phases)
        if self._differences:
            above = self._layout.up(demand.circuit_id)
            path += tuple(
                entry
                for (circuit_id, high, low), entry in self._differences.items()
                if circuit_id in above and high in demand.phases and low not in demand.phases
            )
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
        layout = self._layout
        return frozenset(other for other in layout.order if circuit_id in layout.up(other))

    def limit_difference(
        self, circuit_id: str, high: int, low: int, label: Label, free_a: float
    ) -> None:
        """Below a circuit, what loads phase `high` and not `low` may take `free_a` together."""
        entry = self._differences.get((circuit_id, high, low))
        if entry is None:
            self._differences[circuit_id, high, low] = len(self.free_a)
            self._further_labels.append(label)
            self.free_a.append(free_a)
            self.reserve_a.append(0.0)
        else:
            self.free_a[entry] = free_a
