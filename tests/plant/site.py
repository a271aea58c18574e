"""A scenario played: the real load service over stations and meters of a plant, in virtual time."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from sitecontroller.config import LoadSettings
from sitecontroller.domain.topology import EvseKey
from tests.plant.cars import VisitingCar
from tests.plant.judge import PlantJudge
from tests.plant.meter import PlantMeter
from tests.plant.scenario import SETTLE_S, Mishap, Scenario, Visit
from tests.plant.station import PlantStation
from tests.unit.load.faulty import Faults
from tests.unit.load.site import STEP_S, Site

CARD_S = 3.0
"""Between the plug and the card."""


@dataclass
class PlantSite(Site):
    """`scenario` is what it is made of; `judge` has the figures."""

    scenario: Scenario = field(kw_only=True)
    faults: Faults = field(default_factory=Faults)

    def __post_init__(self) -> None:
        super().__post_init__()
        scenario = self.scenario
        self.plant_stations = {
            id_: PlantStation(self, station, scenario.stations[id_])
            for id_, station in self.topology.stations.items()
        }
        self.stations = dict(self.plant_stations)
        self.meters = {
            id_: PlantMeter(id_, scenario.averages_s[id_], scenario.seed)
            for id_ in self.topology.meters
        }
        self.visits: dict[EvseKey, Visit] = {}
        self.is_alive = True
        self.dark_until_s: dict[str, float] = {}
        self.unheard: set[EvseKey] = set()
        """Sessions that began while nobody could be told."""
        self.drivers: set[asyncio.Task[None]] = set()
        self.judge = PlantJudge(self)  # type: ignore[assignment]
        self._circuit_of = {
            circuit.meter_id: circuit.circuit_id
            for circuit in self.topology.circuits.values()
            if circuit.meter_id is not None
        }
        self._outlets = tuple(
            (outlet, self.plant_stations[key.station_id], key)
            for key, outlet in self.plant.outlets.items()
        )

    # the physics' side

    def stay_dark(self, station_id: str, until_s: float) -> None:
        """Its contactors stay open up to then."""
        self.dark_until_s[station_id] = until_s

    def _step(self) -> None:
        if self._task is not None and self._task.done():
            self._task.result()  # load management fell: nothing after this means anything
        now_s = self.now_s
        for outlet, station, key in self._outlets:
            if outlet.car is None or not (key in self.running or key in self.unheard):
                continue
            outlet.closed = now_s >= self.dark_until_s.get(key.station_id, 0.0)
            outlet.offered_a = station.offer_a(key.evse_id, outlet.evse.current_a_max, now_s)
        self.plant.step(STEP_S)
        self.judge.observe()
        for key in tuple(self.running):
            if now_s >= self._next_sample_s[key] and self.stations[key.station_id].connected:
                self._next_sample_s[key] = now_s + self.sample_interval_s
                self.sample_evse(key)
        if self.plant.time_s % 1.0 < STEP_S:
            self._sample_meters()

    def _sample_meters(self) -> None:
        for meter_id, meter in self.meters.items():
            truth = self.plant.reading(self._circuit_of[meter_id], self.clock.now())
            meter.tell(truth, self.now_s, self.metering)

    # what happens

    async def come(self, visit: Visit) -> None:
        """A driver: plug, card, charge, and off again."""
        key, outlet = visit.key, self.plant.outlets[visit.key]
        station = self.plant_stations[key.station_id]
        while outlet.car is not None:
            await asyncio.sleep(10)
        outlet.plug(VisitingCar(visit))
        self.visits[key] = visit
        leaves_s = self.now_s + visit.stays_s
        await asyncio.sleep(CARD_S)
        if not station.connected and station.traits.starts_offline:
            self.unheard.add(key)
        while not station.connected:
            if self.now_s >= leaves_s:
                break
            await asyncio.sleep(1)
        if station.connected:
            if key not in self.unheard:
                await self.load.make_room(key.station_id, key.evse_id)
            self.unheard.discard(key)
            self.begin(key)
        await asyncio.sleep(max(0.0, leaves_s - self.now_s))
        self.unheard.discard(key)
        self.leave(key)
        outlet.closed = False

    def end_of(self, station_transaction_id: str) -> None:
        """The station ends a session."""
        for key, transaction in tuple(self.running.items()):
            if transaction.station_transaction_id == station_transaction_id:
                self.end(key)

    async def strike(self, mishap: Mishap) -> None:
        """Something goes wrong, and (mostly) comes right again."""
        await asyncio.sleep(max(0.0, mishap.at_s - self.now_s))
        self._begin(mishap)
        if mishap.until_s >= self.scenario.minutes * 60:
            return
        await asyncio.sleep(max(0.0, mishap.until_s - self.now_s))
        self._end(mishap)

    def _begin(self, mishap: Mishap) -> None:
        self.judge.note(mishap)
        match mishap.kind:
            case "lines":
                for station in self.plant_stations.values():
                    station.loss = mishap.amount
            case "restart":
                self.plant_stations[mishap.subject].restart()
            case "disobeys" | "draws-more" | "slow":
                self.plant_stations[mishap.subject].begin(mishap)
            case "silent" | "frozen" | "swapped" | "jump":
                self.meters[mishap.subject].mishap = mishap.kind
                self.meters[mishap.subject].amount = mishap.amount
            case "lan":
                for station_id in self.stations:
                    self.disconnect(station_id)
            case "killed":
                self.is_alive = False
                for station in self.plant_stations.values():
                    station.connected = False
                assert self._task is not None
                self._task.cancel()
                self._task = None

    def _end(self, mishap: Mishap) -> None:
        match mishap.kind:
            case "lines":
                for station in self.plant_stations.values():
                    station.loss = 0.0
            case "restart":
                self._come_back(mishap.subject)
            case "silent" | "frozen" | "swapped" | "jump":
                self.meters[mishap.subject].mishap = ""
            case "lan":
                self._come_back(*self.stations)
            case "killed":
                self._task = asyncio.get_running_loop().create_task(self._return())

    async def _return(self) -> None:
        """The controller comes back and knows nothing; stations find it one after the other."""
        self.metering = type(self.metering)(self.clock, self.publisher)
        self.load = self.new_load()
        self.is_alive = True
        loop = asyncio.get_running_loop()
        for number, station_id in enumerate(self.stations):
            loop.call_later(1.0 + 1.5 * number, self._come_back, station_id)
        await self.load.run()

    def _come_back(self, *station_ids: str) -> None:
        for station_id in station_ids:
            if self.is_alive and not self.stations[station_id].connected:
                self.connect(station_id)


async def play_out(
    scenario: Scenario, each: Callable[[PlantSite], None] | None = None
) -> PlantSite:
    """The whole scenario; the site as it is then."""
    site = PlantSite(
        scenario.topology,
        settings=LoadSettings(lease_s=scenario.lease_s),
        sample_interval_s=scenario.sample_interval_s,
        loads=scenario.loads,
        seed=scenario.seed,
        earlier_leases_s=0.0,
        scenario=scenario,
    )
    site.earlier_leases_s = None
    loop = asyncio.get_running_loop()
    async with site:
        site.connect()
        await site.advance(SETTLE_S)
        happenings = [loop.create_task(_visits(site, scenario))]
        happenings += [loop.create_task(site.strike(mishap)) for mishap in scenario.mishaps]
        await site.advance(
            scenario.minutes * 60 - SETTLE_S, None if each is None else lambda: each(site)
        )
        happenings += site.drivers
        for happening in happenings:
            happening.cancel()
        await asyncio.gather(*happenings, return_exceptions=True)
    return site


async def _visits(site: PlantSite, scenario: Scenario) -> None:
    loop = asyncio.get_running_loop()
    for visit in sorted(scenario.visits, key=lambda visit: visit.at_s):
        await asyncio.sleep(max(0.0, visit.at_s - site.now_s))
        driver = loop.create_task(site.come(visit))
        site.drivers.add(driver)
