"""A payment: one sum that one provider takes for one transaction, from the first word to its end.

Pure: a table says which state may follow which, and functions apply what an operation came to.
Money moves only by an operation; while one is not over, no other begins. Whether it took place is
the provider's word alone: an operation nobody knows the end of is UNKNOWN, never tried again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from sitecontroller.domain.errors import Conflict, FieldError, InvalidInput
from sitecontroller.domain.money import Money


class PaymentState(StrEnum):
    """Where a payment stands."""

    CREATED = "created"
    AUTHORIZING = "authorizing"
    AUTHORIZED = "authorized"
    CAPTURING = "capturing"
    CAPTURED = "captured"
    REFUNDING = "refunding"
    PARTIALLY_REFUNDED = "partially-refunded"
    REFUNDED = "refunded"
    VOIDING = "voiding"
    VOIDED = "voided"
    EXPIRED = "expired"
    DECLINED = "declined"
    CANCELED = "canceled"
    UNKNOWN = "unknown"
    """An operation's end was not heard: only `inquire` or a person may resolve it."""
    DISPUTED = "disputed"
    WON = "won"
    LOST = "lost"
    CAPTURE_FAILED = "capture-failed"
    DUNNING = "dunning"
    WRITTEN_OFF = "written-off"


_S = PaymentState
TRANSITIONS: Mapping[PaymentState, frozenset[PaymentState]] = {
    _S.CREATED: frozenset({_S.AUTHORIZING}),
    _S.AUTHORIZING: frozenset({_S.AUTHORIZED, _S.DECLINED, _S.CANCELED, _S.UNKNOWN}),
    _S.AUTHORIZED: frozenset({_S.CAPTURING, _S.VOIDING, _S.EXPIRED}),
    _S.CAPTURING: frozenset({_S.CAPTURED, _S.AUTHORIZED, _S.CAPTURE_FAILED, _S.UNKNOWN}),
    _S.CAPTURED: frozenset({_S.REFUNDING, _S.DISPUTED}),
    _S.REFUNDING: frozenset({_S.CAPTURED, _S.PARTIALLY_REFUNDED, _S.REFUNDED, _S.UNKNOWN}),
    _S.PARTIALLY_REFUNDED: frozenset({_S.REFUNDING, _S.DISPUTED}),
    _S.REFUNDED: frozenset(),
    _S.VOIDING: frozenset({_S.VOIDED, _S.AUTHORIZED, _S.UNKNOWN}),
    _S.VOIDED: frozenset(),
    _S.EXPIRED: frozenset(),
    _S.DECLINED: frozenset(),
    _S.CANCELED: frozenset(),
    _S.UNKNOWN: frozenset({
        _S.AUTHORIZED, _S.DECLINED, _S.CANCELED, _S.CAPTURED, _S.CAPTURE_FAILED,
        _S.PARTIALLY_REFUNDED, _S.REFUNDED, _S.VOIDED,
    }),
    _S.DISPUTED: frozenset({_S.WON, _S.LOST}),
    _S.WON: frozenset(),
    _S.LOST: frozenset(),
    _S.CAPTURE_FAILED: frozenset({_S.DUNNING, _S.WRITTEN_OFF}),
    _S.DUNNING: frozenset({_S.WRITTEN_OFF}),
    _S.WRITTEN_OFF: frozenset(),
}  # fmt: skip
"""Which state may follow which. A capture, refund or void that did not take place leads back."""

FINAL = frozenset(state for state, following in TRANSITIONS.items() if not following)


class OperationKind(StrEnum):
    """What a provider is asked for. A SALE authorises and captures in one."""

    PREAUTHORIZE = "preauthorize"
    SALE = "sale"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"


class OperationState(StrEnum):
    """Where one operation stands; the first two are not over."""

    PENDING = "pending"
    """Its row is committed; the provider may or may not have heard of it."""
    UNKNOWN = "unknown"
    """Nobody knows what came of it: to be inquired."""
    APPROVED = "approved"
    DECLINED = "declined"
    CANCELED = "canceled"
    """It did not take place: given up by a person, or it never reached the provider."""


class PaymentMode(StrEnum):
    """How a session is paid, by what the provider can do for this card scheme."""

    PREAUTHORIZE = "preauthorize"
    """A sum is held before charging, and the price booked after it."""
    PREPAID = "prepaid"
    """A sum is taken before charging, and what is left given back."""
    PAY_ON_LEAVING = "pay-on-leaving"
    """The price is taken when it is known."""


