"""A bus answers truthfully or not at all: strangers, noise, late answers and silence."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest

from sitecontroller.domain.errors import InvalidInput, MeterFault, MeterTimeout
from sitecontroller.modbus.address import BusAddress
from sitecontroller.modbus.bus import Bus
from sitecontroller.modbus.connection import IllegalAddress
from sitecontroller.modbus.frames import Request
from sitecontroller.modbus.model import SerialSettings
from sitecontroller.simulation.virtual_time import VirtualClock, VirtualLoop
from tests.wire.modbus.fakes import Answer, Responder

Run = Callable[..., Any]
WORDS = {1: {100: 7, 101: 8, 102: 9}, 2: {100: 70, 101: 80, 102: 90}}
ASK = Request(unit_id=1, function=3, start=100, count=3)


@pytest.fixture(params=["tcp", "rtutcp"])
def talk(run: Run, request: pytest.FixtureRequest) -> Run:
    """`talk(responder, conversation)`: run a conversation with a bus, on virtual time."""

    def of(responder: Responder, conversation: Callable[[Bus], Any]) -> Any:
        async def main() -> Any:
            async with responder.on_tcp(rtu=request.param == "rtutcp") as url:
                bus = Bus(BusAddress.parse(url, SerialSettings()), VirtualClock())
                try:
                    return await conversation(bus)
                finally:
                    bus.close()

        return run(main(), loop_factory=VirtualLoop)

    return of


def read(bus: Bus) -> Any:
    return bus.read(ASK)


def once(strange: Callable[[int, Answer], Answer]) -> Callable[..., Answer]:
    """A twist of the first answer only."""
    left = [True]

    def twist(unit: int, function: int, start: int, count: int, honest: Answer) -> Answer:
        return strange(unit, honest) if left and left.pop() else honest

    return twist


def always(strange: Callable[[int, Answer], Answer]) -> Callable[..., Answer]:
    return lambda unit, function, start, count, honest: strange(unit, honest)


def wrong_unit(_: int, honest: Answer) -> Answer:
    assert honest is not None
    return bytes([9]) + honest[1:]


def too_few(unit: int, _: Answer) -> Answer:
    return bytes([unit, 3, 4, 0, 1, 0, 2])


def other_function(unit: int, _: Answer) -> Answer:
    return bytes([unit, 4, 6, 0, 1, 0, 2, 0, 3])


def device_failure(unit: int, _: Answer) -> Answer:
    return bytes([unit, 0x83, 0x04])


def nonsense(_: int, __: Answer) -> Answer:
    return bytes([0x2B, 0xFF, 0x99, 0x00, 0x01])


def silence(_: int, __: Answer) -> Answer:
    return None


STRANGE = [wrong_unit, too_few, other_function, nonsense, silence]


def test_registers_come_as_they_are(talk: Run) -> None:
    assert talk(Responder(WORDS), read) == [7, 8, 9]


@pytest.mark.parametrize("strange", STRANGE)
def test_after_one_strange_answer_the_repeated_request_is_answered(
    talk: Run, strange: Callable[[int, Answer], Answer]
) -> None:
    assert talk(Responder(WORDS, once(strange)), read) == [7, 8, 9]


@pytest.mark.parametrize("strange", STRANGE)
def test_what_only_ever_answers_strangely_is_never_believed(
    talk: Run, strange: Callable[[int, Answer], Answer]
) -> None:
    with pytest.raises((MeterFault, MeterTimeout)):
        talk(Responder(WORDS, always(strange)), read)


@pytest.mark.parametrize(
    ("strange", "reason"),
    [
        (wrong_unit, "unit 9 answered instead of 1"),
        (too_few, "4 bytes came instead of 6"),
        (device_failure, "exception 0x04: it reports a device failure"),
    ],
)
def test_the_reason_of_a_failure_is_told(
    talk: Run, strange: Callable[[int, Answer], Answer], reason: str
) -> None:
    with pytest.raises(MeterFault, match=reason):
        talk(Responder(WORDS, always(strange)), read)


def test_a_silent_meter_is_asked_three_times(talk: Run) -> None:
    responder = Responder(WORDS, always(silence))
    with pytest.raises(MeterTimeout, match="no answer from unit 1"):
        talk(responder, read)
    assert len(responder.seen) == 3


def test_a_silent_meter_takes_a_second_and_a_half(talk: Run) -> None:
    async def conversation(bus: Bus) -> float:
        began_s = asyncio.get_running_loop().time()
        with pytest.raises(MeterTimeout):
            await read(bus)
        return asyncio.get_running_loop().time() - began_s

    assert talk(Responder(WORDS, always(silence)), conversation) == pytest.approx(1.5)


def test_a_gateway_that_gets_no_answer_means_a_silent_meter(talk: Run) -> None:
    gateway = Responder(WORDS, always(lambda unit, _: bytes([unit, 0x83, 0x0B])))
    with pytest.raises(MeterTimeout, match="the gateway gets no answer from unit 1"):
        talk(gateway, read)


def test_an_illegal_address_is_told_at_once(talk: Run) -> None:
    responder = Responder({1: {}})
    with pytest.raises(IllegalAddress):
        talk(responder, read)
    assert len(responder.seen) == 1


def test_requests_go_out_one_after_the_other(talk: Run) -> None:
    async def conversation(bus: Bus) -> list[list[int]]:
        requests = [Request(unit, 3, 100, 3) for unit in (1, 2) * 10]
        return await asyncio.gather(*(bus.read(request) for request in requests))

    assert talk(Responder(WORDS), conversation) == [[7, 8, 9], [70, 80, 90]] * 10


def test_a_late_answer_is_not_taken_for_the_next(talk: Run) -> None:
    """Both answers look alike: same unit, same function, as many registers."""

    async def conversation(bus: Bus) -> list[int]:
        with pytest.raises(MeterTimeout):
            await bus.read(Request(1, 3, 100, 2), attempts=1, timeout_s=0.1)
        return await bus.read(Request(1, 3, 101, 2))

    assert talk(Responder(WORDS, delay_s={1: 0.15}), conversation) == [8, 9]


def test_a_cancelled_read_leaves_a_usable_bus(talk: Run) -> None:
    async def conversation(bus: Bus) -> list[int]:
        task = asyncio.create_task(bus.read(Request(3, 3, 100, 3)))
        await asyncio.sleep(0.2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return await read(bus)

    assert talk(Responder(WORDS), conversation) == [7, 8, 9]


def test_a_bus_whose_other_end_was_restarted_is_connected_again(run: Run) -> None:
    async def main() -> list[int]:
        responder = Responder(WORDS)
        server = await asyncio.start_server(responder._tcp, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        bus = Bus(BusAddress.parse(f"tcp://127.0.0.1:{port}", SerialSettings()), VirtualClock())
        await read(bus)
        server.close()
        bus._connection._client.ctx.transport.abort()  # type: ignore[union-attr]
        with pytest.raises(MeterTimeout, match="no connection to tcp://127"):
            await read(bus)
        server = await asyncio.start_server(responder._tcp, "127.0.0.1", port)
        try:
            return await read(bus)
        finally:
            bus.close()
            server.close()

    assert run(main(), loop_factory=VirtualLoop) == [7, 8, 9]


def test_an_answer_to_another_transaction_makes_a_new_connection(run: Run) -> None:
    """Straight TCP: the first answer carries a transaction number nobody used."""

    async def main() -> tuple[list[int], int]:
        responder = Responder(WORDS)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if responder.connections == 0:
                responder.connections += 1
                await reader.readexactly(12)
                writer.write(bytes([0x7F, 0x7F, 0, 0, 0, 9, 1, 3, 6, 0, 1, 0, 2, 0, 3]))
                await reader.read()
                writer.close()
            else:
                await responder._tcp(reader, writer)

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        bus = Bus(BusAddress.parse(url, SerialSettings()), VirtualClock())
        try:
            return await read(bus), responder.connections
        finally:
            bus.close()
            server.close()

    assert run(main(), loop_factory=VirtualLoop) == ([7, 8, 9], 2)


def test_a_gap_is_kept_before_another_unit_where_a_model_needs_it(talk: Run) -> None:
    async def conversation(bus: Bus) -> list[float]:
        at_s = []
        for unit in (1, 1, 2):
            await bus.read(Request(unit, 3, 100, 3), unit_gap_s=0.1)
            at_s.append(asyncio.get_running_loop().time())
        return [round(later - earlier, 3) for earlier, later in pairwise(at_s)]

    assert talk(Responder(WORDS), conversation) == [0.0, 0.1]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("tcp://meter.local:502", ("tcp", "meter.local", 502, "")),
        ("rtutcp://[::1]:4001", ("rtutcp", "::1", 4001, "")),
        ("serial:///dev/ttyUSB0", ("serial", "", 0, "/dev/ttyUSB0")),
        ("serial://COM3", ("serial", "", 0, "COM3")),
    ],
)
def test_an_address_is_read(url: str, expected: tuple[str, str, int, str]) -> None:
    address = BusAddress.parse(url, SerialSettings())
    assert (address.transport, address.host, address.port, address.device) == expected


def test_a_serial_address_may_differ_from_the_makers_settings() -> None:
    address = BusAddress.parse("serial:///dev/ttyS0?parity=E", SerialSettings(19200, "N", 2))
    assert address.serial == SerialSettings(19200, "E", 2)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "serial:///usb:",
        "tcp://",
        "tcp://host",
        "http://host:80",
        "tcp://host:99999",
        "serial:",
        "serial://x?a=1",
    ],
)
def test_what_is_no_address_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        BusAddress.parse(url, SerialSettings())
    assert "tcp://192" in caught.value.remedy


@pytest.mark.parametrize("vanished", [False, True])
def test_a_reader_that_is_cancelled_at_any_moment_ends(run: Run, vanished: bool) -> None:
    async def main() -> None:
        async with Responder(WORDS).on_tcp() as url:
            address = BusAddress.parse("tcp://127.0.0.1:1" if vanished else url, SerialSettings())
            for turns in range(60):
                bus = Bus(address, VirtualClock())
                reader = asyncio.ensure_future(read_on(bus))
                for _ in range(turns):
                    await asyncio.sleep(0)
                reader.cancel()
                await asyncio.wait((reader,), timeout=5)
                assert reader.cancelled(), f"not ended, cancelled after {turns} turns of the loop"
                bus.close()

    run(main(), loop_factory=VirtualLoop)


async def read_on(bus: Bus) -> None:
    while True:
        with suppress(MeterTimeout):
            await bus.read(ASK, attempts=1)
