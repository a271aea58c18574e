"""A site and what happens to it, made from a seed: the same seed is the same scenario for ever.

A tree of circuits with and without meters, groups, stations and cars of all kinds, a building that
steps, and up to three mishaps. Everything is drawn here, before the run: a run without mishaps or
with other readings is then the same site on the same day.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random

from sitecontroller.dlm.fallbacks import fallbacks_a, worst_base_a
from sitecontroller.domain.topology import (
    PHASES,
    ChargingStation,
    Circuit,
    Evse,
    EvseKey,
    Group,
    LimitUnit,
    Meter,
    PhaseMap,
    Supply,
    Topology,
)
from sitecontroller.simulation.cars import CarModel
from sitecontroller.simulation.plant import BuildingLoadDescription

ROTATIONS = ("L1L2L3", "L1L2L3", "L2L3L1", "L3L1L2", "L1", "L2", "L3")
SLOW_S = 60.0
"""Between two readings of the slowest stations."""
SETTLE_S = 10.0
"""Nothing goes wrong before."""
CLOCK_ERROR_S = 10.0
"""A station's clock may be off so far by what is known of it."""


@dataclass(frozen=True, slots=True)
class StationTraits:
    """How a station is, all day. `clock_error_s` None: its clock isn't known, so it gets no lease;
    else its leases end so much later than meant."""

    latency_s: float = 0.3
    tells_composite: bool = True
    clock_error_s: float | None = 0.0
    keeps_limit: bool = False
    """Whether a limit is still there after a restart."""
    starts_offline: bool = False


@dataclass(frozen=True, slots=True)
class Visit:
    """A car at an EVSE. `sleeps`: it takes nothing in these seconds after it was plugged;
    `stays_asleep_after_s`: after a pause of so long it takes nothing any more."""

    key: EvseKey
    at_s: float
    stays_s: float
    model: CarModel
    soc: float
    sleeps: tuple[float, float] = (0.0, 0.0)
    stays_asleep_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Mishap:
    """Something goes wrong with `subject` (a station or meter) from `at_s` to `until_s`.

    `kind` is one of `KINDS`; `amount` its measure: a probability, or a factor.
    """

    kind: str
    subject: str
    at_s: float
    until_s: float
    amount: float = 0.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """`minutes` of a site, with a reading of every car each `sample_interval_s`."""

    seed: int
    topology: Topology
    loads: tuple[BuildingLoadDescription, ...]
    stations: dict[str, StationTraits]
    averages_s: dict[str, int]
    """By meter: it shows the mean of so many seconds."""
    visits: tuple[Visit, ...]
    mishaps: tuple[Mishap, ...]
    sample_interval_s: float
    lease_s: int
    minutes: int

    def spared(self) -> "Scenario":
        """The same without mishaps and with readings every second."""
        return replace(self, mishaps=(), sample_interval_s=1.0)


MISHAPS = (
    *("lines", "lines", "restart", "disobeys", "draws-more", "slow", "silent", "frozen"),
    *("swapped", "jump", "lan", "killed", "killed"),
)
KINDS = tuple(sorted(set(MISHAPS)))
"""lines: calls are lost, doubled or late. restart: a station. disobeys: takes every limit and
changes nothing. draws-more: a share above what it was told. slow: takes seconds to act. silent,
frozen, swapped, jump: a meter. lan: every station offline. killed: the controller."""


