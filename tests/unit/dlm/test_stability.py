"""Rising slowly, resting contactors, and seeing what a car takes."""

import pytest

from sitecontroller.dlm.phases import PhasesInUse
from sitecontroller.dlm.stability import Dwell, Need, raised_limit_a


@pytest.mark.parametrize(
    ("limit_a", "target_a", "free_a", "expected_a"),
    [
        (6, 32, 60, 21),  # a quarter of the room
        (6, 32, 8, 12),  # or 6 A
        (6, 32, 3, 9),  # never more than there is
        (6, 32, 0.8, 6),  # too little to bother
        (6, 6.9, 60, 6),
        (0, 32, 60, 15),
        (0, 32, 7, 6),  # out of a pause: the minimum
        (0, 32, 5, 0),
    ],
)
def test_a_limit_rises_by_the_ramp(
    limit_a: float, target_a: float, free_a: float, expected_a: float
) -> None:
    assert raised_limit_a(limit_a, target_a, free_a, 6.0) == pytest.approx(expected_a)


def test_a_fallback_below_the_minimum_is_no_trap() -> None:
    """A station in watts is worth 18 A or nothing until its car was seen on three phases; it began
    with its fallback of 8 A."""
    assert raised_limit_a(8, 32, 12, 18.0) == 18
    assert raised_limit_a(8, 32, 9, 18.0) == 8


def test_small_rests_are_given_away_after_a_calm_minute() -> None:
    assert raised_limit_a(10, 10.7, 60, 6.0, calm_s=59) == 10
    assert raised_limit_a(10, 10.7, 60, 6.0, calm_s=60) == 10.7


def test_a_contactor_closes_at_most_four_times_an_hour() -> None:
    dwell = Dwell()
    for minute in range(0, 16, 2):
        running = minute % 4 == 0
        dwell.update(running=running, wants=True, now_s=minute * 60.0)
    assert not dwell.may_start(16 * 60.0)
    assert dwell.may_start(14 * 60.0 + 900)


def test_waiting_earns_what_running_costs() -> None:
    dwell = Dwell()
    dwell.update(running=False, wants=True, now_s=0)
    dwell.update(running=False, wants=True, now_s=900)
    assert dwell.credit_s == 900
    dwell.update(running=True, wants=True, now_s=900)
    dwell.update(running=True, wants=True, now_s=1000)
    assert dwell.credit_s == 800
    assert dwell.settled_s(1000) == 100


def observe(need: Need, draws: list[tuple[float, float]], start_s: float = 0.0) -> None:
    for number, (draw_a, limit_a) in enumerate(draws):
        need.observe(draw_a, limit_a, start_s + 10.0 * number)


def test_a_tapering_car_needs_its_draw_and_a_little_more() -> None:
    need = Need(6.0)
    observe(need, [(10, 16)] * 7)
    assert need.need_a == 11.0


def test_a_short_dip_is_no_taper() -> None:
    need = Need(6.0)
    observe(need, [(10, 16)] * 3 + [(15.5, 16)] + [(10, 16)] * 3)
    assert need.need_a is None


def test_a_car_that_rides_on_its_limit_is_raised_again() -> None:
    need = Need(6.0)
    observe(need, [(10, 16)] * 7)
    observe(need, [(10.9, 11)] * 2, start_s=100)
    assert need.need_a is None


@pytest.mark.parametrize("draw_a", [6.0, 10.0, 16.0, 28.0])
def test_a_car_that_takes_93_percent_of_its_limit_shows_that_it_needs_more(draw_a: float) -> None:
    need = Need(6.0)
    observe(need, [(draw_a, 32)] * 7)
    assert need.need_a is not None
    observe(need, [(draw_a, need.need_a)] * 3, start_s=100)
    assert need.need_a is not None, "it takes no more than before"
    observe(need, [(0.93 * need.need_a, need.need_a)] * 2, start_s=200)
    assert need.need_a is None


def test_a_limit_below_what_a_car_needs_does_not_show_that_it_needs_more() -> None:
    """Rounded down to whole amperes, or shared: it takes what it took before."""
    need = Need(6.0)
    observe(need, [(10, 16)] * 7)
    observe(need, [(10, 11)] * 30 + [(8, 8)] * 30, start_s=100)
    assert need.need_a == 11.0


def test_a_car_that_takes_nothing_falls_asleep_and_is_asked_again() -> None:
    need = Need(6.0)
    observe(need, [(8, 8)] + [(0, 8)] * 7)
    assert need.asleep
    need.knock(60 + 890)
    assert need.asleep
    need.knock(70 + 900)
    assert not need.asleep


def test_a_new_car_has_three_minutes_to_begin() -> None:
    need = Need(6.0)
    observe(need, [(0, 16)] * 17)
    assert not need.asleep
    observe(need, [(0, 16)] * 2, start_s=170)
    assert need.asleep


def test_a_paused_car_does_not_fall_asleep() -> None:
    need = Need(6.0)
    observe(need, [(8, 8)] + [(0, 0)] * 30)
    assert not need.asleep


def test_a_single_phase_car_is_learned_after_half_a_minute() -> None:
    phases = PhasesInUse((0, 1, 2))
    for second in (0, 10, 20):
        phases.observe((0.1, 12.0, 0.0), second)
        assert phases.phases == (0, 1, 2)
    phases.observe((0.1, 12.0, 0.0), 30)
    assert phases.phases == (1,)


def test_a_second_phase_is_believed_at_once() -> None:
    phases = PhasesInUse((0, 1, 2), learned=(1,))
    phases.observe((5.0, 5.0, 0.0), 100)
    assert phases.phases == (0, 1, 2)


def test_a_missing_phase_is_not_an_idle_one() -> None:
    phases = PhasesInUse((0, 1, 2))
    for second in range(0, 100, 10):
        phases.observe((12.0, None, None), second)
    assert phases.phases == (0, 1, 2)


def test_a_new_car_that_takes_nothing_is_offered_more_before_it_sleeps() -> None:
    need = Need(6.0)
    observe(need, [(0, 6)] * 10)
    assert need.least_a == 10
    observe(need, [(0, 10)] * 9, 100)
    assert not need.asleep
    observe(need, [(0, 10)], 190)
    assert need.asleep
    assert need.least_a == 6


def test_a_car_that_begins_at_eight_amperes_is_not_offered_six_again() -> None:
    need = Need(6.0)
    observe(need, [(0, 6)] * 10 + [(9.5, 10)] * 3 + [(0, 0)] * 100 + [(0, 10)])
    assert need.least_a == 10
    assert not need.asleep


def test_a_car_that_takes_little_after_all_is_content_with_it() -> None:
    need = Need(6.0)
    observe(need, [(0, 6)] * 10 + [(5.5, 6)])
    assert need.least_a == 6


def test_where_there_is_never_more_a_car_is_offered_its_minimum_again() -> None:
    need = Need(6.0)
    observe(need, [(0, 6)] * 10)
    need.knock(900)
    assert need.least_a == 10
    need.knock(1000)
    assert need.least_a == 6


def test_a_small_outlet_offers_no_more_than_it_has() -> None:
    need = Need(6.0, begins_a_max=7.0)
    observe(need, [(0, 6)] * 10)
    assert need.least_a == 7


def test_a_car_that_has_not_begun_is_raised_no_further_until_it_does() -> None:
    """Else a step of the building's load hides behind what it might take."""
    need = Need(6.0)
    observe(need, [(0, 8)] * 2)
    assert need.need_a == 8
    observe(need, [(7.5, 8)], 20)
    assert need.need_a is None
