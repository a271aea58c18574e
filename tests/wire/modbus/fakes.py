"""Meters for tests: pymodbus's server for honest ones, a responder of ours for those that lie."""

import asyncio
import contextlib
import os
import struct
import tty
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from pymodbus.framer import FramerRTU
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from sitecontroller.clock import SystemClock
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.topology import Meter, PerPhase
from sitecontroller.modbus.address import BusAddress
from sitecontroller.modbus.bus import Bus
from sitecontroller.modbus.family import CURRENTS, POWERS, VOLTAGES, MeterModel
from sitecontroller.modbus.meter import BusMeter
from sitecontroller.modbus.model import meter_model
from sitecontroller.ports import Clock

AT = datetime(2025, 3, 3, 6, 0, tzinfo=UTC)

READING = MeterReading(
    at=AT,
    current_a=(10.0, 20.5, -5.0),
    voltage_v=(230.0, 231.0, 229.0),
    power_phase_w=(2250.0, 4700.0, -1100.0),
    power_w=5850.0,
    energy_import_wh=1_234_000.0,
    energy_export_wh=56_000.0,
    frequency_hz=50.0,
)
"""Exact in the registers of every model."""
COMMON_LENGTH, METER_LENGTH = 66, 124


def shown(model: MeterModel, reading: MeterReading) -> MeterReading:
    """As much of the reading as a meter of this family tells."""
    has = {point.name for point in model.points()}

    def phases(values: PerPhase, names: tuple[str, ...]) -> PerPhase:
        one, two, three = (
            value if name in has else None for value, name in zip(values, names, strict=True)
        )
        return (one, two, three)

    return replace(
        reading,
        current_a=phases(reading.current_a, CURRENTS),
        voltage_v=phases(reading.voltage_v, VOLTAGES),
        power_phase_w=phases(reading.power_phase_w, POWERS),
        power_w=reading.power_w if "power_w" in has or has.issuperset(POWERS) else None,
        energy_import_wh=reading.energy_import_wh if "energy_import_wh" in has else None,
        energy_export_wh=reading.energy_export_wh if "energy_export_wh" in has else None,
        frequency_hz=reading.frequency_hz if "frequency_hz" in has else None,
    )


def served(model: MeterModel, reading: MeterReading, *, base: int = 40000) -> dict[int, int]:
    """The registers of a meter of this family; one of SunSpec's has the chain around them."""
    if not model.sunspec:
        return model.encode(reading)
    common = base + 2
    meter = common + 2 + COMMON_LENGTH
    body = dict.fromkeys(range(2, 2 + METER_LENGTH), 0) | model.encode(reading)
    registers = {base: 0x5375, base + 1: 0x6E53, common: 1, common + 1: COMMON_LENGTH}
    registers |= dict.fromkeys(range(common + 2, meter), 0)
    registers |= {meter: model.sunspec[2], meter + 1: METER_LENGTH}
    registers |= {meter + offset: word for offset, word in body.items()}
    end = meter + 2 + METER_LENGTH
    return registers | {end: 0xFFFF, end + 1: 0}


@contextlib.asynccontextmanager
async def simulator(registers: dict[int, int], *units: int) -> AsyncIterator[str]:
    """pymodbus's own server on loopback; yields its url. Other registers are illegal addresses."""
    data = [
        SimData(address, values=word, datatype=DataType.REGISTERS)
        for address, word in registers.items()
    ]
    devices = [SimDevice(unit, simdata=list(data)) for unit in units or (1,)]
    server = ModbusTcpServer(devices, address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    assert server.transport is not None
    port = server.transport.sockets[0].getsockname()[1]
    try:
        yield f"tcp://127.0.0.1:{port}"
    finally:
        await server.shutdown()


Answer = bytes | None
"""A PDU with its unit in front, or None for silence."""


@dataclass
class Responder:
    """Answers read requests byte by byte as told; keeps every request it saw.

    `twist` sees unit, function, start, count and the honest answer, and returns what is sent.
    """

    registers: dict[int, dict[int, int]]
    """By unit, by address."""
    twist: Callable[[int, int, int, int, Answer], Answer] | None = None
    seen: list[tuple[int, int, int, int]] = field(default_factory=list)
    delay_s: dict[int, float] = field(default_factory=dict)
    """By unit: how long it thinks."""
    connections: int = 0

    def answer(self, request: bytes) -> Answer:
        """What it says to unit, function, start and count."""
        unit, function, start, count = struct.unpack(">BBHH", request)
        self.seen.append((unit, function, start, count))
        honest = self._honest(unit, function, start, count)
        return self.twist(unit, function, start, count, honest) if self.twist else honest

    def _honest(self, unit: int, function: int, start: int, count: int) -> Answer:
        known = self.registers.get(unit)
        if known is None:
            return None
        addresses = range(start, start + count)
        if not all(address in known for address in addresses):
            return bytes([unit, function | 0x80, 0x02])
        words = [known[address] for address in addresses]
        return struct.pack(f">BBB{count}H", unit, function, 2 * count, *words)

    @contextlib.asynccontextmanager
    async def on_tcp(self, *, rtu: bool = False) -> AsyncIterator[str]:
        """Serve on loopback; yields the url."""
        server = await asyncio.start_server(self._rtu if rtu else self._tcp, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            yield f"{'rtutcp' if rtu else 'tcp'}://127.0.0.1:{port}"
        finally:
            server.close()
            await server.wait_closed()

    async def _tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                transaction, _, length = struct.unpack(">HHH", await reader.readexactly(6))
                pdu = self.answer(await reader.readexactly(length))
                await asyncio.sleep(self.delay_s.get(self.seen[-1][0], 0))
                if pdu is not None:
                    writer.write(struct.pack(">HHH", transaction, 0, len(pdu)) + pdu)
        writer.close()

    async def _rtu(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                pdu = self.answer((await reader.readexactly(8))[:6])
                await asyncio.sleep(self.delay_s.get(self.seen[-1][0], 0))
                if pdu is not None:
                    writer.write(with_crc(pdu))
        writer.close()

    @contextlib.contextmanager
    def on_pty(self, *, echo: bool = False) -> Iterator[str]:
        """Serve on a serial line of the kernel's; yields the url. `echo`: requests come back."""
        ours, theirs = os.openpty()
        tty.setraw(theirs)
        os.set_blocking(ours, False)
        loop = asyncio.get_running_loop()
        buffer = bytearray()

        def ready() -> None:
            with contextlib.suppress(OSError):
                buffer.extend(os.read(ours, 1024))
            while len(buffer) >= 8:
                pdu = self.answer(bytes(buffer[:6]))
                if echo:
                    os.write(ours, buffer[:8])
                del buffer[:8]
                if pdu is not None:
                    os.write(ours, with_crc(pdu))

        loop.add_reader(ours, ready)
        try:
            yield f"serial://{os.ttyname(theirs)}?parity=N"  # a pty knows no other
        finally:
            loop.remove_reader(ours)
            os.close(ours)
            os.close(theirs)


def with_crc(pdu: bytes) -> bytes:
    """An RTU frame."""
    return pdu + FramerRTU.compute_CRC(pdu).to_bytes(2, "big")


def meter_at(
    url: str, model: str | MeterModel, clock: Clock | None = None, **installed: object
) -> BusMeter:
    """A meter on a bus of its own."""
    clock = clock or SystemClock()
    family = meter_model(model) if isinstance(model, str) else model
    bus = Bus(BusAddress.parse(url, family.serial), clock)
    meter = Meter("M1", "Main meter", family.name, url, **installed)  # type: ignore[arg-type]
    return BusMeter(meter, family, bus, clock)
