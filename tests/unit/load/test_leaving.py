"""A car that has left may be in the meter's last samples, and no longer than in those."""

import pytest

from sitecontroller.dlm.exposure import Exposure
from sitecontroller.services.load.draw import GridCurrent
from sitecontroller.services.load.evse import EvseControl, Timing
from sitecontroller.services.load.flows import flows_of
from tests.unit.load.site import evse

TIMING = Timing(reaction_s=10.0, stale_s=22.0, evidence_s=42.0)
LEFT_S = 100.0


@pytest.mark.parametrize(("after_s", "falling_a"), [(2.0, 7.0), (4.0, 0.0)])
def test_what_a_car_drew_excuses_a_meter_above_its_cap_for_a_moment(
    after_s: float, falling_a: float
) -> None:
    """Later a step of the building would hide behind it."""
    control = EvseControl(evse(1), Exposure(0.0), online=True, fallback_confirmed=True)
    control.ended_s, control.left = LEFT_S, GridCurrent((7.0,) * 3, (7.0,) * 3)
    (flow, *_) = flows_of(control, LEFT_S + after_s, TIMING)
    assert flow.falling_a == falling_a
    assert (flow.low_a, flow.high_a) == (0.0, 7.0)
