"""Notes with each session when the site holds its car back: nobody pays for pauses of ours.

What counts is what we told the EVSE, whatever its station says. A pause that stood when the
controller stopped goes on until load management knows that it is over.
"""

import logging
from datetime import datetime, timedelta

from sitecontroller.domain.errors import StoreUnavailable
from sitecontroller.domain.events import Event, LimitsChanged, TransactionChanged
from sitecontroller.domain.session_usage import SessionMark
from sitecontroller.domain.transaction import Transaction, TransactionFlag
from sitecontroller.ports import Clock, Store, UnitOfWork
from sitecontroller.publisher import Publisher
from sitecontroller.services.background import Background
from sitecontroller.services.load.service import LoadService
from sitecontroller.services.session_facts import marks_of, note_mark
from sitecontroller.services.stations import StationService
from sitecontroller.services.transactions import TransactionService

log = logging.getLogger(__name__)


class Pauses:
    """Watches the limits of EVSEs with a session; commits what changes, one mark each time."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        publisher: Publisher,
        background: Background,
        stations: StationService,
        transactions: TransactionService,
        load: LoadService,
    ) -> None:
        self._store = store
        self._clock = clock
        self._publisher = publisher
        self._background = background
        self._stations = stations
        self._transactions = transactions
        self._load = load
        self._paused: dict[str, bool] = {}
        """Of running sessions, as noted last."""

    async def load(self) -> None:
        """Take up the pauses of sessions that run, and begin to watch."""
        for transaction in self._transactions.running():
            self._paused[transaction.key] = await self._store.read(_is_paused, transaction.key)
        self._publisher.subscribe(self._on_event, LimitsChanged, TransactionChanged)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, LimitsChanged):
            for key in event.evse_keys:
                transaction = self._transactions.active(key)
                if transaction is not None:
                    self._look(transaction)
        elif isinstance(event, TransactionChanged):
            if event.transaction.active:
                self._look(event.transaction)
            else:
                self._paused.pop(event.transaction.key, None)

    def _look(self, transaction: Transaction) -> None:
        reason = self._load.withheld(transaction)
        if reason is None:
            return
        known = self._paused.get(transaction.key)
        if known is None or known != bool(reason):
            self._paused[transaction.key] = bool(reason)
            work = self._note(transaction, self._clock.now(), reason)
            self._background.spawn(work, f"pauses of {transaction.key}")

    async def _note(self, transaction: Transaction, now: datetime, reason: str) -> None:
        link = self._stations.link(transaction.station_id)
        offset_s = 0.0 if link is None else link.clock_offset_s or 0.0
        try:
            await self._store.commit(_note, transaction.key, now, offset_s, reason)
        except StoreUnavailable as error:
            self._paused.pop(transaction.key, None)  # noted with the next look
            log.warning("transaction %s: pause not noted: %s", transaction.key, error.detail)


def _note(tx: UnitOfWork, key: str, now: datetime, offset_s: float, reason: str) -> None:
    """On the session's own time line, which is the station's unless its clock can't be right."""
    transaction = tx.transaction(key)
    if transaction is None:
        return
    ours = TransactionFlag.CLOCK_DOUBTFUL in transaction.flags
    at = now if ours else now + timedelta(seconds=offset_s)
    if not reason and not _is_paused(tx, key):
        return
    note_mark(tx, transaction, SessionMark(at, now, paused=bool(reason), reason=reason))


def _is_paused(tx: UnitOfWork, key: str) -> bool:
    marks = [mark for mark in marks_of(tx, key) if mark.paused is not None]
    return bool(marks) and bool(marks[-1].paused)
