"""What only 2.1 stations do: leases that end offline, the writes they bear, dynamic limits."""

from typing import Any

import pytest

from sitecontroller.domain.authorization import IdToken, IdTokenType
from sitecontroller.domain.errors import CallRefused, CallTimeout
from sitecontroller.domain.station import OcppVersion
from sitecontroller.ocpp import frames
from sitecontroller.ocpp.commands import Priority
from sitecontroller.ports import ChargingLimit, LimitSuperseded
from tests.contract.fakes import Office
from tests.support import eventually

LEASE_S = 300


class Smart:
    """The smart-charging services as far as limits ask them."""

    def __init__(self, pull_s: int | None) -> None:
        self.pull_s = pull_s
        self.pulls: list[tuple[str, int]] = []

    async def dynamic_pull_s(self, station_id: str) -> int | None:
        return self.pull_s

    async def pulled(self, key: Any, lease_s: int) -> None:
        self.pulls.append((str(key), lease_s))


class Blocks:
    """Of all blocks only smart charging."""

    def __init__(self, smart: Smart) -> None:
        self.smart = smart


def dynamic_office(pull_s: int | None = 0) -> Office:
    office = Office()
    office.blocks = Blocks(Smart(pull_s))
    return office


def limit(current_a: float = 16.0, **changed: Any) -> ChargingLimit:
    wanted = {"phase_count": 3, "lease_s": LEASE_S, "transaction_id": "T-1"}
    return ChargingLimit(1, current_a, **{**wanted, **changed})


def refusal(reason: str, info: str = "") -> dict[str, Any]:
    return {"status": "Rejected", "statusInfo": {"reasonCode": reason, "additionalInfo": info}}


# leases


def test_a_lease_ends_when_the_station_is_offline_for_as_long(tell21: Any) -> None:
    async def story(station: Any) -> None:
        await station.status(1, "Occupied")
        await station.dialect.set_limit(limit())
        profile = station.limit_sent()
        assert profile["chargingProfilePurpose"] == "TxProfile"
        assert profile["maxOfflineDuration"] == LEASE_S
        assert profile["invalidAfterOfflineDuration"] is True
        assert profile["chargingSchedule"][0]["duration"] == LEASE_S + 60
        assert "validTo" in profile

    tell21(story)


def test_what_holds_for_ever_holds_offline_too(tell21: Any) -> None:
    async def story(station: Any) -> None:
        await station.status(1, "Occupied")
        await station.dialect.set_fallback(1, 8.0, 3)
        await station.dialect.set_station_maximum(63.0)
        await station.dialect.set_limit(limit(6.0, lease_s=None))
        for payload in station.session.payloads("SetChargingProfile"):
            assert "maxOfflineDuration" not in payload["chargingProfile"]

    tell21(story)


def test_a_station_that_knows_no_offline_end_gets_the_lease_without(tell21: Any) -> None:
    async def story(station: Any) -> None:
        def picky(payload: dict[str, Any]) -> dict[str, Any]:
            knows = "maxOfflineDuration" not in payload["chargingProfile"]
            return {"status": "Accepted"} if knows else refusal("InvalidProfile")

        station.session.replies["SetChargingProfile"] = picky
        await station.status(1, "Occupied")
        assert (await station.dialect.set_limit(limit())).accepted
        assert (await station.dialect.set_limit(limit(10.0))).accepted
        sent = station.session.payloads("SetChargingProfile")
        assert ["maxOfflineDuration" in each["chargingProfile"] for each in sent] == [
            True, False, False
        ]  # fmt: skip
        assert {each["chargingProfile"]["chargingProfilePurpose"] for each in sent} == {"TxProfile"}

    tell21(story)


def test_profiles_are_numbered_above_those_of_outside_limits(tell21: Any) -> None:
    """K01.FR.80."""

    async def story(station: Any) -> None:
        def variables(payload: dict[str, Any]) -> dict[str, Any]:
            return {
                "getVariableResult": [
                    {"attributeStatus": "Accepted", "attributeValue": "500", **wanted}
                    for wanted in payload["getVariableData"]
                ]
            }

        def numbered(payload: dict[str, Any]) -> dict[str, Any]:
            taken = payload["chargingProfile"]["id"] > 500
            return {"status": "Accepted"} if taken else refusal("InvalidProfileId")

        station.session.replies |= {"GetVariables": variables, "SetChargingProfile": numbered}
        assert (await station.dialect.set_fallback(1, 8.0, 3)).accepted
        assert station.limit_sent()["id"] == 511
        assert station.session.last("GetVariables").priority is Priority.SAFETY
        assert (await station.dialect.set_limit(limit())).accepted
        assert (
            station.limit_sent()["id"] == station.limit_sent()["chargingSchedule"][0]["id"] == 512
        )
        await station.dialect.clear_limit(1)
        assert station.session.payloads("ClearChargingProfile") == [{"chargingProfileId": 512}]
        assert len(station.session.payloads("GetVariables")) == 1

    tell21(story)


