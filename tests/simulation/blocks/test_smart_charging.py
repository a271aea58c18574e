"""Charging profiles of 2.x stations: reported, dynamic, with priority, and what a car needs."""

import asyncio
from typing import Any

import pytest

from sitecontroller.domain.station import OcppVersion
from sitecontroller.simulation.blocks import smart
from sitecontroller.simulation.cars import Car, CarModel
from tests.simulation.csms import CARD, Bench, bench, dc_evse
from tests.support import eventually

V16, V201, V21 = OcppVersion
of_2x = pytest.mark.parametrize("version", [V201, V21])


def profile(number: int, limit: float, purpose: str = "TxDefaultProfile", **more: Any) -> Any:
    kind = more.pop("kind", "Absolute")
    start = {} if kind == "Dynamic" else {"startSchedule": "2025-03-03T05:59:00Z"}
    periods = [{"startPeriod": 0, "limit": limit}]
    plan = {"id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": periods, **start}
    return {
        "id": number,
        "stackLevel": number,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": kind,
        "chargingSchedule": [plan],
        **more,
    }


async def keep(it: Bench, body: Any, evse_id: int = 1) -> str:
    request = {"evseId": evse_id, "chargingProfile": body}
    return str((await it.csms.call("SetChargingProfile", request))["status"])


async def draws(it: Bench, current_a: float, within_s: float = 30) -> None:
    await eventually(lambda: abs(it.outlet.current_a - current_a) < 0.1, within_s)


@of_2x
def test_profiles_are_reported_as_they_came(run_fast: Any, version: OcppVersion) -> None:
    async def story() -> Any:
        async with bench(version) as it:
            bodies = [profile(1, 10.0), profile(2, 12.0)]
            for body in bodies:
                await keep(it, body)
            await keep(it, profile(3, 30.0, "ChargingStationMaxProfile"), 0)
            request = {"requestId": 1, "chargingProfile": {"chargingLimitSource": ["CSO"]}}
            await it.csms.call("GetChargingProfiles", request)
            await eventually(lambda: len(it.csms.all("ReportChargingProfiles")) == 2, 10)
            none = {"requestId": 2, "chargingProfile": {"chargingProfileId": [99]}}
            said = await it.csms.call("GetChargingProfiles", none)
            return bodies, it.csms.all("ReportChargingProfiles"), said["status"]

    bodies, reports, nothing = run_fast(story())
    assert reports[0]["chargingProfile"] == bodies
    assert [(r["evseId"], r["tbc"]) for r in reports] == [(1, True), (0, False)]
    assert nothing == "NoProfiles"


@of_2x
@pytest.mark.parametrize("is_dc", [False, True])
def test_a_car_that_leaves_at_a_time_says_what_it_needs(
    run_fast: Any, version: OcppVersion, is_dc: bool
) -> None:
    model = CarModel("planner", 60_000, 3, 40.0, latency_s=1.0)

    async def story() -> Any:
        async with bench(version, evse=dc_evse() if is_dc else None) as it:
            it.station.plug(1, Car(model, 0.5, departs_in_s=3600))
            await it.station.tap(1, CARD)
            needs = await it.csms.hears("NotifyEVChargingNeeds")
            event = it.csms.all("TransactionEvent")[0]
            running = event["transactionInfo"]["transactionId"]
            await keep(it, profile(1, 9.0, "TxProfile", transactionId=running))
            plan = await it.csms.hears("NotifyEVChargingSchedule")
            return needs["chargingNeeds"], plan["chargingSchedule"]["chargingSchedulePeriod"]

    needs, periods = run_fast(story())
    assert needs["departureTime"].startswith("2025-03-03T07:00")
    kind = "dcChargingParameters" if is_dc else "acChargingParameters"
    assert needs[kind]["energyAmount"] == 30_000
    assert periods[0]["limit"] == 9.0


@of_2x
def test_a_limit_from_outside_is_obeyed_and_told(run_fast: Any, version: OcppVersion) -> None:
    async def story() -> list[str]:
        async with bench(version) as it:
            await it.charge()
            smart.limit_from_outside(it.station, 8.0)
            await draws(it, 8.0)
            smart.limit_from_outside(it.station, None)
            await draws(it, 16.0)
            return [a for a, _ in it.csms.heard if a.endswith("ChargingLimit")]

    assert run_fast(story()) == ["NotifyChargingLimit", "ClearedChargingLimit"]


