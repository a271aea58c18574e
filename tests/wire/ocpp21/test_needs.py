"""What cars ask for and plan, and limits from outside (K11 to K20), in both 2.x versions."""

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

from sitecontroller.domain.commands import PauseCharging
from sitecontroller.domain.events import ChargingNeedsTold
from sitecontroller.domain.smart import (
    ChargingNeedsQuery,
    EvSchedulesQuery,
    ExternalLimitsQuery,
    NeedsVerdict,
)
from sitecontroller.domain.topology import EvseKey
from tests.wire.charger import CallError
from tests.wire.ocpp21.scene import FALLBACK_A, STATION, Scene, event
from tests.wire.site import boot201, instant, running_site

EVSE = EvseKey(STATION, 1)
AC_NEEDS = {
    "requestedEnergyTransfer": "AC_three_phase",
    "acChargingParameters": {
        "energyAmount": 20_000, "evMinCurrent": 6, "evMaxCurrent": 16, "evMaxVoltage": 400,
    },
}  # fmt: skip
DC_NEEDS = {
    "requestedEnergyTransfer": "DC",
    "dcChargingParameters": {
        "evMaxCurrent": 200, "evMaxVoltage": 920, "energyAmount": 40_000, "evMaxPower": 100_000,
        "stateOfCharge": 20, "evEnergyCapacity": 77_000, "fullSoC": 80,
    },
}  # fmt: skip


def needs(said: dict[str, Any] | None = None, evse_id: int = 1) -> dict[str, Any]:
    """NotifyEVChargingNeeds; unless otherwise said, of an AC car that leaves in six hours."""
    departure = instant(datetime.now(UTC) + timedelta(hours=6))
    said = said or {**AC_NEEDS, "departureTime": departure}
    return {"evseId": evse_id, "maxScheduleTuples": 3, "chargingNeeds": said}


def plan(limit: float, unit: str = "A") -> dict[str, Any]:
    """NotifyEVChargingSchedule."""
    periods = [{"startPeriod": 0, "limit": limit / 2}, {"startPeriod": 600, "limit": limit}]
    return {
        "timeBase": instant(),
        "evseId": 1,
        "chargingSchedule": {
            "id": 1, "duration": 3600, "chargingRateUnit": unit, "chargingSchedulePeriod": periods,
        },
    }  # fmt: skip


def limit_of(profile: dict[str, Any]) -> float:
    (schedule,) = profile["chargingSchedule"]
    return float(schedule["chargingSchedulePeriod"][0]["limit"])


async def told_limit(scene: Scene, after: int) -> dict[str, Any]:
    """The schedule that was promised: a TxProfile of the session with one schedule."""
    profile = await scene.limit(after)
    assert profile["transactionId"] == "T1"
    assert len(profile["chargingSchedule"]) == 1
    return profile


def test_a_cars_needs_are_kept_answered_and_followed_by_its_limit(scene):
    """Also when its limit was sent before it asked: the station may have refused it then.

    Proves: TC_K_53_CSMS, TC_K_57_CSMS, TC_K_59_CSMS, TC_K_60_CSMS
    """

    async def play(scene: Scene) -> None:
        events: list[Any] = []
        scene.site.site.controller.subscribe(events.append)
        await told_limit(scene, 0)
        before = len(scene.limits())
        answer = await scene.charger.call("NotifyEVChargingNeeds", needs())
        assert answer == {"status": "Accepted"}
        profile = await told_limit(scene, before)
        assert (await scene.charger.call("NotifyEVChargingSchedule", plan(limit_of(profile)))) == {
            "status": "Accepted"
        }
        row = (await scene.ask(ChargingNeedsQuery(STATION))).items[0]
        assert row.verdict is NeedsVerdict.SCHEDULE_FOLLOWS
        assert (row.energy_wh, row.current_a_min, row.current_a_max) == (20_000, 6, 16)
        assert row.departure_at is not None
        assert abs((row.departure_at - datetime.now(UTC)).total_seconds() - 6 * 3600) < 60
        assert row.transaction_key == (await scene.transaction()).key
        (told,) = [each.needs for each in events if isinstance(each, ChargingNeedsTold)]
        assert (told.key, told.energy_wh, told.verdict) == (EVSE, 20_000, row.verdict)
        service = scene.site.site.services.blocks.smart.needs
        assert service.needs(EVSE) == told
        await scene.charger.call("TransactionEvent", event("Ended", 1, 2000))
        assert service.needs(EVSE) is None
        assert (await scene.ask(ChargingNeedsQuery(STATION))).items == (row,)

    scene(play, charging=True)


