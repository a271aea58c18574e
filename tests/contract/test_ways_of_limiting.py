"""What a station may draw between two limits where they stand in an unusual place (Q44)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sitecontroller.domain.errors import Conflict
from sitecontroller.domain.smart import (
    ClearProfiles,
    LimitedStart,
    ProfileKind,
    ProfilePurpose,
    PutProfile,
    SchedulePeriod,
    SetChargingProfile,
)
from sitecontroller.domain.topology import ChargingStation, Evse, LimitUnit
from sitecontroller.ports import ChargingLimit
from tests.contract.stations import ONE_EVSE

FALLBACK_A = 8.0
IN_AMPERES = Evse("CP-1", 1, "main", fallback_a=FALLBACK_A)
IN_WATTS = replace(IN_AMPERES, limit_unit=LimitUnit.W)


def box(evse: Evse) -> ChargingStation:
    return replace(ONE_EVSE, evses=(evse,))


def taking_only(*purposes: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def answer(payload: dict[str, Any]) -> dict[str, Any]:
        profile = payload.get("csChargingProfiles") or payload["chargingProfile"]
        purpose = profile["chargingProfilePurpose"]
        return {"status": "Accepted" if purpose in purposes else "Rejected"}

    return answer


MAXIMA = "ChargePointMaxProfile", "ChargingStationMaxProfile"


async def limit(station: Any, current_a: float, phase_count: int = 3) -> None:
    said = ChargingLimit(1, current_a, phase_count, lease_s=300, transaction_id="4711")
    assert (await station.dialect.set_limit(said)).accepted


def sent(station: Any) -> float:
    (period,) = station.schedule(station.limit_sent())["chargingSchedulePeriod"]
    found: float = period["limit"]
    return found


@pytest.mark.parametrize("again", ["its session ended", "it reconnected"])
@pytest.mark.parametrize(("evse", "fallback"), [(IN_AMPERES, FALLBACK_A), (IN_WATTS, 1_840)])
def test_a_box_that_is_limited_by_its_maximum_falls_back_there(
    tell: Any, again: str, evse: Evse, fallback: float
) -> None:
    """It was told its full maximum, while load management counted on its fallback."""

    async def story(station: Any) -> None:
        station.session.replies["SetChargingProfile"] = taking_only(*MAXIMA)
        await limit(station, 16.0)
        assert station.limit_sent()["chargingProfilePurpose"] in MAXIMA
        if again == "its session ended":
            await station.dialect.clear_limit(1)
        else:
            await station.dialect.set_station_maximum(32.0)
        assert sent(station) == fallback

    tell(story, station=box(evse))


def test_a_maximum_in_watts_lets_one_phase_take_no_more_than_the_limit(tell: Any) -> None:
    async def story(station: Any) -> None:
        station.session.replies["SetChargingProfile"] = taking_only(*MAXIMA)
        await limit(station, 16.0, phase_count=1)
        assert sent(station) == 16 * 230

    tell(story, station=box(IN_WATTS))


def test_a_setting_in_amperes_gets_amperes_when_the_session_ends(tell16: Any) -> None:
    async def story(station: Any) -> None:
        station.dialect.quirks = replace(station.dialect.quirks, limit_setting="MaxCurrent")
        station.session.replies["SetChargingProfile"] = taking_only()
        station.session.replies["ChangeConfiguration"] = {"status": "Accepted"}
        await limit(station, 16.0)
        await station.dialect.clear_limit(1)
        written = station.session.payloads("ChangeConfiguration")[-2:]
        assert [each["value"] for each in written] == ["16", "8"]

    tell16(story, station=box(IN_WATTS))


def test_nobodys_profile_stands_over_the_limits_of_load_management(tell201: Any) -> None:
    """A TxDefaultProfile of higher level let the fallback flow while 0 A were told."""

    def draft(purpose: ProfilePurpose) -> PutProfile:
        periods = (SchedulePeriod(0, FALLBACK_A, 3),)
        wanted = SetChargingProfile(
            "CP-1", 1, 1000, purpose, stack_level=2, unit=LimitUnit.A, periods=periods,
            kind=ProfileKind.ABSOLUTE,
        )  # fmt: skip
        return PutProfile(wanted)

    async def story(station: Any) -> None:
        by_default = draft(ProfilePurpose.TX_DEFAULT)
        assert (await station.dialect.ask(by_default)).accepted
        station.session.replies["SetChargingProfile"] = taking_only("TxDefaultProfile")
        await limit(station, 0.0)
        with pytest.raises(Conflict, match="limits"):
            await station.dialect.ask(by_default)
        station.session.replies["SetChargingProfile"] = taking_only(*MAXIMA)
        await limit(station, 0.0)
        with pytest.raises(Conflict, match="limits"):
            await station.dialect.ask(draft(ProfilePurpose.STATION_MAXIMUM))

    tell201(story, station=box(IN_AMPERES))


def test_a_technicians_call_changes_no_limit(tell: Any) -> None:
    """It could take the fallback out of a charger that was counted by it."""

    async def story(station: Any) -> None:
        field = station.dialect.PROFILE_ID_FIELD
        start = station.dialect.START
        for action, payload in (
            (start, {"chargingProfile": {"chargingProfilePurpose": "TxProfile"}}),
            ("SetChargingProfile", {}),
            ("UpdateDynamicSchedule", {}),
            ("ClearChargingProfile", {}),
            ("ClearChargingProfile", {field: 11}),
        ):
            with pytest.raises(Conflict, match="load management"):
                await station.dialect.call(action, payload)
        assert station.session.payloads("ClearChargingProfile") == []
        assert station.session.payloads(start) == []
        foreign = {field: 4711}
        answer = await station.dialect.call("ClearChargingProfile", foreign)
        assert answer == {"status": "Accepted"}

    tell(story, station=box(IN_AMPERES))


def test_a_technicians_call_makes_no_session_follow_its_priority_profile(tell21: Any) -> None:
    """Its fallback has to be kept free before; that it ends may always be said."""

    async def story(station: Any) -> None:
        begin = {"transactionId": "T1", "activate": True}
        with pytest.raises(Conflict, match="load management"):
            await station.dialect.call("UsePriorityCharging", begin)
        end = {**begin, "activate": False}
        station.session.replies["UsePriorityCharging"] = {"status": "Accepted"}
        await station.dialect.call("UsePriorityCharging", end)
        assert station.session.payloads("UsePriorityCharging") == [end]

    tell21(story, station=box(IN_AMPERES))


def test_a_start_limited_in_watts_lets_one_phase_take_no_more_than_its_limit(tell: Any) -> None:
    """A car on one phase took three times the fallback that was kept free for it."""

    async def story(station: Any) -> None:
        assert (await station.dialect.ask(LimitedStart(1, "04A2B3C4", 7, FALLBACK_A))).accepted
        (start,) = station.session.payloads(station.dialect.START)
        schedule = station.schedule(start["chargingProfile"])
        (period,) = schedule["chargingSchedulePeriod"]
        assert (schedule["chargingRateUnit"], period["limit"]) == ("W", FALLBACK_A * 230)

    tell(story, station=box(IN_WATTS))


def test_nobody_takes_out_a_limit_by_its_place(tell201: Any) -> None:
    """The fallback flowed then, while 0 A were told."""
    by_level = ClearProfiles(None, None, ProfilePurpose.TX_DEFAULT, 1)

    async def story(station: Any) -> None:
        assert (await station.dialect.ask(by_level)).accepted
        with pytest.raises(Conflict, match="load management"):
            await station.dialect.ask(ClearProfiles(11, None, None, None))
        station.session.replies["SetChargingProfile"] = taking_only("TxDefaultProfile")
        await limit(station, 0.0)
        with pytest.raises(Conflict, match="load management"):
            await station.dialect.ask(by_level)
        assert (await station.dialect.ask(ClearProfiles(4711, None, None, None))).accepted

    tell201(story, station=box(IN_AMPERES))
