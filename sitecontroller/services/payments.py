"""Payments as one persistent state machine: committed, then asked, then committed what came of it.

A provider hears of an operation once. What is not over at the start, or whose answer could not be
kept, is in doubt and resolved by inquiry alone. The receipt of a session is issued in the commit in
which its money is known to be there, a counter-receipt in that of a refund.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from sitecontroller.domain.errors import (
    InvalidInput,
    NotFound,
    PaymentUnreachable,
    StoreUnavailable,
)
from sitecontroller.domain.ids import new_ulid
from sitecontroller.domain.money import Money
from sitecontroller.domain.payment import (
    OperationKind,
    OperationState,
    Payment,
    PaymentMode,
    PaymentOperation,
    ProviderAnswer,
    answered,
    begun,
    in_doubt,
    new_payment,
)
from sitecontroller.domain.till import TILL
from sitecontroller.ports import Clock, PaymentProvider, Store, UnitOfWork
from sitecontroller.services import payment_rules as rules
from sitecontroller.services.alarms import AlarmService
from sitecontroller.services.billing import BillingService

log = logging.getLogger(__name__)

ALARM = "payment-unclear"
RESOLVE_EVERY_S = 30.0

Begin = Callable[[UnitOfWork], Payment]
"""What is committed before the provider hears of it: a payment with a PENDING operation."""


class PaymentService:
    """Owner of all payments of the site, whoever takes the money."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        alarms: AlarmService,
        billing: BillingService,
        providers: Mapping[str, PaymentProvider],
        currency: str,
    ) -> None:
        self._store = store
        self._clock = clock
        self._alarms = alarms
        self._billing = billing
        self._providers = providers
        self._currency = currency
        self._under_way: set[str] = set()

    async def load(self) -> None:
        """What was not over when we stopped is in doubt from now on; `run` inquires it."""
        for payment in await self._store.commit(_doubt_all, "the controller stopped meanwhile"):
            self._tell(payment)

    async def run(self) -> None:
        """Inquire again and again what is in doubt; never ends."""
        while True:
            await self.resolve_all()
            await asyncio.sleep(RESOLVE_EVERY_S)

    async def resolve_all(self) -> None:
        """Inquire everything that isn't over and that nobody works on."""
        for payment in await self._store.read(lambda tx: tx.unfinished_payments()):
            if payment.key in self._under_way:
                continue
            try:
                await self.resolve(payment.key)
            except (NotFound, StoreUnavailable) as error:  # such as a provider no longer here
                log.warning("payment %s: stays in doubt: %s", payment.key, error.detail)

    async def pay(
        self, transaction_key: str, provider: str, by: str, given: Money | None = None
    ) -> Payment:
        """Take what an ended session still costs, in one. Raises NotFound, Conflict, NoTariff."""
        await self._billing.settle(transaction_key)
        capabilities = self._provider(provider).capabilities()
        if PaymentMode.PAY_ON_LEAVING not in capabilities.modes:
            raise InvalidInput(f"{provider} can't take a price on leaving")
        now = self._clock.now()
        payment = self._new(provider, transaction_key, PaymentMode.PAY_ON_LEAVING, now)

        def begin(tx: UnitOfWork) -> Payment:
            document = self._billing.draft(tx, transaction_key, now)
            owed = rules.owed(tx, document)
            asked = {"given": format((given or owed).amount, "f")}
            operation = _operation(OperationKind.SALE, owed, now, by, asked=asked)
            started = begun(payment, operation, capabilities)
            rules.keep(tx, started, now, document)
            return started

        return await self._carry_out(payment.key, begin)

    async def hold(self, transaction_key: str, provider: str, amount: Money, by: str) -> Payment:
        """Have a sum held for a session. Raises NotFound, Conflict, InvalidInput."""
        capabilities = self._provider(provider).capabilities()
        if PaymentMode.PREAUTHORIZE not in capabilities.modes:
            raise InvalidInput(
                f"{provider} can't hold a sum", remedy="Take the price when the session has ended"
            )
        now = self._clock.now()
        payment = self._new(provider, transaction_key, PaymentMode.PREAUTHORIZE, now)

        def begin(tx: UnitOfWork) -> Payment:
            rules.refuse_second(tx, transaction_key)
            operation = _operation(OperationKind.PREAUTHORIZE, amount, now, by)
            started = begun(payment, operation, capabilities)
            rules.keep(tx, started, now)
            return started

        return await self._carry_out(payment.key, begin)

    async def capture(self, payment_key: str, by: str) -> Payment:
        """Book what the ended session costs, at most what is held."""
        held = await self.payment(payment_key)
        await self._billing.settle(held.transaction_key)
        capabilities = self._provider(held.provider).capabilities()
        now = self._clock.now()

        def begin(tx: UnitOfWork) -> Payment:
            payment = rules.known(tx, payment_key)
            document = self._billing.draft(tx, payment.transaction_key, now)
            owed = rules.owed(tx, document, besides=payment_key)
            amount = owed
            if not capabilities.capture_above_authorized:
                amount = min(owed, payment.authorized, key=lambda money: money.amount)
            operation = _operation(OperationKind.CAPTURE, amount, now, by)
            started = begun(payment, operation, capabilities)
            rules.keep(tx, started, now, document)
            return started

        return await self._carry_out(payment_key, begin)

    async def void(self, payment_key: str, by: str, approved_by: str, why: str) -> Payment:
        """Release a held sum."""
        now = self._clock.now()

        def begin(tx: UnitOfWork) -> Payment:
            payment = rules.known(tx, payment_key)
            capabilities = self._provider(payment.provider).capabilities()
            operation = _operation(
                OperationKind.VOID, payment.authorized, now, by, approved_by=approved_by, why=why
            )
            started = begun(payment, operation, capabilities)
            rules.keep(tx, started, now)
            return started

        return await self._carry_out(payment_key, begin)

    async def refund(
        self, payment_key: str, amount: Money | None, by: str, approved_by: str, why: str
    ) -> Payment:
        """Give back all that is left of it, or `amount`."""
        now = self._clock.now()

        def begin(tx: UnitOfWork) -> Payment:
            payment = rules.known(tx, payment_key)
            capabilities = self._provider(payment.provider).capabilities()
            operation = _operation(
                OperationKind.REFUND,
                amount or payment.refundable,
                now,
                by,
                approved_by=approved_by,
                why=why,
            )
            started = begun(payment, operation, capabilities)
            rules.keep(tx, started, now)
            return started

        return await self._carry_out(payment_key, begin)

    async def resolve(self, payment_key: str) -> Payment:
        """Ask the provider what came of an operation in doubt; it is never repeated."""
        if payment_key in self._under_way:
            return await self.payment(payment_key)
        self._under_way.add(payment_key)
        try:
            payment = await self._store.commit(_doubt, payment_key, "its answer was not kept")
            operation = payment.open_operation
            if operation is None:
                return payment
            provider = self._provider(payment.provider)
            answer = await _asked(provider.inquire(payment, operation))
            return await self._conclude(payment, operation, answer)
        finally:
            self._under_way.discard(payment_key)

    async def payment(self, key: str) -> Payment:
        """One. Raises NotFound."""
        return await self._store.read(rules.known, key)

    async def _carry_out(self, payment_key: str, begin: Begin) -> Payment:
        """Commit, ask, commit. Whatever fails in between leaves the operation to an inquiry."""
        if payment_key in self._under_way:
            raise rules.busy(payment_key)
        self._under_way.add(payment_key)
        try:
            payment = await self._store.commit(begin)
            operation = payment.open_operation
            assert operation is not None, "what begins is not over"
            provider = self._provider(payment.provider)
            ask: Callable[[Payment, PaymentOperation], Awaitable[ProviderAnswer]] = {
                OperationKind.PREAUTHORIZE: provider.begin,
                OperationKind.SALE: provider.begin,
                OperationKind.CAPTURE: provider.capture,
                OperationKind.VOID: provider.void,
                OperationKind.REFUND: provider.refund,
            }[operation.kind]
            answer = await _asked(ask(payment, operation), nothing_sent=OperationState.CANCELED)
            return await self._conclude(payment, operation, answer)
        finally:
            self._under_way.discard(payment_key)

    async def _conclude(
        self, payment: Payment, operation: PaymentOperation, answer: ProviderAnswer
    ) -> Payment:
        capabilities = self._provider(payment.provider).capabilities()
        now = self._clock.now()

        def conclude(tx: UnitOfWork) -> Payment:
            before = rules.known(tx, payment.key)
            after = answered(before, operation.key, answer, now, capabilities)
            if after != before:
                rules.conclude(tx, self._billing, before, after, now)
            return after

        after = await self._store.commit(conclude)
        self._tell(after)
        return after

    def _tell(self, payment: Payment) -> None:
        last = payment.operations[-1]
        log.log(
            logging.WARNING if last.open else logging.INFO,
            "payment %s: %s %s %s is %s by=%s approved_by=%s reason=%s",
            payment.key,
            payment.provider,
            last.kind,
            last.amount.amount,
            last.state,
            last.by,
            last.approved_by,
            last.reason,
        )
        if last.open:
            self._alarms.raise_(
                ALARM,
                payment.key,
                payment=payment.key,
                provider=payment.provider,
                amount=f"{last.amount.amount} {last.amount.currency}",
                operation=last.kind.value,
                reason=last.reason or "no answer",
            )
        else:
            self._alarms.clear(ALARM, payment.key)

    def _provider(self, name: str) -> PaymentProvider:
        provider = self._providers.get(name)
        if provider is None:
            raise NotFound(
                f"no payment provider '{name}' here",
                remedy=f"This site has: {', '.join(sorted(self._providers))}",
            )
        return provider

    def _new(
        self, provider: str, transaction_key: str, mode: PaymentMode, now: datetime
    ) -> Payment:
        return new_payment(
            new_ulid(now), provider, TILL, transaction_key, mode, self._currency, now
        )


