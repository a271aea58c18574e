"""Half an hour of the demo site over the real protocols: the fuse holds, and it delivers.

Both figures in one line; giving everyone the minimum, or nothing, fails the same test.
"""

import dataclasses

import pytest

from sitecontroller.dlm.allocate import Allocations
from sitecontroller.dlm.snapshot import Snapshot
from sitecontroller.services.load import cycle as load
from sitecontroller.simulation.virtual_time import VirtualLoop
from tests.simulation.half_hour import Run, half_hour

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

REAL_TIME_MAX_S = 240.0


@pytest.fixture
def outcome(run, tmp_path):
    """Run the half hour on virtual time."""

    def played(cars: int) -> Run:
        result: Run = run(
            half_hour(tmp_path, cars=cars), timeout_s=REAL_TIME_MAX_S, loop_factory=VirtualLoop
        )
        print(result.verdict)
        return result

    return played


@pytest.mark.parametrize("cars", [4, 12], ids=["room to share", "not enough for all"])
def test_the_fuse_holds_and_the_site_delivers(outcome, cars):
    result = outcome(cars)
    assert result.sessions == result.cars
    assert result.verdict.passed, str(result.verdict)
    assert result.energy_wh > 10_000


@pytest.mark.parametrize("most_a", [6.0, 0.0], ids=["the minimum for all", "nothing for all"])
def test_a_site_that_gives_everyone_the_same_little_fails(outcome, monkeypatch, most_a):
    real = load.allocate

    def little(snapshot: Snapshot) -> Allocations:
        demands = (
            dataclasses.replace(
                demand, current_a_max=most_a, current_a_min=min(most_a, demand.current_a_min)
            )
            for demand in snapshot.demands
        )
        return real(dataclasses.replace(snapshot, demands=tuple(demands)))

    monkeypatch.setattr(load, "allocate", little)
    result = outcome(4)
    assert result.verdict.excess_as == 0
    assert not result.verdict.passed, str(result.verdict)