def test_a_dc_car_says_its_battery_too(scene):
    async def play(scene: Scene) -> None:
        await scene.charger.call("NotifyEVChargingNeeds", needs(DC_NEEDS))
        row = (await scene.ask(ChargingNeedsQuery(STATION))).items[0]
        assert (row.power_w_max, row.capacity_wh, row.soc_percent) == (100_000, 77_000, 20)
        assert (row.soc_target_percent, row.departure_at) == (80, None)

    scene(play, charging=True)


def test_without_a_session_no_schedule_is_promised(scene):
    async def play(scene: Scene) -> None:
        answer = await scene.charger.call("NotifyEVChargingNeeds", needs())
        is_21 = scene.charger.version == "2.1"
        assert answer == {"status": "NoChargingProfile" if is_21 else "Rejected"}
        (row,) = (await scene.ask(ChargingNeedsQuery(STATION))).items
        assert row.verdict is NeedsVerdict.NO_SCHEDULE
        await scene.charger.call("NotifyEVChargingNeeds", needs(evse_id=9))
        assert len((await scene.ask(ChargingNeedsQuery(STATION))).items) == 1

    scene(play)


async def charges(scene: Scene, seq_no: int, trigger: str) -> None:
    """The session goes on at another rate."""
    told = event("Updated", seq_no, triggerReason=trigger)
    assert await scene.charger.call("TransactionEvent", told) == {}


async def asked_and_told(scene: Scene) -> dict[str, Any]:
    """The car's needs, and the schedule that follows them."""
    before = len(scene.limits())
    assert await scene.charger.call("NotifyEVChargingNeeds", needs()) == {"status": "Accepted"}
    return await told_limit(scene, before)


def test_a_car_that_plans_more_than_its_limit_is_told_it_again(scene):
    """Proves: TC_K_55_CSMS"""

    async def play(scene: Scene) -> None:
        await told_limit(scene, 0)
        await asked_and_told(scene)
        before = len(scene.limits())
        answer = await scene.charger.call("NotifyEVChargingSchedule", plan(64.0))
        assert answer == {"status": "Rejected"}
        await charges(scene, 1, "ChargingStateChanged")
        profile = await told_limit(scene, before)
        answer = await scene.charger.call("NotifyEVChargingSchedule", plan(limit_of(profile)))
        assert answer == {"status": "Accepted"}
        await charges(scene, 2, "ChargingRateChanged")
        (row,) = (await scene.ask(EvSchedulesQuery(STATION))).items
        assert row.accepted
        assert [period.start_s for period in row.schedule.periods] == [0, 600]

    scene(play, charging=True)


def test_a_cars_limit_changes_while_it_charges_and_its_new_plan_is_taken(scene):
    """Proves: TC_K_58_CSMS"""

    async def play(scene: Scene) -> None:
        await told_limit(scene, 0)
        first = await asked_and_told(scene)
        answer = await scene.charger.call("NotifyEVChargingSchedule", plan(limit_of(first)))
        assert answer == {"status": "Accepted"}
        await charges(scene, 1, "ChargingStateChanged")
        before = len(scene.limits())
        await scene.do(PauseCharging((await scene.transaction()).key))
        lower = await told_limit(scene, before)
        assert limit_of(lower) == 0 < limit_of(first)
        assert scene.profiles[-1]["evseId"] == 1
        over = await scene.charger.call("NotifyEVChargingSchedule", plan(limit_of(first)))
        assert over == {"status": "Rejected"}
        answer = await scene.charger.call("NotifyEVChargingSchedule", plan(0.0))
        assert answer == {"status": "Accepted"}
        await charges(scene, 2, "ChargingRateChanged")

    scene(play, charging=True)


def test_a_plan_in_watts_is_judged_by_its_current(scene):
    async def play(scene: Scene) -> None:
        told_a = limit_of(await told_limit(scene, 0))
        for watts, status in ((230 * 3 * told_a, "Accepted"), (230 * 3 * 64.0, "Rejected")):
            answer = await scene.charger.call("NotifyEVChargingSchedule", plan(watts, "W"))
            assert answer == {"status": status}

    scene(play, charging=True)


def test_needs_outlive_a_restart_while_the_session_runs(run, tmp_path):
    async def main() -> None:
        async with (
            running_site(tmp_path, fallback_a=FALLBACK_A) as site,
            site.charger(version="2.1") as charger,
        ):
            await boot201(charger)
            await charger.call("TransactionEvent", event("Started", 0, 1000))
            await charger.call("NotifyEVChargingNeeds", needs())
        async with running_site(tmp_path, planted=True, fallback_a=FALLBACK_A) as site:
            kept = site.site.services.blocks.smart.needs.needs(EVSE)
            assert kept is not None
            assert kept.energy_wh == 20_000

    run(main())


# limits from outside


