"""The demo site for half an hour of virtual time: real controller, real sockets, hungry cars.

Used by the test that holds the promise of load management, and by who wants to watch it.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from random import Random

from sitecontroller.app import Site
from sitecontroller.simulation.cars import Car, CarModel
from sitecontroller.simulation.judge import Judge, Verdict
from sitecontroller.simulation.site import VirtualSite
from tests.simulation.demo_site import demo_site

HALF_HOUR_S = 1800.0
ARRIVE_WITHIN_S = 120.0
TAP_EVERY_S = 5.0
TAPS_MAX = 20
BATTERY_WH = 90_000


@dataclass(slots=True)
class Run:
    """What a run came to."""

    verdict: Verdict
    energy_wh: float
    sessions: int
    cars: int


async def half_hour(
    directory: Path, *, cars: int, duration_s: float = HALF_HOUR_S, seed: int = 1
) -> Run:
    """So many cars come within two minutes and would take all they get until the end."""
    async with demo_site(directory, seed=seed) as demo:
        judge = Judge(demo.virtual.plant)
        demo.virtual.watchers.append(judge.observe)
        drivers = asyncio.create_task(_cars_come(demo.virtual, demo.cards, cars, seed))
        try:
            await asyncio.sleep(duration_s)
            return _result(demo.site, judge, cars)
        finally:
            drivers.cancel()
            await asyncio.gather(drivers, return_exceptions=True)


def _result(site: Site, judge: Judge, cars: int) -> Run:
    sessions = site.services.transactions.running()
    energy_wh = sum(float(session.energy_wh or 0) for session in sessions)
    return Run(judge.verdict(), energy_wh, len(sessions), cars)


async def _cars_come(virtual: VirtualSite, cards: tuple[str, ...], cars: int, seed: int) -> None:
    random = Random(f"half hour {seed}")
    everywhere = tuple(virtual.stations)
    spread = [everywhere[number * len(everywhere) // cars] for number in range(cars)]
    arrivals = sorted(
        (random.uniform(5.0, ARRIVE_WITHIN_S), station_id, card)
        for station_id, card in zip(spread, cards, strict=False)
    )
    before_s = 0.0
    for arrival_s, station_id, card in arrivals:
        await asyncio.sleep(arrival_s - before_s)
        before_s = arrival_s
        await _one_car(virtual, station_id, card, random)


async def _one_car(virtual: VirtualSite, station_id: str, card: str, random: Random) -> None:
    """A hungry car that takes all its outlet has, and a driver who taps until it charges."""
    station = virtual.stations[station_id]
    evse_id, control = next(iter(station.controls.items()))
    model = CarModel(
        name="hungry",
        battery_wh=BATTERY_WH,
        phase_count=3,
        current_a_max=32.0,
        latency_s=random.uniform(0.5, 5.0),
        share=1.0,
    )
    station.plug(evse_id, Car(model, 0.2))
    for _ in range(TAPS_MAX):
        if control.transaction is not None or await station.tap(evse_id, card):
            return
        await asyncio.sleep(TAP_EVERY_S)
