"""Counter-receipts: what takes back a receipt adds up to it, cent by cent and rate by rate."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.domain.money import Money
from sitecontroller.domain.rating import VatLine
from sitecontroller.domain.receipt import counter_receipt, receipt_document
from tests.unit.services.test_billing import NEW_YEARS_EVE, ended

RATES = (Decimal(19), Decimal(7), None)


def euros(cents):
    return Money.from_minor(cents, "EUR")


def receipt(*gross_cents):
    """One of these sums by VAT rate."""
    plain = receipt_document(
        ended(),
        number="S-K1-2026-000001",
        site_name="Site",
        issued_at=NEW_YEARS_EVE,
        time_zone="Europe/Berlin",
        evse_code="E1",
    )
    vat_lines = []
    for rate, cents in zip(RATES, gross_cents, strict=False):
        gross = euros(cents)
        net = Money(gross.amount * 100 / (100 + (rate or 0)), "EUR").rounded()
        vat_lines.append(VatLine(rate, net, gross - net, gross))
    net = sum((line.net for line in vat_lines), euros(0))
    return replace(plain, vat_lines=tuple(vat_lines), total_net=net, total=euros(sum(gross_cents)))


def added(documents, cents_of):
    return sum(cents_of(document) for document in documents)


@given(
    st.lists(st.integers(0, 5000), min_size=1, max_size=3).filter(any),
    st.lists(st.integers(1, 3000), max_size=5),
)
def test_parts_of_a_receipt_taken_back_one_by_one_add_up_to_it(gross_cents, wanted):
    original = receipt(*gross_cents)
    left, before, parts = original.total.amount_minor, 0, []
    for cents in [*wanted, left]:
        cents = min(cents, left - before)
        if cents:
            parts.append(counter_receipt(original, euros(cents), euros(before)))
            assert parts[-1].total == euros(-cents)
            before += cents
    if before < left:
        parts.append(counter_receipt(original, euros(left - before), euros(before)))
    for part in parts:
        assert part.cancels == original.number
        assert part.number == ""
        gross = sum((line.gross for line in part.vat_lines), euros(0))
        vat = sum((line.vat for line in part.vat_lines), euros(0))
        assert gross == part.total == part.total_net + vat
    assert added(parts, lambda part: part.total.amount_minor) == -left
    for place, line in enumerate(original.vat_lines):
        assert added(parts, lambda part, n=place: part.vat_lines[n].net.amount_minor) == (
            -line.net.amount_minor
        )


def test_the_whole_taken_back_at_once_shows_every_line_below_zero():
    original = replace(receipt(500), total=euros(500))
    back = counter_receipt(original, euros(500), euros(0))
    assert [line.amount.amount for line in back.lines] == [
        -line.amount.amount for line in original.lines
    ]
    assert [line.volume for line in back.lines] == [line.volume for line in original.lines]
