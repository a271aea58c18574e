"""What an electrician fixes: circuits in a tree, stations with their EVSEs, meters.

Currents are amperes per conductor. A *phase* here is always a conductor of the site (L1, L2, L3);
a station's own order of terminals is its `PhaseRotation`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

PHASES = (0, 1, 2)
PHASE_NAMES = ("L1", "L2", "L3")
NOMINAL_V = 230.0
"""Phase to neutral, EN 50160."""
HIGHEST_V = 253.0
"""The most that EN 50160 allows: 230 V + 10 %."""

PerPhase = tuple[float | None, float | None, float | None]
"""One value for L1, L2, L3; None is unknown."""

UNKNOWN_PHASES: PerPhase = (None, None, None)


def current_of(power_w: float, phase_count: int, voltage_v: float = HIGHEST_V) -> float:
    """Watts as A per phase: P / (U × phases). However the load is spread over these phases, the
    power is no more than P at any voltage up to U, by default 253 V."""
    return power_w / (voltage_v * phase_count)


class Supply(StrEnum):
    """How an EVSE feeds a car."""

    AC = "AC"
    DC = "DC"


class LimitUnit(StrEnum):
    """The unit in which a station takes limits (OCPP ChargingRateUnitType)."""

    A = "A"
    W = "W"


class ServiceClass(StrEnum):
    """Who is served first when there isn't room for all."""

    VIP = "vip"
    FLEET = "fleet"
    NORMAL = "normal"


@dataclass(frozen=True, slots=True)
class PhaseMap:
    """Which site phase each of a station's terminals is wired to.

    ``PhaseMap((1, 2, 0))`` (written "L2L3L1", OCPP "STR") says: terminal L1 sits on the site's L2.
    A single-phase EVSE has one entry.
    """

    site_phases: tuple[int, ...] = PHASES

    @classmethod
    def parse(cls, text: str) -> "PhaseMap":
        """Read "L1L2L3", "123", "L2" or OCPP's RST letters; ValueError names what is wrong."""
        letters = text.upper().replace("L", "").replace(",", "").replace(" ", "")
        order = tuple("123RST".find(c) % 3 if c in "123RST" else -1 for c in letters)
        if -1 in order or len(order) not in (1, 2, 3) or len(set(order)) != len(order):
            raise ValueError(f"'{text}' is no phase order; write one like L1L2L3, L2L3L1 or L2")
        return cls(order)

    def __str__(self) -> str:
        return "".join(PHASE_NAMES[phase] for phase in self.site_phases)

    def to_site(self, terminal_values: PerPhase) -> PerPhase:
        """Values of a station's terminals L1..L3 on the site's phases (None where not wired)."""
        result: list[float | None] = [None, None, None]
        for terminal, phase in enumerate(self.site_phases):
            result[phase] = terminal_values[terminal]
        return (result[0], result[1], result[2])


@dataclass(frozen=True, slots=True)
class Evse:
    """One outlet that serves one car at a time.

    `current_a_max` is the most it can draw from one phase of the grid; `fallback_a` what it may
    draw for ever when nobody tells it anything: 0 or at least `current_a_min`. `guaranteed_a` is
    what a car here gets before all others, as far as the fuses let: 0 or at least `current_a_min`.
    """

    station_id: str
    evse_id: int
    circuit_id: str
    bay: str = ""
    supply: Supply = Supply.AC
    phase_map: PhaseMap = field(default_factory=PhaseMap)
    current_a_min: float = 6.0
    current_a_max: float = 32.0
    step_a: float = 0.1
    limit_unit: LimitUnit = LimitUnit.A
    fallback_a: float = 0.0
    weight: float = 1.0
    efficiency: float = 1.0
    connector_type: str = "Type2"
    service_class: ServiceClass = ServiceClass.NORMAL
    guaranteed_a: float = 0.0

    @property
    def key(self) -> "EvseKey":
        """What finds this EVSE on the site."""
        return EvseKey(self.station_id, self.evse_id)

    @property
    def phase_count(self) -> int:
        """Conductors it is wired to."""
        return len(self.phase_map.site_phases)

    @property
    def power_w_max(self) -> float:
        """The most power it takes from the grid."""
        return self.current_a_max * NOMINAL_V * self.phase_count


@dataclass(frozen=True, slots=True, order=True)
class EvseKey:
    """(station, EVSE number); written ``CP-01/1``."""

    station_id: str
    evse_id: int

    def __str__(self) -> str:
        return f"{self.station_id}/{self.evse_id}"

    @classmethod
    def parse(cls, text: str) -> "EvseKey":
        """The reverse of `str`."""
        station_id, _, evse_id = text.rpartition("/")
        return cls(station_id, int(evse_id))


