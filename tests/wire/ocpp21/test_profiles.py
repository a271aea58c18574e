"""Profiles in 2.x stations: read back, set, taken out; composite schedules (block K)."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sitecontroller.domain.commands import CommandState
from sitecontroller.domain.errors import Conflict, InvalidInput, Unsupported
from sitecontroller.domain.smart import (
    ChargingProfilesQuery,
    ClearChargingProfiles,
    ProfileKind,
    ProfilePurpose,
    ReadChargingProfiles,
    ReadSchedule,
    Recurrency,
    SchedulePeriod,
    SetChargingProfile,
)
from sitecontroller.domain.topology import LimitUnit
from tests.support import eventually
from tests.wire.charger import CallError
from tests.wire.ocpp21.scene import STATION, Scene
from tests.wire.site import instant

PERIODS = [{"startPeriod": 0, "limit": 6.0, "numberPhases": 3}]
SCHEDULE = {"id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": PERIODS}


def held(profile_id: int, purpose: str = "TxDefaultProfile", **more: Any) -> dict[str, Any]:
    return {
        "id": profile_id,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute",
        "chargingSchedule": [SCHEDULE],
        **more,
    }


class Reports:
    """A charger that has profiles of three sources and tells them in parts."""

    def __init__(self, scene: Scene, *parts: tuple[int, str, list[dict[str, Any]]]) -> None:
        self.scene, self.parts, self.request_id = scene, parts, 0
        scene.charger.answers["GetChargingProfiles"] = self._asked

    def _asked(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.request_id = payload["requestId"]
        return {"status": "Accepted" if self.parts else "NoProfiles"}

    async def send(self) -> None:
        for number, (evse_id, source, profiles) in enumerate(self.parts, start=1):
            answer = await self.scene.charger.call(
                "ReportChargingProfiles",
                {
                    "requestId": self.request_id,
                    "chargingLimitSource": source,
                    "evseId": evse_id,
                    "chargingProfile": profiles,
                    "tbc": number < len(self.parts),
                },
            )
            assert answer == {}


async def read(scene: Scene, reports: Reports, command: ReadChargingProfiles) -> Any:
    before = len(scene.charger.asked_for("GetChargingProfiles"))
    asking = asyncio.ensure_future(scene.do(command))
    await eventually(lambda: scene.charger.asked_for("GetChargingProfiles")[before:])
    await reports.send()
    return await asking


def test_all_profiles_are_read_back_also_those_of_other_systems(scene):
    """In parts, of every EVSE and source; what is out of date is said so.

    Proves: TC_K_31_CSMS
    """

    async def play(scene: Scene) -> None:
        yesterday = instant(datetime.now(UTC) - timedelta(days=1))
        reports = Reports(
            scene,
            (0, "EMS", [held(-5, "ChargingStationExternalConstraints")]),
            (1, "CSO", [held(11), held(70, "TxProfile", transactionId="gone")]),
            (2, "CSO", [held(800, validTo=yesterday)]),
        )
        result = await read(scene, reports, ReadChargingProfiles(STATION))
        assert result.state is CommandState.EFFECTIVE
        (asked,) = scene.charger.asked_for("GetChargingProfiles")
        assert "evseId" not in asked
        assert asked["chargingProfile"] == {"chargingLimitSource": ["CSO", "EMS", "SO", "Other"]}
        view = await scene.ask(ChargingProfilesQuery(STATION))
        assert view.complete
        assert view.read_at is not None
        rows = {p.profile_id: (p.evse_id, p.source, p.ours, p.stale) for p in view.profiles}
        assert rows == {
            -5: (0, "EMS", False, False),
            11: (1, "CSO", True, False),
            70: (1, "CSO", False, True),
            800: (2, "CSO", False, True),
        }
        assert view.profiles[0].schedules[0].periods[0].limit == 6.0
        assert len(result.answer["profiles"]) == 4

    scene(play)


def test_a_station_without_profiles_says_so(scene):
    async def play(scene: Scene) -> None:
        assert (await scene.ask(ChargingProfilesQuery(STATION))).read_at is None
        Reports(scene)
        result = await scene.do(ReadChargingProfiles(STATION))
        assert result.state is CommandState.EFFECTIVE
        view = await scene.ask(ChargingProfilesQuery(STATION))
        assert (view.profiles, view.complete) == ((), True)

    scene(play)


FILTERS = [
    ({"evse_id": 0, "purpose": ProfilePurpose.STATION_MAXIMUM},
     {"evseId": 0, "chargingProfile": {"chargingProfilePurpose": "ChargingStationMaxProfile"}}),
    ({"evse_id": 1},
     {"evseId": 1, "chargingProfile": {"chargingLimitSource": ["CSO", "EMS", "SO", "Other"]}}),
    ({"profile_ids": (11, 12)}, {"chargingProfile": {"chargingProfileId": [11, 12]}}),
    ({"evse_id": 1, "stack_level": 0}, {"evseId": 1, "chargingProfile": {"stackLevel": 0}}),
    ({"evse_id": 1, "sources": ("EMS",)},
     {"evseId": 1, "chargingProfile": {"chargingLimitSource": ["EMS"]}}),
    ({"evse_id": 1, "purpose": ProfilePurpose.TX_DEFAULT},
     {"evseId": 1, "chargingProfile": {"chargingProfilePurpose": "TxDefaultProfile"}}),
    ({"evse_id": 1, "purpose": ProfilePurpose.TX_DEFAULT, "stack_level": 0},
     {"evseId": 1, "chargingProfile":
      {"chargingProfilePurpose": "TxDefaultProfile", "stackLevel": 0}}),
]  # fmt: skip


def test_some_profiles_are_asked_for_and_the_others_stay_known(scene):
    """Proves: TC_K_29_CSMS, TC_K_30_CSMS, TC_K_32_CSMS, TC_K_33_CSMS, TC_K_34_CSMS, TC_K_35_CSMS
    Proves: TC_K_36_CSMS"""

    async def play(scene: Scene) -> None:
        reports = Reports(scene, (1, "CSO", [held(11)]))
        known = {"requestId": 0, "chargingLimitSource": "CSO", "evseId": 2}
        await scene.charger.call("ReportChargingProfiles", {**known, "chargingProfile": [held(21)]})
        for wanted, asked in FILTERS:
            result = await read(scene, reports, ReadChargingProfiles(STATION, **wanted))
            payload = scene.charger.asked_for("GetChargingProfiles")[-1]
            assert {k: v for k, v in payload.items() if k != "requestId"} == asked
            assert [each["profile_id"] for each in result.answer["profiles"]] == [11]
        view = await scene.ask(ChargingProfilesQuery(STATION))
        assert {each.profile_id for each in view.profiles} == {11, 21}

    scene(play)


def draft(**changed: Any) -> SetChargingProfile:
    now = datetime.now(UTC).replace(microsecond=0)
    wanted: dict[str, Any] = {
        "station_id": STATION,
        "evse_id": 1,
        "profile_id": 1000,
        "purpose": ProfilePurpose.TX_DEFAULT,
        "stack_level": 1,
        "unit": LimitUnit.A,
        "periods": (SchedulePeriod(0, 6.0, 3),),
        "valid_from": now,
        "valid_to": now + timedelta(hours=1),
        "duration_s": 3600,
    }
    return SetChargingProfile(**{**wanted, **changed})


def set_by_people(scene: Scene) -> list[dict[str, Any]]:
    return [p for p in scene.profiles if p["chargingProfile"]["id"] >= 1000]


MAXIMUM = {
    "evse_id": 0,
    "purpose": ProfilePurpose.STATION_MAXIMUM,
    "stack_level": 2,
    "periods": (SchedulePeriod(0, 8.0, 3),),
}
SETTABLE = {
    "one EVSE": ({}, 1, "TxDefaultProfile", "Absolute", 1, 6.0),
    "all EVSEs": ({"evse_id": 0}, 0, "TxDefaultProfile", "Absolute", 1, 6.0),
    "the station's maximum": (MAXIMUM, 0, "ChargingStationMaxProfile", "Absolute", 2, 8.0),
    "every day": (
        {"kind": ProfileKind.RECURRING, "recurrency": Recurrency.DAILY},
        1, "TxDefaultProfile", "Recurring", 1, 6.0,
    ),
}  # fmt: skip


def test_people_set_a_lower_profile(scene):
    """Proves: TC_K_01_CSMS, TC_K_03_CSMS, TC_K_10_CSMS, TC_K_19_CSMS"""

    async def play(scene: Scene) -> None:
        for changed, evse_id, purpose, kind, stack_level, limit in SETTABLE.values():
            now = datetime.now(UTC)
            result = await scene.do(draft(**changed))
            assert result.state is CommandState.ACCEPTED
            payload = set_by_people(scene)[-1]
            assert payload["evseId"] == evse_id
            profile = payload["chargingProfile"]
            (schedule,) = profile.pop("chargingSchedule")
            starts_at = datetime.fromisoformat(schedule.pop("startSchedule"))
            valid = [datetime.fromisoformat(profile.pop(name)) for name in ("validFrom", "validTo")]
            assert valid[1] - valid[0] == timedelta(hours=1)
            assert all(abs((at - now).total_seconds()) < 120 for at in (starts_at, valid[0]))
            assert schedule.pop("id")
            assert profile == {
                "id": 1000,
                "stackLevel": stack_level,
                "chargingProfilePurpose": purpose,
                "chargingProfileKind": kind,
                **({"recurrencyKind": "Daily"} if kind == "Recurring" else {}),
            }
            assert schedule == {
                "chargingRateUnit": "A",
                "duration": 3600,
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit, "numberPhases": 3}],
            }

    scene(play)


def test_a_profile_is_replaced_by_its_number_and_joined_at_another_level(scene):
    """Proves: TC_K_04_CSMS, TC_K_70_CSMS"""

    async def play(scene: Scene) -> None:
        for changed in (
            {"periods": (SchedulePeriod(0, 8.0),)},
            {"periods": (SchedulePeriod(0, 6.0),)},
            {"profile_id": 1001, "stack_level": 2},
        ):
            await scene.do(draft(**changed))
        first, second, third = (each["chargingProfile"] for each in set_by_people(scene))
        assert first["id"] == second["id"] != third["id"]
        limits = [
            p["chargingSchedule"][0]["chargingSchedulePeriod"][0]["limit"] for p in (first, second)
        ]
        assert limits == [8.0, 6.0]
        assert first["stackLevel"] != third["stackLevel"]

    scene(play)


def test_a_station_without_smart_charging_is_told_apart_from_one_that_refuses(scene):
    """Proves: TC_K_15_CSMS"""

    async def play(scene: Scene) -> None:
        scene.charger.answers["SetChargingProfile"] = lambda _: {"status": "Rejected"}
        assert (await scene.do(draft())).state is CommandState.REJECTED

        def refuse(_: dict[str, Any]) -> dict[str, Any]:
            raise CallError("NotSupported", "no smart charging")

        scene.charger.answers["SetChargingProfile"] = refuse
        with pytest.raises(Unsupported):
            await scene.do(draft())

    scene(play)


def test_a_profile_that_could_let_more_flow_never_leaves(scene21):
    async def play(scene: Scene) -> None:
        with pytest.raises(InvalidInput) as refused:
            await scene.do(draft(periods=(SchedulePeriod(0, 8.1),)))
        assert {fault.field for fault in refused.value.errors} == {"periods"}
        assert set_by_people(scene) == []

    scene21(play)


def test_what_is_of_2_1_is_not_told_to_an_older_station(scene201):
    async def play(scene: Scene) -> None:
        for changed in (
            {"offline_s_max": 60},
            {"local_time": True},
            {"periods": (SchedulePeriod(0, 6.0, limit_l2=6.0),)},
            {"purpose": ProfilePurpose.PRIORITY, "duration_s": None},
        ):
            with pytest.raises(Conflict):
                await scene.do(draft(**changed))

    scene201(play)


def test_the_fields_of_2_1_go_out(scene21):
    async def play(scene: Scene) -> None:
        period = SchedulePeriod(0, 6.0, limit_l2=7.0, limit_l3=8.0, operation_mode="ChargingOnly")
        await scene.do(
            draft(
                periods=(period,), local_time=True, random_delay_s=30, soc_percent=80,
                soc_limit=6.0, offline_s_max=120,
            )
        )  # fmt: skip
        profile = set_by_people(scene)[0]["chargingProfile"]
        assert profile["maxOfflineDuration"] == 120
        assert profile["invalidAfterOfflineDuration"] is True
        (schedule,) = profile["chargingSchedule"]
        assert (schedule["useLocalTime"], schedule["randomizedDelay"]) == (True, 30)
        assert schedule["limitAtSoC"] == {"soc": 80, "limit": 6.0}
        assert schedule["chargingSchedulePeriod"] == [
            {"startPeriod": 0, "limit": 6.0, "limit_L2": 7.0, "limit_L3": 8.0,
             "operationMode": "ChargingOnly"}
        ]  # fmt: skip

    scene21(play)


CLEARED = [
    ({"profile_id": 1000}, {"chargingProfileId": 1000}),
    ({"profile_id": -5}, {"chargingProfileId": -5}),
    (
        {"purpose": ProfilePurpose.TX_DEFAULT, "stack_level": 1, "evse_id": 1},
        {"chargingProfileCriteria":
         {"evseId": 1, "chargingProfilePurpose": "TxDefaultProfile", "stackLevel": 1}},
    ),
]  # fmt: skip


def test_profiles_of_people_are_taken_out(scene):
    """Proves: TC_K_05_CSMS, TC_K_06_CSMS, TC_K_08_CSMS"""

    async def play(scene: Scene) -> None:
        states = {"Accepted": CommandState.ACCEPTED, "Unknown": CommandState.REJECTED}
        for status, state in states.items():
            scene.charger.answers["ClearChargingProfile"] = lambda _, s=status: {"status": s}
            for wanted, asked in CLEARED:
                result = await scene.do(ClearChargingProfiles(STATION, **wanted))
                assert asked in scene.charger.asked_for("ClearChargingProfile")
                assert result.state is state

    scene(play)


KEPT = [
    ({}, "stack_level"),
    ({"profile_id": 11}, "profile_id"),
    ({"evse_id": 1}, "stack_level"),
    ({"purpose": ProfilePurpose.TX_DEFAULT}, "stack_level"),
    ({"stack_level": 0}, "stack_level"),
    ({"purpose": ProfilePurpose.EXTERNAL, "stack_level": 1}, "purpose"),
]


def test_load_managements_own_profiles_stay(scene21):
    async def play(scene: Scene) -> None:
        for wanted, field in KEPT:
            with pytest.raises(InvalidInput) as refused:
                await scene.do(ClearChargingProfiles(STATION, **wanted))
            assert field in {fault.field for fault in refused.value.errors}

    scene21(play)


def test_a_composite_schedule_is_read(scene):
    """Proves: TC_K_43_CSMS, TC_K_44_CSMS"""

    async def play(scene: Scene) -> None:
        def answer(payload: dict[str, Any]) -> dict[str, Any]:
            return {
                "status": "Accepted",
                "schedule": {
                    "evseId": payload["evseId"],
                    "duration": payload["duration"],
                    "scheduleStart": instant(),
                    "chargingRateUnit": "A",
                    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10.0}],
                },
            }

        scene.charger.answers["GetCompositeSchedule"] = answer
        for evse_id in (1, 0):
            result = await scene.do(ReadSchedule(STATION, evse_id, 300, LimitUnit.A))
            asked = {"evseId": evse_id, "duration": 300, "chargingRateUnit": "A"}
            assert asked in scene.charger.asked_for("GetCompositeSchedule")
            assert result.answer["schedule"]["periods"][0]["limit"] == 10.0
            assert result.answer["schedule"]["duration_s"] == 300
        scene.charger.answers["GetCompositeSchedule"] = lambda _: {"status": "Rejected"}
        assert (await scene.do(ReadSchedule(STATION, 0))).state is CommandState.REJECTED

    scene(play)


def test_a_schedule_is_asked_for_over_a_time_that_makes_sense(scene21):
    async def play(scene: Scene) -> None:
        for duration_s in (0, 10**9):
            with pytest.raises(InvalidInput):
                await scene.do(ReadSchedule(STATION, 1, duration_s))

    scene21(play)
