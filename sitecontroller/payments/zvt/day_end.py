"""A terminal's totals of a day beside ours, line by line. Pure.

A line is what terminals add up by: a card scheme's, and "other" for the rest.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sitecontroller.domain.money import Money
from sitecontroller.domain.payment import (
    OperationKind,
    OperationState,
    Payment,
    PaymentOperation,
)
from sitecontroller.payments.zvt import words
from sitecontroller.ports.payments import DayEnd

_SIGN = {OperationKind.SALE: 1, OperationKind.CAPTURE: 1, OperationKind.REFUND: -1}


@dataclass(frozen=True, slots=True)
class Difference:
    """One line that doesn't agree; `open_payments`: ours whose end nobody knows yet."""

    line: str
    terminal: Money
    ours: Money
    open_payments: tuple[str, ...] = ()

    def __str__(self) -> str:
        told = f"{self.line}: the terminal says {self.terminal.amount} {self.terminal.currency}"
        told += f", the till {self.ours.amount}"
        if self.open_payments:
            told += f"; not cleared up yet: {', '.join(self.open_payments)}"
        return told


def our_totals(
    payments: Iterable[Payment], provider: str, since: datetime, until: datetime
) -> dict[str, Money]:
    """What a provider took less what it gave back, by line: operations that ended after `since`
    and not after `until`."""
    totals: dict[str, Money] = {}
    for payment in payments:
        if payment.provider != provider:
            continue
        for operation in payment.operations:
            sign = _SIGN.get(operation.kind)
            ended = operation.ended_at
            if sign is None or ended is None or not since < ended <= until:
                continue
            if operation.state is OperationState.APPROVED and operation.answered is not None:
                amount = Money(sign * operation.answered.amount, payment.currency)
                line = _line_of(operation, payment)
                totals[line] = totals[line] + amount if line in totals else amount
    return totals


def differences(
    ours: Mapping[str, Money], day: DayEnd, payments: Iterable[Payment] = ()
) -> list[Difference]:
    """The lines that don't agree, by name; none where the terminal told no totals."""
    if day.totals is None:
        return []
    in_doubt = tuple(payment.key for payment in payments if payment.open_operation is not None)
    found = []
    for line in sorted(ours.keys() | day.totals.keys()):
        known = ours.get(line) or day.totals[line]
        nothing = known - known
        theirs, mine = day.totals.get(line, nothing), ours.get(line, nothing)
        if theirs.amount != mine.amount:
            found.append(Difference(line, theirs, mine, in_doubt))
    return found


def _line_of(operation: PaymentOperation, payment: Payment) -> str:
    """Of the card that was used: a refund may go to another one than the payment's. Bookings that
    tell no card are of the card whose sum was held."""
    for known in (operation, *payment.operations):
        scheme = words.schemes().get(known.details.get("scheme", ""))
        if scheme is not None:
            return scheme.total
    return words.OTHER
