"""A car park in memory for load management: the plant's physics, stations that take a while.

Stations, cars and meters are small and honest: profiles with leases, latency on the way in and in
the car, readings every so often. Time is the virtual loop's.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from sitecontroller.config import LoadSettings
from sitecontroller.domain.authorization import AuthorizationStatus
from sitecontroller.domain.errors import CallTimeout, StationOffline
from sitecontroller.domain.events import StationDisconnected, StationReady, TransactionChanged
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.station import ConnectorStatus, OcppVersion
from sitecontroller.domain.topology import (
    PHASES,
    ChargingStation,
    Circuit,
    Evse,
    EvseKey,
    Meter,
    PhaseMap,
    Topology,
)
from sitecontroller.domain.transaction import Transaction, TransactionState
from sitecontroller.ports import CallAnswer, ChargingLimit, ScheduledLimit
from sitecontroller.publisher import Publisher
from sitecontroller.services.load.service import LoadService
from sitecontroller.services.metering import MeteringService
from sitecontroller.services.stations import EvseState
from sitecontroller.simulation.cars import Car, CarModel
from sitecontroller.simulation.judge import Judge
from sitecontroller.simulation.plant import Plant
from sitecontroller.simulation.virtual_time import VirtualLoop
from tests.support import run_bounded

STEP_S = 0.5
START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
HEAR_S = 3.0
"""By then every station has its fallbacks and the meters have spoken."""


def play(story: Coroutine[Any, Any, Any]) -> Any:
    """Tell a story on virtual time."""
    return run_bounded(story, loop_factory=VirtualLoop)


class LoopClock:
    """The product's clock on the running loop's time."""

    def now(self) -> datetime:
        return START + timedelta(seconds=self.monotonic_s())

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()


class Alarms:
    """Remembers what stands."""

    def __init__(self) -> None:
        self.standing: dict[tuple[str, str], dict[str, str]] = {}
        self.ever: set[tuple[str, str]] = set()

    def raise_(self, code: str, subject: str, **parameters: str) -> None:
        self.standing[code, subject] = parameters
        self.ever.add((code, subject))

    def clear(self, code: str, subject: str) -> None:
        self.standing.pop((code, subject), None)


@dataclass
class Behaviour:
    """How a station is."""

    latency_s: float = 0.3
    sample_interval_s: float = 10.0
    answers: bool = True
    """False: every call times out."""
    takes_fallback: bool = True
    obeys: bool = True
    """False: accepts everything and changes nothing."""
    tells_composite: bool = True
    schedules_proven: bool = True
    """Its model's composite schedules were true in the limit test."""
    stops: bool = True
    """False: goes on charging when told to stop."""
    meters: bool = True


@dataclass
class Profiles:
    """What lies in one EVSE."""

    fallback_a: float | None = None
    limit_a: float | None = None
    limit_ends_s: float | None = None
    priority_a: float | None = None
    """What it charges with priority by, whatever it is told."""

    def offer_a(self, maximum_a: float, now_s: float) -> float:
        if self.priority_a is not None:
            return min(maximum_a, self.priority_a)
        leased = self.limit_a is not None and (
            self.limit_ends_s is None or now_s < self.limit_ends_s
        )
        if leased and self.limit_a is not None:
            return min(maximum_a, self.limit_a)
        return maximum_a if self.fallback_a is None else min(maximum_a, self.fallback_a)


