"""Load management: one cycle per meter sample, from what is known to what each EVSE may draw.

A cycle sends nothing: it reads meters, stations and transactions, decides, and
returns orders. `run` calls it at each sample of a site meter, or after a second without any, and
hands the orders to tasks, so that no station can delay the next cycle. Safety rules S1–S6 and what
they promise are in docs/load-management.md.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import count

from sitecontroller.config import LoadSettings
from sitecontroller.dlm.allocate import Allocation, allocate
from sitecontroller.dlm.base import Flows
from sitecontroller.dlm.exposure import Sent
from sitecontroller.dlm.limits import Limit
from sitecontroller.dlm.snapshot import Snapshot
from sitecontroller.domain.events import (
    Event,
    LimitsChanged,
    MeterMeasured,
    StationDisconnected,
    StationReady,
    TransactionChanged,
)
from sitecontroller.domain.topology import EvseKey, Topology
from sitecontroller.domain.views import CircuitView, LimitView, PhaseSample
from sitecontroller.ports import ChargingLimit, Clock, ScheduledLimit, StationLink
from sitecontroller.publisher import Publisher
from sitecontroller.services.alarms import AlarmService
from sitecontroller.services.load.circuits import Circuits, Sight
from sitecontroller.services.load.decide import RESERVE_A, Change, Pass, would_raise
from sitecontroller.services.load.evse import EvseControl, Timing, unknown_exposure
from sitecontroller.services.load.fallbacks import Fallbacks, may_start, read_back
from sitecontroller.services.load.limits import SiteLimits, StandingLimit
from sitecontroller.services.load.obedience import tell_obedience, watch
from sitecontroller.services.load.orders import (
    AskEvidence,
    ClearLimit,
    Dispatcher,
    LimitOrder,
    Order,
    Outcome,
    PushFallbacks,
    SetLimit,
)
from sitecontroller.services.load.pace import CyclePace
from sitecontroller.services.load.room import PRIORITY_ROOM_WITHIN_S, StartRoom
from sitecontroller.services.load.views import (
    Chart,
    CircuitAlarms,
    changed,
    circuit_view,
    fail_safe_reason,
    limit_view,
)
from sitecontroller.services.metering import MeteringService
from sitecontroller.services.stations import StationService
from sitecontroller.services.transactions import TransactionService

LEASE_UNCERTAINTY_S = 12.0
"""How much later than planned a lease may end: the station's clock and the message's way."""
REFUSED_RETRY_S = 10.0
UNANSWERED_RETRY_S = 1.0
READING_GRACE_S = 2.0

log = logging.getLogger(__name__)


class LoadService:
    """Owner of every EVSE's limit.

    `earlier_leases_s`: for how long limits of a controller that ran before may still hold; by
    default a lease and its uncertainty.
    """

    def __init__(
        self,
        topology: Topology,
        settings: LoadSettings,
        clock: Clock,
        publisher: Publisher,
        stations: StationService,
        transactions: TransactionService,
        metering: MeteringService,
        alarms: AlarmService,
        *,
        sample_interval_s: float,
        earlier_leases_s: float | None = None,
    ) -> None:
        self._topology = topology
        self._settings = settings
        self._clock = clock
        self._publisher = publisher
        self._stations = stations
        self._transactions = transactions
        self._metering = metering
        self._alarms = alarms
        reaction_s = settings.reaction_s
        stale_s = 2 * sample_interval_s + READING_GRACE_S
        self._timing = Timing(reaction_s, stale_s, max(2 * reaction_s, stale_s) + 2 * reaction_s)
        self._began_s = clock.monotonic_s()
        self._pace = CyclePace(clock)
        if earlier_leases_s is None:
            earlier_leases_s = settings.lease_s + LEASE_UNCERTAINTY_S
        leases_end_s = self._began_s + earlier_leases_s
        self._controls = {
            evse.key: EvseControl(evse, unknown_exposure(evse, leases_end_s, self._began_s))
            for evse in topology.evses()
        }
        self._of_station = {
            station.station_id: tuple(self._controls[evse.key] for evse in station.evses)
            for station in topology.stations.values()
        }
        self._circuits = Circuits(topology)
        self._limits = SiteLimits(topology, self._circuits, self._controls)
        self._below = {
            circuit_id: [self._controls[evse.key] for evse in topology.below(circuit_id)]
            for circuit_id in topology.circuits
        }
        self._fallbacks = Fallbacks(topology.stations, self._controls, alarms, clock.monotonic_s)
        self._dispatcher = Dispatcher(stations.link, clock.monotonic_s, self)
        self._meter_ids = {c.meter_id for c in topology.circuits.values() if c.meter_id is not None}
        self._numbers = count(1)
        self._started = False
        self._targets: dict[EvseKey, Limit] = {}
        self._limit_views: dict[EvseKey, LimitView] = {}
        self._circuit_views: dict[str, CircuitView] = {}
        self._asks: list[Order] = []
        self._chart = Chart()
        self._circuit_alarms = CircuitAlarms(alarms)
        self._start_room = StartRoom(
            self._controls,
            self._circuits,
            self._below,
            self._limits.groups,
            clock,
            self._pace.ask,
        )
        self._room_taken = False
        """Whether room was taken for a start since the snapshot: then nothing else rises by it."""
        self.cycle_late_ms: float | None = None
        """How late the last cycle ended after what it answers to."""

    # what others read

    def limit_view(self, key: EvseKey) -> LimitView | None:
        """What an EVSE may draw now and why; None before the first cycle or for an unknown one."""
        return self._limit_views.get(key)

    def circuit_view(self, circuit_id: str) -> CircuitView:
        """A circuit as of the last cycle. KeyError for one that isn't configured."""
        view = self._circuit_views.get(circuit_id)
        return view if view is not None else self._view_circuit(circuit_id, self._began_s)

    @property
    def fail_safe(self) -> str | None:
        """Why the site, or a part of it, is held at a safe value; None in normal operation."""
        reasons = (fail_safe_reason(control) for control in self._circuits.by_id.values())
        return next((reason for reason in reasons if reason is not None), None)

    def phase_history(self) -> tuple[PhaseSample, ...]:
        """The main circuit's last 60 min, a point per 5 s, oldest first."""
        return self._chart.points()

    def profile_writes(self, key: EvseKey) -> int:
        """Profiles written to that EVSE's flash today."""
        return self._controls[key].writes

    def hold(self, key: EvseKey, paused_by: str) -> None:
        """Keep the running session of an EVSE at 0 A; "": let it go on."""
        running = self._transactions.active(key)
        if running is not None:
            self._controls[key].held = running.key, paused_by
            self._pace.ask()

    def told_a(self, key: EvseKey) -> float | None:
        """What load management allows an EVSE with a session, A per phase; None: nobody charges."""
        control = self._controls.get(key)
        if control is None or control.transaction is None or not control.online:
            return None
        return control.limit_a(self._clock.monotonic_s())

    def limit_site(self, standing: Iterable[StandingLimit]) -> None:
        """From now on these site limits stand beside the fuses, and no others."""
        self._limits.replace(standing)
        self._pace.ask()

    def tell_again(self, key: EvseKey) -> None:
        """The limit is to be sent once more, soon: the station may not have taken it."""
        if self.told_a(key) is not None:
            self._controls[key].resend = True
            self._pace.ask()

    def pulled(self, key: EvseKey, lease_s: int) -> None:
        """A station asked for its limit itself, and its lease begins anew."""
        control = self._controls[key]
        ends_s = self._clock.monotonic_s() + lease_s + LEASE_UNCERTAINTY_S
        control.exposure = control.exposure.extended(ends_s)

    async def make_room(self, station_id: str, evse_id: int | None = None) -> bool:
        """Before a start is accepted: keep its fallback free, and wait until it provably is (S1).

        False: not proven. It is accepted all the same: the sum of fallbacks fits the fuses (S2).
        """
        self._room_taken = True
        return await self._start_room.make(station_id, evse_id)

    def prioritize(self, key: EvseKey, station_transaction_id: str, *, active: bool) -> None:
        """A session follows its station's priority profile, or our limits again."""
        control = self._controls.get(key)
        if control is not None and (active or control.priority_of == station_transaction_id):
            control.priority_of = station_transaction_id if active else ""
            self._room_taken = True
            self._pace.ask()

    async def room_is_proven(self, key: EvseKey) -> bool:
        """Whether all that may flow fits, an EVSE's part included, within some seconds."""
        return await self._start_room.proven((self._controls[key],), PRIORITY_ROOM_WITHIN_S)

    # the loop

    async def run(self) -> None:
        """Cycle until cancelled."""
        unsubscribe = self._publisher.subscribe(
            self._on_event, MeterMeasured, TransactionChanged, StationReady, StationDisconnected
        )
        try:
            while True:
                due_s = await self._pace.due()
                now_s = self._clock.monotonic_s()
                for orders in self.steps(now_s):
                    self._dispatcher.dispatch(orders)
                    await asyncio.sleep(0)
                self.cycle_late_ms = max(0.0, self._clock.monotonic_s() - due_s) * 1000
                await self._pace.rest()
        finally:
            unsubscribe()
            await self._dispatcher.close()

    def _on_event(self, event: Event) -> None:
        match event:
            case MeterMeasured(meter_id, reading) if meter_id in self._meter_ids:
                self._pace.ask(overloaded=self._circuits.overloaded_by(meter_id, reading))
            case TransactionChanged(began=began, ended=ended) if began or ended:
                self._pace.ask()
            case StationReady(station_id):
                self._fallbacks.forget(station_id)
                self._pace.ask()
            case StationDisconnected(station_id):
                self._fallbacks.forget(station_id)
                self._pace.ask()

    # one cycle

    def cycle(self, now_s: float) -> tuple[Order, ...]:
        """Look, decide, and return what is to be said to stations. Sends nothing."""
        return tuple(order for orders in self.steps(now_s) for order in orders)

    def steps(self, now_s: float) -> Iterator[tuple[Order, ...]]:
        """One cycle in steps of a few ms, so that others can have the loop in between.

        What is decided on is frozen before the first pause. Until it is decided exposures can only
        fall, and only a cycle raises them, so what was frozen is safe still; where room was taken
        for a start meanwhile, nothing rises in this cycle.
        """
        orders = self._observe(now_s)
        if not self._started:
            self._circuits.forget()
        self._measure(now_s)
        self._started = self._started or may_start(
            self._circuits, self._controls.values(), self._timing, self._began_s, now_s
        )
        snapshot = self._freeze(now_s) if self._started else None
        yield tuple(orders)
        orders = [] if snapshot is None else self._decide(snapshot, now_s)
        orders += self._asks
        self._asks = []
        yield tuple(orders)
        self._circuit_alarms.update(self._circuits, now_s)
        self._show(now_s)

    def _observe(self, now_s: float) -> list[Order]:
        """Who is connected, plugged and charging; which stations need their fallbacks."""
        orders: list[Order] = []
        for station in self._topology.stations.values():
            link = self._stations.link(station.station_id)
            if link is not None and self._fallbacks.are_due(link, now_s):
                orders.append(PushFallbacks(station.station_id))
            for control in self._of_station[station.station_id]:
                key = control.key
                if link is None and control.online:
                    control.lose_contact(now_s)
                untouched = control.catching_up and control.exposure.told_fallback
                ended = control.observe(
                    self._transactions.active(key),
                    online=link is not None,
                    plugged=self._stations.evse_state(key).plugged,
                    now_s=now_s,
                )
                if ended and not untouched:
                    orders.append(self._clear(control, now_s))
                if control.transaction is None:
                    if not ended and control.must_clear(now_s):
                        orders.append(self._clear(control, now_s))
                    continue
                measured = self._metering.evse(key)
                if measured is not None:
                    control.measure(measured.reading, measured.received_s, self._timing)
                    if link is not None:
                        tell_obedience(control, link)
                control.settle(now_s)
        return orders

    def _clear(self, control: EvseControl, now_s: float) -> ClearLimit:
        number = next(self._numbers)
        control.exposure = control.exposure.send(Sent(number, None, now_s, taken=False))
        control.resend = False
        return ClearLimit(control.key, number)

    def _measure(self, now_s: float) -> None:
        """What the circuits carry besides EVSEs."""
        flows: dict[str, list[Flows]] = defaultdict(list)
        for control in self._controls.values():
            flow = control.flow(now_s, self._timing)
            for circuit in self._circuits.up(control.evse.circuit_id):
                flows[circuit.circuit.circuit_id].append(flow)
        self._limits.hold(now_s)
        samples = {meter_id: self._metering.meter(meter_id) for meter_id in self._meter_ids}
        self._circuits.measure(samples, flows, self._clock.now(), now_s, self._began_s)

    def _freeze(self, now_s: float) -> Snapshot:
        """Idle EVSEs that can draw nothing are left out."""
        self._room_taken = False
        return Snapshot(
            tuple(control.state(RESERVE_A) for control in self._circuits.by_id.values()),
            tuple(
                control.demand(now_s)
                for control in self._controls.values()
                if control.transaction is not None or control.exposure_a(now_s) > 0
            ),
            self._limits.states(),
        )

    def _decide(self, snapshot: Snapshot, now_s: float) -> list[Order]:
        allocations = allocate(snapshot)
        blind = {id_ for id_ in self._circuits.by_id if self._circuits.sight(id_) is Sight.BLIND}
        self._targets = {
            key: self._blind_limit(key, allocation)
            if blind and self._controls[key].evse.circuit_id in blind
            else Limit(allocation.current_a, allocation.reason, allocation.bound_by)
            for key, allocation in allocations.by_key.items()
        }
        decisions = Pass(
            snapshot,
            self._controls,
            self._targets,
            self._circuits.sight,
            self._may_raise,
            self._settings.lease_s,
            now_s,
        )
        orders: list[Order] = [
            self._order(change, link, now_s)
            for change in decisions.changes()
            if (link := self._stations.link(change.key.station_id)) is not None
            and not self._would_raise(change, now_s)
        ]
        for control in self._controls.values():
            if control.transaction is not None and control.online and not control.catching_up:
                orders += watch(control, self._alarms, self._timing, now_s)
        return orders

    def _would_raise(self, change: Change, now_s: float) -> bool:
        """Then an increase that never left is taken back, and the next cycle decides."""
        waiting = self._dispatcher.waiting(change.key)
        control = self._controls[change.key]
        if waiting is None or not would_raise(change, control, waiting.number, now_s):
            return False
        self._dispatcher.take_back(change.key)
        return True

    def _may_raise(self, key: EvseKey) -> bool:
        link = self._stations.link(key.station_id)
        return not self._room_taken and (link is None or link.may_raise(key.evse_id))

    def _blind_limit(self, key: EvseKey, allocation: Allocation) -> Limit:
        """S9: "slow" is the fallback, "stop" is nothing; less where more than fuses limits."""
        evse = self._controls[key].evse
        safe_a = evse.fallback_a if self._settings.fail_safe == "slow" else 0.0
        if allocation.current_a < safe_a and self._limits.binds(evse):
            return Limit(allocation.current_a, allocation.reason, allocation.bound_by)
        return Limit(safe_a, "meter silent", "meter")

    def _order(self, change: Change, link: StationLink, now_s: float) -> SetLimit:
        control = self._controls[change.key]
        transaction = control.transaction
        assert transaction is not None, "only an EVSE with a session is told anything"
        above = change.current_a > control.evse.fallback_a
        leased = above and link.clock_offset_s is not None and link.holds_leases
        number = next(self._numbers)
        control.send(number, change.current_a, leased=leased, now_s=now_s)
        control.count_write(self._clock.now().toordinal())
        limit = ChargingLimit(
            evse_id=change.key.evse_id,
            current_a=change.current_a,
            phase_count=control.phase_count,
            lease_s=self._settings.lease_s if leased else None,
            fallback_a=control.evse.fallback_a,
            transaction_id=transaction.station_transaction_id,
        )
        return SetLimit(change.key, number, limit)

    # what became of orders

    def limit_answered(self, order: LimitOrder, outcome: Outcome) -> None:
        """A limit was taken, refused, lost or overtaken. None of it proves what holds."""
        control, now_s = self._controls[order.key], self._clock.monotonic_s()
        if isinstance(order, ClearLimit):
            if outcome is Outcome.TAKEN:
                control.exposure = control.exposure.answered(order.number, None)
            elif outcome is Outcome.UNANSWERED and control.transaction is None:
                control.resend, control.retry_s = True, now_s + UNANSWERED_RETRY_S
            if outcome is not Outcome.NEVER_SENT:
                self._asks.append(AskEvidence(order.key, reading=False, schedule=True))
            return
        lease_s = order.limit.lease_s
        if outcome is not Outcome.NEVER_SENT:
            ends_s = None if lease_s is None else now_s + lease_s + LEASE_UNCERTAINTY_S
            taken = outcome is Outcome.TAKEN
            control.exposure = control.exposure.answered(order.number, ends_s, taken=taken)
        else:
            control.exposure = control.exposure.withdraw(order.number)
        if outcome is Outcome.REFUSED:
            control.exposure = control.exposure.refused(order.number, now_s)
            control.resend, control.retry_s = True, now_s + REFUSED_RETRY_S
        elif outcome is Outcome.UNANSWERED:
            control.resend, control.retry_s = True, now_s + UNANSWERED_RETRY_S

    def schedule_answered(self, key: EvseKey, scheduled: ScheduledLimit, asked_s: float) -> None:
        """A composite schedule came."""
        control = self._controls[key]
        if scheduled.current_a is not None:
            control.heard()
        read_back(control, scheduled, asked_s)

    async def push_fallbacks(self, link: StationLink) -> None:
        """S5 for one station; for the dispatcher."""
        await self._fallbacks.push(link)
        self._pace.ask()

    # what is shown

    def _show(self, now_s: float) -> None:
        limits = {
            key: limit_view(control, self._targets.get(key), now_s)
            for key, control in self._controls.items()
        }
        circuits = {id_: self._view_circuit(id_, now_s) for id_ in self._circuits.by_id}
        keys = changed(self._limit_views, limits)
        ids = tuple(id_ for id_, view in circuits.items() if self._circuit_views.get(id_) != view)
        self._limit_views, self._circuit_views = limits, circuits
        self._chart.note(circuits[self._circuits.root.circuit.circuit_id], self._clock.now(), now_s)
        if keys or ids:
            self._publisher.publish(LimitsChanged(tuple(sorted(keys)), ids))

    def _view_circuit(self, circuit_id: str, now_s: float) -> CircuitView:
        reasons = (fail_safe_reason(control) for control in self._circuits.up(circuit_id))
        fail_safe = next((reason for reason in reasons if reason is not None), None)
        return circuit_view(
            self._circuits.by_id[circuit_id], self._below[circuit_id], now_s, fail_safe
        )
