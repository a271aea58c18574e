"""A car that takes nothing is tried with more, then sleeps: whatever its station is told in."""

import pytest

from sitecontroller.dlm.exposure import Exposure, Sent
from sitecontroller.domain.topology import LimitUnit
from sitecontroller.services.load.evse import EvseControl
from tests.unit.load.site import evse

STEP_S = 10.0


@pytest.mark.parametrize("unit", list(LimitUnit))
def test_a_car_that_takes_nothing_of_its_minimum_sleeps_after_three_minutes(
    unit: LimitUnit,
) -> None:
    control = EvseControl(
        evse(1, phases="L1", limit_unit=unit), Exposure(0.0, (Sent(1, 6.0, 0.0),))
    )
    for number in range(20):
        control.need.observe(0.0, control.minimum_a, STEP_S * number)
    assert control.need.asleep
    assert control.minimum_a == 6.0
