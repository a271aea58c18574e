"""Costs and tariffs told to stations, and payments that were made at them.

A station that shows costs is told every minute what its session costs, by the same function that
makes the bill, and in the end once more. Showing is best effort: nothing of it touches the bill.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from sitecontroller.domain.commands import Command, CommandResult
from sitecontroller.domain.costs import (
    ChangeTransactionTariff,
    ClearTariffs,
    NotifyWebPaymentStarted,
    PushTariff,
    ReadTariffs,
    SessionCost,
    SetDefaultTariff,
    Settlement,
    SettlementsQuery,
    ShowCost,
    TellCost,
    TellPrice,
    UseCurrentTariff,
    price_text,
)
from sitecontroller.domain.errors import (
    Conflict,
    ControllerError,
    FieldError,
    InvalidInput,
    NotFound,
    OperatingError,
    Unsupported,
)
from sitecontroller.domain.events import Event, StationReady, TariffChanged, TransactionChanged
from sitecontroller.domain.ids import fold
from sitecontroller.domain.money import Money, minor_digits
from sitecontroller.domain.queries import Query
from sitecontroller.domain.station import ChargingState, OcppVersion
from sitecontroller.domain.tariff import SITE_TARIFF_ID, Tariff
from sitecontroller.domain.tariff_choice import in_force
from sitecontroller.domain.topology import EvseKey
from sitecontroller.domain.transaction import Transaction
from sitecontroller.domain.views import Page
from sitecontroller.ports import StationLink, UnitOfWork
from sitecontroller.services.desk import Answerer, Desk, Handler, result_of
from sitecontroller.services.shelf import Shelf
from sitecontroller.services.transaction_figures import price_so_far

log = logging.getLogger(__name__)

TELL_EVERY_S = 60.0
SETTLEMENTS_MAX = 10_000
SHOWS_COSTS = "TariffCostCtrlr.Enabled@Cost"
TAKES_TARIFFS = "TariffCostCtrlr.Enabled@Tariff"
WAITING_MAX = 1_000
WEB_PAYMENT_S_MAX = 86_400
SETTLED = "Settled"
CANCELED = "Canceled"
"""Nothing was to be paid."""


class Costs:
    """What sessions cost, as stations show it; settlements as they come."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.currency = desk.config.currency
        self._settlements = Shelf(desk.store, "settlement", Settlement)
        self._waiting: dict[tuple[str, str], Settlement] = {}
        """Payments whose sessions may still change, by station and its id of the session."""
        self._told_s: dict[str, float] = {}
        """When a running session's cost was last told, by transaction key."""
        self._shows: dict[tuple[str, int], bool] = {}
        """Whether a connection (station, generation) shows costs."""
        self.handlers: Mapping[type[Command], Handler] = {
            PushTariff: self._push,
            ReadTariffs: self._ask,
            ClearTariffs: self._ask,
            NotifyWebPaymentStarted: self._web_payment,
            UseCurrentTariff: self._use_current,
            ShowCost: self._show,
        }
        self.answerers: Mapping[type[Query], Answerer] = {SettlementsQuery: self._page}
        desk.publisher.subscribe(self._on_event, TransactionChanged, StationReady, TariffChanged)

    async def load(self) -> None:
        """Take up nothing: what was told is told again."""

    # what dialects ask

    async def final_total(
        self, station_id: str, station_transaction_id: str | None, at: datetime
    ) -> Money | None:
        """What a session of a station that ended at that time cost (2.x I03)."""
        if station_transaction_id is None:
            return None
        found = await self._desk.store.read(_ended_by, station_id, station_transaction_id, at)
        return None if found is None or found.price is None else found.price.total

    def counted(self, station_id: str, own: float, billed: float) -> None:
        """What a station counted itself for a session beside its bill: drivers see both. One minor
        unit may be rounding: tariffs are told in net prices."""
        differs = abs(Decimal(str(own)) - Decimal(str(billed)))
        if differs > Decimal(1).scaleb(-minor_digits(self.currency)):
            self._desk.alarms.raise_(
                "station-cost-differs",
                station_id,
                station=station_id,
                own=f"{own} {self.currency}",
                billed=f"{billed} {self.currency}",
            )

    async def settled(self, settlement: Settlement) -> str | None:
        """Keep a settlement, once; the number of the session's receipt if there is one.

        Told again with another amount it is kept beside: money once told of is never overwritten.
        """
        place = fold(settlement.station_id), settlement.station_transaction_id or ""
        transaction = await self._desk.store.read(_paid_for, settlement)
        kept = settlement
        if transaction is not None:
            kept = replace(settlement, transaction_key=transaction.key)
        self._waiting.pop(place, None)
        self._waiting[place] = kept
        while len(self._waiting) > WAITING_MAX:
            del self._waiting[next(iter(self._waiting))]
        key = _key(kept)
        known = await self._settlements.get(key)
        contradicted = known is not None and known.amount != kept.amount
        await self._settlements.put(
            f"{key}/{kept.amount.amount}" if contradicted else key,
            kept,
            kept.received_at,
            kept.station_id,
            open=transaction is not None,
        )
        await self._settlements.trim(SETTLEMENTS_MAX)
        log.info(
            "%s: payment %s %s amount=%s %s transaction=%s",
            kept.station_id,
            kept.reference,
            kept.status,
            kept.amount.amount,
            kept.amount.currency,
            kept.transaction_key or "unknown",
        )
        self._compare(kept, transaction, contradicted=contradicted)
        if transaction is None:
            return None
        receipt = await self._desk.store.read(_receipt, transaction.key)
        return receipt

    def _compare(
        self, kept: Settlement, transaction: Transaction | None, *, contradicted: bool
    ) -> None:
        """Tell people of a payment that failed, and of one that isn't what its session costs."""
        subject = kept.transaction_key or kept.station_id
        taken = f"{kept.amount.rounded().amount} {kept.amount.currency}"
        if kept.status == SETTLED:
            self._desk.alarms.clear("settlement-failed", subject)
        elif kept.status != CANCELED:
            self._desk.alarms.raise_(
                "settlement-failed",
                subject,
                station=kept.station_id,
                amount=taken,
                status=kept.status,
            )
            return
        here = [item for item in self._waiting.values() if item.station_id == kept.station_id]
        if not any(map(_is_lonely, here)):
            self._desk.alarms.clear("settlement-differs", kept.station_id)
        if transaction is None:
            price, differs = "not known", _is_lonely(kept)
        elif transaction.price is None:
            price = "without a price"
            differs = contradicted
        else:
            total = transaction.price.total
            price = f"costs {total.amount} {total.currency}"
            differs = contradicted or total != kept.amount.rounded()
        if differs:
            self._desk.alarms.raise_(
                "settlement-differs", subject, station=kept.station_id, amount=taken, price=price
            )

    # what goes on by itself

    def _on_event(self, event: Event) -> None:
        if isinstance(event, TransactionChanged):
            transaction = event.transaction
            if not transaction.active:  # corrected ones too: the last word is the bill's
                self._told_s.pop(transaction.key, None)
                self._spawn(self._tell(transaction, final=True), transaction.station_id)
                place = fold(transaction.station_id), transaction.station_transaction_id
                settlement = self._waiting.get(place)
                if settlement and settlement.transaction_key in (None, transaction.key):
                    self._spawn(self.settled(settlement), transaction.station_id)
            elif event.began and transaction.id_token is not None and transaction.tariff:
                self._spawn(self._tell_price(transaction), transaction.station_id)
            elif self._is_due(transaction.key):
                self._spawn(self._tell(transaction, final=False), transaction.station_id)
        elif isinstance(event, StationReady):
            self._spawn(self._welcome(event.station_id), event.station_id)
        elif isinstance(event, TariffChanged):
            for station_id in self._desk.config.topology.stations:
                self._spawn(self._welcome(station_id), station_id)

    def _is_due(self, key: str) -> bool:
        now_s = self._desk.clock.monotonic_s()
        if now_s - self._told_s.get(key, float("-inf")) < TELL_EVERY_S:
            return False
        self._told_s[key] = now_s
        return True

    def _spawn(self, work: Any, station_id: str) -> None:
        self._desk.background.spawn(work, f"costs of {station_id}")

    async def _tell_price(self, transaction: Transaction) -> None:
        link = self._desk.stations.link(transaction.station_id)
        if link is None or not link.supports(TellPrice) or transaction.id_token is None:
            return
        assert transaction.tariff is not None, "asked for by who has one"
        request = TellPrice(transaction.id_token.id_token, price_text(transaction.tariff))
        await self._best_effort(link, request)

    async def _tell(self, transaction: Transaction, *, final: bool) -> None:
        link = self._desk.stations.link(transaction.station_id)
        if link is None or not link.supports(TellCost):
            return
        if link.version is not OcppVersion.V16 and (final or not await self._shows_costs(link)):
            return
        cost = await self._cost(transaction)
        if cost is None:
            return
        await self._best_effort(link, TellCost(cost, final))

    async def _shows_costs(self, link: StationLink) -> bool:
        """Asked once a connection: a 2.x station without a display has nothing to do with costs."""
        place = link.station_id, link.generation
        if place not in self._shows:
            self._shows = {k: v for k, v in self._shows.items() if k[0] != link.station_id}
            self._shows[place] = await self._is_on(link, SHOWS_COSTS)
        return self._shows[place]

    async def _is_on(self, link: StationLink, name: str) -> bool:
        try:
            answer = await link.get_variables((name,))
        except OperatingError:
            return False
        results = answer.body.get("getVariableResult")
        values = [
            str(row.get("attributeValue", "")).strip().casefold()
            for row in (results if isinstance(results, list) else ())
            if isinstance(row, dict)
        ]
        return answer.accepted and "true" in values

    async def _welcome(self, station_id: str) -> None:
        """A 2.1 station that prices sessions itself is given the site's tariff."""
        link = self._desk.stations.link(station_id)
        if link is None or not link.supports(SetDefaultTariff):
            return
        tariff = await self._desk.store.read(_tariff_at, self._desk.clock.now())
        if tariff is not None and await self._is_on(link, TAKES_TARIFFS):
            await self._best_effort(link, SetDefaultTariff(tariff))

    async def _best_effort(self, link: StationLink, request: Any) -> None:
        try:
            answer = await link.ask(request)
        except Unsupported:
            return
        except ControllerError as error:  # a card that the station can't be sent, too
            log.info("%s: %s not told: %s", link.station_id, type(request).__name__, error.detail)
            return
        if not answer.accepted:
            log.info("%s: %s: %s", link.station_id, type(request).__name__, answer.status)

    async def _cost(self, transaction: Transaction) -> SessionCost | None:
        """By the rules of its bill: while its energy waits for a person, nobody is told a total."""
        price = transaction.price
        if transaction.active:
            key = EvseKey(transaction.station_id, transaction.evse_id)
            evse = self._desk.config.topology.evse(key)
            power_w_max = None if evse is None else evse.power_w_max
            price = await self._desk.store.read(
                price_so_far,
                transaction,
                self._desk.clock.now(),
                power_w_max,
                self._desk.config.time_zone,
            )
        if price is None or transaction.tariff is None:
            return None
        return SessionCost(
            station_transaction_id=transaction.station_transaction_id,
            total=price.total,
            at=self._desk.clock.now(),
            meter_wh=transaction.meter_last_wh,
            tariff=transaction.tariff,
            charging=transaction.charging_state in (None, ChargingState.CHARGING),
        )

    # commands and questions

    async def _ask(self, command: Any, command_id: str) -> CommandResult:
        answer = await self._desk.link(command.station_id).ask(command)
        return result_of(command_id, answer, show=True)

    async def _web_payment(
        self, command: NotifyWebPaymentStarted, command_id: str
    ) -> CommandResult:
        """Checked here: the station's answer has no word for what doesn't fit."""
        self._desk.known(command.station_id)
        station = self._desk.config.topology.stations.get(command.station_id)
        evses = [evse.evse_id for evse in station.evses] if station else [command.evse_id]
        faults = []
        if command.evse_id not in evses:
            said = ", ".join(map(str, evses))
            faults.append(FieldError("evse_id", f"must be one of the station's: {said}"))
        if not 1 <= command.timeout_s <= WEB_PAYMENT_S_MAX:
            faults.append(FieldError("timeout_s", f"must be 1 to {WEB_PAYMENT_S_MAX} s"))
        if faults:
            raise InvalidInput(
                "No payment can begin so: "
                + "; ".join(f"{fault.field} {fault.message}" for fault in faults),
                remedy="Change what is named and send it again",
                errors=tuple(faults),
            )
        return await self._ask(command, command_id)

    async def _push(self, command: PushTariff, command_id: str) -> CommandResult:
        link = self._desk.link(command.station_id)
        tariff = await self._tariff()
        return result_of(command_id, await link.ask(SetDefaultTariff(tariff, command.evse_id)))

    async def _use_current(self, command: UseCurrentTariff, command_id: str) -> CommandResult:
        transaction = self._running(command.transaction_key)
        link = self._desk.link(transaction.station_id)
        if transaction.tariff is None:
            raise Conflict(
                "this session began without a price", remedy="Its bill waits for a person"
            )
        request = ChangeTransactionTariff(transaction.station_transaction_id, transaction.tariff)
        return result_of(command_id, await link.ask(request))

    async def _show(self, command: ShowCost, command_id: str) -> CommandResult:
        transaction = self._running(command.transaction_key)
        cost = await self._cost(transaction)
        if cost is None:
            raise Conflict(
                "this session can't be priced yet", remedy="Wait for its first meter reading"
            )
        return result_of(
            command_id, await self._desk.link(transaction.station_id).ask(TellCost(cost))
        )

    def _running(self, key: str) -> Transaction:
        transaction = self._desk.transactions.find(key)
        if transaction is None or not transaction.active:
            raise NotFound(f"no running session '{key}'", remedy="GET /v1/transactions lists them")
        return transaction

    async def _tariff(self) -> Tariff:
        tariff = await self._desk.store.read(_tariff_at, self._desk.clock.now())
        if tariff is None:
            raise NotFound("no tariff is valid", remedy="Set a price first: PUT /v1/tariff")
        return tariff

    async def _page(self, query: SettlementsQuery) -> Page[Settlement]:
        return await self._settlements.page(query.limit, query.cursor)


