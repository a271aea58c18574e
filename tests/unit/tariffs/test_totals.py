"""Totals: least and highest price, VAT by rate, one rounding at the end, and lines that add up."""

from decimal import Decimal

import pytest

from sitecontroller.domain.ocpi.reader import tariff_from_ocpi
from sitecontroller.domain.ocpi.session import usage_from_json
from sitecontroller.domain.rating import Price, rate
from tests.unit.tariffs.cases import Json, at, cost, element, exact, paid, part, session, tariff

NOON = "2024-01-15T12:00:00"


def kwh(energy: str) -> Json:
    return at(NOON, 60, energy_kwh=energy)


def per_kwh(price: str, vat: str | None = None, **fields: object) -> Json:
    return tariff(element(part("ENERGY", price, vat, 0)), **fields)


def price(of: Json, *periods: Json, ended: bool = True) -> Price:
    return rate(tariff_from_ocpi(of), usage_from_json(session(*periods)), ended=ended)


# rounding


@pytest.mark.parametrize(
    ("currency", "unit_price", "total"),
    [
        ("EUR", "0.005", "0.01"),
        ("EUR", "0.015", "0.02"),
        ("EUR", "0.0149999", "0.01"),
        ("EUR", "-0.005", "-0.01"),
        ("EUR", "-0.0049", "0.00"),
        ("JPY", "49.5", "50"),
        ("JPY", "48.5", "49"),
        ("JPY", "-0.5", "-1"),
        ("BHD", "0.0005", "0.001"),
        ("BHD", "0.25", "0.250"),
        ("KRW", "0.4", "0"),
    ],
)
def test_a_total_is_rounded_half_up_to_the_smallest_coin(
    currency: str, unit_price: str, total: str
) -> None:
    assert paid(per_kwh(unit_price, currency=currency), kwh("1")) == (total, None)


def test_periods_are_not_rounded_one_by_one() -> None:
    periods = [at(f"2024-01-15T12:0{n}:00", 1, energy_kwh="0.1") for n in range(10)]
    assert paid(per_kwh("0.045"), *periods) == ("0.05", None)


@pytest.mark.parametrize(
    ("elements", "tax_included", "total", "taxes"),
    [
        (["0.335 19", "0.335 7"], "NO", ("0.68", "0.76"), ["0.02", "0.06"]),
        (["0.335 19", "0.335 19"], "NO", ("0.67", "0.80"), ["0.13"]),
        (["1 19", "1 0"], "NO", ("2.00", "2.19"), ["0.00", "0.19"]),
        (["1 19", "1 -"], "NO", ("2.00", "2.19"), ["0.19"]),
        (["1.19 19", "1 -"], "YES", ("2.00", "2.19"), ["0.19"]),
        (["1 19"], "N/A", ("1.00", "1.00"), []),
        (["1 0"], "NO", ("1.00", "1.00"), ["0.00"]),
    ],
)
def test_vat_is_rounded_once_for_each_rate(
    elements: list[str], tax_included: str, total: tuple[str, str], taxes: list[str]
) -> None:
    """Each price and rate: one of energy, one a fee; "-" names no VAT, which isn't 0 %."""
    parts = [
        part(type_, each.split()[0], None if each.endswith("-") else each.split()[1], 0)
        for type_, each in zip(("ENERGY", "FLAT"), elements, strict=False)
    ]
    found = cost(tariff(element(*parts), tax_included=tax_included), kwh("1"))
    assert tuple(found["total_cost"].values()) == total
    assert [tax["amount"] for tax in found["taxes"]] == taxes


def test_an_exact_total_is_written_without_exponent_and_to_its_last_digit() -> None:
    assert exact(per_kwh("0.000001"), kwh("0.000001")) == ("0.000000000001", None)
    assert exact(per_kwh("1000000"), kwh("1000000")) == ("1000000000000", None)


def test_a_tariff_for_which_no_taxes_apply_says_that_the_vat_of_its_prices_is_left_out() -> None:
    found = cost(per_kwh("1", "19", tax_included="N/A"), kwh("1"))
    assert any("no taxes apply" in note for note in found["notes"])


# least and highest price


LIMITED = tariff(
    element(part("FLAT", "0.50", "20"), part("ENERGY", "0.25", "10", 0)),
    min_price={"excl_vat": 2, "incl_vat": "2.5"},
    max_price={"excl_vat": 10, "incl_vat": "10.5"},
)