async def _asked(
    call: Awaitable[ProviderAnswer],
    nothing_sent: OperationState = OperationState.UNKNOWN,
) -> ProviderAnswer:
    """A provider's answer; UNKNOWN where it gave none, `nothing_sent` where it heard nothing."""
    try:
        return await call
    except PaymentUnreachable as error:
        return ProviderAnswer(nothing_sent, reason=error.detail)
    except Exception as error:  # whatever it was, the money may have moved
        log.warning("payment: a provider failed: %r", error)
        return ProviderAnswer(OperationState.UNKNOWN, reason=f"it failed: {error}")


def _operation(
    kind: OperationKind,
    amount: Money,
    now: datetime,
    by: str,
    *,
    approved_by: str | None = None,
    why: str | None = None,
    asked: dict[str, str] | None = None,
) -> PaymentOperation:
    return PaymentOperation(
        new_ulid(now),
        kind,
        amount,
        now,
        by=by,
        approved_by=approved_by,
        why=why,
        asked=asked or {},
    )


def _doubt(tx: UnitOfWork, payment_key: str, reason: str) -> Payment:
    before = rules.known(tx, payment_key)
    after = in_doubt(before, reason)
    if after != before:
        rules.keep(tx, after, after.operations[-1].started_at)
    return after


def _doubt_all(tx: UnitOfWork, reason: str) -> list[Payment]:
    return [_doubt(tx, payment.key, reason) for payment in tx.unfinished_payments()]