# how often it bears a write


def test_a_station_that_bears_no_write_now_is_raised_later_and_lowered_at_once(
    tell21: Any,
) -> None:
    """K01.FR.57 to FR.59: only increases wait."""

    async def story(station: Any) -> None:
        station.session.replies["SetChargingProfile"] = refusal(
            "RateLimitExceeded", "40 seconds before retry"
        )
        with pytest.raises(CallRefused):
            await station.dialect.set_limit(limit(16.0))
        assert len(station.session.payloads("SetChargingProfile")) == 1
        assert not station.dialect.may_raise(1)
        assert station.dialect.may_raise(2)
        station.office.clock.passed_s = 39
        assert not station.dialect.may_raise(1)
        station.session.replies["SetChargingProfile"] = {"status": "Accepted"}
        assert (await station.dialect.set_limit(limit(6.0))).accepted
        assert station.dialect.may_raise(1)

    tell21(story)


def test_a_named_time_between_writes_holds_for_what_is_written_to_flash(tell21: Any) -> None:
    async def story(station: Any) -> None:
        said = {
            "UpdateRateLimit": "30", "ChargingProfilePersistence": "true",
            "TxUpdatedInterval": "10",
        }  # fmt: skip

        def variables(payload: dict[str, Any]) -> dict[str, Any]:
            return {
                "getVariableResult": [
                    {
                        "attributeStatus": "Accepted" if name in said else "UnknownVariable",
                        "attributeValue": said.get(name, ""),
                        **wanted,
                    }
                    for wanted in payload["getVariableData"]
                    for name in (wanted["variable"]["name"],)
                ]
            }

        station.session.replies["GetVariables"] = variables
        await station.boot()
        await eventually(lambda: station.dialect._pace.update_s == 30)
        assert station.dialect._pace.keeps_tx_profiles
        assert station.dialect.may_raise(1)
        await station.dialect.set_limit(limit())
        assert not station.dialect.may_raise(1)
        assert station.dialect.may_raise(2)
        station.office.clock.passed_s += 30
        assert station.dialect.may_raise(1)

    tell21(story)


def test_a_station_that_says_nothing_bears_every_write(tell21: Any) -> None:
    async def story(station: Any) -> None:
        await station.boot()
        await eventually(lambda: not station.dialect._setting_up)
        await station.dialect.set_limit(limit())
        assert station.dialect.may_raise(1)

    tell21(story)


# dynamic limits


async def pull(station: Any, profile_id: int = 12) -> dict[str, Any]:
    payload = {"chargingProfileId": profile_id}
    answer: dict[str, Any] = await station.say("PullDynamicScheduleUpdate", payload)
    return answer


def test_a_dynamic_limit_is_set_once_and_then_updated(tell21: Any) -> None:
    async def story(station: Any) -> None:
        station.session.replies["UpdateDynamicSchedule"] = {"status": "Accepted"}
        await station.status(1, "Occupied")
        assert (await station.dialect.set_limit(limit(16.0))).accepted
        profile = station.limit_sent()
        assert profile["chargingProfileKind"] == "Dynamic"
        assert "dynUpdateInterval" not in profile
        assert "validTo" not in profile
        (schedule,) = profile["chargingSchedule"]
        assert "startSchedule" not in schedule
        assert schedule["duration"] == profile["maxOfflineDuration"] == LEASE_S
        assert schedule["chargingSchedulePeriod"] == [
            {"startPeriod": 0, "limit": 16, "numberPhases": 3}
        ]
        assert (await station.dialect.set_limit(limit(10.2))).accepted
        said = station.session.last("UpdateDynamicSchedule")
        assert said.payload == {"chargingProfileId": 12, "scheduleUpdate": {"limit": 10.2}}
        assert (said.priority, said.key) == (Priority.SAFETY, "limit-1")
        assert len(station.session.payloads("SetChargingProfile")) == 1

    tell21(story, office=dynamic_office())


@pytest.mark.parametrize(
    "changed", [{"transaction_id": "T-2"}, {"lease_s": None}, {"lease_s": 120}]
)
def test_another_session_or_lease_has_a_profile_of_its_own(tell21: Any, changed: Any) -> None:
    async def story(station: Any) -> None:
        await station.dialect.set_limit(limit())
        await station.dialect.set_limit(limit(**changed))
        assert len(station.session.payloads("SetChargingProfile")) == 2

    tell21(story, office=dynamic_office())


