"""The live picture of what flows: what a message leaves out, and what it says is zero."""

from datetime import timedelta

from sitecontroller.domain.events import EvseMeasured
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.topology import EvseKey
from sitecontroller.publisher import Publisher
from sitecontroller.services.metering import MeteringService
from tests.contract.fakes import START, HandClock

KEY = EvseKey("CP-01", 1)
FLOWING = MeterReading(
    at=START,
    current_a=(16.0, 16.0, 16.0),
    power_w=11_000.0,
    energy_import_wh=5_000.0,
    energy_export_wh=200.0,
)


def energies(**values):
    """A message of registers alone, a minute later."""
    return MeterReading(at=START + timedelta(minutes=1), **values)


def measured(*readings):
    """The picture of an EVSE after these readings, and how many were news of what flows."""
    told = []
    publisher = Publisher()
    publisher.subscribe(told.append)
    clock = HandClock()
    metering = MeteringService(clock, publisher)
    for reading in readings:
        metering.evse_measured(KEY, reading)
        clock.passed_s += 60
    assert all(isinstance(event, EvseMeasured) for event in told)
    return metering.evse(KEY), len(told)


def test_a_message_of_registers_alone_keeps_what_flowed_and_its_age():
    now, news = measured(FLOWING, energies(energy_import_wh=5_100.0))
    assert now.reading.current_a == (16.0, 16.0, 16.0)
    assert now.reading.energy_import_wh == 5_100.0
    assert now.received_s == 0.0
    assert news == 1


def test_a_register_that_says_zero_is_zero():
    now, _ = measured(FLOWING, energies(energy_import_wh=0.0, energy_export_wh=0.0))
    assert now.reading.energy_import_wh == 0.0
    assert now.reading.energy_export_wh == 0.0


def test_a_register_that_is_left_out_keeps_its_value():
    now, _ = measured(FLOWING, energies(soc_percent=0.0))
    assert now.reading.energy_import_wh == 5_000.0
    assert now.reading.energy_export_wh == 200.0
    assert now.reading.soc_percent == 0.0


def test_the_sample_of_a_frozen_meter_is_as_old_as_the_last_that_moved():
    clock = HandClock()
    metering = MeteringService(clock, Publisher())
    for _ in range(10):
        metering.meter_measured("M1", FLOWING)
        clock.passed_s += 1
    for _ in range(2):
        metering.meter_failed("M1", "its registers are frozen", since_s=2.0)
    assert metering.meter("M1").received_s == 2.0
    metering.meter_measured("M1", FLOWING)
    assert metering.meter("M1").received_s == 10.0


def test_a_failure_of_another_kind_leaves_the_last_sample_its_age():
    clock = HandClock()
    metering = MeteringService(clock, Publisher())
    metering.meter_measured("M1", FLOWING)
    metering.meter_failed("M1", "no answer")
    assert metering.meter("M1").received_s == 0.0
