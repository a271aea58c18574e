"""A car park whose stations, cars and meter misbehave, by seed: who breaks S1 or an allowance?

Calls are lost on the way in or out, answered late, refused, or accepted and ignored; stations
restart and lose their leases, or just their line; readings are lost or late; the meter falls silent
for a while; the controller restarts. What is judged is the plant: what every station would let flow
against its exposure, what flows against the limits, and each increase against what stood then.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, TypeVar

from sitecontroller.domain.errors import CallTimeout, StationOffline
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.topology import (
    PHASES,
    ChargingStation,
    Circuit,
    EvseKey,
    LimitUnit,
    PhaseMap,
    Supply,
    Topology,
)
from sitecontroller.ports import CallAnswer, ChargingLimit, ScheduledLimit
from sitecontroller.services.load.orders import Order, SetLimit
from sitecontroller.simulation.cars import CarModel
from sitecontroller.simulation.plant import BuildingLoadDescription
from tests.unit.load.site import (
    Behaviour,
    FakeStation,
    Site,
    car,
    evse,
    main_circuit,
    topology,
)

Said = TypeVar("Said")
DEADLINE_S = 10.0
ROTATIONS = ("L1L2L3", "L2L3L1", "L3L1L2", "L1", "L2", "L3")
OBEY_ALLOWANCE_S = 45.0
"""A limit that was ignored: reaction, next reading, S6's 10 s, and what gets lost of those."""
STEP_ALLOWANCE_S = 34.0
"""12 s, and a lost decrease is repeated after 11 s, twice."""


@dataclass(frozen=True)
class Faults:
    """How likely each fault is: per call, per reading, the last three per second of the site."""

    lost: float = 0.2
    late: float = 0.1
    late_s: float = 8.0
    refused: float = 0.05
    ignored: float = 0.0
    reading_lost: float = 0.1
    reading_late: float = 0.1
    restart: float = 0.002
    line_lost: float = 0.002
    meter_silent: float = 0.002


