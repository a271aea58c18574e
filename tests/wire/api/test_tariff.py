"""The price of a kWh over the API: exact, bounded, and a new version each time."""

from decimal import Decimal

import httpx
import pytest

from sitecontroller.api.app import build_api
from sitecontroller.client import ControllerClient
from sitecontroller.domain.errors import InvalidInput, NotFound
from sitecontroller.domain.tariff import TariffDimension, TariffTerms
from tests.wire.api.site import TOKEN, URL, FakeSite, api, assert_problem


def put(run, site, body):
    async def request():
        async with api(site) as client:
            return await client.put("/v1/tariff", json=body)

    return run(request())


def test_while_no_price_is_set_there_is_no_tariff(run):
    async def request():
        async with api(FakeSite()) as client:
            return await client.get("/v1/tariff")

    assert_problem(run(request()), 404, "not-found")


@pytest.mark.parametrize("price", ["0.49", 0.49])
def test_a_price_is_what_was_written_as_text_or_as_number(run, price):
    site = FakeSite()
    answer = put(run, site, {"price_per_kwh": price, "vat_percent": 19, "session_fee": "1.50"})
    assert answer.status_code == 200, answer.text
    energy, flat = site.tariff.components
    assert (energy.dimension, energy.price) == (TariffDimension.ENERGY, Decimal("0.49"))
    assert (flat.dimension, flat.price) == (TariffDimension.FLAT, Decimal("1.50"))
    assert {energy.vat_percent, flat.vat_percent} == {Decimal(19)}
    assert answer.json()["components"][0]["price"] == "0.49"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("price_per_kwh", "-0.49"),
        ("price_per_kwh", "0,49"),
        ("price_per_kwh", "NaN"),
        ("price_per_kwh", "1000"),
        ("price_per_kwh", "0.1234567"),
        ("price_per_kwh", True),
        ("price_per_kwh", None),
        ("session_fee", "1e2"),
        ("vat_percent", 101),
        ("currency", "Euro"),
        ("name", ""),
        ("tax_included", "yes"),
        ("surcharge", 1),
    ],
)
def test_a_price_that_cant_be_meant_is_refused_by_field(run, field, value):
    site = FakeSite()
    answer = put(run, site, {"price_per_kwh": "0.49", field: value})
    problem = assert_problem(answer, 422, "invalid-input")
    assert field in problem["errors"][0]["field"]
    assert site.tariff is None


def asked(run, site, ask):
    async def request():
        transport = httpx.ASGITransport(app=build_api(site, TOKEN))
        client = ControllerClient(URL, TOKEN, transport=transport)
        try:
            return await ask(client)
        finally:
            await client.close()

    return run(request())


def test_the_client_sets_and_reads_a_price(run):
    site = FakeSite()
    terms = TariffTerms("Night", Decimal("0.39"), Decimal("0.5"), Decimal("19"), False)
    with pytest.raises(NotFound):
        asked(run, site, lambda client: client.tariff())
    tariff = asked(run, site, lambda client: client.set_tariff(terms))
    assert tariff == site.tariff
    assert (tariff.name, tariff.tax_included) == ("Night", False)
    assert asked(run, site, lambda client: client.tariff()) == tariff


def test_the_client_hears_why_a_price_is_refused(run):
    terms = TariffTerms("", Decimal("0.39"))
    with pytest.raises(InvalidInput):
        asked(run, FakeSite(), lambda client: client.set_tariff(terms))