@pytest.mark.parametrize(
    ("energy", "total"),
    [
        ("0", ("2.00", "2.50")),
        ("6", ("2.00", "2.50")),  # 2.00 and 2.25
        ("7", ("2.25", "2.53")),
        ("36", ("9.50", "10.50")),
        ("38", ("10.00", "10.50")),  # 10.00 and 11.05
        ("50", ("10.00", "10.50")),
    ],
)
def test_limits_without_and_with_vat_hold_each_by_itself(
    energy: str, total: tuple[str, str]
) -> None:
    assert paid(LIMITED, kwh(energy)) == total


def test_a_limit_that_is_only_named_without_vat_leaves_the_total_with_it() -> None:
    under = per_kwh("1", "10", max_price={"excl_vat": 5})
    assert paid(under, kwh("10")) == ("5.00", "11.00")


def test_where_no_vat_is_named_the_limit_without_it_holds_alone() -> None:
    under = per_kwh("1", None, max_price={"excl_vat": 5, "incl_vat": 3})
    assert paid(under, kwh("10")) == ("5.00", None)


def test_where_no_taxes_apply_both_limits_hold_the_one_total() -> None:
    under = per_kwh("1", None, tax_included="N/A", max_price={"before_taxes": 5, "after_taxes": 3})
    assert paid(under, kwh("10")) == ("3.00", "3.00")


def test_a_session_without_any_price_still_costs_the_least_price() -> None:
    under = tariff(
        element(part("ENERGY", "1", "10"), start_time="20:00"),
        min_price={"excl_vat": 1, "incl_vat": "1.1"},
    )
    found = cost(under, kwh("10"))
    assert found["total_cost"] == {"excl_vat": "1.00", "incl_vat": "1.10"}
    assert [(line["dimension"], line["vat"]) for line in found["lines"]] == [("MIN_PRICE", "10")]


def test_a_reservation_that_became_no_session_costs_no_least_price() -> None:
    reservation = at(NOON, 60, "RESERVATION")
    assert paid(LIMITED, reservation) == ("0.00", "0.00")


def test_what_a_limit_takes_off_is_a_line_for_each_vat_rate() -> None:
    lines = cost(LIMITED, kwh("50"))["lines"]
    taken = [line for line in lines if line["dimension"] == "MAX_PRICE"]
    assert [line["vat"] for line in taken] == ["10", "20"]
    assert sum(Decimal(line["excl_vat"]) for line in taken) == Decimal(-3)


def test_rates_share_a_limit_to_the_cent() -> None:
    found = cost(LIMITED, kwh("50"))
    of_rates = sum(Decimal(tax["amount"]) for tax in found["taxes"])
    assert of_rates == Decimal("0.50")


def test_a_limited_total_is_the_limit_even_where_its_rates_round_to_less() -> None:
    """Three rates of 3.334 each: 3.33 each alone, but 10.002 together."""
    under = tariff(
        element(
            part("FLAT", "3.334", "0"),
            part("ENERGY", "3.334", "7", 0),
            part("TIME", "3.334", "19", 0),
        ),
        max_price={"excl_vat": 10},
    )
    assert paid(under, kwh("1"))[0] == "10.00"


# the running price


def test_a_running_price_never_exceeds_the_highest_and_the_least_comes_at_the_end() -> None:
    assert str(price(LIMITED, kwh("50"), ended=False).total.amount) == "10.50"
    assert str(price(LIMITED, kwh("0"), ended=False).total.amount) == "0.60"
    assert str(price(LIMITED, kwh("0")).total.amount) == "2.50"


# lines


def test_lines_whose_decimals_never_end_still_add_up_to_the_exact_total() -> None:
    thirds = [
        element(part("TIME", "1", "7", 0), max_duration=600),
        element(part("TIME", "2", "7", 0), max_duration=1200),
        element(part("TIME", "4", "7", 0)),
    ]
    found = cost(tariff(*thirds, tax_included="YES"), at(NOON, 50))
    for kind in ("excl_vat", "incl_vat"):
        lines = [Decimal(line[kind]) for line in found["lines"]]
        assert sum(lines) == Decimal(found["exact"][kind])
