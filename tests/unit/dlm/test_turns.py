"""Policies in which cars take turns: who comes first, what it leaves to others, and the judges."""

import itertools
import random
from dataclasses import replace

import pytest

from sitecontroller.dlm import CircuitState, Demand, DemandClass, GroupState, Snapshot, allocate
from sitecontroller.dlm.admission import holds, minimum_of
from sitecontroller.dlm.departures import SPARED_S, STAY_S, Car, scarce_until, stay_s
from sitecontroller.dlm.policy import POLICIES
from sitecontroller.dlm.room import EPSILON_A, Room
from sitecontroller.domain.topology import EvseKey
from tests.bench.garage import POWER_W_MAX, VOLTAGE_V, Session
from tests.bench.garage_optimum import most_energy_wh
from tests.unit.dlm.oracle import in_turn
from tests.unit.dlm.trees import Mix, random_snapshot

HOUR_S = 3600.0
FULL_WH_PER_H = 32 * 230.0


def car(name: str, **more: object) -> Demand:
    return replace(Demand(EvseKey(name, 1), "main", phases=(0,)), **more)


def leaving(name: str, hours: float, need_h: float, **more: object) -> Demand:
    """It leaves in so many hours and needs so many at full current."""
    return car(name, departs_in_s=hours * HOUR_S, energy_need_wh=need_h * FULL_WH_PER_H, **more)


def currents(policy: str, free_a: float, *cars: Demand) -> dict[str, float]:
    circuit = CircuitState("main", "Main", None, (free_a,) * 3, (0.0,) * 3)
    result = allocate(Snapshot((circuit,), cars, policy=policy))
    return {demand.key.station_id: result[demand.key].current_a for demand in cars}


def test_first_come_gives_the_first_all_it_can_take() -> None:
    cars = [car("late", plugged_s=2.0), car("early", plugged_s=1.0)]
    assert currents("first come", 50, *cars) == {"early": 32.0, "late": 18.0}


def test_a_later_car_is_let_in_where_half_a_minimum_would_be_left() -> None:
    cars = [car("late", plugged_s=2.0), car("early", plugged_s=1.0)]
    assert currents("first come", 36, *cars) == {"early": 30.0, "late": 6.0}
    assert currents("first come", 34, *cars) == {"early": 32.0, "late": 0.0}


def test_room_that_the_first_gives_up_for_one_goes_to_another_too() -> None:
    """The first shares one limit with each; it makes room below its 32 A for who needs 10 A."""
    first, other = car("first"), car("other", plugged_s=2.0)
    ten = car("ten", plugged_s=1.0, current_a_min=10.0)
    circuit = CircuitState("main", "Main", None, (100.0,) * 3, (0.0,) * 3)
    groups = (
        GroupState("left", "Left", (37.0,) * 3, frozenset({first.key, ten.key})),
        GroupState("right", "Right", (34.0,) * 3, frozenset({first.key, other.key})),
    )
    result = allocate(Snapshot((circuit,), (first, ten, other), groups, policy="first come"))
    assert [result[d.key].current_a for d in (first, ten, other)] == [27.0, 10.0, 7.0]


def test_who_started_just_now_is_not_stopped_for_who_came_before() -> None:
    runs = car("runs", plugged_s=2.0, limit_a=16.0, settled_s=60.0)
    assert currents("first come", 32, car("back", plugged_s=1.0), runs) == {
        "back": 26.0,
        "runs": 6.0,
    }


def test_a_vip_stops_who_started_just_now() -> None:
    runs = car("runs", limit_a=16.0, settled_s=60.0)
    vip = car("vip", plugged_s=2.0, demand_class=DemandClass.VIP)
    assert currents("first come", 8, vip, runs) == {"vip": 8.0, "runs": 0.0}


def test_the_least_laxity_charges_first() -> None:
    soon, later = leaving("soon", 5, 1), leaving("later", 6, 5)
    assert currents("laxity", 32, soon, later) == {"later": 32.0, "soon": 0.0}


def test_of_two_that_cannot_both_be_met_the_larger_goes_short() -> None:
    small, large = leaving("small", 3, 1.5), leaving("large", 3, 2.8)
    assert currents("laxity", 32, small, large) == {"small": 32.0, "large": 0.0}


