"""What a session costs, shown at the station; tariffs in a 2.1 station; payments made at one."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.domain.commands import CommandState
from sitecontroller.domain.costs import (
    ClearTariffs,
    NotifyWebPaymentStarted,
    PushTariff,
    ReadTariffs,
    SettlementsQuery,
    ShowCost,
    UseCurrentTariff,
)
from sitecontroller.domain.errors import InvalidInput, Unsupported
from sitecontroller.domain.smart import UseDynamicLimits
from sitecontroller.ocpp.v16.costs import VENDOR
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from tests.support import eventually
from tests.wire.limits.box import Box, box_at, now
from tests.wire.site import CARDS, TestSite, boot16, boot201, running_site

Play = Callable[[TestSite], Awaitable[None]]
PRICE = {"priceKwh": round(0.50 / 1.19, 6)}


@pytest.fixture
def play(run: Any, tmp_path: Path) -> Callable[[Play], None]:
    """`play(story)` in virtual time; 0.50 EUR/kWh and 1.00 EUR a session, 19 % VAT included."""

    async def played(story: Play) -> None:
        async with running_site(tmp_path, clock=virtual_clock()) as site:
            await asyncio.sleep(320)
            await story(site)

    return lambda story: run(played(story), loop_factory=VirtualLoop)


def shows(_: Any) -> dict[str, Any]:
    """A 1.6 charger that says it shows prices."""
    setting = {"key": "CustomDisplayCostAndPrice", "readonly": False, "value": "true"}
    return {"configurationKey": [setting], "unknownKey": []}


def told(charger: Any, message: str) -> list[dict[str, Any]]:
    """What a 1.6 charger was told by one message of California pricing."""
    return [
        json.loads(payload["data"])
        for payload in charger.asked_for("DataTransfer")
        if payload["vendorId"] == VENDOR and payload["messageId"] == message
    ]


def enabled(payload: dict[str, Any]) -> dict[str, Any]:
    """A 2.x station in which everything asked for is on."""
    return {
        "getVariableResult": [
            {**wanted, "attributeStatus": "Accepted", "attributeValue": "true"}
            for wanted in payload["getVariableData"]
        ]
    }


def test_a_1_6_charger_that_shows_prices_is_told_price_running_cost_and_final_cost(play: Any):
    async def story(site: TestSite) -> None:
        async with site.charger() as charger:
            charger.answers["GetConfiguration"] = shows
            box = Box(charger, car_a=16)
            await boot16(charger)
            await asyncio.sleep(10)
            await box.begin()
            sampler = asyncio.create_task(box.keep_sampling())
            await asyncio.sleep(200)
            row = await site.row()
            box.over = True
            await asyncio.gather(sampler)
            await charger.call(
                "StopTransaction",
                {
                    "transactionId": int(row.station_transaction_id),
                    "meterStop": round(box.register_wh),
                    "timestamp": now(),
                },
            )
            await eventually(lambda: told(charger, "FinalCost"))
            (price,) = told(charger, "SetUserPrice")
            assert price == {
                "idToken": CARDS[0],
                "priceText": "0.50 EUR/kWh + 1.00 EUR per session",
            }
            running = told(charger, "RunningCost")
            assert len(running) >= 3
            assert running[0]["cost"] >= 1
            assert running[-1]["cost"] > running[0]["cost"]
            assert running[0]["chargingPrice"] == {"kWhPrice": 0.5, "flatFee": 1.0}
            (final,) = told(charger, "FinalCost")
            view = await site.site.controller.find_transaction(row.key)
            assert view is not None
            assert final["cost"] == float(view.price.amount) > running[0]["cost"]
            assert final["priceText"] == f"{view.price.amount} EUR"

    play(story)


def test_a_1_6_charger_that_does_not_show_prices_is_told_none(play: Any):
    async def story(site: TestSite) -> None:
        async with box_at(site) as box:
            await box.begin()
            await asyncio.sleep(130)
            assert box.charger.asked_for("DataTransfer") == []
            row = await site.row()
            with pytest.raises(Unsupported):
                await site.site.controller.execute(ShowCost(row.key))

    play(story)


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
def test_a_2_x_station_is_told_its_cost_and_the_total_in_the_end(play: Any, version: str):
    """Proves: TC_I_02_CSMS."""

    async def story(site: TestSite) -> None:
        async with site.charger(version=version) as charger:
            charger.answers["GetVariables"] = enabled
            charger.answers["CostUpdated"] = lambda _: {}
            box = Box(charger, car_a=16)
            await boot201(charger)
            await asyncio.sleep(10)
            await box.begin()
            sampler = asyncio.create_task(box.keep_sampling())
            await asyncio.sleep(130)
            updates = charger.asked_for("CostUpdated")
            assert len(updates) >= 2
            assert {update["transactionId"] for update in updates} == {"T-1"}
            assert updates[-1]["totalCost"] > updates[0]["totalCost"] >= 1
            row = await site.row()
            shown = await site.site.controller.execute(ShowCost(row.key))
            assert shown.state is CommandState.ACCEPTED
            box.over = True
            await asyncio.gather(sampler)
            free = {"evseId": 1, "connectorId": 1, "connectorStatus": "Available"}
            await charger.call("StatusNotification", {"timestamp": now(), **free})
            answer = await charger.call(
                "TransactionEvent",
                {
                    "eventType": "Ended",
                    "timestamp": now(),
                    "triggerReason": "EVCommunicationLost",
                    "seqNo": 1000,
                    "transactionInfo": {
                        "transactionId": "T-1",
                        "chargingState": "Idle",
                        "stoppedReason": "EVDisconnected",
                    },
                    "meterValue": [
                        {"timestamp": now(), "sampledValue": [{"value": box.register_wh}]}
                    ],
                },
            )
            view = await site.site.controller.find_transaction(row.key)
            assert view is not None
            assert answer["totalCost"] == float(view.price.amount)
            assert answer["totalCost"] > updates[-1]["totalCost"]

    play(story)


def test_a_2_1_station_that_prices_sessions_gets_the_sites_tariff_by_itself(play: Any):
    async def story(site: TestSite) -> None:
        async with site.charger(version="2.1") as charger:
            charger.answers["GetVariables"] = enabled
            await boot201(charger)
            await eventually(lambda: charger.asked_for("SetDefaultTariff"), within_s=30)
            (asked,) = charger.asked_for("SetDefaultTariff")
            assert asked["evseId"] == 0
            tariff = asked["tariff"]
            assert (tariff["tariffId"], tariff["currency"]) == ("standard-1", "EUR")
            assert tariff["energy"] == {
                "prices": [PRICE],
                "taxRates": [{"type": "vat", "tax": 19.0}],
            }
            assert tariff["fixedFee"]["prices"] == [{"priceFixed": round(1 / 1.19, 6)}]

    play(story)


def test_tariffs_of_a_2_1_station_are_set_read_changed_and_cleared(play: Any):
    async def story(site: TestSite) -> None:
        async with box_at(site, version="2.1") as box:
            charger = box.charger
            assignment = {"tariffId": "standard-1", "tariffKind": "DefaultTariff"}
            charger.answers["GetTariffs"] = lambda _: {
                "status": "Accepted",
                "tariffAssignments": [assignment],
            }
            charger.answers["ClearTariffs"] = lambda _: {
                "clearTariffsResult": [{"tariffId": "standard-1", "status": "Accepted"}]
            }
            charger.answers["NotifyWebPaymentStarted"] = lambda _: {}
            await box.begin()
            await asyncio.sleep(20)
            execute = site.site.controller.execute
            assert (await execute(PushTariff("CP-01", 1))).state is CommandState.ACCEPTED
            read = await execute(ReadTariffs("CP-01", 1))
            assert read.answer is not None
            assert read.answer["tariffAssignments"] == [assignment]
            cleared = await execute(ClearTariffs("CP-01", ("standard-1",)))
            assert cleared.state is CommandState.ACCEPTED
            row = await site.row()
            changed = await execute(UseCurrentTariff(row.key))
            assert changed.state is CommandState.ACCEPTED
            (asked,) = charger.asked_for("ChangeTransactionTariff")
            assert asked["transactionId"] == "T-1"
            started = await execute(NotifyWebPaymentStarted("CP-01", 1, 120))
            assert started.state is CommandState.ACCEPTED
            assert charger.asked_for("NotifyWebPaymentStarted") == [{"evseId": 1, "timeout": 120}]
            for wrong in (
                NotifyWebPaymentStarted("CP-01", 9, 120),
                NotifyWebPaymentStarted("CP-01", 1, 0),
            ):
                with pytest.raises(InvalidInput):
                    await execute(wrong)
            assert len(charger.asked_for("NotifyWebPaymentStarted")) == 1

    play(story)


def test_a_refused_tariff_is_a_refusal_and_an_older_station_has_none(play: Any):
    async def story(site: TestSite) -> None:
        async with box_at(site, version="2.1") as box, box_at(site, "CP-02", "2.0.1"):
            box.charger.answers["SetDefaultTariff"] = lambda _: {"status": "TooManyElements"}
            result = await site.site.controller.execute(PushTariff("CP-01"))
            assert (result.state, result.reason) == (CommandState.REJECTED, "TooManyElements")
            with pytest.raises(Unsupported, match=r"CP-02 speaks OCPP 2\.0\.1, which has no"):
                await site.site.controller.execute(PushTariff("CP-02"))
            with pytest.raises(Unsupported, match="has no dynamic profiles"):
                await site.site.controller.execute(UseDynamicLimits("CP-02"))
            plain = await site.site.controller.execute(UseDynamicLimits("CP-02", enabled=False))
            assert plain.state is CommandState.ACCEPTED

    play(story)


def test_a_payment_at_the_station_is_kept_once_with_its_session(play: Any):
    async def story(site: TestSite) -> None:
        async with box_at(site, version="2.1") as box:
            await box.begin()
            await asyncio.sleep(10)
            settlement = {
                "pspRef": "PSP-7",
                "status": "Settled",
                "settlementAmount": 6.0,
                "settlementTime": now(),
                "transactionId": "T-1",
            }
            for _ in range(2):
                assert await box.charger.call("NotifySettlement", settlement) == {}
            page = await site.site.controller.query(SettlementsQuery())
            (kept,) = page.items
            row = await site.row()
            assert (kept.reference, kept.transaction_key) == ("PSP-7", row.key)
            assert str(kept.amount.amount) == "6.0"
            failed = {**settlement, "pspRef": "PSP-8", "status": "Failed"}
            await box.charger.call("NotifySettlement", failed)
            codes = {alarm.code for alarm in site.site.services.alarms.open()}
            assert "settlement-failed" in codes

    play(story)


@pytest.mark.parametrize(
    ("number", "status"),
    [
        ("DE123456789", "Accepted"),
        ("de 123 456 789", "Accepted"),
        ("ATU12345678", "Accepted"),
        ("123", "Rejected"),
        ("<b>DE1</b>", "Rejected"),
    ],
)
def test_a_vat_number_is_judged_by_its_form(play: Any, number: str, status: str):
    async def story(site: TestSite) -> None:
        async with site.charger(version="2.1") as charger:
            await boot201(charger)
            answer = await charger.call("VatNumberValidation", {"vatNumber": number, "evseId": 1})
            assert answer == {"vatNumber": number, "status": status, "evseId": 1}
            asked = {"vatNumber": number, "evseId": -1}
            answer = await charger.call("VatNumberValidation", asked)
            assert answer == {"vatNumber": number, "status": status}, "no EVSE -1 is echoed"

    play(story)
