"""The allocator against linear programming on random sites."""

from dataclasses import replace

import pytest

from sitecontroller.dlm import Snapshot, allocate
from tests.unit.dlm.oracle import lexicographic_max_min
from tests.unit.dlm.trees import Mix, random_snapshot

FINE_STEP_A = 1e-6


def largest_difference_a(snapshot: Snapshot) -> float:
    result = allocate(snapshot)
    admitted = [d for d in snapshot.demands if result[d.key].current_a > 0]
    expected = lexicographic_max_min(snapshot, admitted) if admitted else {}
    return max(
        (abs(result[key].current_a - current_a) for key, current_a in expected.items()), default=0.0
    )


def mix_for(seed: int) -> Mix:
    return Mix(
        circuits=1 + seed % 5,
        evses=2 + seed % 9,
        steps=(FINE_STEP_A,),
        tightness=(0.25, 0.5, 0.8)[seed % 3],
        groups=seed % 2,
    )


@pytest.mark.parametrize("decade", range(8))
def test_sharing_equals_the_linear_programme(decade: int) -> None:
    for seed in range(decade * 10, decade * 10 + 10):
        assert largest_difference_a(random_snapshot(seed, mix_for(seed))) < 1e-4, f"seed {seed}"


@pytest.mark.soak
def test_sharing_equals_the_linear_programme_on_a_thousand_sites() -> None:
    for seed in range(1000, 2000):
        assert largest_difference_a(random_snapshot(seed, mix_for(seed))) < 1e-4, f"seed {seed}"


def test_the_oracle_can_object() -> None:
    snapshot = random_snapshot(3, mix_for(3))
    result = allocate(snapshot)
    admitted = [d for d in snapshot.demands if result[d.key].current_a > 0]
    other = [replace(d, weight=d.weight * (1 + i)) for i, d in enumerate(admitted)]
    wrong = lexicographic_max_min(snapshot, other)
    assert max(abs(result[d.key].current_a - wrong[d.key]) for d in admitted) > 0.5
