"""What a payment does about a session's receipt, and what a restart does about a payment."""

from contextlib import closing

import pytest

from sitecontroller.domain.errors import Conflict, PaymentUnclear
from sitecontroller.domain.paying import CloseShift, OpenShift, PayTransaction, ResolvePayment
from sitecontroller.domain.payment import OperationState, PaymentState
from sitecontroller.storage import startup
from sitecontroller.storage.engine import connect
from sitecontroller.storage.unit_of_work import UnitOfWork
from tests.unit.services.tills import Killed, Till, at_once, euros

CASH = PayTransaction("T1", "Ann", given=euros(2000))
CARD = PayTransaction("T1", "Ann", "card")


@pytest.fixture
def site(tmp_path):
    startup.upgrade(tmp_path / "site.db")
    with closing(connect(tmp_path / "site.db")) as connection:
        schema = "".join(connection.iterdump())
    till = Till(schema)
    till.ask(OpenShift("Ann", euros(5000)))
    till.keep("T1", 1000)
    yield till
    till.connection.close()


def payment(site):
    (key,) = site.rows("SELECT key FROM payment")[0]
    return UnitOfWork(site.connection).payment(key)


def receipts(site):
    return [number for (number,) in site.rows("SELECT number FROM receipt")]


def test_the_operation_is_committed_before_the_provider_hears_of_it(site):
    seen = []

    async def begin(payment, operation):
        seen.extend(site.rows("SELECT key, state FROM payment_operation"))
        raise TimeoutError

    site.terminal.begin = begin
    with pytest.raises(PaymentUnclear):
        site.ask(CARD)
    assert seen == [(payment(site).operations[0].key, "pending")]


def test_a_lost_answer_is_inquired_and_the_sale_never_repeated(site):
    site.terminal.mood = "lost-after"
    with pytest.raises(PaymentUnclear, match="took place"):
        site.ask(CARD)
    assert payment(site).state is PaymentState.UNKNOWN
    assert site.alarms.active == {payment(site).key}
    site.terminal.mood = "ok"
    at_once(site.payments.resolve_all())
    assert payment(site).state is PaymentState.CAPTURED
    assert len(site.terminal.calls) == 1
    assert not site.alarms.active


def test_no_receipt_is_printed_and_nothing_else_paid_while_money_is_in_doubt(site):
    site.terminal.mood = "lost-after"
    with pytest.raises(PaymentUnclear):
        site.ask(CARD)
    with pytest.raises(Conflict, match="being paid"):
        site.print_receipt("T1")
    with pytest.raises(Conflict, match="is unknown"):
        site.ask(CASH)
    assert receipts(site) == []


def test_the_receipt_says_the_sum_that_was_paid_though_the_price_changed_meanwhile(site):
    site.terminal.mood = "lost-after"
    with pytest.raises(PaymentUnclear):
        site.ask(CARD)
    site.keep("T1", 1500, known=True)
    site.terminal.mood = "ok"
    site.ask(ResolvePayment(payment(site).key, "Ann"))
    body = UnitOfWork(site.connection).receipt("T1").body
    assert body["total"] == {"amount": "10.00", "currency": "EUR"}
    assert body["paid"]["provider"] == "card"


@pytest.mark.parametrize("after", [False, True], ids=["before the commit", "after the commit"])
@pytest.mark.parametrize("commit", [1, 2, 3])
def test_cash_killed_at_any_commit_is_in_the_drawer_and_in_the_ledger_or_in_neither(
    site, commit, after
):
    site.store.kill_at, site.store.kill_after = commit, after
    with pytest.raises(Killed):
        site.ask(CASH)
    site.restart()
    at_once(site.payments.resolve_all())
    entries = site.rows("SELECT amount_minor FROM drawer_entry")
    taken = (commit, after) not in [(1, False), (1, True), (2, False)]
    assert entries == ([(1000,)] if taken else [])
    assert len(receipts(site)) == len(entries)
    if taken:
        with pytest.raises(Conflict, match="paid already"):
            site.ask(CASH)
    else:
        assert site.ask(CASH).state == "accepted"


def test_no_shift_is_closed_on_cash_that_nobody_knows_of(site):
    (shift,) = site.rows("SELECT key FROM shift")[0]
    site.store.kill_at, site.store.kill_after = 2, True
    with pytest.raises(Killed):
        site.ask(CASH)
    site.restart()
    with pytest.raises(Conflict, match="isn't over"):
        site.ask(CloseShift(shift, "Ann", euros(6000)))
    at_once(site.payments.resolve_all())
    assert site.ask(CloseShift(shift, "Ann", euros(6000))).answer["difference"]["amount"] == "0.00"


def test_a_provider_that_was_not_reached_took_nothing(site):
    site.terminal.mood = "unreachable"
    result = site.ask(CARD)
    assert (result.state, result.reason) == ("rejected", "no line")
    assert payment(site).operations[0].state is OperationState.CANCELED
    assert site.ask(CASH).state == "accepted"


def test_a_part_that_a_card_paid_leaves_the_rest_to_cash(site):
    site.terminal.mood = "less"
    assert site.ask(CARD).answer["payment"]["captured"]["amount"] == "5.00"
    assert site.ask(CASH).answer["payment"]["captured"]["amount"] == "5.00"
    assert len(receipts(site)) == 1