def test_a_station_that_refuses_dynamic_limits_is_told_plain_ones_at_once(tell21: Any) -> None:
    async def story(station: Any) -> None:
        def plain_only(payload: dict[str, Any]) -> dict[str, Any]:
            is_plain = payload["chargingProfile"]["chargingProfileKind"] == "Absolute"
            return {"status": "Accepted"} if is_plain else refusal("UnsupportedKind")

        station.session.replies["SetChargingProfile"] = plain_only
        await station.status(1, "Occupied")
        assert (await station.dialect.set_limit(limit())).accepted
        assert (await station.dialect.set_limit(limit(10.0))).accepted
        kinds = [
            each["chargingProfile"]["chargingProfileKind"]
            for each in station.session.payloads("SetChargingProfile")
        ]
        assert kinds == ["Dynamic", "Absolute", "Absolute"]
        assert station.limit_sent()["chargingProfilePurpose"] == "TxProfile"
        assert station.office.stations.warnings == [
            "takes no dynamic limits; it is told plain ones"
        ]

    tell21(story, office=dynamic_office())


@pytest.mark.parametrize("update", [{"status": "Rejected"}, CallRefused("NotImplemented", "")])
def test_an_update_that_is_refused_is_told_as_a_profile(tell21: Any, update: Any) -> None:
    async def story(station: Any) -> None:
        station.session.replies["UpdateDynamicSchedule"] = update
        await station.dialect.set_limit(limit())
        assert (await station.dialect.set_limit(limit(10.0))).accepted
        (period,) = station.limit_sent()["chargingSchedule"][0]["chargingSchedulePeriod"]
        assert period["limit"] == 10

    tell21(story, office=dynamic_office())


def test_a_station_that_asks_is_told_its_limit_and_its_lease_begins_anew(tell21: Any) -> None:
    """K28.FR.07, FR.12."""

    async def story(station: Any) -> None:
        assert (await pull(station))["status"] == "Rejected"
        station.session.replies["UpdateDynamicSchedule"] = {"status": "Accepted"}
        await station.dialect.set_limit(limit(16.0))
        assert station.limit_sent()["dynUpdateInterval"] == 60
        assert await pull(station) == {"status": "Accepted", "scheduleUpdate": {"limit": 16}}
        assert station.office.blocks.smart.pulls == [("CP-1/1", LEASE_S)]
        await station.dialect.set_limit(limit(10.0))
        assert (await pull(station))["scheduleUpdate"] == {"limit": 10}
        for foreign in (11, 22, 4711):
            answer = await pull(station, foreign)
            assert answer == {
                "status": "Rejected", "statusInfo": {"reasonCode": "InvalidProfile"}
            }  # fmt: skip
        await station.dialect.clear_limit(1)
        assert (await pull(station))["status"] == "Rejected"

    tell21(story, office=dynamic_office(60))


def test_a_lease_that_nobody_renews_is_not_revived_by_asking(tell21: Any) -> None:
    async def story(station: Any) -> None:
        await station.dialect.set_limit(limit())
        for _ in range(3):
            station.office.clock.passed_s += 0.4 * LEASE_S
            last = await pull(station)
        assert last["status"] == "Rejected"

    tell21(story, office=dynamic_office(60))


@pytest.mark.parametrize("fault", [CallTimeout("no answer"), LimitSuperseded("newer")])
@pytest.mark.parametrize("current_a", [6.0, 32.0])
def test_a_limit_of_which_nobody_knows_is_answered_with_the_lower_one(
    tell21: Any, fault: Exception, current_a: float
) -> None:
    async def story(station: Any) -> None:
        await station.dialect.set_limit(limit(16.0))
        station.session.replies["UpdateDynamicSchedule"] = fault
        with pytest.raises(type(fault)):
            await station.dialect.set_limit(limit(current_a))
        assert (await pull(station))["scheduleUpdate"] == {"limit": min(16, current_a)}

    tell21(story, office=dynamic_office(60))


def test_a_pull_that_crosses_a_decrease_does_not_undo_it(tell21: Any) -> None:
    async def story(station: Any) -> None:
        answers: list[dict[str, Any]] = []

        async def crossed() -> dict[str, Any]:
            answers.append(await pull(station))
            return {"status": "Accepted"}

        await station.dialect.set_limit(limit(16.0))
        waiting = station.dialect.say

        async def say(action: str, payload: Any, **options: Any) -> Any:
            if action == "UpdateDynamicSchedule":
                await crossed()
            return await waiting(action, payload, **options)

        station.dialect.say = say
        station.session.replies["UpdateDynamicSchedule"] = {"status": "Accepted"}
        await station.dialect.set_limit(limit(6.0))
        assert answers == [{"status": "Accepted", "scheduleUpdate": {"limit": 6}}]

    tell21(story, office=dynamic_office(60))