class FaultyStation(FakeStation):
    """Takes calls one after the other, as a socket brings them; loses and delays what it may."""

    def __init__(self, site: "FaultySite", station: ChargingStation, behaviour: Behaviour) -> None:
        super().__init__(site, station, behaviour)
        self.faults = site.faults
        self.random = Random(f"{site.seed} {self.station_id}")
        self.free_s = 0.0
        self.ignores: dict[int, float] = {}
        """EVSEs with an ignored limit, since when."""

    async def _answered(self, apply: Callable[[], Said]) -> Said:
        """Let the call arrive in its turn, `apply` it, and bring the answer back, or not."""
        faults, rng = self.faults, self.random
        delay_s = self.behaviour.latency_s
        if rng.random() < faults.late:
            delay_s += rng.uniform(0, faults.late_s)
        if rng.random() < faults.lost / 2:
            await asyncio.sleep(DEADLINE_S)
            raise CallTimeout(f"{self.station_id}: lost on its way in")
        generation, now_s = self.generation, self.site.now_s
        self.free_s = max(self.free_s, now_s) + delay_s
        answer: asyncio.Future[Said] = asyncio.get_running_loop().create_future()

        def arrive() -> None:
            if self.connected and self.generation == generation:
                result = apply()
                if not answer.done():
                    answer.set_result(result)
            elif not answer.done():
                answer.set_exception(StationOffline(f"{self.station_id} is offline"))

        asyncio.get_running_loop().call_later(self.free_s - now_s, arrive)
        try:
            result = await asyncio.wait_for(answer, DEADLINE_S)
        except TimeoutError:
            raise CallTimeout(f"{self.station_id}: late") from None
        if rng.random() < faults.lost / 2:
            await asyncio.sleep(DEADLINE_S)
            raise CallTimeout(f"{self.station_id}: its answer was lost")
        return result

    def _done(self) -> CallAnswer:
        return CallAnswer(True, "Accepted", {})

    async def set_station_maximum(self, current_a: float) -> CallAnswer:
        return await self._answered(self._done)

    async def set_fallback(self, evse_id: int, current_a: float, phase_count: int) -> CallAnswer:
        def apply() -> CallAnswer:
            self.profiles[evse_id].fallback_a = current_a
            return self._done()

        return await self._answered(apply)

    async def set_limit(self, limit: ChargingLimit) -> CallAnswer:
        assert limit.current_a == 0 or limit.current_a >= 6, f"{limit} is in (0, 6)"
        self.calls.append((self.site.now_s, "set_limit", limit))
        known, rng, sent_s = self.clock_offset_s is not None, self.random, self.site.now_s
        refused = rng.random() < self.faults.refused
        ignored = rng.random() < self.faults.ignored

        def apply() -> CallAnswer:
            if refused:
                return CallAnswer(False, "Rejected", {})
            if ignored:
                self.ignores.setdefault(limit.evse_id, self.site.now_s)
                return self._done()
            self.ignores.pop(limit.evse_id, None)
            profiles = self.profiles[limit.evse_id]
            profiles.limit_a = limit.current_a * self._phase_share(limit)
            leased = known and limit.lease_s is not None
            profiles.limit_ends_s = sent_s + limit.lease_s if leased else None  # type: ignore[operator]
            return self._done()

        return await self._answered(apply)

    def _phase_share(self, limit: ChargingLimit) -> float:
        """Watts meant for so many phases, drawn from those the car has."""
        outlet = self.site.plant.outlets[EvseKey(self.station_id, limit.evse_id)]
        if outlet.evse.limit_unit is LimitUnit.A or outlet.evse.supply is Supply.DC:
            return 1.0
        return limit.phase_count / max(1, len(outlet.phases_in_use))

    async def clear_limit(self, evse_id: int) -> CallAnswer:
        def apply() -> CallAnswer:
            self.profiles[evse_id].limit_a = None
            self.ignores.pop(evse_id, None)
            return self._done()

        return await self._answered(apply)

    async def composite_limit(self, evse_id: int) -> ScheduledLimit:
        def apply() -> ScheduledLimit:
            if not self.behaviour.tells_composite:
                return ScheduledLimit(None, None, {})
            maximum_a = self.site.plant.outlets[EvseKey(self.station_id, evse_id)].evse
            offer_a = self.profiles[evse_id].offer_a(maximum_a.current_a_max, self.site.now_s)
            return ScheduledLimit(offer_a, None, {}, proven=True)

        return await self._answered(apply)

    async def trigger(self, message: str, evse_id: int | None) -> CallAnswer:
        def apply() -> CallAnswer:
            assert evse_id is not None
            self.site.sample_evse(EvseKey(self.station_id, evse_id))
            return self._done()

        return await self._answered(apply)

    async def stop(self, station_transaction_id: str) -> CallAnswer:
        self.calls.append((self.site.now_s, "stop", station_transaction_id))

        def apply() -> CallAnswer:
            for key, transaction in tuple(self.site.running.items()):
                if transaction.station_transaction_id == station_transaction_id:
                    self.site.leave(key)
            return self._done()

        return await self._answered(apply)


