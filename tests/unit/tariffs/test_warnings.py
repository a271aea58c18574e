"""What an editor tells before drivers are charged by a tariff."""

from decimal import Decimal

import pytest

from sitecontroller.domain.ocpi.reader import tariff_from_ocpi
from sitecontroller.domain.tariff_warnings import warnings
from tests.unit.tariffs.cases import Json, element, part, tariff

ENERGY = part("ENERGY", "0.5", "19")
PLAIN = tariff(element(ENERGY))


def told(of: Json, **options: object) -> str:
    return "\n".join(warnings(tariff_from_ocpi(of), **options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options", [{"power_kw_max": Decimal(150)}, {"signed_readings_only": True}]
)
def test_a_price_per_kwh_alone_needs_no_warning(options: Json) -> None:
    assert told(PLAIN, **options) == ""


@pytest.mark.parametrize(
    ("under", "said"),
    [
        (tariff(element(part("TIME", "3", "19"))), "must be offered a price per kWh"),
        (tariff(element(ENERGY, part("TIME", "3", "19"))), "price for charging time isn't allowed"),
        (tariff(element(ENERGY, part("FLAT", "1", "19"))), "session fee isn't allowed"),
        ({**PLAIN, "min_price": {"excl_vat": 1}}, "least price isn't allowed"),
    ],
)
def test_from_50_kw_on_drivers_without_a_contract_pay_by_energy(under: Json, said: str) -> None:
    assert said in told(under, power_kw_max=Decimal(50))
    assert told(under, power_kw_max=Decimal("49.9")) == ""
    assert told(under, power_kw_max=Decimal(50), ad_hoc=False) == ""


def test_an_occupancy_fee_is_allowed() -> None:
    under = tariff(element(ENERGY, part("PARKING_TIME", "6", "19")))
    assert told(under, power_kw_max=Decimal(150)) == ""


@pytest.mark.parametrize(
    ("under", "said"),
    [
        (tariff(element(part("ENERGY", "1", "19", 100))), "steps of 100 Wh"),
        (tariff(element(part("TIME", "1", "19", 60))), "steps of 60 s"),
        (
            tariff(element(ENERGY, start_time="08:00", end_time="08:00")),
            "never holds: it ends at 08:00",
        ),
        (tariff(element(ENERGY, min_kwh=5, max_kwh=5)), "least energy is not below its most"),
        (tariff(element(ENERGY), element(ENERGY, max_kwh=5)), "elements[1]: ENERGY is never used"),
        (
            tariff(element(ENERGY, reservation="RESERVATION")),
            "a reservation has a fee and a price for time only",
        ),
        (tariff(element(ENERGY, part("FLAT", "1", None))), "Some prices name no VAT"),
    ],
)
def test_what_is_probably_not_meant_is_told(under: Json, said: str) -> None:
    assert said in told(under)


def test_a_price_that_changes_within_a_session_is_told_where_only_signed_readings_count() -> None:
    under = tariff(element(part("ENERGY", "0.4", "19"), start_time="22:00"), element(ENERGY))
    assert "elements[0]: its price per kWh begins or ends" in told(under, signed_readings_only=True)
    assert told(under) == ""
