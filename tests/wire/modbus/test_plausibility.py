"""What can't be true is doubted, and what is merely unusual is not."""

from dataclasses import replace
from typing import Any

import pytest

from sitecontroller.modbus.plausibility import Plausibility
from tests.wire.modbus.fakes import READING


def verdict(**changed: Any) -> str | None:
    return Plausibility().judge(replace(READING, **changed), None, 0.0)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"voltage_v": (230.0, 0.0, 229.0), "power_phase_w": (2250.0, 0.0, -1100.0)},
        {"current_a": (None, None, None), "power_phase_w": (None, None, None)},
        {"current_a": (0.0, 0.0, 0.0), "power_phase_w": (20.0, -30.0, 0.0)},
        {"frequency_hz": 47.5},
        {"frequency_hz": 60.0},
    ],
)
def test_what_can_happen_is_believed(changed: dict[str, Any]) -> None:
    assert verdict(**changed) is None


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"voltage_v": (0.0, 0.0, 1e-38)}, "no voltage on any phase"),
        ({"voltage_v": (4e30, 230.0, 230.0)}, "V can't be"),
        ({"frequency_hz": 5001.0}, "Hz can't be"),
        ({"power_phase_w": (22500.0, 4700.0, -1100.0)}, "L1: 22500 W can't flow at 230 V and 10"),
        ({"current_a": (10.0, 0.0, -5.0)}, "L2: 4700 W can't flow"),
    ],
)
def test_what_can_not_happen_is_doubted(changed: dict[str, Any], reason: str) -> None:
    assert reason in (verdict(**changed) or "")


def leap(plausibility: Plausibility, current_a: float, at_s: float) -> str | None:
    power_w = current_a * 230.0
    reading = replace(
        READING,
        current_a=(current_a, 20.5, -5.0),
        power_phase_w=(power_w, 4700.0, -1100.0),
    )
    return plausibility.judge(reading, None, at_s)


def test_a_leap_of_one_sample_is_doubted() -> None:
    meter = Plausibility()
    assert leap(meter, 10.0, 0) is None
    assert "leaps from 10 A to 2400 A" in (leap(meter, 2400.0, 1) or "")
    assert leap(meter, 10.0, 2) is None


def test_a_leap_that_lasts_is_believed() -> None:
    meter = Plausibility()
    leap(meter, 10.0, 0)
    leap(meter, 2400.0, 1)
    assert leap(meter, 2401.0, 2) is None


def test_an_idle_meter_that_has_no_voltages_is_not_called_frozen() -> None:
    meter = Plausibility()
    idle = replace(
        READING,
        voltage_v=(None, None, None),
        current_a=(0.0, 0.0, 0.0),
        power_phase_w=(0.0, 0.0, 0.0),
    )
    assert [meter.judge(idle, None, float(second)) for second in range(60)] == [None] * 60


def test_few_identical_samples_are_not_called_frozen() -> None:
    """A meter that is read once a minute may well say the same twice."""
    meter = Plausibility()
    assert [meter.judge(READING, None, 60.0 * sample) for sample in range(4)] == [None] * 4