class FakeStation:
    """One station and the link to it."""

    def __init__(self, site: "Site", station: ChargingStation, behaviour: Behaviour) -> None:
        self.site, self.station, self.behaviour = site, station, behaviour
        self.station_id = station.station_id
        self.version = OcppVersion.V16
        self.generation = 0
        self.clock_offset_s: float | None = 0.0
        self.connected = False
        self.profiles = {evse.evse_id: Profiles() for evse in station.evses}
        self.calls: list[tuple[float, str, Any]] = []
        self.holds_leases = True
        self.takes_higher = True

    def may_raise(self, evse_id: int) -> bool:
        return self.takes_higher

    def limit_obeyed(self, evse_id: int) -> None:
        """Nothing follows: it knows one way only."""

    def limit_disobeyed(self, evse_id: int) -> None:
        """Nothing follows: it knows one way only."""

    async def _call(self, name: str, argument: Any) -> None:
        self.calls.append((self.site.now_s, name, argument))
        if not self.behaviour.answers:
            await asyncio.sleep(30)
            raise CallTimeout(f"{self.station_id}: no answer to {name}")
        await asyncio.sleep(self.behaviour.latency_s)
        if not self.connected:
            raise StationOffline(f"{self.station_id} is offline")

    async def set_station_maximum(self, current_a: float) -> CallAnswer:
        await self._call("set_station_maximum", current_a)
        return _accepted()

    async def set_fallback(self, evse_id: int, current_a: float, phase_count: int) -> CallAnswer:
        await self._call("set_fallback", (evse_id, current_a))
        if not self.behaviour.takes_fallback:
            return CallAnswer(False, "Rejected", {})
        self.profiles[evse_id].fallback_a = current_a
        return _accepted()

    async def set_limit(self, limit: ChargingLimit) -> CallAnswer:
        assert limit.current_a == 0 or limit.current_a >= 6, f"{limit} is in (0, 6)"
        await self._call("set_limit", limit)
        if self.behaviour.obeys:
            profiles = self.profiles[limit.evse_id]
            profiles.limit_a = limit.current_a
            profiles.limit_ends_s = (
                None if limit.lease_s is None else self.site.now_s + limit.lease_s
            )
        return _accepted()

    async def clear_limit(self, evse_id: int) -> CallAnswer:
        await self._call("clear_limit", evse_id)
        self.profiles[evse_id].limit_a = None
        return _accepted()

    async def composite_limit(self, evse_id: int) -> ScheduledLimit:
        await self._call("composite_limit", evse_id)
        if not self.behaviour.tells_composite:
            return ScheduledLimit(None, None, {})
        evse = self.site.topology.evse(EvseKey(self.station_id, evse_id))
        assert evse is not None
        offer_a = self.profiles[evse_id].offer_a(evse.current_a_max, self.site.now_s)
        return ScheduledLimit(offer_a, None, {}, proven=self.behaviour.schedules_proven)

    async def trigger(self, message: str, evse_id: int | None) -> CallAnswer:
        await self._call("trigger", (message, evse_id))
        if self.behaviour.meters and evse_id is not None:
            self.site.sample_evse(EvseKey(self.station_id, evse_id))
        return _accepted()

    async def stop(self, station_transaction_id: str) -> CallAnswer:
        await self._call("stop", station_transaction_id)
        if self.behaviour.stops:
            for key, transaction in self.site.running.items():
                if transaction.station_transaction_id == station_transaction_id:
                    self.site.end(key)
                    break
        return _accepted()

    async def change_availability(self, evse_id: int | None, *, operative: bool) -> CallAnswer:
        await self._call("change_availability", (evse_id, operative))
        return _accepted()

    def limits(self, evse_id: int = 1) -> list[tuple[float, float]]:
        """(when, A) of every limit it was sent."""
        return [
            (at, argument.current_a)
            for at, name, argument in self.calls
            if name == "set_limit" and argument.evse_id == evse_id
        ]