@dataclass(slots=True)
class _Maker:
    random: Random
    circuits: list[Circuit] = field(default_factory=list)
    loads: list[BuildingLoadDescription] = field(default_factory=list)

    def tree(self) -> None:
        rng = self.random
        root_a = rng.choice((32.0, 40.0, 50.0, 63.0, 80.0, 100.0))
        self._circuit("main", None, root_a, rng.random() < 0.9, rng.uniform(0.15, 0.5))
        for number in range(rng.randrange(3)):
            feeder_a = max(20.0, root_a * rng.uniform(0.4, 0.9) // 1)
            id_, metered = f"f{number}", rng.random() < 0.5
            self._circuit(id_, "main", feeder_a, metered, rng.uniform(0.0, 0.15))
            if rng.random() < 0.3:
                below_a = max(16.0, feeder_a * rng.uniform(0.5, 0.9) // 1)
                self._circuit(f"{id_}x", id_, below_a, rng.random() < 0.4, 0.0)

    def _circuit(
        self, id_: str, parent_id: str | None, limit_a: float, metered: bool, base_share: float
    ) -> None:
        rng = self.random
        own_a = round(limit_a * base_share, 1)
        below_a = own_a
        margin_a = max(1.0, 0.02 * limit_a)
        meter_id = f"m-{id_}" if metered else None
        circuit = Circuit(id_, id_, parent_id, (limit_a,) * 3, margin_a, meter_id, (below_a,) * 3)
        self.circuits.append(circuit)
        if own_a >= 2:
            self.loads.append(
                BuildingLoadDescription(
                    id_,
                    low_a=0.0,
                    high_a=own_a,
                    step_a_max=rng.uniform(2, max(3.0, own_a)),
                    every_s=(rng.uniform(40, 120), rng.uniform(150, 400)),
                )
            )

    def worst(self) -> None:
        """What a circuit's building draws at worst includes that of the circuits below it."""
        own_a = {load.circuit_id: load.high_a for load in self.loads}
        for index, circuit in enumerate(self.circuits):
            ids = {c.circuit_id for c in self.circuits if _is_above(self.circuits, circuit, c)}
            worst_a = round(sum(own_a.get(id_, 0.0) for id_ in ids), 2)
            self.circuits[index] = replace(circuit, worst_base_a=(worst_a,) * 3)

    def evses(self) -> list[Evse]:
        rng = self.random
        evses: list[Evse] = []
        for number in range(1, rng.randint(2, 6) + 1):
            outlet = self._evse(f"CP-{number:02}")
            evses.append(outlet)
            if rng.random() < 0.2 and outlet.supply is Supply.AC:
                evses.append(replace(outlet, evse_id=2, fallback_a=0.0))
        return evses

    def _evse(self, station_id: str) -> Evse:
        rng = self.random
        circuit_id = rng.choice(self.circuits).circuit_id
        in_watts = rng.random() < 0.2
        plain = Evse(
            station_id,
            1,
            circuit_id,
            phase_map=PhaseMap.parse(rng.choice(ROTATIONS)),
            current_a_max=rng.choice((16.0, 32.0, 32.0)),
            step_a=rng.choice((0.1, 1.0)),
            fallback_a=rng.choice((0.0, 0.0, 6.0, 8.0)),
            limit_unit=LimitUnit.W if in_watts else LimitUnit.A,
            weight=rng.choice((1.0, 1.0, 1.0, 2.0)),
        )
        if rng.random() < 0.1:
            return replace(
                plain,
                supply=Supply.DC,
                limit_unit=LimitUnit.W,
                efficiency=0.92,
                phase_map=PhaseMap(),
            )
        return plain


def _is_above(circuits: list[Circuit], upper: Circuit, lower: Circuit) -> bool:
    by_id = {circuit.circuit_id: circuit for circuit in circuits}
    at: Circuit | None = lower
    while at is not None:
        if at is upper:
            return True
        at = by_id[at.parent_id] if at.parent_id is not None else None
    return False


def scenario(seed: int, minutes: int | None = None) -> Scenario:
    """The scenario of a seed; `minutes` instead of its own length."""
    rng = Random(f"scenario {seed}")
    length = minutes or rng.choices((10, 20, 65), (84, 13, 3))[0]
    maker = _Maker(rng)
    maker.tree()
    maker.worst()
    site = _topology(maker, maker.evses())
    sample_interval_s = rng.choices((10.0, 1.0, 5.0, 30.0, 60.0), (76, 7, 7, 5, 5))[0]
    if minutes is None and sample_interval_s == SLOW_S:
        length = max(length, 30)
    stations = {station_id: _traits(rng) for station_id in site.stations}
    mishaps = tuple(_mishaps(site, rng, length * 60.0))
    must_end = any(mishap.kind in ("lan", "killed") for mishap in mishaps)
    return Scenario(
        seed=seed,
        topology=site,
        loads=tuple(maker.loads),
        stations=stations,
        averages_s={meter_id: rng.choice((1, 1, 1, 2, 3)) for meter_id in site.meters},
        visits=tuple(_visits(site, rng, length * 60.0)),
        mishaps=mishaps,
        sample_interval_s=sample_interval_s,
        lease_s=120 if must_end else 300,
        minutes=length,
    )


def _topology(maker: _Maker, evses: list[Evse]) -> Topology:
    rng = maker.random
    by_station: dict[str, list[Evse]] = {}
    for evse in evses:
        by_station.setdefault(evse.station_id, []).append(evse)
    groups: dict[str, Group] = {}
    if rng.random() < 0.2 and len(evses) >= 3:
        members = tuple(evse.key for evse in rng.sample(evses, rng.randint(2, len(evses))))
        limit_a = float(rng.randint(16, 40))
        groups["g"] = Group("g", "Group", members, (limit_a,) * 3)
    site = Topology(
        circuits={circuit.circuit_id: circuit for circuit in maker.circuits},
        stations={id_: ChargingStation(id_, tuple(each)) for id_, each in by_station.items()},
        meters={
            c.meter_id: Meter(c.meter_id, c.meter_id, "SDM630", "tcp://127.0.0.1:1")
            for c in maker.circuits
            if c.meter_id is not None
        },
        groups=groups,
    )
    return _with_safe_fallbacks(site)


def _with_safe_fallbacks(site: Topology) -> Topology:
    """Fallbacks taken away, the last first, until S2 holds."""
    for evse in reversed(tuple(site.evses())):
        if _is_safe(site):
            break
        station = site.stations[evse.station_id]
        evses = tuple(replace(e, fallback_a=0.0) if e == evse else e for e in station.evses)
        stations = {**site.stations, station.station_id: replace(station, evses=evses)}
        site = replace(site, stations=stations)
    return site


def _is_safe(site: Topology) -> bool:
    for circuit in site.circuits.values():
        sums_a = fallbacks_a(site.below(circuit.circuit_id))
        for phase in PHASES:
            if sums_a[phase] + worst_base_a(site, circuit, phase) > circuit.limit_a[phase]:
                return False
    return all(
        max(fallbacks_a(site.members(id_))) <= min(group.limit_a or (0.0,))
        for id_, group in site.groups.items()
    )


def _traits(rng: Random) -> StationTraits:
    return StationTraits(
        latency_s=rng.uniform(0.2, 3.0),
        tells_composite=rng.random() < 0.7,
        clock_error_s=None if rng.random() < 0.15 else rng.uniform(-CLOCK_ERROR_S, CLOCK_ERROR_S),
        keeps_limit=rng.random() < 0.5,
        starts_offline=rng.random() < 0.3,
    )


def _visits(site: Topology, rng: Random, ends_s: float) -> Iterator[Visit]:
    for evse in site.evses():
        at_s = rng.choice((0.0, rng.uniform(0, 240)))
        while at_s < ends_s - 60:
            stays_s = rng.uniform(180, 2400)
            yield Visit(
                evse.key,
                at_s,
                stays_s,
                _car(evse, rng),
                rng.uniform(0.1, 0.93),
                sleeps=(30.0, rng.uniform(60, 400)) if rng.random() < 0.08 else (0.0, 0.0),
                stays_asleep_after_s=120.0 if rng.random() < 0.06 else None,
            )
            at_s += stays_s + rng.uniform(30, 300)


def _car(evse: Evse, rng: Random) -> CarModel:
    is_dc = evse.supply is Supply.DC
    return CarModel(
        "car",
        battery_wh=rng.choice((4_000.0, 20_000.0, 60_000.0, 60_000.0)),
        phase_count=3 if is_dc else rng.choice((1, evse.phase_count, evse.phase_count)),
        current_a_max=rng.choice((6.5, 10.0, 13.0, 16.0, 16.0, 32.0, 32.0, 32.0)),
        latency_s=rng.uniform(0.5, 5.0),
        current_a_min=8.0 if rng.random() < 0.1 else 6.0,
        share=rng.uniform(0.93, 1.0),
    )


def _mishaps(site: Topology, rng: Random, ends_s: float) -> Iterator[Mishap]:
    for _ in range(rng.choices((0, 1, 2, 3), (40, 35, 17, 8))[0]):
        kind = rng.choice(MISHAPS)
        at_s = rng.uniform(60, ends_s * 0.6)
        station_id = rng.choice(tuple(site.stations))
        meter_id = rng.choice((*site.meters, "")) if site.meters else ""
        match kind:
            case "lines":
                until_s = at_s + rng.uniform(60, 400)
                yield Mishap(kind, "", at_s, until_s, rng.uniform(0.05, 0.3))
            case "restart":
                yield Mishap(kind, station_id, at_s, at_s + rng.uniform(5, 120))
            case "disobeys" | "slow":
                yield Mishap(kind, station_id, at_s, ends_s, rng.choice((0.0, 1.0)))
            case "draws-more":
                yield Mishap(kind, station_id, at_s, ends_s, rng.uniform(1.1, 1.5))
            case "silent" if meter_id:
                yield Mishap(kind, meter_id, at_s, at_s + rng.uniform(3, 150))
            case "frozen" if meter_id:
                yield Mishap(kind, meter_id, at_s, at_s + rng.uniform(3, 60))
            case "swapped" | "jump" if meter_id:
                until_s = at_s + rng.choice((0.9, 0.9, 1.9, 4.9))
                yield Mishap(kind, meter_id, at_s, until_s, rng.choice((0.0, 0.1, 10.0)))
            case "lan":
                yield Mishap(kind, "", at_s, at_s + rng.uniform(5, 500))
            case "killed":
                yield Mishap(kind, "", at_s, at_s + rng.choice((5, 20, 60, 200, 400, 1e9)))
