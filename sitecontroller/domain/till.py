"""The till: its drawer of cash, the shifts in which somebody answers for it, and what they come to.

A shift opens with counted change in the drawer and closes with a count. What the drawer should hold
follows from its entries alone; an X report says it at any time, the Z report once, at the close.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from sitecontroller.domain.errors import FieldError, InvalidInput
from sitecontroller.domain.money import Money

TILL = "K1"
AMOUNT_MAX = Decimal(1_000_000)
"""More than any till sees at once."""


class EntryKind(StrEnum):
    """Why cash went into the drawer or out of it."""

    SALE = "sale"
    REFUND = "refund"
    PAY_IN = "pay-in"
    """Put in beside any sale, such as more change."""
    PAY_OUT = "pay-out"
    """Taken out beside any refund, such as to the safe."""


@dataclass(frozen=True, slots=True)
class DrawerEntry:
    """Cash in (above 0) or out (below 0); `key` is the operation's of a payment, or one of ours."""

    key: str
    shift_key: str
    kind: EntryKind
    amount: Money
    at: datetime
    by: str
    payment_key: str | None = None
    why: str | None = None
    approved_by: str | None = None


@dataclass(frozen=True, slots=True)
class ReportedReceipts:
    """Receipts of a shift: of sales (or counter-receipts of refunds) and their sum."""

    count: int
    total: Money
    first: str | None
    last: str | None


@dataclass(frozen=True, slots=True)
class ShiftReport:
    """An X report (`number` None, nothing counted) or the Z report of a shift.

    `expected` = opened_with + sales + pay-ins − refunds − pay-outs, the last two given as sums
    above 0; `difference` = counted − expected: below 0, cash is missing. `captured` and `refunded`
    are what the payments of the shift come to, by provider, cash included.
    """

    shift_key: str
    till: str
    number: int | None
    opened_at: datetime
    opened_by: str
    at: datetime
    by: str
    opened_with: Money
    sales: Money
    refunds: Money
    pay_ins: Money
    pay_outs: Money
    expected: Money
    receipts: ReportedReceipts
    counter_receipts: ReportedReceipts
    captured: dict[str, Money]
    refunded: dict[str, Money]
    counted: Money | None = None
    difference: Money | None = None


@dataclass(frozen=True, slots=True)
class Shift:
    """From an opened to a counted drawer; `report` is its Z report, None while it is open."""

    key: str
    till: str
    opened_with: Money
    opened_at: datetime
    opened_by: str
    closed_at: datetime | None = None
    report: ShiftReport | None = None

    @property
    def is_open(self) -> bool:
        """Whether somebody answers for the drawer."""
        return self.closed_at is None


def payable(money: Money, field: str, currency: str, *, zero: bool = False) -> Money:
    """Money as people enter it: of the site's currency, in whole minor units, not below 0.

    Raises InvalidInput naming the field.
    """
    amount = money.amount
    problem = None
    if money.currency != currency:
        problem = f"is in {money.currency}; this site sells in {currency}"
    elif not amount.is_finite() or abs(amount) > AMOUNT_MAX:
        problem = "is no amount that a till can hold"
    elif amount < 0 or (amount == 0 and not zero):
        problem = "is not above 0"
    elif amount != money.rounded().amount:
        problem = f"has more digits than {currency} is paid in"
    if problem is not None:
        raise InvalidInput(
            f"{field} {problem}",
            remedy="Enter the amount as it is in your hand",
            errors=(FieldError(field, problem),),
        )
    return money.rounded()
