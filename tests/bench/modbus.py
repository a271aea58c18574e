"""What a meter read costs, against a hand-packed asyncio read in the same run.

The slaves live in a process of their own, so that the CPU time measured is the reader's alone.
"""

import asyncio
import contextlib
import multiprocessing
import os
import statistics
import struct
import time
import tty
from collections.abc import Awaitable, Callable, Iterator
from multiprocessing.connection import Connection

from sitecontroller.clock import SystemClock
from sitecontroller.domain.errors import MeterFault
from sitecontroller.domain.topology import Meter
from sitecontroller.modbus.address import BusAddress
from sitecontroller.modbus.bus import Bus
from sitecontroller.modbus.frames import Request
from sitecontroller.modbus.meter import connect_meters
from sitecontroller.modbus.model import SerialSettings, meter_model
from tests.wire.modbus.fakes import READING, Responder, with_crc

REGISTERS = 80
READS = 1500
ROUNDS = 3
METERS = 100
POLLED_S = 5
SERIAL_READS = 40
BAUDRATE = 9600
TURNAROUND_S = 0.02
MODEL = "schneider-iem3155"


def _serve(told: Connection) -> None:
    """The child: one Modbus TCP port with `REGISTERS` words at 0 and the model's map above."""

    async def main() -> None:
        registers = {
            **dict.fromkeys(range(REGISTERS), 0x4366),
            **meter_model(MODEL).encode(READING),
        }
        async with Responder({1: registers}).on_tcp() as url:
            told.send(url)
            await asyncio.Event().wait()

    asyncio.run(main())


@contextlib.contextmanager
def _slaves() -> Iterator[str]:
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(theirs,))
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


async def _hand_packed(host: str, port: int) -> Callable[[], Awaitable[object]]:
    reader, writer = await asyncio.open_connection(host, port)
    transaction = 0

    async def read() -> tuple[int, ...]:
        nonlocal transaction
        transaction = transaction + 1 & 0xFFFF
        writer.write(struct.pack(">HHHBBHH", transaction, 0, 6, 1, 3, 0, REGISTERS))
        _, _, length = struct.unpack(">HHH", await reader.readexactly(6))
        answer = await reader.readexactly(length)
        return struct.unpack_from(f">{REGISTERS}H", answer, 3)

    return read


async def _cpu_us(read: Callable[[], Awaitable[object]]) -> float:
    """CPU time per read, the best of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        began_s = time.process_time()
        for _ in range(READS):
            await read()
        best = min(best, (time.process_time() - began_s) / READS * 1e6)
    return best


async def _many_meters(url: str) -> tuple[float, float]:
    """(share of a core, p99 in ms) of 100 meters read once a second."""
    clock = SystemClock()
    meters = [
        meter
        for number in range(METERS)
        for meter in connect_meters([Meter(f"M{number}", "", MODEL, url)], clock)
    ]
    took_ms: list[float] = []

    async def poll(number: int) -> None:
        await asyncio.sleep(number / METERS)
        for _ in range(POLLED_S):
            began_s = clock.monotonic_s()
            with contextlib.suppress(MeterFault):  # the slave's registers never move
                await meters[number].read()
            took_s = clock.monotonic_s() - began_s
            took_ms.append(took_s * 1000)
            await asyncio.sleep(1 - took_s)

    began_cpu_s, began_s = time.process_time(), clock.monotonic_s()
    await asyncio.gather(*(poll(number) for number in range(METERS)))
    share = (time.process_time() - began_cpu_s) / (clock.monotonic_s() - began_s)
    for meter in meters:
        meter.close()
    return share, statistics.quantiles(took_ms, n=100)[98]


async def _serial_efficiency() -> float:
    """Time on the wire plus the slave's turnaround, as a share of what a read really takes."""
    loop = asyncio.get_running_loop()
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    responder = Responder({1: dict.fromkeys(range(REGISTERS), 7)})
    wire_s = (8 + 5 + 2 * REGISTERS) * 11 / BAUDRATE
    answer = _rtu_answer(responder)

    def ready() -> None:
        os.read(ours, 8)
        loop.call_later(wire_s + TURNAROUND_S, os.write, ours, answer)

    loop.add_reader(ours, ready)
    url = f"serial://{os.ttyname(theirs)}?baudrate={BAUDRATE}"
    clock = SystemClock()
    bus = Bus(BusAddress.parse(url, SerialSettings()), clock)
    try:
        began_s = clock.monotonic_s()
        for _ in range(SERIAL_READS):
            await bus.read(Request(1, 3, 0, REGISTERS))
        took_s = (clock.monotonic_s() - began_s) / SERIAL_READS
    finally:
        bus.close()
        loop.remove_reader(ours)
        os.close(ours)
        os.close(theirs)
    return (wire_s + TURNAROUND_S) / took_s


def _rtu_answer(responder: Responder) -> bytes:
    answer = responder.answer(struct.pack(">BBHH", 1, 3, 0, REGISTERS))
    assert answer is not None
    return with_crc(answer)


async def run() -> dict[str, float]:
    """The cost of a read and its ratio to the floor, 100 meters at 1 Hz, and a serial line."""
    with _slaves() as url:
        address = BusAddress.parse(url, SerialSettings())
        floor_us = await _cpu_us(await _hand_packed(address.host, address.port))
        bus = Bus(address, SystemClock())
        ours_us = await _cpu_us(lambda: bus.read(Request(1, 3, 0, REGISTERS)))
        bus.close()
        share, p99_ms = await _many_meters(url)
    return {
        "floor CPU µs a read": round(floor_us, 1),
        "ours CPU µs a read": round(ours_us, 1),
        "times the floor": round(ours_us / floor_us, 2),
        "100 meters at 1 Hz, share of a core": round(share, 3),
        "100 meters at 1 Hz, p99 ms": round(p99_ms, 2),
        "serial line, share of wire time and turnaround": round(await _serial_efficiency(), 3),
    }


if __name__ == "__main__":
    for name, value in asyncio.run(run()).items():
        print(f"{name}: {value}")
