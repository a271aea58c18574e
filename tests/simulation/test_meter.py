"""The virtual meter over a real Modbus client, on virtual time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from pymodbus.client import AsyncModbusTcpClient

from sitecontroller.domain.metering import MeterReading
from sitecontroller.modbus.model import meter_model
from sitecontroller.simulation.meter import VirtualMeter
from sitecontroller.simulation.virtual_time import VirtualLoop
from sitecontroller.wire import parse_instant

Run = Callable[..., Any]
READS = 3_000
READING = MeterReading(
    at=parse_instant("2025-03-03T06:00:00Z"),
    current_a=(1.5, 22.25, 40.0),
    voltage_v=(230.0, 231.0, 229.0),
    power_phase_w=(345.0, 5140.0, 9160.0),
    power_w=14_645.0,
    energy_import_wh=1_234_000.0,
    energy_export_wh=0.0,
    frequency_hz=50.0,
)


class Plug:
    """A meter with a client at its port; `reading` is what flows."""

    def __init__(self) -> None:
        self.reading = READING
        self.meter = VirtualMeter("eastron-sdm630", lambda: self.reading, unit_id=7)
        self.client: AsyncModbusTcpClient = None  # type: ignore[assignment]

    async def read(self, start: int, count: int, unit_id: int = 7) -> Any:
        return await self.client.read_input_registers(start, count=count, device_id=unit_id)


@asynccontextmanager
async def plugged() -> AsyncIterator[Plug]:
    it = Plug()
    port = await it.meter.start(0)
    it.client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=1, retries=0)
    await it.client.connect()
    try:
        yield it
    finally:
        it.client.close()
        await it.meter.stop()
        await asyncio.sleep(0.1)


@pytest.fixture
def run_fast(run: Run) -> Run:
    return lambda main, **options: run(main, loop_factory=VirtualLoop, **options)


def test_the_registers_show_what_flows(run_fast: Run) -> None:
    async def read() -> MeterReading:
        async with plugged() as it:
            model = meter_model("eastron-sdm630")
            registers = {}
            for block in (*model.fast, *model.slow):
                answer = await it.read(block.start, block.count)
                registers.update(enumerate(answer.registers, start=block.start))
            return model.decode(registers, READING.at)

    assert run_fast(read()).current_a == pytest.approx(READING.current_a)


def test_a_change_shows_in_the_next_answer(run_fast: Run) -> None:
    async def read() -> tuple[list[int], list[int]]:
        async with plugged() as it:
            before = (await it.read(6, 2)).registers
            it.reading = replace(READING, current_a=(30.0, 0.0, 0.0))
            return before, (await it.read(6, 2)).registers

    before, after = run_fast(read())
    assert before != after


def test_a_frozen_meter_repeats_itself(run_fast: Run) -> None:
    async def read() -> tuple[list[int], list[int]]:
        async with plugged() as it:
            before = (await it.read(6, 2)).registers
            it.meter.frozen = True
            it.reading = replace(READING, current_a=(30.0, 0.0, 0.0))
            return before, (await it.read(6, 2)).registers

    before, after = run_fast(read())
    assert before == after


def test_an_address_between_the_blocks_is_illegal(run_fast: Run) -> None:
    async def read() -> int:
        async with plugged() as it:
            return int((await it.read(0x20, 2)).exception_code)

    assert run_fast(read()) == 2


def test_thousands_of_modbus_answers_are_never_late(run_fast: Run) -> None:
    """The client's own timeout of 1 s is armed each time; a late answer would be an exception."""

    async def read() -> float:
        loop = asyncio.get_running_loop()
        async with plugged() as it:
            began_s = loop.time()
            for _ in range(READS):
                assert not (await it.read(0, 18)).isError()
            return loop.time() - began_s

    assert run_fast(read()) == 0.0


def test_a_stopped_meter_can_serve_again_at_its_port(run_fast: Run) -> None:
    async def restart() -> int:
        it = Plug()
        port = await it.meter.start(0)
        await it.meter.stop()
        again = await it.meter.start(port)
        await it.meter.stop()
        return again - port

    assert run_fast(restart()) == 0


def test_a_taken_port_is_an_error(run_fast: Run) -> None:
    async def collide() -> None:
        one, other = Plug(), Plug()
        port = await one.meter.start(0)
        try:
            with pytest.raises(OSError, match="can't listen"):
                await other.meter.start(port)
        finally:
            await one.meter.stop()

    run_fast(collide())
