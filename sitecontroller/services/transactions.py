"""Transactions: what stations say of them becomes one committed row each, then everyone hears.

Keeps the running ones in memory for load management and the screen; the database is the truth.
"""

import dataclasses
import logging
from collections import deque
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sitecontroller.config import OfflineSettings
from sitecontroller.domain.authorization import Authorization, AuthorizationStatus
from sitecontroller.domain.errors import OperatingError
from sitecontroller.domain.events import (
    Event,
    SignedReadingCame,
    StationChanged,
    StationReady,
    TransactionChanged,
)
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.station import ConnectorStatus, StationTime, StatusReported
from sitecontroller.domain.topology import EvseKey, Topology
from sitecontroller.domain.transaction import (
    REGISTER_JITTER_WH,
    Transaction,
    TransactionEnded,
    TransactionFlag,
    TransactionStarted,
    TransactionUpdated,
)
from sitecontroller.ports import Clock, LimitSuperseded, Store, UnitOfWork
from sitecontroller.publisher import Publisher
from sitecontroller.services.alarms import AlarmService
from sitecontroller.services.background import Background
from sitecontroller.services.session_facts import note_state
from sitecontroller.services.stations import StationService
from sitecontroller.services.transaction_figures import first_known
from sitecontroller.services.transaction_rules import (
    Outcome,
    close_without_stop,
    record_end,
    record_start,
    record_update,
)

log = logging.getLogger(__name__)

RECENT_MAX = 200
SILENT_AFTER_S = 24 * 3600.0
"""Q32: an open transaction of which nothing has been heard for so long is closed."""
AVAILABLE_CLOSES_AFTER_S = 60.0
"""Q32: how long an EVSE may be Available with a transaction open: the stop may be on its way."""
REFUSED_ENERGY_WH = 50.0
FALLS_TOLD = 2
"""A meter is replaced once; one that falls again counts per session."""


@dataclass(frozen=True, slots=True)
class StartOutcome:
    """The row of a started transaction and what its token was worth."""

    transaction: Transaction
    authorization: Authorization