@dataclass(frozen=True, slots=True)
class ChargingStation:
    """A box with one OCPP connection and one or more EVSEs; connector 0 in OCPP 1.6."""

    station_id: str
    evses: tuple[Evse, ...]
    name: str = ""
    version_pin: str | None = None
    """OCPP version this station is held to ("1.6", "2.0.1"); None: the newest it offers."""
    profile_min: int = 0
    """The least security profile it may come with; what it once showed binds it all the same."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """A fuse or cable: a node of the site's tree.

    `limit_a` is the rating per phase; `margin_a` is kept free of it; `meter_id` names a meter that
    measures all that flows through this circuit; `worst_base_a` is the most that anything but
    EVSEs draws here, per phase: what is assumed when the meter is silent (S4) and what the sum of
    fallbacks must leave room for (S2). `imbalance_a` is the most by which two phases may differ.
    `curve` is the kind of its breaker (`dlm/breaker.py`); "none": nobody watches it (S7).
    """

    circuit_id: str
    name: str
    parent_id: str | None
    limit_a: tuple[float, float, float]
    margin_a: float
    meter_id: str | None = None
    worst_base_a: tuple[float, float, float] = (0.0, 0.0, 0.0)
    imbalance_a: float | None = None
    curve: str = "B"


@dataclass(frozen=True, slots=True)
class Group:
    """Some EVSEs that are no subtree, limited together: what isn't EVSEs doesn't count.

    `limit_a` per phase and `limit_w` in all, None: no such limit of its own.
    """

    group_id: str
    name: str
    members: "tuple[EvseKey, ...]"
    limit_a: tuple[float, float, float] | None = None
    limit_w: float | None = None


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter of the site on Modbus; `model` names a file in `modbus/models`."""

    meter_id: str
    name: str
    model: str
    url: str
    unit_id: int = 1
    period_s: float = 1.0
    phase_map: PhaseMap = field(default_factory=PhaseMap)
    ct_ratio: float = 1.0
    reversed: bool = False


@dataclass(frozen=True, slots=True)
class Topology:
    """The whole tree, by id, in the order of the file. `time_zone` (IANA): where it stands."""

    circuits: dict[str, Circuit]
    stations: dict[str, ChargingStation]
    meters: dict[str, Meter]
    groups: dict[str, Group] = field(default_factory=dict)
    time_zone: str = "UTC"

    def evses(self) -> Iterator[Evse]:
        """Every EVSE of the site, in the order of the file."""
        for station in self.stations.values():
            yield from station.evses

    def evse(self, key: EvseKey) -> Evse | None:
        """The EVSE of that key, or None."""
        station = self.stations.get(key.station_id)
        if station is None:
            return None
        return next((evse for evse in station.evses if evse.evse_id == key.evse_id), None)

    def path(self, circuit_id: str) -> tuple[Circuit, ...]:
        """The circuit and all above it, up to the root."""
        path: list[Circuit] = []
        current: str | None = circuit_id
        while current is not None:
            circuit = self.circuits[current]
            path.append(circuit)
            current = circuit.parent_id
        return tuple(path)

    def below(self, circuit_id: str) -> tuple[Evse, ...]:
        """Every EVSE on a circuit or on one that hangs on it."""
        return tuple(
            evse
            for evse in self.evses()
            if any(circuit.circuit_id == circuit_id for circuit in self.path(evse.circuit_id))
        )

    def members(self, group_id: str) -> tuple[Evse, ...]:
        """A group's EVSEs."""
        keys = self.groups[group_id].members
        return tuple(evse for evse in self.evses() if evse.key in keys)

    def phase_count(self, group_id: str) -> int:
        """Site phases that a group's EVSEs are wired to."""
        return len({phase for e in self.members(group_id) for phase in e.phase_map.site_phases})

    def group_limit_a(self, group_id: str) -> tuple[float, float, float] | None:
        """What a group's own limits in A and W come to per phase; None: it has none."""
        group = self.groups[group_id]
        if group.limit_w is None:
            return group.limit_a
        spread_a = current_of(group.limit_w, self.phase_count(group_id))
        one, two, three = (min(a, spread_a) for a in group.limit_a or (spread_a,) * 3)
        return (one, two, three)

    def root(self) -> Circuit:
        """The circuit without a parent: the grid connection."""
        return next(c for c in self.circuits.values() if c.parent_id is None)
