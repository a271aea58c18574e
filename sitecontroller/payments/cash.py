"""Cash as a provider: the drawer is the world outside, and an entry in it is the money that moved.

An entry has the operation's key, so that it is made once, and so that an inquiry after a failure
has something to look for. Cash is taken and given back in an open shift only.
"""

from datetime import datetime
from decimal import Decimal

from sitecontroller.domain.errors import Unsupported
from sitecontroller.domain.money import Money
from sitecontroller.domain.paying import CASH
from sitecontroller.domain.payment import (
    OperationKind,
    OperationState,
    Payment,
    PaymentMode,
    PaymentOperation,
    ProviderAnswer,
    ProviderCapabilities,
)
from sitecontroller.domain.till import DrawerEntry, EntryKind
from sitecontroller.ports import Clock, DayEnd, Store, UnitOfWork

_CAPABILITIES = ProviderCapabilities(frozenset({PaymentMode.PAY_ON_LEAVING}))
_NO_SHIFT = "no shift is open: nobody answers for the drawer"


class CashDrawer:
    """`ports.PaymentProvider` for notes and coins."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    @property
    def name(self) -> str:
        """As kept with each payment."""
        return CASH

    def capabilities(self, scheme: str | None = None) -> ProviderCapabilities:
        """Paid on leaving, given back in whole or in part."""
        return _CAPABILITIES

    async def begin(self, payment: Payment, operation: PaymentOperation) -> ProviderAnswer:
        """Cash into the drawer; "given" of `asked` less the amount is the change."""
        if operation.kind is not OperationKind.SALE:
            return _declined("cash can't be held")
        return await self._store.commit(_take, payment, operation, self._clock.now())

    async def capture(self, payment: Payment, operation: PaymentOperation) -> ProviderAnswer:
        """Cash is never held."""
        return _declined("cash can't be held")

    async def void(self, payment: Payment, operation: PaymentOperation) -> ProviderAnswer:
        """Cash is never held."""
        return _declined("cash can't be held")

    async def refund(self, payment: Payment, operation: PaymentOperation) -> ProviderAnswer:
        """Cash out of the drawer, as far as it holds so much."""
        return await self._store.commit(_give_back, payment, operation, self._clock.now())

    async def inquire(self, payment: Payment, operation: PaymentOperation) -> ProviderAnswer:
        """Whether the drawer has an entry of it."""
        return await self._store.commit(_look_up, operation)  # behind all that is still queued

    async def end_of_day(self) -> DayEnd:
        """Raises Unsupported: a shift's count is the day end of cash."""
        raise Unsupported("cash has no day end", remedy="Count the drawer and close the shift")


def balance_minor(tx: UnitOfWork, shift_key: str, opened_with: Money) -> int:
    """What the drawer should hold, in minor units."""
    return opened_with.amount_minor + sum(tx.drawer_sums(shift_key).values())


def _take(
    tx: UnitOfWork, payment: Payment, operation: PaymentOperation, now: datetime
) -> ProviderAnswer:
    shift = tx.open_shift(payment.till)
    if shift is None:
        return _declined(_NO_SHIFT)
    given = Money(Decimal(operation.asked["given"]), operation.amount.currency)
    if given.amount < operation.amount.amount:
        return _declined(f"{given.amount} given, {operation.amount.amount} to be paid")
    entry = _entry(shift.key, EntryKind.SALE, operation.amount, payment, operation, now)
    tx.add_drawer_entry(entry)
    return _approved(operation)


def _give_back(
    tx: UnitOfWork, payment: Payment, operation: PaymentOperation, now: datetime
) -> ProviderAnswer:
    shift = tx.open_shift(payment.till)
    if shift is None:
        return _declined(_NO_SHIFT)
    held_minor = balance_minor(tx, shift.key, shift.opened_with)
    if held_minor < operation.amount.amount_minor:
        held = Money.from_minor(held_minor, operation.amount.currency)
        return _declined(f"the drawer holds {held.amount} only")
    amount = Money(-operation.amount.amount, operation.amount.currency)
    tx.add_drawer_entry(_entry(shift.key, EntryKind.REFUND, amount, payment, operation, now))
    return _approved(operation)


def _look_up(tx: UnitOfWork, operation: PaymentOperation) -> ProviderAnswer:
    if tx.drawer_entry(operation.key) is not None:
        return _approved(operation)
    return ProviderAnswer(OperationState.CANCELED, reason="no cash moved")


def _entry(
    shift_key: str,
    kind: EntryKind,
    amount: Money,
    payment: Payment,
    operation: PaymentOperation,
    now: datetime,
) -> DrawerEntry:
    return DrawerEntry(
        operation.key,
        shift_key,
        kind,
        amount,
        now,
        operation.by,
        payment.key,
        operation.why,
        operation.approved_by,
    )


def _approved(operation: PaymentOperation) -> ProviderAnswer:
    given = operation.asked.get("given")
    details = {}
    if given is not None:
        details["given"] = given
        details["change"] = format(Decimal(given) - operation.amount.amount, "f")
    return ProviderAnswer(OperationState.APPROVED, reference=operation.key, details=details)


def _declined(reason: str) -> ProviderAnswer:
    return ProviderAnswer(OperationState.DECLINED, reason=reason)