def test_a_dynamic_profile_follows_updates_and_asks_for_them(run_fast: Any) -> None:
    async def story() -> Any:
        async with bench(V21) as it:
            await it.charge()
            asked = iter((11.0, 12.0, 13.0, 13.0, 13.0, 13.0))
            it.csms.answers["PullDynamicScheduleUpdate"] = lambda _: {
                "status": "Accepted",
                "scheduleUpdate": {"limit": next(asked)},
            }
            await keep(it, profile(1, 7.0, kind="Dynamic"))
            await draws(it, 7.0)
            update = {"chargingProfileId": 1, "scheduleUpdate": {"limit": 9.0, "limit_L2": 8.0}}
            said = [(await it.csms.call("UpdateDynamicSchedule", update))["status"]]
            await draws(it, 8.0)
            said.append(
                (await it.csms.call("UpdateDynamicSchedule", update | {"chargingProfileId": 2}))[
                    "status"
                ]
            )
            await keep(it, profile(5, 10.0, kind="Dynamic", dynUpdateInterval=20))
            await draws(it, 10.0)
            await draws(it, 11.0)
            await draws(it, 13.0, 60)
            return said

    assert run_fast(story()) == ["Accepted", "Rejected"]


def test_priority_takes_another_profile(run_fast: Any) -> None:
    async def story() -> Any:
        async with bench(V21) as it:
            started = await it.charge()
            identity = started["transactionInfo"]["transactionId"]
            wish = {"transactionId": identity, "activate": True}
            said = [(await it.csms.call("UsePriorityCharging", wish))["status"]]
            await keep(it, profile(1, 7.0))
            await keep(it, profile(2, 14.0, "PriorityCharging"))
            await draws(it, 7.0)
            said.append((await it.csms.call("UsePriorityCharging", wish))["status"])
            await draws(it, 14.0)
            off = {"transactionId": identity, "activate": False}
            said.append((await it.csms.call("UsePriorityCharging", off))["status"])
            await draws(it, 7.0)
            assert smart.press_priority(it.station, 1)
            await draws(it, 14.0)
            return said, (await it.csms.hears("NotifyPriorityCharging"))["activated"]

    assert run_fast(story()) == (["NoProfile", "Accepted", "Accepted"], True)


def test_a_profile_for_the_line_ends_without_it(run_fast: Any) -> None:
    async def story() -> None:
        async with bench(V21) as it:
            await it.charge()
            await keep(it, profile(1, 7.0))
            await keep(it, profile(2, 14.0, maxOfflineDuration=60))
            await draws(it, 14.0)
            await it.csms.close()
            await asyncio.sleep(40)
            await draws(it, 14.0)
            await draws(it, 7.0, 60)
            await it.csms.open()
            await draws(it, 14.0, 60)

    run_fast(story())


def test_a_car_gives_back_as_its_setpoint_says_and_no_longer(run_fast: Any) -> None:
    model = CarModel("giver", 60_000, 3, 16.0, latency_s=1.0, discharge_a_max=10.0)

    async def story() -> Any:
        async with bench(V21) as it:
            it.station.plug(1, Car(model, 0.8, departs_in_s=36_000))
            await it.station.tap(1, CARD)
            needs = await it.csms.hears("NotifyEVChargingNeeds")
            running = it.csms.all("TransactionEvent")[0]["transactionInfo"]["transactionId"]
            body = profile(1, 0.0, "TxProfile", transactionId=running)
            given = {"operationMode": "CentralSetpoint", "setpoint": -8.0, "dischargeLimit": -8.0}
            plan = body["chargingSchedule"][0]
            plan["chargingSchedulePeriod"][0] |= given
            plan["chargingSchedulePeriod"].append({"startPeriod": 240, "limit": 0})
            assert await keep(it, body) == "Accepted"
            await draws(it, -8.0)
            soc = it.outlet.car.soc if it.outlet.car is not None else 0.0
            await asyncio.sleep(200)
            await draws(it, 0.0)
            return needs["chargingNeeds"], soc

    needs, soc = run_fast(story())
    assert needs["requestedEnergyTransfer"] == "AC_BPT"
    assert needs["v2xChargingParameters"]["maxDischargePower"] == 10 * 3 * 230
    assert soc < 0.8


def test_a_car_that_only_charges_gives_nothing_back(run_fast: Any) -> None:
    async def story() -> float:
        async with bench(V21) as it:
            await it.charge()
            running = it.csms.all("TransactionEvent")[0]["transactionInfo"]["transactionId"]
            body = profile(1, 0.0, "TxProfile", transactionId=running)
            body["chargingSchedule"][0]["chargingSchedulePeriod"][0]["setpoint"] = -8.0
            await keep(it, body)
            await draws(it, 0.0)
            await asyncio.sleep(10)
            return it.outlet.current_a

    assert run_fast(story()) == 0
