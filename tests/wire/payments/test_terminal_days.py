"""Whole days at a till, made up by hypothesis: any order of payments, faults and restarts."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sitecontroller.domain.payment import OperationKind, PaymentState
from sitecontroller.payments.zvt.day_end import differences, our_totals
from sitecontroller.simulation.terminal import Fault
from sitecontroller.simulation.terminal_books import DECLINED, GIROCARD_THAT_RESERVES, VISA
from tests.support import run_bounded
from tests.wire.payments.test_day_end import LONG_AGO
from tests.wire.payments.till import CLOCK, Till, agree, till_and_terminal

S = PaymentState
FAULTS = st.one_of(st.none(), st.sampled_from(Fault))
CARDS = st.sampled_from([VISA, GIROCARD_THAT_RESERVES, DECLINED])
DOINGS = st.sampled_from(["sell", "hold", "capture", "void", "refund", "refund all", "restart"])
DAYS = st.lists(st.tuples(DOINGS, CARDS, FAULTS), min_size=2, max_size=6)
GOES_ON = {
    "capture": (S.AUTHORIZED, OperationKind.CAPTURE, "12.30"),
    "void": (S.AUTHORIZED, OperationKind.VOID, "50.00"),
    "refund": (S.CAPTURED, OperationKind.REFUND, "2.50"),
    "refund all": (S.CAPTURED, OperationKind.REFUND, None),
}


async def do(till: Till, doing: str) -> None:
    """One thing that is possible; what isn't is left out."""
    if doing == "restart":
        till.restart()
    elif doing in ("sell", "hold"):
        await till.take("50.00" if doing == "hold" else "20.00", hold=doing == "hold")
    else:
        state, kind, amount = GOES_ON[doing]
        found = [payment for payment in till.payments.values() if payment.state is state]
        if found:
            await till.go_on(found[-1], kind, amount or str(found[-1].captured.amount))


@settings(max_examples=12)
@given(DAYS)
def test_after_any_day_the_terminals_books_are_ours(day: list[tuple[str, object, Fault]]) -> None:
    async def story(directory: Path) -> None:
        async with till_and_terminal(directory) as (till, terminal):
            await till.take("20.00")
            for doing, card, fault in day:
                terminal.presented = card
                terminal.fail_next(None if doing == "restart" else fault)
                await do(till, doing)
            terminal.fail_next(None)
            for payment in tuple(till.payments.values()):
                await till.clear_up(payment)
            assert agree(till, terminal)
            totals = await till.provider.end_of_day()
            ours = our_totals(till.payments.values(), "card", LONG_AGO, CLOCK.now())
            assert differences(ours, totals) == []

    with tempfile.TemporaryDirectory() as directory:
        run_bounded(story(Path(directory)))
