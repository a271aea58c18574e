"""A small site that is commissioned: real controller, simulated chargers, a metered fuse, all over
real sockets in virtual time. What is wired may differ from what site.toml says.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from sitecontroller.api.app import build_api
from sitecontroller.app import Site, build
from sitecontroller.client import ControllerClient
from sitecontroller.config import parse_config
from sitecontroller.domain.authorization import IdTokenType, TokenRecord
from sitecontroller.domain.commissioning import (
    Check,
    CheckKind,
    CommissioningQuery,
    StartCheck,
)
from sitecontroller.domain.station import OcppVersion
from sitecontroller.domain.topology import EvseKey, PhaseMap, Topology
from sitecontroller.seed import Seed, plant
from sitecontroller.simulation.cars import Car, CarModel
from sitecontroller.simulation.description import Box, SiteDescription
from sitecontroller.simulation.judge import Judge
from sitecontroller.simulation.plant import BuildingLoadDescription
from sitecontroller.simulation.site import VirtualSite
from sitecontroller.simulation.virtual_time import virtual_clock
from tests.support import eventually, unused_port

PASSWORD = "0123456789abcdef0123456789abcdef01234567"
CARDS = ("04A1", "04A2", "04A3")
STATIONS = ("CP-01", "CP-02", "CP-03")
CALM = BuildingLoadDescription("main", 4.0, 8.0, step_a_max=1.5, every_s=(200.0, 400.0))
ELECTRICIAN = "Erika Muster"


def config_dict(
    meter_port: int, fallback_a: float = 0.0, stations: Sequence[str] = STATIONS
) -> dict[str, Any]:
    """Chargers of one three-phase outlet each behind a metered fuse of 63 A."""
    return {
        "site": {"id": "TEST", "name": "Parkhaus Süd"},
        "ocpp": {"host": "127.0.0.1", "port": 0, "security": {"tls": False}},
        "api": {"port": 0},
        "meters": [
            {
                "id": "grid",
                "name": "Grid meter",
                "model": "eastron-sdm630",
                "url": f"tcp://127.0.0.1:{meter_port}",
            }
        ],
        "circuits": [
            {"id": "main", "name": "Main", "limit_a": 63, "meter": "grid", "worst_base_a": 10}
        ],
        "stations": [
            {
                "id": station_id,
                "circuit": "main",
                "evses": [{"phases": "L1L2L3", "current_a_max": 32, "fallback_a": fallback_a}],
            }
            for station_id in stations
        ],
    }


@dataclass(slots=True)
class CommissionedSite:
    """Both sides of the wire, a client of the API, and the judge of the fuse."""

    site: Site
    virtual: VirtualSite
    client: ControllerClient
    judge: Judge

    async def connected(self) -> None:
        states = self.site.services.stations.states
        await eventually(lambda: all(s.ready for s in states()), within_s=120)

    async def charge(self, station_id: str, *, phases: int = 3, most_a: float = 32.0) -> None:
        """A hungry car is plugged in and started."""
        station = self.virtual.stations[station_id]
        model = CarModel("Car", 200_000, phases, most_a, latency_s=1.5)
        station.plug(1, Car(model, 0.1))
        await asyncio.sleep(2)
        card = CARDS[STATIONS.index(station_id)]
        await eventually(lambda: station.tap(1, card), within_s=60)
        key = EvseKey(station_id, 1)
        await eventually(lambda: self.site.services.load.told_a(key) is not None, within_s=30)

    async def check(self, kind: CheckKind, subject: str = "", **options: Any) -> Check:
        """Do a check and wait for its end."""
        await self.client.execute(StartCheck(kind, ELECTRICIAN, subject, **options))
        return await self.ended(kind, subject)

    async def ended(self, kind: CheckKind, subject: str = "", within_s: float = 3600) -> Check:
        async def done() -> Check | None:
            await asyncio.sleep(2)
            view = await self.client.ask(CommissioningQuery())
            if view.running is not None:
                return None
            found: Check = next(
                c for c in view.checks if c.kind is kind and subject in ("", c.subject)
            )
            return found

        found: Check = await eventually(done, within_s=within_s)
        return found


@asynccontextmanager
async def commissioned_site(
    directory: Path,
    *,
    wired: Mapping[str, str] | None = None,
    behaviour: Mapping[str, str] | None = None,
    versions: Mapping[str, OcppVersion] | None = None,
    load: BuildingLoadDescription = CALM,
    fallback_a: float = 0.0,
    planted: bool = False,
    stations: Sequence[str] = STATIONS,
) -> AsyncIterator[CommissionedSite]:
    """`wired`: phases of chargers as they really are; `behaviour`: a quirk of some; the first runs
    2.0.1, the others 1.6, unless `versions` says other."""
    port, clock = unused_port(), virtual_clock()
    config = parse_config(config_dict(port, fallback_a, stations), base_dir=directory)
    if not planted:
        tokens = tuple(TokenRecord(card, IdTokenType.ISO14443, card) for card in CARDS)
        await plant(config, clock, Seed(dict.fromkeys(stations, PASSWORD), tokens, None))
    speaks = {"CP-01": OcppVersion.V201, **(versions or {})}
    behaves = behaviour or {}
    boxes = tuple(
        Box(
            station_id,
            speaks.get(station_id, OcppVersion.V16),
            PASSWORD,
            model=f"Wallbox {station_id[-1]}",
            behaviour=frozenset({behaves[station_id]} if station_id in behaves else ()),
        )
        for station_id in stations
    )
    truth = truly_wired(config.topology, wired or {})
    description = SiteDescription(truth, boxes, (load,), CARDS, "grid", port)
    virtual = VirtualSite(description, clock, 7, drivers=False)
    await virtual.start_meter()
    judge = Judge(virtual.plant)
    virtual.watchers.append(judge.observe)
    site = await build(config, clock, serve_api=False)
    running = asyncio.create_task(virtual.run(f"ws://127.0.0.1:{site.ocpp_port}/ocpp"))
    transport = httpx.ASGITransport(build_api(site.controller, "t", clock=clock))
    client = ControllerClient("http://127.0.0.1", "t", transport=transport)
    try:
        yield CommissionedSite(site, virtual, client, judge)
    finally:
        await client.close()
        await virtual.stop()
        await asyncio.gather(running, return_exceptions=True)
        await site.stop()


def truly_wired(topology: Topology, wired: Mapping[str, str]) -> Topology:
    """The same site with other conductors behind some chargers."""
    stations = {
        station_id: replace(
            station,
            evses=tuple(
                replace(e, phase_map=PhaseMap.parse(wired[station_id]))
                if station_id in wired
                else e
                for e in station.evses
            ),
        )
        for station_id, station in topology.stations.items()
    }
    return replace(topology, stations=stations)
