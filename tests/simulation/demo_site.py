"""The demo site in one process on virtual time: the real controller and the virtual site, joined
by real sockets, its API called in-process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from sitecontroller.api.app import build_api
from sitecontroller.app import Site, build
from sitecontroller.client import ControllerClient
from sitecontroller.config import load_config
from sitecontroller.seed import Seed, plant
from sitecontroller.simulation.demo import make_demo_site
from sitecontroller.simulation.site import VirtualSite
from sitecontroller.simulation.virtual_time import virtual_clock
from tests.support import eventually, unused_port

API_TOKEN = "test-token"
CONNECTED_WITHIN_S = 120.0


@dataclass(slots=True)
class DemoSite:
    """Both sides of the wire, and a client of the API."""

    site: Site
    virtual: VirtualSite
    client: ControllerClient
    cards: tuple[str, ...]

    async def connected(self) -> None:
        """Wait until every station is ready to be told something."""
        stations = self.site.services.stations
        await eventually(
            lambda: all(state.ready for state in stations.states()), within_s=CONNECTED_WITHIN_S
        )


@asynccontextmanager
async def demo_site(
    directory: Path, *, seed: int = 1, drivers: bool = False
) -> AsyncIterator[DemoSite]:
    """Start both; run it under `loop_factory=VirtualLoop`."""
    made = make_demo_site(directory, ocpp_port=0, api_port=0, meter_port=unused_port())
    config = load_config(made.config_path)
    clock = virtual_clock()
    await plant(config, clock, Seed(made.passwords, made.tokens, made.tariff))
    virtual = VirtualSite(made.description, clock, seed, drivers=drivers)
    await virtual.start_meter()
    site = await build(config, clock, serve_api=False)
    running = asyncio.create_task(virtual.run(f"ws://127.0.0.1:{site.ocpp_port}/ocpp"))
    transport = httpx.ASGITransport(build_api(site.controller, API_TOKEN, clock=clock))
    client = ControllerClient("http://127.0.0.1", API_TOKEN, transport=transport)
    try:
        yield DemoSite(site, virtual, client, made.description.cards)
    finally:
        await client.close()
        await virtual.stop()
        await asyncio.gather(running, return_exceptions=True)
        await site.stop()
