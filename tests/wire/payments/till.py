"""A till in small: payments by the domain's rules, a terminal's provider, and nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from pathlib import Path

from sitecontroller.clock import SystemClock
from sitecontroller.domain.errors import PaymentUnreachable
from sitecontroller.domain.money import Money
from sitecontroller.domain.payment import (
    OperationKind,
    OperationState,
    Payment,
    PaymentMode,
    PaymentOperation,
    PaymentState,
    ProviderAnswer,
    answered,
    begun,
    in_doubt,
    new_payment,
)
from sitecontroller.payments.zvt.client import Times
from sitecontroller.payments.zvt.line import TerminalAddress
from sitecontroller.payments.zvt.memory import NotebookFile
from sitecontroller.payments.zvt.provider import CardTerminal, TerminalContract, TerminalState
from sitecontroller.payments.zvt.words import schemes
from sitecontroller.simulation.terminal import SimulatedTerminal
from tests.support import eventually

QUICK = Times(connect_s=2.0, t3_s=0.25, t4_s=0.25)
CLOCK = SystemClock()


def euros(amount: str) -> Money:
    return Money(Decimal(amount), "EUR")


@dataclass
class Till:
    """Asks the provider as a service does, and keeps what it says."""

    url: str
    notebook: Path
    contract: TerminalContract = field(
        default_factory=lambda: TerminalContract(frozenset(schemes()))
    )
    times: Times = QUICK
    said: list[str] = field(default_factory=list)
    states: list[TerminalState] = field(default_factory=list)
    payments: dict[str, Payment] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._keys = (f"{number:026d}" for number in count(1))
        self.provider = self._provider()

    def restart(self) -> None:
        """The controller was killed: what its provider knew is what the notebook says."""
        self.provider._client.close()
        self.provider = self._provider()

    async def take(self, amount: str, *, hold: bool = False) -> Payment:
        mode = PaymentMode.PREAUTHORIZE if hold else PaymentMode.PREPAID
        payment = new_payment(
            next(self._keys), "card", "K1", f"T{len(self.payments)}", mode, "EUR", CLOCK.now()
        )
        kind = OperationKind.PREAUTHORIZE if hold else OperationKind.SALE
        return await self.go_on(payment, kind, amount)

    async def go_on(self, payment: Payment, kind: OperationKind, amount: str) -> Payment:
        operation = PaymentOperation(next(self._keys), kind, euros(amount), CLOCK.now())
        payment = self._kept(begun(payment, operation, self.provider.capabilities("visa")))
        calls = {
            OperationKind.CAPTURE: self.provider.capture,
            OperationKind.VOID: self.provider.void,
            OperationKind.REFUND: self.provider.refund,
        }
        try:
            answer = await calls.get(kind, self.provider.begin)(payment, operation)
        except PaymentUnreachable as error:
            answer = ProviderAnswer(OperationState.CANCELED, reason=str(error))
        return self._kept(self._after(payment, operation, answer))

    async def clear_up(self, payment: Payment) -> Payment:
        """Inquire until it is known."""

        async def known() -> Payment | None:
            current = self.payments[payment.key]
            operation = current.open_operation
            if operation is None:
                return current
            answer = await self.provider.inquire(current, operation)
            self._kept(self._after(current, operation, answer))
            return None

        found = await eventually(known)
        assert isinstance(found, Payment)
        return found

    def taken_minor(self) -> int:
        """What our books say was taken less what was given back."""
        return sum(
            p.captured.amount_minor - p.refunded.amount_minor for p in self.payments.values()
        )

    def held_minor(self) -> list[int]:
        return sorted(
            p.authorized.amount_minor
            for p in self.payments.values()
            if p.state is PaymentState.AUTHORIZED
        )

    def _after(
        self, payment: Payment, operation: PaymentOperation, answer: ProviderAnswer
    ) -> Payment:
        if answer.state is OperationState.UNKNOWN:
            return in_doubt(payment, answer.reason or "")
        capabilities = self.provider.capabilities("visa")
        return answered(payment, operation.key, answer, CLOCK.now(), capabilities)

    def _kept(self, payment: Payment) -> Payment:
        self.payments[payment.key] = payment
        return payment

    def _provider(self) -> CardTerminal:
        return CardTerminal(
            TerminalAddress.parse(self.url),
            0,
            "EUR",
            NotebookFile(self.notebook),
            CLOCK,
            contract=self.contract,
            times=self.times,
            told=self.said.append,
            changed=self.states.append,
        )


@asynccontextmanager
async def till_and_terminal(
    tmp_path: Path, *, serial: bool = False, times: Times = QUICK
) -> AsyncIterator[tuple[Till, SimulatedTerminal]]:
    """Both, joined by a real socket or a serial line of the kernel's."""
    terminal = SimulatedTerminal()
    url = f"tcp://127.0.0.1:{await terminal.listen()}"
    if serial:
        url = f"serial:{terminal.open_pty().device}"
    till = Till(url, tmp_path / "terminal.json", times=times)
    try:
        yield till, terminal
    finally:
        await till.provider.close()
        await terminal.stop()


def agree(till: Till, terminal: SimulatedTerminal) -> bool:
    """Whether the terminal's books and ours say the same."""
    held = sorted(entry.amount for entry in terminal.books.reservations())
    return (terminal.books.taken(), held) == (till.taken_minor(), till.held_minor())
