"""The till as people work with it: paying and giving back, shifts, and what they come to.

A shift is closed on a count, once: its Z report has the next number of its till, without gaps, and
never changes. No shift closes while cash is under way.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from sitecontroller.domain import paying
from sitecontroller.domain.commands import Command, CommandResult, CommandState
from sitecontroller.domain.errors import Conflict, NotFound, PaymentUnclear
from sitecontroller.domain.ids import new_ulid
from sitecontroller.domain.money import Money
from sitecontroller.domain.paying import CASH, named, second_person
from sitecontroller.domain.payment import OperationKind, OperationState, Payment
from sitecontroller.domain.queries import Query
from sitecontroller.domain.till import (
    TILL,
    DrawerEntry,
    EntryKind,
    ReportedReceipts,
    Shift,
    ShiftReport,
    payable,
)
from sitecontroller.domain.views import Page
from sitecontroller.ports import Clock, Receipt, Store, UnitOfWork
from sitecontroller.services import payment_rules as rules
from sitecontroller.services.desk import Answerer, Handler
from sitecontroller.services.payments import PaymentService
from sitecontroller.wire import to_json

log = logging.getLogger(__name__)


class TillService:
    """What the till's commands and questions come to, for one site."""

    def __init__(self, store: Store, clock: Clock, payments: PaymentService, currency: str) -> None:
        self._store = store
        self._clock = clock
        self._payments = payments
        self._currency = currency
        self.handlers: dict[type[Command], Handler] = {
            paying.PayTransaction: self._pay,
            paying.HoldPayment: self._hold,
            paying.CapturePayment: self._capture,
            paying.VoidPayment: self._void,
            paying.RefundPayment: self._refund,
            paying.ResolvePayment: self._resolve,
            paying.OpenShift: self._open,
            paying.CloseShift: self._close,
            paying.PayIn: self._pay_in,
            paying.PayOut: self._pay_out,
        }
        self.answerers: dict[type[Query], Answerer] = {
            paying.PaymentsQuery: self._payment_page,
            paying.PaymentQuery: self._one_payment,
            paying.SessionPaymentsQuery: self._of_session,
            paying.ShiftsQuery: self._shifts,
            paying.ShiftReportQuery: self._report,
        }

    async def _pay(self, asked: paying.PayTransaction, command_id: str) -> CommandResult:
        by, given = named(asked.by, "by"), asked.given
        if given is not None:
            given = payable(given, "given", self._currency)
        payment = await self._payments.pay(asked.transaction_key, asked.provider, by, given)
        return await self._done(payment, command_id)

    async def _hold(self, asked: paying.HoldPayment, command_id: str) -> CommandResult:
        amount = payable(asked.amount, "amount", self._currency)
        by = named(asked.by, "by")
        payment = await self._payments.hold(asked.transaction_key, asked.provider, amount, by)
        return await self._done(payment, command_id)

    async def _capture(self, asked: paying.CapturePayment, command_id: str) -> CommandResult:
        payment = await self._payments.capture(asked.payment_key, named(asked.by, "by"))
        return await self._done(payment, command_id)

    async def _void(self, asked: paying.VoidPayment, command_id: str) -> CommandResult:
        by = named(asked.by, "by")
        other = second_person(by, asked.approved_by)
        why = named(asked.why, "why", paying.WHY_MAX)
        payment = await self._payments.void(asked.payment_key, by, other, why)
        return await self._done(payment, command_id)

    async def _refund(self, asked: paying.RefundPayment, command_id: str) -> CommandResult:
        by, amount = named(asked.by, "by"), asked.amount
        other = second_person(by, asked.approved_by)
        why = named(asked.why, "why", paying.WHY_MAX)
        if amount is not None:
            amount = payable(amount, "amount", self._currency)
        payment = await self._payments.refund(asked.payment_key, amount, by, other, why)
        return await self._done(payment, command_id)

    async def _resolve(self, asked: paying.ResolvePayment, command_id: str) -> CommandResult:
        named(asked.by, "by")
        payment = await self._payments.resolve(asked.payment_key)
        return await self._done(payment, command_id)

    async def _done(self, payment: Payment, command_id: str) -> CommandResult:
        """A payment's last operation as a command's result; a refusal is a value."""
        last = payment.operations[-1]
        if last.open:
            raise PaymentUnclear(
                f"nobody knows yet whether the {last.kind} of {last.amount.amount} "
                f"{last.amount.currency} took place: {last.reason or 'no answer'}",
                remedy=f"Don't repeat it. GET /v1/payments/{payment.key} says when it is known",
            )
        receipt = await self._store.read(_receipt_of, payment)
        change = last.details.get("change")
        done = paying.PaymentDone(
            payment,
            receipt,
            None if change is None else Money(Decimal(change), payment.currency).rounded(),
        )
        accepted = last.state is OperationState.APPROVED
        return CommandResult(
            command_id,
            CommandState.ACCEPTED if accepted else CommandState.REJECTED,
            None if accepted else last.reason or last.state.value,
            to_json(done),
        )

    async def _open(self, asked: paying.OpenShift, command_id: str) -> CommandResult:
        by = named(asked.by, "by")
        opened_with = payable(asked.opened_with, "opened_with", self._currency, zero=True)
        now = self._clock.now()
        shift = Shift(new_ulid(now), TILL, opened_with, now, by)
        await self._store.commit(_begin_shift, shift)
        log.warning("audit shift: opened key=%s by=%s with=%s", shift.key, by, opened_with.amount)
        return CommandResult(command_id, CommandState.ACCEPTED, None, to_json(shift))

    async def _close(self, asked: paying.CloseShift, command_id: str) -> CommandResult:
        by = named(asked.by, "by")
        counted = payable(asked.counted, "counted", self._currency, zero=True)
        report = await self._store.commit(
            _end_shift, asked.shift_key, counted, by, self._clock.now()
        )
        assert report.difference is not None, "a Z report is counted"
        log.warning(
            "audit shift: closed key=%s by=%s z=%s counted=%s difference=%s",
            report.shift_key,
            by,
            report.number,
            counted.amount,
            report.difference.amount,
        )
        return CommandResult(command_id, CommandState.ACCEPTED, None, to_json(report))

    async def _pay_in(self, asked: paying.PayIn, command_id: str) -> CommandResult:
        amount = payable(asked.amount, "amount", self._currency)
        return await self._move(asked, EntryKind.PAY_IN, amount, None, command_id)

    async def _pay_out(self, asked: paying.PayOut, command_id: str) -> CommandResult:
        amount = payable(asked.amount, "amount", self._currency)
        other = second_person(named(asked.by, "by"), asked.approved_by)
        out = Money(-amount.amount, amount.currency)
        return await self._move(asked, EntryKind.PAY_OUT, out, other, command_id)

    async def _move(
        self,
        asked: paying.PayIn | paying.PayOut,
        kind: EntryKind,
        amount: Money,
        approved_by: str | None,
        command_id: str,
    ) -> CommandResult:
        now = self._clock.now()
        entry = DrawerEntry(
            new_ulid(now),
            asked.shift_key,
            kind,
            amount,
            now,
            named(asked.by, "by"),
            None,
            named(asked.why, "why", paying.WHY_MAX),
            approved_by,
        )
        await self._store.commit(_move_cash, entry)
        log.warning("audit drawer: %s amount=%s by=%s", kind, amount.amount, entry.by)
        return CommandResult(command_id, CommandState.ACCEPTED, None, to_json(entry))

    async def _payment_page(self, asked: paying.PaymentsQuery) -> Page[Payment]:
        return await self._store.read(lambda tx: tx.payment_page(asked.limit, asked.cursor))

    async def _one_payment(self, asked: paying.PaymentQuery) -> Payment:
        return await self._payments.payment(asked.payment_key)

    async def _of_session(self, asked: paying.SessionPaymentsQuery) -> paying.SessionPayments:
        return await self._store.read(_session_payments, asked.transaction_key)

    async def _shifts(self, asked: paying.ShiftsQuery) -> Page[Shift]:
        return await self._store.read(lambda tx: tx.shift_page(asked.limit, asked.cursor))

    async def _report(self, asked: paying.ShiftReportQuery) -> ShiftReport:
        return await self._store.read(_x_or_z, asked.shift_key, self._clock.now())


