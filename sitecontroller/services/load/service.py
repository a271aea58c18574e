"""Load management: one cycle per meter sample, from what is known to what each EVSE may draw.

Here is what others call, and the loop: `run` plays a cycle (`cycle.py`) at each sample of a site
meter, or after a second without any, and hands its orders to tasks, so that no station can delay
the next cycle. Safety rules S1–S6 and what they promise are in docs/load-management.md.
"""

import asyncio
import logging
from collections.abc import Iterable, Iterator

from sitecontroller.config import LoadSettings
from sitecontroller.dlm.advice import Advice
from sitecontroller.dlm.snapshot import Snapshot
from sitecontroller.domain.events import (
    Event,
    MeterMeasured,
    StationDisconnected,
    StationReady,
    TransactionChanged,
)
from sitecontroller.domain.limit_source import GroupView
from sitecontroller.domain.topology import EvseKey, Topology
from sitecontroller.domain.transaction import Transaction
from sitecontroller.domain.views import CircuitView, LimitView, PhaseSample
from sitecontroller.ports import Clock
from sitecontroller.publisher import Publisher
from sitecontroller.services.alarms import AlarmService
from sitecontroller.services.load.answers import Answers
from sitecontroller.services.load.claim import Claim
from sitecontroller.services.load.cycle import Cycle
from sitecontroller.services.load.demand import PeakDemand
from sitecontroller.services.load.fallbacks import Fallbacks
from sitecontroller.services.load.limits import StandingLimit
from sitecontroller.services.load.orders import Dispatcher, Order
from sitecontroller.services.load.pace import CyclePace
from sitecontroller.services.load.room import PRIORITY_ROOM_WITHIN_S, StartRoom
from sitecontroller.services.load.state import LEASE_UNCERTAINTY_S, unknown_state
from sitecontroller.services.load.trial import LeaseTrial
from sitecontroller.services.load.views import fail_safe_reason, group_view
from sitecontroller.services.metering import MeteringService
from sitecontroller.services.stations import StationService
from sitecontroller.services.transactions import TransactionService

