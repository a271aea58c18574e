"""The thermal model of a breaker against the bands of IEC 60898-1 and IEC 60269-1."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.dlm.breaker import CURVES, NEVER, Curve, heated, trips_in_s

HOUR_S = 3600.0
COLD = 0.0
curves = st.sampled_from(sorted(CURVES.values(), key=lambda curve: curve.name))
ratios = st.floats(0, 12)
heats = st.floats(0, 1.5)
times = st.floats(0, 2 * HOUR_S)
loads = st.lists(st.tuples(ratios, st.floats(0.1, 600)), max_size=12)


@pytest.mark.parametrize(
    ("name", "ratio", "least_s", "most_s"),
    [
        ("B", 1.13, HOUR_S, NEVER),
        ("B", 1.45, 0, HOUR_S),
        ("B", 2.55, 1, 60),
        ("B", 3.0, 0, 0.1),
        ("C", 1.13, HOUR_S, NEVER),
        ("C", 1.45, 0, HOUR_S),
        ("C", 2.55, 1, 60),
        ("C", 5.0, 0, 0.1),
        ("D", 2.55, 1, 60),
        ("D", 10.0, 0, 0.1),
        ("gG", 1.25, HOUR_S, NEVER),
        ("gG", 1.6, 0, HOUR_S),
        ("gG", 2.54, 0, 10),
    ],
)
def test_from_cold_it_trips_within_the_band_of_its_standard(
    name: str, ratio: float, least_s: float, most_s: float
) -> None:
    assert least_s <= trips_in_s(CURVES[name], COLD, ratio) <= most_s


@given(curves, loads)
def test_what_stays_at_or_below_the_holding_current_is_never_near_tripping(
    curve: Curve, load: list[tuple[float, float]]
) -> None:
    heat = COLD
    for ratio, seconds in load:
        held = min(ratio, curve.holds)
        heat = heated(curve, heat, held, seconds)
        assert trips_in_s(curve, heat, held) == NEVER
        assert heat <= curve.trip_heat + 1e-9


@given(curves, heats, heats, ratios, ratios)
def test_hotter_or_more_current_never_trips_later(
    curve: Curve, heat: float, more_heat: float, ratio: float, more: float
) -> None:
    first = trips_in_s(curve, min(heat, more_heat), min(ratio, more))
    second = trips_in_s(curve, max(heat, more_heat), max(ratio, more))
    assert second <= first + 1e-9
    assert second >= 0


@given(curves, heats, heats, ratios, ratios, times)
def test_more_current_or_a_hotter_start_never_ends_cooler(
    curve: Curve, heat: float, more_heat: float, ratio: float, more: float, seconds: float
) -> None:
    cooler = heated(curve, min(heat, more_heat), min(ratio, more), seconds)
    hotter = heated(curve, max(heat, more_heat), max(ratio, more), seconds)
    assert hotter >= cooler - 1e-9


@given(curves, heats, ratios, st.floats(0, 600), st.floats(0, 600))
def test_time_may_be_cut_where_one_likes(
    curve: Curve, heat: float, ratio: float, first_s: float, then_s: float
) -> None:
    at_once = heated(curve, heat, ratio, first_s + then_s)
    in_two = heated(curve, heated(curve, heat, ratio, first_s), ratio, then_s)
    assert math.isclose(at_once, in_two, rel_tol=1e-9, abs_tol=1e-9)


@given(curves, st.floats(0, 1.2), st.floats(1.3, 2.5))
def test_it_reaches_the_tripping_heat_when_it_said_so(
    curve: Curve, heat: float, ratio: float
) -> None:
    left_s = trips_in_s(curve, heat, ratio)
    assert math.isclose(heated(curve, heat, ratio, left_s), curve.trip_heat, rel_tol=1e-9)


def test_a_warm_breaker_leaves_sharing_its_12_s_at_1_45_times_its_rating() -> None:
    warm = heated(CURVES["B"], COLD, 0.9, HOUR_S)
    assert trips_in_s(CURVES["B"], warm, 1.45) > 12 + 8
