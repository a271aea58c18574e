"""A guaranteed current: served before everybody else, as far as the fuses let."""

import pytest

from sitecontroller.dlm import CircuitState, Demand, DemandClass, Snapshot, allocate
from sitecontroller.dlm.policy import POLICIES
from tests.unit.dlm.test_turns import car, currents

policies = pytest.mark.parametrize("policy", POLICIES)


def doctor(**more: object) -> Demand:
    """The last to come, of the lowest class, with 16 A guaranteed."""
    return car("doctor", plugged_s=9.0, guaranteed_a=16.0, **more)


def others(count: int, **more: object) -> list[Demand]:
    kind = {"demand_class": DemandClass.VIP, **more}
    return [car(f"car-{number}", **kind) for number in range(count)]


@policies
def test_a_guaranteed_current_is_there_before_everybody_else(policy: str) -> None:
    told = currents(policy, 30, *others(3, limit_a=10.0, settled_s=60.0), doctor())
    assert told["doctor"] >= 16
    assert sum(told.values()) <= 30


@policies
def test_where_the_fuse_has_less_it_is_what_the_fuse_has(policy: str) -> None:
    told = currents(policy, 12.34, *others(2), doctor())
    assert told == {"car-0": 0, "car-1": 0, "doctor": pytest.approx(12.3)}


@policies
def test_below_the_minimum_nothing_is_guaranteed(policy: str) -> None:
    assert currents(policy, 5.9, *others(2), doctor())["doctor"] == 0


@policies
def test_too_many_guarantees_shrink_together(policy: str) -> None:
    cars = [car(f"doctor-{number}", guaranteed_a=16.0) for number in range(3)]
    told = currents(policy, 30, *cars)
    assert list(told.values()) == [10, 10, 10]


@policies
def test_a_car_that_needs_less_leaves_the_rest_to_others(policy: str) -> None:
    told = currents(policy, 22, *others(2), doctor(need_a=8.0))
    assert 8 <= told["doctor"] < 10
    assert sum(told.values()) == pytest.approx(22)


def test_a_guarantee_takes_nothing_while_its_car_sleeps_or_is_paused() -> None:
    for state in ({"wants": False}, {"paused_by": "an attendant"}):
        told = currents("equal share", 30, *others(2), doctor(**state))
        assert told["doctor"] == 0
        assert told["car-0"] == told["car-1"] == 15


def test_above_its_guarantee_it_shares_like_everybody() -> None:
    told = currents("equal share", 60, *others(2, demand_class=DemandClass.NORMAL), doctor())
    assert told == {"car-0": 20, "car-1": 20, "doctor": 20}


def test_a_limit_of_imbalance_binds_a_guarantee_too() -> None:
    circuit = CircuitState("main", "Main", None, (60.0,) * 3, (0.0,) * 3, imbalance_a=10.0)
    snapshot = Snapshot((circuit,), (doctor(),))
    assert allocate(snapshot)[doctor().key].current_a == pytest.approx(10.0)
