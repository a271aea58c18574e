"""A site with a meter, emergency and dimming inputs on real Modbus, chargers that can be taken out
of service, and a client of its API; all in virtual time.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from sitecontroller.api.app import build_api
from sitecontroller.app import build
from sitecontroller.client import ControllerClient
from sitecontroller.config import SiteConfig, parse_config
from sitecontroller.domain.authorization import IdTokenType, TokenRecord
from sitecontroller.seed import Seed, plant
from sitecontroller.simulation.virtual_time import virtual_clock
from tests.wire.limits.box import Box, box_at, now
from tests.wire.site import CARDS, PASSWORD, STATIONS, TARIFF, TestSite

EARLIER_LEASES_S = 135.0
"""Until then limits of a controller that ran before may still hold in the stations."""


def config_of(
    directory: Path,
    *,
    inputs: tuple[dict[str, Any], ...] = (),
    meter_url: str | None = None,
    **circuit: Any,
) -> SiteConfig:
    """Two stations of two EVSEs behind 63 A."""
    meters = [{"id": "grid", "model": "eastron-sdm630", "url": meter_url}] if meter_url else []
    metered = {"meter": "grid"} if meter_url else {}
    evse = {"current_a_max": 63, "fallback_a": 0}
    return parse_config(
        {
            "site": {"id": "TEST", "name": "Test site"},
            "ocpp": {"host": "127.0.0.1", "port": 0, "security": {"tls": False}},
            "api": {"port": 0},
            "load": {"lease_s": 120},
            "meters": meters,
            **({"inputs": list(inputs)} if inputs else {}),
            "circuits": [{"id": "main", "name": "Main", "limit_a": 63, **metered, **circuit}],
            "stations": [
                {"id": station_id, "circuit": "main", "evses": [evse] * 2}
                for station_id in STATIONS
            ],
        },
        base_dir=directory,
    )


@contextlib.asynccontextmanager
async def running(
    config: SiteConfig, *, planted: bool = False
) -> AsyncIterator[tuple[TestSite, ControllerClient]]:
    """The site and a client of its API."""
    clock = virtual_clock()
    if not planted:
        tokens = tuple(TokenRecord(card, IdTokenType.ISO14443, card) for card in CARDS)
        await plant(config, clock, Seed(dict.fromkeys(STATIONS, PASSWORD), tokens, TARIFF))
    site = await build(config, clock, serve_api=False)
    transport = httpx.ASGITransport(app=build_api(site.controller, "t", clock=clock))
    client = ControllerClient("http://127.0.0.1", "t", transport=transport)
    try:
        yield TestSite(site), client
    finally:
        await client.close()
        await site.stop()


class Wallbox:
    """A charger with a car that is taken out of service when told so, and says it."""

    def __init__(self, box: Box) -> None:
        self.box = box
        self.operative = {1: True, 2: True}
        self.told: list[tuple[int | None, bool]] = []
        """Outlet (None: all) and whether it shall serve cars, in order."""
        self.tasks: list[asyncio.Task[None]] = []
        box.charger.answers["ChangeAvailability"] = self._change

    @property
    def drawn_a(self) -> float:
        """What its car draws."""
        return self.box.drawn_a

    @property
    def is_stopped(self) -> bool:
        """0 A, no session, all outlets out of service."""
        return self.box.drawn_a == 0 and self.box.ended and not any(self.operative.values())

    def _change(self, payload: dict[str, Any]) -> dict[str, Any]:
        if self.box.charger.version == "1.6":
            number, operative = payload["connectorId"], payload["type"] == "Operative"
        else:
            number = payload.get("evse", {}).get("id", 0)
            operative = payload["operationalStatus"] == "Operative"
        self.told.append((number or None, operative))
        for outlet in (number,) if number else (1, 2):
            self.operative[outlet] = operative
            self.tasks.append(asyncio.create_task(self.show(outlet)))
        return {"status": "Accepted"}

    async def show(self, outlet: int) -> None:
        """Say whether an outlet is in service."""
        status = "Available" if self.operative[outlet] else "Unavailable"
        if self.box.charger.version == "1.6":
            body: dict[str, Any] = {
                "connectorId": outlet,
                "errorCode": "NoError",
                "status": status,
            }
        else:
            body = {
                "timestamp": now(),
                "connectorStatus": status,
                "evseId": outlet,
                "connectorId": 1,
            }
        await self.box.charger.call("StatusNotification", body)


@contextlib.asynccontextmanager
async def wallbox_at(
    site: TestSite, station_id: str = "CP-01", version: str = "1.6", **traits: Any
) -> AsyncIterator[Wallbox]:
    """A booted charger."""
    async with box_at(site, station_id, version, **traits) as box:
        wallbox = Wallbox(box)
        try:
            yield wallbox
        finally:
            await asyncio.sleep(1)  # what it was told last is answered
            await asyncio.gather(*wallbox.tasks, return_exceptions=True)


class ContactModule:
    """A Modbus TCP module (pymodbus's own server) with contacts at unit 1.

    `closed[n]` is its contact n, as coil, discrete input, and bit of holding register 0.
    """

    def __init__(self) -> None:
        self.closed = [True] * 8
        self.port = 0
        self._server: ModbusTcpServer | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"tcp://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Serve, at the same port as before."""
        bits = [SimData(0, values=[True] * 8, datatype=DataType.BITS)]
        words = [SimData(0, values=[0], datatype=DataType.REGISTERS)]
        device = SimDevice(
            1,
            (bits, list(bits), words, list(words)),
            use_bit_addressing=True,
            action=self._refresh,
        )
        self._server = ModbusTcpServer(device, address=("127.0.0.1", self.port))
        await self._server.serve_forever(background=True)
        listening: Any = self._server.transport
        self.port = listening.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """It loses its power."""
        server, self._server = self._server, None
        if server is not None:
            server.serving.cancel()
            server.close()
            await asyncio.sleep(0)

    async def _refresh(
        self, function: int, start: int, address: int, count: int, registers: Any, written: Any
    ) -> None:
        """pymodbus keeps bits in words, too."""
        registers[0] = sum(closed << bit for bit, closed in enumerate(self.closed))


@contextlib.asynccontextmanager
async def contact_module() -> AsyncIterator[ContactModule]:
    """One that serves."""
    module = ContactModule()
    await module.start()
    try:
        yield module
    finally:
        await module.stop()