def test_a_profile_of_which_nobody_knows_is_not_answered_with_what_held_before(
    tell21: Any,
) -> None:
    """The charger held 6 A, asked, and was told the 32 A of before."""

    async def story(station: Any) -> None:
        await station.dialect.set_limit(limit(32.0, phase_count=1))
        station.session.replies["SetChargingProfile"] = CallTimeout("no answer")
        with pytest.raises(CallTimeout):
            await station.dialect.set_limit(limit(6.0))
        assert (await pull(station))["status"] == "Rejected"

    tell21(story, office=dynamic_office(60))


# what it tells


def test_a_composite_schedule_with_a_limit_for_each_phase_counts_as_its_largest(
    tell21: Any,
) -> None:
    async def story(station: Any) -> None:
        answer = station.composite(10.0)
        (period,) = answer["schedule"]["chargingSchedulePeriod"]
        period |= {"limit_L2": 16.0, "limit_L3": 6.0}
        station.session.replies["GetCompositeSchedule"] = answer
        assert (await station.dialect.composite_limit(1)).current_a == 16.0

    tell21(story)


def test_a_long_group_token_is_told_whole(tell21: Any) -> None:
    async def story(station: Any) -> None:
        station.office.accept("CARD", parent_id_token="P" * 200)
        token = {"idToken": "CARD", "type": "EVCCID"}
        answer = await station.say("Authorize", {"idToken": token})
        assert answer["idTokenInfo"]["groupIdToken"]["idToken"] == "P" * 200

    tell21(story)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("EVCCID", IdTokenType.MAC_ADDRESS),
        ("VIN", IdTokenType.CENTRAL),
        ("DirectPayment", IdTokenType.CENTRAL),
        ("com.example.app", IdTokenType.CENTRAL),
        ("iso14443", IdTokenType.ISO14443),
    ],
)
def test_a_token_may_be_of_any_type(tell21: Any, word: str, kind: IdTokenType) -> None:
    async def story(station: Any) -> None:
        token = {"idToken": "CARD", "type": word}
        await station.event("Started", "T", evse={"id": 1}, idToken=token)
        assert station.office.transactions.starts[0].id_token == IdToken("CARD", kind)

    tell21(story)


# whatever they say

JUNK: tuple[Any, ...] = (
    None, -1, 0, 1e300, 2**60, "", "x" * 4000, "\x00", True, [], {}, [[]], [None], [{}],
    {"id": {}}, [{"id": -1, "chargingSchedulePeriod": [{"startPeriod": "x"}]}],
)  # fmt: skip
OF_SMART_CHARGING = (
    "ReportChargingProfiles", "NotifyChargingLimit", "ClearedChargingLimit",
    "NotifyEVChargingNeeds", "NotifyEVChargingSchedule", "PullDynamicScheduleUpdate",
    "NotifyPriorityCharging", "OpenPeriodicEventStream", "ClosePeriodicEventStream",
    "NotifyPeriodicEventStream", "ReportDERControl", "NotifyDERAlarm", "NotifyDERStartStop",
    "BatterySwap",
)  # fmt: skip


@pytest.mark.parametrize("action", OF_SMART_CHARGING)
def test_no_payload_makes_a_fault_of_ours(tell21: Any, action: str) -> None:
    """Each property in turn is each kind of junk, the others too."""

    async def story(station: Any) -> None:
        known = frames.action(OcppVersion.V21, action)
        assert known is not None
        names = list(known.request_schema["properties"])
        now = station.office.clock.now()
        for junk in JUNK:
            for payload in (dict.fromkeys(names, junk), *({name: junk} for name in names)):
                answer = await station.dialect.answer(action, payload, now)
                if known.response is not None:
                    known.response.validate(answer)

    tell21(story)


@pytest.mark.parametrize("part", ["transactionInfo", "idToken", "evse", "costDetails", "evseSleep"])
def test_no_event_of_2_1_makes_a_fault_of_ours(tell21: Any, part: str) -> None:
    async def story(station: Any) -> None:
        now = station.office.clock.now()
        info = {"transactionId": "T", "transactionLimit": [], "operationMode": {}}
        for junk in JUNK:
            payload = {"eventType": "Updated", "transactionInfo": info, part: junk}
            await station.dialect.answer("TransactionEvent", payload, now)

    tell21(story)
