"""All dialects on the real port with simulated stations: what we say has its effect on the car."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from sitecontroller.config import OcppSettings
from sitecontroller.domain.commands import ResetType
from sitecontroller.domain.station import ConnectorStatus, OcppVersion
from sitecontroller.domain.topology import (
    ChargingStation,
    Circuit,
    Evse,
    LimitUnit,
    PhaseMap,
    Supply,
    Topology,
)
from sitecontroller.ocpp.dialects import make_dialect
from sitecontroller.ocpp.server import OcppServer
from sitecontroller.ports import ChargingLimit
from sitecontroller.services.stations import LoginVerdict
from sitecontroller.simulation.cars import Car, CarModel
from sitecontroller.simulation.control import StationDescription
from sitecontroller.simulation.plant import Plant
from sitecontroller.simulation.profiles import ProfileRefused, ProfileStore, StoredProfile
from sitecontroller.simulation.site import STEP_S
from sitecontroller.simulation.station import SimulatedStation
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from tests.contract.fakes import FakeStations, Office
from tests.support import eventually

CARD = "04A2B3C4"
AC_CAR = CarModel("AC car", 50_000, 3, 32.0, latency_s=1.0)
DC_CAR = CarModel("DC car", 80_000, 3, 80.0, latency_s=1.0)
AC = Evse("CP-1", 1, "main", phase_map=PhaseMap.parse("L2L3L1"))
DC = Evse("CP-1", 1, "main", supply=Supply.DC, limit_unit=LimitUnit.W, efficiency=0.92)


class OpenDoor(FakeStations):
    """A stations' service that lets its one station in."""

    def __init__(self, station: ChargingStation) -> None:
        super().__init__()
        self.station = station
        self.link: Any = None

    def find(self, station_id: str) -> ChargingStation | None:
        return self.station

    async def authenticate(self, *_: Any) -> LoginVerdict:
        return LoginVerdict.ACCEPTED

    async def connected(self, link: Any, address: str) -> None:
        self.link = link

    def disconnected(self, link: Any) -> None:
        pass

    def heard(self, station_id: str) -> None:
        pass

    def duplicate_refused(self, station_id: str, address: str) -> None:
        raise AssertionError("nobody else is here")


class NoJournal:
    """Writes nothing."""

    def record(self, *_: Any, **__: Any) -> None:
        pass


@dataclass
class Bench:
    """A simulated station that has booted at the real port, and the services behind it."""

    simulated: SimulatedStation
    office: Office

    @property
    def link(self) -> Any:
        stations: Any = self.office.stations
        return stations.link

    @property
    def drawn_a(self) -> float:
        current_a: float = self.simulated.controls[1].outlet.current_a
        return current_a

    @property
    def transaction_id(self) -> str:
        """As the link wants it: the station's own, or the one we gave it."""
        known = self.simulated.controls[1].transaction
        assert known is not None
        assert known.transaction_id is not None
        return known.transaction_id

    async def charge(self, model: CarModel = AC_CAR) -> None:
        """Plug and tap; returns when power flows and the station has reported it."""
        self.simulated.plug(1, Car(model, 0.3))
        assert await self.simulated.tap(1, CARD)
        await eventually(lambda: self.drawn_a > 5, 60)
        await eventually(lambda: self.office.metering.live, 60)

    async def draws(self, current_a: float, within_s: float = 60) -> None:
        await eventually(lambda: abs(self.drawn_a - current_a) < 0.3, within_s)

    async def limit(
        self, current_a: float, lease_s: int | None = 300, fallback_a: float = 0.0
    ) -> None:
        limit = ChargingLimit(1, current_a, 3, lease_s, fallback_a, self.transaction_id)
        answer = await self.link.set_limit(limit)
        assert answer.accepted, answer


class FlatStore(ProfileStore):
    """A station's profiles where it knows stack level 0 only."""

    def put(self, profile: StoredProfile) -> None:
        if profile.stack_level > 0:
            raise ProfileRefused("only stack level 0")
        super().put(profile)


