"""A whole session at OCPP 2.1, what its events tell of the car, priority, energy transfers."""

import asyncio
import logging
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from sitecontroller.domain.commands import CallStation, CommandState
from sitecontroller.domain.errors import Conflict, InvalidInput, NotFound, Unsupported
from sitecontroller.domain.smart import (
    AllowEnergyTransfers,
    ChargingNeedsQuery,
    EnergyTransfer,
    EvStatesQuery,
    NeedsVerdict,
    StartLimited,
    TransactionLimits,
    UseDynamicLimits,
    UsePriorityCharging,
)
from sitecontroller.domain.transaction import TransactionState
from sitecontroller.services import ev_states
from tests.support import eventually
from tests.wire.ocpp21.scene import CARD, FALLBACK_A, STATION, Scene, event

COSTS = {
    "totalCost": {
        "currency": "EUR", "typeOfCost": "NormalCost", "total": {"exclTax": 4.2, "inclTax": 5.0},
    },
    "totalUsage": {"energy": 10.0, "chargingTime": 600, "idleTime": 0},
}  # fmt: skip


def test_a_whole_session_at_2_1_is_priced_and_tells_of_its_car(scene21):
    async def play(scene: Scene) -> None:
        token = {
            "type": "EVCCID", "idToken": "CARD0001",
            "additionalInfo": [{"additionalIdToken": "DEABC1", "type": "EVCCID"}],
        }  # fmt: skip
        answer = await scene.charger.call(
            "TransactionEvent",
            event(
                "Started",
                0,
                1000,
                ago_s=3600,
                idToken=token,
                preconditioningStatus="Preconditioning",
            ),
        )
        assert answer["idTokenInfo"]["status"] == "Accepted"
        await scene.charger.call(
            "TransactionEvent",
            event(
                "Updated", 1, 3000, ago_s=1800, triggerReason="OperationModeChanged",
                evseSleep=False, preconditioningStatus="Ready",
                info={
                    "operationMode": "ChargingOnly",
                    "transactionLimit": {"maxEnergy": 20_000, "maxTime": 7200, "maxSoC": 80},
                },
            ),
        )  # fmt: skip
        await scene.charger.call(
            "TransactionEvent",
            event(
                "Ended", 2, 11_000, costDetails=COSTS,
                info={"stoppedReason": "ReqEnergyTransferRejected"},
            ),
        )  # fmt: skip
        row = await scene.transaction()
        assert (row.state, row.energy_wh) == (TransactionState.ENDED, 10_000)
        assert row.stop_reason == "ReqEnergyTransferRejected"
        assert row.price is not None
        assert row.price.total.amount == Decimal("6.00")
        (state,) = (await scene.ask(EvStatesQuery(STATION))).items
        assert (state.transaction_id, state.evse_id) == ("T1", 1)
        assert (state.operation_mode, state.evse_sleeps) == ("ChargingOnly", False)
        assert (state.preconditioning, state.evcc_id) == ("Ready", "DEABC1")
        assert state.limits == TransactionLimits(None, 20_000, 7200, 80)
        assert state.station_costs == COSTS

    scene21(play)


def test_events_without_news_of_the_car_write_nothing(scene21):
    async def play(scene: Scene) -> None:
        await scene.charger.call("TransactionEvent", event("Updated", 1, 2000))
        assert (await scene.ask(EvStatesQuery(STATION))).items == ()

    scene21(play, charging=True)


# priority


def priority(active: bool, transaction_id: str = "T1") -> dict[str, Any]:
    return {"transactionId": transaction_id, "activated": active}


def asked_last(scene: Scene, wanted: dict[str, Any]) -> bool:
    return scene.charger.asked_for("UsePriorityCharging")[-1:] == [wanted]


def test_priority_charging_is_effective_when_the_station_says_so(scene21):
    async def play(scene: Scene) -> None:
        key = (await scene.transaction()).key
        for active in (True, False):
            asking = asyncio.ensure_future(scene.do(UsePriorityCharging(key, active)))
            wanted = {"transactionId": "T1", "activate": active}
            await eventually(partial(asked_last, scene, wanted))
            assert await scene.charger.call("NotifyPriorityCharging", priority(active)) == {}
            assert (await asking).state is CommandState.EFFECTIVE
            alarm = scene.alarm("priority-charging")
            assert (alarm is not None) is active
        (state,) = (await scene.ask(EvStatesQuery(STATION))).items
        assert state.priority is False

    scene21(play, charging=True)


def test_a_driver_may_ask_for_priority_at_the_station_and_its_alarm_ends_with_the_session(scene21):
    async def play(scene: Scene) -> None:
        await scene.charger.call("NotifyPriorityCharging", priority(True))
        alarm = scene.alarm("priority-charging")
        assert alarm is not None
        assert alarm.subject == "CP-01/1"
        await scene.charger.call("TransactionEvent", event("Ended", 1, 2000))
        assert scene.alarm("priority-charging") is None

    scene21(play, charging=True)


