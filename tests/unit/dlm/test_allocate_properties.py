"""What holds for every site, however circuits, phases, weights and demands lie."""

import random
from dataclasses import replace
from itertools import combinations

from hypothesis import example, given
from hypothesis import strategies as st

from sitecontroller.dlm import Allocations, Snapshot, allocate
from sitecontroller.dlm.departures import ceiling_of
from sitecontroller.dlm.policy import POLICIES
from sitecontroller.domain.topology import PHASES
from tests.unit.dlm.trees import Mix, load_a, random_snapshot, with_caps, with_imbalance

mixes = st.builds(
    Mix,
    circuits=st.integers(1, 8),
    evses=st.integers(0, 14),
    tightness=st.sampled_from((0.05, 0.2, 0.4, 0.7, 1.5)),
    groups=st.integers(0, 2),
)
sites = st.builds(random_snapshot, st.integers(0, 10**9), mixes)
any_sites = st.builds(
    replace,
    st.builds(random_snapshot, st.integers(0, 10**9), mixes, departures=st.booleans()),
    policy=st.sampled_from(sorted(POLICIES)),
)
"""Under any policy, with some departures known."""
TOLERANCE_A = 1e-5


def currents(result: Allocations) -> dict:
    return {key: allocation.current_a for key, allocation in result.by_key.items()}


def groups_free(snapshot: Snapshot, result: Allocations) -> dict:
    """Per group and phase what is left of its cap."""
    free = {(g.group_id, p): g.cap_a[p] for g in snapshot.groups for p in PHASES}
    for group in snapshot.groups:
        for demand in snapshot.demands:
            if demand.key in group.members:
                for phase in demand.phases:
                    free[group.group_id, phase] -= result[demand.key].current_a
    return free


def free_for(snapshot: Snapshot, result: Allocations) -> dict:
    """Per demand the least room left on its way."""
    load = load_a(snapshot, currents(result))
    caps = {(c.circuit_id, p): c.cap_a[p] for c in snapshot.circuits for p in PHASES}
    parent_of = {c.circuit_id: c.parent_id for c in snapshot.circuits}
    groups = groups_free(snapshot, result)
    free = {}
    for demand in snapshot.demands:
        spaces = [
            groups[group.group_id, p]
            for group in snapshot.groups
            if demand.key in group.members
            for p in demand.phases
        ]
        circuit: str | None = demand.circuit_id
        while circuit is not None:
            spaces += [caps[circuit, p] - load[circuit, p] for p in demand.phases]
            circuit = parent_of[circuit]
        free[demand.key] = min(spaces)
    return free


@given(any_sites)
def test_no_circuit_phase_carries_more_than_its_cap(snapshot: Snapshot) -> None:
    result = allocate(snapshot)
    idle = load_a(snapshot, {})
    caps = {(c.circuit_id, p): c.cap_a[p] for c in snapshot.circuits for p in PHASES}
    for place, load in load_a(snapshot, currents(result)).items():
        assert load <= max(caps[place], idle[place]) + TOLERANCE_A, place
    assert all(free_a >= -TOLERANCE_A for free_a in groups_free(snapshot, result).values())


@given(any_sites)
def test_a_car_gets_nothing_or_at_least_its_minimum(snapshot: Snapshot) -> None:
    result = allocate(snapshot)
    for demand in snapshot.demands:
        current_a = result[demand.key].current_a
        assert current_a == 0 or demand.current_a_min <= current_a <= demand.current_a_max


@given(any_sites)
def test_every_current_is_a_whole_number_of_steps(snapshot: Snapshot) -> None:
    result = allocate(snapshot)
    for demand in snapshot.demands:
        steps = result[demand.key].current_a / demand.step_a
        assert abs(steps - round(steps)) < 1e-4