@asynccontextmanager
async def bench(
    version: OcppVersion, evse: Evse = AC, *, flat: bool = False
) -> AsyncIterator[Bench]:
    station = ChargingStation("CP-1", (evse,))
    clock = virtual_clock()
    office = Office(OcppSettings(host="127.0.0.1", port=0, sample_interval_s=10), clock)
    office.stations = OpenDoor(station)
    office.accept(CARD)
    server = OcppServer(
        office.settings,
        office.stations,
        lambda *of: make_dialect(office.bundle, *of),
        NoJournal(),  # type: ignore[arg-type]
        clock,
    )
    port = await server.start()
    main = Circuit("main", "Main", None, (63.0, 63.0, 63.0), 1.26)
    plant = Plant(Topology({"main": main}, {"CP-1": station}, {}), (), seed=1)
    simulated = SimulatedStation(
        StationDescription(station, version, password="x" * 16),
        plant.outlets,
        plant.voltage_v,
        clock,
        Random(1),
    )
    if flat:
        simulated.profiles = FlatStore(strict_stack=False)
        level = simulated.settings.get("ChargeProfileMaxStackLevel")
        assert level is not None
        level.value = "0"

    async def run_plant() -> None:
        while True:
            await asyncio.sleep(STEP_S)
            plant.step(STEP_S)

    tasks = [
        asyncio.create_task(simulated.run(lambda: f"ws://127.0.0.1:{port}/ocpp")),
        asyncio.create_task(run_plant()),
    ]
    try:
        await eventually(lambda: "set-up/CP-1" in office.stations.facts, 60)
        yield Bench(simulated, office)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.stop()


@pytest.fixture(params=list(OcppVersion))
def at(request: pytest.FixtureRequest, run: Callable[..., Any]) -> Callable[..., Any]:
    """`at(story)` runs `story(bench)` against a station of each version, in virtual time."""

    def play(story: Callable[[Bench], Any], *, evse: Evse = AC) -> None:
        async def played() -> None:
            async with bench(request.param, evse) as it:
                await story(it)

        run(played(), loop_factory=VirtualLoop)

    return play


def test_a_car_charges_and_its_currents_come_on_the_sites_phases(at: Any) -> None:
    async def story(it: Bench) -> None:
        await it.charge()
        (started,) = it.office.transactions.starts
        assert (started.evse_id, started.id_token.id_token) == (1, CARD)
        assert it.link.clock_offset_s == pytest.approx(0, abs=1.5)
        reading = await eventually(lambda: _flowing(it))
        assert all(current == pytest.approx(it.drawn_a, abs=1) for current in reading.current_a)

    at(story)


def test_a_limit_holds_and_dies_with_its_lease(at: Any) -> None:
    async def story(it: Bench) -> None:
        assert (await it.link.set_fallback(1, 6.0, 3)).accepted
        assert (await it.link.set_station_maximum(32.0)).accepted
        await it.charge()
        await it.draws(6.0)
        await it.limit(20.0, lease_s=120)
        await it.draws(20.0)
        scheduled = await it.link.composite_limit(1)
        assert scheduled.current_a == pytest.approx(20.0)
        assert scheduled.duration_s == pytest.approx(120, abs=15)
        await it.limit(12.0, lease_s=120)
        await it.draws(12.0)
        await it.draws(6.0, within_s=130)

    at(story)


def test_q44_a_station_of_one_stack_level_returns_to_its_fallback_too(run: Any) -> None:
    async def story() -> None:
        async with bench(OcppVersion.V16, flat=True) as it:
            assert (await it.link.set_fallback(1, 6.0, 3)).accepted
            await it.charge()
            await it.draws(6.0)
            await it.limit(20.0, lease_s=120, fallback_a=6.0)
            await it.draws(20.0)
            scheduled = await it.link.composite_limit(1)
            assert (scheduled.current_a, scheduled.duration_s) == (20.0, pytest.approx(120, abs=15))
            await it.draws(6.0, within_s=130)
            await it.limit(16.0, lease_s=900, fallback_a=6.0)
            await it.draws(16.0)
            assert (await it.link.clear_limit(1)).accepted
            await it.draws(6.0)

    run(story(), loop_factory=VirtualLoop)


