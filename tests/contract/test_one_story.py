"""One story of a charging session, told by a station of every version to the same services."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from sitecontroller.domain.authorization import AuthorizationStatus
from sitecontroller.domain.commands import ResetType
from sitecontroller.domain.errors import CallTimeout, InvalidInput
from sitecontroller.domain.metering import TimeQuality
from sitecontroller.domain.station import ConnectorStatus, RegistrationStatus
from sitecontroller.domain.topology import EvseKey
from sitecontroller.ocpp.commands import Priority
from sitecontroller.ocpp.frames import CallFault
from sitecontroller.ocpp.times import format_time, read_instant
from sitecontroller.ports import ChargingLimit
from sitecontroller.services.stations import BootAnswer
from tests.contract.fakes import Office
from tests.contract.stations import Talker16
from tests.support import eventually


def test_a_boot_is_answered_and_makes_the_station_ready(tell: Any) -> None:
    async def story(station: Any) -> None:
        answer = await station.boot()
        assert (answer["status"], answer["interval"]) == ("Accepted", 300)
        assert read_instant(answer["currentTime"]) == station.office.clock.now()
        (boot,) = station.office.stations.boots
        assert (boot.station_id, boot.vendor, boot.model) == ("CP-1", "Maker", "Box")
        assert station.session.calls_allowed
        assert station.office.stations.readiness == [True]
        assert station.dialect.booted()

    tell(story)


def test_a_whole_session_reaches_the_services_in_the_sites_words(tell: Any) -> None:
    async def story(station: Any) -> None:
        transactions = station.office.transactions
        await station.boot()
        await station.plugged(1)
        (report,) = station.office.stations.reports
        assert (report.evse_id, report.connector_id) == (1, 1)
        assert report.status is ConnectorStatus.OCCUPIED

        assert await station.authorize("04A2B3C4") == "Accepted"
        transaction_id = await station.start(1, "04A2B3C4", 1000)
        (started,) = transactions.starts
        assert (started.evse_id, started.connector_id, started.meter_start_wh) == (1, 1, 1000)
        assert started.id_token.id_token == "04A2B3C4"
        assert started.time.quality is TimeQuality.GOOD
        assert not started.offline

        await station.measure(1, transaction_id, 1500, (10.0, 11.0, 12.0))
        (updated,) = transactions.updates
        assert updated.station_transaction_id == transaction_id
        assert updated.readings[0].energy_import_wh == 1500
        key, reading = station.office.metering.live[-1]
        assert key == EvseKey("CP-1", 1)
        assert reading.current_a == (12.0, 10.0, 11.0)

        await station.stop(transaction_id, 9000)
        (ended,) = transactions.ends
        assert (ended.station_transaction_id, ended.meter_stop_wh) == (transaction_id, 9000)
        assert ended.stop_reason == "EVDisconnected"

    tell(story)


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (AuthorizationStatus.BLOCKED, {"Blocked"}),
        (AuthorizationStatus.EXPIRED, {"Expired"}),
        (AuthorizationStatus.INVALID, {"Invalid"}),
        (AuthorizationStatus.UNKNOWN, {"Invalid", "Unknown"}),
        (AuthorizationStatus.CONCURRENT_TX, {"ConcurrentTx"}),
    ],
)
def test_a_refused_card_is_refused_in_the_versions_words(
    tell: Any, status: AuthorizationStatus, word: set[str]
) -> None:
    async def story(station: Any) -> None:
        station.office.accept("CARD", status=status, parent_id_token="P" * 30)
        assert {await station.authorize("CARD")} <= word

    tell(story)


def test_a_verdict_carries_its_end_and_its_parent(tell: Any) -> None:
    async def story(station: Any) -> None:
        ends_at = station.office.clock.now() + timedelta(days=1)
        station.office.accept("CARD", expires_at=ends_at, parent_id_token="FLEET")
        if isinstance(station, Talker16):
            answer = await station.say("Authorize", {"idTag": "CARD"})
            parent = answer["idTagInfo"]["parentIdTag"]
            said = answer["idTagInfo"]["expiryDate"]
        else:
            token = {"idToken": "CARD", "type": "ISO14443"}
            answer = await station.say("Authorize", {"idToken": token})
            parent = answer["idTokenInfo"]["groupIdToken"]["idToken"]
            said = answer["idTokenInfo"]["cacheExpiryDateTime"]
        assert (parent, said) == ("FLEET", format_time(ends_at))

    tell(story)


def test_q26_a_refused_start_is_stored_all_the_same(tell: Any) -> None:
    async def story(station: Any) -> None:
        await station.start(1, "STRANGER", 500)
        assert len(station.office.transactions.starts) == 1

    tell(story)


def test_a_heartbeat_is_answered_with_the_time(tell: Any) -> None:
    async def story(station: Any) -> None:
        answer = await station.heartbeat()
        assert read_instant(answer["currentTime"]) == station.office.clock.now()

    tell(story)


def test_data_transfer_of_a_vendor_we_do_not_know_is_said_so(tell: Any) -> None:
    async def story(station: Any) -> None:
        answer = await station.say("DataTransfer", {"vendorId": "com.example"})
        assert answer == {"status": "UnknownVendorId"}

    tell(story)


@pytest.mark.parametrize("action", ["FirmwareStatusNotification"])
def test_a_firmware_status_is_acknowledged(tell: Any, action: str) -> None:
    async def story(station: Any) -> None:
        assert await station.say(action, {"status": "Installed"}) == {}

    tell(story)


@pytest.mark.parametrize(
    ("action", "code"), [("Reset", "NotSupported"), ("MakeCoffee", "NotImplemented")]
)
def test_q20_an_action_we_do_not_take_is_refused_by_its_right_name(
    tell: Any, action: str, code: str
) -> None:
    async def story(station: Any) -> None:
        with pytest.raises(CallFault) as fault:
            await station.dialect.answer(action, {}, station.office.clock.now())
        assert fault.value.code == code

    tell(story)


def test_a_station_nobody_knows_waits_and_is_refused_the_rest(tell: Any) -> None:
    async def story(station: Any) -> None:
        station.office.stations.answer = BootAnswer(RegistrationStatus.PENDING, 30)
        assert (await station.boot())["status"] == "Pending"
        assert station.office.stations.readiness == []
        assert (await station.heartbeat())["currentTime"]
        with pytest.raises(CallFault) as fault:
            await station.authorize("04A2B3C4")
        assert fault.value.code == "SecurityError"

    tell(story, station=None)


@pytest.mark.parametrize("verdict", [RegistrationStatus.PENDING, RegistrationStatus.ACCEPTED])
def test_a_station_of_the_site_without_a_password_bills_nothing(
    tell: Any, verdict: RegistrationStatus
) -> None:
    async def story(station: Any) -> None:
        with pytest.raises(CallFault) as fault:
            await station.start(1, "04A2B3C4", 0)
        assert fault.value.code == "SecurityError"
        await station.boot()
        with pytest.raises(CallFault):
            await station.start(1, "04A2B3C4", 0)
        assert station.office.transactions.starts == []
        assert station.office.stations.readiness == []

    office = Office()
    office.stations.has_password = False
    office.stations.answer = BootAnswer(verdict, 30)
    tell(story, office=office)


def test_a_station_that_got_its_password_is_taken_in_by_its_next_boot(tell: Any) -> None:
    async def story(station: Any) -> None:
        await station.boot()
        station.office.stations.has_password = True
        await station.boot()
        await station.start(1, "04A2B3C4", 0)
        assert len(station.office.transactions.starts) == 1

    office = Office()
    office.stations.has_password = False
    tell(story, office=office)


def test_registers_and_readings_beyond_what_is_physical_are_unknown_and_counted(tell: Any) -> None:
    async def story(station: Any) -> None:
        transaction_id = await station.start(1, "04A2B3C4", 2**53 - 1)
        await station.measure(1, transaction_id, 2**53 - 1, (1e6, 10.0, 10.0))
        await station.stop(transaction_id, 2**53 - 1)
        transactions = station.office.transactions
        assert transactions.starts[0].meter_start_wh is None
        (reading,) = transactions.updates[0].readings
        assert reading.energy_import_wh is None
        assert reading.current_a == (10.0, None, 10.0)
        assert transactions.ends[0].meter_stop_wh is None
        assert len(station.session.faults) == 4
        assert all("out of bounds" in fault for _, fault in station.session.faults)

    tell(story)


def test_a_station_that_waits_is_not_set_up(tell: Any) -> None:
    async def story(station: Any) -> None:
        station.office.stations.answer = BootAnswer(RegistrationStatus.PENDING, 30)
        await station.boot()
        station.dialect.became_ready(rebooted=False)
        await asyncio.sleep(5)
        assert station.session.said == []
        assert station.office.stations.readiness == []

    tell(story)


def test_a_station_that_waits_may_be_told_its_password(tell: Any) -> None:
    async def story(station: Any) -> None:
        station.office.stations.answer = BootAnswer(RegistrationStatus.PENDING, 30)
        await station.boot()
        assert station.session.calls_allowed
        is_16 = isinstance(station, Talker16)
        name = "AuthorizationKey" if is_16 else "SecurityCtrlr.BasicAuthPassword"
        answer = await station.dialect.set_variable(name, "secret")
        assert answer.accepted

    tell(story, station=None)


# what we say


def test_q53_a_remote_start_names_its_place(tell: Any) -> None:
    async def story(station: Any) -> None:
        answer = await station.dialect.start(2, 1, "04A2B3C4", 99)
        assert answer.accepted
        (said,) = station.session.said
        assert 2 in (said.payload.get("connectorId"), said.payload.get("evseId"))

    tell(story)


def test_q53_the_start_that_follows_is_known_as_its_answer(tell: Any) -> None:
    async def story(station: Any) -> None:
        await station.dialect.start(1, 1, "04A2B3C4", 99)
        if isinstance(station, Talker16):
            await station.start(1, "04a2b3c4", 0)
        else:
            await station.event("Started", "T", evse={"id": 1}, info={"remoteStartId": 99})
        assert station.office.transactions.starts[0].remote_start_id == 99

    tell(story)


@pytest.mark.parametrize("card", ["X" * 17, "DE-ABC-C1", ""])
def test_q24_a_card_number_not_every_station_takes_is_refused_here(tell: Any, card: str) -> None:
    async def story(station: Any) -> None:
        with pytest.raises(InvalidInput):
            await station.dialect.start(1, 1, card, 1)
        assert station.session.said == []

    tell(story)


def test_q24_a_card_is_sent_in_capitals(tell: Any) -> None:
    async def story(station: Any) -> None:
        await station.dialect.start(1, 1, "04a2b3c4", 1)
        (said,) = station.session.said
        token = said.payload.get("idTag") or said.payload["idToken"]["idToken"]
        assert token == "04A2B3C4"

    tell(story)


def test_a_stop_goes_before_an_attendants_wish(tell: Any) -> None:
    async def story(station: Any) -> None:
        answer = await station.dialect.stop("4711")
        assert answer.accepted
        assert station.session.said[0].priority is Priority.STOP

    tell(story)


def test_a_refusal_is_an_answer(tell: Any) -> None:
    async def story(station: Any) -> None:
        for reply in station.session.replies:
            if reply.endswith("StopTransaction"):
                station.session.replies[reply] = {"status": "Rejected"}
        answer = await station.dialect.stop("4711")
        assert (answer.accepted, answer.status) == (False, "Rejected")

    tell(story)


def test_unlock_and_reset_are_said_in_the_versions_words(tell: Any) -> None:
    async def story(station: Any) -> None:
        assert (await station.dialect.unlock(1, 1)).accepted
        for reset_type in ResetType:
            assert (await station.dialect.reset(reset_type)).accepted

    tell(story)


def test_q55_availability_refused_for_the_whole_is_asked_for_each(tell: Any) -> None:
    async def story(station: Any) -> None:
        def whole_refused(payload: dict[str, Any]) -> dict[str, Any]:
            is_whole = payload.get("connectorId") == 0 or (
                "connectorId" not in payload and "evse" not in payload
            )
            return {"status": "Rejected" if is_whole else "Scheduled"}

        station.session.replies["ChangeAvailability"] = whole_refused
        answer = await station.dialect.change_availability(None, operative=False)
        assert answer.accepted
        assert len(station.session.said) == 3

    tell(story)


def test_q55_one_refusal_among_the_evses_is_told(tell: Any) -> None:
    async def story(station: Any) -> None:
        station.session.replies["ChangeAvailability"] = {"status": "Rejected"}
        answer = await station.dialect.change_availability(None, operative=True)
        assert (answer.accepted, answer.status) == (False, "Rejected")

    tell(story)


def test_messages_can_be_asked_for(tell: Any) -> None:
    async def story(station: Any) -> None:
        for message in ("StatusNotification", "MeterValues", "BootNotification"):
            assert (await station.dialect.trigger(message, None)).accepted
            assert (await station.dialect.trigger(message, 1)).accepted

    tell(story)


# limits


def test_a_fallback_is_permanent_and_lowest(tell: Any) -> None:
    async def story(station: Any) -> None:
        assert (await station.dialect.set_fallback(1, 6.0, 3)).accepted
        profile = station.limit_sent()
        assert profile["evse_id"] == 1
        assert profile["chargingProfilePurpose"] == "TxDefaultProfile"
        assert profile["stackLevel"] == 0
        assert "validTo" not in profile
        assert "duration" not in station.schedule(profile)

    tell(story)


def test_a_stations_maximum_is_for_the_whole_station(tell: Any) -> None:
    async def story(station: Any) -> None:
        assert (await station.dialect.set_station_maximum(63.0)).accepted
        profile = station.limit_sent()
        assert profile["evse_id"] == 0
        assert profile["chargingProfilePurpose"].endswith("MaxProfile")

    tell(story)


def test_a_limit_is_a_lease_in_the_stations_own_clock(tell: Any) -> None:
    async def story(station: Any) -> None:
        station.office.clock.passed_s = 100
        ahead_s = 7.0
        station.stamp = lambda ago_s=0.0: format_time(
            station.office.clock.now() + timedelta(seconds=ahead_s)
        )
        await station.plugged(1)
        assert station.dialect.clock_offset_s == pytest.approx(ahead_s)
        limit = ChargingLimit(1, 16.25, 3, lease_s=300, transaction_id="4711")
        assert (await station.dialect.set_limit(limit)).accepted
        profile = station.limit_sent()
        schedule = station.schedule(profile)
        ends_at = station.office.clock.now() + timedelta(seconds=300 + ahead_s)
        assert read_instant(profile["validTo"]) == ends_at
        starts_at = read_instant(schedule["startSchedule"])
        assert starts_at == station.office.clock.now() + timedelta(seconds=ahead_s - 60)
        assert starts_at + timedelta(seconds=schedule["duration"]) == ends_at
        (period,) = schedule["chargingSchedulePeriod"]
        assert period == {"startPeriod": 0, "limit": 16.2, "numberPhases": 3}

    tell(story)


def test_a_limit_without_a_known_clock_is_no_lease(tell: Any) -> None:
    async def story(station: Any) -> None:
        await station.dialect.set_limit(ChargingLimit(1, 10.0, 3, lease_s=300, transaction_id="7"))
        profile = station.limit_sent()
        assert profile["chargingProfileKind"] == "Relative"
        assert "validTo" not in profile

    tell(story)


def test_q46_a_pause_is_zero(tell: Any) -> None:
    async def story(station: Any) -> None:
        await station.dialect.set_limit(ChargingLimit(1, 0.0, 3, transaction_id="7"))
        (period,) = station.schedule(station.limit_sent())["chargingSchedulePeriod"]
        assert period["limit"] == 0

    tell(story)


def test_q46_a_limit_below_the_minimum_never_leaves(tell: Any) -> None:
    async def story(station: Any) -> None:
        with pytest.raises(AssertionError):
            await station.dialect.set_limit(ChargingLimit(1, 5.9, 3, transaction_id="7"))
        assert station.session.said == []

    tell(story)


def test_q50_limits_of_one_evse_replace_each_other_at_safety_priority(tell: Any) -> None:
    async def story(station: Any) -> None:
        await station.dialect.set_limit(ChargingLimit(1, 10.0, 3, transaction_id="7"))
        await station.dialect.set_limit(ChargingLimit(2, 10.0, 3, transaction_id="8"))
        await station.dialect.clear_limit(1)
        assert [said.key for said in station.session.said] == ["limit-1", "limit-2", "limit-1"]
        assert {said.priority for said in station.session.said} == {Priority.SAFETY}
        assert {said.deadline_s for said in station.session.said} == {10.0}

    tell(story)


def test_a_lease_that_is_not_there_is_taken_back_too(tell: Any) -> None:
    async def story(station: Any) -> None:
        station.session.replies["ClearChargingProfile"] = {"status": "Unknown"}
        assert (await station.dialect.clear_limit(1)).accepted

    tell(story)


def test_a_composite_schedule_tells_what_holds(tell: Any) -> None:
    async def story(station: Any) -> None:
        station.session.replies["GetCompositeSchedule"] = station.composite(12.5)
        found = await station.dialect.composite_limit(1)
        assert (found.current_a, found.duration_s) == (12.5, 900)
        station.session.replies["GetCompositeSchedule"] = {"status": "Rejected"}
        assert (await station.dialect.composite_limit(1)).current_a is None

    tell(story)


# time, offline hours, set-up


def test_q33_samples_from_offline_hours_do_not_reach_the_live_view(tell: Any) -> None:
    async def story(station: Any) -> None:
        await station.plugged(1)
        now = station.stamp
        transaction_id = await station.start(1, "04A2B3C4", 0)
        station.stamp = lambda ago_s=0.0: now(3600)
        await station.measure(1, transaction_id, 500, (16.0, 16.0, 16.0))
        assert station.office.metering.live == []
        assert station.office.transactions.updates[0].readings[0].energy_import_wh == 500
        station.stamp = now
        await station.measure(1, transaction_id, 600, (8.0, 8.0, 8.0))
        assert station.office.metering.live[-1][1].current_a == (8.0, 8.0, 8.0)

    tell(story)


def test_q13_a_reconnect_without_a_boot_asks_how_the_evses_are(tell: Any) -> None:
    async def story(station: Any) -> None:
        station.dialect.became_ready(rebooted=False)
        assert station.office.stations.readiness == [False]
        await eventually(lambda: len(station.session.said) == 2)
        assert {said.action for said in station.session.said} == {"TriggerMessage"}
        assert {said.priority for said in station.session.said} == {Priority.HOUSEKEEPING}

    tell(story)


def test_q13_a_boot_that_was_asked_for_is_no_reboot(tell: Any) -> None:
    async def story(station: Any) -> None:
        station.dialect.became_ready(rebooted=False)
        if isinstance(station, Talker16):
            await station.boot()
        else:
            await station.boot(reason="Triggered")
        assert station.office.stations.readiness == [False]

    tell(story)


def test_q14_set_up_follows_the_boot_at_housekeeping_priority(tell: Any) -> None:
    async def story(station: Any) -> None:
        await station.boot()
        await eventually(lambda: "set-up/CP-1" in station.office.stations.facts)
        assert {said.priority for said in station.session.said} == {Priority.HOUSEKEEPING}
        assert max(said.deadline_s for said in station.session.said) <= 10

    tell(story)


def test_q14_a_silent_station_is_left_alone_after_two_commands(tell: Any) -> None:
    async def story(station: Any) -> None:
        for action in station.session.replies:
            station.session.replies[action] = CallTimeout("no answer")
        await station.boot()
        await eventually(lambda: not station.dialect._setting_up)
        assert len(station.session.said) == 2

    tell(story)


def test_what_is_missing_of_a_transaction_is_asked_for_where_it_can_be(tell: Any) -> None:
    async def story(station: Any) -> None:
        station.session.replies["GetTransactionStatus"] = {"messagesInQueue": False}
        await station.dialect.ask_for_missing("T-1")
        wanted = [] if isinstance(station, Talker16) else [Priority.HOUSEKEEPING]
        assert [said.priority for said in station.session.said] == wanted

    tell(story)


def test_the_link_can_be_proven_alive_and_ended(tell: Any) -> None:
    async def story(station: Any) -> None:
        await station.dialect.poll()
        await station.dialect.close("enough")
        assert station.session.closed_with == "enough"

    tell(story)


def test_a_technicians_call_goes_out_as_it_is(tell: Any) -> None:
    async def story(station: Any) -> None:
        station.session.replies["ClearCache"] = {"status": "Accepted"}
        assert await station.dialect.call("ClearCache", {}) == {"status": "Accepted"}

    tell(story)