def _paid_for(tx: UnitOfWork, settlement: Settlement) -> Transaction | None:
    if settlement.transaction_key is not None:
        return tx.transaction(settlement.transaction_key)
    id_there = settlement.station_transaction_id or ""
    known = tx.transactions_by_station_id(settlement.station_id, id_there)
    return _begun_by(known, settlement.settled_at)


def _ended_by(
    tx: UnitOfWork, station_id: str, station_transaction_id: str, at: datetime
) -> Transaction | None:
    known = tx.transactions_by_station_id(station_id, station_transaction_id)
    return _begun_by([item for item in known if not item.active], at)


def _begun_by(known: Sequence[Transaction], at: datetime) -> Transaction | None:
    """The one that is meant at a time: stations use their ids again."""
    return next((item for item in known if item.started_at <= at), next(iter(known), None))


def _is_lonely(settlement: Settlement) -> bool:
    """Whether somebody paid for a session that nobody knows."""
    paid = settlement.status == SETTLED and bool(settlement.amount.amount)
    return paid and settlement.transaction_key is None


def _key(settlement: Settlement) -> str:
    """What makes it the same payment, told again."""
    by = settlement.reference or f"{settlement.station_transaction_id}@{settlement.settled_at}"
    return f"{fold(settlement.station_id)}/{by}/{settlement.status}"


def _tariff_at(tx: UnitOfWork, at: Any) -> Tariff | None:
    return in_force(tx.tariff_at(at, SITE_TARIFF_ID), at)


def _receipt(tx: UnitOfWork, key: str) -> str | None:
    receipt = tx.receipt(key)
    return None if receipt is None else receipt.number
