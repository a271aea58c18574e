"""A discharge that was told may flow before any reading shows it: no base load falls by it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.services.load.flows import flows_of
from tests.unit.load.test_feeding_in import EVSE, TIMING, Bay, reading

BUILDING_A = 60.0
GIVEN = st.floats(0.0, 20.0)


@given(told_a=GIVEN, share=st.floats(0.0, 1.0), shown=st.booleans())
def test_no_room_comes_of_what_a_car_was_told_to_give(
    told_a: float, share: float, shown: bool
) -> None:
    """Whether it follows, and whether its station tells so."""
    bay = Bay()
    bay.step(BUILDING_A, 0.0, reading(0.0, feeds_in=True))
    bay.control.gives_a, bay.control.changed_s = told_a, bay.now_s
    flows = flows_of(bay.control, bay.now_s, TIMING)
    bay.base.update((BUILDING_A - told_a,) * 3, flows, (1000.0,) * 3, bay.now_s)
    assert bay.estimate_a == pytest.approx(BUILDING_A)
    for _ in range(6):
        given_a = share * told_a
        found_a = bay.step(BUILDING_A, -given_a, reading(-given_a * shown, feeds_in=True))
        assert found_a >= BUILDING_A - 1e-6
    assert bay.exposure_a >= EVSE.fallback_a