def limited(limit: float | None = 10.0, source: str = "EMS", **more: Any) -> dict[str, Any]:
    """NotifyChargingLimit."""
    payload: dict[str, Any] = {"chargingLimit": {"chargingLimitSource": source, **more}}
    if limit is not None:
        payload["chargingSchedule"] = [
            {
                "id": 1, "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
            }
        ]  # fmt: skip
    return payload


def test_a_limit_from_outside_is_shown_until_it_is_cleared(scene):
    """K11 to K13."""

    async def play(scene: Scene) -> None:
        assert await scene.charger.call("NotifyChargingLimit", limited()) == {}
        alarm = scene.alarm("external-limit")
        assert alarm is not None
        assert (alarm.subject, alarm.priority.value) == (STATION, "low")
        assert alarm.text == (
            "CP-01 is limited by the building's energy management, not by this site: 10 A"
        )
        (row,) = (await scene.ask(ExternalLimitsQuery())).items
        assert (row.source, row.schedules[0].most, row.cleared_at) == ("EMS", 10.0, None)
        cleared = {"chargingLimitSource": "EMS"}
        assert await scene.charger.call("ClearedChargingLimit", cleared) == {}
        assert scene.alarm("external-limit") is None
        (row,) = (await scene.ask(ExternalLimitsQuery(station_id=STATION))).items
        assert row.cleared_at is not None

    scene(play)


def test_the_tightest_of_several_limits_is_told(scene):
    async def play(scene: Scene) -> None:
        for limit, source in ((16.0, "EMS"), (6.0, "SO"), (None, "Other")):
            payload = limited(limit, source, isGridCritical=source == "SO")
            await scene.charger.call("NotifyChargingLimit", {"evseId": 1, **payload})
        alarm = scene.alarm("external-limit")
        assert alarm is not None
        assert alarm.subject == "CP-01/1"
        assert alarm.text == (
            "CP-01/1 is limited by the grid operator, not by this site: 6 A, the grid is in trouble"
        )
        await scene.charger.call("ClearedChargingLimit", {"chargingLimitSource": "SO", "evseId": 1})
        alarm = scene.alarm("external-limit")
        assert alarm is not None
        assert "16 A" in alarm.text
        await scene.charger.call("ClearedChargingLimit", {"chargingLimitSource": "EMS"})
        alarm = scene.alarm("external-limit")
        assert alarm is not None
        assert "how much isn't said" in alarm.text

    scene(play)


def test_power_made_on_site_is_no_limit(scene21):
    async def play(scene: Scene) -> None:
        await scene.charger.call("NotifyChargingLimit", limited(isLocalGeneration=True))
        assert scene.alarm("external-limit") is None
        (row,) = (await scene.ask(ExternalLimitsQuery())).items
        assert row.local_generation

    scene21(play)


def test_limits_from_outside_are_bounded_for_each_station(scene21):
    async def play(scene: Scene) -> None:
        for number in range(60):
            await scene.charger.call("NotifyChargingLimit", limited(source=f"EMS{number}"))
        limits = scene.site.site.services.blocks.smart.limits
        assert len(limits.standing(STATION)) == 50

    scene21(play)


def test_a_limit_from_outside_outlives_a_restart(run, tmp_path):
    async def main() -> None:
        async with running_site(tmp_path) as site, site.charger(version="2.0.1") as charger:
            await boot201(charger)
            await charger.call("NotifyChargingLimit", limited())
        async with (
            running_site(tmp_path, planted=True) as site,
            site.charger(version="2.0.1") as charger,
        ):
            await boot201(charger)
            scene = Scene(site, charger)
            assert scene.alarm("external-limit") is not None
            await charger.call("ClearedChargingLimit", {"chargingLimitSource": "EMS"})
            assert scene.alarm("external-limit") is None

    run(main())


ODD = [
    ("NotifyEVChargingNeeds", {"evseId": 1, "chargingNeeds": {"requestedEnergyTransfer": 5}}),
    ("NotifyEVChargingNeeds", needs({"requestedEnergyTransfer": "DC", "departureTime": "?"})),
    ("NotifyChargingLimit", {"chargingLimit": {"chargingLimitSource": ["EMS"]}}),
    ("NotifyChargingLimit", limited() | {"chargingSchedule": [{}]}),
    ("ClearedChargingLimit", {"chargingLimitSource": "EMS", "evseId": -1}),
    ("NotifyEVChargingSchedule", plan(6.0) | {"evseId": "one"}),
]


def test_odd_payloads_are_answered_and_harm_nothing(scene):
    async def play(scene: Scene) -> None:
        for action, payload in ODD:
            with contextlib.suppress(CallError):
                await scene.charger.call(action, payload)
        await scene.charger.call("Heartbeat", {})

    scene(play, charging=True)
