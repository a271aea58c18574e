"""A tariff of ours as OCPI's: the same prices, and what it can't say in plain words."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given

from sitecontroller.domain.ocpi.reader import OcpiVersion, tariff_from_ocpi
from sitecontroller.domain.ocpi.writer import TEXT_CHARACTERS_MAX, Export, tariff_to_ocpi
from sitecontroller.domain.rating import rate
from sitecontroller.domain.tariff import (
    PausedTime,
    PriceComponent,
    PriceLimit,
    Tariff,
    TariffDimension,
    TariffElement,
    TariffText,
)
from sitecontroller.domain.usage import Usage
from tests.unit.tariffs.cases import element, part, tariff
from tests.unit.tariffs.strategies import BEGIN_AT, tariffs, usages

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
V221, V230 = OcpiVersion.V221, OcpiVersion.V230


def written(of: Tariff, version: OcpiVersion = V230) -> Export:
    return tariff_to_ocpi(of, version, country_code="DE", party_id="ABC", last_updated=AT)


def ours(price: str = "0.49", vat: str | None = "19", **fields: object) -> Tariff:
    vat_percent = None if vat is None else Decimal(vat)
    parts = (
        PriceComponent(TariffDimension.ENERGY, Decimal(price), vat_percent, 1),
        PriceComponent(TariffDimension.PARKING_TIME, Decimal(6), vat_percent, 1),
    )
    base = Tariff("day", 3, "Day", "EUR", parts, BEGIN_AT)
    return replace(base, **fields)  # type: ignore[arg-type]


def sayable(under: Tariff) -> Tariff:
    """Without what OCPI 2.3.0 has no word for, and with prices that a JSON number keeps."""

    def stepped(parts: tuple[PriceComponent, ...]) -> tuple[PriceComponent, ...]:
        return tuple(replace(each, step_size=each.step_size or 1) for each in parts)

    def limit(of: PriceLimit | None) -> PriceLimit | None:
        return None if of is None or of.net is None else of

    return replace(
        under,
        components=stepped(under.components),
        elements=tuple(TariffElement(stepped(e.components), e.restriction) for e in under.elements),
        min_price=limit(under.min_price),
        max_price=None,
        idle_grace_s=0,
        paused=PausedTime.FREE,
    )


@given(tariffs, usages())
def test_a_tariff_that_2_3_0_can_say_comes_back_with_the_same_prices(
    under: Tariff, usage: Usage
) -> None:
    under = sayable(under)
    if not under.all_elements:
        return
    export = written(under)
    again = tariff_from_ocpi(json.loads(json.dumps(export.tariff), parse_float=Decimal))
    assert replace(rate(again, usage), notes=()) == replace(rate(under, usage), notes=())
    assert export.lost == ()


def test_a_tariff_of_2_2_1_is_read_and_written_as_it_was() -> None:
    data = tariff(
        element(part("ENERGY", "0.25", "10"), max_kwh=20, day_of_week=["FRIDAY", "MONDAY"]),
        element(part("ENERGY", "0.5", None), part("FLAT", "1", "20")),
        max_price={"excl_vat": 10.0, "incl_vat": 11.0},
        start_date_time="2024-01-01T00:00:00Z",
        type="AD_HOC_PAYMENT",
        tariff_alt_text=[{"language": "nl", "text": "Goedkoop tot 20 kWh."}],
        tariff_alt_url="https://example.com/tariff",
    )
    again = json.loads(json.dumps(written(tariff_from_ocpi(data), V221).tariff))
    kept = set(data) - {"id"}
    assert {name: again[name] for name in kept} == {name: data[name] for name in kept}


def test_2_2_1_gets_prices_without_vat() -> None:
    export = written(ours("1.19"), V221)
    energy, _ = export.tariff["elements"][0]["price_components"]
    assert (energy["price"], energy["vat"]) == (1.0, 19.0)
    assert "tax_included" not in export.tariff


@pytest.mark.parametrize(
    ("under", "version", "said"),
    [
        (ours(idle_grace_s=900), V230, "Parking is free for the first 15 minutes"),
        (ours(paused=PausedTime.PARKING_TIME), V230, "is priced as parking time"),
        (
            ours(components=(PriceComponent(TariffDimension.ENERGY, Decimal(1), None),)),
            V230,
            "billed to their last digit",
        ),
        (ours("0.49"), V221, "those without are rounded"),
        (ours("0.49", None), V221, "contain all taxes"),
        (ours("1.19", preauthorize_amount=Decimal(50)), V221, "50 EUR are reserved on a card"),
        (
            ours("1", None, max_price=PriceLimit(None, Decimal(30))),
            V230,
            "A session costs at most 30 EUR with VAT",
        ),
    ],
)
def test_what_an_export_loses_stands_in_its_text(
    under: Tariff, version: OcpiVersion, said: str
) -> None:
    export = written(under, version)
    assert any(said in sentence for sentence in export.lost)
    assert said in export.tariff["tariff_alt_text"][0]["text"]


def test_what_is_lost_stands_behind_the_tariffs_own_text() -> None:
    export = written(ours(idle_grace_s=900, texts=(TariffText("en", "By day."),)))
    assert export.tariff["tariff_alt_text"] == [
        {"language": "en", "text": "By day. Parking is free for the first 15 minutes after "
                                   "charging ended."},
    ]  # fmt: skip


def test_a_text_is_as_short_as_ocpi_wants_it() -> None:
    under = ours("0.49", None, idle_grace_s=900, paused=PausedTime.TIME)
    loud = replace(
        under,
        components=(*under.components, PriceComponent(TariffDimension.TIME, Decimal("0.1"), None)),
        preauthorize_amount=Decimal(50),
        min_price=PriceLimit(None, Decimal(1)),
        max_price=PriceLimit(None, Decimal("1" * 300)),
    )
    assert len(written(loud, V221).tariff["tariff_alt_text"][0]["text"]) == TEXT_CHARACTERS_MAX


def test_a_limit_with_vat_is_also_written_without_where_there_is_one_rate() -> None:
    export = written(ours(max_price=PriceLimit(None, Decimal("11.90"))))
    assert export.tariff["max_price"] == {"before_taxes": 10.0, "after_taxes": 11.9}
