"""`sitecontroller price`: two files in, a cost as JSON out, or what is wrong with which field."""

import json
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.cli.main import main

TARIFF = {
    "currency": "EUR",
    "elements": [{"price_components": [{"type": "ENERGY", "price": 0.25, "vat": 10,
                                        "step_size": 1}]}],
}  # fmt: skip
PERIOD = {
    "start": "2024-01-15T12:00:00Z",
    "end": "2024-01-15T13:00:00Z",
    "state": "CHARGING",
    "energy_kwh": "20",
}
SESSION = {"time_zone": "Europe/Berlin", "periods": [PERIOD]}


@pytest.fixture
def price(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """`price(tariff, session, *options)` → exit status, stdout, stderr; contents or texts."""

    def run(tariff: Any = TARIFF, session: Any = SESSION, *options: str) -> tuple[int, str, str]:
        for name, content in (("t.json", tariff), ("s.json", session)):
            text = content if isinstance(content, str) else json.dumps(content)
            (tmp_path / name).write_text(text, encoding="utf-8")
        status = main(["price", str(tmp_path / "t.json"), str(tmp_path / "s.json"), *options])
        out, err = capsys.readouterr()
        return status, out, err

    return run


def with_price(**fields: Any) -> dict[str, Any]:
    part = {**TARIFF["elements"][0]["price_components"][0], **fields}
    return {**TARIFF, "elements": [{"price_components": [part]}]}


def with_restriction(**fields: Any) -> dict[str, Any]:
    return {**TARIFF, "elements": [{**TARIFF["elements"][0], "restrictions": fields}]}


def with_period(**fields: Any) -> dict[str, Any]:
    return {**SESSION, "periods": [{**PERIOD, **fields}]}


def test_the_cost_is_printed_as_ocpi_has_it_with_its_lines(price: Any) -> None:
    status, out, err = price()
    assert (status, err) == (0, "")
    assert json.loads(out) == {
        "currency": "EUR",
        "total_cost": {"excl_vat": "5.00", "incl_vat": "5.50"},
        "exact": {"excl_vat": "5", "incl_vat": "5.5"},
        "taxes": [{"name": "VAT", "percentage": "10", "amount": "0.50"}],
        "lines": [
            {
                "dimension": "ENERGY",
                "element": 0,
                "reservation": False,
                "volume": "20",
                "step_surplus": "0",
                "unit_price": "0.25",
                "vat": "10",
                "amount": "5",
                "excl_vat": "5",
                "incl_vat": "5.5",
            }
        ],
        "notes": [],
    }


@pytest.mark.parametrize(
    ("tariff", "options", "incl_vat"),
    [
        ({**TARIFF, "tax_included": "YES"}, (), "5.00"),
        ({**TARIFF, "tax_included": "NO"}, ("--ocpi", "2.3.0"), "5.50"),
        (TARIFF, ("--ocpi", "2.2.1"), "5.50"),
        ({**TARIFF, "min_price": {"excl_vat": 9, "incl_vat": 10}}, (), "10.00"),
        ({**TARIFF, "tax_included": "YES", "max_price": {"after_taxes": 4}}, (), "4.00"),
    ],
)
def test_the_version_is_told_by_the_fields_or_by_the_option(
    price: Any, tariff: dict[str, Any], options: tuple[str, ...], incl_vat: str
) -> None:
    _, out, _ = price(tariff, SESSION, *options)
    assert json.loads(out)["total_cost"]["incl_vat"] == incl_vat


@pytest.mark.parametrize(
    ("tariff", "session", "said"),
    [
        ({"elements": TARIFF["elements"]}, SESSION, "currency is missing"),
        ({**TARIFF, "currency": "euro"}, SESSION, "currency must be like EUR"),
        ({**TARIFF, "elements": []}, SESSION, "elements is empty"),
        ({**TARIFF, "elements": {}}, SESSION, "elements must be a list"),
        ([], SESSION, "must be an object"),
        (with_price(type="POWER"), SESSION, "elements[0].price_components[0].type is 'POWER'"),
        (with_price(price=None), SESSION, "elements[0].price_components[0].price is missing"),
        (with_price(price="cheap"), SESSION, "price must be a number, not 'cheap'"),
        (with_price(price=True), SESSION, "price must be a number, not true"),
        (with_price(vat=-1), SESSION, "vat must not be less than 0, but is -1"),
        (with_price(step_size=1.5), SESSION, "step_size must be a whole number"),
        (with_price(per="day"), SESSION, "price_components[0].per isn't known here"),
        (with_restriction(start_time="24:00"), SESSION, "start_time must be like 13:30"),
        (with_restriction(end_date="2024-02-30"), SESSION, "end_date is no day of the calendar"),
        (with_restriction(day_of_week=["FUNDAY"]), SESSION, "day_of_week is 'FUNDAY'"),
        (with_restriction(reservation="YES"), SESSION, "reservation is 'YES'"),
        (with_restriction(max_kw=5), SESSION, "restrictions.max_kw isn't known here"),
        ({**TARIFF, "tax_included": "MAYBE"}, SESSION, "tax_included is 'MAYBE'"),
        (
            {**TARIFF, "min_price": {"before_taxes": 5}},
            SESSION,
            "tax_included is missing",
        ),
        ({**TARIFF, "max_price": {}}, SESSION, "max_price.excl_vat is missing"),
        (
            {**TARIFF, "min_price": {"excl_vat": 5}, "max_price": {"excl_vat": 4}},
            SESSION,
            "min_price is above max_price",
        ),
        (TARIFF, with_period(start="2024-01-15T12:00:00"), "start names no time zone"),
        (TARIFF, with_period(start="noon"), "start must be like"),
        (TARIFF, with_period(end="2024-01-15T11:00:00Z"), "periods[0].end lies before its start"),
        (TARIFF, with_period(state="DRIVING"), "periods[0].state is 'DRIVING'"),
        (TARIFF, with_period(energy_kwh="-1"), "periods[0].energy_kwh must not be less than 0"),
        (TARIFF, with_period(energy_kwh="1e99"), "energy_kwh must have at most"),
        (TARIFF, with_period(energy_kWh="1"), "periods[0].energy_kWh isn't known here"),
        (TARIFF, {**SESSION, "periods": [PERIOD, PERIOD]}, "periods[1].start lies within"),
        (TARIFF, {**SESSION, "periods": []}, "periods is empty"),
        (TARIFF, {**SESSION, "time_zone": "Europe/Bern"}, "time_zone 'Europe/Bern' isn't known"),
        (TARIFF, {**SESSION, "time_zone": "../etc"}, "time_zone '../etc' isn't known"),
        (TARIFF, {**SESSION, "reservation_expired": "no"}, "reservation_expired must be true or"),
        ("{", SESSION, "t.json: the file is not JSON"),
        ('{"currency": NaN}', SESSION, "NaN is no number"),
        ('{"currency": "EUR", "currency": "CHF"}', SESSION, "'currency' is there twice"),
        (TARIFF, "[" * 100_000, "s.json: the file is not JSON"),
    ],
)
def test_a_file_that_can_not_be_used_is_told_with_its_field(
    price: Any, tariff: Any, session: Any, said: str
) -> None:
    status, out, err = price(tariff, session)
    assert (status, out) == (2, "")
    assert said in err
    assert "What to do: " in err


def test_a_tariff_of_2_2_1_can_not_have_prices_with_tax(price: Any) -> None:
    status, _, err = price({**TARIFF, "tax_included": "YES"}, SESSION, "--ocpi", "2.2.1")
    assert status == 2
    assert "tax_included is of OCPI 2.3.0" in err


def test_a_file_that_is_not_there_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    missing = str(tmp_path / "none.json")
    assert main(["price", missing, missing]) == 2
    assert "none.json: the file can't be read" in capsys.readouterr().err


def test_all_that_is_wrong_is_told_at_once(price: Any) -> None:
    _, _, err = price(with_price(type="POWER", price="cheap", vat="much"))
    assert all(name in err for name in ("type", "price must be", "vat must be"))
