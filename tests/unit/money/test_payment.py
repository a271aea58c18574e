"""A payment's states and amounts, without any provider."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from sitecontroller.domain.errors import Conflict, InvalidInput
from sitecontroller.domain.money import Money
from sitecontroller.domain.payment import (
    FINAL,
    TRANSITIONS,
    OperationKind,
    OperationState,
    PaymentMode,
    PaymentOperation,
    PaymentState,
    ProviderAnswer,
    ProviderCapabilities,
    answered,
    begun,
    in_doubt,
    moved,
    new_payment,
)

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
CAN = ProviderCapabilities(frozenset(PaymentMode))
APPROVED, DECLINED, CANCELED, UNKNOWN = (
    OperationState.APPROVED,
    OperationState.DECLINED,
    OperationState.CANCELED,
    OperationState.UNKNOWN,
)

ALLOWED = """
created -> authorizing
authorizing -> authorized declined canceled unknown
authorized -> capturing voiding expired
capturing -> captured authorized capture-failed unknown
captured -> refunding disputed
refunding -> captured partially-refunded refunded unknown
partially-refunded -> refunding disputed
voiding -> voided authorized unknown
unknown -> authorized declined canceled captured capture-failed partially-refunded refunded voided
disputed -> won lost
capture-failed -> dunning written-off
dunning -> written-off
"""


def euros(text):
    return Money(Decimal(text), "EUR")


def fresh():
    return new_payment("P1", "card", "K1", "T1", PaymentMode.PREAUTHORIZE, "EUR", AT)


def asked(payment, kind, amount="10.00", can=CAN):
    key = f"O{len(payment.operations)}"
    return begun(payment, PaymentOperation(key, kind, euros(amount), AT), can)


def told(payment, state, amount=None, can=CAN):
    answer = ProviderAnswer(state, None if amount is None else euros(amount))
    return answered(payment, payment.operations[-1].key, answer, AT, can)


def done(payment, kind, amount="10.00"):
    return told(asked(payment, kind, amount), APPROVED)


def held(amount="10.00"):
    return done(fresh(), OperationKind.PREAUTHORIZE, amount)


def sold(amount="10.00"):
    return done(fresh(), OperationKind.SALE, amount)


@pytest.mark.parametrize(
    ("before", "after"), list(itertools.product(PaymentState, PaymentState)), ids=str
)
def test_a_state_is_followed_by_those_of_the_table_only(before, after):
    table = {
        row.split(" -> ")[0]: row.split(" -> ")[1].split() for row in ALLOWED.strip().splitlines()
    }
    payment = replace(fresh(), state=before)
    if after.value in table.get(before.value, ()):
        assert moved(payment, after).state is after
    else:
        with pytest.raises(Conflict):
            moved(payment, after)


def test_every_state_has_its_row_and_what_has_no_way_out_is_final():
    assert set(TRANSITIONS) == set(PaymentState)
    assert {state.value for state in FINAL} == {
        "refunded", "voided", "expired", "declined", "canceled", "won", "lost", "written-off"
    }  # fmt: skip


OUTCOMES = {
    (OperationKind.PREAUTHORIZE, APPROVED): PaymentState.AUTHORIZED,
    (OperationKind.PREAUTHORIZE, DECLINED): PaymentState.DECLINED,
    (OperationKind.PREAUTHORIZE, CANCELED): PaymentState.CANCELED,
    (OperationKind.SALE, APPROVED): PaymentState.CAPTURED,
    (OperationKind.SALE, DECLINED): PaymentState.DECLINED,
    (OperationKind.SALE, CANCELED): PaymentState.CANCELED,
    (OperationKind.CAPTURE, APPROVED): PaymentState.CAPTURED,
    (OperationKind.CAPTURE, DECLINED): PaymentState.CAPTURE_FAILED,
    (OperationKind.CAPTURE, CANCELED): PaymentState.AUTHORIZED,
    (OperationKind.VOID, APPROVED): PaymentState.VOIDED,
    (OperationKind.VOID, DECLINED): PaymentState.AUTHORIZED,
    (OperationKind.VOID, CANCELED): PaymentState.AUTHORIZED,
    (OperationKind.REFUND, APPROVED): PaymentState.REFUNDED,
    (OperationKind.REFUND, DECLINED): PaymentState.CAPTURED,
    (OperationKind.REFUND, CANCELED): PaymentState.CAPTURED,
}


@pytest.mark.parametrize("after_doubt", [False, True])
@pytest.mark.parametrize(("kind", "answer"), list(OUTCOMES))
def test_an_answer_leads_to_the_same_state_at_once_and_by_inquiry(kind, answer, after_doubt):
    before = {
        OperationKind.CAPTURE: held,
        OperationKind.VOID: held,
        OperationKind.REFUND: sold,
    }.get(kind, fresh)()
    payment = asked(before, kind)
    if after_doubt:
        payment = in_doubt(payment, "no answer")
        assert payment.state is PaymentState.UNKNOWN
    assert told(payment, answer).state is OUTCOMES[kind, answer]


def test_nothing_begins_while_an_operation_is_not_over():
    for payment in (
        asked(sold(), OperationKind.REFUND, "1.00"),
        in_doubt(asked(sold(), OperationKind.REFUND, "1.00"), "lost"),
    ):
        with pytest.raises(Conflict, match="isn't over"):
            asked(payment, OperationKind.REFUND, "1.00")


def test_no_more_is_refunded_than_was_captured_and_is_left():
    payment = done(sold(), OperationKind.REFUND, "4.00")
    assert (payment.state, payment.refundable) == (
        PaymentState.PARTIALLY_REFUNDED,
        euros("6.00"),
    )
    with pytest.raises(InvalidInput, match=r"more than the 6\.00 not refunded yet"):
        asked(payment, OperationKind.REFUND, "6.01")
    assert done(payment, OperationKind.REFUND, "6.00").state is PaymentState.REFUNDED


def test_no_more_is_captured_than_authorised_unless_the_provider_says_so():
    with pytest.raises(InvalidInput, match=r"more than the 10\.00 authorised"):
        asked(held(), OperationKind.CAPTURE, "10.01")
    above = replace(CAN, capture_above_authorized=True)
    payment = asked(held(), OperationKind.CAPTURE, "12.00", above)
    assert told(payment, APPROVED, can=above).captured == euros("12.00")


@pytest.mark.parametrize("amount", ["0", "-1.00", "0.001", "1.005"])
def test_a_sum_that_nobody_can_pay_is_refused(amount):
    with pytest.raises(InvalidInput):
        asked(fresh(), OperationKind.SALE, amount)


def test_another_currency_is_refused():
    operation = PaymentOperation("O1", OperationKind.SALE, Money(Decimal(10), "CHF"), AT)
    with pytest.raises(InvalidInput, match="CHF"):
        begun(fresh(), operation, CAN)


def test_an_approval_of_more_than_asked_is_believed_by_nobody():
    payment = told(asked(fresh(), OperationKind.SALE), APPROVED, "10.01")
    assert payment.state is PaymentState.UNKNOWN
    assert payment.captured == euros("0")


def test_an_approval_of_less_is_taken_as_it_is():
    payment = told(asked(fresh(), OperationKind.SALE), APPROVED, "7.50")
    assert (payment.state, payment.captured) == (PaymentState.CAPTURED, euros("7.50"))


def test_a_second_answer_to_the_same_operation_changes_nothing():
    payment = sold()
    for state in (APPROVED, DECLINED, UNKNOWN):
        assert told(payment, state) == payment


def test_a_provider_without_partial_refunds_gives_back_the_whole():
    whole_only = replace(CAN, partial_refund=False)
    with pytest.raises(InvalidInput, match="whole sum only"):
        asked(sold(), OperationKind.REFUND, "5.00", whole_only)
    assert asked(sold(), OperationKind.REFUND, "10.00", whole_only).open_operation
