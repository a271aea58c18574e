"""A till and a card terminal that speak ZVT over a real socket and a pty."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.clock import SystemClock
from sitecontroller.domain.errors import PaymentUnreachable
from sitecontroller.domain.payment import OperationKind, PaymentMode, PaymentState
from sitecontroller.payments.zvt.client import Times
from sitecontroller.payments.zvt.line import TerminalAddress
from sitecontroller.payments.zvt.memory import NotebookFile
from sitecontroller.payments.zvt.provider import CardTerminal, TerminalContract
from sitecontroller.simulation.terminal import Fault
from sitecontroller.simulation.terminal_books import (
    DECLINED,
    GIROCARD,
    MASTERCARD,
    NOBODY,
    WITHOUT_MONEY,
)
from tests.support import eventually
from tests.wire.payments.till import agree, euros, till_and_terminal

Run = Callable[..., Any]
LINES = pytest.mark.parametrize("serial", [False, True], ids=["tcp", "serial"])
PATIENT = Times(connect_s=2.0, t3_s=2.0, t4_s=5.0)


@LINES
def test_a_sale_is_captured_with_what_the_receipt_needs(
    serial: bool, tmp_path: Path, run: Run
) -> None:
    async def story() -> None:
        async with till_and_terminal(tmp_path, serial=serial, times=PATIENT) as (till, terminal):
            payment = await till.take("23.80")
            assert (payment.state, payment.captured) == (PaymentState.CAPTURED, euros("23.80"))
            details = payment.operations[0].details
            assert details["slip"] == "sale\nEUR 23.80\nTerminal-ID 52000001"
            assert (details["card"], details["scheme"]) == ("Visa Credit", "visa")
            assert (details["pan"], details["receipt_number"]) == ("**** 1881", "0001")
            assert (details["terminal_id"], details["trace"]) == ("52000001", "000001")
            assert "Please present the card" in till.said
            assert agree(till, terminal)

    run(story())


@LINES
def test_a_held_sum_is_booked_in_part_and_the_rest_released(
    serial: bool, tmp_path: Path, run: Run
) -> None:
    async def story() -> None:
        async with till_and_terminal(tmp_path, serial=serial, times=PATIENT) as (till, terminal):
            payment = await till.take("50.00", hold=True)
            assert [entry.amount for entry in terminal.books.reservations()] == [5000]
            payment = await till.go_on(payment, OperationKind.CAPTURE, "17.05")
            assert (payment.state, payment.captured) == (PaymentState.CAPTURED, euros("17.05"))
            assert agree(till, terminal)

    run(story())


def test_the_till_registers_with_its_password_and_what_it_can_print(
    tmp_path: Path, run: Run
) -> None:
    async def story() -> None:
        async with till_and_terminal(tmp_path) as (till, terminal):
            await till.take("1.00")
            assert terminal.registered_with is not None
            registered = "0000009e09780300060a26080a0206d10a0206d3"
            assert terminal.registered_with.hex() == registered

    run(story())


@pytest.mark.parametrize(
    ("card", "state", "reason"),
    [
        (DECLINED, PaymentState.DECLINED, "the bank refused it (code 05)"),
        (WITHOUT_MONEY, PaymentState.DECLINED, "the card has not enough credit"),
        (NOBODY, PaymentState.CANCELED, "nobody presented a card"),
    ],
)
def test_a_refusal_is_told_in_plain_words(
    card: Any, state: PaymentState, reason: str, tmp_path: Path, run: Run
) -> None:
    async def story() -> None:
        async with till_and_terminal(tmp_path) as (till, terminal):
            terminal.presented = card
            payment = await till.take("5.00")
            assert payment.state is state
            assert reason in (payment.operations[0].reason or "")
            assert agree(till, terminal)

    run(story())


def test_a_bank_card_that_cant_be_held_is_offered_prepaid(tmp_path: Path, run: Run) -> None:
    async def story() -> None:
        async with till_and_terminal(tmp_path) as (till, terminal):
            terminal.presented = GIROCARD
            payment = await till.take("50.00", hold=True)
            assert payment.state is PaymentState.DECLINED
            assert payment.operations[0].details["instead"] == "prepaid"

    run(story())


@LINES
def test_an_attendant_may_give_up_while_nobody_presents_a_card(
    serial: bool, tmp_path: Path, run: Run
) -> None:
    async def story() -> None:
        async with till_and_terminal(tmp_path, serial=serial, times=PATIENT) as (till, terminal):
            terminal.presented = None
            asked = asyncio.create_task(till.take("5.00"))
            await eventually(lambda: "Please present the card" in till.said)
            assert await till.provider.cancel()
            payment = await asked
            assert payment.state is PaymentState.CANCELED
            assert not await till.provider.cancel()

    run(story())


def test_a_call_that_was_cancelled_is_cleared_up_before_the_next(tmp_path: Path, run: Run) -> None:
    async def story() -> None:
        async with till_and_terminal(tmp_path, times=PATIENT) as (till, terminal):
            await till.take("1.00")
            terminal.fail_next(Fault.SILENT_AFTER_BOOKING)
            asked = asyncio.create_task(till.take("5.00"))
            await eventually(lambda: terminal.books.taken() == 600)
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
            await till.take("2.00")
            lost = next(p for p in till.payments.values() if p.open_operation)
            operation = lost.open_operation
            assert operation is not None
            answer = await till.provider.inquire(lost, operation)
            assert (answer.state, answer.amount) == ("approved", euros("5.00"))

    run(story())


def test_a_terminal_that_cant_tell_its_last_payment_leaves_it_to_a_person(
    tmp_path: Path, run: Run
) -> None:
    async def story() -> None:
        async with till_and_terminal(tmp_path) as (till, terminal):
            terminal.knows_repeat_receipt = False
            assert (await till.take("1.00")).state is PaymentState.CAPTURED
            terminal.fail_next(Fault.LOST_AFTER_BOOKING)
            payment = await till.take("5.00")
            operation = payment.open_operation
            assert operation is not None
            answer = await till.provider.inquire(payment, operation)
            assert answer.state == "unknown"
            assert "compare its slips" in (answer.reason or "")
            assert (await till.take("2.00")).state is PaymentState.CAPTURED
            assert terminal.commands.count(0x0601) == 3

    run(story())


def test_while_the_terminal_cant_be_asked_no_new_payment_begins(tmp_path: Path, run: Run) -> None:
    async def story() -> None:
        async with till_and_terminal(tmp_path) as (till, terminal):
            await till.take("1.00")
            terminal.fail_next(Fault.LOST_AFTER_BOOKING)
            payment = await till.take("5.00")
            terminal.knows_repeat_receipt, terminal._busy = True, True
            assert (await till.take("2.00")).state is PaymentState.CANCELED
            assert terminal.commands.count(0x0601) == 2
            terminal._busy = False
            assert (await till.clear_up(payment)).state is PaymentState.CAPTURED
            assert agree(till, terminal)

    run(story())


def test_an_operation_that_the_terminal_was_never_asked_for_did_not_take_place(
    tmp_path: Path, run: Run
) -> None:
    async def story() -> None:
        async with till_and_terminal(tmp_path) as (till, terminal):
            await till.take("1.00")
            await terminal.stop()
            payment = await till.take("5.00")
            assert payment.state is PaymentState.CANCELED
            answer = await till.provider.inquire(payment, payment.operations[0])
            assert answer.state == "canceled"
            with pytest.raises(PaymentUnreachable):
                await till.provider.end_of_day()

    run(story())


def test_of_what_stands_in_a_lost_notebook_nothing_is_claimed(tmp_path: Path, run: Run) -> None:
    async def story() -> None:
        async with till_and_terminal(tmp_path) as (till, _):
            payment = await till.take("1.00")
            till.notebook.write_text("not a notebook")
            till.restart()
            answer = await till.provider.inquire(payment, payment.operations[0])
            assert answer.state == "unknown"

    run(story())


def test_a_line_that_broke_while_nothing_was_asked_costs_no_payment(
    tmp_path: Path, run: Run
) -> None:
    async def story() -> None:
        async with till_and_terminal(tmp_path) as (till, terminal):
            await till.take("1.00")
            terminal.hang_up()
            assert (await till.take("2.00")).state is PaymentState.CAPTURED

    run(story())


def test_the_terminals_line_to_its_bank_is_a_state_of_its_own(tmp_path: Path, run: Run) -> None:
    async def story() -> None:
        async with till_and_terminal(tmp_path) as (till, terminal):
            assert (till.provider.state.reachable, till.provider.state.acquirer) == (None, None)
            await till.take("1.00")
            assert (till.provider.state.reachable, till.provider.state.acquirer) == (True, True)
            terminal.fail_next(Fault.NO_ACQUIRER)
            await till.take("1.00")
            state = await till.provider.look()
            assert (state.reachable, state.acquirer) == (True, False)
            await terminal.stop()
            state = await till.provider.look()
            assert state.reachable is False
            assert till.states[-1] == state

    run(story())


@LINES
def test_the_days_totals_are_told_by_card_scheme(serial: bool, tmp_path: Path, run: Run) -> None:
    async def story() -> None:
        async with till_and_terminal(tmp_path, serial=serial, times=PATIENT) as (till, terminal):
            await till.take("10.00")
            terminal.presented = MASTERCARD
            payment = await till.take("20.00")
            await till.go_on(payment, OperationKind.REFUND, "4.50")
            day = await till.provider.end_of_day()
            assert day.totals == {"visa": euros("10.00"), "mastercard": euros("15.50")}
            assert day.count == 3
            assert (await till.take("1.00")).state is PaymentState.CAPTURED

    run(story())


@pytest.mark.parametrize(
    "fault", [Fault.LOST_AFTER_BOOKING, Fault.LOST_AFTER_STATUS, Fault.SILENT_AFTER_BOOKING]
)
def test_the_totals_of_a_day_whose_end_was_not_heard_are_asked_for(
    fault: Fault, tmp_path: Path, run: Run
) -> None:
    async def story() -> None:
        async with till_and_terminal(tmp_path) as (till, terminal):
            await till.take("10.00")
            terminal.fail_next(fault)
            day = await till.provider.end_of_day()
            assert day.totals == {"visa": euros("10.00")}
            assert len(terminal.books.days) == 1

    run(story())


def test_a_payment_of_a_closed_day_is_given_back_to_a_card(tmp_path: Path, run: Run) -> None:
    async def story() -> None:
        async with till_and_terminal(tmp_path) as (till, terminal):
            payment = await till.take("20.00")
            await till.provider.end_of_day()
            payment = await till.go_on(payment, OperationKind.REFUND, "20.00")
            assert payment.state is PaymentState.REFUNDED
            assert terminal.commands[-4:].count(0x0630) == 1
            assert terminal.commands[-1] == 0x0631
            assert agree(till, terminal)

    run(story())


def test_a_noisy_serial_line_repeats_the_block_and_not_the_payment(
    tmp_path: Path, run: Run
) -> None:
    async def story() -> None:
        async with till_and_terminal(tmp_path, serial=True, times=PATIENT) as (till, terminal):
            assert terminal._pty is not None
            terminal._pty.turns_bytes = 2
            assert (await till.take("5.00")).state is PaymentState.CAPTURED
            assert terminal.commands.count(0x0601) == 1

    run(story())


def test_only_schemes_of_the_contract_are_held() -> None:
    terminal = CardTerminal(
        TerminalAddress.parse("tcp://terminal"),
        0,
        "EUR",
        NotebookFile(Path("unused")),
        SystemClock(),
        contract=TerminalContract(frozenset({"visa"}), refund=False),
    )
    assert PaymentMode.PREAUTHORIZE in terminal.capabilities("visa").modes
    assert PaymentMode.PREAUTHORIZE not in terminal.capabilities("girocard").modes
    assert PaymentMode.PREAUTHORIZE not in terminal.capabilities().modes
    assert PaymentMode.PREPAID in terminal.capabilities().modes
    assert not terminal.capabilities().partial_refund
