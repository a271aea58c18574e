"""Signed readings: judged when they come and when their session ends, held back when they are bad.

They are stored before they get here, in the commit of their reading. Judging is long work and runs
in the workshop. A session whose signed readings are bad is marked, stands in the alarms until a
person decides, and no receipt is made of it meanwhile.
"""

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sitecontroller.domain.commands import Command, CommandResult, CommandState
from sitecontroller.domain.errors import Conflict, FieldError, InvalidInput, NotFound
from sitecontroller.domain.events import Event, SignedReadingCame, TransactionChanged
from sitecontroller.domain.queries import Query
from sitecontroller.domain.signed_reading import (
    DecideSignedSession,
    MeterKeyPin,
    MeterKeysQuery,
    PinMeterKey,
    SignedDecision,
    SignedJudgement,
    SignedReading,
    SignedReadingsQuery,
    SignedReadingsView,
    SignedSession,
    SignedVerdict,
)
from sitecontroller.domain.topology import EvseKey
from sitecontroller.domain.transaction import Transaction, TransactionFlag
from sitecontroller.domain.views import Page
from sitecontroller.ports import UnitOfWork
from sitecontroller.services.desk import Answerer, Desk, Handler
from sitecontroller.services.shelf import Shelf
from sitecontroller.services.signed_hold import (
    PIN_KIND,
    pin_key,
    pin_of,
    shelf_of,
    verdict_of,
)
from sitecontroller.services.transaction_figures import fact

