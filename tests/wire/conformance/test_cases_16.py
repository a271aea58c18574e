"""OCPP 1.6's cases for a central system, as its compliance tool numbers them: the core, remote
control, configuration and smart charging. Lists, reservations, files and security have theirs with
the blocks they belong to.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.domain import commands
from sitecontroller.domain.authorization import IdTokenType, TokenRecord
from sitecontroller.domain.commands import CommandResult, CommandState, ResetType
from sitecontroller.domain.smart import StartLimited
from sitecontroller.domain.topology import EvseKey
from sitecontroller.domain.transaction import TransactionState
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from tests.support import eventually
from tests.wire.charger import Charger
from tests.wire.limits.box import box_at
from tests.wire.site import (
    CARDS,
    TestSite,
    boot16,
    instant,
    running_site,
    status16,
)

Play = Callable[[TestSite, Charger], Awaitable[None]]
REFUSED_CARDS = {"BLOCKED1": "Blocked", "EXPIRED1": "Expired", "STRANGER": "Invalid"}


@pytest.fixture
def play(run: Any, tmp_path: Path) -> Callable[[Play], None]:
    """`play(story)` runs `await story(site, charger)` with a booted 1.6 charger."""

    async def played(story: Play) -> None:
        async with running_site(tmp_path) as site, site.charger() as charger:
            await boot16(charger)
            await eventually(lambda: site.site.services.stations.link("CP-01") is not None)
            await story(site, charger)

    return lambda story: run(played(story))


async def execute(site: TestSite, command: commands.Command) -> CommandResult:
    """What an attendant asks for."""
    return await site.site.controller.execute(command)


async def authorized(charger: Charger, card: str = CARDS[0]) -> str:
    """The verdict on a card."""
    answer = await charger.call("Authorize", {"idTag": card})
    return str(answer["idTagInfo"]["status"])


async def started(charger: Charger, card: str = CARDS[0], ago_s: float = 0) -> dict[str, Any]:
    """A StartTransaction on connector 1; the answer."""
    at = datetime.now(UTC) - timedelta(seconds=ago_s)
    return await charger.call(
        "StartTransaction",
        {"connectorId": 1, "idTag": card, "meterStart": 1000, "timestamp": instant(at)},
    )


async def stopped(charger: Charger, transaction_id: int, **rest: Any) -> dict[str, Any]:
    """A StopTransaction; the answer."""
    payload = {
        "transactionId": transaction_id,
        "meterStop": 1500,
        "timestamp": instant(),
        **rest,
    }
    return await charger.call("StopTransaction", payload)


def test_a_cold_boot_is_accepted_with_time_and_interval(play: Any):
    """Proves: TC_001_CSMS."""

    async def story(site: TestSite, charger: Charger) -> None:
        answer = await charger.call(
            "BootNotification", {"chargePointVendor": "Test", "chargePointModel": "Wallbox"}
        )
        assert answer["status"] == "Accepted"
        assert answer["interval"] > 0
        assert datetime.fromisoformat(answer["currentTime"])
        for connector in (0, 1, 2):
            await status16(charger, connector, "Available")
        assert "currentTime" in await charger.call("Heartbeat", {})

    play(story)


@pytest.mark.parametrize("plug_first", [True, False])
def test_a_session_from_plug_and_card_in_either_order(play: Any, plug_first: bool):
    """Proves: TC_003_CSMS, TC_004_1_CSMS."""

    async def story(site: TestSite, charger: Charger) -> None:
        if plug_first:
            await status16(charger, 1, "Preparing")
            assert await authorized(charger) == "Accepted"
        else:
            assert await authorized(charger) == "Accepted"
            await status16(charger, 1, "Preparing")
        answer = await started(charger, ago_s=600)
        assert answer["idTagInfo"]["status"] == "Accepted"
        await status16(charger, 1, "Charging")
        answer = await stopped(charger, answer["transactionId"], idTag=CARDS[0], reason="Local")
        assert answer["idTagInfo"]["status"] == "Accepted"
        await status16(charger, 1, "Finishing")
        await status16(charger, 1, "Available")
        assert (await site.row()).energy_wh == Decimal(500)

    play(story)


def test_a_card_without_a_plug_times_out_and_leaves_no_session(play: Any):
    """Proves: TC_004_2_CSMS."""

    async def story(site: TestSite, charger: Charger) -> None:
        assert await authorized(charger) == "Accepted"
        await status16(charger, 1, "Preparing")
        await status16(charger, 1, "Available")
        assert await site.rows() == ()

    play(story)


def test_a_cable_drawn_at_the_car_ends_the_session(play: Any):
    """Proves: TC_005_1_CSMS."""

    async def story(site: TestSite, charger: Charger) -> None:
        transaction_id = (await started(charger, ago_s=600))["transactionId"]
        await status16(charger, 1, "SuspendedEV")
        assert await stopped(charger, transaction_id, reason="EVDisconnected") == {}
        await status16(charger, 1, "Finishing")
        assert (await site.row()).stop_reason == "EVDisconnected"

    play(story)


def test_a_cached_card_starts_without_asking_before(play: Any):
    """Proves: TC_007_CSMS."""

    async def story(site: TestSite, charger: Charger) -> None:
        await status16(charger, 1, "Preparing")
        assert (await started(charger))["idTagInfo"]["status"] == "Accepted"

    play(story)


@pytest.mark.parametrize("plug_first", [True, False])
def test_a_remote_start_before_or_after_the_plug(play: Any, plug_first: bool):
    """Proves: TC_010_CSMS, TC_011_1_CSMS."""

    async def story(site: TestSite, charger: Charger) -> None:
        if plug_first:
            await status16(charger, 1, "Preparing")
        result = await execute(site, commands.StartTransaction("CP-01", 1, CARDS[0]))
        assert result.state is CommandState.ACCEPTED
        if not plug_first:
            await status16(charger, 1, "Preparing")
        assert await authorized(charger) == "Accepted"
        await started(charger)
        assert (await site.row()).remote_start_id is not None

    play(story)


def test_a_remote_start_without_a_plug_leaves_no_session(play: Any):
    """Proves: TC_011_2_CSMS."""

    async def story(site: TestSite, charger: Charger) -> None:
        await execute(site, commands.StartTransaction("CP-01", 1, CARDS[0]))
        await status16(charger, 1, "Preparing")
        await status16(charger, 1, "Available")
        assert await site.rows() == ()

    play(story)


def test_a_remote_stop_names_the_transaction_and_may_be_refused(play: Any):
    """Proves: TC_012_CSMS, TC_028_CSMS."""

    async def story(site: TestSite, charger: Charger) -> None:
        transaction_id = (await started(charger, ago_s=600))["transactionId"]
        row = await site.row()
        charger.answers["RemoteStopTransaction"] = lambda _: {"status": "Rejected"}
        refused = await execute(site, commands.StopTransaction(row.key))
        assert (refused.state, refused.reason) == (CommandState.REJECTED, "Rejected")
        del charger.answers["RemoteStopTransaction"]
        result = await execute(site, commands.StopTransaction(row.key))
        assert result.state is CommandState.ACCEPTED
        assert charger.asked_for("RemoteStopTransaction")[-1] == {"transactionId": transaction_id}
        await stopped(charger, transaction_id, reason="Remote")
        assert (await site.row()).state is not TransactionState.ACTIVE

    play(story)


@pytest.mark.parametrize(
    ("kind", "word"), [(ResetType.IMMEDIATE, "Hard"), (ResetType.ON_IDLE, "Soft")]
)
def test_a_reset_hard_or_soft(play: Any, kind: ResetType, word: str):
    """Proves: TC_013_CSMS, TC_014_CSMS."""

    async def story(site: TestSite, charger: Charger) -> None:
        result = await execute(site, commands.ResetStation("CP-01", kind))
        assert result.state in (CommandState.ACCEPTED, CommandState.EFFECTIVE)
        assert charger.asked_for("Reset") == [{"type": word}]
        await boot16(charger)

    play(story)


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ("Unlocked", CommandState.EFFECTIVE),
        ("UnlockFailed", CommandState.REJECTED),
        ("NotSupported", CommandState.REJECTED),
    ],
)
@pytest.mark.parametrize("charging", [True, False])
def test_a_cable_is_released_and_each_answer_is_shown(
    play: Any, answer: str, state: CommandState, charging: bool
):
    """Proves: TC_017_1_CSMS, TC_017_2_CSMS, TC_018_1_CSMS, TC_030_CSMS, TC_031_CSMS."""

    async def story(site: TestSite, charger: Charger) -> None:
        if charging:
            await started(charger)
        charger.answers["UnlockConnector"] = lambda _: {"status": answer}
        result = await execute(site, commands.UnlockConnector("CP-01", 1))
        assert result.state is state
        assert charger.asked_for("UnlockConnector") == [{"connectorId": 1}]
        if state is CommandState.REJECTED:
            assert result.reason == answer

    play(story)


def test_settings_are_read_all_or_some(play: Any):
    """Proves: TC_019_1_CSMS, TC_019_2_CSMS."""

    async def story(site: TestSite, charger: Charger) -> None:
        setting = {"key": "HeartbeatInterval", "readonly": False, "value": "300"}
        charger.answers["GetConfiguration"] = lambda _: {
            "configurationKey": [setting],
            "unknownKey": [],
        }
        for names in ((), ("HeartbeatInterval",)):
            result = await execute(site, commands.GetVariables("CP-01", names))
            assert result.answer is not None
            assert result.answer["configurationKey"] == [setting]
        asked = charger.asked_for("GetConfiguration")
        assert {} in asked
        assert {"key": ["HeartbeatInterval"]} in asked

    play(story)


@pytest.mark.parametrize("answer", ["Accepted", "RebootRequired", "NotSupported", "Rejected"])
def test_a_setting_is_changed_or_the_refusal_is_told(play: Any, answer: str):
    """Proves: TC_021_CSMS, TC_040_1_CSMS, TC_040_2_CSMS."""

    async def story(site: TestSite, charger: Charger) -> None:
        charger.answers["ChangeConfiguration"] = lambda _: {"status": answer}
        result = await execute(site, commands.SetVariable("CP-01", "MeterValueSampleInterval", "7"))
        asked = charger.asked_for("ChangeConfiguration")
        assert {"key": "MeterValueSampleInterval", "value": "7"} in asked
        taken = answer in ("Accepted", "RebootRequired")
        assert result.state is (CommandState.ACCEPTED if taken else CommandState.REJECTED)
        assert taken or result.reason

    play(story)


@pytest.mark.parametrize("card", REFUSED_CARDS)
def test_a_card_that_may_not_charge_is_told_why(play: Any, card: str):
    """Proves: TC_023_1_CSMS, TC_023_2_CSMS, TC_023_3_CSMS."""

    async def story(site: TestSite, charger: Charger) -> None:
        past = datetime(2020, 1, 1, tzinfo=UTC)
        for record in (
            TokenRecord("BLOCKED1", IdTokenType.ISO14443, "", blocked=True),
            TokenRecord("EXPIRED1", IdTokenType.ISO14443, "", expires_at=past),
        ):
            await site.site.controller.put_token(record)
        assert await authorized(charger, card) == REFUSED_CARDS[card]
        assert await site.rows() == ()

    play(story)


def test_a_lock_failure_is_an_alarm_and_no_session(play: Any):
    """Proves: TC_024_CSMS."""

    async def story(site: TestSite, charger: Charger) -> None:
        assert await authorized(charger) == "Accepted"
        await charger.call(
            "StatusNotification",
            {"connectorId": 1, "errorCode": "ConnectorLockFailure", "status": "Faulted"},
        )
        codes = {alarm.code for alarm in site.site.services.alarms.open()}
        assert "station-faulted" in codes
        assert await site.rows() == ()

    play(story)


def test_a_remote_start_may_be_refused(play: Any):
    """Proves: TC_026_CSMS."""

    async def story(site: TestSite, charger: Charger) -> None:
        charger.answers["RemoteStartTransaction"] = lambda _: {"status": "Rejected"}
        result = await execute(site, commands.StartTransaction("CP-01", 1, CARDS[0]))
        assert result.state is CommandState.REJECTED

    play(story)


def test_after_a_power_failure_the_stop_comes_with_the_boot(play: Any):
    """Proves: TC_032_1_CSMS."""

    async def story(site: TestSite, charger: Charger) -> None:
        transaction_id = (await started(charger, ago_s=600))["transactionId"]
        await boot16(charger)
        await stopped(charger, transaction_id, reason="PowerLoss")
        row = await site.row()
        assert (row.stop_reason, row.energy_wh) == ("PowerLoss", Decimal(500))

    play(story)


@pytest.mark.parametrize(("card", "status"), [(CARDS[0], "Accepted"), ("STRANGER", "Invalid")])
def test_a_start_from_offline_hours_is_kept_whatever_its_card(play: Any, card: str, status: str):
    """Proves: TC_037_1_CSMS, TC_037_3_CSMS, TC_039_CSMS."""

    async def story(site: TestSite, charger: Charger) -> None:
        answer = await started(charger, card, ago_s=7200)
        assert answer["idTagInfo"]["status"] == status
        reason = "Local" if status == "Accepted" else "DeAuthorized"
        await stopped(charger, answer["transactionId"], reason=reason)
        row = await site.row()
        assert (row.energy_wh, row.stop_reason) == (Decimal(500), reason)

    play(story)


def test_a_message_is_asked_for_and_may_be_refused(play: Any):
    """Proves: TC_054_CSMS, TC_055_CSMS."""

    async def story(site: TestSite, charger: Charger) -> None:
        command = commands.TriggerMessage("CP-01", "MeterValues", 1)
        assert (await execute(site, command)).state is CommandState.ACCEPTED
        assert {"requestedMessage": "MeterValues", "connectorId": 1} in charger.asked_for(
            "TriggerMessage"
        )
        charger.answers["TriggerMessage"] = lambda _: {"status": "Rejected"}
        assert (await execute(site, command)).state is CommandState.REJECTED

    play(story)


def test_limits_are_set_read_back_and_taken_out(run: Any, tmp_path: Path):
    """By load management, as 1.6 has no other: a charger that takes no second TxDefaultProfile is
    told the limits of a session in a TxProfile.

    Proves: TC_056_CSMS, TC_057_CSMS, TC_066_CSMS, TC_067_CSMS.
    """

    async def played() -> None:
        async with running_site(tmp_path, clock=virtual_clock(), fallback_a=8.0) as site:
            await asyncio.sleep(320)  # limits of an earlier controller have lapsed
            async with box_at(site) as box:
                box.takes = lambda purpose, level: (purpose, level) != ("TxDefaultProfile", 1)
                box.charger.answers["GetCompositeSchedule"] = _composite
                default = await eventually(lambda: _profiles(box.charger, "TxDefaultProfile")[0])
                assert _shape(default) == (1, None, 0, "Absolute", "A", [8.0])
                asked = await eventually(lambda: box.charger.asked_for("GetCompositeSchedule"))
                assert asked[0] == {"connectorId": 1, "duration": 900, "chargingRateUnit": "A"}
                await box.begin()
                await asyncio.sleep(60)
                row = await site.row()
                number = int(row.station_transaction_id)
                limit = _profiles(box.charger, "TxProfile")[-1]
                assert _shape(limit)[:3] == (1, number, 0)
                told_a = _shape(limit)[-1][0]
                assert told_a > 8.0
                assert box.drawn_a == min(box.car_a, told_a)
                paused = await execute(site, commands.PauseCharging(row.key))
                assert paused.state is CommandState.ACCEPTED
                await eventually(lambda: box.drawn_a == 0)
                pause = _profiles(box.charger, "TxProfile")[-1]
                assert _shape(pause) == (1, number, 0, "Absolute", "A", [0])
                before = len(box.charger.asked_for("ClearChargingProfile"))
                await execute(site, commands.StopTransaction(row.key))
                cleared = await eventually(
                    lambda: box.charger.asked_for("ClearChargingProfile")[before:]
                )
                assert cleared == [{"id": pause["csChargingProfiles"]["chargingProfileId"]}]
                read = await eventually(lambda: box.charger.asked_for("GetCompositeSchedule")[2:])
                assert read[0]["connectorId"] == 1

    run(played(), loop_factory=VirtualLoop)


def _composite(payload: dict[str, Any]) -> dict[str, Any]:
    """What a charger with its fallback alone answers."""
    periods = [{"startPeriod": 0, "limit": 8.0}]
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": periods}
    return {
        "status": "Accepted",
        "connectorId": payload["connectorId"],
        "chargingSchedule": schedule,
    }


def _profiles(charger: Charger, purpose: str) -> list[dict[str, Any]]:
    """What it was told to keep for that purpose, oldest first."""
    asked = charger.asked_for("SetChargingProfile")
    return [p for p in asked if p["csChargingProfiles"]["chargingProfilePurpose"] == purpose]


def _shape(payload: dict[str, Any]) -> tuple[Any, ...]:
    """(connector, transaction, stack level, kind, unit, limits)."""
    profile = payload["csChargingProfiles"]
    schedule = profile["chargingSchedule"]
    return (
        payload["connectorId"],
        profile.get("transactionId"),
        profile["stackLevel"],
        profile["chargingProfileKind"],
        schedule["chargingRateUnit"],
        [period["limit"] for period in schedule["chargingSchedulePeriod"]],
    )


def test_a_session_is_begun_with_a_limit(run: Any, tmp_path: Path):
    """Proves: TC_059_CSMS."""

    async def played() -> None:
        async with (
            running_site(tmp_path, fallback_a=8.0, stations=("CP-01",)) as site,
            site.charger() as charger,
        ):
            await boot16(charger)
            await eventually(lambda: site.site.services.stations.link("CP-01") is not None)
            starting = asyncio.ensure_future(execute(site, StartLimited("CP-01", 1, CARDS[0], 6)))
            (asked,) = await eventually(lambda: charger.asked_for("RemoteStartTransaction"))
            assert (asked["connectorId"], asked["idTag"]) == (1, CARDS[0])
            profile = asked["chargingProfile"]
            assert profile["chargingProfilePurpose"] == "TxProfile"
            assert "transactionId" not in profile
            (period,) = profile["chargingSchedule"]["chargingSchedulePeriod"]
            assert period == {"startPeriod": 0, "limit": 6, "numberPhases": 3}
            assert (await started(charger))["idTagInfo"]["status"] == "Accepted"
            assert (await starting).state is CommandState.EFFECTIVE

    run(played())


def test_data_of_an_unknown_vendor_is_refused_politely(play: Any):
    """Proves: TC_064_CSMS."""

    async def story(site: TestSite, charger: Charger) -> None:
        answer = await charger.call("DataTransfer", {"vendorId": "com.nobody", "data": "x"})
        assert answer == {"status": "UnknownVendorId"}

    play(story)


def test_the_version_is_agreed_and_the_password_asked_for(play: Any):
    """Proves: TC_085_CSMS, TC_088_CSMS."""

    async def story(site: TestSite, charger: Charger) -> None:
        assert charger.socket.subprotocol == "ocpp1.6"
        view = site.site.controller.station_view("CP-01")
        assert view is not None
        assert (view.online, view.version) == (True, "1.6")
        key = EvseKey("CP-01", 1)
        assert site.site.services.stations.evse_state(key).online

    play(story)
