"""Money: exact until it is rounded, and then half up to the currency's smallest coin."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.domain.money import Money

exact = st.decimals(-1_000_000, 1_000_000, places=6, allow_nan=False)
currencies = st.sampled_from(["EUR", "JPY", "KWD"])


@pytest.mark.parametrize(
    ("amount", "currency", "paid"),
    [
        ("0.005", "EUR", "0.01"),
        ("0.015", "EUR", "0.02"),
        ("0.025", "EUR", "0.03"),
        ("0.0249999", "EUR", "0.02"),
        ("-0.005", "EUR", "-0.01"),
        ("0.5", "JPY", "1"),
        ("1.5", "JPY", "2"),
        ("0.0005", "KWD", "0.001"),
    ],
)
def test_half_a_coin_is_rounded_up_in_either_sign(amount: str, currency: str, paid: str) -> None:
    assert str(Money(Decimal(amount), currency).rounded().amount) == paid


@given(exact, currencies)
def test_what_is_stored_in_coins_comes_back(amount: Decimal, currency: str) -> None:
    money = Money(amount, currency).rounded()
    assert Money.from_minor(money.amount_minor, currency) == money


@given(exact, currencies)
def test_rounding_again_changes_nothing(amount: Decimal, currency: str) -> None:
    money = Money(amount, currency).rounded()
    assert money.rounded() == money


@given(exact, exact)
def test_what_was_added_can_be_taken_away(one: Decimal, other: Decimal) -> None:
    assert Money(one, "EUR") + Money(other, "EUR") - Money(other, "EUR") == Money(one, "EUR")


def test_currencies_do_not_mix() -> None:
    with pytest.raises(ValueError, match="EUR and CHF"):
        Money(Decimal(1), "EUR") + Money(Decimal(1), "CHF")
