"""What a payment's commit does beside the payment: what is owed, the receipt, the word to HQ.

Plain functions inside one unit of work.
"""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from sitecontroller.domain.errors import Conflict, NotFound
from sitecontroller.domain.money import Money
from sitecontroller.domain.payment import FINAL, Payment, PaymentState
from sitecontroller.domain.receipt import PaidNotice, ReceiptDocument, counter_receipt
from sitecontroller.ports import UnitOfWork
from sitecontroller.services.billing import BillingService
from sitecontroller.wire import from_json, to_json


def known(tx: UnitOfWork, payment_key: str) -> Payment:
    """One payment. Raises NotFound."""
    payment = tx.payment(payment_key)
    if payment is None:
        raise NotFound(f"no payment '{payment_key}'", remedy="GET /v1/payments lists them")
    return payment


def busy(payment_key: str) -> Conflict:
    """A payment about which a provider is being asked."""
    return Conflict(
        f"the provider is being asked about payment {payment_key}",
        remedy="Wait for its answer, then look at the payment",
    )


def refuse_second(tx: UnitOfWork, transaction_key: str, besides: str | None = None) -> None:
    """Raises Conflict where a session is being paid, or money is held for it."""
    for payment in tx.payments_of(transaction_key):
        if payment.key == besides:
            continue
        if payment.open_operation is not None or payment.state is PaymentState.AUTHORIZED:
            raise Conflict(
                f"payment {payment.key} of this session is {payment.state}",
                remedy="Finish that payment first: capture, void or resolve it",
            )


def owed(tx: UnitOfWork, document: ReceiptDocument, besides: str | None = None) -> Money:
    """What a session costs and nobody paid yet, above 0. Raises Conflict where nothing is.

    What was given back is not owed again.
    """
    refuse_second(tx, document.transaction_key, besides)
    rest = document.total - paid(tx, document.transaction_key, document.total.currency)
    if rest.amount <= 0:
        words = "is paid already" if document.total.amount > 0 else "costs nothing"
        raise Conflict(f"this session {words}", remedy="Print its receipt")
    return rest


def paid(tx: UnitOfWork, transaction_key: str, currency: str) -> Money:
    """What was ever captured for a session, refunds not subtracted."""
    return sum(
        (payment.captured for payment in tx.payments_of(transaction_key)),
        Money(Decimal(0), currency),
    )


def keep(
    tx: UnitOfWork, payment: Payment, now: datetime, draft: ReceiptDocument | None = None
) -> None:
    """The payment's rows and the word to HQ; `draft`: the receipt that its money will pay."""
    body = tx.payment_draft(payment.key)
    if draft is not None and not draft.number:
        body = to_json(draft)
    _put(tx, payment, now, body)


def conclude(
    tx: UnitOfWork, billing: BillingService, before: Payment, after: Payment, now: datetime
) -> None:
    """Keep what an operation came to, with the receipt that belongs to it."""
    body = tx.payment_draft(after.key)
    captured, refunded = after.captured - before.captured, after.refunded - before.refunded
    if captured.amount > 0:
        if body is not None and tx.receipt(after.transaction_key) is None:
            draft = from_json(ReceiptDocument, body)
            billing.issue(tx, _with_payment(draft, after), now)
        body = None
    if refunded.amount > 0:
        receipt = tx.receipt(after.transaction_key)
        assert receipt is not None, "what was captured has a receipt"
        original = from_json(ReceiptDocument, receipt.body)
        earlier = _refunded(tx, after.transaction_key, original.total.currency)
        billing.issue(tx, counter_receipt(original, refunded, earlier), now)
    if after.state in FINAL:
        body = None
    _put(tx, after, now, body)


def _put(tx: UnitOfWork, payment: Payment, now: datetime, draft: object) -> None:
    shift = tx.open_shift(payment.till)
    assert draft is None or isinstance(draft, dict), "a draft is a document as JSON"
    tx.put_payment(payment, None if shift is None else shift.key, draft)
    tx.add_outbox("payment", payment.key, payment.version, "PaymentChanged", to_json(payment), now)


def _refunded(tx: UnitOfWork, transaction_key: str, currency: str) -> Money:
    return sum(
        (payment.refunded for payment in tx.payments_of(transaction_key)),
        Money(Decimal(0), currency),
    )


def _with_payment(document: ReceiptDocument, payment: Payment) -> ReceiptDocument:
    details = payment.operations[-1].details
    currency = payment.currency

    def money(name: str) -> Money | None:
        text = details.get(name)
        return None if text is None else Money(Decimal(text), currency).rounded()

    paid_by = PaidNotice(payment.provider, payment.captured, money("given"), money("change"))
    return replace(document, paid=paid_by)
