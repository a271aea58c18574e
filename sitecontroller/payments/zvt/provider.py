"""The card terminal as a provider of payments.

Before a money command goes out, the terminal's last transaction is asked for and written down with
the command. Where its end isn't heard, the terminal's last transaction is asked for again, by
itself before the next command and by `inquire`; the command is never repeated.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from sitecontroller.config.till import CURRENCY_NUMBERS
from sitecontroller.domain.errors import PaymentUnclear, PaymentUnreachable
from sitecontroller.domain.money import Money
from sitecontroller.domain.payment import (
    OperationKind,
    OperationState,
    Payment,
    PaymentMode,
    PaymentOperation,
    ProviderAnswer,
    ProviderCapabilities,
)
from sitecontroller.payments.zvt import messages, verdict, words
from sitecontroller.payments.zvt.apdu import Apdu
from sitecontroller.payments.zvt.client import Lost, Outcome, TerminalClient, Times
from sitecontroller.payments.zvt.line import TerminalAddress
from sitecontroller.payments.zvt.memory import Memory, Notebook, Pending
from sitecontroller.payments.zvt.messages import StatusInformation
from sitecontroller.ports import Clock
from sitecontroller.ports.payments import DayEnd

WATCH_EVERY_S, RETRY_EVERY_S = 60.0, 10.0
_BANK_CODES = range(0x64)
"""Results that the bank itself gave."""
_REMEDY = "Look at the terminal: is it on, and is its network or cable plugged in?"
_NOT_REVERSIBLE = (0xB5, 0x83)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TerminalState:
    """How the terminal is; None: not known yet. `acquirer`: its own line to the bank."""

    reachable: bool | None = None
    acquirer: bool | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TerminalContract:
    """What the merchant's contract and the installer allow. `preauthorize`: schemes of
    `schemes.toml` whose cards may be reserved; `refund`: without the original payment (06 31)."""

    preauthorize: frozenset[str] = frozenset()
    refund: bool = True


class CardTerminal:
    """One terminal. `told` hears what it is doing, `changed` how it is."""

    name = "card"

    def __init__(
        self,
        address: TerminalAddress,
        password: int,
        currency: str,
        notebook: Notebook,
        clock: Clock,
        *,
        contract: TerminalContract | None = None,
        times: Times | None = None,
        told: Callable[[str], None] = lambda _text: None,
        changed: Callable[[TerminalState], None] = lambda _state: None,
    ) -> None:
        self._client = TerminalClient(
            address, password, CURRENCY_NUMBERS[currency], times=times, told=told
        )
        self._password, self._currency, self._number = (
            password,
            currency,
            CURRENCY_NUMBERS[currency],
        )
        self._notebook, self._clock = notebook, clock
        self._contract = contract or TerminalContract()
        self._changed = changed
        self._state = TerminalState()
        self._lock = asyncio.Lock()
        self._memory: Memory | None = None

    @property
    def state(self) -> TerminalState:
        """How the terminal is, as far as is known."""
        return self._state

    def capabilities(self, scheme: str | None = None) -> ProviderCapabilities:
        """By card scheme; without one what every card can do."""
        held = self._contract.preauthorize
        can_hold = scheme in held if scheme is not None else held >= set(words.schemes())
        modes = {PaymentMode.PREPAID, PaymentMode.PAY_ON_LEAVING}
        return ProviderCapabilities(
            modes=frozenset(modes | ({PaymentMode.PREAUTHORIZE} if can_hold else set())),
            partial_refund=self._contract.refund,
            end_of_day=True,
        )

    async def begin(self, payment: Payment, operation: PaymentOperation) -> ProviderAnswer:
        """Take or hold a sum: 06 01, 06 22."""
        amount = operation.amount.amount_minor
        sale = operation.kind is OperationKind.SALE
        command = messages.authorisation if sale else messages.reservation
        return await self._ask(operation, command(amount, self._number), (amount,))

    async def capture(self, payment: Payment, operation: PaymentOperation) -> ProviderAnswer:
        """Book what was used, as the card's scheme has it: 06 24, or 06 23 with the rest."""
        held = payment.approved(OperationKind.PREAUTHORIZE)
        if held is None or (receipt := _receipt(held)) is None:
            return _nothing_to_refer_to()
        used, sum_held = operation.amount.amount_minor, payment.authorized.amount_minor
        trace, aid = _trace(held), held.details.get("aid", "").encode()
        if words.schemes()[held.details.get("scheme", words.OTHER)].booking == "book-total":
            command = messages.booking(receipt, used, self._number, trace, aid)
            return await self._ask(operation, command, (used,), trace)
        unused = sum_held - used
        command = messages.partial_reversal(receipt, unused, self._number, trace, aid)
        return await self._ask(operation, command, (used, unused), trace)

    async def void(self, payment: Payment, operation: PaymentOperation) -> ProviderAnswer:
        """Release all that was held: 06 25, or 06 23 with the whole sum."""
        held = payment.approved(OperationKind.PREAUTHORIZE)
        if held is None or (receipt := _receipt(held)) is None:
            return _nothing_to_refer_to()
        amount, trace = payment.authorized.amount_minor, _trace(held)
        if words.schemes()[held.details.get("scheme", words.OTHER)].booking == "book-total":
            command = messages.reservation_reversal(receipt, amount, self._number)
        else:
            command = messages.partial_reversal(receipt, amount, self._number, trace)
        return await self._ask(operation, command, (amount, 0), trace)

    async def refund(self, payment: Payment, operation: PaymentOperation) -> ProviderAnswer:
        """A whole sum of the terminal's open day without a card (06 30), else to a card (06 31)."""
        taken = payment.approved(OperationKind.CAPTURE) or payment.approved(OperationKind.SALE)
        amount = operation.amount.amount_minor
        receipt = None if taken is None else _receipt(taken)
        trace = None if taken is None else _trace(taken)
        if receipt is not None and operation.amount == payment.captured:
            command = messages.reversal(self._password, receipt, amount, self._number)
            answer = await self._ask(operation, command, (amount,), trace)
            code = answer.details.get("code", "")
            if answer.state in (OperationState.APPROVED, OperationState.UNKNOWN):
                return answer
            if not code or int(code, 16) not in _NOT_REVERSIBLE or not self._contract.refund:
                return answer
        if not self._contract.refund:
            return ProviderAnswer(
                OperationState.DECLINED, reason="the terminal may not give back a part of a sum"
            )
        command = messages.refund(self._password, amount, self._number)
        return await self._ask(operation, command, (amount,), trace)

    async def inquire(self, payment: Payment, operation: PaymentOperation) -> ProviderAnswer:
        """What the notebook or the terminal's last transaction says."""
        async with self._lock:
            memory = await self._remembered()
            known = memory.answer_to(operation.key, self._currency)
            if known is not None and known.state is not OperationState.UNKNOWN:
                return known
            if memory.pending is not None and memory.pending.key == operation.key:
                return await self._resolved(memory, memory.pending)
            if known is not None:
                return known
            if operation.started_at > memory.known_since:
                return ProviderAnswer(
                    OperationState.CANCELED, reason="the terminal was never asked for it"
                )
            return verdict.unknown(
                "the till has no record of what it asked the terminal: compare its slips"
            )

    async def end_of_day(self) -> DayEnd:
        """Close the terminal's day (06 50). Raises PaymentUnreachable, PaymentUnclear."""
        async with self._lock:
            await self._settle_what_is_open(await self._remembered())
            before = await self._last_transaction()
            try:
                outcome = await self._client.perform(messages.end_of_day(self._password))
                status = outcome.status
            except Lost as error:
                self._lost(str(error))
                if not error.sent:
                    raise PaymentUnreachable(str(error), remedy=_REMEDY) from None
                outcome, status = Outcome(), await self._new_last(before)
        code = outcome.refusal if outcome.refusal is not None else outcome.aborted
        if code is not None:
            raise PaymentUnclear(
                f"the terminal did not close its day: {words.result_text(code)}",
                remedy="Close the day again once this is mended",
            )
        if status is None or (status.totals is None and status.amount is None):
            raise PaymentUnclear(
                "the terminal told no totals of its day",
                remedy="Read them from the terminal's own slip",
            )
        return self._day(status, outcome)

    async def cancel(self) -> bool:
        """Ask the terminal to give up what it is at (06 B0); whether it was at something."""
        return await self._client.abort()

    async def watch(self) -> None:
        """Enquire the terminal's state again and again, for a task of its own; closes the line
        when it is cancelled."""
        try:
            await asyncio.sleep(RETRY_EVERY_S)  # both may have been switched on just now
            while True:
                state = await self.look()
                await asyncio.sleep(WATCH_EVERY_S if state.reachable else RETRY_EVERY_S)
        finally:
            self._client.close()

    async def look(self) -> TerminalState:
        """Enquire the terminal's state once, unless it is at work."""
        if not self._lock.locked():
            async with self._lock:
                try:
                    await self._terminal_status()
                except Lost as error:
                    self._lost(str(error))
        return self._state

    async def close(self) -> None:
        """Log off and close the line."""
        await self._client.log_off()

    async def _ask(
        self,
        operation: PaymentOperation,
        command: Apdu,
        amounts: tuple[int, ...],
        of_trace: int | None = None,
    ) -> ProviderAnswer:
        async with self._lock:
            memory = await self._remembered()
            await self._settle_what_is_open(memory)
            last = await self._last_transaction()
            place = None if last is None else last.place
            started_at = self._clock.now()
            memory.settled.pop(operation.key, None)
            memory.pending = Pending(
                operation.key, operation.kind, amounts, place, started_at, of_trace
            )
            await self._keep(memory)
            try:
                outcome = await self._client.perform(command)
            except Lost as error:
                self._lost(str(error))
                if error.sent:
                    return verdict.unknown(str(error))
                memory.pending = None
                await self._keep_if_possible(memory)
                raise PaymentUnreachable(str(error), remedy=_REMEDY) from None
            answer = verdict.of_outcome(operation.kind, outcome, self._currency)
            self._heard(outcome, answer)
            if answer.state is not OperationState.UNKNOWN:
                memory.settle(operation.key, answer, started_at)
                await self._keep_if_possible(memory)
            return answer

    async def _settle_what_is_open(self, memory: Memory) -> None:
        """The terminal tells its last transaction only: what is in doubt comes first."""
        pending = memory.pending
        if pending is None:
            return
        answer = await self._resolved(memory, pending)
        if memory.pending is not None:
            raise PaymentUnreachable(
                f"an earlier payment is not cleared yet: {answer.reason}", remedy=_REMEDY
            )

    async def _resolved(self, memory: Memory, pending: Pending) -> ProviderAnswer:
        """Ask the terminal what became of it. While it can't be asked it stays pending; where it
        can't tell, a person has to."""
        try:
            code = await self._terminal_status()
            if words.is_busy(code):
                return verdict.unknown("the terminal is still busy")
            outcome = await self._client.perform(messages.repeat_receipt(self._password))
        except Lost as error:
            self._lost(str(error))
            return verdict.unknown(str(error))
        stopped = outcome.refusal if outcome.refusal is not None else outcome.aborted
        if stopped is not None and words.is_busy(stopped):
            return verdict.unknown("the terminal is still busy")
        last = None if stopped is not None else outcome.status
        answer = verdict.of_last(pending, last, self._currency)
        memory.settle(pending.key, answer, pending.started_at)
        await self._keep_if_possible(memory)
        log.info("card terminal: payment cleared up operation=%s %s", pending.key, answer.state)
        return answer

    async def _last_transaction(self) -> StatusInformation | None:
        """What the terminal did last; None: it can't tell. On a line that had broken unnoticed it
        is asked once more. Raises PaymentUnreachable."""
        repeat = messages.repeat_receipt(self._password)
        try:
            outcome = await self._twice(lambda: self._client.perform(repeat))
        except Lost as error:
            self._lost(str(error))
            raise PaymentUnreachable(str(error), remedy=_REMEDY) from None
        stopped = outcome.refusal if outcome.refusal is not None else outcome.aborted
        if stopped is not None and words.is_busy(stopped):
            raise PaymentUnreachable("the terminal is busy", remedy="Wait for it, or cancel there")
        return None if stopped is not None else outcome.status

    async def _new_last(self, before: StatusInformation | None) -> StatusInformation | None:
        """The terminal's last transaction, where it is another than `before`."""
        try:
            last = await self._last_transaction()
        except PaymentUnreachable:
            return None
        same = before is not None and last is not None and last.place == before.place
        return None if same else last

    async def _terminal_status(self) -> int:
        enquiry = messages.status_enquiry(self._password)
        outcome = await self._twice(lambda: self._client.perform(enquiry))
        stopped = outcome.refusal if outcome.refusal is not None else outcome.aborted
        code = stopped if stopped is not None else messages.read_terminal_status(outcome.completion)
        told = "" if code == 0 else f"the terminal {words.status_text(code)}"
        self._tell(replace(self._state, reachable=True, detail=told))
        return code

    async def _twice(self, asked: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """For what moves no money alone."""
        was_connected = self._client.is_connected
        try:
            return await asked()
        except Lost:
            if not was_connected:
                raise
        return await asked()

    def _day(self, status: StatusInformation, outcome: Outcome) -> DayEnd:
        totals = None
        count = None
        if status.totals is not None:
            lines = status.totals.lines
            totals = {
                name: Money.from_minor(amount, self._currency)
                for name, (number, amount) in lines.items()
                if number or amount
            }
            count = sum(number for number, _ in lines.values())
        details = {"trace": f"{status.trace or 0:06d}"}
        if status.amount is not None:
            details["total"] = str(Money.from_minor(status.amount, self._currency).amount)
        slip = "\n".join(outcome.customer_slip + outcome.merchant_slip)
        return DayEnd(self._clock.now(), totals, count, details | ({"slip": slip} if slip else {}))

    async def _remembered(self) -> Memory:
        if self._memory is None:
            text = await asyncio.to_thread(self._notebook.read)
            self._memory = Memory.decode(text, self._clock.now())
            if not text:
                await self._keep_if_possible(self._memory)
        return self._memory

    async def _keep(self, memory: Memory) -> None:
        try:
            await asyncio.to_thread(self._notebook.write, memory.encode())
        except OSError as error:
            self._memory = None
            raise PaymentUnreachable(
                f"the till's notebook can't be written: {error.strerror}",
                remedy="Make room on the disk, or mend its rights",
            ) from None

    async def _keep_if_possible(self, memory: Memory) -> None:
        """After the fact: what the file says instead is asked of the terminal at the next start."""
        try:
            await asyncio.to_thread(self._notebook.write, memory.encode())
        except OSError as error:
            log.warning("card terminal: the notebook can't be written: %s", error.strerror)

    def _heard(self, outcome: Outcome, answer: ProviderAnswer) -> None:
        code = int(answer.details.get("code", "0"), 16)
        if words.is_no_acquirer(code):
            self._tell(TerminalState(True, False, words.result_text(code)))
        elif outcome.status is not None:
            by_bank = outcome.status.result in _BANK_CODES
            self._tell(TerminalState(True, True if by_bank else self._state.acquirer))

    def _lost(self, why: str) -> None:
        self._tell(replace(self._state, reachable=False, detail=why))

    def _tell(self, state: TerminalState) -> None:
        if state == self._state:
            return
        if state.reachable is not self._state.reachable and state.reachable is not None:
            level = logging.INFO if state.reachable else logging.WARNING
            what = "reachable" if state.reachable else "not reachable"
            log.log(level, "card terminal: %s %s", what, state.detail)
        self._state = state
        self._changed(state)


def _receipt(operation: PaymentOperation) -> int | None:
    return _whole(operation.details.get("receipt_number"))


def _trace(operation: PaymentOperation) -> int | None:
    return _whole(operation.details.get("trace"))


def _whole(digits: str | None) -> int | None:
    return int(digits) if digits and digits.isdecimal() else None


def _nothing_to_refer_to() -> ProviderAnswer:
    return ProviderAnswer(
        OperationState.CANCELED,
        reason="the terminal told no receipt number of the reservation: book it at the terminal",
    )