def test_who_goes_short_is_served_before_who_can_wait_until_there_is_enough() -> None:
    """Later on there is more than those who stay can take: what waits now is lost to nobody."""
    cars = [leaving("one", 3, 2.85), leaving("two", 3, 2.85)]
    short, stays = leaving("short", 3, 2.9), leaving("stays", 12, 1)
    given = currents("laxity", 76, *cars, short, stays)
    assert given == {"one": 32.0, "two": 32.0, "short": 12.0, "stays": 0.0}


def test_where_current_is_scarce_who_leaves_first_charges_first() -> None:
    first, then = leaving("first", 3, 1), leaving("then", 3.5, 1.9)
    short = leaving("short", 3.5, 3)
    assert currents("laxity", 32, first, then, short)["first"] == 32.0


def test_who_can_wait_no_longer_charges_before_who_leaves_first() -> None:
    soon = [leaving("soon", 2.9, 1), leaving("soon too", 2.9, 1)]
    now, short = leaving("now", 3, 2.95), leaving("short", 3, 2.97)
    given = currents("laxity", 64, *soon, now, short)
    assert given["now"] == 32.0
    assert given["short"] == 0.0


@pytest.mark.parametrize("departs_in_s", [None, 0.0, -HOUR_S])
def test_a_departure_in_the_past_is_none(departs_in_s: float | None) -> None:
    past = replace(leaving("past", 1, 1), departs_in_s=departs_in_s)
    assert stay_s(past) == STAY_S


def stays(*hours: tuple[float, float]) -> list[Car]:
    """Cars of 32 A by the hours that each stays and needs."""
    cars = [leaving(f"car {number}", *each) for number, each in enumerate(hours)]
    return [
        Car(demand, stay * HOUR_S, need * HOUR_S, 32.0)
        for demand, (stay, need) in zip(cars, hours, strict=True)
    ]


def test_current_is_scarce_while_all_of_it_finds_takers_whatever_is_done() -> None:
    assert scarce_until(stays((3, 1), (4, 2)), 32.0) == 0.0
    crowd = stays((2, 1), (2, 1), (2, 1), (9, 1))
    assert scarce_until(crowd, 32.0) == pytest.approx(2 * HOUR_S, abs=SPARED_S)
    assert scarce_until(crowd, 64.0) == 0.0


@pytest.mark.parametrize("seed", range(20))
def test_no_schedule_delivers_more_than_the_scarce_time_and_what_follows(seed: int) -> None:
    rng = random.Random(seed)
    hours = [(stay, rng.uniform(0.1, stay)) for stay in (rng.uniform(1, 9) for _ in range(7))]
    capacity_a = 32 * rng.uniform(0.8, 3)
    until_s = scarce_until(stays(*hours), capacity_a)
    bound_as = capacity_a * until_s + sum(
        32 * min(need * HOUR_S, max(0.0, stay * HOUR_S - until_s)) for stay, need in hours
    )
    sessions = [Session(0.0, s * HOUR_S, n * POWER_W_MAX, s * HOUR_S, 0.0) for s, n in hours]
    most_as = most_energy_wh(sessions, capacity_a * VOLTAGE_V) / VOLTAGE_V * HOUR_S
    assert most_as <= bound_as + 1.0
    assert bound_as <= most_as + SPARED_S * 32 + 1.0


def test_a_lower_class_is_served_last() -> None:
    large = leaving("large", 3, 2.8, demand_class=DemandClass.FLEET)
    small = leaving("small", 3, 1.5)
    assert currents("laxity", 32, small, large) == {"small": 0.0, "large": 32.0}


def test_a_lower_class_goes_short_before_a_higher_one() -> None:
    large = leaving("large", 3, 1.8, demand_class=DemandClass.FLEET)
    small = leaving("small", 3.2, 0.6, demand_class=DemandClass.FLEET)
    other = leaving("other", 3, 1.5)
    assert currents("laxity", 32, small, large, other)["large"] == 32.0