@dataclass
class Site:
    """Plant, stations, meters and the load service; `advance` lets time pass."""

    topology: Topology
    behaviour: dict[str, Behaviour] = field(default_factory=dict)
    settings: LoadSettings = field(default_factory=LoadSettings)
    sample_interval_s: float = 10.0
    loads: tuple[Any, ...] = ()
    seed: int = 1
    earlier_leases_s: float | None = None

    def __post_init__(self) -> None:
        self.clock = LoopClock()
        self.publisher = Publisher()
        self.metering = MeteringService(self.clock, self.publisher)
        self.alarms = Alarms()
        self.plant = Plant(self.topology, self.loads, self.seed)
        self.judge = Judge(self.plant)
        self.base_a: dict[str, tuple[float, float, float]] = {}
        self.meters_alive = dict.fromkeys(self.topology.meters, True)
        self.running: dict[EvseKey, Transaction] = {}
        self.random = Random(self.seed)
        self._numbers = 0
        self._next_sample_s: dict[EvseKey, float] = {}
        self.stations = {
            station.station_id: FakeStation(
                self, station, self.behaviour.get(station.station_id, Behaviour())
            )
            for station in self.topology.stations.values()
        }
        self.load = self.new_load()
        self._task: asyncio.Task[None] | None = None

    async def settle(self) -> None:
        """Everybody connects."""
        self.connect()
        await self.advance(HEAR_S)

    def told_a(self, number: int) -> float:
        """What an EVSE was last told."""
        view = self.load.limit_view(key(number))
        assert view is not None
        return view.current_a

    def exposure_a(self, number: int) -> float:
        """What it may draw."""
        view = self.load.limit_view(key(number))
        assert view is not None
        return view.exposure_a

    def drawn_a(self, number: int) -> float:
        """What it truly draws per phase."""
        return self.plant.outlets[key(number)].current_a

    def new_load(self) -> LoadService:
        return LoadService(
            self.topology,
            self.settings,
            self.clock,
            self.publisher,
            self,  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            self.metering,
            self.alarms,  # type: ignore[arg-type]
            sample_interval_s=self.sample_interval_s,
            earlier_leases_s=self.earlier_leases_s,
        )

    # what the load service asks of stations and transactions

    def link(self, station_id: str) -> FakeStation | None:
        station = self.stations[station_id]
        return station if station.connected else None

    def evse_state(self, key: EvseKey) -> EvseState:
        plugged = self.plant.outlets[key].car is not None
        status = ConnectorStatus.OCCUPIED if plugged else ConnectorStatus.AVAILABLE
        return EvseState(connectors={1: status}, online=self.stations[key.station_id].connected)

    def active(self, key: EvseKey) -> Transaction | None:
        return self.running.get(key)

    # what happens

    @property
    def now_s(self) -> float:
        return self.clock.monotonic_s()

    async def __aenter__(self) -> "Site":
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self.load.run())

    async def kill(self) -> None:
        """The controller dies: nobody says anything any more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def restart(self) -> None:
        """The controller dies and comes back, knowing nothing; every connection ended with it."""
        await self.kill()
        for station in self.stations.values():
            station.connected = False
        self.metering = MeteringService(self.clock, self.publisher)
        self.load = self.new_load()
        self.start()

    def connect(self, *station_ids: str) -> None:
        for station_id in station_ids or tuple(self.stations):
            station = self.stations[station_id]
            station.connected, station.generation = True, station.generation + 1
            self.publisher.publish(StationReady(station_id, self.clock.now(), False))

    def disconnect(self, station_id: str) -> None:
        station = self.stations[station_id]
        station.connected = False
        self.publisher.publish(
            StationDisconnected(station_id, station.generation, self.clock.now())
        )

    def plug(self, key: EvseKey, model: CarModel, soc: float = 0.2) -> None:
        self.plant.outlets[key].plug(Car(model, soc))

    def begin(
        self,
        key: EvseKey,
        status: AuthorizationStatus = AuthorizationStatus.ACCEPTED,
        *,
        told_late_s: float = 0.0,
    ) -> None:
        self._numbers += 1
        now = self.clock.now()
        transaction = Transaction(
            key=f"T{self._numbers:04}",
            station_id=key.station_id,
            evse_id=key.evse_id,
            connector_id=1,
            station_transaction_id=str(self._numbers),
            state=TransactionState.ACTIVE,
            authorization_status=status,
            started_at=now - timedelta(seconds=told_late_s),
            start_received_at=now,
        )
        self.running[key] = transaction
        self.plant.outlets[key].closed = True
        self._next_sample_s[key] = self.now_s + self.random.uniform(0, self._interval_s(key))
        self.publisher.publish(TransactionChanged(transaction, began=True))

    def charge(self, key: EvseKey, model: CarModel, soc: float = 0.2) -> None:
        """A car arrives and begins at once."""
        self.plug(key, model, soc)
        self.begin(key)

    def end(self, key: EvseKey) -> None:
        transaction = replace(self.running.pop(key), state=TransactionState.ENDED)
        self.plant.outlets[key].closed = False
        self.publisher.publish(TransactionChanged(transaction, ended=True))

    def leave(self, key: EvseKey) -> None:
        if key in self.running:
            self.end(key)
        self.plant.outlets[key].unplug()

    async def advance(self, seconds: float, each: Callable[[], None] | None = None) -> None:
        """Let time pass; `each()` runs once per step."""
        ends = self.now_s + seconds - 1e-6
        while self.now_s < ends:
            await asyncio.sleep(STEP_S)
            self._step()
            if each is not None:
                each()

    def total_a(self, circuit_id: str) -> tuple[float, float, float]:
        """What truly flows, building load included."""
        return self.plant.circuits[circuit_id].current_a

    def step_base(self, circuit_id: str, base_a: tuple[float, float, float]) -> None:
        """The building's load from now on."""
        before = self.base_a.get(circuit_id, (0.0, 0.0, 0.0))
        self.base_a[circuit_id] = base_a
        for state in self.plant.path(circuit_id):
            state.last_change_s = self.plant.time_s
            for phase in PHASES:
                if base_a[phase] > before[phase]:
                    state.last_step_s[phase] = self.plant.time_s

    def sample_evse(self, key: EvseKey) -> None:
        outlet = self.plant.outlets[key]
        currents = (*outlet.terminal_current_a(), None, None)[:3]
        reading = MeterReading(
            at=self.clock.now(),
            current_a=outlet.evse.phase_map.to_site(currents),  # type: ignore[arg-type]
            power_w=outlet.power_w,
        )
        self.metering.evse_measured(key, reading)

    def _step(self) -> None:
        for key, outlet in self.plant.outlets.items():
            profiles = self.stations[key.station_id].profiles[key.evse_id]
            outlet.offered_a = profiles.offer_a(outlet.evse.current_a_max, self.now_s)
        self.plant.step(STEP_S)
        self._add_base()
        self.judge.observe()
        for key in tuple(self.running):
            due = self.now_s >= self._next_sample_s[key]
            station = self.stations[key.station_id]
            if due and station.connected and station.behaviour.meters:
                self._next_sample_s[key] = self.now_s + self._interval_s(key)
                self.sample_evse(key)
        if self.plant.time_s % 1.0 < STEP_S:
            self._sample_meters()

    def _add_base(self) -> None:
        for circuit_id, base_a in self.base_a.items():
            for state in self.plant.path(circuit_id):
                one, two, three = (
                    now + more for now, more in zip(state.current_a, base_a, strict=True)
                )
                state.current_a = (one, two, three)

    def _sample_meters(self) -> None:
        for circuit in self.topology.circuits.values():
            if circuit.meter_id is not None and self.meters_alive[circuit.meter_id]:
                reading = self.plant.reading(circuit.circuit_id, self.clock.now())
                self.metering.meter_measured(circuit.meter_id, reading)

    def _interval_s(self, key: EvseKey) -> float:
        return self.stations[key.station_id].behaviour.sample_interval_s