class TransactionService:
    """Starts, updates and ends, and the reconciliation of what never came."""

    def __init__(
        self,
        topology: Topology,
        store: Store,
        clock: Clock,
        publisher: Publisher,
        stations: StationService,
        alarms: AlarmService,
        background: Background,
        offline: OfflineSettings | None = None,
    ) -> None:
        self._topology = topology
        self._offline = offline or OfflineSettings()
        self._store = store
        self._clock = clock
        self._publisher = publisher
        self._stations = stations
        self._alarms = alarms
        self._background = background
        self._active: dict[str, Transaction] = {}
        self._asked_for: set[str] = set()
        self._at_evse: dict[EvseKey, dict[str, Transaction]] = {}
        self._newest: dict[EvseKey, Transaction] = {}
        self._recent: deque[Transaction] = deque(maxlen=RECENT_MAX)
        self._heard_s: dict[str, float] = {}
        self._available_s: dict[str, float] = {}
        self._registers_wh: dict[EvseKey, float] = {}
        """Where each EVSE's register stood at the end of its last session."""
        self._falls: dict[EvseKey, int] = {}
        """Sessions in a row that began below that."""
        self.energy_ended_wh = Decimal(0)
        publisher.subscribe(self._on_event, StationReady)

    async def load(self) -> None:
        """Take up the transactions that ran when the controller stopped: they go on."""
        for transaction in await self._store.read(_open_transactions):
            self._remember(transaction)
        if self._active:
            log.info("transactions: %d still running", len(self._active))

    async def started(self, report: TransactionStarted) -> StartOutcome:
        """A station began one; stored whatever the token is worth (Q26)."""
        outcome = await self._store.commit(record_start, report, self._topology)
        assert outcome.transaction is not None, "a start always makes or finds a transaction"
        assert outcome.authorization is not None, "a start always decides on its token"
        self._tell(outcome)
        self._tell_signed(outcome, () if report.reading is None else (report.reading,))
        if not outcome.repeated:
            self._judge(outcome.transaction)
            await self._compare_registers(outcome.transaction)
        return StartOutcome(outcome.transaction, outcome.authorization)

    async def updated(self, report: TransactionUpdated) -> Authorization | None:
        """A station reports on one; the answer for a token shown with it, if any."""
        outcome = await self._store.commit(record_update, report, self._topology)
        self._tell(outcome)
        self._tell_signed(outcome, report.readings)
        self._ask_for_missing(outcome)
        if outcome.transaction is not None and outcome.transaction.active:
            self._check_refused(outcome.transaction)
        if outcome.transaction is not None and outcome.authorization is not None:
            self._judge(outcome.transaction)
        return outcome.authorization

    async def ended(self, report: TransactionEnded) -> Authorization | None:
        """A station ended one; always acknowledged (Q28)."""
        outcome = await self._store.commit(record_end, report, self._topology)
        if outcome.transaction is None:
            log.warning(
                "%s: a stop without its transaction is kept id=%s",
                report.station_id,
                report.station_transaction_id,
            )
        self._tell(outcome)
        self._ask_for_missing(outcome)
        return outcome.authorization

    async def state_reported(self, report: StatusReported) -> None:
        """What a 1.6 station says that the car of a running session does; `Finishing` says nothing
        of it: there the stop is on its way."""
        transaction = self.active(EvseKey(report.station_id, report.evse_id))
        if transaction is None or report.charging_state is None or report.finishing:
            return
        await self._store.commit(_note_state, transaction.key, report)

    def active(self, key: EvseKey) -> Transaction | None:
        """The newest running transaction of an EVSE."""
        return self._newest.get(key)

    def running(self) -> tuple[Transaction, ...]:
        """All that run."""
        return tuple(self._active.values())

    def recent(self) -> tuple[Transaction, ...]:
        """The last that ended since the controller started, oldest first."""
        return tuple(self._recent)

    def find(self, key: str) -> Transaction | None:
        """A running or recently ended transaction."""
        known = self._active.get(key)
        return known or next((item for item in self._recent if item.key == key), None)

    def tell_changed(self, transaction: Transaction) -> None:
        """Take over and tell a row that another service has changed and committed."""
        self._tell(Outcome(transaction, None, (transaction,)))

    async def reconcile(self) -> None:
        """Close what nobody will close any more (Q32); called every few seconds."""
        now_s = self._clock.monotonic_s()
        for transaction in tuple(self._active.values()):
            if self._is_over(transaction, now_s):
                try:
                    await self._close(transaction.key)
                except OperatingError as error:
                    log.error("transaction %s: not closed: %s", transaction.key, error.detail)

    async def close_lost(self, key: str) -> bool:
        """The station has said that it is over and that it will not tell more (Q32). False: it has
        ended meanwhile."""
        was_running = key in self._active
        await self._close(key)
        return was_running and key not in self._active

    def _is_over(self, transaction: Transaction, now_s: float) -> bool:
        key = EvseKey(transaction.station_id, transaction.evse_id)
        if now_s - self._heard_s.get(transaction.key, now_s) > SILENT_AFTER_S:
            return True
        state = self._stations.state(key.station_id)
        evse = state.evses.get(key.evse_id) if state is not None else None
        available = (
            state is not None
            and state.ready
            and evse is not None
            and evse.online
            and evse.connector_status is ConnectorStatus.AVAILABLE
        )
        if not available:
            self._available_s.pop(transaction.key, None)
            return False
        since_s = self._available_s.setdefault(transaction.key, now_s)
        return now_s - since_s > AVAILABLE_CLOSES_AFTER_S

    async def _close(self, key: str) -> None:
        closed = await self._store.commit(_close_open, key, self._clock.now(), self._topology)
        if closed is not None:
            log.warning(
                "%s/%d: closed without the charger's stop transaction=%s",
                closed.station_id,
                closed.evse_id,
                key,
            )
            self._tell(Outcome(closed, None, (closed,), ended=True))

    def _on_event(self, event: Event) -> None:
        if isinstance(event, StationReady) and event.rebooted:
            for transaction in self.running():
                if transaction.station_id == event.station_id:
                    self._background.spawn(
                        self._mark_power_loss(transaction.key), "mark power loss"
                    )

    async def _mark_power_loss(self, key: str) -> None:
        marked = await self._store.commit(_flag, key, TransactionFlag.POWER_LOSS)
        if marked is not None:
            self._tell(Outcome(marked, None, (marked,)))

    def _tell(self, outcome: Outcome) -> None:
        for transaction in outcome.changed:
            key = transaction.key
            known = key in self._active
            if transaction.active:
                self._remember(transaction)
            else:
                self._ended(transaction, was_running=known or outcome.began)
            self._publisher.publish(
                TransactionChanged(
                    transaction,
                    began=outcome.began and not known,
                    ended=not transaction.active and (known or outcome.ended),
                )
            )
            self._publisher.publish(StationChanged(transaction.station_id))

    def _tell_signed(self, outcome: Outcome, readings: Sequence[MeterReading]) -> None:
        if outcome.transaction is not None and any(r.signed_data is not None for r in readings):
            self._publisher.publish(SignedReadingCame(outcome.transaction.key))

    def _remember(self, transaction: Transaction) -> None:
        key = EvseKey(transaction.station_id, transaction.evse_id)
        known = self._active.get(transaction.key)
        if known is not None and known.evse_id != transaction.evse_id:
            self._forget(known)
        self._active[transaction.key] = transaction
        self._heard_s[transaction.key] = self._clock.monotonic_s()
        self._at_evse.setdefault(key, {})[transaction.key] = transaction
        self._index(key)

    def _forget(self, transaction: Transaction) -> None:
        key = EvseKey(transaction.station_id, transaction.evse_id)
        self._active.pop(transaction.key, None)
        self._at_evse.get(key, {}).pop(transaction.key, None)
        self._index(key)

    def _index(self, key: EvseKey) -> None:
        here = self._at_evse.get(key)
        if here:
            self._newest[key] = max(here.values(), key=lambda item: item.started_at)
        else:
            self._newest.pop(key, None)
            self._at_evse.pop(key, None)

    def _ended(self, transaction: Transaction, *, was_running: bool) -> None:
        self._forget(self._active.get(transaction.key, transaction))
        stop_wh = first_known(transaction.meter_stop_wh, transaction.meter_last_wh)
        if was_running and stop_wh is not None:
            self._registers_wh[EvseKey(transaction.station_id, transaction.evse_id)] = stop_wh
        self._heard_s.pop(transaction.key, None)
        self._asked_for.discard(transaction.key)
        self._available_s.pop(transaction.key, None)
        for index, item in enumerate(self._recent):
            if item.key == transaction.key:
                self._recent[index] = transaction
                break
        else:
            self._recent.append(transaction)
        subject = f"{transaction.station_id}/{transaction.evse_id}"
        self._alarms.clear("charging-refused-token", subject)
        if was_running:
            self.energy_ended_wh += transaction.energy_wh or Decimal(0)
            log.info(
                "%s: session ended energy_wh=%s price=%s reason=%s",
                subject,
                transaction.energy_wh,
                transaction.price.total.amount if transaction.price else None,
                transaction.stop_reason,
            )
        if transaction.price is None or self._to_review(transaction):
            self._alarms.raise_(
                "transaction-review",
                transaction.key,
                evse=subject,
                reason=", ".join(sorted(transaction.flags)) or "no meter values",
            )

    def _to_review(self, transaction: Transaction) -> bool:
        """Whether a person should look at a priced session.

        An unknown card that charged without contact is the site's policy, up to its cap.
        """
        reasons = _REVIEWED & transaction.flags
        assert transaction.price is not None, "without a price a person looks anyway"
        by_policy = (
            self._offline.unknown_cards
            and TransactionFlag.OFFLINE in transaction.flags
            and transaction.authorization_status in _NOT_KNOWN
            and transaction.price.total.amount <= self._offline.amount_max
        )
        return bool(reasons - {TransactionFlag.REFUSED_TOKEN} if by_policy else reasons)

    def _judge(self, transaction: Transaction) -> None:
        if TransactionFlag.UNPRICED in transaction.flags:
            self._alarms.raise_("no-tariff", "site")
        if not transaction.active or transaction.id_token is None:
            return
        log.info(
            "%s/%d: session started transaction=%s token=%s",
            transaction.station_id,
            transaction.evse_id,
            transaction.key,
            transaction.authorization_status,
        )

    async def _compare_registers(self, transaction: Transaction) -> None:
        """Q40: a register that begins anew with each session is told to a technician; energies are
        right all the same, as each is counted within its session."""
        key = EvseKey(transaction.station_id, transaction.evse_id)
        start_wh, last_wh = transaction.meter_start_wh, self._registers_wh.get(key)
        if start_wh is None:
            return
        fell = last_wh is not None and start_wh < last_wh - REGISTER_JITTER_WH
        self._falls[key] = self._falls.get(key, 0) + 1 if fell else 0
        if self._falls[key] >= FALLS_TOLD:
            await self._stations.warn(
                key.station_id,
                f"EVSE {key.evse_id}: its energy register begins anew with each session",
            )

    def _ask_for_missing(self, outcome: Outcome) -> None:
        """Q34: a gap in the sequence is asked for once, when it shows."""
        transaction = outcome.transaction
        if transaction is None or outcome.repeated:
            return
        if not transaction.seq_no_missing:
            self._asked_for.discard(transaction.key)
            return
        link = self._stations.link(transaction.station_id)
        if link is None or transaction.key in self._asked_for:
            return
        self._asked_for.add(transaction.key)
        log.warning(
            "%s: events %s of a session are missing, asked for",
            transaction.station_id,
            transaction.seq_no_missing,
        )
        self._background.spawn(
            _quietly(link.ask_for_missing(transaction.station_transaction_id)),
            "ask for missing events",
        )

    def _check_refused(self, transaction: Transaction) -> None:
        """Q37: a refused start followed by charging is a person's business."""
        if transaction.may_charge:
            return
        if (transaction.energy_wh or 0) > REFUSED_ENERGY_WH:
            subject = f"{transaction.station_id}/{transaction.evse_id}"
            self._alarms.raise_("charging-refused-token", subject, evse=subject)


