"""Whatever goes wrong at whichever step: after an inquiry the terminal's books are ours, and
nothing was asked for twice. Over a real socket and a serial line of the kernel's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.domain.payment import OperationKind, Payment, PaymentState
from sitecontroller.simulation.terminal import Fault, SimulatedTerminal
from sitecontroller.simulation.terminal_books import GIROCARD_THAT_RESERVES
from tests.wire.payments.till import Till, agree, till_and_terminal

S = PaymentState
DONE = {
    Fault.NO_ACK_BUT_DONE,
    Fault.LOST_AFTER_BOOKING,
    Fault.LOST_AFTER_STATUS,
    Fault.SILENT_AFTER_BOOKING,
    Fault.GARBAGE_AFTER_BOOKING,
    Fault.SLOW,
    Fault.RESTART_BOOKED,
    Fault.BOOKS_LATE,
}
"""Those after which the terminal has it in its books."""

Begin = Callable[[Till, SimulatedTerminal], Any]


async def sale(till: Till, terminal: SimulatedTerminal) -> Payment:
    return await till.take("20.00")


async def hold(till: Till, terminal: SimulatedTerminal) -> Payment:
    return await till.take("50.00", hold=True)


async def part_of_a_hold(till: Till, terminal: SimulatedTerminal) -> Payment:
    return await till.go_on(await held(till, terminal), OperationKind.CAPTURE, "12.34")


async def part_of_a_bank_cards_hold(till: Till, terminal: SimulatedTerminal) -> Payment:
    terminal.presented = GIROCARD_THAT_RESERVES
    return await till.go_on(await held(till, terminal), OperationKind.CAPTURE, "12.34")


async def release(till: Till, terminal: SimulatedTerminal) -> Payment:
    return await till.go_on(await held(till, terminal), OperationKind.VOID, "50.00")


async def whole_refund(till: Till, terminal: SimulatedTerminal) -> Payment:
    return await till.go_on(await sold(till, terminal), OperationKind.REFUND, "20.00")


async def part_refund(till: Till, terminal: SimulatedTerminal) -> Payment:
    return await till.go_on(await sold(till, terminal), OperationKind.REFUND, "7.50")


async def held(till: Till, terminal: SimulatedTerminal) -> Payment:
    fault, terminal._fault = terminal._fault, None
    payment = await till.take("50.00", hold=True)
    terminal.fail_next(fault)
    return payment


async def sold(till: Till, terminal: SimulatedTerminal) -> Payment:
    fault, terminal._fault = terminal._fault, None
    payment = await till.take("20.00")
    terminal.fail_next(fault)
    return payment


STEPS: list[tuple[Begin, PaymentState, set[PaymentState]]] = [
    (sale, S.CAPTURED, {S.DECLINED, S.CANCELED}),
    (hold, S.AUTHORIZED, {S.DECLINED, S.CANCELED}),
    (part_of_a_hold, S.CAPTURED, {S.AUTHORIZED}),
    (part_of_a_bank_cards_hold, S.CAPTURED, {S.AUTHORIZED}),
    (release, S.VOIDED, {S.AUTHORIZED}),
    (whole_refund, S.REFUNDED, {S.CAPTURED}),
    (part_refund, S.PARTIALLY_REFUNDED, {S.CAPTURED}),
]
"""What is asked for, the state where it took place, the states where it did not."""


MONEY = {0x0601, 0x0622, 0x0623, 0x0624, 0x0625, 0x0630, 0x0631}
CASES = (
    [(*step, fault, "") for step in STEPS for fault in Fault]
    + [(*step, fault, "killed") for step in (STEPS[0], STEPS[2]) for fault in Fault]
    + [(*STEPS[0], fault, "serial") for fault in Fault]
)


def name_of(case: tuple[Any, ...]) -> str:
    begin, _, _, fault, how = case
    return "-".join(filter(None, (begin.__name__, fault.name.lower(), how)))


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_after_an_inquiry_the_terminals_books_are_ours(
    case: tuple[Begin, PaymentState, set[PaymentState], Fault, str],
    tmp_path: Path,
    run: Callable[..., Any],
) -> None:
    begin, done, undone, fault, how = case

    async def story() -> None:
        async with till_and_terminal(tmp_path, serial=how == "serial") as (till, terminal):
            await till.take("1.00")  # a terminal that never did anything can't tell its last
            terminal.fail_next(fault)
            payment = await begin(till, terminal)
            if how == "killed":
                till.restart()
            payment = await till.clear_up(payment)
            assert payment.state in ({done} if fault in DONE else undone)
            assert agree(till, terminal)
            money = [each for each in terminal.commands if each in MONEY]
            assert len(money) == len(payment.operations) + 1
            assert (await till.take("3.00")).state is S.CAPTURED
            assert agree(till, terminal)

    run(story())
