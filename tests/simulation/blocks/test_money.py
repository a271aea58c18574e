"""Prices, tariffs and payments at simulated stations."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from sitecontroller.domain.station import OcppVersion
from sitecontroller.simulation.blocks import payments
from sitecontroller.simulation.blocks.display import Screen
from sitecontroller.simulation.costs import Bill, why_refused
from tests.simulation.blocks.requests import TARIFF
from tests.simulation.csms import CARD, Bench, bench
from tests.support import eventually

V16, V201, V21 = OcppVersion
NOON = datetime(2025, 3, 3, 12, 0, tzinfo=UTC)


def bill(tariff: dict[str, Any]) -> Bill:
    return Bill({"tariffId": "t", "currency": "EUR", **tariff}, False, NOON)


def test_energy_time_and_fee_are_added_and_taxed() -> None:
    vat = [{"type": "VAT", "tax": 20}]
    cost = bill(
        {
            "energy": {"prices": [{"priceKwh": 0.5}], "taxRates": vat},
            "chargingTime": {"prices": [{"priceMinute": 0.1}]},
            "idleTime": {"prices": [{"priceMinute": 0.2}]},
            "fixedFee": {"prices": [{"priceFixed": 1.0}], "taxRates": vat},
        }
    )
    cost.add(NOON, 10_000, 600, charging=True)
    cost.add(NOON, 0, 300, charging=False)
    total = cost.details()["totalCost"]
    assert total["total"] == {"exclTax": 8.0, "inclTax": 9.2}
    assert (total["energy"]["exclTax"], total["chargingTime"]["exclTax"]) == (5.0, 1.0)
    assert (total["idleTime"]["exclTax"], total["fixed"]["inclTax"]) == (1.0, 1.2)
    assert total["typeOfCost"] == "NormalCost"
    usage = cost.details()["totalUsage"]
    assert usage == {"energy": 10.0, "chargingTime": 600, "idleTime": 300}


def test_a_tax_on_a_tax_is_taken_on_its_result() -> None:
    rates = [{"type": "grid", "tax": 10, "stack": 0}, {"type": "VAT", "tax": 20, "stack": 1}]
    cost = bill({"energy": {"prices": [{"priceKwh": 1.0}], "taxRates": rates}})
    cost.add(NOON, 1000, 60, charging=True)
    assert cost.details()["totalCost"]["total"] == {"exclTax": 1.0, "inclTax": 1.32}


def test_the_least_and_the_most_are_kept() -> None:
    energy = {"prices": [{"priceKwh": 1.0}]}
    least = bill({"energy": energy, "minCost": {"exclTax": 3.0}})
    least.add(NOON, 1000, 60, charging=True)
    assert least.details()["totalCost"]["typeOfCost"] == "MinCost"
    assert least.details()["totalCost"]["total"] == {"exclTax": 3.0}
    most = bill({"energy": energy, "maxCost": {"exclTax": 2.0}})
    for _ in range(5):
        most.add(NOON, 1000, 60, charging=True)
    assert most.details()["totalCost"]["typeOfCost"] == "MaxCost"
    assert most.details()["totalCost"]["total"]["exclTax"] == 2.0
    assert most.details()["totalUsage"]["energy"] == 5.0


@pytest.mark.parametrize(
    ("conditions", "price"),
    [
        ({"startTimeOfDay": "11:00", "endTimeOfDay": "13:00"}, 9.0),
        ({"startTimeOfDay": "13:00", "endTimeOfDay": "14:00"}, 1.0),
        ({"startTimeOfDay": "22:00", "endTimeOfDay": "12:30"}, 9.0),
        ({"dayOfWeek": ["Monday"]}, 9.0),
        ({"dayOfWeek": ["Sunday"]}, 1.0),
        ({"evseKind": "DC"}, 1.0),
    ],
)
def test_the_first_price_whose_conditions_hold_counts(conditions: Any, price: float) -> None:
    prices = [{"priceKwh": 9.0, "conditions": conditions}, {"priceKwh": 1.0}]
    cost = bill({"energy": {"prices": prices}})
    cost.add(NOON, 1000, 60, charging=True)
    assert cost.details()["totalCost"]["total"]["exclTax"] == price


def test_a_tariff_beyond_its_means_is_refused() -> None:
    many = {"energy": {"prices": [{"priceKwh": 1.0}] * 11}}
    strange = {"energy": {"prices": [{"priceKwh": 1.0, "conditions": {"minPower": 3}}]}}
    assert why_refused(many) == "TooManyElements"
    assert why_refused(strange) == "ConditionNotSupported"
    assert why_refused(TARIFF) is None


async def set_tariff(it: Bench, tariff: dict[str, Any], evse_id: int = 0) -> str:
    request = {"evseId": evse_id, "tariff": tariff}
    return str((await it.csms.call("SetDefaultTariff", request))["status"])


def test_a_session_ends_with_its_bill(run_fast: Any) -> None:
    async def story() -> Any:
        async with bench(V21) as it:
            await set_tariff(it, TARIFF)
            register_wh = it.outlet.energy_wh
            await it.charge()
            await asyncio.sleep(600)
            await it.station.tap(1, CARD)
            ended = await it.csms.hears("TransactionEvent", lambda p: p["eventType"] == "Ended")
            return ended, it.outlet.energy_wh - register_wh

    ended, energy_wh = run_fast(story())
    details = ended["costDetails"]
    assert ended["transactionInfo"]["tariffId"] == "day"
    assert details["totalUsage"]["energy"] == pytest.approx(energy_wh / 1000, abs=0.01)
    excl = details["totalCost"]["total"]["exclTax"]
    assert excl == pytest.approx(energy_wh / 1000 * 0.5, abs=0.01)
    assert details["totalCost"]["total"]["inclTax"] == pytest.approx(excl * 1.19, abs=0.01)


def test_tariffs_are_listed_changed_and_cleared(run_fast: Any) -> None:
    other = {**TARIFF, "tariffId": "night"}

    async def story() -> Any:
        async with bench(V21, evses=2) as it:
            said = [await set_tariff(it, TARIFF), await set_tariff(it, other, 2)]
            dearer = {"prices": [{"priceKwh": 9.0}]}
            said.append(await set_tariff(it, {**TARIFF, "energy": dearer}, 1))
            listed = (await it.csms.call("GetTariffs", {"evseId": 0}))["tariffAssignments"]
            started = await it.charge()
            identity = started["transactionInfo"]["transactionId"]
            change = {"transactionId": identity, "tariff": {**other, "currency": "CHF"}}
            said.append((await it.csms.call("ChangeTransactionTariff", change))["status"])
            change["tariff"] = other
            said.append((await it.csms.call("ChangeTransactionTariff", change))["status"])
            changed = await it.csms.hears(
                "TransactionEvent", lambda p: p["triggerReason"] == "TariffChanged"
            )
            cleared = await it.csms.call("ClearTariffs", {"tariffIds": ["day", "none"]})
            rest = (await it.csms.call("GetTariffs", {"evseId": 0}))["tariffAssignments"]
            return said, listed, changed, cleared["clearTariffsResult"], rest

    said, listed, changed, cleared, rest = run_fast(story())
    assert said == ["Accepted", "Accepted", "DuplicateTariffId", "NoCurrencyChange", "Accepted"]
    assert {row["tariffId"]: row["evseIds"] for row in listed} == {"day": [1], "night": [2]}
    assert changed["transactionInfo"]["tariffId"] == "night"
    assert [row["status"] for row in cleared] == ["Accepted", "NoTariff"]
    assert [row["tariffId"] for row in rest] == ["night"]


def test_a_limit_of_the_csms_is_confirmed_and_kept(run_fast: Any) -> None:
    async def story() -> Any:
        async with bench(V21) as it:
            accepted = {"idTokenInfo": {"status": "Accepted"}}
            it.csms.answers["TransactionEvent"] = lambda p: (
                {**accepted, "transactionLimit": {"maxEnergy": 1000}}
                if p["eventType"] == "Started"
                else {}
            )
            register_wh = it.outlet.energy_wh
            await it.charge()
            reached = await it.csms.hears(
                "TransactionEvent", lambda p: p["triggerReason"] == "EnergyLimitReached", 900
            )
            await asyncio.sleep(60)
            told = await it.csms.hears(
                "TransactionEvent", lambda p: p["triggerReason"] == "LimitSet"
            )
            return reached, told, it.outlet.energy_wh - register_wh, it.outlet.current_a

    reached, told, energy_wh, current_a = run_fast(story())
    assert told["transactionInfo"]["transactionLimit"] == {"maxEnergy": 1000}
    assert "transactionLimit" not in reached["transactionInfo"]
    assert energy_wh == pytest.approx(1000, abs=20)
    assert current_a == 0


def test_a_bank_card_is_charged_and_settled(run_fast: Any) -> None:
    async def story() -> Any:
        async with bench(V21) as it:
            await set_tariff(it, TARIFF)
            it.csms.answers["NotifySettlement"] = lambda _: {"receiptId": "R-1"}
            it.plug()
            assert await payments.pay_at_terminal(it.station, 1, "PSP-77", 2.0)
            started = await it.csms.hears("TransactionEvent")
            reached = await it.csms.hears(
                "TransactionEvent", lambda p: p["triggerReason"] == "CostLimitReached", 3600
            )
            it.station.unplug(1)
            settled = await it.csms.hears("NotifySettlement")
            await asyncio.sleep(1)
            receipts = it.station.part(payments.Counter).receipts
            return started["idToken"], reached is not None, settled, receipts

    token, _, settled, receipts = run_fast(story())
    assert token == {"idToken": "PSP-77", "type": "DirectPayment"}
    assert (settled["pspRef"], settled["status"]) == ("PSP-77", "Settled")
    assert settled["settlementAmount"] == pytest.approx(2.0, abs=0.02)
    assert receipts == {"PSP-77": {"receiptId": "R-1"}}


def test_a_qr_code_has_a_password_of_its_time() -> None:
    at = (payments.one_time_password("secret", 8, 60, second) for second in (0, 59, 60))
    first, same, other = at
    assert first == same != other
    assert len(first) == 8


def test_who_pays_on_the_web_has_the_evse_kept(run_fast: Any) -> None:
    async def story() -> Any:
        async with bench(V21) as it:
            await it.csms.call("NotifyWebPaymentStarted", {"evseId": 1, "timeout": 60})
            it.plug()
            first = await it.station.tap(1, CARD)
            await asyncio.sleep(61)
            url = payments.qr_url(it.station, 1)
            return first, await it.station.tap(1, CARD), url

    first, later, url = run_fast(story())
    assert (first, later) == (False, True)
    assert url.startswith("https://pay.invalid/CP-1/1?totp=")


@pytest.mark.parametrize("version", [V16, V201])
def test_running_costs_are_shown(run_fast: Any, version: OcppVersion) -> None:
    async def story() -> str:
        async with bench(version) as it:
            started = await it.charge()
            if version is V16:
                await eventually(lambda: it.station.controls[1].transaction.transaction_id, 10)
                data = json.dumps({"transactionId": 701, "cost": 3.5})
                vendor = "org.openchargealliance.costmsg"
                transfer = {"vendorId": vendor, "messageId": "RunningCost", "data": data}
                answer = await it.csms.call("DataTransfer", transfer)
                assert answer["status"] == "Accepted"
            else:
                identity = started["transactionInfo"]["transactionId"]
                await it.csms.call("CostUpdated", {"transactionId": identity, "totalCost": 3.5})
            return it.station.part(Screen).texts[1]

    assert "3.5" in run_fast(story())
