"""SunSpec meters are found wherever they are, with scale factors as the device has them now."""

from collections.abc import Callable
from typing import Any

import pytest

from sitecontroller.domain.errors import MeterFault, MeterTimeout
from sitecontroller.domain.metering import MeterReading
from sitecontroller.modbus.meter import BusMeter
from sitecontroller.modbus.model import MeterModel, meter_model
from sitecontroller.simulation.virtual_time import VirtualClock, VirtualLoop
from tests.wire.modbus.fakes import READING, Responder, meter_at, served

Run = Callable[..., Any]
Conversation = Callable[[BusMeter, Responder], Any]
INTEGERS, FLOATS = meter_model("sunspec"), meter_model("sunspec-float")
BASE = 40000
METER = BASE + 70


@pytest.fixture
def with_device(run: Run) -> Run:
    """`with_device(registers, conversation)`: a meter of the model `sunspec`, on virtual time."""

    def of(registers: dict[int, int], conversation: Conversation) -> Any:
        async def main() -> Any:
            responder = Responder({1: dict(registers)})
            async with responder.on_tcp() as url:
                meter = meter_at(url, INTEGERS, VirtualClock())
                try:
                    return await conversation(meter, responder)
                finally:
                    meter.close()

        return run(main(), loop_factory=VirtualLoop)

    return of


async def once(meter: BusMeter, _: Responder) -> MeterReading:
    return await meter.read()


@pytest.mark.parametrize("base", [40000, 0, 50000])
@pytest.mark.parametrize("layout", [INTEGERS, FLOATS], ids=["integers", "floats"])
def test_a_meter_is_found_at_each_base(with_device: Run, layout: MeterModel, base: int) -> None:
    reading = with_device(served(layout, READING, base=base), once)
    assert reading.current_a == READING.current_a
    assert reading.power_w == READING.power_w
    assert reading.energy_import_wh == READING.energy_import_wh


@pytest.mark.parametrize("number", [201, 202, 203, 204])
def test_each_kind_of_meter_is_known(with_device: Run, number: int) -> None:
    registers = served(INTEGERS, READING) | {METER: number}
    assert with_device(registers, once).voltage_v == READING.voltage_v


def test_values_follow_the_devices_scale_factors(with_device: Run) -> None:
    currents = {METER + 6: 0xFFFE, METER + 3: 1234, METER + 4: 2051, METER + 5: 502}
    voltages = {METER + 15: 0, METER + 8: 231, METER + 9: 230, METER + 10: 229}
    reading = with_device(served(INTEGERS, READING) | currents | voltages, once)
    assert reading.current_a == (12.34, 20.51, -5.02)
    assert reading.voltage_v == (231.0, 230.0, 229.0)


def test_what_is_not_implemented_is_unknown(with_device: Run) -> None:
    changed = {METER + 16: 0x8000, METER + 54: 0x8000}
    reading = with_device(served(INTEGERS, READING) | changed, once)
    assert reading.frequency_hz is None
    assert reading.energy_import_wh is None


def test_the_chain_is_walked_once_and_not_for_every_sample(with_device: Run) -> None:
    async def conversation(meter: BusMeter, responder: Responder) -> list[tuple[int, int]]:
        await meter.read()
        responder.seen.clear()
        await meter.read()
        return [(start, count) for _, _, start, count in responder.seen]

    assert with_device(served(INTEGERS, READING), conversation) == [(METER + 2, 21)]


def test_a_device_that_moved_its_models_is_found_again(with_device: Run) -> None:
    async def conversation(meter: BusMeter, responder: Responder) -> MeterReading:
        await meter.read()
        responder.registers[1] = {}
        for _ in range(3):
            with pytest.raises(MeterFault):
                await meter.read()
        responder.registers[1] = served(FLOATS, READING, base=0)
        meter._probe_at_s = 0.0
        return await meter.read()

    assert with_device(served(INTEGERS, READING), conversation).current_a == READING.current_a


@pytest.mark.parametrize(
    ("registers", "reason"),
    [
        ({0: 1, 1: 2}, "no SunSpec device"),
        ({40000: 0x5375, 40001: 0x6E53, 40002: 103, 40003: 2, 40006: 0xFFFF, 40007: 0}, "103"),
        ({40000: 0x5375, 40001: 0x6E53, 40002: 1, 40003: 0xFFF0}, "no meter"),
        ({40000: 0x5375, 40001: 0x6E53}, "none: no meter"),
        (dict.fromkeys(range(40002, 41000), 0) | {40000: 0x5375, 40001: 0x6E53}, "no meter"),
    ],
)
def test_a_device_without_a_meter_says_what_it_has(
    with_device: Run, registers: dict[int, int], reason: str
) -> None:
    with pytest.raises(MeterFault, match=reason):
        with_device(registers, once)


def test_a_silent_device_is_silent_and_not_the_wrong_model(with_device: Run) -> None:
    async def conversation(meter: BusMeter, responder: Responder) -> None:
        responder.twist = lambda *_: None
        with pytest.raises(MeterTimeout):
            await meter.read()

    with_device(served(INTEGERS, READING), conversation)
