"""Whom a session is for, when it leaves and what it needs: from people, its card and its car.

Owner of what people say; the car's word is `CarNeeds`', the card's class the tokens'. Load
management is told of every change, on its own clock.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from sitecontroller.dlm.snapshot import EQUAL_SHARE
from sitecontroller.domain.commands import Command, CommandResult, CommandState
from sitecontroller.domain.errors import Conflict, FieldError, InvalidInput, NotFound
from sitecontroller.domain.events import (
    ChargingNeedsTold,
    Event,
    TokensChanged,
    TransactionChanged,
)
from sitecontroller.domain.limit_source import on_site_clock
from sitecontroller.domain.queries import Query
from sitecontroller.domain.session_needs import (
    AllowDischarge,
    BoostSession,
    EndBoost,
    EndDischarge,
    SessionNeeds,
    SessionNeedsQuery,
    SessionNeedsView,
    SetChargingNeeds,
    needs_faults,
    until_faults,
)
from sitecontroller.domain.smart import ChargingNeeds
from sitecontroller.domain.topology import EvseKey, ServiceClass
from sitecontroller.domain.transaction import Transaction
from sitecontroller.ports import UnitOfWork
from sitecontroller.services.desk import Answerer, Desk, Handler
from sitecontroller.services.load.claim import Claim
from sitecontroller.services.shelf import Shelf

DEPARTURES_COUNT_LITTLE = (
    f"With the policy '{EQUAL_SHARE}' a departure counts only for a car that can't wait any more; "
    'policy = "laxity" in [load] of site.toml serves by departure'
)

log = logging.getLogger(__name__)


class NeedsBook:
    """What was said of sessions that run. `of_car`: what the car at an EVSE asked for."""

    def __init__(self, desk: Desk, of_car: Callable[[EvseKey], ChargingNeeds | None]) -> None:
        self._desk = desk
        self._of_car = of_car
        self._time_zone = ZoneInfo(desk.config.time_zone)
        self._shelf = Shelf(desk.store, "session-needs", SessionNeeds)
        self._said: dict[str, SessionNeeds] = {}
        self._cards: dict[str, str] = {}
        """The card that a session's class was looked up with."""
        self._class_of_card: dict[str, ServiceClass | None] = {}
        self.handlers: Mapping[type[Command], Handler] = {
            SetChargingNeeds: self._set,
            BoostSession: self._boost,
            EndBoost: self._end_boost,
            AllowDischarge: self._allow_discharge,
            EndDischarge: self._end_discharge,
        }
        self.answerers: Mapping[type[Query], Answerer] = {SessionNeedsQuery: self._view}

    async def load(self) -> None:
        """Take up what was said of sessions that still run, and forget the others'."""
        running = {
            transaction.key: transaction for transaction in self._desk.transactions.running()
        }
        for said in await self._shelf.all():
            if said.transaction_key in running:
                self._said[said.transaction_key] = said
            else:
                await self._shelf.drop(said.transaction_key)
        await self._look_up(tuple(running.values()))
        self._desk.publisher.subscribe(
            self._on_event, TransactionChanged, ChargingNeedsTold, TokensChanged
        )

    # what people say

    async def _set(self, command: SetChargingNeeds, command_id: str) -> CommandResult:
        transaction = self._running(command.transaction_key)
        _refuse(needs_faults(command, self._desk.clock.now()))
        said = replace(
            self._known(transaction),
            said_at=self._desk.clock.now(),
            departure_at=command.departure_at,
            energy_wh=command.energy_wh,
            delivered_wh=_delivered_wh(transaction),
            service_class=command.service_class,
        )
        await self._keep(said, transaction)
        log.info(
            "%s: needs departure_at=%s energy_wh=%s class=%s",
            transaction.key,
            command.departure_at,
            command.energy_wh,
            command.service_class,
        )
        config = self._desk.config
        goes_by_departure = config.load.policy != EQUAL_SHARE or config.planning.enabled
        counts_little = command.departure_at is not None and not goes_by_departure
        reason = DEPARTURES_COUNT_LITTLE if counts_little else None
        return CommandResult(command_id, CommandState.ACCEPTED, reason)

    async def _boost(self, command: BoostSession, command_id: str) -> CommandResult:
        transaction = self._running(command.transaction_key)
        _refuse(until_faults(command, self._desk.clock.now()))
        await self._keep(replace(self._known(transaction), boost_until=command.until), transaction)
        log.info("%s: boost until %s", transaction.key, command.until)
        return CommandResult(command_id, CommandState.ACCEPTED)

    async def _end_boost(self, command: EndBoost, command_id: str) -> CommandResult:
        transaction = self._running(command.transaction_key)
        await self._keep(replace(self._known(transaction), boost_until=None), transaction)
        log.info("%s: boost ended", transaction.key)
        return CommandResult(command_id, CommandState.ACCEPTED)

    async def _allow_discharge(self, command: AllowDischarge, command_id: str) -> CommandResult:
        transaction = self._running(command.transaction_key)
        _refuse(until_faults(command, self._desk.clock.now()))
        key = EvseKey(transaction.station_id, transaction.evse_id)
        settings = self._desk.config.load.discharge
        if settings is None or key not in settings.current_a_max:
            raise Conflict(
                f"no car gives back at {key}",
                remedy="Name the outlet in [load.discharge] of site.toml, with enabled = true",
            )
        said = replace(self._known(transaction), discharge_until=command.until, keeps_all=False)
        await self._keep(said, transaction)
        log.info("%s: may give back until %s", transaction.key, command.until)
        return CommandResult(command_id, CommandState.ACCEPTED)

    async def _end_discharge(self, command: EndDischarge, command_id: str) -> CommandResult:
        transaction = self._running(command.transaction_key)
        said = replace(self._known(transaction), discharge_until=None, keeps_all=True)
        await self._keep(said, transaction)
        log.info("%s: gives nothing back", transaction.key)
        return CommandResult(command_id, CommandState.ACCEPTED)

    async def _keep(self, said: SessionNeeds, transaction: Transaction) -> None:
        await self._shelf.put(said.transaction_key, said, said.said_at, said.station_id, open=True)
        self._said[said.transaction_key] = said
        self._tell(transaction)

    def _known(self, transaction: Transaction) -> SessionNeeds:
        known = self._said.get(transaction.key)
        now = self._desk.clock.now()
        return known or SessionNeeds(transaction.key, transaction.station_id, now)

    def _running(self, key: str) -> Transaction:
        transaction = self._desk.transactions.find(key)
        if transaction is None:
            raise NotFound(
                f"no session '{key}' runs", remedy="GET /v1/transactions?active=true lists them"
            )
        if not transaction.active:
            raise Conflict(f"session {key} has ended", remedy="Choose one that runs")
        return transaction

    # what load management goes by

    def _tell(self, transaction: Transaction) -> None:
        view, car = self._view_of(transaction), self._car(transaction)
        now, now_s = self._desk.clock.now(), self._desk.clock.monotonic_s()
        claim = Claim(
            transaction.key,
            self._own_class(transaction)[0],
            _on_clock(view.departure_at, now, now_s),
            self._words("leaves", view.departure_at, now),
            self._served_wh(transaction),
            _on_clock(view.boost_until, now, now_s),
            self._words("boost until", view.boost_until, now),
            _on_clock(view.discharge_until, now, now_s),
            None if car is None else car.discharge_power_w_max,
        )
        key = EvseKey(transaction.station_id, transaction.evse_id)
        self._desk.load.claim(key, claim)

    def _words(self, verb: str, at: datetime | None, now: datetime) -> str:
        return "" if at is None else f"{verb} {on_site_clock(at, now, self._time_zone)}"

    async def _view(self, query: SessionNeedsQuery) -> SessionNeedsView:
        return self._view_of(self._running(query.transaction_key))

    def _view_of(self, transaction: Transaction) -> SessionNeedsView:
        now = self._desk.clock.now()
        said, car = self._said.get(transaction.key), self._car(transaction)
        evse = self._desk.config.topology.evse(EvseKey(transaction.station_id, transaction.evse_id))
        gives_until, gives_from = self._consent(transaction, now)
        boost_until = _still(None if said is None else said.boost_until, now)
        by_person = _still(None if said is None else said.departure_at, now)
        by_car = _still(None if car is None else car.departure_at, now)
        service_class, class_from = self._own_class(transaction)
        served_wh = self._served_wh(transaction)
        says_energy = said is not None and said.energy_wh is not None
        return SessionNeedsView(
            transaction.key,
            transaction.station_id,
            transaction.evse_id,
            ServiceClass.VIP
            if boost_until
            else service_class or (ServiceClass.NORMAL if evse is None else evse.service_class),
            "boost" if boost_until else class_from,
            by_person or by_car,
            "session" if by_person else "car" if by_car else None,
            None
            if served_wh is None
            else max(0.0, served_wh - (_delivered_wh(transaction) or 0.0)),
            None if served_wh is None else "session" if says_energy else "car",
            boost_until,
            0.0 if evse is None else evse.guaranteed_a,
            gives_until,
            gives_from,
        )

    def _consent(
        self, transaction: Transaction, now: datetime
    ) -> tuple[datetime | None, str | None]:
        """Until when it may give back: as a person said, else until it leaves where the car offers
        it and says when that is."""
        settings = self._desk.config.load.discharge
        key = EvseKey(transaction.station_id, transaction.evse_id)
        if settings is None or key not in settings.current_a_max:
            return None, None
        said, car = self._said.get(transaction.key), self._car(transaction)
        if said is not None and said.keeps_all:
            return None, None
        until = _still(None if said is None else said.discharge_until, now)
        if until is not None:
            return until, "session"
        until = _still(car.departure_at, now) if car is not None and car.offers_discharge else None
        return until, None if until is None else "car"

    def _own_class(self, transaction: Transaction) -> tuple[ServiceClass | None, str]:
        """What was said of it, else its card's; None: its EVSE's."""
        said = self._said.get(transaction.key)
        if said is not None and said.service_class is not None:
            return said.service_class, "session"
        of_card = self._class_of_card.get(transaction.key)
        return (None, "evse") if of_card is None else (of_card, "card")

    def _served_wh(self, transaction: Transaction) -> float | None:
        """What it will have had when it has what it needs."""
        needs: SessionNeeds | ChargingNeeds | None = self._said.get(transaction.key)
        if needs is None or needs.energy_wh is None:
            needs = self._car(transaction)
        if needs is None or needs.energy_wh is None:
            return None
        return needs.energy_wh + (needs.delivered_wh or 0.0)

    def _car(self, transaction: Transaction) -> ChargingNeeds | None:
        needs = self._of_car(EvseKey(transaction.station_id, transaction.evse_id))
        return needs if needs is not None and needs.transaction_key == transaction.key else None

    # what happens

    def _on_event(self, event: Event) -> None:
        match event:
            case TransactionChanged(transaction, ended=True):
                self._forget(transaction.key)
            case TransactionChanged(transaction) if transaction.active:
                card = transaction.id_token
                if card is not None and self._cards.get(transaction.key) != card.id_token:
                    self._look_up_soon(transaction)
            case ChargingNeedsTold(needs):
                running = self._desk.transactions.active(needs.key)
                if running is not None:
                    self._tell(running)
            case TokensChanged():
                self._look_up_soon(*self._desk.transactions.running())

    def _look_up_soon(self, *transactions: Transaction) -> None:
        for transaction in transactions:
            if transaction.id_token is not None:
                self._cards[transaction.key] = transaction.id_token.id_token
        self._desk.background.spawn(self._look_up(transactions), "classes of cards")

    async def _look_up(self, transactions: Sequence[Transaction]) -> None:
        """The classes of their cards, then tell load management."""
        classes = await self._desk.store.read(_classes_of, transactions)
        for transaction in transactions:
            running = self._desk.transactions.find(transaction.key)
            if running is not None and running.active:
                self._class_of_card[transaction.key] = classes[transaction.key]
                self._tell(running)

    def _forget(self, transaction_key: str) -> None:
        self._cards.pop(transaction_key, None)
        self._class_of_card.pop(transaction_key, None)
        if self._said.pop(transaction_key, None) is not None:
            self._desk.background.spawn(
                self._shelf.drop(transaction_key), f"needs of {transaction_key}"
            )


def _classes_of(
    tx: UnitOfWork, transactions: Sequence[Transaction]
) -> dict[str, ServiceClass | None]:
    """By session: its card's class, else its group's."""
    found: dict[str, ServiceClass | None] = {}
    for transaction in transactions:
        card = transaction.id_token
        token = None if card is None else tx.token(card.id_token)
        if token is not None and token.service_class is None and token.parent_id_token is not None:
            token = tx.token(token.parent_id_token)
        found[transaction.key] = None if token is None else token.service_class
    return found


def _delivered_wh(transaction: Transaction) -> float | None:
    energy_wh = transaction.energy_wh
    return None if energy_wh is None else float(energy_wh)


def _still(at: datetime | None, now: datetime) -> datetime | None:
    return at if at is not None and at > now else None


def _on_clock(at: datetime | None, now: datetime, now_s: float) -> float | None:
    """An instant to come as monotonic time, so that a step of the wall clock ends nothing."""
    return None if at is None else now_s + (at - now).total_seconds()


def _refuse(faults: Sequence[FieldError]) -> None:
    if faults:
        raise InvalidInput(
            "; ".join(f"{fault.field} {fault.message}" for fault in faults),
            remedy="Mend the fields and send it again",
            errors=tuple(faults),
        )
