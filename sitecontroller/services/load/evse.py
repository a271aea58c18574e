"""What load management remembers of one EVSE: exposure, dwell, need, phases, obedience.

Fed once per cycle with what stations, transactions and meters say; gives the allocator its demand.
It sends nothing.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum

from sitecontroller.dlm.admission import up_to_step
from sitecontroller.dlm.exposure import EVIDENCE_TOLERANCE_A, NOT_SENT, Exposure, Sent
from sitecontroller.dlm.phases import PhasesInUse
from sitecontroller.dlm.snapshot import Demand
from sitecontroller.dlm.stability import BEGINS_A_MAX, Dwell, Need
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.station import ChargingState
from sitecontroller.domain.topology import Evse, EvseKey, LimitUnit, Supply
from sitecontroller.domain.transaction import Transaction
from sitecontroller.services.load.claim import CLASSES, NO_CLAIM, Claim
from sitecontroller.services.load.draw import UNKNOWN_CURRENT, Draw, GridCurrent, grid_current
from sitecontroller.services.load.trial import LeaseTrial

PLUGGED_RESERVE_S = 120.0
"""How long a plugged car without a session has its fallback kept free for it."""
ASK_EVERY_S = 10.0
ASKS_MAX = 6
ASK_SELDOM_S = 60.0
"""After so many questions without a reading in answer."""
TOLD_LATE = timedelta(seconds=60)
"""A session told of so long after it began comes from a station's queue."""
CATCH_UP_S = 15.0
"""For so long it may be over already."""
OBEYS_A = 1.0
OBEYS_SHARE = 0.05


class Obedience(IntEnum):
    """How far S6 went with an EVSE."""

    OBEYS = 0
    STOPPED = 1
    """Its transaction was told to end."""
    UNAVAILABLE = 2


@dataclass(frozen=True, slots=True)
class Timing:
    """Windows in seconds: how long a change takes to show, how old a reading may be."""

    reaction_s: float
    stale_s: float
    evidence_s: float
    """Without evidence for so long after a decrease, S6 begins."""


