"""Servers that aren't ours: pyModbusTCP's, and pymodbus's RTU one behind a cable that we spoil."""

import asyncio
import contextlib
import os
import random
import tty
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice
from pyModbusTCP.server import DataBank, ModbusServer
from serial.tools import list_ports

from sitecontroller.clock import SystemClock
from sitecontroller.domain.errors import MeterFault, MeterTimeout
from sitecontroller.domain.metering import MeterReading
from sitecontroller.modbus.address import BusAddress
from sitecontroller.modbus.bus import Bus
from sitecontroller.modbus.family import SerialSettings
from sitecontroller.modbus.frames import Request
from sitecontroller.modbus.model import known_models, meter_model
from sitecontroller.modbus.scan import scan
from sitecontroller.modbus.show import read_once
from tests.wire.modbus.fakes import READING, meter_at, served, shown
from tests.wire.modbus.test_lines import Port
from tests.wire.modbus.test_transports import close_to, values

Run = Callable[..., Any]
SDM630 = meter_model("eastron-sdm630")
REGISTERS = SDM630.encode(READING)
FAST = Request(1, 4, 0, 18)
WORDS = [REGISTERS[address] for address in range(18)]


class Cable:
    """Two serial ports of the kernel's tied to each other.

    What comes from the meter's end goes through `spoil`; `unplug` takes the controller's end away.
    """

    def __init__(self) -> None:
        self.spoil: Callable[[bytes], bytes] = bytes
        self._ends = [os.openpty() for _ in range(2)]
        self._loop = asyncio.get_running_loop()
        for master, slave in self._ends:
            tty.setraw(slave)
            os.set_blocking(master, False)
        (ours, _), (meters, _) = self._ends
        self._loop.add_reader(ours, self._carry, ours, meters)
        self._loop.add_reader(meters, self._carry, meters, ours)

    @property
    def ports(self) -> tuple[str, str]:
        """The controller's and the meter's."""
        ours, meters = (os.ttyname(slave) for _, slave in self._ends)
        return ours, meters

    def unplug(self) -> None:
        """End of both ports."""
        for master, slave in self._ends:
            self._loop.remove_reader(master)
            os.close(master)
            os.close(slave)
        self._ends = []

    def _carry(self, source: int, target: int) -> None:
        with contextlib.suppress(OSError):
            data = os.read(source, 1024)
            os.write(target, self.spoil(data) if source == self._ends[1][0] else data)


@contextlib.asynccontextmanager
async def meter_on_cable(registers: dict[int, int]) -> AsyncIterator[Cable]:
    """pymodbus's RTU server as unit 1 at the far end."""
    cable = Cable()
    data = [
        SimData(address, values=word, datatype=DataType.REGISTERS)
        for address, word in registers.items()
    ]
    server = ModbusSerialServer(SimDevice(1, simdata=data), port=cable.ports[1], baudrate=9600)
    await server.serve_forever(background=True)
    try:
        yield cable
    finally:
        await server.shutdown()
        cable.unplug()


@pytest.fixture(scope="module")
def foreign() -> Iterator[ModbusServer]:
    """pyModbusTCP's server; it has every register and answers whatever unit is asked."""
    server = ModbusServer("127.0.0.1", 0, no_block=True, data_bank=DataBank())
    server.start()
    yield server
    server.stop()


def filled(server: ModbusServer, registers: dict[int, int]) -> str:
    """Put them into both kinds of registers; the url."""
    for address, word in registers.items():
        server.data_bank.set_holding_registers(address, [word])
        server.data_bank.set_input_registers(address, [word])
    return f"tcp://127.0.0.1:{server._service.server_address[1]}"


@pytest.mark.parametrize("name", known_models())
def test_every_model_is_read_from_a_server_of_others(
    run: Run, foreign: ModbusServer, name: str
) -> None:
    url = filled(foreign, served(meter_model(name), READING))
    reading: MeterReading = run(read_once(name, url, 1))
    assert values(reading) == close_to(shown(meter_model(name), READING))


