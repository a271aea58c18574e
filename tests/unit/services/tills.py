"""A till on a database in memory, with a card terminal that fails as told and a kill at any commit.

Nothing here waits, so that coroutines run to their end at once (`at_once`).
"""

import sqlite3
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from sitecontroller.config import parse_config
from sitecontroller.domain.errors import PaymentUnreachable
from sitecontroller.domain.money import Money
from sitecontroller.domain.payment import (
    OperationKind,
    OperationState,
    PaymentMode,
    ProviderAnswer,
    ProviderCapabilities,
)
from sitecontroller.domain.rating import rate
from sitecontroller.payments.cash import CashDrawer
from sitecontroller.publisher import Publisher
from sitecontroller.services.background import Background
from sitecontroller.services.billing import BillingService
from sitecontroller.services.payments import PaymentService
from sitecontroller.services.till import TillService
from sitecontroller.storage.unit_of_work import UnitOfWork
from tests.unit.services.test_billing import NEW_YEARS_EVE, TARIFF, ended

CONFIG = parse_config(
    {"site": {"id": "P1"}, "circuits": [{"id": "main", "limit_a": 63}]}, base_dir=Path()
)


class Killed(BaseException):
    """The process is dead; nothing of it may go on."""


def at_once(coroutine):
    """Run a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


def euros(cents):
    return Money(Decimal(cents) / 100, "EUR").rounded()


class KillableStore:
    """One connection; dies at the commit that `kill_at` counts down to, before or after it."""

    def __init__(self, connection):
        self._connection = connection
        self.kill_at = None
        self.kill_after = False

    async def commit(self, fn, *args):
        is_last = False
        if self.kill_at is not None:
            self.kill_at -= 1
            is_last = self.kill_at == 0
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            result = fn(UnitOfWork(self._connection), *args)
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        if is_last and not self.kill_after:
            self._connection.execute("ROLLBACK")
            raise Killed
        self._connection.execute("COMMIT")
        if is_last:
            raise Killed
        return result

    async def read(self, fn, *args):
        return fn(UnitOfWork(self._connection), *args)


@dataclass
class Account:
    """What the terminal's bank knows of one payment, in cents."""

    held: int = 0
    taken: int = 0
    returned: int = 0


@dataclass
class FakeTerminal:
    """The world outside: outlives every kill. `mood` says how the next calls go."""

    name: str = "card"
    mood: str = "ok"
    accounts: dict = field(default_factory=dict)
    heard: dict = field(default_factory=dict)
    calls: list = field(default_factory=list)

    def capabilities(self, scheme=None):
        return ProviderCapabilities(frozenset(PaymentMode))

    async def begin(self, payment, operation):
        return self._do(payment, operation)

    capture = void = refund = begin

    async def inquire(self, payment, operation):
        if self.mood in ("lost-before", "lost-after"):
            raise TimeoutError
        if self.mood == "unreachable":
            raise PaymentUnreachable("no line")
        if self.mood == "unknown":
            return ProviderAnswer(OperationState.UNKNOWN, reason="ask later")
        canceled = ProviderAnswer(OperationState.CANCELED, reason="never heard of it")
        return self.heard.get(operation.key, canceled)

    async def end_of_day(self):
        raise NotImplementedError

    def _do(self, payment, operation):
        assert operation.key not in self.calls, "an operation is never repeated"
        self.calls.append(operation.key)
        if self.mood == "unreachable":
            raise PaymentUnreachable("no line")
        if self.mood == "lost-before":
            raise TimeoutError
        if self.mood == "decline":
            answer = ProviderAnswer(OperationState.DECLINED, reason="not this card")
        else:
            answer = self._move(payment, operation)
        self.heard[operation.key] = answer
        if self.mood == "lost-after":
            raise TimeoutError
        return replace(answer, state=OperationState.UNKNOWN) if self.mood == "unknown" else answer

    def _move(self, payment, operation):
        account = self.accounts.setdefault(payment.key, Account())
        cents = operation.amount.amount_minor
        if self.mood == "less" and operation.kind is OperationKind.SALE:
            cents = max(1, cents // 2)
        match operation.kind:
            case OperationKind.PREAUTHORIZE:
                account.held += cents
            case OperationKind.SALE:
                account.taken += cents
            case OperationKind.CAPTURE:
                assert cents <= account.held, "no more than is held"
                account.taken, account.held = account.taken + cents, 0
            case OperationKind.VOID:
                account.held = 0
            case OperationKind.REFUND:
                account.returned += cents
                assert account.returned <= account.taken, "no more than was taken"
        return ProviderAnswer(OperationState.APPROVED, euros(cents), "R1")


class SilentAlarms:
    def __init__(self):
        self.active = set()

    def raise_(self, code, subject, **parameters):
        self.active.add(subject)

    def clear(self, code, subject):
        self.active.discard(subject)


class Clock:
    def __init__(self):
        self.passed = 0

    def now(self):
        self.passed += 1
        return NEW_YEARS_EVE + timedelta(milliseconds=self.passed)


class Till:
    """The services on a database; `restart` makes fresh ones on the same."""

    def __init__(self, schema_sql):
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.connection.executescript(schema_sql)
        self.terminal = FakeTerminal()
        self.clock = Clock()
        self.restart()

    def restart(self):
        self.store = KillableStore(self.connection)
        self.alarms = SilentAlarms()
        self.billing = BillingService(
            CONFIG, self.store, self.clock, None, None, self.alarms, Publisher(), Background()
        )
        self.cash = CashDrawer(self.store, self.clock)
        providers = {"card": self.terminal, "cash": self.cash}
        self.payments = PaymentService(
            self.store, self.clock, self.alarms, self.billing, providers, "EUR"
        )
        self.till = TillService(self.store, self.clock, self.payments, "EUR")
        at_once(self.payments.load())

    def keep(self, key, cents, *, known=False):
        """An ended session that costs so much."""
        energy_wh = cents * 20
        row = replace(ended(key, energy_wh), price=rate(TARIFF, Decimal(energy_wh)))
        assert row.price.total.amount_minor == cents
        tx = UnitOfWork(self.connection)
        if known:
            tx.update_transaction(replace(row, version=tx.transaction(key).version + 1))
        else:
            tx.add_transaction(row)

    def ask(self, command):
        return at_once(self.till.handlers[type(command)](command, "C1"))

    def tell(self, query):
        return at_once(self.till.answerers[type(query)](query))

    def print_receipt(self, key):
        at_once(self.store.commit(self.billing._issue, key, self.clock.now()))

    def rows(self, sql):
        return self.connection.execute(sql).fetchall()