ENOUGH_A = 0.05
"""By so little less than its minimum a car can charge all the same."""

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
        self._clock = clock
        self._publisher = publisher
        self._transactions = transactions
        state = unknown_state(topology, settings, clock, sample_interval_s, earlier_leases_s)
        self._state = state
        self._controls = state.controls
        self._circuits = state.circuits
        self._pace = CyclePace(clock)
        self._fallbacks = Fallbacks(
            topology.stations, state.controls, alarms, clock.monotonic_s, state.timing.reaction_s
        )
        answers = Answers(state.controls, self._fallbacks, clock, self._pace)
        self._dispatcher = Dispatcher(stations.link, clock.monotonic_s, answers)
        self._cycle = Cycle(
            state,
            self._fallbacks,
            self._dispatcher,
            answers,
            publisher,
            stations,
            transactions,
            metering,
            alarms,
        )
        self._start_room = StartRoom(
            state.controls,
            state.circuits,
            state.below,
            state.limits.groups,
            clock,
            self._pace.ask,
        )
        self.cycle_late_ms: float | None = None
        """How late the last cycle ended after what it answers to."""

    # what others read

    def limit_view(self, key: EvseKey) -> LimitView | None:
        """What an EVSE may draw now and why; None before the first cycle or for an unknown one."""
        return self._cycle.limit_views.get(key)

    def circuit_view(self, circuit_id: str) -> CircuitView:
        """A circuit as of the last cycle. KeyError for one that isn't configured."""
        view = self._cycle.circuit_views.get(circuit_id)
        return view or self._cycle.view_circuit(circuit_id, self._state.began_s)

    def group_views(self) -> tuple[GroupView, ...]:
        """The groups of site.toml, as of the last cycle."""
        now_s = self._clock.monotonic_s()
        return tuple(group_view(group, now_s) for group in self._state.limits.groups)

    @property
    def fail_safe(self) -> str | None:
        """Why the site, or a part of it, is held at a safe value; None in normal operation."""
        reasons = (fail_safe_reason(control) for control in self._circuits.by_id.values())
        return next((reason for reason in reasons if reason is not None), None)

    @property
    def peak_demand(self) -> PeakDemand | None:
        """What counts the peak-demand window; None: no target is set."""
        return self._cycle.own_meters.peak_demand

    def phase_history(self) -> tuple[PhaseSample, ...]:
        """The main circuit's last 60 min, a point per 5 s, oldest first."""
        return self._cycle.chart.points()

    @property
    def advice(self) -> Advice:
        """Where a plan puts what it advises; the cycle follows it within its own rules."""
        return self._cycle.advice

    @property
    def snapshot(self) -> Snapshot | None:
        """What the last cycle decided on; None before the first."""
        return self._cycle.snapshot

    def profile_writes(self, key: EvseKey) -> int:
        """Profiles written to that EVSE's flash today."""
        return self._controls[key].writes

    def hold(self, key: EvseKey, paused_by: str) -> None:
        """Keep the running session of an EVSE at 0 A; "": let it go on."""
        running = self._transactions.active(key)
        if running is not None:
            self._controls[key].held = running.key, paused_by
            self._pace.ask()

    def cap(self, key: EvseKey, current_a: float | None) -> None:
        """Give an EVSE no more than this, until further notice; None: let it share as before."""
        self._controls[key].cap_a = current_a
        self._pace.ask()

    def try_lease(self, key: EvseKey, way: str, lease_s: int) -> LeaseTrial:
        """Tell a session what it has once more, in one way and with a short lease, and then leave
        it alone: its limit counts as if it never ended (`end_trial`)."""
        control = self._controls[key]
        trial = LeaseTrial(way, lease_s, control.limit_a(self._clock.monotonic_s()))
        control.trial = trial
        self._pace.ask()
        return trial

    def end_trial(self, key: EvseKey) -> None:
        """Tell its limit in the usual way again, and its fallback, which a trial may have taken the
        place of."""
        control = self._controls[key]
        control.trial = None
        if control.transaction is not None:
            control.resend = True
        self._fallbacks.forget(key.station_id)
        self._pace.ask()

    def claim(self, key: EvseKey, claim: Claim) -> None:
        """What the session at an EVSE may claim beside others, from now on."""
        control = self._controls.get(key)
        if control is not None:
            control.claimed = claim
            self._pace.ask()

    def told_a(self, key: EvseKey) -> float | None:
        """What load management allows an EVSE with a session, A per phase; None: nobody charges."""
        control = self._controls.get(key)
        if control is None or control.transaction is None or not control.online:
            return None
        return control.limit_a(self._clock.monotonic_s())

    def withheld(self, transaction: Transaction) -> str | None:
        """Why its EVSE is told less than the car needs to charge; "": it isn't, or the car wouldn't
        take it; None: load management doesn't know the session (yet)."""
        key = EvseKey(transaction.station_id, transaction.evse_id)
        control = self._controls.get(key)
        known = None if control is None else control.transaction
        if control is None or known is None or known.key != transaction.key:
            return None
        told_a = control.limit_a(self._clock.monotonic_s())
        is_enough = told_a > control.minimum_a - ENOUGH_A
        sleeps = control.need.asleep and not control.paused_by
        if is_enough or sleeps or not known.may_charge:
            return ""
        view = self._cycle.limit_views.get(key)
        reason = "" if view is None else view.reason.partition(": ")[2]
        return reason or "load management"

    def limit_site(self, standing: Iterable[StandingLimit]) -> None:
        """From now on these site limits stand beside the fuses, and no others."""
        self._state.limits.replace(standing)
        self._pace.ask()

    def shed(self, by: str, circuit_id: str, words: str) -> None:
        """Hold all below a circuit at 0 A, at once and whatever else is decided or known."""
        self._state.shedding.hold(by, circuit_id, words)
        self._pace.ask(overloaded=True)

    def end_shedding(self, by: str) -> None:
        """Let what `by` held share again."""
        self._state.shedding.let_go(by)
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
        self._cycle.room_taken = True
        return await self._start_room.make(station_id, evse_id)

    def prioritize(self, key: EvseKey, station_transaction_id: str, *, active: bool) -> None:
        """A session follows its station's priority profile, or our limits again."""
        control = self._controls.get(key)
        if control is not None and (active or control.priority_of == station_transaction_id):
            control.priority_of = station_transaction_id if active else ""
            self._cycle.room_taken = True
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
        log.info("load management: %s", self._state.settings.policy)
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

    def cycle(self, now_s: float) -> tuple[Order, ...]:
        """Look, decide, and return what is to be said to stations. Sends nothing."""
        return tuple(order for orders in self.steps(now_s) for order in orders)

    def steps(self, now_s: float) -> Iterator[tuple[Order, ...]]:
        """One cycle in steps of a few ms, so that others can have the loop in between."""
        return self._cycle.steps(now_s)

    def _on_event(self, event: Event) -> None:
        match event:
            case MeterMeasured(meter_id, reading) if meter_id in self._cycle.meter_ids:
                self._pace.ask(overloaded=self._circuits.overloaded_by(meter_id, reading))
            case TransactionChanged(began=began, ended=ended) if began or ended:
                self._pace.ask()
            case StationReady(station_id):
                self._fallbacks.forget(station_id)
                self._pace.ask()
            case StationDisconnected(station_id):
                self._fallbacks.forget(station_id)
                self._pace.ask()
