"""What can't be true is doubted, and what is merely unusual is not."""

from dataclasses import replace
from typing import Any

import pytest

from sitecontroller.domain.metering import MeterReading
from sitecontroller.modbus.family import CURRENTS, VOLTAGES, MeterModel
from sitecontroller.modbus.model import known_models, meter_model
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
        {"voltage_v": (277.0, 288.0, 291.0)},
        {"voltage_v": (133.0, 132.0, 134.0), "power_phase_w": (1300.0, 2600.0, -600.0)},
    ],
)
def test_what_can_happen_is_believed(changed: dict[str, Any]) -> None:
    assert verdict(**changed) is None


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"voltage_v": (0.0, 0.0, 1e-38)}, "no voltage on any phase"),
        ({"voltage_v": (4e30, 230.0, 230.0)}, "V can't be"),
        ({"voltage_v": (395.0, 397.0, 396.0)}, "397 V is between two phases"),
        ({"current_a": (10.0, 655_360.0, -5.0)}, "655360 A can't be"),
        ({"current_a": (20.5, 10.0, -5.0)}, "L2: 4700 W can't flow"),
        ({"power_phase_w": (4700.0, 2250.0, -1100.0)}, "L1: 4700 W can't flow"),
        ({"frequency_hz": 5001.0}, "Hz can't be"),
        ({"power_phase_w": (22500.0, 4700.0, -1100.0)}, "L1: 22500 W can't flow at 230 V and 10"),
        ({"current_a": (10.0, 0.0, -5.0)}, "L2: 4700 W can't flow"),
    ],
)
def test_what_can_not_happen_is_doubted(changed: dict[str, Any], reason: str) -> None:
    assert reason in (verdict(**changed) or "")


SWAPPABLE = [
    model
    for model in known_models().values()
    if any(point.words > 1 for block in model.fast for point in block.points)
    and any(point.name in (*VOLTAGES, *CURRENTS) for block in model.fast for point in block.points)
]
ODD = replace(READING, current_a=(10.13, 20.57, 5.29), voltage_v=(230.4, 231.3, 229.2))


@pytest.mark.parametrize("reading", [READING, ODD], ids=["round", "odd"])
@pytest.mark.parametrize("model", SWAPPABLE, ids=[model.name for model in SWAPPABLE])
def test_values_with_swapped_words_are_doubted(model: MeterModel, reading: MeterReading) -> None:
    """The file says the other word order than the meter has: every family is found out."""
    order = "little" if model.word_order == "big" else "big"
    swapped = replace(model, word_order=order).decode(model.encode(reading), READING.at)
    assert Plausibility().judge(swapped, swapped.power_w, 0.0) is not None


def test_import_and_export_swapped_in_the_total_is_doubted_after_three_samples() -> None:
    meter = Plausibility()
    verdicts = [
        meter.judge(replace(READING, voltage_v=(230.0 + at, 231.0, 229.0)), -5850.0, float(at))
        for at in range(3)
    ]
    assert verdicts[:2] == [None, None]
    assert "phases add up to 5850 W" in (verdicts[2] or "")


def test_a_load_that_switches_between_two_reads_is_no_mismatch() -> None:
    meter = Plausibility()
    totals_w = [5850.0, 9000.0, 5850.0, 9000.0, 5850.0, 9000.0]
    readings = [replace(READING, voltage_v=(230.0 + at, 231.0, 229.0)) for at in range(6)]
    verdicts = [
        meter.judge(reading, total_w, float(at))
        for at, (reading, total_w) in enumerate(zip(readings, totals_w, strict=True))
    ]
    assert verdicts == [None] * 6


def test_registers_frozen_for_as_long_as_their_family_allows_are_believed() -> None:
    """A meter that shows whole volts stands still for minutes (Saia ALE3)."""
    patient, usual = Plausibility(meter_model("saia-ale3").frozen_s), Plausibility()
    seconds = [float(at) for at in range(301)]
    assert [patient.judge(READING, None, at) for at in seconds[:-1]] == [None] * 300
    assert "frozen" in (patient.judge(READING, None, seconds[-1]) or "")
    assert "frozen" in str([usual.judge(READING, None, at) for at in seconds[:11]])


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
