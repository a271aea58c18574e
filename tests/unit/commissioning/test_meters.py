"""The meter check by one sample: what can be true, what can't, what can't be judged."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sitecontroller.domain.commissioning import CheckState
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.topology import Meter
from sitecontroller.services.commissioning.meters import Seen, meter_check

METER = Meter("grid", "Grid", "eastron-sdm630", "tcp://10.0.0.1:502")
GOOD = MeterReading(
    at=datetime(2026, 3, 1, tzinfo=UTC),
    current_a=(10.0, 12.0, 8.0),
    voltage_v=(230.0, 229.0, 231.0),
    power_phase_w=(2300.0, 2748.0, 1848.0),
    power_w=6896.0,
)


def judged(age_s: float = 1.0, **changes):
    return meter_check(Seen(METER, replace(GOOD, **changes), age_s, None))


def test_a_sound_sample_passes_and_is_written_down():
    outcome = judged()
    assert outcome.state is CheckState.PASSED
    assert outcome.findings == ("L1 230 V 10.0 A, L2 229 V 12.0 A, L3 231 V 8.0 A, total 6896 W",)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"age_s": 9.0}, "9 s old"),
        ({"voltage_v": (230.0, 132.0, 231.0)}, "L2 has 132 V"),
        ({"current_a": (-10.0, 12.0, 8.0)}, "L1 flows backwards"),
        ({"power_phase_w": (2300.0, -2748.0, 1848.0), "power_w": 1400.0}, "L2 flows backwards"),
        ({"power_phase_w": (600.0, 2748.0, 1848.0), "power_w": 5196.0}, "L1: 10.0 A at 230 V"),
        ({"power_w": 3000.0}, "its total says 3000 W"),
        ({"current_a": (10.0, None, 8.0)}, "no current of L2"),
    ],
)
def test_what_cant_be_true_fails_with_its_phase(changes, words):
    outcome = judged(**changes)
    assert outcome.state is CheckState.FAILED
    assert any(words in finding for finding in outcome.findings)


def test_what_one_sample_cant_show_is_said():
    outcome = judged(
        current_a=(10.0, 12.0, 0.0), power_phase_w=(2300.0, 2748.0, 0.0), power_w=5048.0
    )
    assert outcome.state is CheckState.PASSED
    assert "Nothing flows on L3" in outcome.findings[-1]


def test_a_silent_meter_fails_with_the_reason():
    outcome = meter_check(Seen(METER, None, None, "no answer within 0.5 s"))
    assert outcome.state is CheckState.FAILED
    assert "no answer within 0.5 s" in outcome.findings[0]
