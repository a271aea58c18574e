"""Prices as stations are told them: 2.1 tariffs by their schema, and one line for drivers."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from sitecontroller.domain.costs import price_text
from sitecontroller.domain.station import OcppVersion
from sitecontroller.domain.tariff import (
    PriceComponent,
    Restriction,
    Tariff,
    TariffDimension,
    TariffElement,
)
from sitecontroller.ocpp.frames import check_call
from sitecontroller.ocpp.v2x.tariffs import tariff_body

PRICES = {"ENERGY": "0.49", "FLAT": "1.00", "TIME": "1.20", "PARKING_TIME": "6.00"}


def tariff(vat: str | None = "20", *, tax_included: bool = False) -> Tariff:
    vat_percent = None if vat is None else Decimal(vat)
    parts = tuple(
        PriceComponent(TariffDimension(name), Decimal(price), vat_percent)
        for name, price in PRICES.items()
    )
    since = datetime(2026, 1, 1, tzinfo=UTC)
    return Tariff("standard", 1, "Standard", "EUR", parts, since, tax_included)


def test_a_2_1_station_is_told_times_by_the_minute_and_all_prices_without_tax() -> None:
    body = tariff_body(tariff(tax_included=True))
    check_call(OcppVersion.V21, "SetDefaultTariff", {"evseId": 0, "tariff": body})
    assert body["chargingTime"]["prices"] == [{"priceMinute": 0.016666666666666666}]
    assert body["idleTime"]["prices"] == [{"priceMinute": 0.08333333333333333}]
    assert body["idleTime"]["taxRates"] == [{"type": "vat", "tax": 20.0}]


def test_where_no_vat_is_named_a_station_is_told_none() -> None:
    body = tariff_body(tariff(None))
    check_call(OcppVersion.V21, "SetDefaultTariff", {"evseId": 0, "tariff": body})
    assert body["energy"] == {"prices": [{"priceKwh": 0.49}]}


def test_a_driver_reads_that_prices_change() -> None:
    night = TariffElement(tariff().components[:1], Restriction(start_time="22:00"))
    assert price_text(replace(tariff(), elements=(night,))).endswith(", at times other prices")


def test_a_driver_reads_all_prices_in_one_line() -> None:
    assert price_text(tariff()) == (
        "0.49 EUR/kWh + 1.00 EUR per session + 1.20 EUR/h + 6.00 EUR/h after charging plus VAT"
    )