@dataclass(frozen=True, slots=True)
class ProviderCapabilities:
    """What a provider can do; card terminals say it per card scheme."""

    modes: frozenset[PaymentMode]
    partial_refund: bool = True
    capture_above_authorized: bool = False
    end_of_day: bool = False


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """What a provider says of an operation; `state` is never PENDING.

    `amount` None: the very amount that was asked for; providers may approve less. `reference`
    names it at the provider (a receipt or trace number). `details` are kept with the operation:
    masked card, scheme, the lines of the customer's slip. Never a whole card number.
    """

    state: OperationState
    amount: Money | None = None
    reference: str | None = None
    reason: str | None = None
    details: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PaymentOperation:
    """One thing a provider was asked for; `key` is its idempotency key, a ULID.

    `asked` is what the provider needs to know beyond the amount (cash: the sum that was given);
    `by` asked for it, `approved_by` is the second person where one is needed.
    """

    key: str
    kind: OperationKind
    amount: Money
    started_at: datetime
    state: OperationState = OperationState.PENDING
    ended_at: datetime | None = None
    by: str = ""
    approved_by: str | None = None
    why: str | None = None
    asked: dict[str, str] = field(default_factory=dict)
    answered: Money | None = None
    """What was approved."""
    reference: str | None = None
    reason: str | None = None
    details: dict[str, str] = field(default_factory=dict)

    @property
    def open(self) -> bool:
        """Whether it is not over."""
        return self.state in (OperationState.PENDING, OperationState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Payment:
    """One sum taken by one provider; `key` is a ULID. Amounts are in one currency, never below 0.

    `authorized` is what the provider holds or held for us, `captured` what it took, `refunded`
    what it gave back of that.
    """

    key: str
    provider: str
    till: str
    transaction_key: str
    mode: PaymentMode
    created_at: datetime
    authorized: Money
    captured: Money
    refunded: Money
    state: PaymentState = PaymentState.CREATED
    operations: tuple[PaymentOperation, ...] = ()
    version: int = 1

    @property
    def open_operation(self) -> PaymentOperation | None:
        """The one that is not over."""
        return next((operation for operation in self.operations if operation.open), None)

    @property
    def refundable(self) -> Money:
        """What may still be given back."""
        return self.captured - self.refunded

    @property
    def currency(self) -> str:
        """Of all its amounts."""
        return self.authorized.currency

    def approved(self, kind: OperationKind) -> PaymentOperation | None:
        """The last one of this kind that took place: its reference is needed to undo it."""
        return next(
            (
                operation
                for operation in reversed(self.operations)
                if operation.kind is kind and operation.state is OperationState.APPROVED
            ),
            None,
        )


def new_payment(
    key: str,
    provider: str,
    till: str,
    transaction_key: str,
    mode: PaymentMode,
    currency: str,
    created_at: datetime,
) -> Payment:
    """Nothing asked for yet."""
    zero = Money(Decimal(0), currency)
    return Payment(key, provider, till, transaction_key, mode, created_at, zero, zero, zero)


_BEGINS: Mapping[OperationKind, tuple[frozenset[PaymentState], PaymentState]] = {
    OperationKind.PREAUTHORIZE: (frozenset({_S.CREATED}), _S.AUTHORIZING),
    OperationKind.SALE: (frozenset({_S.CREATED}), _S.AUTHORIZING),
    OperationKind.CAPTURE: (frozenset({_S.AUTHORIZED}), _S.CAPTURING),
    OperationKind.VOID: (frozenset({_S.AUTHORIZED}), _S.VOIDING),
    OperationKind.REFUND: (frozenset({_S.CAPTURED, _S.PARTIALLY_REFUNDED}), _S.REFUNDING),
}
"""In which states an operation may begin, and the state while it runs."""


def begun(
    payment: Payment, operation: PaymentOperation, capabilities: ProviderCapabilities
) -> Payment:
    """The payment with a PENDING operation, to be committed before the provider hears of it.

    Raises Conflict where the state doesn't allow it, InvalidInput for an impossible amount.
    """
    running = payment.open_operation
    if running is not None:
        raise Conflict(
            f"payment {payment.key}: its {running.kind} isn't over ({running.state})",
            remedy="Wait for its end; where that is unknown, ask the provider: resolve it",
        )
    allowed, state = _BEGINS[operation.kind]
    if payment.state not in allowed:
        raise Conflict(
            f"payment {payment.key} is {payment.state}: no {operation.kind} is possible",
            remedy="Look at the payment; take a new one if money is still owed",
        )
    _check_amount(payment, operation, capabilities)
    return moved(replace(payment, operations=(*payment.operations, operation)), state)


def in_doubt(payment: Payment, reason: str) -> Payment:
    """A pending operation's end was not heard: UNKNOWN until it is resolved."""
    operation = payment.open_operation
    if operation is None or operation.state is OperationState.UNKNOWN:
        return payment
    doubtful = replace(operation, state=OperationState.UNKNOWN, reason=reason)
    return moved(_replaced(payment, doubtful), _S.UNKNOWN)


def answered(
    payment: Payment,
    operation_key: str,
    answer: ProviderAnswer,
    at: datetime,
    capabilities: ProviderCapabilities,
) -> Payment:
    """The payment after a provider's answer, be it the call's or an inquiry's.

    An answer to an operation that is over changes nothing. An approved amount that can't be right
    (more than asked, another currency) leaves the operation UNKNOWN, for a person to look at.
    """
    operation = next((op for op in payment.operations if op.key == operation_key), None)
    if operation is None:
        raise Conflict(f"payment {payment.key} has no operation {operation_key}")
    assert answer.state is not OperationState.PENDING, "a provider answers, or says UNKNOWN"
    if not operation.open:
        return payment
    if answer.state is OperationState.UNKNOWN:
        return in_doubt(payment, answer.reason or "the provider doesn't know")
    amount = answer.amount or operation.amount
    if answer.state is OperationState.APPROVED:
        doubt = _doubt(payment, operation, amount, capabilities)
        if doubt is not None:
            return in_doubt(payment, doubt)
    ended = replace(
        operation,
        state=answer.state,
        ended_at=at,
        answered=amount if answer.state is OperationState.APPROVED else None,
        reference=answer.reference,
        reason=answer.reason,
        details=operation.details | answer.details,
    )
    payment = _replaced(payment, ended)
    if answer.state is OperationState.APPROVED:
        return _approved(payment, operation.kind, amount)
    return _failed(payment, operation.kind, answer.state)


def moved(payment: Payment, state: PaymentState) -> Payment:
    """The payment in a following state. Raises Conflict where the table has no such step."""
    if state not in TRANSITIONS[payment.state]:
        raise Conflict(f"payment {payment.key} is {payment.state} and can't become {state}")
    return replace(payment, state=state, version=payment.version + 1)


def _approved(payment: Payment, kind: OperationKind, amount: Money) -> Payment:
    match kind:
        case OperationKind.PREAUTHORIZE:
            return moved(replace(payment, authorized=amount), _S.AUTHORIZED)
        case OperationKind.SALE:
            payment = moved(replace(payment, authorized=amount), _S.AUTHORIZED)
            payment = moved(payment, _S.CAPTURING)
            return moved(replace(payment, captured=amount), _S.CAPTURED)
        case OperationKind.CAPTURE:
            return moved(replace(payment, captured=amount), _S.CAPTURED)
        case OperationKind.VOID:
            return moved(payment, _S.VOIDED)
        case OperationKind.REFUND:
            payment = replace(payment, refunded=payment.refunded + amount)
            all_of_it = payment.refundable.amount == 0
            return moved(payment, _S.REFUNDED if all_of_it else _S.PARTIALLY_REFUNDED)


def _failed(payment: Payment, kind: OperationKind, state: OperationState) -> Payment:
    declined = state is OperationState.DECLINED
    match kind:
        case OperationKind.PREAUTHORIZE | OperationKind.SALE:
            return moved(payment, _S.DECLINED if declined else _S.CANCELED)
        case OperationKind.CAPTURE:
            return moved(payment, _S.CAPTURE_FAILED if declined else _S.AUTHORIZED)
        case OperationKind.VOID:
            return moved(payment, _S.AUTHORIZED)
        case OperationKind.REFUND:
            some = payment.refunded.amount > 0
            return moved(payment, _S.PARTIALLY_REFUNDED if some else _S.CAPTURED)


def _check_amount(
    payment: Payment, operation: PaymentOperation, capabilities: ProviderCapabilities
) -> None:
    amount = operation.amount
    if amount.currency != payment.currency:
        raise _impossible(f"is in {amount.currency}, the payment in {payment.currency}")
    if amount != amount.rounded():
        raise _impossible(f"{amount.amount} {amount.currency} can't be paid: too many digits")
    if operation.kind is not OperationKind.VOID and amount.amount <= 0:
        raise _impossible(f"{amount.amount} is not a sum to be paid")
    beyond = _beyond(payment, operation.kind, amount, capabilities)
    if beyond is not None:
        raise _impossible(beyond)
    part = operation.kind is OperationKind.REFUND and amount != payment.captured
    if part and not capabilities.partial_refund:
        raise _impossible(f"{payment.provider} gives back the whole sum only")


def _doubt(
    payment: Payment,
    operation: PaymentOperation,
    amount: Money,
    capabilities: ProviderCapabilities,
) -> str | None:
    """Why an approved amount can't be believed."""
    if amount.currency != operation.amount.currency or amount.amount < 0:
        return f"approved {amount.amount} {amount.currency}, asked {operation.amount.amount}"
    if amount.amount > operation.amount.amount:
        return f"approved {amount.amount}, more than the {operation.amount.amount} asked for"
    return _beyond(payment, operation.kind, amount, capabilities)


def _beyond(
    payment: Payment, kind: OperationKind, amount: Money, capabilities: ProviderCapabilities
) -> str | None:
    bounded = kind is OperationKind.CAPTURE and not capabilities.capture_above_authorized
    if bounded and amount.amount > payment.authorized.amount:
        return f"{amount.amount} is more than the {payment.authorized.amount} authorised"
    if kind is OperationKind.REFUND and amount.amount > payment.refundable.amount:
        return f"{amount.amount} is more than the {payment.refundable.amount} not refunded yet"
    return None


def _impossible(message: str) -> InvalidInput:
    return InvalidInput(
        f"amount: {message}",
        remedy="Look at what was authorised, captured and refunded",
        errors=(FieldError("amount", message),),
    )


def _replaced(payment: Payment, operation: PaymentOperation) -> Payment:
    return replace(
        payment,
        operations=tuple(
            operation if known.key == operation.key else known for known in payment.operations
        ),
    )
