"""Tariffs and prices that were stored with transactions before tariffs had elements."""

from decimal import Decimal

from sitecontroller.domain.rating import Price, rate
from sitecontroller.domain.tariff import PausedTime, Tariff
from sitecontroller.wire import from_json, to_json

STORED_TARIFF = {
    "tariff_id": "standard", "version": 3, "name": "Standard", "currency": "EUR",
    "components": [
        {"dimension": "ENERGY", "price": "0.49", "vat_percent": "19"},
        {"dimension": "FLAT", "price": "1.00", "vat_percent": "19"},
    ],
    "valid_from": "2026-01-02T08:00:00.000Z", "tax_included": True,
}  # fmt: skip
STORED_PRICE = {
    "lines": [
        {"dimension": "ENERGY", "volume": "24.3465", "unit_price": "0.49", "vat_percent": "19",
         "amount": {"amount": "11.929785", "currency": "EUR"}},
        {"dimension": "FLAT", "volume": "1", "unit_price": "1.00", "vat_percent": "19",
         "amount": {"amount": "1.00", "currency": "EUR"}},
    ],
    "vat_lines": [
        {"vat_percent": "19", "net": {"amount": "10.87", "currency": "EUR"},
         "vat": {"amount": "2.06", "currency": "EUR"},
         "gross": {"amount": "12.93", "currency": "EUR"}},
    ],
    "total_net": {"amount": "10.87", "currency": "EUR"},
    "total": {"amount": "12.93", "currency": "EUR"},
}  # fmt: skip


def test_a_stored_tariff_still_has_its_prices_and_none_of_the_new_terms() -> None:
    tariff = from_json(Tariff, STORED_TARIFF)
    assert [str(part.price) for part in tariff.components] == ["0.49", "1.00"]
    assert (tariff.elements, tariff.paused, tariff.idle_grace_s) == ((), PausedTime.FREE, 0)


def test_a_stored_tariff_prices_a_session_to_the_last_digit_as_it_did() -> None:
    price = rate(from_json(Tariff, STORED_TARIFF), Decimal("24346.5"))
    stored = from_json(Price, STORED_PRICE)
    assert (price.total, price.total_net, price.vat_lines) == (
        stored.total, stored.total_net, stored.vat_lines,
    )  # fmt: skip
    assert [line.amount for line in price.lines] == [line.amount for line in stored.lines]


def test_a_stored_price_is_read_and_says_that_its_exact_total_is_not_known() -> None:
    price = from_json(Price, STORED_PRICE)
    assert (price.exact_gross, price.notes) == (None, ())
    assert from_json(Price, to_json(price)) == price