def test_who_has_what_it_asked_for_comes_last() -> None:
    done, other = leaving("done", 1, 0), leaving("other", 9, 1)
    assert currents("laxity", 32, done, other) == {"done": 0.0, "other": 32.0}


def test_of_alike_cars_the_one_that_charges_goes_on() -> None:
    charges = leaving("charges", 3, 1, limit_a=32.0, settled_s=HOUR_S, plugged_s=2.0)
    waits = leaving("waits", 3, 1, plugged_s=1.0)
    assert currents("laxity", 32, charges, waits) == {"charges": 32.0, "waits": 0.0}


def test_waiting_brings_a_car_forward_whose_departure_nobody_knows() -> None:
    served = car("served", credit_s=-1800.0, limit_a=32.0, settled_s=HOUR_S)
    paused = car("paused", credit_s=1800.0, settled_s=HOUR_S)
    assert currents("laxity", 32, served, paused) == {"served": 0.0, "paused": 32.0}


@pytest.mark.parametrize("policy", POLICIES)
def test_a_car_that_must_charge_to_leave_in_time_is_not_stopped_for_a_soft_rule(
    policy: str,
) -> None:
    urgent = leaving("urgent", 1, 1, limit_a=6.0, settled_s=HOUR_S, credit_s=-900.0, plugged_s=9.0)
    rotated = car("rotated", settled_s=HOUR_S, credit_s=900.0)
    rests = car("rests", limit_a=6.0, settled_s=60.0)
    given = currents(policy, 7, urgent, rotated, rests)
    assert given == {"urgent": 7.0, "rotated": 0.0, "rests": 0.0}


def test_a_policy_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(KeyError):
        currents("whatever", 32, car("a"))


def small_site(seed: int, policy: str = "equal share") -> Snapshot:
    mix = Mix(circuits=1 + seed % 4, evses=3 + seed % 6, steps=(1e-6,), tightness=0.3)
    return replace(random_snapshot(seed, mix, departures=True), policy=policy)


@pytest.mark.parametrize("policy", ["first come", "laxity"])
def test_taking_turns_equals_a_linear_programme_for_each(policy: str) -> None:
    for seed in range(40):
        snapshot = small_site(seed, policy)
        result = allocate(snapshot)
        order = POLICIES[policy].order(snapshot.demands, Room(snapshot), snapshot.voltage_v)
        admitted = [d for d in order if result[d.key].current_a > 0]
        for key, current_a in in_turn(snapshot, admitted).items():
            assert abs(result[key].current_a - current_a) < 1e-4, f"seed {seed}"


def fits(snapshot: Snapshot, demands: list[Demand]) -> bool:
    room = Room(snapshot)
    for demand in demands:
        for entry in room.entries(demand):
            room.free_a[entry] -= minimum_of(demand)
    return all(free_a >= -EPSILON_A for free_a in room.free_a)


def test_admission_is_the_first_of_all_sets_that_fit() -> None:
    """By brute force: of all sets whose minima fit, the one that serves the front of the order."""
    refused = 0
    for seed in range(40):
        snapshot = small_site(seed)
        order = POLICIES["equal share"].order(snapshot.demands, Room(snapshot), snapshot.voltage_v)
        possible = [
            chosen
            for chosen in itertools.product((True, False), repeat=len(order))
            if fits(snapshot, list(itertools.compress(order, chosen)))
        ]
        result = allocate(snapshot)
        charging = tuple(result[demand.key].current_a > 0 for demand in order)
        refused += charging.count(False)
        assert charging == max(possible), f"seed {seed}"
    assert refused > 20


@pytest.mark.parametrize("policy", ["first come", "laxity"])
def test_who_may_not_be_stopped_charges_wherever_the_minima_of_those_fit(policy: str) -> None:
    held = 0
    for seed in range(60):
        snapshot = small_site(seed, policy)
        places = holds(snapshot.demands, snapshot.voltage_v)
        kept = [d for d, place in zip(snapshot.demands, places, strict=True) if place is not None]
        if fits(snapshot, kept):
            held += len(kept)
            result = allocate(snapshot)
            assert all(result[demand.key].current_a > 0 for demand in kept), f"seed {seed}"
    assert held > 20
