"""Surplus: how much is left over, who may have it, and how rarely contactors close for it."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.dlm.shares import Taker, affordable, power_of, shared_a
from sitecontroller.dlm.surplus import (
    Given,
    OwnUse,
    SurplusCar,
    SurplusMode,
    SurplusShare,
    available_w,
)
from sitecontroller.domain.topology import PHASES

V = (230.0, 231.0, 229.0)
THREE = Taker(PHASES, 6.0, 16.0)
ONE = Taker((0,), 6.0, 32.0)
THREE_W = THREE.minimum_w(V)
ONE_W = ONE.minimum_w(V)

phase_sets = st.sampled_from([(0,), (1,), (2,), (0, 1), PHASES])
takers = st.builds(
    lambda phases, low, more: Taker(phases, low, low + more),
    phase_sets,
    st.floats(0, 10),
    st.floats(0, 30),
)


@given(st.lists(takers, max_size=8), st.floats(0, 60_000))
def test_shares_never_come_to_more_than_there_is(cars: list[Taker], power_w: float):
    assert power_of(shared_a(cars, power_w, V), V) <= power_w * (1 + 1e-9) + 1e-6


@given(st.lists(takers, max_size=8), st.floats(0, 60_000))
def test_what_cars_can_take_is_shared_out_to_the_last_watt(cars: list[Taker], power_w: float):
    served = affordable(cars, power_w, V)
    most_w = sum(car.maximum_a * sum(V[phase] for phase in car.phases) for car in served)
    given_w = power_of(shared_a(served, power_w, V), V)
    assert given_w == pytest.approx(min(power_w, most_w), rel=1e-6, abs=1e-3)


@given(st.lists(takers, max_size=8), st.floats(0, 60_000))
def test_nobody_is_served_without_its_minimum(cars: list[Taker], power_w: float):
    assert sum(car.minimum_w(V) for car in affordable(cars, power_w, V)) <= power_w + 1e-6


def test_a_single_phase_car_gets_all_of_it_on_its_phase():
    assert shared_a([ONE], 2_300, V) == pytest.approx((10.0, 0.0, 0.0))


def test_a_car_that_fits_is_not_kept_out_by_a_larger_one_before_it():
    assert affordable([THREE, ONE], 2_000, V) == [ONE]


def test_the_battery_gives_cars_nothing_and_keeps_what_it_charges_with():
    facts = {"reserve_w": 100.0, "battery_first": True}
    assert available_w(-5_000, battery_charge_w=2_000, **facts) == 2_900
    assert available_w(-5_000, battery_charge_w=-2_000, **facts) == 4_900


def test_cars_before_the_battery_get_what_it_charges_with():
    left_w = available_w(-5_000, reserve_w=0, battery_charge_w=2_000, battery_first=False)
    assert left_w == 5_000


def test_no_more_is_left_over_than_the_roof_delivers():
    left_w = available_w(-5_000, reserve_w=0, battery_charge_w=0, battery_first=True, pv_w=1_000)
    assert left_w == 1_000


def test_a_car_that_follows_its_limit_does_not_look_like_a_cloud():
    use = OwnUse()
    assert use.update(-5_000, 0, 0) == -5_000
    assert use.update(-5_000, 0, 4_000) == -5_000, "it may not draw yet"
    assert use.update(-1_000, 0, 4_000) == -5_000, "or draw already"
    assert use.update(-1_000, 4_000, 4_000) == -5_000


def test_what_no_car_can_have_done_is_seen_at_once():
    use = OwnUse()
    use.update(-5_000, 0, 4_000)
    assert use.update(2_000, 0, 4_000) == -2_000


def share(mode: SurplusMode = SurplusMode.SURPLUS) -> SurplusShare:
    return SurplusShare(mode)


def run(
    each: SurplusShare, left_w: float | None, seconds: int, *, at_s: int, running: bool
) -> tuple[Given, int]:
    given_ = each.given
    for now_s in range(at_s, at_s + seconds):
        given_ = each.update(left_w, [SurplusCar(THREE, running)], float(now_s), V)
    return given_, at_s + seconds


def test_a_car_starts_after_five_minutes_above_its_minimum_and_stops_after_ten_below():
    each = share()
    found, at_s = run(each, 1_000, 60, at_s=0, running=False)
    found, at_s = run(each, 6_000, 290, at_s=at_s, running=False)
    assert found.served == ()
    found, at_s = run(each, 6_000, 180, at_s=at_s, running=False)
    assert found.served == (THREE,)
    assert found.power_w == pytest.approx(6_000, rel=0.01)
    found, at_s = run(each, 500, 590, at_s=at_s, running=True)
    assert found == Given(THREE_W, (THREE,)), "its minimum, for a while"
    found, at_s = run(each, 500, 90, at_s=at_s, running=True)
    assert found == Given()


def test_with_a_minimum_cars_never_stop():
    found, _ = run(share(SurplusMode.SURPLUS_AND_MINIMUM), -3_000, 1_200, at_s=0, running=True)
    assert found == Given(THREE_W, (THREE,))


def test_without_a_meter_there_is_no_surplus():
    each = share()
    _, at_s = run(each, 8_000, 400, at_s=0, running=False)
    assert each.given.served
    found, at_s = run(each, None, 1, at_s=at_s, running=True)
    assert found == Given()
    found, _ = run(each, 8_000, 200, at_s=at_s, running=False)
    assert found == Given(), "and it begins anew"


def test_a_single_phase_car_starts_where_a_three_phase_one_can_not():
    each = share()
    for now_s in range(400):
        cars = [SurplusCar(THREE, False), SurplusCar(ONE, False)]
        found = each.update(2_000.0, cars, float(now_s), V)
    assert found.served == (ONE,)


@given(st.floats(0, 20_000), st.sampled_from([THREE, ONE]))
def test_in_steady_sun_what_is_given_settles_within_what_is_left(left_w: float, car: Taker):
    each = share()
    running, given_w = False, []
    for now_s in range(0, 3_600, 5):
        found = each.update(left_w, [SurplusCar(car, running)], float(now_s), V)
        running = bool(found.served)
        given_w.append(found.power_w)
    last = given_w[-180:]
    assert max(last) <= max(left_w, 0.0) + 1e-6
    assert len(set(last)) == 1, "no oscillation"
    assert running == (left_w >= car.minimum_w(V))


@pytest.mark.parametrize("seed", range(4))
def test_clouds_close_contactors_rarely(seed: int):
    each, random, running, starts, left_w = share(), Random(seed), False, 0, 0.0
    for now_s in range(0, 8 * 3600, 5):
        if now_s % 60 == 0:
            left_w = random.uniform(-1_000, 9_000)
        found = each.update(left_w, [SurplusCar(THREE, running)], float(now_s), V)
        starts += bool(found.served) and not running
        running = bool(found.served)
    assert starts <= 8 * 4
