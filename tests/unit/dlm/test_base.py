"""The base load between a fast meter and slow cars."""

import pytest

from sitecontroller.dlm.base import BaseLoad, Flow, Flows, WorstOfHour, flow_bounds

AMPLE = (100.0,) * 3
"""A cap that nothing here reaches."""


def flow(low: float, high: float, *, told: float = 0.0, falling: float = 0.0) -> Flows:
    return (Flow(low, high, told, falling),) * 3


def test_a_car_that_follows_its_new_limit_is_no_base_load() -> None:
    base = BaseLoad()
    base.update((26.0,) * 3, flow(16, 16), AMPLE, 0)
    held = base.update((32.0,) * 3, flow(16, 22), AMPLE, 1)
    assert held == pytest.approx((10.0,) * 3)


def test_what_no_car_may_draw_is_base_load_at_once() -> None:
    base = BaseLoad()
    base.update((26.0,) * 3, flow(16, 16), AMPLE, 0)
    held = base.update((36.0,) * 3, flow(16, 22), AMPLE, 1)
    assert held == pytest.approx((14.0,) * 3)


@pytest.mark.parametrize("meter_a", [5.0, 17.0, 40.0, 63.0])
@pytest.mark.parametrize("high", [0.0, 10.0, 30.0])
def test_base_and_exposure_together_are_never_less_than_the_meter(
    meter_a: float, high: float
) -> None:
    base = BaseLoad()
    base.update((20.0,) * 3, flow(5, 10), AMPLE, 0)
    held = base.update((meter_a,) * 3, flow(0, high), AMPLE, 1)
    assert (held[0] or 0) + high >= meter_a


def test_a_falling_base_load_is_held_then_released_slowly() -> None:
    base = BaseLoad()
    meter = [20.0] + 59 * [5.0]
    values = [base.update((a,) * 3, flow(0, 0), AMPLE, float(t))[0] for t, a in enumerate(meter)]
    assert values[30] == 20
    assert values[33] == pytest.approx(14)
    assert values[50] == 5


def test_a_peak_beyond_what_a_breaker_passes_is_released_as_fast_as_one_it_passes() -> None:
    base = BaseLoad(most_a=(58.0,) * 3)
    meter = [20.0, 600.0] + 59 * [20.0]
    values = [base.update((a,) * 3, flow(0, 0), AMPLE, float(t))[0] for t, a in enumerate(meter)]
    assert values[1] == 58
    assert values[51] == 20


def test_what_is_above_the_cap_is_no_longer_ascribed_to_cars() -> None:
    base = BaseLoad()
    cap_a = (60.0,) * 3
    base.update((50.0,) * 3, flow(30, 30, told=30), cap_a, 0)
    held = base.update((62.0,) * 3, flow(30, 42, told=38), cap_a, 1)
    assert held == pytest.approx((24.0,) * 3)


def test_cars_that_are_about_to_fall_excuse_the_meter() -> None:
    base = BaseLoad()
    cap_a = (60.0,) * 3
    base.update((58.0,) * 3, flow(40, 40, told=40), cap_a, 0)
    held = base.update((66.0,) * 3, flow(30, 40, told=30, falling=10), cap_a, 1)
    assert held == pytest.approx((26.0,) * 3)


def test_an_exporting_roof_counts_as_nothing() -> None:
    assert BaseLoad().update((-12.0,) * 3, flow(0, 0), AMPLE, 0) == (0, 0, 0)


def test_what_was_never_measured_stays_unknown() -> None:
    assert BaseLoad().update((4.0, None, 3.0), flow(0, 0), AMPLE, 0) == (4, None, 3)


@pytest.mark.parametrize(
    ("draw_a", "fresh", "settled", "expected"),
    [
        (None, False, False, (0.0, 20.0)),
        (16.0, True, True, (16.0, 16.0)),
        (16.0, True, False, (12.0, 20.0)),
        (16.0, False, True, (0.0, 16.0)),
    ],
)
def test_a_car_is_known_within_bounds(
    draw_a: float | None, fresh: bool, settled: bool, expected: tuple[float, float]
) -> None:
    bounds = flow_bounds(draw_a, exposure_a=20, limit_a=12, fresh=fresh, settled=settled)
    assert bounds == expected


def test_the_worst_of_this_hour_on_earlier_days_is_remembered() -> None:
    worst = WorstOfHour()
    worst.note(1, 8, (10.0, None, 3.0))
    worst.note(1, 8, (7.0, 9.0, 3.0))
    worst.note(2, 8, (5.0, 5.0, 5.0))
    worst.note(2, 9, (30.0, 30.0, 30.0))
    assert worst.worst_a(8) == (10, 9, 5)
    for day in range(3, 12):
        worst.note(day, 8, (1.0, 1.0, 1.0))
    assert worst.worst_a(8) == (1, 1, 1)


def test_a_car_that_was_told_less_draws_no_more_than_its_last_reading_showed() -> None:
    """Else what the building takes more would hide behind it, up to its old limit."""
    known = {"exposure_a": 20.0, "limit_a": 18.0, "fresh": True, "settled": False}
    assert flow_bounds(14.7, **known, raised=False) == (14.7, 14.7)
    assert flow_bounds(14.7, **known, raised=True) == (14.7, 20.0)
