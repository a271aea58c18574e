"""Receipts: a number without gaps, a row that never changes, and paper made from it.

The row is committed before anything is printed; a second print is the same row, marked as a copy.
"""

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from sitecontroller.config import SiteConfig
from sitecontroller.domain.errors import Conflict, NotFound
from sitecontroller.domain.ids import evse_code
from sitecontroller.domain.receipt import ReceiptDocument, receipt_document
from sitecontroller.ports import Clock, Receipt, Store, UnitOfWork, Workshop
from sitecontroller.wire import from_json, to_json

TILL = "K1"

Render = Callable[..., bytes]
"""(document, language, copy) → PDF; importable, so that the workshop can run it."""


class BillingService:
    """Issues receipts for ended transactions."""

    def __init__(
        self, config: SiteConfig, store: Store, clock: Clock, workshop: Workshop, render: Render
    ) -> None:
        self._config = config
        self._store = store
        self._clock = clock
        self._workshop = workshop
        self._render = render

    async def receipt_pdf(self, transaction_key: str, language: str) -> bytes:
        """The receipt of a transaction; issued at the first call, a marked copy afterwards.

        Raises NotFound, Conflict (it still runs) and NoTariff (it has no price).
        """
        document, is_copy = await self._store.commit(
            self._issue, transaction_key, self._clock.now()
        )
        return await self._workshop.run(self._render, document, language, is_copy)

    def _issue(
        self, tx: UnitOfWork, transaction_key: str, now: datetime
    ) -> tuple[ReceiptDocument, bool]:
        known = tx.receipt(transaction_key)
        if known is not None:
            return from_json(ReceiptDocument, known.body), True
        transaction = tx.transaction(transaction_key)
        if transaction is None:
            raise NotFound(f"no transaction '{transaction_key}'")
        if transaction.active:
            raise Conflict(
                "this session still runs", remedy="Stop the session first, then print its receipt"
            )
        local_year = now.astimezone(ZoneInfo(self._config.time_zone)).year
        till = f"{self._config.site_id}-{TILL}"
        document = receipt_document(
            transaction,
            number=f"{till}-{local_year}-{tx.next_receipt_number(till, local_year):06d}",
            site_name=self._config.name,
            issued_at=now,
            time_zone=self._config.time_zone,
            evse_code=evse_code(
                self._config.evse_prefix, transaction.station_id, transaction.evse_id
            ),
        )
        receipt = Receipt(document.number, transaction_key, now, to_json(document))
        tx.add_receipt(receipt)
        tx.add_outbox("receipt", receipt.number, 1, "ReceiptIssued", receipt.body, now)
        return document, False