def test_a_server_of_others_is_found_once_by_a_scan(run: Run, foreign: ModbusServer) -> None:
    url = filled(foreign, REGISTERS)

    async def main() -> list[tuple[int, str]]:
        bus = Bus(BusAddress.parse(url, SerialSettings()), SystemClock())
        try:
            return [
                (found.unit_id, found.candidates[0].model.name)
                async for found in scan(bus, [SDM630], None, SystemClock())
            ]
        finally:
            bus.close()

    assert run(main()) == [(1, "eastron-sdm630")]


@pytest.mark.parametrize(
    "name", ["eastron-sdm630", "carlo-gavazzi-em24", "schneider-iem3155", "siemens-pac3200"]
)
def test_a_meter_is_read_over_a_serial_line_from_pymodbus(run: Run, name: str) -> None:
    async def main() -> MeterReading:
        async with meter_on_cable(meter_model(name).encode(READING)) as cable:
            return await read_once(name, f"serial://{cable.ports[0]}?baudrate=9600&parity=N", 1)

    assert values(run(main())) == close_to(shown(meter_model(name), READING))


def noise(dice: random.Random) -> Callable[[bytes], bytes]:
    """A line beside a motor: bytes in front, a bit turned over, an end missing, or nothing."""

    def spoil(data: bytes) -> bytes:
        kind = dice.randrange(5)
        if kind == 0:
            return dice.randbytes(dice.randint(1, 8)) + data
        if kind == 1:
            at = dice.randrange(len(data))
            return data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]
        return data[: dice.randrange(len(data))] if kind == 2 else data

    return spoil


@pytest.mark.parametrize("seed", range(3))
def test_on_a_noisy_line_a_value_is_right_or_missing(run: Run, seed: int) -> None:
    async def main() -> int:
        right = 0
        async with meter_on_cable(REGISTERS) as cable:
            cable.spoil = noise(random.Random(seed))
            address = BusAddress.parse(f"serial://{cable.ports[0]}", SerialSettings())
            bus = Bus(address, SystemClock())
            for _ in range(10):
                with contextlib.suppress(MeterTimeout, MeterFault):
                    assert await bus.read(FAST, timeout_s=0.1) == WORDS
                    right += 1
            bus.close()
        return right

    assert run(main()) >= 7


def test_a_unit_that_is_not_there_does_not_spoil_its_neighbours(run: Run) -> None:
    async def main() -> list[int]:
        async with meter_on_cable(REGISTERS) as cable:
            cable.spoil = lambda data: b"" if data[0] == 2 else data
            address = BusAddress.parse(f"serial://{cable.ports[0]}", SerialSettings())
            bus = Bus(address, SystemClock())
            with pytest.raises(MeterTimeout, match="no answer from unit 2"):
                await bus.read(Request(2, 4, 0, 18), timeout_s=0.1, attempts=1)
            try:
                return await bus.read(FAST)
            finally:
                bus.close()

    assert run(main()) == WORDS


def test_an_adapter_pulled_out_in_use_and_plugged_in_elsewhere_is_read_on(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports: list[Port] = []
    monkeypatch.setattr(list_ports, "comports", lambda: list(ports))

    async def main() -> MeterReading:
        meter = meter_at("serial:///usb:A10K3X?parity=N", SDM630)
        async with meter_on_cable(REGISTERS) as cable:
            ports.append(Port(cable.ports[0], "A10K3X"))
            await meter.read()
            cable.spoil = lambda _: b""
            asked = asyncio.create_task(meter.read())
            await asyncio.sleep(0)
        ports.clear()
        with pytest.raises(MeterTimeout):
            await asked
        async with meter_on_cable(REGISTERS) as cable:
            ports.append(Port(cable.ports[0], "A10K3X"))
            try:
                return await meter.read()
            finally:
                meter.close()

    assert run(main()).current_a == READING.current_a
