"""The seam to who takes the money: cash, a card terminal, vouchers.

A provider is asked once for an operation and never again: what was not heard is inquired.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from sitecontroller.domain.money import Money
from sitecontroller.domain.payment import (
    Payment,
    PaymentOperation,
    ProviderAnswer,
    ProviderCapabilities,
)


@dataclass(frozen=True, slots=True)
class DayEnd:
    """A provider's own totals since its last day end, to be reconciled with ours.

    `totals` by card scheme, refunds subtracted; None where it tells no totals.
    """

    at: datetime
    totals: dict[str, Money] | None
    count: int | None = None
    details: dict[str, str] = field(default_factory=dict)


class PaymentProvider(Protocol):
    """One way to be paid. Every operation is committed as PENDING before a method hears of it.

    Each method returns what came of it, refusals included. PaymentUnreachable: nothing was sent,
    it certainly did not take place. Any other exception, a cancelled call included: nobody knows,
    and the operation becomes UNKNOWN. `operation.key` is the idempotency key.
    """

    @property
    def name(self) -> str:
        """As kept with each payment: "cash", "card", …; never changes."""

    def capabilities(self, scheme: str | None = None) -> ProviderCapabilities:
        """What it can do; `scheme` (such as "girocard") None: for every card."""

    async def begin(self, payment: Payment, operation: PaymentOperation) -> ProviderAnswer:
        """PREAUTHORIZE or SALE of `operation.amount`."""

    async def capture(self, payment: Payment, operation: PaymentOperation) -> ProviderAnswer:
        """Book a pre-authorised sum, or a part of it; the rest is released."""

    async def void(self, payment: Payment, operation: PaymentOperation) -> ProviderAnswer:
        """Release a pre-authorised sum."""

    async def refund(self, payment: Payment, operation: PaymentOperation) -> ProviderAnswer:
        """Give back a captured sum, or a part of it."""

    async def inquire(self, payment: Payment, operation: PaymentOperation) -> ProviderAnswer:
        """What came of an UNKNOWN operation: never repeats it. UNKNOWN: it can't say yet.

        CANCELED: the provider never heard of it, or undid it.
        """

    async def end_of_day(self) -> DayEnd:
        """Close the provider's day. Raises Unsupported, PaymentUnreachable."""