@dataclass
class FaultySite(Site):
    """`breaches` says what broke a promise, `over_as` how much flowed beyond the allowances."""

    faults: Faults = field(default_factory=Faults)

    def __post_init__(self) -> None:
        self.breaches: list[str] = []
        self.over_as = 0.0
        super().__post_init__()
        self.stations = {
            station.station_id: FaultyStation(
                self, station, self.behaviour.get(station.station_id, Behaviour())
            )
            for station in self.topology.stations.values()
        }
        self._silent_until_s = 0.0

    def new_load(self) -> Any:
        load = super().new_load()
        steps = load.steps

        def judged(now_s: float) -> Iterator[tuple[Order, ...]]:
            told: list[Order] = []
            for orders in steps(now_s):
                told += orders
                yield orders
            for order in told:
                if isinstance(order, SetLimit):
                    exposure = load._controls[order.key].exposure
                    before_a = exposure.withdraw(order.number).most_a(now_s)
                    if order.limit.current_a > before_a + 1e-6:
                        self._judge_increase(load, order)

        load.steps = judged  # type: ignore[method-assign]
        return load

    def _judge_increase(self, load: Any, order: SetLimit) -> None:
        outlet = self.plant.outlets[order.key]
        for circuit in self.topology.path(outlet.evse.circuit_id):
            view = load.circuit_view(circuit.circuit_id)
            for phase in outlet.evse.phase_map.site_phases:
                base_a, cap_a = view.base_a[phase], view.cap_a[phase]
                if base_a is None or base_a + view.exposure_a[phase] > cap_a + 0.02:
                    transaction = self.running.get(order.key)
                    control = load._controls[order.key]
                    if phase not in control.phases.phases or transaction is None:
                        continue
                    self.breaches.append(
                        f"{self.now_s:.1f}: {order.key} to {order.limit.current_a} A: {base_a} + "
                        f"{view.exposure_a[phase]} > {cap_a} on {circuit.circuit_id} {phase}: "
                        f"{control.exposure}"
                    )

    def judge_now(self) -> None:
        """Once per step: exposures against the truth, currents against limits."""
        for key, transaction in self.running.items():
            station = self.stations[key.station_id]
            assert isinstance(station, FaultyStation)
            control = self.load._controls[key]
            known = control.transaction is not None and control.transaction.key == transaction.key
            if not known or not self.load._cycle.started:
                continue
            outlet = self.plant.outlets[key]
            offered_a = station.profiles[key.evse_id].offer_a(outlet.evse.current_a_max, self.now_s)
            excused = key.evse_id in station.ignores or not station.connected
            exposure_a = control.exposure_a(self.now_s)
            if offered_a > exposure_a + 0.06 and not excused:
                self.breaches.append(
                    f"{self.now_s:.1f}: {key} lets {offered_a:.1f} A flow, counts as "
                    f"{exposure_a:.1f}: {control.exposure}"
                )
        ignoring = any(
            self.now_s - since_s < OBEY_ALLOWANCE_S
            for station in self.stations.values()
            if isinstance(station, FaultyStation)
            for since_s in station.ignores.values()
        )
        for state in self.plant.circuits.values():
            for phase in PHASES:
                over_a = state.current_a[phase] - state.circuit.limit_a[phase]
                step_s = self.plant.time_s - state.last_step_s[phase]
                if over_a > 1e-6 and step_s > STEP_ALLOWANCE_S and not ignoring:
                    self.over_as += over_a * 0.5

    def sample_evse(self, key: EvseKey) -> None:
        if self.random.random() < self.faults.reading_lost:
            return
        if self.random.random() >= self.faults.reading_late:
            super().sample_evse(key)
            return
        outlet = self.plant.outlets[key]
        currents = (*outlet.terminal_current_a(), None, None)[:3]
        reading = MeterReading(
            at=self.clock.now(),
            current_a=outlet.evse.phase_map.to_site(currents),  # type: ignore[arg-type]
            power_w=outlet.power_w,
        )
        delay_s = self.random.uniform(0, self.faults.late_s)
        asyncio.get_running_loop().call_later(delay_s, self._sampled_late, key, reading)

    def _sampled_late(self, key: EvseKey, reading: MeterReading) -> None:
        if self.stations[key.station_id].connected:
            self.metering.evse_measured(key, reading)

    def stir(self) -> None:
        """Once a second: what may go wrong by itself."""
        rng, faults = self.random, self.faults
        self.meters_alive = dict.fromkeys(self.meters_alive, self.now_s >= self._silent_until_s)
        if rng.random() < faults.meter_silent:
            self._silent_until_s = self.now_s + rng.uniform(2, 40)
        for fault, loses_lease in ((faults.restart, True), (faults.line_lost, False)):
            if rng.random() < fault:
                station = rng.choice(tuple(self.stations.values()))
                if station.connected:
                    self._lose(station, loses_lease=loses_lease)

    def _lose(self, station: FakeStation, *, loses_lease: bool) -> None:
        self.disconnect(station.station_id)
        if loses_lease:
            for profiles in station.profiles.values():
                profiles.limit_a = None
        away_s = self.random.uniform(1, 40)
        asyncio.get_running_loop().call_later(away_s, self._come_back, station.station_id)

    def _come_back(self, station_id: str) -> None:
        if not self.stations[station_id].connected:
            self.connect(station_id)