@pytest.mark.parametrize(
    ("status", "reason"),
    [("NoProfile", "the charger has no priority profile; set one first"), ("Rejected", "Rejected")],
)
def test_a_station_that_cannot_charge_with_priority_says_why(scene21, status, reason):
    async def play(scene: Scene) -> None:
        key = (await scene.transaction()).key
        result = await scene.do(UsePriorityCharging(key))
        assert (result.state, result.reason) == (CommandState.REJECTED, reason)

    answers = {"UsePriorityCharging": lambda _: {"status": status}}
    scene21(play, charging=True, answers=answers)


def test_priority_that_never_shows_is_ineffective(scene21, monkeypatch):
    monkeypatch.setattr(ev_states, "EFFECT_WITHIN_S", 0.1)

    async def play(scene: Scene) -> None:
        key = (await scene.transaction()).key
        assert (await scene.do(UsePriorityCharging(key))).state is CommandState.INEFFECTIVE
        with pytest.raises(NotFound):
            await scene.do(UsePriorityCharging("01JNAAAAAAAAAAAAAAAAAAAAAA"))
        await scene.charger.call("TransactionEvent", event("Ended", 1, 2000))
        with pytest.raises(Conflict):
            await scene.do(UsePriorityCharging(key))

    scene21(play, charging=True)


def test_a_2_0_1_station_has_no_priority_charging(scene201):
    async def play(scene: Scene) -> None:
        with pytest.raises(Unsupported):
            await scene.do(UsePriorityCharging((await scene.transaction()).key))

    scene201(play, charging=True)


# energy transfers

V2X_NEEDS = {
    "evseId": 1,
    "timestamp": "2026-03-01T10:00:00Z",
    "chargingNeeds": {
        "requestedEnergyTransfer": "AC_BPT",
        "availableEnergyTransfer": ["AC_three_phase", "AC_BPT"],
        "controlMode": "DynamicControl",
        "mobilityNeedsMode": "EVCC",
        "v2xChargingParameters": {
            "minChargePower": 1400, "maxChargePower": 3700, "maxChargePower_L2": 3600,
            "maxChargePower_L3": 3500, "maxDischargePower": 5000, "maxDischargeCurrent": 16,
            "evTargetEnergyRequest": 30_000, "evMinEnergyRequest": 5000,
            "evMaxEnergyRequest": 40_000, "targetSoC": 90,
        },
        "derChargingParameters": {"maxApparentPower": 11_000},
    },
}  # fmt: skip


def test_a_car_that_can_feed_in_says_what_it_can(scene21):
    async def play(scene: Scene) -> None:
        answer = await scene.charger.call("NotifyEVChargingNeeds", V2X_NEEDS)
        assert answer == {"status": "Accepted"}
        (row,) = (await scene.ask(ChargingNeedsQuery(STATION))).items
        assert (row.requested_transfer, row.control_mode) == ("AC_BPT", "DynamicControl")
        assert row.available_transfers == ("AC_three_phase", "AC_BPT")
        assert (row.energy_wh, row.energy_wh_min, row.energy_wh_max) == (30_000, 5000, 40_000)
        assert (row.power_w_min, row.power_w_max) == (1400, 10_800)
        assert (row.discharge_power_w_max, row.discharge_current_a_max) == (5000, 16)
        assert row.soc_target_percent == 90
        assert row.details == {"derChargingParameters": {"maxApparentPower": 11_000}}
        assert row.told_at is not None

    scene21(play, charging=True)


def test_what_a_session_may_use_decides_on_what_its_car_asks_for(scene21):
    """Q01.FR.04, Q02.FR.05."""

    async def play(scene: Scene) -> None:
        key = (await scene.transaction()).key
        allowed = (EnergyTransfer.AC_THREE_PHASES, EnergyTransfer.DC)
        result = await scene.do(AllowEnergyTransfers(key, allowed))
        assert result.state is CommandState.ACCEPTED
        assert scene.charger.asked_for("NotifyAllowedEnergyTransfer") == [
            {"transactionId": "T1", "allowedEnergyTransfer": ["AC_three_phase", "DC"]}
        ]
        answer = await scene.charger.call("NotifyEVChargingNeeds", V2X_NEEDS)
        assert answer == {"status": "Rejected"}
        (row,) = (await scene.ask(ChargingNeedsQuery(STATION))).items
        assert row.verdict is NeedsVerdict.NOT_ALLOWED
        await scene.do(AllowEnergyTransfers(key, (*allowed, EnergyTransfer.AC_BPT)))
        answer = await scene.charger.call("NotifyEVChargingNeeds", V2X_NEEDS)
        assert answer == {"status": "Accepted"}
        with pytest.raises(InvalidInput):
            await scene.do(AllowEnergyTransfers(key, ()))

    scene21(play, charging=True)