ALARM = "signed-reading-invalid"
TEXT_CHARACTERS_MAX = 500
REJUDGED_MAX = 50
"""Sessions of a station, newest first, that a newly pinned key is tried on."""
TAKEN_UP_MAX = 50
"""Ended sessions, newest first, that are looked at after a restart."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SignedChecks:
    """What knows of keys and signatures; importable functions, so that the workshop can run them.

    `judge(readings, expected)`; `expected(**fields)` makes what they are held against; `key(text)`
    is the key in plain hex or raises ValueError with a sentence; `export(judged, key)` is the XML.
    """

    judge: Callable[[Sequence[SignedReading], Any], SignedJudgement]
    expected: Callable[..., Any]
    key: Callable[[str], str]
    export: Callable[[Any, str], bytes]


class SignedReadings:
    """Owner of the verdicts and of the keys that people vouched for."""

    def __init__(self, desk: Desk, checks: SignedChecks) -> None:
        self._desk = desk
        self._checks = checks
        self._sessions = shelf_of(desk.store)
        self._pins = Shelf(desk.store, PIN_KIND, MeterKeyPin)
        self._asked: set[str] = set()
        self._begun: set[str] = set()
        self._one_at_a_time = asyncio.Lock()
        self._is_telling = False
        self.handlers: dict[type[Command], Handler] = {
            PinMeterKey: self._pin,
            DecideSignedSession: self._decide,
        }
        self.answerers: dict[type[Query], Answerer] = {
            SignedReadingsQuery: self._view,
            MeterKeysQuery: self._keys,
        }

    async def load(self) -> None:
        """Judge what ended just before the controller stopped; from now on, what comes."""
        self._desk.publisher.subscribe(self._on_event, SignedReadingCame, TransactionChanged)
        for key in await self._desk.store.read(_unjudged):
            self._ask(key)

    async def settle(self, transaction_key: str) -> None:
        """See that an ended session's signed readings are judged; returns when they are."""
        session = await self._sessions.get(transaction_key)
        if session is None or not session.is_final:
            await self._judge(transaction_key)

    async def xml(self, transaction_key: str) -> bytes:
        """The signed readings as the transparency software reads them. Raises NotFound."""
        judgement, pin = await self._judged(transaction_key)
        if not judgement.readings:
            raise NotFound("nothing was signed in this session")
        key = pin.public_key if pin is not None else ""
        return await self._desk.workshop.run(self._checks.export, judgement.readings, key)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, SignedReadingCame):
            if event.transaction_key not in self._begun:
                self._begun.add(event.transaction_key)
                self._ask(event.transaction_key)
        elif isinstance(event, TransactionChanged) and not event.transaction.active:
            self._begun.discard(event.transaction.key)
            if not self._is_telling:
                self._ask(event.transaction.key)

    def _ask(self, transaction_key: str) -> None:
        if transaction_key not in self._asked:
            self._asked.add(transaction_key)
            name = f"judge the signed readings of {transaction_key}"
            self._desk.background.spawn(self._judge(transaction_key), name)

    async def _judge(self, transaction_key: str) -> None:
        async with self._one_at_a_time:
            self._asked.discard(transaction_key)
            rows, transaction, pin = await self._desk.store.read(_material, transaction_key)
            if transaction is None:
                return
            expected = self._expected(transaction, pin)
            if not rows and not expected.is_due:
                return
            judgement = await self._desk.workshop.run(self._checks.judge, tuple(rows), expected)
            session = SignedSession(
                transaction_key,
                judgement.verdict,
                judgement.findings,
                judgement.energy_wh,
                self._desk.clock.now(),
                len(rows),
                is_final=not transaction.active,
            )
            kept, marked = await self._desk.store.commit(self._keep, session, transaction)
        self._tell(kept, marked, transaction)

    def _expected(self, transaction: Transaction, pin: MeterKeyPin | None) -> Any:
        station = self._desk.config.topology.stations.get(transaction.station_id)
        return self._checks.expected(
            public_key=pin.public_key if pin is not None else "",
            meter_serial=pin.meter_serial if pin is not None else "",
            token=transaction.id_token.id_token if transaction.id_token is not None else None,
            energy_wh=None if transaction.active else transaction.energy_wh,
            has_ended=not transaction.active,
            is_due=_is_due(transaction, pin),
            shares_pages=station is None or len(station.evses) > 1,
        )

    def _keep(
        self, tx: UnitOfWork, session: SignedSession, transaction: Transaction
    ) -> tuple[SignedSession, Transaction | None]:
        """The verdict with what a person decided of it before."""
        before = verdict_of(tx, session.transaction_key)
        if before is not None:
            session = dataclasses.replace(session, decision=before.decision)
        return self._keep_as(tx, session, transaction)

    def _tell(
        self, session: SignedSession, marked: Transaction | None, transaction: Transaction
    ) -> None:
        evse = f"{transaction.station_id}/{transaction.evse_id}"
        if session.held and session.decision is None:
            why = next((finding.text for finding in session.findings if finding.refuses), "")
            self._desk.alarms.raise_(ALARM, session.transaction_key, evse=evse, reason=why)
        else:
            self._desk.alarms.clear(ALARM, session.transaction_key)
        if marked is not None:
            self._is_telling = True
            try:
                self._desk.transactions.tell_changed(marked)
            finally:
                self._is_telling = False
        if session.is_final:
            log.info(
                "%s: signed readings are %s transaction=%s readings=%d",
                evse,
                session.verdict,
                session.transaction_key,
                session.readings,
            )

    async def _judged(self, transaction_key: str) -> tuple[SignedJudgement, MeterKeyPin | None]:
        rows, transaction, pin = await self._desk.store.read(_material, transaction_key)
        if transaction is None:
            raise NotFound(
                f"no transaction '{transaction_key}'", remedy="/v1/transactions lists them"
            )
        expected = self._expected(transaction, pin)
        return (
            await self._desk.workshop.run(self._checks.judge, tuple(rows), expected),
            pin,
        )

    async def _view(self, query: SignedReadingsQuery) -> SignedReadingsView:
        judgement, pin = await self._judged(query.transaction_key)
        session = await self._sessions.get(query.transaction_key)
        return SignedReadingsView(
            query.transaction_key,
            judgement.verdict if judgement.readings or judgement.findings else None,
            session is not None and session.held,
            judgement.findings,
            None if judgement.energy_wh is None else float(judgement.energy_wh),
            pin.public_key if pin is not None else "",
            judgement.readings,
            session.decision if session is not None else None,
        )

    async def _keys(self, query: MeterKeysQuery) -> Page[MeterKeyPin]:
        return Page(tuple(await self._pins.all()), None)

    async def _pin(self, command: PinMeterKey, command_id: str) -> CommandResult:
        """Vouch for a key, or take it back; sessions of the station are judged anew with it."""
        station = self._desk.config.topology.stations.get(command.station_id)
        if station is None or all(evse.evse_id != command.evse_id for evse in station.evses):
            raise NotFound(f"no EVSE {command.station_id}/{command.evse_id}")
        _named(command.by, "by")
        evse = EvseKey(command.station_id, command.evse_id)
        if not command.public_key.strip():
            await self._pins.drop(pin_key(evse))
        else:
            try:
                public_key = self._checks.key(command.public_key)
            except ValueError as fault:
                raise InvalidInput(
                    str(fault), errors=(FieldError("public_key", str(fault)),)
                ) from None
            pin = MeterKeyPin(
                evse, public_key, command.meter_serial.strip(), command.by, self._desk.clock.now()
            )
            await self._pins.put(pin_key(evse), pin, pin.pinned_at, command.station_id)
        log.info("%s: its meter's key was pinned or taken back by=%s", pin_key(evse), command.by)
        for session in (await self._sessions.all(command.station_id))[:REJUDGED_MAX]:
            if session.decision is None and session.verdict is not SignedVerdict.VALID:
                self._ask(session.transaction_key)
        return CommandResult(command_id, CommandState.ACCEPTED)

    async def _decide(self, command: DecideSignedSession, command_id: str) -> CommandResult:
        _named(command.by, "by")
        _named(command.reason, "reason")
        decision = SignedDecision(command.bill, command.by, command.reason, self._desk.clock.now())
        session, marked, transaction = await self._desk.store.commit(
            self._keep_decision, command.transaction_key, decision
        )
        self._tell(session, marked, transaction)
        log.warning(
            "signed readings of %s: %s decided to bill=%s reason=%s",
            command.transaction_key,
            command.by,
            command.bill,
            command.reason,
        )
        return CommandResult(command_id, CommandState.ACCEPTED)

    def _keep_decision(
        self, tx: UnitOfWork, key: str, decision: SignedDecision
    ) -> tuple[SignedSession, Transaction | None, Transaction]:
        transaction, session = tx.transaction(key), verdict_of(tx, key)
        if transaction is None:
            raise NotFound(f"no transaction '{key}'", remedy="/v1/transactions lists them")
        if session is None or session.verdict is not SignedVerdict.INVALID:
            raise Conflict("the signed readings of this session hold nothing back")
        if tx.receipt(key) is not None:
            raise Conflict("this session has its receipt already")
        decided = dataclasses.replace(session, decision=decision)
        kept, marked = self._keep_as(tx, decided, transaction)
        return kept, marked, transaction

    def _keep_as(
        self, tx: UnitOfWork, session: SignedSession, transaction: Transaction
    ) -> tuple[SignedSession, Transaction | None]:
        """The verdict and the mark at its session, in one commit."""
        self._sessions.put_within(
            tx,
            session.transaction_key,
            session,
            session.judged_at,
            transaction.station_id,
            session.held,
        )
        return session, _marked(tx, session)


