"""Random sites for property tests: a tree of circuits with single- and three-phase EVSEs on it."""

import random
from dataclasses import dataclass, replace

from sitecontroller.dlm import CircuitState, Demand, DemandClass, GroupState, Snapshot
from sitecontroller.domain.topology import PHASES, EvseKey

PHASE_CHOICES = ((0, 1, 2), (0, 1, 2), (0,), (1,), (2,), (0, 1))


@dataclass(frozen=True)
class Mix:
    """What a random site is made of."""

    circuits: int = 4
    evses: int = 8
    steps: tuple[float, ...] = (0.1, 1.0)
    tightness: float = 0.5
    """1: every car fits at its maximum; 0.1: hardly any at its minimum."""
    weights: tuple[float, ...] = (1.0, 1.0, 2.0, 0.5)
    groups: int = 0


def random_snapshot(seed: int, mix: Mix = Mix(), *, departures: bool = False) -> Snapshot:
    """The same seed and mix give the same site; with `departures` some drivers said theirs."""
    rng = random.Random(seed)
    parents: list[str | None] = [None]
    for number in range(1, mix.circuits):
        parents.append(f"c{rng.randrange(number)}")
    demands = tuple(_demand(rng, number, mix) for number in range(mix.evses))
    circuits = tuple(
        _circuit(rng, number, parent, parents, demands, mix)
        for number, parent in enumerate(parents)
    )
    groups = tuple(
        GroupState(
            f"g{number}",
            f"Group {number}",
            (rng.uniform(6, 60),) * 3,
            frozenset(d.key for d in demands if rng.random() < 0.5),
        )
        for number in range(mix.groups)
    )
    if departures:
        demands = tuple(_with_departure(rng, demand) for demand in demands)
    return Snapshot(circuits, demands, groups)


def _with_departure(rng: random.Random, demand: Demand) -> Demand:
    return replace(
        demand,
        departs_in_s=rng.choice((None, rng.uniform(-600, 8 * 3600))),
        energy_need_wh=rng.choice((None, 0.0, rng.uniform(0, 40_000))),
    )


def _demand(rng: random.Random, number: int, mix: Mix) -> Demand:
    current_a_max = rng.choice((16.0, 20.0, 32.0, 63.0))
    waits = rng.random() < 0.4
    return Demand(
        EvseKey(f"CP-{number:04}", 1),
        f"c{rng.randrange(mix.circuits)}",
        phases=rng.choice(PHASE_CHOICES),
        current_a_max=current_a_max,
        need_a=rng.choice((None, None, round(rng.uniform(6, current_a_max), 2))),
        step_a=rng.choice(mix.steps),
        weight=rng.choice(mix.weights),
        demand_class=rng.choice(tuple(DemandClass)),
        limit_a=0.0 if waits else current_a_max,
        settled_s=rng.choice((None, 10.0, 1000.0)),
        credit_s=round(rng.uniform(-900, 900), 1),
        plugged_s=float(rng.randrange(1000)),
    )


def _circuit(
    rng: random.Random,
    number: int,
    parent: str | None,
    parents: list[str | None],
    demands: tuple[Demand, ...],
    mix: Mix,
) -> CircuitState:
    below = {f"c{number}"}
    for other, above in enumerate(parents):
        if above in below:
            below.add(f"c{other}")
    wanted = [
        sum(d.current_a_max for d in demands if d.circuit_id in below and phase in d.phases)
        for phase in PHASES
    ]
    base_a = tuple(round(rng.uniform(0, 10), 2) for _ in PHASES)
    cap_a = tuple(
        base + w * mix.tightness * rng.uniform(0.5, 1.5)
        for base, w in zip(base_a, wanted, strict=True)
    )
    assert len(cap_a) == 3
    assert len(base_a) == 3
    return CircuitState(f"c{number}", f"Feeder {number}", parent, cap_a, base_a)


def with_imbalance(snapshot: Snapshot, imbalance_a: float = 10.0) -> Snapshot:
    """The same site where the grid code limits the difference between phases everywhere."""
    circuits = tuple(replace(c, imbalance_a=imbalance_a) for c in snapshot.circuits)
    return replace(snapshot, circuits=circuits)


def with_caps(snapshot: Snapshot, factor: float) -> Snapshot:
    """The same site with every cap multiplied."""
    return replace(
        snapshot,
        circuits=tuple(
            replace(c, cap_a=tuple(cap * factor for cap in c.cap_a)) for c in snapshot.circuits
        ),
    )


def load_a(snapshot: Snapshot, currents: dict[EvseKey, float]) -> dict[tuple[str, int], float]:
    """What flows through each circuit-phase, base load included."""
    parent_of = {c.circuit_id: c.parent_id for c in snapshot.circuits}
    load = {(c.circuit_id, p): c.base_a[p] or 0.0 for c in snapshot.circuits for p in PHASES}
    for demand in snapshot.demands:
        circuit: str | None = demand.circuit_id
        while circuit is not None:
            for phase in demand.phases:
                load[circuit, phase] += currents.get(demand.key, 0.0)
            circuit = parent_of[circuit]
    return load