# dynamic limits


def test_a_station_with_dynamic_limits_pulls_what_load_management_allows(scene21):
    async def play(scene: Scene) -> None:
        await scene.do(UseDynamicLimits(STATION, pull_every_s=30))
        await scene.charger.call("TransactionEvent", event("Started", 0, 1000))
        profile = await scene.limit()
        assert (profile["chargingProfileKind"], profile["dynUpdateInterval"]) == ("Dynamic", 30)
        answer = await scene.charger.call(
            "PullDynamicScheduleUpdate", {"chargingProfileId": profile["id"]}
        )
        assert answer["status"] == "Accepted"
        load = scene.site.site.services.load
        (key,) = [k for k in load._controls if str(k) == "CP-01/1"]
        assert answer["scheduleUpdate"]["limit"] <= load.told_a(key)
        before = load._controls[key].exposure.possible[-1].ends_s
        await scene.charger.call("PullDynamicScheduleUpdate", {"chargingProfileId": profile["id"]})
        after = load._controls[key].exposure.possible[-1].ends_s
        assert before is None or after >= before
        with pytest.raises(InvalidInput):
            await scene.do(UseDynamicLimits(STATION, pull_every_s=10**6))
        await scene.do(UseDynamicLimits(STATION, enabled=False))
        assert await scene.site.site.services.blocks.smart.dynamic_pull_s(STATION) is None

    scene21(play)


def test_a_rising_limit_is_an_update_of_the_dynamic_profile(scene21, caplog):
    async def play(scene: Scene) -> None:
        await scene.do(UseDynamicLimits(STATION))
        await scene.charger.call("TransactionEvent", event("Started", 0, 1000))
        await scene.limit()
        profile_id = scene.limits()[0]["id"]
        answer = await scene.charger.call(
            "NotifyEVChargingNeeds",
            {"evseId": 1, "chargingNeeds": {"requestedEnergyTransfer": "AC_three_phase"}},
        )
        assert answer == {"status": "Accepted"}
        update = (await eventually(lambda: scene.charger.asked_for("UpdateDynamicSchedule")))[0]
        assert update["chargingProfileId"] == profile_id
        assert update["scheduleUpdate"]["limit"] > 0

    with caplog.at_level(logging.WARNING):
        scene21(play)


# a limit from the first moment on


def test_a_session_is_begun_with_a_limit(scene):
    """Proves: TC_K_37_CSMS"""

    async def play(scene: Scene) -> None:
        asking = asyncio.ensure_future(scene.do(StartLimited(STATION, 1, "CARD0001", 6.0)))
        (asked,) = await eventually(lambda: scene.charger.asked_for("RequestStartTransaction"))
        assert (asked["evseId"], asked["idToken"]["idToken"]) == (1, "CARD0001")
        profile = asked["chargingProfile"]
        assert profile["chargingProfilePurpose"] == "TxProfile"
        assert profile["chargingProfileKind"] == "Relative"
        assert "transactionId" not in profile
        (schedule,) = profile["chargingSchedule"]
        assert "startSchedule" not in schedule
        (period,) = schedule["chargingSchedulePeriod"]
        assert period == {"startPeriod": 0, "limit": 6, "numberPhases": 3}
        answer = await scene.charger.call(
            "TransactionEvent",
            event(
                "Started", 0, 1000, triggerReason="RemoteStart",
                info={"remoteStartId": asked["remoteStartId"]},
            ),
        )  # fmt: skip
        assert answer["idTokenInfo"]["status"] == "Accepted"
        assert (await asking).state is CommandState.EFFECTIVE
        assert (await scene.limit())["id"] == profile["id"]
        for evse_id, current_a in ((1, 8.5), (1, 3.0), (9, 6.0)):
            with pytest.raises(InvalidInput):
                await scene.do(StartLimited(STATION, evse_id, "CARD0001", current_a))

    scene(play)


def test_room_is_kept_before_a_technician_begins_a_session(scene):
    """A station may let the car draw its fallback before it says that a session began."""

    async def play(scene: Scene) -> None:
        services = scene.site.site.services

        def counted_a() -> float:
            now_s = services.load._clock.monotonic_s()
            return sum(each.exposure_a(now_s) for each in services.load._controls.values())

        def start(_: dict[str, Any]) -> dict[str, Any]:
            counted.append(counted_a())
            return {"status": "Accepted"}

        counted: list[float] = []
        scene.charger.answers["RequestStartTransaction"] = start
        await eventually(lambda: counted_a() == 0)
        payload = {"evseId": 1, "remoteStartId": 5, "idToken": CARD}
        result = await scene.do(CallStation(STATION, "RequestStartTransaction", payload))
        assert result.answer == {"status": "Accepted"}
        assert counted == [2 * FALLBACK_A]

    scene(play)
