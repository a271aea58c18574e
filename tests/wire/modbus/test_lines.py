"""Lines: which addresses are one bus, and USB adapters that come back under another name."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from serial.tools import list_ports

from sitecontroller.clock import SystemClock
from sitecontroller.domain.errors import ConfigurationError, MeterTimeout
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.topology import Meter
from sitecontroller.modbus.address import BusAddress
from sitecontroller.modbus.meter import connect_meters
from sitecontroller.modbus.model import SerialSettings, meter_model
from sitecontroller.simulation.virtual_time import VirtualClock, VirtualLoop
from tests.wire.modbus.fakes import READING, Answer, Responder, meter_at

Run = Callable[..., Any]
SDM630 = meter_model("eastron-sdm630")
REGISTERS = SDM630.encode(READING)


@dataclass(frozen=True)
class Port:
    """As pyserial lists one."""

    device: str
    serial_number: str | None


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> list[Port]:
    """The machine's serial ports, to be changed by the test."""
    ports: list[Port] = [Port("/dev/ttyS0", None)]
    monkeypatch.setattr(list_ports, "comports", lambda: list(ports))
    return ports


def device(url: str) -> str:
    return url.removeprefix("serial://").split("?")[0]


def test_an_adapter_is_found_by_its_serial_number(run: Run, plugged: list[Port]) -> None:
    async def main() -> MeterReading:
        with Responder({1: REGISTERS}).on_pty() as url:
            plugged.append(Port(device(url), "A10K3X"))
            meter = meter_at("serial:///usb:a10k3x", SDM630)
            try:
                return await meter.read()
            finally:
                meter.close()

    assert run(main()).current_a == READING.current_a


def test_an_adapter_that_comes_back_under_another_name_is_read_on(
    run: Run, plugged: list[Port]
) -> None:
    async def main() -> MeterReading:
        meter = meter_at("serial:///usb:A10K3X", SDM630)
        with Responder({1: REGISTERS}).on_pty() as url:
            plugged.append(Port(device(url), "A10K3X"))
            await meter.read()
        plugged.clear()
        with pytest.raises(MeterTimeout, match="'A10K3X' is plugged in; there are: none"):
            await meter.read()
        with Responder({1: REGISTERS}).on_pty() as url:
            plugged.append(Port(device(url), "A10K3X"))
            try:
                return await meter.read()
            finally:
                meter.close()

    assert run(main()).current_a == READING.current_a


def test_an_unknown_serial_number_names_those_there_are(run: Run, plugged: list[Port]) -> None:
    plugged += [Port("/dev/ttyUSB1", "B2"), Port("/dev/ttyUSB0", "A1")]

    async def main() -> None:
        with pytest.raises(MeterTimeout, match=r"there are: A1 \(/dev/ttyUSB0\), B2 \(/dev/tt"):
            await meter_at("serial://usb:C3", SDM630).read()

    run(main())


def test_two_ports_with_one_serial_number_are_not_guessed_at(run: Run, plugged: list[Port]) -> None:
    plugged += [Port("/dev/ttyUSB0", "A1"), Port("/dev/ttyUSB1", "A1")]

    async def main() -> None:
        with pytest.raises(MeterTimeout, match="2 ports have the USB serial number 'A1'"):
            await meter_at("serial:///usb:A1", SDM630).read()

    run(main())


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("tcp://Meter:502", "tcp://meter:502/", True),
        ("tcp://meter:502", "tcp://meter:503", False),
        ("serial:///dev/ttyUSB0", "serial:///dev/ttyUSB0?baudrate=9600", True),
        ("serial:///dev/ttyUSB0", "serial:///dev/ttyUSB1", False),
        ("serial:///usb:A1", "serial://usb:A1?parity=N", True),
        ("serial:///usb:A1", "serial:///usb:A2", False),
    ],
)
def test_addresses_of_one_line_are_one_bus(one: str, other: str, same: bool) -> None:
    lines = {BusAddress.parse(url, SerialSettings()).line for url in (one, other)}
    assert (len(lines) == 1) is same


def test_one_line_is_not_spoken_to_in_two_ways() -> None:
    meters = [
        Meter("A", "", SDM630.name, "tcp://gateway:502"),
        Meter("B", "", SDM630.name, "rtutcp://gateway:502", 2),
    ]
    with pytest.raises(ConfigurationError, match=r"meters\[B\]: its transport .* on gateway:502"):
        connect_meters(meters, SystemClock())


def test_meters_of_one_line_wait_for_each_other_and_lines_run_side_by_side(run: Run) -> None:
    """Two gateways with two meters each; every answer takes 100 ms."""

    async def main() -> tuple[float, int]:
        under_way, most = [0, 0], 0

        def watch(line: int) -> Callable[..., Answer]:
            def twist(unit: int, function: int, start: int, count: int, honest: Answer) -> Answer:
                nonlocal most
                under_way[line] += 1
                most = max(most, under_way[line])
                asyncio.get_running_loop().call_later(0.1, done, line)
                return honest

            return twist

        def done(line: int) -> None:
            under_way[line] -= 1

        gateways = [
            Responder({1: REGISTERS, 2: REGISTERS}, watch(line), delay_s={1: 0.1, 2: 0.1})
            for line in (0, 1)
        ]
        async with (
            gateways[0].on_tcp(rtu=True) as first,
            gateways[1].on_tcp(rtu=True) as second,
        ):
            urls = [first, first + "/", second, second]
            meters = connect_meters(
                [
                    Meter(f"M{number}", "", SDM630.name, url, 1 + number % 2)
                    for number, url in enumerate(urls)
                ],
                VirtualClock(),
            )
            began_s = asyncio.get_running_loop().time()
            await asyncio.gather(*(meter.read() for meter in meters))
            took_s = asyncio.get_running_loop().time() - began_s
            for meter in meters:
                meter.close()
        return took_s, most

    took_s, most = run(main(), loop_factory=VirtualLoop)
    assert most == 1
    assert took_s == pytest.approx(0.4)