@example(random_snapshot(4, Mix(circuits=4, evses=10, tightness=0.4)))
@given(any_sites)
def test_nothing_is_left_that_somebody_could_take(snapshot: Snapshot) -> None:
    result = allocate(snapshot)
    free = free_for(snapshot, result)
    for demand in snapshot.demands:
        current_a = result[demand.key].current_a
        missing = demand.current_a_min if current_a == 0 else demand.step_a
        wants_more = current_a + missing <= demand.current_a_max or current_a == 0
        assert not wants_more or free[demand.key] < missing + TOLERANCE_A, demand


@given(sites)
def test_nobody_envies_a_neighbour_by_weight(snapshot: Snapshot) -> None:
    snapshot = replace(snapshot, groups=())
    result = allocate(snapshot)
    for poor, rich in combinations(snapshot.demands, 2):
        if (poor.circuit_id, poor.phases) != (rich.circuit_id, rich.phases):
            continue
        if 0 in (result[poor.key].current_a, result[rich.key].current_a):
            continue
        if result[poor.key].current_a / poor.weight > result[rich.key].current_a / rich.weight:
            poor, rich = rich, poor
        step_a = max(poor.step_a, rich.step_a)
        at_maximum = result[poor.key].current_a > ceiling_of(poor) - step_a
        at_minimum = result[rich.key].current_a < rich.current_a_min + step_a + TOLERANCE_A
        difference = result[rich.key].current_a / rich.weight
        difference -= result[poor.key].current_a / poor.weight
        fair = difference <= 2 * step_a / min(poor.weight, rich.weight) + TOLERANCE_A
        assert at_maximum or at_minimum or fair


@given(any_sites, st.integers(0, 10**6))
def test_the_order_of_the_snapshot_does_not_matter(snapshot: Snapshot, seed: int) -> None:
    rng = random.Random(seed)
    shuffled = replace(
        snapshot,
        circuits=tuple(rng.sample(snapshot.circuits, len(snapshot.circuits))),
        demands=tuple(rng.sample(snapshot.demands, len(snapshot.demands))),
        groups=tuple(rng.sample(snapshot.groups, len(snapshot.groups))),
    )
    assert allocate(shuffled).by_key == allocate(snapshot).by_key


@given(sites, st.floats(1.0, 3.0))
def test_more_room_never_lowers_the_poorest(snapshot: Snapshot, factor: float) -> None:
    fine = replace(snapshot, demands=tuple(replace(d, step_a=1e-4) for d in snapshot.demands))
    less, more = allocate(fine), allocate(with_caps(fine, factor))
    if any(0 in (less[d.key].current_a, more[d.key].current_a) for d in fine.demands):
        return
    levels = [
        sorted(result[d.key].current_a / d.weight for d in fine.demands) for result in (less, more)
    ]
    for before, after in zip(*levels, strict=True):
        if after > before + 0.01:
            break
        assert after >= before - 0.01


@given(sites)
def test_a_pause_costs_more_than_it_would_free(snapshot: Snapshot) -> None:
    """Whoever is refused would not fit beside the minima of those admitted before them."""
    result = allocate(snapshot)
    for demand in snapshot.demands:
        if result[demand.key].current_a == 0:
            assert result[demand.key].bound_by == "pause"
            assert result[demand.key].reason


@example(with_imbalance(random_snapshot(2, Mix(circuits=2, evses=5, tightness=1.5))))
@given(any_sites.map(with_imbalance))
def test_phases_stay_in_balance(snapshot: Snapshot) -> None:
    result = allocate(snapshot)
    idle, load = load_a(snapshot, {}), load_a(snapshot, currents(result))
    for circuit in snapshot.circuits:
        for high in PHASES:
            for low in PHASES:
                place, other = (circuit.circuit_id, high), (circuit.circuit_id, low)
                allowed = max(10.0, idle[place] - idle[other])
                assert load[place] - load[other] <= allowed + TOLERANCE_A


@given(any_sites)
def test_the_same_snapshot_gives_the_same_answer(snapshot: Snapshot) -> None:
    assert allocate(snapshot) == allocate(snapshot)
