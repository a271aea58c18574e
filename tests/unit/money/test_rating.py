"""The price of a transaction: always adds up, never negative, never less for more energy."""

from decimal import Decimal

import pytest
from hypothesis import given

from sitecontroller.domain.money import Money, minor_digits
from sitecontroller.domain.rating import Price, rate
from sitecontroller.domain.tariff import Tariff
from tests.unit.money.cases import energies_wh, energy, fee, tariff, tariffs


def amounts(*money: Money) -> tuple[str, ...]:
    return tuple(str(each.amount) for each in money)


def all_amounts(price: Price) -> list[Money]:
    of_rates = [m for line in price.vat_lines for m in (line.net, line.vat, line.gross)]
    return [price.total, price.total_net, *of_rates]


@given(tariffs, energies_wh)
def test_net_and_vat_make_the_gross_of_every_rate(under: Tariff, energy_wh: Decimal) -> None:
    for line in rate(under, energy_wh).vat_lines:
        assert line.net + line.vat == line.gross


@given(tariffs, energies_wh)
def test_the_totals_are_the_sums_of_the_rates(under: Tariff, energy_wh: Decimal) -> None:
    price = rate(under, energy_wh)
    assert price.total.amount == sum(line.gross.amount for line in price.vat_lines)
    assert price.total_net.amount == sum(line.net.amount for line in price.vat_lines)


@given(tariffs, energies_wh)
def test_the_lines_are_the_total_but_for_one_rounding_a_rate(
    under: Tariff, energy_wh: Decimal
) -> None:
    price = rate(under, energy_wh)
    exact = sum(line.amount.amount for line in price.lines)
    total = price.total if under.tax_included else price.total_net
    half_unit = Decimal("0.5").scaleb(-minor_digits(under.currency))
    assert abs(total.amount - exact) <= half_unit * len(price.vat_lines)


@given(tariffs, energies_wh, energies_wh)
def test_more_energy_never_costs_less(under: Tariff, one_wh: Decimal, other_wh: Decimal) -> None:
    less, more = (rate(under, energy_wh) for energy_wh in sorted((one_wh, other_wh)))
    assert less.total.amount <= more.total.amount
    assert less.total_net.amount <= more.total_net.amount


@given(tariffs, energies_wh)
def test_no_amount_is_negative(under: Tariff, energy_wh: Decimal) -> None:
    assert all(money.amount >= 0 for money in all_amounts(rate(under, energy_wh)))


@given(tariffs, energies_wh)
def test_every_amount_can_be_paid(under: Tariff, energy_wh: Decimal) -> None:
    assert all(money == money.rounded() for money in all_amounts(rate(under, energy_wh)))


@pytest.mark.parametrize(
    ("components", "tax_included", "energy_wh", "net_vat_gross"),
    [
        ((energy("0.59"),), True, "10000", ("4.96", "0.94", "5.90")),
        ((energy("0.59"),), False, "10000", ("5.90", "1.12", "7.02")),
        ((energy("0.50"), fee("1.00")), True, "20000", ("9.24", "1.76", "11.00")),
        ((energy("0.50", "0"),), True, "1000", ("0.50", "0.00", "0.50")),
        ((energy("0.01", "0"),), True, "500", ("0.01", "0.00", "0.01")),
        ((energy("0.01", "0"),), True, "499.999", ("0.00", "0.00", "0.00")),
        ((energy("0.01", "0"),), True, "2500", ("0.03", "0.00", "0.03")),
        ((energy("0.335"), fee("0.335")), True, "1000", ("0.56", "0.11", "0.67")),
    ],
)
def test_a_single_rate_is_priced_as_on_paper(
    components: tuple[object, ...],
    tax_included: bool,
    energy_wh: str,
    net_vat_gross: tuple[str, str, str],
) -> None:
    under = tariff(*components, tax_included=tax_included)  # type: ignore[arg-type]
    (line,) = rate(under, Decimal(energy_wh)).vat_lines
    assert amounts(line.net, line.vat, line.gross) == net_vat_gross


def test_each_rate_is_rounded_on_its_own() -> None:
    price = rate(tariff(energy("0.333", "19"), fee("0.005", "7")), Decimal(1500))
    assert [amounts(line.gross) for line in price.vat_lines] == [("0.01",), ("0.50",)]
    assert amounts(price.total) == ("0.51",)


def test_a_rate_written_as_19_or_as_19_0_is_one_rate() -> None:
    price = rate(tariff(energy("0.5", "19"), fee("1", "19.0")), Decimal(1000))
    assert len(price.vat_lines) == 1


def test_energy_that_flowed_back_can_not_be_sold() -> None:
    with pytest.raises(AssertionError):
        rate(tariff(energy("0.5")), Decimal("-0.001"))