def _begin_shift(tx: UnitOfWork, shift: Shift) -> None:
    if tx.open_shift(shift.till) is not None:
        raise Conflict(
            f"a shift of till {shift.till} is open already",
            remedy="Count the drawer and close that shift first",
        )
    tx.put_shift(shift)
    tx.add_outbox("shift", shift.key, 1, "ShiftOpened", to_json(shift), shift.opened_at)


def _end_shift(
    tx: UnitOfWork, shift_key: str, counted: Money, by: str, now: datetime
) -> ShiftReport:
    shift = _open_one(tx, shift_key)
    for payment in tx.unfinished_payments():
        if payment.provider == CASH and payment.till == shift.till:
            raise Conflict(
                f"cash payment {payment.key} isn't over: its {payment.operations[-1].kind} is "
                f"{payment.operations[-1].state}",
                remedy="Resolve that payment, then count again",
            )
    report = replace(
        _summed(tx, shift, by, now), number=tx.next_z_number(shift.till), counted=counted
    )
    report = replace(report, difference=counted - report.expected)
    tx.put_shift(replace(shift, closed_at=now, report=report))
    tx.add_outbox("shift", shift.key, 2, "ShiftClosed", to_json(report), now)
    return report


def _move_cash(tx: UnitOfWork, entry: DrawerEntry) -> None:
    shift = _open_one(tx, entry.shift_key)
    held_minor = shift.opened_with.amount_minor + sum(tx.drawer_sums(shift.key).values())
    if held_minor + entry.amount.amount_minor < 0:
        held = Money.from_minor(held_minor, entry.amount.currency)
        raise Conflict(f"the drawer holds {held.amount} only", remedy="Count it")
    tx.add_drawer_entry(entry)
    tx.add_outbox("drawer", entry.key, 1, "CashMoved", to_json(entry), entry.at)