_REVIEWED = frozenset(
    {
        TransactionFlag.REGISTER_DOUBTFUL,
        TransactionFlag.STOP_GUESSED,
        TransactionFlag.REFUSED_TOKEN,
        TransactionFlag.NO_START,
    }
)
"""A session that ends with one of these is looked at by a person."""


_NOT_KNOWN = frozenset({AuthorizationStatus.INVALID, AuthorizationStatus.UNKNOWN})


async def _quietly(call: Coroutine[Any, Any, None]) -> None:
    try:
        await call
    except LimitSuperseded:
        log.info("missing events: asked for already")
    except OperatingError as error:
        log.warning("missing events: %s", error.detail)


def _note_state(tx: UnitOfWork, key: str, report: StatusReported) -> None:
    transaction = tx.transaction(key)
    if transaction is not None:
        time = StationTime(report.station_at or report.received_at)
        note_state(tx, transaction, report.charging_state, time, report.received_at)


def _open_transactions(tx: UnitOfWork) -> tuple[Transaction, ...]:
    return tuple(tx.open_transactions())


def _close_open(tx: UnitOfWork, key: str, at: datetime, topology: Topology) -> Transaction | None:
    transaction = tx.transaction(key)
    if transaction is None or not transaction.active:
        return None
    return close_without_stop(tx, transaction, at, topology)


def _flag(tx: UnitOfWork, key: str, flag: TransactionFlag) -> Transaction | None:
    transaction = tx.transaction(key)
    if transaction is None or flag in transaction.flags:
        return None
    marked = dataclasses.replace(transaction, flags=transaction.flags | {flag})
    tx.update_transaction(marked)
    return marked
