"""What cars give back: no more than is missing, may flow, or was proven, and none below its own."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.dlm.discharge import (
    STEP_A,
    Battery,
    Place,
    Stock,
    may_give,
    shared_discharge,
)
from sitecontroller.domain.topology import NOMINAL_V, PHASES

PHASE_SETS = st.sampled_from([(0,), (1,), (2,), (0, 1, 2)])
AMPERES = st.floats(0.0, 40.0)
NAMES = ("a", "b", "c")


@st.composite
def sites(draw: st.DrawFn) -> tuple[float, list[Battery], list[Place]]:
    batteries = [
        Battery(
            name, draw(PHASE_SETS), draw(AMPERES), draw(AMPERES), draw(AMPERES), draw(st.booleans())
        )
        for name in NAMES
    ]
    spare = st.tuples(*[st.one_of(st.none(), st.floats(-40.0, 60.0))] * 3)
    root = Place(draw(spare), frozenset(NAMES))
    below = Place(draw(spare), frozenset(NAMES[:2]))
    return draw(st.floats(-1e4, 3e4)), batteries, [root, below]


@given(site=sites())
def test_no_place_carries_back_more_than_it_may(
    site: tuple[float, list[Battery], list[Place]],
) -> None:
    wanted_w, batteries, places = site
    found_a = shared_discharge(wanted_w, batteries, places)
    for place in places:
        for phase in PHASES:
            mine = [b for b in batteries if b.name in place.below and phase in b.phases]
            before_a, after_a = sum(b.gives_a for b in mine), sum(found_a[b.name] for b in mine)
            spare_a = place.spare_a[phase]
            most_a = 0.0 if spare_a is None else max(0.0, spare_a + before_a)
            assert after_a <= most_a + 1e-4


@given(site=sites())
def test_nobody_gives_more_than_it_can_nor_is_raised_while_another_is_unproven(
    site: tuple[float, list[Battery], list[Place]],
) -> None:
    wanted_w, batteries, places = site
    found_a = shared_discharge(wanted_w, batteries, places)
    for battery in batteries:
        assert 0 <= found_a[battery.name] <= battery.most_a + 1e-5
        if not all(b.proven for b in batteries):
            assert found_a[battery.name] <= battery.told_a + 1e-5


@given(site=sites())
def test_no_more_is_given_than_is_missing_but_for_a_step(
    site: tuple[float, list[Battery], list[Place]],
) -> None:
    wanted_w, batteries, places = site
    found_a = shared_discharge(wanted_w, batteries, places)
    given_w = sum(found_a[b.name] * NOMINAL_V * len(b.phases) for b in batteries)
    assert given_w <= max(0.0, wanted_w) + STEP_A * NOMINAL_V * 3


@pytest.mark.parametrize("wanted_w", [0.0, -5000.0, math.nan, math.inf])
def test_where_nothing_is_known_to_be_missing_nothing_is_given(wanted_w: float) -> None:
    place = Place((99.0,) * 3, frozenset("a"))
    assert shared_discharge(wanted_w, [Battery("a", (0, 1, 2), 16.0)], [place]) == {"a": 0.0}


def test_all_give_alike_until_the_missing_power_is_covered() -> None:
    batteries = [Battery("a", (0, 1, 2), 16.0), Battery("b", (0, 1, 2), 3.0)]
    place = Place((50.0,) * 3, frozenset("ab"))
    assert shared_discharge(8 * 3 * NOMINAL_V, batteries, [place]) == {"a": 5.0, "b": 3.0}


def test_who_is_at_no_known_place_gives_nothing() -> None:
    assert shared_discharge(9000.0, [Battery("a", (0,), 16.0)], []) == {"a": 0.0}


def test_what_flows_back_too_much_is_taken_away_at_once() -> None:
    battery = Battery("a", (0, 1, 2), 16.0, told_a=10.0, gives_a=10.0, proven=False)
    place = Place((-4.0, 20.0, 20.0), frozenset("a"))
    assert shared_discharge(20_000.0, [battery], [place]) == {"a": 6.0}


STOCK = Stock(soc_percent=80.0, departs_in_s=None, need_wh=None, full_w=11_000.0)
LEAVES = replace(STOCK, departs_in_s=4 * 3600.0, need_wh=10_000.0)
CASES = {
    "full enough": (STOCK, False, True),
    "nobody knows how full": (replace(STOCK, soc_percent=None), False, False),
    "at its minimum": (replace(STOCK, soc_percent=40.0), True, False),
    "just above, gives already": (replace(STOCK, soc_percent=41.0), True, True),
    "just above, would begin": (replace(STOCK, soc_percent=41.0), False, False),
    "leaves late": (LEAVES, False, True),
    "leaves soon": (replace(LEAVES, departs_in_s=1800.0), True, False),
    "needs much": (replace(LEAVES, need_wh=20_000.0), True, False),
    "leaves, nobody said what it needs": (replace(LEAVES, need_wh=None), True, False),
}


@pytest.mark.parametrize("name", CASES)
def test_a_car_gives_only_what_it_can_spare(name: str) -> None:
    stock, gives, expected = CASES[name]
    may = may_give(stock, gives=gives, soc_percent_min=40.0, reserve_wh=5000.0, ahead_s=120.0)
    assert may is expected
