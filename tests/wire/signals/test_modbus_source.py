"""A limit in the registers of a Modbus device (pymodbus's own server) limits the site."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from sitecontroller.domain.errors import ConfigurationError
from sitecontroller.domain.limit_signal import LimitSourcesQuery
from sitecontroller.simulation.virtual_time import VirtualLoop
from tests.wire.limits.test_site_limits import site_and_client
from tests.wire.site import running_site

NARROW, FULL, SAFE = 18.74, 61.74, 8.74
A_MOMENT_S = 4.0


class Device:
    """Holding registers 0 and 1, and coil 0."""

    def __init__(self) -> None:
        self.words = [0, 0]
        self.coil = False
        self._server: ModbusTcpServer | None = None

    async def start(self) -> str:
        bits = [SimData(0, values=[False] * 8, datatype=DataType.BITS)]
        words = [SimData(0, values=[0, 0], datatype=DataType.REGISTERS)]
        blocks = (bits, list(bits), words, list(words))
        device = SimDevice(1, blocks, use_bit_addressing=True, action=self._refresh)
        self._server = ModbusTcpServer(device, address=("127.0.0.1", 0))
        await self._server.serve_forever(background=True)
        listening: Any = self._server.transport
        return f"tcp://127.0.0.1:{listening.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.serving.cancel()
            server.close()
            await asyncio.sleep(0)

    async def _refresh(
        self, function: int, start: int, address: int, count: int, registers: Any, written: Any
    ) -> None:
        registers[:2] = [int(self.coil), 0] if function == 1 else self.words


@contextlib.asynccontextmanager
async def device_served() -> AsyncIterator[tuple[Device, str]]:
    device = Device()
    url = await device.start()
    try:
        yield device, url
    finally:
        await device.stop()


@pytest.fixture
def play(run: Any, tmp_path: Path) -> Callable[..., None]:
    """`play(story, **settings)` runs `await story(device, cap_a, view)`."""

    async def played(story: Any, settings: dict[str, Any]) -> None:
        async with device_served() as (device, url):
            source = {"id": "box", "kind": "modbus", "url": url, "poll_s": 1, **settings}
            source = {"heartbeat_s": 20, "failsafe_a": 10, **source}
            more = {"limit_sources": [source]}
            async with site_and_client(tmp_path, sections=more) as (site, client):

                async def view() -> Any:
                    return (await client.ask(LimitSourcesQuery())).items[0]

                def cap_a() -> Any:
                    return site.site.services.load.circuit_view("main").cap_a[0]

                await story(device, cap_a, view)

    return lambda story, **settings: run(played(story, settings), loop_factory=VirtualLoop)


def float_words(value: float) -> list[int]:
    return list(struct.unpack(">HH", struct.pack(">f", value)))


def test_a_value_limits_and_its_no_limit_lets_go(play: Any) -> None:
    async def story(device: Device, cap_a: Any, view: Any) -> None:
        device.words = [1518, 0]
        await asyncio.sleep(A_MOMENT_S)
        assert cap_a() == pytest.approx(NARROW)
        device.words = [0xFFFF, 0]
        await asyncio.sleep(A_MOMENT_S)
        assert cap_a() == pytest.approx(FULL)
        assert (await view()).state == "unlimited/controlled"

    play(story, register="holding/0", scale=10, unlimited=0xFFFF)


def test_a_float_in_kilowatts_with_its_low_word_first(play: Any) -> None:
    async def story(device: Device, cap_a: Any, view: Any) -> None:
        device.words = float_words(15.18)[::-1]
        await asyncio.sleep(A_MOMENT_S)
        assert cap_a() == pytest.approx(NARROW, abs=0.01)
        for nonsense in (float("nan"), float("inf"), -1.0, 1e30):
            device.words = float_words(nonsense)[::-1]
            await asyncio.sleep(A_MOMENT_S)
            assert cap_a() == pytest.approx(NARROW, abs=0.01), nonsense
            assert (await view()).fault
        await asyncio.sleep(20)
        assert cap_a() == pytest.approx(SAFE)

    play(story, register="holding/0", type="float32", word_order="little", unit="kW")


def test_a_coil_dims(play: Any) -> None:
    async def story(device: Device, cap_a: Any, view: Any) -> None:
        device.coil = True
        await asyncio.sleep(A_MOMENT_S)
        assert cap_a() == pytest.approx(NARROW)
        device.coil = False
        await asyncio.sleep(A_MOMENT_S)
        assert cap_a() == pytest.approx(FULL)

    play(story, register="coil/0", dimmed_a=20)


def test_a_register_that_is_not_there_is_silence(play: Any) -> None:
    async def story(device: Device, cap_a: Any, view: Any) -> None:
        await asyncio.sleep(25)
        assert cap_a() == pytest.approx(SAFE)
        shown = await view()
        assert (shown.state, shown.fault) == ("init", "unit 1 has no such register")

    play(story, register="holding/7")


def test_a_switch_that_is_neither_on_nor_off_is_not_understood(play: Any) -> None:
    async def story(device: Device, cap_a: Any, view: Any) -> None:
        device.words = [7, 0]
        await asyncio.sleep(A_MOMENT_S)
        assert (await view()).fault == "7 is neither 0 nor 1"
        assert cap_a() == pytest.approx(SAFE)

    play(story, register="holding/0", dimmed_a=20)


def test_a_line_cannot_be_set_in_two_ways(run: Any, tmp_path: Path) -> None:
    async def story() -> None:
        sources = [
            {"id": name, "kind": "modbus", "url": url, "register": "holding/0"}
            for name, url in (("a", "tcp://127.0.0.1:1"), ("b", "rtutcp://127.0.0.1:1"))
        ]
        with pytest.raises(ConfigurationError, match=r"limit_sources\[b\]"):
            async with running_site(tmp_path, sections={"limit_sources": sources}):
                pass

    run(story())


def test_a_device_that_vanishes_leaves_the_failsafe_and_an_alarm(play: Any) -> None:
    async def story(device: Device, cap_a: Any, view: Any) -> None:
        device.words = [1518, 0]
        await asyncio.sleep(A_MOMENT_S)
        assert cap_a() == pytest.approx(NARROW)
        await device.stop()
        await asyncio.sleep(A_MOMENT_S)
        assert cap_a() == pytest.approx(NARROW)
        assert (await view()).fault
        await asyncio.sleep(25)
        assert cap_a() == pytest.approx(SAFE)

    play(story, register="holding/0", scale=10, unlimited=0xFFFF)