@dataclass(slots=True)
class EvseControl:
    """One EVSE. `online` means: connected and ready to be told something."""

    evse: Evse
    exposure: Exposure
    online: bool = False
    fallback_confirmed: bool = False
    transaction: Transaction | None = None
    catching_up: bool = False
    """The session was told of long after it began and shows no sign of life yet: most likely it is
    one of the station's offline hours, and its end is on the way. It keeps what it had."""
    transaction_since_s: float = 0.0
    plugged_since_s: float | None = None
    held: tuple[str, str] = ("", "")
    """A session by its key, which may be seen here only with the next cycle, and who holds it at
    0 A, in words; nobody if empty."""
    priority_of: str = ""
    """The session, by the station's id, that follows its priority profile instead of our limit."""
    cap_a: float | None = None
    """No more than this for now: commissioning moves its limit."""
    trial: LeaseTrial | None = None
    claimed: Claim = NO_CLAIM
    """The last session's that claimed anything."""
    kept_until_s: float = float("-inf")
    """Its fallback is kept free for a start that is about to be accepted."""
    draw: Draw | None = None
    gives_a: float = 0.0
    """The most it may be giving back now, A per phase: told, or shown."""
    gave_wh: float = 0.0
    """What it gave back in this session: it needs that again."""
    dwell: Dwell = field(default_factory=Dwell)
    need: Need = field(init=False)
    phases: PhasesInUse = field(init=False)
    key: EvseKey = field(init=False)
    changed_s: float = float("-inf")
    """When its limit last changed."""
    increased_s: float = float("-inf")
    sent_s: float = float("-inf")
    """When a limit was last sent, the same one again included."""
    sent_a: float = 0.0
    sent_phase_count: int | None = None
    lease_s: int | None = None
    """After how long that one ends by itself; None: it doesn't."""
    resend: bool = False
    """The last limit got no answer."""
    retry_s: float = float("-inf")
    """No further attempt before."""
    ask_s: float = float("-inf")
    """No further question before; the waits grow while none is answered."""
    _asks: int = 0
    over_since_s: float | None = None
    followed: bool | None = None
    """Whether the last reading showed that a limit was obeyed (it drew more before) or was not;
    None: it showed neither."""
    obedience: Obedience = Obedience.OBEYS
    obedience_since_s: float = 0.0
    ended_s: float | None = None
    """When the last session here ended."""
    left: GridCurrent = UNKNOWN_CURRENT
    """What that one drew last."""
    writes_day: int = 0
    writes: int = 0
    writes_spent: int = 0
    """Of that day's budget: decreases are exempt."""
    _looked_at: tuple[Exposure, float] | None = None
    _most_a: float = 0.0
    _told_a: float = 0.0
    """As of that look: one cycle asks for them many times over."""

    def __post_init__(self) -> None:
        self.key = self.evse.key
        self._forget_car()

    def observe(
        self,
        transaction: Transaction | None,
        *,
        online: bool,
        plugged: bool,
        now_s: float,
    ) -> bool:
        """Who is there now. True: a session ended here since the last look."""
        self.online = online
        ended = False
        if not plugged:
            self.plugged_since_s = None
        elif self.plugged_since_s is None:
            self.plugged_since_s = now_s
        before = self.transaction
        if (before.key if before else None) != (transaction.key if transaction else None):
            if before is not None:
                ended, self.ended_s = True, now_s
                self.left = self.draw.grid if self.draw is not None else UNKNOWN_CURRENT
                self.exposure = self.exposure.scaled(self._on_one_phase, self.evse.current_a_max)
            self._forget_car()
            self.transaction_since_s = now_s
        self.transaction = transaction
        self.catching_up = (
            transaction is not None
            and self.draw is None
            and transaction.start_received_at - transaction.started_at > TOLD_LATE
            and now_s - self.transaction_since_s < CATCH_UP_S
        )
        return ended

    def measure(self, reading: MeterReading, received_s: float, timing: Timing) -> bool:
        """Take a reading once; False: known already, or from before this session."""
        known = self.draw is not None and received_s <= self.draw.received_s
        if self.transaction is None or known or received_s < self.transaction_since_s:
            return False
        before = self.draw
        grid = grid_current(self.evse, reading)
        self.draw = Draw(grid, received_s, before.grid if before is not None else UNKNOWN_CURRENT)
        self.heard()
        one, two, three = (None if a is None else abs(a) for a in grid.current_a)
        self.phases.observe((one, two, three), received_s)
        most_a = self.draw.most_a
        if most_a is None:
            return False
        limit_a = self.exposure.limit_a(received_s)
        if self.trial is None:
            self.need.observe(most_a, limit_a, received_s)
        before_a = before.most_a if before is not None else None
        self.followed = self._has_followed(most_a, before_a or 0.0, limit_a)
        self._judge(most_a, received_s, timing)
        self.exposure = self.exposure.measured(most_a, received_s, timing.reaction_s)
        return True

    def settle(self, now_s: float) -> None:
        """Time passes: dwell, credit and a sleeping car's next knock."""
        if self.transaction is None:
            return
        silent = self.draw is None or self.draw.most_a is None
        if silent and self.transaction.charging_state is ChargingState.SUSPENDED_EV:
            self.need.suspended(self.limit_a(now_s), now_s)
        self.need.knock(now_s)
        # A fallback in doubt might let it charge; that is no start of which its contactor wears.
        running = self.exposure.with_fallback(self.evse.fallback_a).limit_a(now_s) > 0
        self.dwell.update(running=running, wants=not self.need.asleep, now_s=now_s)

    def exposure_a(self, now_s: float) -> float:
        """What it may draw now per phase (`load-management.md`, step 2).

        Without a session it draws nothing as long as it can't start unheard: online with its
        fallback in place. A car just plugged has that fallback kept free. A priority profile is no
        more than the fallback.
        """
        self._look(now_s)
        most_a = max(self._most_a, self.evse.fallback_a) if self.has_priority else self._most_a
        if self.transaction is not None or not self.online or not self.fallback_confirmed:
            return most_a
        since_s = self.plugged_since_s
        just_plugged = since_s is not None and now_s - since_s < PLUGGED_RESERVE_S
        return self.evse.fallback_a if just_plugged or now_s < self.kept_until_s else 0.0

    def limit_a(self, now_s: float) -> float:
        """What it was last told, or its fallback where that has run out."""
        self._look(now_s)
        return self._told_a

    def least_a(self, now_s: float, timing: Timing) -> float:
        """What surely holds there: an order above it may raise what it draws.

        It is no less than what it is seen to draw. Its fallback counts as the configured one, also
        while nobody knows whether it has that.
        """
        exposure = self.exposure.with_fallback(self.evse.fallback_a)
        least_a, draw = exposure.least_a(now_s) * self._phase_share, self.draw
        if draw is None or draw.received_s < exposure.known_s or not self.is_fresh(now_s, timing):
            return least_a
        return max(least_a, draw.most_a or 0.0)

    def _look(self, now_s: float) -> None:
        looked_at = self._looked_at
        exposure = self.exposure
        if looked_at is None or looked_at[0] is not exposure or looked_at[1] != now_s:
            self._looked_at = exposure, now_s
            self._most_a, self._told_a = exposure.most_a(now_s), exposure.limit_a(now_s)

    @property
    def paused_by(self) -> str:
        """Who holds this session at 0 A, in words; nobody if empty."""
        held, by = self.held
        return by if self.transaction is not None and self.transaction.key == held else ""

    @property
    def claim(self) -> Claim:
        """What the session here may claim."""
        transaction, claimed = self.transaction, self.claimed
        is_its = transaction is not None and transaction.key == claimed.transaction_key
        return claimed if is_its else NO_CLAIM

    @property
    def has_priority(self) -> bool:
        """Whether the session here charges with priority, whatever it is told."""
        transaction = self.transaction
        return transaction is not None and transaction.station_transaction_id == self.priority_of

    @property
    def steerable(self) -> bool:
        """Whether the allocator decides for it; a session on a refused card keeps its fallback."""
        return (
            self.online
            and self.transaction is not None
            and self.transaction.may_charge
            and not self.catching_up
            and self.obedience is Obedience.OBEYS
            and self.over_since_s is None
            and not self.has_priority
        )

    def demand(self, now_s: float) -> Demand:
        """For the allocator."""
        evse, transaction, trial = self.evse, self.transaction, self.trial
        using = transaction is not None
        most_a = evse.current_a_max if self.cap_a is None else min(evse.current_a_max, self.cap_a)
        return Demand(
            key=self.key,
            circuit_id=evse.circuit_id,
            phases=self.phases.phases if using else evse.phase_map.site_phases,
            current_a_min=self.minimum_a,
            current_a_max=most_a if trial is None else min(most_a, trial.limit_a),
            need_a=self._need_a if trial is None else trial.limit_a,
            step_a=evse.step_a,
            weight=evse.weight,
            demand_class=CLASSES[self.claim.class_at(evse, now_s)],
            guaranteed_a=evse.guaranteed_a,
            departs_in_s=self.claim.departs_in_s(now_s),
            energy_need_wh=self.claim.need_wh(transaction, self.gave_wh),
            steerable=self.steerable,
            wants=not self.need.asleep or trial is not None,
            paused_by=self.paused_by,
            exposure_a=self.exposure_a(now_s),
            measured_a=self.draw.most_a if self.draw else None,
            limit_a=self.limit_a(now_s),
            settled_s=self.dwell.settled_s(now_s),
            credit_s=self.dwell.credit_s,
            plugged_s=transaction.started_at.timestamp() if transaction else 0.0,
            may_start=self.dwell.may_start(now_s),
        )

    @property
    def _need_a(self) -> float | None:
        """Never rounded down: only a limit with something on top of what the car takes shows
        whether it would take more."""
        need_a = self.need.need_a
        return None if need_a is None else up_to_step(need_a, self.evse.step_a)

    @property
    def minimum_a(self) -> float:
        """The least worth offering.

        A station that takes watts spreads them over the phases in use; until it is known that a
        car uses several, each phase is offered what one phase might take alone.
        """
        if self._in_watts:
            least_a = max(self._watts_minimum_a, self.need.least_a)
            return min(least_a, self.evse.current_a_max)
        return self.need.least_a

    @property
    def _in_watts(self) -> bool:
        return self.evse.limit_unit is LimitUnit.W and self.evse.supply is Supply.AC

    @property
    def _watts_minimum_a(self) -> float:
        return self.evse.current_a_min * self.evse.phase_count / len(self.phases.learned or (0,))

    def phase_count_at(self, limit_a: float) -> int:
        """The number of phases that a limit is sent for.

        A station in watts too small to give a car its minimum that way is told what all its phases
        take together: none can carry more than its maximum, which is what counts.
        """
        if not self._in_watts:
            return self.evse.phase_count
        if limit_a >= self.evse.current_a_max and self._watts_minimum_a > self.evse.current_a_max:
            return self.evse.phase_count
        return len(self.phases.learned or (0,))

    @property
    def _phase_share(self) -> float:
        """What each phase has of watts that were told for fewer."""
        sent_for = self.sent_phase_count
        return 1.0 if sent_for is None else min(1.0, sent_for / self.phase_count_at(self.sent_a))

    @property
    def _on_one_phase(self) -> int:
        """How many times a limit in watts the next car may draw, if it uses a single phase."""
        return self.sent_phase_count or 1 if self._in_watts else 1

    def is_fresh(self, now_s: float, timing: Timing) -> bool:
        """Whether its last reading still says what it draws."""
        return self.draw is not None and now_s - self.draw.received_s <= timing.stale_s

    def fits(self, now_s: float, timing: Timing) -> bool:
        """Whether a fresh reading shows no more than it was told."""
        most_a = self.draw.most_a if self.draw is not None else None
        if most_a is None or not self.is_fresh(now_s, timing):
            return False
        return most_a <= self.exposure.limit_a(now_s) + EVIDENCE_TOLERANCE_A

    @property
    def must_resend(self) -> bool:
        """The last limit got no answer, or was for another number of phases."""
        return self.resend or self.sent_phase_count not in (None, self.phase_count_at(self.sent_a))

    def must_clear(self, now_s: float) -> bool:
        """Without a session: whether taking its limit out got no answer."""
        return self.resend and self.online and now_s >= self.retry_s

    def keep_free(self, now_s: float) -> None:
        """A start here is about to be accepted: its fallback may flow from then on."""
        self.kept_until_s = now_s + PLUGGED_RESERVE_S

    def lacks_evidence_s(self, now_s: float) -> float:
        """For how long a lower limit has gone unproven; 0: none does."""
        since_s = None if self.has_priority else self.exposure.unproven_since_s(now_s)
        return 0.0 if since_s is None else now_s - max(since_s, self.transaction_since_s)

    def ask(self, now_s: float) -> None:
        """A reading is asked for."""
        self._asks += 1
        self.ask_s = now_s + (ASK_EVERY_S if self._asks <= ASKS_MAX else ASK_SELDOM_S)

    def heard(self) -> None:
        """It answered a question."""
        self._asks = 0

    def send(self, number: int, limit_a: float, *, lease_s: int | None, now_s: float) -> None:
        """A limit goes out."""
        told_a = self.exposure.limit_a(now_s)
        if limit_a != told_a:
            self.changed_s = now_s
        if limit_a > told_a:
            self.increased_s = now_s
        sent = Sent(number, limit_a, now_s, taken=False)
        self.sent_s, self.lease_s, self.resend = now_s, lease_s, False
        self.sent_a, self.sent_phase_count = limit_a, self.phase_count_at(limit_a)
        self.exposure = self.exposure.send(sent)

    def trial_of(self, current_a: float) -> LeaseTrial | None:
        """The trial whose limit is told now. Any other limit breaks it off."""
        trial = self.trial
        if trial is not None and not (trial.is_due and current_a == trial.limit_a):
            self._break_off("load management needed the room")
        return self.trial

    def _break_off(self, why: str) -> None:
        if self.trial is not None:
            self.trial.broken, self.trial = why, None

    def doubt_fallback(self, now_s: float) -> None:
        """Whether it has its fallback isn't known: it counts at its maximum."""
        self.fallback_confirmed = False
        self.exposure = self.exposure.restart(now_s).with_fallback(self.evse.current_a_max)

    def confirm_fallback(self, now_s: float, reaction_s: float) -> None:
        """The station took its fallback; a limit from before may be gone, so it is told again. A
        car that is there may follow what held before for as long as cars take."""
        self.fallback_confirmed = True
        if self.transaction is not None:
            self.resend = self.sent_s > float("-inf")
            self.exposure = self.exposure.lingering(now_s, now_s + reaction_s)
        self.exposure = self.exposure.with_fallback(self.evse.fallback_a)

    def lose_contact(self, now_s: float) -> None:
        """It may restart unseen: then its fallback holds."""
        self.online = False
        self._break_off("the charger lost contact")
        self.exposure = self.exposure.restart(now_s)

    def begin_day(self, day: int) -> None:
        """A day has a budget of its own."""
        if day != self.writes_day:
            self.writes_day, self.writes, self.writes_spent = day, 0, 0

    def count_write(self, *, lower: bool) -> None:
        """One profile written to the station's flash."""
        self.writes += 1
        self.writes_spent += not lower

    def _judge(self, draw_a: float, received_s: float, timing: Timing) -> None:
        """S6: more than it was told, once it had time to react."""
        obeyed_a = self.exposure.obeyed_a(received_s, timing.reaction_s)
        if self.has_priority:
            obeyed_a = max(obeyed_a, self.evse.fallback_a)
        if draw_a <= obeyed_a + max(OBEYS_A, OBEYS_SHARE * obeyed_a):
            self.over_since_s = None
        elif self.over_since_s is None:
            self.over_since_s = received_s
            self.resend, self.followed = True, False

    def _has_followed(self, draw_a: float, was_a: float, limit_a: float) -> bool | None:
        """Whether a car came down to a limit that it drew more than before."""
        came_down = was_a > limit_a + OBEYS_A and draw_a <= limit_a + EVIDENCE_TOLERANCE_A
        return True if came_down and self.sent_s > float("-inf") else None

    def _forget_car(self) -> None:
        self._break_off("the session ended")
        self.draw = None
        begins_a_max = min(BEGINS_A_MAX, self.evse.current_a_max)
        self.need = Need(self.evse.current_a_min, begins_a_max)
        self.phases = PhasesInUse(self.evse.phase_map.site_phases)
        self.dwell = Dwell()
        self.over_since_s = None
        self.lease_s, self.resend = None, False
        self.sent_phase_count = None
        self.changed_s = self.increased_s = self.sent_s = float("-inf")
        self.obedience = Obedience.OBEYS


def unknown_exposure(evse: Evse, leases_end_s: float, now_s: float) -> Exposure:
    """Before anything is heard: a lease of an earlier run may hold until `leases_end_s`."""
    return Exposure(
        evse.fallback_a, (Sent(NOT_SENT, evse.current_a_max, now_s, ends_s=leases_end_s),)
    )