def test_a_pause_stops_the_current_and_not_the_transaction(at: Any) -> None:
    async def story(it: Bench) -> None:
        await it.charge()
        await it.limit(0.0)
        await it.draws(0.0)
        assert it.simulated.controls[1].transaction is not None
        await it.limit(10.0)
        await it.draws(10.0, within_s=120)

    at(story)


def test_a_lease_taken_back_leaves_the_fallback(at: Any) -> None:
    async def story(it: Bench) -> None:
        await it.link.set_fallback(1, 8.0, 3)
        await it.charge()
        await it.limit(16.0)
        await it.draws(16.0)
        assert (await it.link.clear_limit(1)).accepted
        await it.draws(8.0)

    at(story)


def test_a_dc_limit_in_watts_is_the_grids_amperes(at: Any) -> None:
    async def story(it: Bench) -> None:
        await it.charge(DC_CAR)
        await it.limit(30.0)
        await it.draws(30.0)
        assert (await it.link.composite_limit(1)).current_a == pytest.approx(30.0, abs=0.1)

    at(story, evse=DC)


def test_remote_start_and_stop_work_on_a_plugged_car(at: Any) -> None:
    async def story(it: Bench) -> None:
        it.simulated.plug(1, Car(AC_CAR, 0.3))
        assert (await it.link.start(1, 1, CARD, 77)).accepted
        await eventually(lambda: it.office.transactions.starts, 30)
        assert it.office.transactions.starts[0].remote_start_id == 77
        await eventually(lambda: it.drawn_a > 5, 60)
        assert (await it.link.stop(it.transaction_id)).accepted
        await eventually(lambda: it.office.transactions.ends, 30)
        assert it.office.transactions.ends[0].stop_reason == "Remote"

    at(story)


def test_availability_and_triggers_have_their_effect(at: Any) -> None:
    async def story(it: Bench) -> None:
        assert (await it.link.change_availability(None, operative=False)).accepted
        reports = it.office.stations.reports
        await eventually(lambda: reports[-1].status is ConnectorStatus.UNAVAILABLE, 30)
        count = len(reports)
        assert (await it.link.trigger("StatusNotification", 1)).accepted
        await eventually(lambda: len(reports) > count, 30)
        assert (await it.link.trigger("MeterValues", 1)).accepted

    at(story)


def test_after_a_reset_the_station_is_set_up_by_one_reading(at: Any) -> None:
    async def story(it: Bench) -> None:
        stations = it.office.stations
        first = it.link
        assert (await it.link.reset(ResetType.IMMEDIATE)).accepted
        await eventually(lambda: it.link is not first, 120)
        await eventually(lambda: it.link.found_settings, 120)
        assert stations.readiness == [True, True]
        await asyncio.sleep(30)
        lines = list(it.simulated.diary)
        boots = [number for number, line in enumerate(lines) if line.endswith(" booted")]
        writes = ("asked for ChangeConfiguration", "asked for SetVariables")
        assert any(line.endswith(writes) for line in lines[: boots[-1]])
        assert not any(line.endswith(writes) for line in lines[boots[-1] :])

    at(story)


def test_settings_are_read_and_written_by_name(at: Any) -> None:
    async def story(it: Bench) -> None:
        names = {
            OcppVersion.V16: "HeartbeatInterval",
            OcppVersion.V201: "OCPPCommCtrlr.HeartbeatInterval",
            OcppVersion.V21: "OCPPCommCtrlr.HeartbeatInterval",
        }
        name = names[it.link.version]
        assert (await it.link.set_variable(name, "123")).accepted
        answer = await it.link.get_variables((name,))
        assert answer.accepted
        assert "123" in str(answer.body)
        assert (await it.link.get_variables(())).accepted

    at(story)


def _flowing(it: Bench) -> Any:
    _, reading = it.office.metering.live[-1]
    return reading if all(current and current > 5 for current in reading.current_a) else None
