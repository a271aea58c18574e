"""Full tariffs over the API of a real site: versions, warnings, choice, export and trying."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from sitecontroller.api.app import build_api
from sitecontroller.clock import SystemClock
from sitecontroller.domain.authorization import IdTokenType, TokenRecord
from sitecontroller.domain.commands import StartTransaction
from sitecontroller.domain.errors import NoTariff
from tests.wire.api.site import TOKEN, URL, assert_problem
from tests.wire.site import TestSite, boot16, instant, running_site

Play = Callable[[TestSite, httpx.AsyncClient], Awaitable[None]]


@pytest.fixture
def scene(run: Any, tmp_path: Path) -> Callable[[Play], None]:
    """`scene(play)` with a real site and its API; its simple price is 0.50 EUR/kWh + 1.00 EUR."""

    async def played(play: Play) -> None:
        async with running_site(tmp_path) as site:
            headers = {"Authorization": f"Bearer {TOKEN}"}
            transport = httpx.ASGITransport(app=build_api(site.site.controller, TOKEN))
            async with httpx.AsyncClient(
                transport=transport, base_url=URL, headers=headers
            ) as client:
                await play(site, client)

    return lambda play: run(played(play))


def ocpi(price: float, **more: Any) -> dict[str, Any]:
    """A price per kWh as an OCPI 2.2.1 tariff."""
    part = {"type": "ENERGY", "price": price, "vat": 19, "step_size": 1}
    elements = [{"price_components": [part]}]
    return {"id": "X", "currency": "EUR", "elements": elements, **more}


async def put(client: httpx.AsyncClient, name: str, tariff: Any, **more: Any) -> httpx.Response:
    return await client.put(f"/v1/tariffs/{name}", json={"tariff": tariff, **more})


async def session(site: TestSite, station_id: str, card: str = "CARD0001") -> Any:
    """A session of 10 kWh; its row."""
    async with site.charger(station_id) as charger:
        await boot16(charger)
        start = {"connectorId": 1, "idTag": card, "meterStart": 0, "timestamp": instant()}
        number = (await charger.call("StartTransaction", start))["transactionId"]
        stop = {"transactionId": number, "meterStop": 100, "timestamp": instant()}
        await charger.call("StopTransaction", stop)
    return (await site.rows())[-1]


def test_an_ocpi_tariff_is_a_new_version_each_time_and_none_is_edited(scene: Any):
    async def play(site: TestSite, client: httpx.AsyncClient) -> None:
        first = (await put(client, "fleet", ocpi(0.3))).json()
        second = (await put(client, "fleet", ocpi(0.4))).json()
        assert (first["tariff"]["version"], second["tariff"]["version"]) == (1, 2)
        listed = (await client.get("/v1/tariffs/fleet")).json()["items"]
        assert sorted(each["version"] for each in listed) == [1, 2]
        names = {each["tariff_id"] for each in (await client.get("/v1/tariffs")).json()["items"]}
        assert names == {"fleet", "standard"}

    scene(play)


def test_who_sets_a_tariff_is_warned_of_what_drivers_would_not_accept(scene: Any):
    async def play(site: TestSite, client: httpx.AsyncClient) -> None:
        steps = ocpi(0.3)
        steps["elements"][0]["price_components"][0]["step_size"] = 1000
        answer = (await put(client, "fleet", steps)).json()
        assert any("steps of 1000 Wh" in warning for warning in answer["warnings"])

    scene(play)


@pytest.mark.parametrize(
    ("tariff", "field"),
    [
        (ocpi(0.3, currency="CHF"), "currency"),
        (ocpi(0.3, type="CHEAP"), "type"),
        ({"currency": "EUR"}, "elements"),
    ],
)
def test_a_tariff_that_cant_be_used_is_refused_by_field(scene: Any, tariff: Any, field: str):
    async def play(site: TestSite, client: httpx.AsyncClient) -> None:
        problem = assert_problem(await put(client, "fleet", tariff), 422, "invalid-input")
        assert field in {error["field"] for error in problem["errors"]}
        assert_problem(await client.get("/v1/tariffs/fleet"), 404, "not-found")

    scene(play)


def test_no_price_is_set_for_sessions_of_the_past(scene: Any):
    async def play(site: TestSite, client: httpx.AsyncClient) -> None:
        past = instant(SystemClock().now() - timedelta(hours=1))
        answer = await put(client, "fleet", ocpi(0.3), valid_from=past)
        assert_problem(answer, 422, "invalid-input")

    scene(play)


def test_sessions_are_under_the_tariff_of_their_station_group_and_time(scene: Any):
    async def play(site: TestSite, client: httpx.AsyncClient) -> None:
        await put(client, "fleet", ocpi(0.1))
        await put(client, "street", ocpi(0.2))
        tomorrow = instant(SystemClock().now() + timedelta(days=1))
        await put(client, "street", ocpi(0.9), valid_from=tomorrow)
        chosen = [
            {"tariff_id": "fleet", "token_group": "ACME"},
            {"tariff_id": "street", "station_id": "CP-02"},
        ]
        put_back = await client.put("/v1/tariff-choices", json={"choices": chosen})
        assert put_back.status_code == 200, put_back.text
        read = (await client.get("/v1/tariff-choices")).json()["choices"]
        assert [each["tariff_id"] for each in read] == ["fleet", "street"]
        of_acme = TokenRecord("CARD0009", IdTokenType.ISO14443, "A", parent_id_token="ACME")
        await site.site.controller.put_token(of_acme)
        rows = [
            await session(site, "CP-01"),
            await session(site, "CP-02"),
            await session(site, "CP-02", "CARD0009"),
        ]
        found = [(row.tariff.tariff_id, row.tariff.version) for row in rows]
        assert found == [("standard", 1), ("street", 1), ("fleet", 1)]

    scene(play)


def test_a_choice_of_what_isnt_there_is_refused(scene: Any):
    async def play(site: TestSite, client: httpx.AsyncClient) -> None:
        chosen = [{"tariff_id": "nothing", "station_id": "CP-99"}]
        answer = await client.put("/v1/tariff-choices", json={"choices": chosen})
        problem = assert_problem(answer, 422, "invalid-input")
        fields = {error["field"] for error in problem["errors"]}
        assert fields == {"choices[0].tariff_id", "choices[0].station_id"}

    scene(play)


def test_a_version_is_exported_and_tried(scene: Any):
    async def play(site: TestSite, client: httpx.AsyncClient) -> None:
        await put(client, "fleet", ocpi(0.3))
        await put(client, "fleet", ocpi(0.4))
        exported = (await client.get("/v1/tariffs/fleet/ocpi?version=1&ocpi=2.3.0")).json()
        assert exported["tariff"]["elements"][0]["price_components"][0]["price"] == 0.3
        assert exported["tariff"]["country_code"] == "DE"
        period = {
            "start": "2026-03-01T12:00:00Z", "end": "2026-03-01T13:00:00Z",
            "state": "CHARGING", "energy_kwh": "10",
        }  # fmt: skip
        asked = {"time_zone": "Europe/Berlin", "periods": [period]}
        for version, net in ((1, "3.00"), (2, "4.00")):
            cost = await client.post(f"/v1/tariffs/fleet/price?version={version}", json=asked)
            assert cost.json()["total_cost"]["excl_vat"] == net
        wrong = {**asked, "periods": [{**period, "state": "ASLEEP"}]}
        answer = await client.post("/v1/tariffs/fleet/price", json=wrong)
        assert_problem(answer, 422, "invalid-input")
        missing = await client.get("/v1/tariffs/fleet/ocpi?version=9")
        assert_problem(missing, 404, "not-found")

    scene(play)


def test_the_simple_price_stays_a_version_of_the_sites_own_tariff(scene: Any):
    async def play(site: TestSite, client: httpx.AsyncClient) -> None:
        await put(client, "fleet", ocpi(0.3))
        await asyncio.sleep(0.01)
        put_back = await client.put("/v1/tariff", json={"price_per_kwh": "0.6"})
        assert (put_back.json()["tariff_id"], put_back.json()["version"]) == ("standard", 2)
        assert (await client.get("/v1/tariff")).json()["version"] == 2

    scene(play)


def test_without_a_tariff_nothing_is_sold_from_afar_and_the_reason_is_said(
    run: Any, tmp_path: Path
):
    async def play() -> None:
        async with running_site(tmp_path, tariff=None) as site, site.charger("CP-01") as charger:
            await boot16(charger)
            with pytest.raises(NoTariff, match="No tariff is valid at CP-01"):
                await site.site.controller.execute(StartTransaction("CP-01", 1, "CARD0001"))
            assert charger.asked_for("RemoteStartTransaction") == []

    run(play())
