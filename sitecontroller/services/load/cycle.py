"""One cycle of load management: observe, measure, freeze, decide, show.

It sends nothing: it reads meters, stations and transactions and returns orders. Safety rules S1–S6
and what they promise are in docs/load-management.md.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from itertools import count

from sitecontroller.dlm.advice import Advice
from sitecontroller.dlm.allocate import Allocation, allocate
from sitecontroller.dlm.base import Flows
from sitecontroller.dlm.exposure import Sent
from sitecontroller.dlm.limits import Limit
from sitecontroller.dlm.snapshot import Demand, Snapshot
from sitecontroller.domain.events import LimitsChanged
from sitecontroller.domain.topology import NOMINAL_V, EvseKey
from sitecontroller.domain.views import CircuitView, LimitView
from sitecontroller.ports import ChargingLimit, StationLink
from sitecontroller.publisher import Publisher
from sitecontroller.services.alarms import AlarmService
from sitecontroller.services.load.answers import Answers
from sitecontroller.services.load.breakers import Breakers
from sitecontroller.services.load.circuits import Sight
from sitecontroller.services.load.decide import Change, Pass, would_raise
from sitecontroller.services.load.discharge import discharges_of
from sitecontroller.services.load.evse import EvseControl
from sitecontroller.services.load.fallbacks import Fallbacks, may_start
from sitecontroller.services.load.flows import flows_of
from sitecontroller.services.load.leases import ends_by_itself, lease_s_of, told_again_after_s
from sitecontroller.services.load.obedience import tell_obedience, watch
from sitecontroller.services.load.orders import (
    ClearLimit,
    Dispatcher,
    Order,
    PushFallbacks,
    SetLimit,
)
from sitecontroller.services.load.own_meters import OwnMeters
from sitecontroller.services.load.reserve import reserve_of
from sitecontroller.services.load.state import LoadState
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


class Cycle:
    """Decides what each EVSE is told, and shows it. The state is the service's; only what one cycle
    hands to the next for its own use is kept here."""

    def __init__(
        self,
        state: LoadState,
        fallbacks: Fallbacks,
        dispatcher: Dispatcher,
        answers: Answers,
        publisher: Publisher,
        stations: StationService,
        transactions: TransactionService,
        metering: MeteringService,
        alarms: AlarmService,
    ) -> None:
        self._state = state
        self._controls = state.controls
        self._circuits = state.circuits
        self._limits = state.limits
        self._settings = state.settings
        self.own_meters = OwnMeters(state, metering.meter, self._demand)
        self._discharges = discharges_of(state, stations, metering, self.own_meters)
        self._clock = state.clock
        self._fallbacks = fallbacks
        self._dispatcher = dispatcher
        self._answers = answers
        self._publisher = publisher
        self._stations = stations
        self._transactions = transactions
        self._metering = metering
        self._alarms = alarms
        circuits = state.topology.circuits.values()
        self.meter_ids = {c.meter_id for c in circuits if c.meter_id is not None}
        self._numbers = count(1)
        self._targets: dict[EvseKey, Limit] = {}
        self._circuit_alarms = CircuitAlarms(alarms)
        self._breakers = Breakers(
            state.circuits.by_id.values(), state.below, state.shedding, alarms
        )
        self.started = False
        """Whether enough is known to share (S5)."""
        self.room_taken = False
        """Whether room was taken for a start since the snapshot: then nothing else rises by it."""
        self.limit_views: dict[EvseKey, LimitView] = {}
        self.circuit_views: dict[str, CircuitView] = {}
        self.chart = Chart()
        self.advice = Advice()
        self.snapshot: Snapshot | None = None
        """What the last cycle decided on."""

    def steps(self, now_s: float) -> Iterator[tuple[Order, ...]]:
        """One cycle in steps of a few ms, so that others can have the loop in between.

        What is decided on is frozen before the first pause. Until it is decided exposures can only
        fall, and only a cycle raises them, so what was frozen is safe still; where room was taken
        for a start meanwhile, nothing rises in this cycle.
        """
        orders = self._observe(now_s)
        if not self.started:
            self._circuits.forget()
        self._measure(now_s)
        orders += self._breakers.watch(now_s)
        self.started = self.started or may_start(
            self._circuits, self._controls.values(), self._state.timing, self._state.began_s, now_s
        )
        must_decide = self.started or self._state.shedding
        snapshot = self._freeze(now_s) if must_decide else None
        yield tuple(orders)
        orders = [] if snapshot is None else self._decide(snapshot, now_s)
        orders += self._answers.asks()
        yield tuple(orders)
        self._circuit_alarms.update(self._circuits, now_s)
        self._show(now_s)

    def _observe(self, now_s: float) -> list[Order]:
        """Who is connected, plugged and charging; which stations need their fallbacks."""
        orders: list[Order] = []
        day = self._clock.now().toordinal()
        for station in self._state.topology.stations.values():
            link = self._stations.link(station.station_id)
            if link is not None and self._fallbacks.are_due(link, now_s):
                orders.append(PushFallbacks(station.station_id))
            for control in self._state.of_station[station.station_id]:
                key = control.key
                control.begin_day(day)
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
                    control.measure(measured.reading, measured.received_s, self._state.timing)
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
            flow = flows_of(control, now_s, self._state.timing)
            for circuit in self._circuits.up(control.evse.circuit_id):
                flows[circuit.circuit.circuit_id].append(flow)
        self._limits.hold(now_s)
        samples = {meter_id: self._metering.meter(meter_id) for meter_id in self.meter_ids}
        now = self._clock.now()
        self._circuits.measure(samples, flows, now, now_s, self._state.began_s)
        self.own_meters.follow(now, now_s)

    def _freeze(self, now_s: float) -> Snapshot:
        """Idle EVSEs that can draw nothing are left out."""
        self.room_taken = False
        self.snapshot = Snapshot(
            tuple(
                circuit.state(reserve_of(circuit, self._state.below[circuit_id]))
                for circuit_id, circuit in self._circuits.by_id.items()
            ),
            tuple(
                self._demand(control, now_s)
                for control in self._controls.values()
                if control.transaction is not None or control.exposure_a(now_s) > 0
            ),
            self._limits.states(),
            self._settings.policy,
        )
        return self.snapshot

    def _demand(self, control: EvseControl, now_s: float) -> Demand:
        """A boost is for now: no plan puts it off."""
        demand = control.demand(now_s)
        if control.claim.boosts(now_s):
            return demand
        return self.advice.followed(demand, now_s, NOMINAL_V)

    def _decide(self, snapshot: Snapshot, now_s: float) -> list[Order]:
        self._targets = self._shared(snapshot) if self.started else {}
        shed = self._state.shedding.targets(self._controls.values())
        if self._discharges is not None and self.started:
            self._targets |= self._discharges.targets(shed.keys(), now_s)
        self._targets |= shed
        decisions = Pass(
            snapshot,
            self._controls,
            self._targets,
            self._circuits.sight,
            self._may_raise,
            self._told_again_after_s,
            self._state.timing,
            now_s,
        )
        changes = decisions.changes()
        if self._discharges is not None:
            changes = self._discharges.changes(changes, now_s)
        orders: list[Order] = [
            self._order(change, link, now_s)
            for change in changes
            if (link := self._stations.link(change.key.station_id)) is not None
            and not self._would_raise(change, now_s)
        ]
        for control in self._controls.values():
            if control.transaction is not None and control.online and not control.catching_up:
                orders += watch(control, self._alarms, self._state.timing, now_s)
        return orders

    def _shared(self, snapshot: Snapshot) -> dict[EvseKey, Limit]:
        """What each EVSE that can be told something should have."""
        blind = {id_ for id_ in self._circuits.by_id if self._circuits.sight(id_) is Sight.BLIND}
        return {
            key: self._blind_limit(key, allocation)
            if blind and self._controls[key].evse.circuit_id in blind
            else Limit(allocation.current_a, allocation.reason, allocation.bound_by)
            for key, allocation in allocate(snapshot).by_key.items()
        }

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
        return not self.room_taken and (link is None or link.may_raise(key.evse_id))

    def _told_again_after_s(self, key: EvseKey) -> float:
        link = self._stations.link(key.station_id)
        return math.inf if link is None else told_again_after_s(self._controls[key], link)

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
        trial = control.trial_of(change.current_a)
        lease_s = None
        if above and ends_by_itself(control, link):
            lease_s = lease_s_of(control, self._settings) if trial is None else trial.lease_s
        number = next(self._numbers)
        control.count_write(lower=change.current_a < control.limit_a(now_s))
        control.send(number, change.current_a, lease_s=lease_s, now_s=now_s)
        if trial is not None:
            trial.number = number
        limit = ChargingLimit(
            evse_id=change.key.evse_id,
            current_a=change.current_a,
            phase_count=control.phase_count_at(change.current_a),
            lease_s=lease_s,
            fallback_a=control.evse.fallback_a,
            transaction_id=transaction.station_transaction_id,
            way=None if trial is None else trial.way,
            discharge=None
            if self._discharges is None
            else self._discharges.told(change.key, change.current_a, now_s),
        )
        return SetLimit(change.key, number, limit)

    # what is shown

    def _show(self, now_s: float) -> None:
        limits = {
            key: limit_view(control, self._targets.get(key), now_s, self._settings.policy)
            for key, control in self._controls.items()
        }
        circuits = {id_: self.view_circuit(id_, now_s) for id_ in self._circuits.by_id}
        keys = changed(self.limit_views, limits)
        ids = tuple(id_ for id_, view in circuits.items() if self.circuit_views.get(id_) != view)
        self.limit_views, self.circuit_views = limits, circuits
        self.chart.note(circuits[self._circuits.root.circuit.circuit_id], self._clock.now(), now_s)
        if keys or ids:
            self._publisher.publish(LimitsChanged(tuple(sorted(keys)), ids))

    def view_circuit(self, circuit_id: str, now_s: float) -> CircuitView:
        """A circuit as it is now."""
        reasons = (fail_safe_reason(control) for control in self._circuits.up(circuit_id))
        fail_safe = next((reason for reason in reasons if reason is not None), None)
        return circuit_view(
            self._circuits.by_id[circuit_id],
            self._state.below[circuit_id],
            now_s,
            fail_safe,
            demand=self.own_meters.demand_view(circuit_id, self._clock.now()),
            surplus=self.own_meters.surplus_view(circuit_id),
        )