def faulty_park(seed: int) -> Topology:
    """63 A, two feeders, eight stations of one or two EVSEs; amperes, watts and DC."""
    rng = Random(f"park {seed}")
    evses = [
        evse(
            number,
            rng.choice(("a", "b", "main")),
            phases=rng.choice(ROTATIONS),
            fallback_a=6.0 if number in (2, 7) else 0.0,
            step_a=rng.choice((0.1, 1.0)),
            limit_unit=rng.choice((LimitUnit.A, LimitUnit.A, LimitUnit.W)),
        )
        for number in range(1, 9)
    ]
    evses[4] = replace(
        evses[4], supply=Supply.DC, limit_unit=LimitUnit.W, efficiency=0.92, phase_map=PhaseMap()
    )
    plain = topology(
        main_circuit(63.0),
        Circuit("a", "Feeder A", "main", (40.0,) * 3, 1.0, "fa", (5.0,) * 3),
        Circuit("b", "Feeder B", "main", (32.0,) * 3, 1.0),
        evses=evses,
        meters=("main", "fa"),
    )
    stations = dict(plain.stations)
    for number in rng.sample((1, 2, 3, 4), 2):
        first = stations[f"CP-{number:02}"]
        second = replace(
            first.evses[0], evse_id=2, phase_map=evses[number - 1].phase_map, fallback_a=0.0
        )
        stations[first.station_id] = replace(first, evses=(*first.evses, second))
    return replace(plain, stations=stations)


def faulty_site(seed: int, faults: Faults) -> FaultySite:
    rng = Random(f"faults {seed}")
    park = faulty_park(seed)
    site = FaultySite(
        park,
        behaviour={
            station_id: Behaviour(
                latency_s=rng.uniform(0.2, 2.0), tells_composite=rng.random() < 0.7
            )
            for station_id in park.stations
        },
        loads=(
            BuildingLoadDescription("main", 2, 28),
            BuildingLoadDescription("a", 0, 5, step_a_max=4),
        ),
        seed=seed,
        faults=faults,
    )
    for station in site.stations.values():
        station.clock_offset_s = rng.choice((0.0, 0.0, 0.0, None))
    return site


async def faulty_minutes(
    seed: int, faults: Faults = Faults(), *, minutes: int = 20, restarts: bool = True
) -> FaultySite:
    """Cars come, charge, swap and go while everything above happens."""
    site = faulty_site(seed, faults)
    rng = Random(f"cars {seed}")
    keys = tuple(site.plant.outlets)
    restart_at = rng.randrange(minutes * 60) if restarts and rng.random() < 0.5 else -1
    async with site, asyncio.TaskGroup() as drivers:
        await site.settle()
        for second in range(minutes * 60):
            await site.advance(1, site.judge_now)
            site.stir()
            if second == restart_at:
                await site.restart()
                site.connect()
            for key in keys:
                _car_comes_or_goes(site, key, rng, drivers)
    return site


def _car_comes_or_goes(
    site: FaultySite, key: EvseKey, rng: Random, drivers: asyncio.TaskGroup
) -> None:
    outlet, chance = site.plant.outlets[key], rng.random()
    if outlet.car is None:
        if chance < 0.02:
            site.plug(key, _some_car(site, key, rng), 0.3)
            drivers.create_task(_start(site, key))
    elif chance < 0.001:
        site.leave(key)
    elif chance < 0.0015 and key in site.running:
        site.end(key)
        site.begin(key)


async def _start(site: FaultySite, key: EvseKey) -> None:
    """A card, room, a start: as far as the car is still there."""
    car_there = site.plant.outlets[key].car
    await asyncio.sleep(3)
    await site.load.make_room(key.station_id, key.evse_id)
    outlet = site.plant.outlets[key]
    if outlet.car is car_there and key not in site.running and car_there is not None:
        site.begin(key)


def _some_car(site: FaultySite, key: EvseKey, rng: Random) -> CarModel:
    outlet = site.plant.outlets[key]
    return car(
        rng.choice((6.5, 10, 16, 32)),
        phase_count=rng.choice((1, outlet.evse.phase_count)),
        latency_s=rng.uniform(0.5, 5),
        share=rng.uniform(0.93, 1),
    )
