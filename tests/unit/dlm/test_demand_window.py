"""The peak-demand window: what is left of a quarter hour, whatever the building does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.dlm.demand_window import (
    REACTION_S,
    WH,
    DemandWindow,
    Sampled,
    allowed_w,
    counted,
    expected_w,
    so_far_wh,
)

PERIOD_S = 900.0
GAP_S = 3.0
FUSE_W = 43_000.0
TARGET_W = 20_000.0
BEGAN_S = 1_800_000_000.0
"""A quarter hour begins then."""

powers_w = st.floats(0, FUSE_W)
energies_wh = st.floats(0, 20_000)
lefts_s = st.floats(0, PERIOD_S)


def count(window: DemandWindow | None, at_s: float, power_w: float) -> DemandWindow:
    sample = Sampled(BEGAN_S + at_s, power_w)
    return counted(window, sample, period_s=PERIOD_S, gap_s=GAP_S, worst_w=FUSE_W)


def allowed(energy_wh: float, left_s: float, target_w: float = TARGET_W) -> float:
    return allowed_w(target_w, energy_wh, period_s=PERIOD_S, left_s=left_s, most_w=FUSE_W)


def played(base_w: list[float], *, car_w: float, late_s: int) -> DemandWindow:
    """A quarter hour whose base load changes every 30 s; cars take what is left, `late_s` after it
    was allowed, and never more than `car_w`."""
    window = count(None, 0, 0)
    orders = [0.0] * (late_s + 1)
    for second in range(1, int(PERIOD_S)):
        base = base_w[second // 30 % len(base_w)]
        power_w = base + min(car_w, orders.pop(0))
        window = count(window, second, power_w)
        rest_w = allowed(window.energy_wh, PERIOD_S - second)
        orders.append(max(0.0, rest_w - base))
    return window


@given(st.lists(st.floats(0, TARGET_W), min_size=1, max_size=30), st.floats(0, FUSE_W))
def test_the_target_holds_whatever_the_base_load_does_below_it(base_w: list[float], car_w: float):
    window = played(base_w, car_w=car_w, late_s=0)
    assert window.energy_wh * WH <= TARGET_W * PERIOD_S + 1


@given(st.floats(0, TARGET_W / 2), st.integers(60, 890), st.floats(0, TARGET_W / 2))
def test_a_step_as_large_as_what_cars_take_is_given_back_although_they_follow_late(
    low_w: float, at_s: int, step_w: float
):
    second = at_s - at_s % 30
    base_w = [low_w if place * 30 < second else low_w + step_w for place in range(30)]
    window = played(base_w, car_w=FUSE_W, late_s=int(REACTION_S) - 2)
    assert window.energy_wh * WH <= TARGET_W * PERIOD_S * 1.001


def test_with_hungry_cars_the_window_is_used():
    assert played([3_000.0], car_w=FUSE_W, late_s=0).energy_wh * WH >= 0.98 * TARGET_W * PERIOD_S


@given(energies_wh, energies_wh, lefts_s)
def test_who_has_used_more_may_take_less(one_wh: float, more_wh: float, left_s: float):
    assert allowed(one_wh + more_wh, left_s) <= allowed(one_wh, left_s)


@given(energies_wh, lefts_s, powers_w, powers_w)
def test_a_higher_target_never_allows_less(
    energy_wh: float, left_s: float, target_w: float, more_w: float
):
    low_w = allowed(energy_wh, left_s, target_w)
    assert low_w <= allowed(energy_wh, left_s, target_w + more_w)


@given(energies_wh, lefts_s)
def test_what_is_allowed_lies_between_nothing_and_the_fuse(energy_wh: float, left_s: float):
    assert 0 <= allowed(energy_wh, left_s) <= FUSE_W


def test_the_last_second_allows_no_more_than_a_reaction_can_take_back():
    used_wh = (TARGET_W * PERIOD_S - 60_000) / WH
    assert allowed(used_wh, 0.0) == pytest.approx(60_000 / REACTION_S)


def test_energy_is_the_mean_of_neighbouring_samples():
    window = count(count(count(None, 0, 6_000), 1, 6_000), 2, 12_000)
    assert window.energy_wh * WH == pytest.approx(6_000 + 9_000)


def test_a_gap_counts_as_much_as_the_fuses_let_through():
    window = count(count(None, 0, 1_000), 61, 1_000)
    assert window.energy_wh * WH == pytest.approx(FUSE_W * 61)


def test_what_was_before_the_first_sample_counts_at_its_worst():
    assert count(None, 120, 0).energy_wh * WH == pytest.approx(FUSE_W * 120)


def test_a_new_window_begins_with_nothing_but_what_flowed_in_it():
    window = count(count(None, 899, 6_000), 901, 6_000)
    assert window.began_s == BEGAN_S + 900
    assert window.energy_wh * WH == pytest.approx(6_000)


def test_a_gap_over_the_end_of_a_window_counts_in_both():
    window = count(count(None, 800, 0), 960, 0)
    assert window.energy_wh * WH == pytest.approx(FUSE_W * 60)


def test_a_clock_set_back_counts_all_of_the_window_at_its_worst():
    window = count(count(None, 500, 0), 400, 0)
    assert window.energy_wh * WH == pytest.approx(FUSE_W * 400)


def test_a_clock_set_forward_counts_the_time_that_it_skipped():
    window = count(count(None, 0, 0), 300, 0)
    assert window.energy_wh * WH == pytest.approx(FUSE_W * 300)


def test_what_is_exported_makes_up_for_nothing():
    window = count(count(count(None, 0, 6_000), 1, 6_000), 2, -20_000)
    assert window.energy_wh * WH == pytest.approx(6_000 + 3_000)


def test_while_a_sample_is_missing_the_last_holds_and_then_the_worst():
    window = count(count(None, 0, 6_000), 1, 6_000)

    def at(seconds: float) -> float:
        now_s = BEGAN_S + seconds
        return so_far_wh(window, now_s, period_s=PERIOD_S, gap_s=GAP_S, worst_w=FUSE_W) * WH

    assert at(3) == pytest.approx(6_000 * 3)
    assert at(11) == pytest.approx(6_000 + FUSE_W * 10)


def test_the_expected_mean_goes_on_as_it_is():
    assert expected_w(2_000, 20_000, period_s=PERIOD_S, left_s=540) == pytest.approx(20_000)