def _shift(tx: UnitOfWork, shift_key: str) -> Shift:
    shift = tx.shift(shift_key)
    if shift is None:
        raise NotFound(f"no shift '{shift_key}'", remedy="GET /v1/shifts lists them")
    return shift


def _open_one(tx: UnitOfWork, shift_key: str) -> Shift:
    shift = _shift(tx, shift_key)
    if not shift.is_open:
        raise Conflict("this shift is closed: its Z report never changes", remedy="Open a shift")
    return shift


def _x_or_z(tx: UnitOfWork, shift_key: str, now: datetime) -> ShiftReport:
    shift = _shift(tx, shift_key)
    return shift.report or _summed(tx, shift, shift.opened_by, now)


def _summed(tx: UnitOfWork, shift: Shift, by: str, now: datetime) -> ShiftReport:
    """What an open shift comes to, as of now."""
    currency = shift.opened_with.currency
    sums = tx.drawer_sums(shift.key)

    def money(minor: int) -> Money:
        return Money.from_minor(minor, currency)

    captured: dict[str, Money] = {}
    refunded: dict[str, Money] = {}
    for provider, kind, minor in tx.operation_sums(shift.key):
        if kind in (OperationKind.SALE, OperationKind.CAPTURE):
            captured[provider] = captured.get(provider, money(0)) + money(minor)
        elif kind is OperationKind.REFUND:
            refunded[provider] = money(minor)
    receipts = tx.receipts_of_shift(shift.key)
    return ShiftReport(
        shift.key,
        shift.till,
        None,
        shift.opened_at,
        shift.opened_by,
        now,
        by,
        shift.opened_with,
        money(sums.get(EntryKind.SALE, 0)),
        money(-sums.get(EntryKind.REFUND, 0)),
        money(sums.get(EntryKind.PAY_IN, 0)),
        money(-sums.get(EntryKind.PAY_OUT, 0)),
        shift.opened_with + money(sum(sums.values())),
        _reported([receipt for receipt in receipts if receipt.cancels is None], currency),
        _reported([receipt for receipt in receipts if receipt.cancels is not None], currency),
        captured,
        refunded,
    )


def _reported(receipts: Sequence[Receipt], currency: str) -> ReportedReceipts:
    total = sum(Decimal(receipt.body["total"]["amount"]) for receipt in receipts)
    numbers = [receipt.number for receipt in receipts]
    return ReportedReceipts(
        len(numbers),
        Money(Decimal(total), currency).rounded(),
        numbers[0] if numbers else None,
        numbers[-1] if numbers else None,
    )


def _receipt_of(tx: UnitOfWork, payment: Payment) -> str | None:
    if payment.operations[-1].kind is OperationKind.REFUND:
        receipt = tx.last_counter_receipt(payment.transaction_key)
    else:
        receipt = tx.receipt(payment.transaction_key)
    return None if receipt is None else receipt.number


def _session_payments(tx: UnitOfWork, transaction_key: str) -> paying.SessionPayments:
    transaction = tx.transaction(transaction_key)
    if transaction is None:
        raise NotFound(f"no transaction '{transaction_key}'", remedy="/v1/transactions lists them")
    receipt = tx.receipt(transaction_key)
    total = transaction.price.total if transaction.price and not transaction.active else None
    if receipt is not None:
        told = receipt.body["total"]
        total = Money(Decimal(told["amount"]), told["currency"])
    owed = None
    if total is not None:
        owed = total - rules.paid(tx, transaction_key, total.currency)
    return paying.SessionPayments(
        transaction_key,
        tuple(tx.payments_of(transaction_key)),
        owed,
        None if receipt is None else receipt.number,
    )
