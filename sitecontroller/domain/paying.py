"""What people ask about payments and the till.

`by` is who asks. What an attendant could enrich himself with (giving money back, releasing a held
sum, taking cash out) needs `approved_by`, a second person, and a reason.
"""

from dataclasses import dataclass

from sitecontroller.domain.commands import Command
from sitecontroller.domain.errors import FieldError, InvalidInput
from sitecontroller.domain.ids import fold
from sitecontroller.domain.money import Money
from sitecontroller.domain.payment import Payment
from sitecontroller.domain.queries import Query

CASH = "cash"
NAME_MAX = 100
WHY_MAX = 500


@dataclass(frozen=True, slots=True)
class PayTransaction(Command):
    """Take what an ended session costs and isn't paid yet. Cash: `given` is what was handed over;
    without it, the very amount. Its receipt is issued when the money is there."""

    transaction_key: str
    by: str
    provider: str = CASH
    given: Money | None = None


@dataclass(frozen=True, slots=True)
class HoldPayment(Command):
    """Have a provider hold a sum for a session, to be captured when its price is known."""

    transaction_key: str
    by: str
    provider: str
    amount: Money


@dataclass(frozen=True, slots=True)
class CapturePayment(Command):
    """Book what the ended session costs of a held sum, at most that sum; the rest is released."""

    payment_key: str
    by: str


@dataclass(frozen=True, slots=True)
class VoidPayment(Command):
    """Release a held sum. Needs a second person."""

    payment_key: str
    by: str
    approved_by: str
    why: str


@dataclass(frozen=True, slots=True)
class RefundPayment(Command):
    """Give money back, with a counter-receipt. Needs a second person. Without `amount`: all that
    is left of it."""

    payment_key: str
    by: str
    approved_by: str
    why: str
    amount: Money | None = None


@dataclass(frozen=True, slots=True)
class ResolvePayment(Command):
    """Ask the provider now what came of an operation whose end is unknown; never repeats it."""

    payment_key: str
    by: str


@dataclass(frozen=True, slots=True)
class OpenShift(Command):
    """Answer for the drawer from now on; `opened_with` is the change counted in it."""

    by: str
    opened_with: Money


@dataclass(frozen=True, slots=True)
class CloseShift(Command):
    """Count the drawer and end the shift; the answer is its Z report, which never changes."""

    shift_key: str
    by: str
    counted: Money


@dataclass(frozen=True, slots=True)
class PayIn(Command):
    """Put cash into the drawer beside any sale, such as change from the bank."""

    shift_key: str
    by: str
    amount: Money
    why: str


@dataclass(frozen=True, slots=True)
class PayOut(Command):
    """Take cash out of the drawer beside any refund, such as to the safe. Needs a second person."""

    shift_key: str
    by: str
    approved_by: str
    amount: Money
    why: str


@dataclass(frozen=True, slots=True)
class PaymentsQuery(Query):
    """Payments of all providers."""

    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class PaymentQuery(Query):
    """One payment with all that its provider was asked for."""

    payment_key: str


@dataclass(frozen=True, slots=True)
class SessionPaymentsQuery(Query):
    """What was paid for a session, and what is still owed."""

    transaction_key: str


@dataclass(frozen=True, slots=True)
class ShiftsQuery(Query):
    """Shifts of the till."""

    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class ShiftReportQuery(Query):
    """An open shift's X report, as of now; a closed one's Z report."""

    shift_key: str


@dataclass(frozen=True, slots=True)
class SessionPayments:
    """The payments of a session, oldest first. `owed` None: it has no price (yet)."""

    transaction_key: str
    payments: tuple[Payment, ...]
    owed: Money | None
    receipt_number: str | None


@dataclass(frozen=True, slots=True)
class PaymentDone:
    """What a command about a payment came to. `change` is what the driver gets back of his cash;
    `receipt_number` is the receipt's, or after a refund the counter-receipt's."""

    payment: Payment
    receipt_number: str | None
    change: Money | None = None


def named(text: str, field: str, characters_max: int = NAME_MAX) -> str:
    """A name or reason as somebody gave it, trimmed. Raises InvalidInput naming the field."""
    text = text.strip()
    if not text or len(text) > characters_max or not text.isprintable():
        raise InvalidInput(
            f"{field} is missing or can't be printed",
            remedy="Say who asks for it, and why, in one line",
            errors=(FieldError(field, f"is 1 to {characters_max} printable characters"),),
        )
    return text


def second_person(by: str, approved_by: str) -> str:
    """Who else stands for it. Raises InvalidInput where that is the same person."""
    other = named(approved_by, "approved_by")
    if fold(other) == fold(by):
        raise InvalidInput(
            "this needs a second person",
            remedy="Have a colleague or supervisor approve it by name",
            errors=(FieldError("approved_by", "is the person who asks"),),
        )
    return other