def _accepted() -> CallAnswer:
    return CallAnswer(True, "Accepted", {})


def topology(
    *circuits: Circuit, evses: list[Evse], meters: tuple[str, ...] = ("main",)
) -> Topology:
    """A site; each EVSE is a station of its own."""
    return Topology(
        circuits={circuit.circuit_id: circuit for circuit in circuits},
        stations={evse.station_id: ChargingStation(evse.station_id, (evse,)) for evse in evses},
        meters={id_: Meter(id_, id_, "SDM630", "tcp://127.0.0.1:1") for id_ in meters},
    )


def main_circuit(
    limit_a: float = 63.0, *, worst_base_a: float = 30.0, margin_a: float = 1.26
) -> Circuit:
    return Circuit("main", "Main", None, (limit_a,) * 3, margin_a, "main", (worst_base_a,) * 3)


def evse(number: int, circuit_id: str = "main", *, phases: str = "L1L2L3", **settings: Any) -> Evse:
    return Evse(f"CP-{number:02}", 1, circuit_id, phase_map=PhaseMap.parse(phases), **settings)


def key(number: int) -> EvseKey:
    return EvseKey(f"CP-{number:02}", 1)


def car(
    current_a_max: float = 32.0, *, phase_count: int = 3, latency_s: float = 2.0, **settings: Any
) -> CarModel:
    return CarModel("car", 200_000.0, phase_count, current_a_max, latency_s, **settings)
