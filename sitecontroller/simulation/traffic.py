"""Drivers of a virtual site: cars arrive, somebody taps a card, they charge and leave.

Each EVSE has its own stream of drivers and its own chance, so a slow answer at one doesn't change
what happens at another. The first two stand there from the start.
"""

import asyncio
from random import Random

from sitecontroller.domain.topology import Evse, Supply
from sitecontroller.simulation.cars import DC_TAPER_FROM, Car, CarModel
from sitecontroller.simulation.station import SimulatedStation

PLUGGED_AT_START = 2
FIRST_ARRIVALS_S = (20.0, 420.0)
STAY_S = (300.0, 1200.0)
PAUSE_S = (300.0, 900.0)
"""Between two cars at one EVSE."""
TAP_AFTER_S = (2.0, 6.0)
TRY_AGAIN_S = 3.0
TRIES_MAX = 40
UNPLUG_AFTER_S = (5.0, 20.0)
TAPS_TO_LEAVE = 0.7
LATENCY_S = (0.5, 5.0)
SHARE = (0.95, 1.0)
SOC = (0.2, 0.94)

AC_CARS = (
    # name, battery Wh, phases, A per phase, weight
    ("compact, 11 kW", 58_000, 3, 16.0, 5),
    ("estate, 11 kW", 77_000, 3, 16.0, 4),
    ("saloon, 22 kW", 52_000, 3, 32.0, 2),
    ("city car, 7.4 kW on one phase", 40_000, 1, 32.0, 1),
    ("small car, 7.4 kW on two phases", 36_000, 2, 16.0, 1),
    ("plug-in hybrid, 3.7 kW", 12_000, 1, 16.0, 2),
)
DC_CARS = (
    ("compact, CCS", 58_000, 3, 150.0, 1),
    ("van, CCS", 75_000, 3, 110.0, 1),
)


class Traffic:
    """All drivers of one site."""

    def __init__(
        self, stations: dict[str, SimulatedStation], cards: tuple[str, ...], seed: int
    ) -> None:
        self._stations = stations
        self._evses = [
            control.evse for station in stations.values() for control in station.controls.values()
        ]
        assert len(cards) >= len(self._evses), "every EVSE's drivers need a card"
        self._cards, self._seed = cards, seed
        ranks = list(range(len(self._evses)))
        Random(f"arrivals {seed}").shuffle(ranks)
        self._ranks = ranks

    async def run(self) -> None:
        """Drive until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number, evse in enumerate(self._evses):
                group.create_task(self._drivers(number, evse), name=f"drivers at {evse.key}")

    async def _drivers(self, number: int, evse: Evse) -> None:
        random = Random(f"drivers {self._seed} {evse.key}")
        first_s = random.uniform(*FIRST_ARRIVALS_S)
        if self._ranks[number] >= PLUGGED_AT_START:
            await asyncio.sleep(first_s)
        while True:
            await self._visit(evse, self._cards[number], random)
            await asyncio.sleep(random.uniform(*PAUSE_S))

    async def _visit(self, evse: Evse, card: str, random: Random) -> None:
        """One car: plug, tap, stay, leave."""
        station = self._stations[evse.station_id]
        model, soc = _some_car(evse, random)
        stay_s, unplug_after_s = random.uniform(*STAY_S), random.uniform(*UNPLUG_AFTER_S)
        tap_after_s, taps_to_leave = random.uniform(*TAP_AFTER_S), random.random() < TAPS_TO_LEAVE
        tells_plans = evse.supply is Supply.DC  # by ISO 15118, as few AC cars do
        station.plug(evse.evse_id, Car(model, soc, stay_s if tells_plans else None))
        await asyncio.sleep(tap_after_s)
        for _ in range(TRIES_MAX):
            if station.controls[evse.evse_id].transaction is not None:
                break  # started from afar meanwhile
            if await station.tap(evse.evse_id, card):
                await asyncio.sleep(stay_s)
                break
            await asyncio.sleep(TRY_AGAIN_S)
        running = station.controls[evse.evse_id].transaction
        if running is not None and taps_to_leave:
            await station.tap(evse.evse_id, card)
            await asyncio.sleep(unplug_after_s)
        station.unplug(evse.evse_id)


def _some_car(evse: Evse, random: Random) -> tuple[CarModel, float]:
    """A car that fits the EVSE, and its state of charge."""
    is_dc = evse.supply is Supply.DC
    cars = DC_CARS if is_dc else AC_CARS
    name, battery_wh, phases, current_a, _ = random.choices(cars, [c[-1] for c in cars])[0]
    model = CarModel(
        name=name,
        battery_wh=battery_wh,
        phase_count=phases,
        current_a_max=current_a,
        latency_s=random.uniform(*LATENCY_S),
        share=random.uniform(*SHARE),
        **({"taper_from": DC_TAPER_FROM, "current_a_min": 1.0} if is_dc else {}),
    )
    return model, random.uniform(*SOC)
