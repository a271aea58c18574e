"""Receipts: a number without gaps, a row that never changes, and paper made from it.

The row is committed before anything is printed; a second print is the same row, marked as a copy. A
receipt never follows a correction of its session: people are told that the two differ.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from sitecontroller.config import SiteConfig
from sitecontroller.domain.errors import Conflict, NotFound
from sitecontroller.domain.events import Event, TransactionChanged
from sitecontroller.domain.ids import evse_code
from sitecontroller.domain.money import Money
from sitecontroller.domain.receipt import ReceiptDocument, receipt_document
from sitecontroller.domain.till import TILL
from sitecontroller.domain.transaction import Transaction
from sitecontroller.ports import Clock, Receipt, Store, UnitOfWork, Workshop
from sitecontroller.publisher import Publisher
from sitecontroller.services.alarms import AlarmService
from sitecontroller.services.background import Background
from sitecontroller.services.signed_hold import refuse_if_held, signed_notice
from sitecontroller.wire import from_json, to_json

Render = Callable[..., bytes]
"""(document, language, copy) → PDF; importable, so that the workshop can run it."""


class BillingService:
    """Issues receipts for ended transactions."""

    def __init__(
        self,
        config: SiteConfig,
        store: Store,
        clock: Clock,
        workshop: Workshop,
        render: Render,
        alarms: AlarmService,
        publisher: Publisher,
        background: Background,
        settle_signed: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        self._config = config
        self._store = store
        self._clock = clock
        self._workshop = workshop
        self._render = render
        self._alarms = alarms
        self._background = background
        self._settle_signed = settle_signed
        publisher.subscribe(self._on_event, TransactionChanged)

    async def receipt_pdf(self, transaction_key: str, language: str) -> bytes:
        """The receipt of a transaction; issued at the first call, a marked copy afterwards.

        Raises NotFound, Conflict (it still runs, or its signed readings are not valid) and
        NoTariff (it has no price).
        """
        await self.settle(transaction_key)
        document, is_copy = await self._store.commit(
            self._issue, transaction_key, self._clock.now()
        )
        if is_copy:
            await self._compare(transaction_key)
        return await self._workshop.run(self._render, document, language, is_copy)

    async def numbered_pdf(self, number: str, language: str) -> bytes:
        """A receipt by its number, marked as a copy, or a counter-receipt. Raises NotFound."""
        receipt = await self._store.read(lambda tx: tx.receipt_numbered(number))
        if receipt is None:
            raise NotFound(f"no receipt '{number}'", remedy="A refund's answer names its own")
        document = from_json(ReceiptDocument, receipt.body)
        return await self._workshop.run(self._render, document, language, document.cancels is None)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, TransactionChanged) and not event.transaction.active:
            key = event.transaction.key
            self._background.spawn(self._compare(key), f"compare the receipt of {key}")

    async def _compare(self, transaction_key: str) -> None:
        """Tell people where a receipt and the price of its session differ."""
        transaction, receipt = await self._store.read(_transaction_and_receipt, transaction_key)
        if transaction is None or receipt is None:
            return
        price = transaction.price.total if transaction.price is not None else None
        if price != receipt.total:
            self._alarms.raise_(
                "receipt-differs",
                transaction_key,
                number=receipt.number,
                evse=f"{transaction.station_id}/{transaction.evse_id}",
                printed=_in_words(receipt.total),
                price="unknown" if price is None else _in_words(price),
            )

    async def settle(self, transaction_key: str) -> None:
        """See that nothing a receipt depends on is still under way."""
        if self._settle_signed is not None:
            await self._settle_signed(transaction_key)

    def _issue(
        self, tx: UnitOfWork, transaction_key: str, now: datetime
    ) -> tuple[ReceiptDocument, bool]:
        document = self.draft(tx, transaction_key, now)
        if document.number:
            return document, True
        if any(payment.open_operation for payment in tx.payments_of(transaction_key)):
            raise Conflict(
                "this session is being paid", remedy="Print its receipt when that is over"
            )
        return self.issue(tx, document, now), False

    def draft(self, tx: UnitOfWork, transaction_key: str, now: datetime) -> ReceiptDocument:
        """The receipt as it was issued, or as it would be: then without a number.

        Raises NotFound, Conflict and NoTariff as `receipt_pdf` does.
        """
        known = tx.receipt(transaction_key)
        if known is not None:
            return from_json(ReceiptDocument, known.body)
        transaction = tx.transaction(transaction_key)
        if transaction is None:
            raise NotFound(f"no transaction '{transaction_key}'")
        if transaction.active:
            raise Conflict(
                "this session still runs", remedy="Stop the session first, then print its receipt"
            )
        refuse_if_held(tx, transaction_key)
        return receipt_document(
            transaction,
            number="",
            site_name=self._config.name,
            issued_at=now,
            time_zone=self._config.time_zone,
            evse_code=evse_code(
                self._config.evse_prefix, transaction.station_id, transaction.evse_id
            ),
            signed=signed_notice(tx, transaction),
        )

    def issue(self, tx: UnitOfWork, document: ReceiptDocument, now: datetime) -> ReceiptDocument:
        """Give a document the till's next number, and keep it and tell it for good."""
        local_year = now.astimezone(ZoneInfo(self._config.time_zone)).year
        till = f"{self._config.site_id}-{TILL}"
        number = f"{till}-{local_year}-{tx.next_receipt_number(till, local_year):06d}"
        document = replace(document, number=number, issued_at=now)
        shift = tx.open_shift(TILL)
        receipt = Receipt(
            number,
            document.transaction_key,
            now,
            to_json(document),
            document.cancels,
            None if shift is None else shift.key,
        )
        tx.add_receipt(receipt)
        tx.add_outbox("receipt", number, 1, "ReceiptIssued", receipt.body, now)
        return document


def _transaction_and_receipt(
    tx: UnitOfWork, key: str
) -> tuple[Transaction | None, ReceiptDocument | None]:
    receipt = tx.receipt(key)
    if receipt is None:
        return None, None
    return tx.transaction(key), from_json(ReceiptDocument, receipt.body)


def _in_words(money: Money) -> str:
    return f"{money.amount} {money.currency}"
