"""The terminal's totals of a day beside the till's own, over a real socket."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sitecontroller.domain.payment import OperationKind
from sitecontroller.payments.zvt.day_end import differences, our_totals
from sitecontroller.ports.payments import DayEnd
from sitecontroller.simulation.terminal import Fault, SimulatedTerminal
from sitecontroller.simulation.terminal_books import GIROCARD, MASTERCARD, VISA, Kind
from tests.wire.payments.till import CLOCK, Till, euros, till_and_terminal

Run = Callable[..., Any]
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


async def busy_day(till: Till, terminal: SimulatedTerminal) -> None:
    """Sales, a booked hold, refunds: to the same card and to another one."""
    await till.take("10.00")
    held = await till.take("50.00", hold=True)
    await till.go_on(held, OperationKind.CAPTURE, "20.00")
    terminal.presented = GIROCARD
    sold = await till.take("30.00")
    await till.go_on(sold, OperationKind.REFUND, "5.00")
    terminal.presented = MASTERCARD
    await till.go_on(await till.take("40.00"), OperationKind.REFUND, "40.00")
    terminal.presented = VISA
    await till.go_on(till.payments[sold.key], OperationKind.REFUND, "1.00")


def found(till: Till, day: DayEnd) -> list[str]:
    ours = our_totals(till.payments.values(), "card", LONG_AGO, CLOCK.now())
    return [str(each) for each in differences(ours, day, till.payments.values())]


def test_a_day_on_which_all_is_well_has_no_differences(tmp_path: Path, run: Run) -> None:
    async def story() -> None:
        async with till_and_terminal(tmp_path) as (till, terminal):
            await busy_day(till, terminal)
            day = await till.provider.end_of_day()
            assert day.totals is not None
            assert (day.totals["visa"], day.totals["girocard"]) == (euros("29.00"), euros("25.00"))
            assert found(till, day) == []

    run(story())


def test_a_payment_that_the_till_knows_nothing_of_is_told(tmp_path: Path, run: Run) -> None:
    async def story() -> None:
        async with till_and_terminal(tmp_path) as (till, terminal):
            await busy_day(till, terminal)
            terminal.books.enter(Kind.SALE, 700, GIROCARD)
            day = await till.provider.end_of_day()
            told = ["girocard: the terminal says 32.00 EUR, the till 25.00"]
            assert found(till, day) == told

    run(story())


def test_a_difference_names_the_payments_that_are_not_cleared_up(tmp_path: Path, run: Run) -> None:
    async def story() -> None:
        async with till_and_terminal(tmp_path) as (till, terminal):
            terminal.knows_repeat_receipt = False
            terminal.fail_next(Fault.LOST_AFTER_BOOKING)
            lost = await till.take("10.00")
            day = await till.provider.end_of_day()
            (told,) = found(till, day)
            assert told.endswith(f"the till 0.00; not cleared up yet: {lost.key}")

    run(story())


def test_only_what_ended_since_the_last_day_end_counts(tmp_path: Path, run: Run) -> None:
    async def story() -> None:
        async with till_and_terminal(tmp_path) as (till, _):
            await till.take("10.00")
            now = CLOCK.now()
            payments = till.payments.values()
            assert our_totals(payments, "card", now, now + timedelta(days=1)) == {}
            assert our_totals(payments, "cash", LONG_AGO, now) == {}
            assert our_totals(payments, "card", LONG_AGO, now) == {"visa": euros("10.00")}

    run(story())