def _marked(tx: UnitOfWork, session: SignedSession) -> Transaction | None:
    """The transaction with its mark set or taken off; None where nothing changes."""
    transaction = tx.transaction(session.transaction_key)
    if transaction is None or not session.is_final:
        return None
    mark = frozenset({TransactionFlag.SIGNED_INVALID})
    flags = transaction.flags | mark if session.held else transaction.flags - mark
    if flags == transaction.flags:
        return None
    return fact(tx, dataclasses.replace(transaction, flags=flags), "TransactionCorrected")


def _material(
    tx: UnitOfWork, transaction_key: str
) -> tuple[Sequence[SignedReading], Transaction | None, MeterKeyPin | None]:
    transaction = tx.transaction(transaction_key)
    if transaction is None:
        return (), None, None
    pin = pin_of(tx, EvseKey(transaction.station_id, transaction.evse_id))
    return tx.signed_readings(transaction_key), transaction, pin


def _is_due(transaction: Transaction, pin: MeterKeyPin | None) -> bool:
    """Whether something signed has to be there: energy of an EVSE whose key was pinned before."""
    if transaction.active or pin is None or pin.pinned_at > transaction.start_received_at:
        return False
    return bool(transaction.energy_wh)


def _unjudged(tx: UnitOfWork) -> Sequence[str]:
    """Sessions that ended lately and whose signed readings nobody has judged since."""
    ended = tx.transaction_page(TAKEN_UP_MAX, None, active=False).items
    return [
        transaction.key
        for transaction in ended
        if tx.signed_readings(transaction.key)
        and ((session := verdict_of(tx, transaction.key)) is None or not session.is_final)
    ]


def _named(text: str, field: str) -> None:
    if not text.strip() or len(text) > TEXT_CHARACTERS_MAX:
        raise InvalidInput(
            f"{field} has to be said, in at most {TEXT_CHARACTERS_MAX} characters",
            errors=(FieldError(field, "is missing or too long"),),
        )
