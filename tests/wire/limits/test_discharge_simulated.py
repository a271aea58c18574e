"""The virtual site's 2.1 station and a car that offers to give back, at the real controller."""

import asyncio
from random import Random
from typing import Any

from sitecontroller.domain.station import OcppVersion
from sitecontroller.domain.topology import EvseKey
from sitecontroller.simulation.cars import Car, CarModel
from sitecontroller.simulation.control import StationDescription
from sitecontroller.simulation.plant import Outlet, Plant
from sitecontroller.simulation.station import SimulatedStation
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from tests.support import eventually
from tests.wire.limits.giving import BUILDING_A, DISCHARGE
from tests.wire.limits.test_own_meters import TARGET_W, VOLTS, next_window, wired_site
from tests.wire.site import CARDS, PASSWORD

STEP_S = 0.5
MEASURANDS = "SampledDataCtrlr.TxUpdatedMeasurands"
GIVER = CarModel("giver", 60_000, 3, 16.0, latency_s=1.0, discharge_a_max=16.0)


class Seen:
    """What the grid's meter sees of the outlet."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet

    @property
    def drawn_a(self) -> float:
        return self._outlet.current_a


async def keep_stepping(plant: Plant) -> None:
    while True:
        await asyncio.sleep(STEP_S)
        plant.step(STEP_S)


def test_a_virtual_car_that_offers_it_keeps_the_target(run: Any, tmp_path: Any) -> None:
    async def story() -> None:
        async with wired_site(tmp_path, DISCHARGE) as wired:
            topology = wired.site.site.config.topology
            plant = Plant(topology, (), seed=1)
            plate = StationDescription(
                topology.stations["CP-01"], OcppVersion.V21, password=PASSWORD
            )
            station = SimulatedStation(
                plate, plant.outlets, plant.voltage_v, virtual_clock(), Random(1)
            )
            measured = f"{station.settings.text(MEASURANDS)},SoC"
            station.settings.put(MEASURANDS, measured)
            outlet = plant.outlets[EvseKey("CP-01", 1)]
            wired.wires.box, wired.wires.building_a = Seen(outlet), BUILDING_A  # type: ignore[assignment]
            url = f"ws://127.0.0.1:{wired.site.site.ocpp_port}/ocpp"
            tasks = [
                asyncio.create_task(station.run(lambda: url)),
                asyncio.create_task(keep_stepping(plant)),
            ]
            try:
                await eventually(lambda: station.uplink.online, 30)
                station.plug(1, Car(GIVER, 0.8, departs_in_s=36_000))
                assert await station.tap(1, CARDS[0])
                await next_window()
                await asyncio.sleep(60)
                assert outlet.current_a <= -8
                assert wired.wires.grid_a * VOLTS * 3 <= TARGET_W
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    run(story(), loop_factory=VirtualLoop)
