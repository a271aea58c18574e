"""A plan is advice: it only lowers, and not where a car would leave short."""

from dataclasses import replace

import pytest

from sitecontroller.dlm import CircuitState, Demand, Snapshot, allocate
from sitecontroller.dlm.advice import AGE_S_MAX, SLACK_S, Advice, Ceiling
from sitecontroller.dlm.policy import POLICIES
from sitecontroller.domain.topology import NOMINAL_V, EvseKey

HOUR_S = 3600.0
WHY = "plan, cheaper after 22:00"
KEY = EvseKey("CP-01", 1)
FULL_WH_PER_H = 32 * 3 * NOMINAL_V
LATER = Demand(KEY, "main", departs_in_s=10 * HOUR_S, energy_need_wh=2 * FULL_WH_PER_H)
"""A car with eight hours to spare."""


def advised(current_a: float, made_s: float = 0.0, leaves_s: float | None = None) -> Advice:
    advice = Advice()
    ceiling = Ceiling(made_s, made_s + 900, current_a, WHY)
    after = Ceiling(made_s + 900, made_s + 3600, current_a, WHY)
    advice.replace(made_s, {KEY: (ceiling, after)}, {} if leaves_s is None else {KEY: leaves_s})
    return advice


def given(demand: Demand, policy: str = "equal share", free_a: float = 60.0) -> tuple[float, str]:
    circuit = CircuitState("main", "Main", None, (free_a,) * 3, (0.0,) * 3)
    allocation = allocate(Snapshot((circuit,), (demand,), policy=policy))[demand.key]
    return allocation.current_a, f"{allocation.bound_by}: {allocation.reason}"


@pytest.mark.parametrize("policy", POLICIES)
def test_a_ceiling_bounds_what_a_car_is_given_and_says_why(policy: str) -> None:
    demand = advised(8.0).followed(LATER, 10.0, NOMINAL_V)
    assert given(demand, policy) == (8.0, f"plan: {WHY}")
    assert given(advised(0.0).followed(LATER, 10.0, NOMINAL_V), policy) == (0.0, f"plan: {WHY}")


@pytest.mark.parametrize("policy", POLICIES)
def test_what_one_car_leaves_by_its_plan_others_get(policy: str) -> None:
    other = Demand(EvseKey("CP-02", 1), "main", plugged_s=1.0)
    circuit = CircuitState("main", "Main", None, (40.0,) * 3, (0.0,) * 3)
    planned = advised(8.0).followed(LATER, 10.0, NOMINAL_V)
    result = allocate(Snapshot((circuit,), (planned, other), policy=policy))
    assert (result[KEY].current_a, result[other.key].current_a) == (8.0, 32.0)


def test_a_ceiling_never_raises_what_a_circuit_leaves() -> None:
    demand = advised(30.0).followed(LATER, 10.0, NOMINAL_V)
    assert given(demand, free_a=12.0) == (12.0, "main: Main, L1")


def test_a_car_that_must_charge_to_leave_in_time_is_not_held() -> None:
    tight = replace(LATER, departs_in_s=2 * HOUR_S + SLACK_S - 1)
    assert advised(0.0).followed(tight, 10.0, NOMINAL_V) is tight
    enough = replace(LATER, departs_in_s=2 * HOUR_S + SLACK_S + 1)
    assert given(advised(0.0).followed(enough, 10.0, NOMINAL_V))[0] == 0


def test_a_car_whose_departure_nobody_told_is_not_held_unless_the_plan_says_when() -> None:
    silent = replace(LATER, departs_in_s=None)
    assert advised(0.0).followed(silent, 10.0, NOMINAL_V) is silent
    assumed = advised(0.0, leaves_s=4 * HOUR_S)
    assert given(assumed.followed(silent, 10.0, NOMINAL_V))[0] == 0
    assert assumed.followed(silent, 1.6 * HOUR_S, NOMINAL_V) is silent


def test_a_guaranteed_current_is_not_held_back() -> None:
    promised = replace(LATER, guaranteed_a=10.0)
    assert given(advised(0.0).followed(promised, 10.0, NOMINAL_V))[0] == 10


def test_a_plan_older_than_30_min_is_not_followed() -> None:
    advice = advised(0.0)
    assert given(advice.followed(LATER, AGE_S_MAX - 1, NOMINAL_V))[0] == 0
    assert advice.followed(LATER, AGE_S_MAX, NOMINAL_V) is LATER


def test_the_next_car_at_an_evse_is_not_held_by_the_plan_of_the_one_before() -> None:
    advice = advised(0.0)
    advice.forget(KEY)
    assert advice.followed(LATER, 10.0, NOMINAL_V) is LATER
