"""Payments and what providers were asked for: an operation's row is there before its wire call."""

import sqlite3
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select

from sitecontroller.domain.money import Money
from sitecontroller.domain.payment import OperationKind, Payment
from sitecontroller.domain.views import Page
from sitecontroller.storage import paging
from sitecontroller.storage.schema import OPEN_OPERATION, payment, payment_operation
from sitecontroller.storage.statements import Row, Statement, before, parameter, upsert_row

_PAYMENT, _OPERATION = payment.c, payment_operation.c
_PUT = upsert_row(payment, "key")
_PUT_OPERATION = upsert_row(payment_operation, "key", without=("row_id",))
_ONE = Statement(select(payment).where(_PAYMENT.key == parameter("key")))
_OF = Statement(
    select(payment)
    .where(_PAYMENT.transaction_key == parameter("transaction_key"))
    .order_by(_PAYMENT.created_at, _PAYMENT.key)
)
_UNFINISHED = Statement(
    select(payment)
    .where(_PAYMENT.key.in_(select(_OPERATION.payment_key).where(OPEN_OPERATION)))
    .order_by(_PAYMENT.created_at, _PAYMENT.key)
)
_PAGE = Statement(
    select(payment)
    .where(before(_PAYMENT.created_at, _PAYMENT.key))
    .order_by(_PAYMENT.created_at.desc(), _PAYMENT.key.desc())
    .limit(parameter("limit"))
)
_OPERATIONS = Statement(
    select(payment_operation)
    .where(_OPERATION.payment_key == parameter("key"))
    .order_by(_OPERATION.row_id)
)
_SUMS = Statement(
    select(_PAYMENT.provider, _OPERATION.kind, func.sum(_OPERATION.amount_minor).label("sum"))
    .join(payment, _PAYMENT.key == _OPERATION.payment_key)
    .where(_OPERATION.shift_key == parameter("shift_key"))
    .group_by(_PAYMENT.provider, _OPERATION.kind)
    .order_by(_PAYMENT.provider, _OPERATION.kind)
)


class PaymentRows:
    """The part of a unit of work that keeps payments."""

    connection: sqlite3.Connection

    def put_payment(
        self, payment: Payment, shift_key: str | None, draft: dict[str, Any] | None
    ) -> None:
        """Add it, or replace it and what changed of its operations."""
        known = {row["key"]: row for row in self._operation_rows(payment.key)}
        _PUT.run(
            self.connection,
            {
                "key": payment.key,
                "transaction_key": payment.transaction_key,
                "provider": payment.provider,
                "till": payment.till,
                "mode": payment.mode,
                "state": payment.state,
                "created_at": payment.created_at,
                "currency": payment.currency,
                "authorized_minor": payment.authorized.amount_minor,
                "captured_minor": payment.captured.amount_minor,
                "refunded_minor": payment.refunded.amount_minor,
                "draft": draft,
                "version": payment.version,
            },
        )
        for operation in payment.operations:
            before = known.get(operation.key)
            if before is not None and before["state"] is operation.state:
                continue
            answered = operation.answered
            _PUT_OPERATION.run(
                self.connection,
                {
                    "key": operation.key,
                    "payment_key": payment.key,
                    "shift_key": shift_key,
                    "kind": operation.kind,
                    "state": operation.state,
                    "amount_minor": 0 if answered is None else answered.amount_minor,
                    "body": operation,
                },
            )

    def payment(self, key: str) -> Payment | None:
        """One with its operations, or None."""
        row = _ONE.one(self.connection, {"key": key})
        return None if row is None else self._payment(row)

    def payment_draft(self, key: str) -> dict[str, Any] | None:
        """The receipt to be issued when its money is captured; None: none is to come."""
        row = _ONE.one(self.connection, {"key": key})
        return None if row is None else row["draft"]

    def payments_of(self, transaction_key: str) -> Sequence[Payment]:
        """Those of a transaction, oldest first."""
        rows = _OF.all(self.connection, {"transaction_key": transaction_key})
        return [self._payment(row) for row in rows]

    def unfinished_payments(self) -> Sequence[Payment]:
        """Those with an operation that isn't over, oldest first."""
        return [self._payment(row) for row in _UNFINISHED.all(self.connection)]

    def payment_page(self, limit: int, cursor: str | None) -> Page[Payment]:
        """Newest first."""
        rows, following = paging.fetch(
            _PAGE, self.connection, limit, cursor, position=("created_at", "key")
        )
        return Page(tuple(self._payment(row) for row in rows), following)

    def operation_sums(self, shift_key: str) -> Sequence[tuple[str, OperationKind, int]]:
        """(provider, kind, minor units) of what was approved in a shift."""
        rows = _SUMS.all(self.connection, {"shift_key": shift_key})
        return [(row["provider"], row["kind"], row["sum"]) for row in rows]

    def _operation_rows(self, key: str) -> list[Row]:
        return _OPERATIONS.all(self.connection, {"key": key})

    def _payment(self, row: Row) -> Payment:
        currency = row["currency"]
        return Payment(
            row["key"],
            row["provider"],
            row["till"],
            row["transaction_key"],
            row["mode"],
            row["created_at"],
            Money.from_minor(row["authorized_minor"], currency),
            Money.from_minor(row["captured_minor"], currency),
            Money.from_minor(row["refunded_minor"], currency),
            row["state"],
            tuple(operation["body"] for operation in self._operation_rows(row["key"])),
            row["version"],
        )
