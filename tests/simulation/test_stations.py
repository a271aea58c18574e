"""Simulated stations of every version against a CSMS that checks every frame."""

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import pytest

from sitecontroller.domain.station import OcppVersion
from sitecontroller.simulation.virtual_time import VirtualLoop
from tests.simulation.csms import CARD, PASSWORD, Bench, bench, dc_evse
from tests.support import eventually

Run = Callable[..., Any]
V16, V201, V21 = OcppVersion
every_version = pytest.mark.parametrize("version", list(OcppVersion))


@pytest.fixture
def run_fast(run: Run) -> Run:
    return lambda main, **options: run(main, loop_factory=VirtualLoop, **options)


def now_s() -> float:
    return asyncio.get_running_loop().time()


def profile_call(
    version: OcppVersion,
    limit: float,
    *,
    purpose: str = "TxDefaultProfile",
    level: int = 0,
    evse_id: int = 1,
    unit: str = "A",
    transaction_id: str | None = None,
    **schedule: Any,
) -> tuple[str, dict[str, Any]]:
    """A SetChargingProfile with one period that began long ago."""
    body: dict[str, Any] = {
        "stackLevel": level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute",
    }
    times = {"startSchedule": "2025-03-03T05:59:00Z", **schedule}
    plan = {
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
        **times,
    }
    number = evse_id * 100 + level * 10 + len(purpose)
    if version is V16:
        body |= {"chargingProfileId": number, "chargingSchedule": plan}
        if transaction_id is not None:
            body["transactionId"] = int(transaction_id)
        payload = {"connectorId": evse_id, "csChargingProfiles": body}
    else:
        body |= {"id": number, "chargingSchedule": [{"id": 1, **plan}]}
        if transaction_id is not None:
            body["transactionId"] = transaction_id
        payload = {"evseId": evse_id, "chargingProfile": body}
    return "SetChargingProfile", payload


def transaction_of(version: OcppVersion, started: dict[str, Any]) -> str:
    return "701" if version is V16 else started["transactionInfo"]["transactionId"]


async def ended(it: Bench) -> dict[str, Any]:
    if it.csms.version is V16:
        return await it.csms.hears("StopTransaction")
    return await it.csms.hears("TransactionEvent", lambda p: p["eventType"] == "Ended")


@every_version
def test_a_station_logs_in_and_boots_before_all_else(run_fast: Run, version: OcppVersion) -> None:
    async def boot() -> Any:
        async with bench(version) as it:
            await it.csms.hears("StatusNotification")
            return it.csms.heard, it.csms.headers[0], it.csms.paths[0]

    heard, headers, path = run_fast(boot())
    assert [action for action, _ in heard[:2]] == ["BootNotification", "StatusNotification"]
    assert path == "/ocpp/CP-1"
    credentials = base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode()
    assert credentials == f"CP-1:{PASSWORD}"


@every_version
def test_a_pending_station_asks_again_and_says_nothing_else(
    run_fast: Run, version: OcppVersion
) -> None:
    async def boot() -> list[str]:
        async with bench(version, boots=("Pending", "Rejected")) as it:
            await it.csms.hears("StatusNotification", within_s=1000)
            return [action for action, _ in it.csms.heard]

    actions = run_fast(boot())
    assert actions[:4] == ["BootNotification"] * 3 + ["StatusNotification"]


@every_version
def test_a_heartbeat_comes_at_the_interval_of_the_boot_answer(
    run_fast: Run, version: OcppVersion
) -> None:
    async def beat() -> int:
        async with bench(version) as it:
            await asyncio.sleep(1000)
            return len(it.csms.all("Heartbeat"))

    assert run_fast(beat()) == 3


@every_version
def test_a_card_and_a_car_make_a_transaction_with_energy(
    run_fast: Run, version: OcppVersion
) -> None:
    async def session() -> tuple[float, float]:
        async with bench(version) as it:
            register_wh = it.outlet.energy_wh
            await it.charge()
            await asyncio.sleep(600)
            await it.station.tap(1, CARD)
            await ended(it)
            await asyncio.sleep(1)
            return it.outlet.energy_wh - register_wh, it.outlet.current_a

    energy_wh, current_a = run_fast(session())
    assert energy_wh == pytest.approx(16 * 3 * 230 / 6, rel=0.03)
    assert current_a == 0


def test_a_16_station_tells_register_currents_and_reason(run_fast: Run) -> None:
    async def session() -> Any:
        async with bench(V16) as it:
            start = await it.charge()
            sample = await it.csms.hears("MeterValues", within_s=100)
            it.station.unplug(1)
            return start, sample, await ended(it), it.outlet.energy_wh

    start, sample, stop, register_wh = run_fast(session())
    assert sample["transactionId"] == stop["transactionId"] == 701
    values = {
        (v["measurand"], v.get("phase")): float(v["value"])
        for v in sample["meterValue"][0]["sampledValue"]
    }
    assert values["Current.Import", "L2"] == pytest.approx(16)
    assert values["Power.Active.Import", None] == pytest.approx(11_000, rel=0.02)
    assert start["meterStart"] < values["Energy.Active.Import.Register", None]
    assert stop["meterStop"] == int(register_wh)
    assert stop["reason"] == "EVDisconnected"


def test_a_201_station_numbers_its_events_without_gaps(run_fast: Run) -> None:
    async def session() -> list[dict[str, Any]]:
        async with bench(V201) as it:
            await it.charge()
            await asyncio.sleep(200)
            await it.station.tap(1, CARD)
            await ended(it)
            return it.csms.all("TransactionEvent")

    events = run_fast(session())
    assert [event["seqNo"] for event in events] == list(range(len(events)))
    assert len({event["transactionInfo"]["transactionId"] for event in events}) == 1
    assert events[0]["eventType"] == "Started"
    assert events[-1]["transactionInfo"]["stoppedReason"] == "Local"


@every_version
def test_a_refused_card_starts_nothing(run_fast: Run, version: OcppVersion) -> None:
    async def tap() -> tuple[bool, float]:
        async with bench(version) as it:
            it.csms.refuses.add(CARD)
            it.plug()
            accepted = await it.station.tap(1, CARD)
            await asyncio.sleep(60)
            return accepted, it.outlet.current_a

    assert run_fast(tap()) == (False, 0.0)


@every_version
def test_a_station_obeys_a_limit_and_pauses_below_six_amperes(
    run_fast: Run, version: OcppVersion
) -> None:
    async def limit() -> list[float]:
        currents = []
        async with bench(version) as it:
            await it.charge()
            for limit_a in (10.0, 5.9, 8.0):
                answer = await it.csms.call(*profile_call(version, limit_a))
                assert answer["status"] == "Accepted"
                await asyncio.sleep(15)
                currents.append(it.outlet.current_a)
        return currents

    assert run_fast(limit()) == pytest.approx([10, 0, 8])


@every_version
def test_of_limits_sent_at_one_instant_the_last_holds(run_fast: Run, version: OcppVersion) -> None:
    async def limit() -> list[float]:
        offered = []
        async with bench(version) as it:
            for last_a in (7.0, 9.0, 11.0, 13.0):
                for limit_a in (20.0, 6.0, 16.0, last_a):
                    await it.csms.call(*profile_call(version, limit_a))
                await asyncio.sleep(10)
                offered.append(it.outlet.offered_a)
        return offered

    assert run_fast(limit()) == [7, 9, 11, 13]


@every_version
def test_a_lease_ends_by_itself_and_the_fallback_holds(run_fast: Run, version: OcppVersion) -> None:
    async def lease() -> list[float]:
        async with bench(version) as it:
            await it.csms.call(*profile_call(version, 6.0))
            started = await it.charge()
            purpose, transaction = "TxDefaultProfile", None
            if version is V201:
                purpose, transaction = "TxProfile", transaction_of(version, started)
            passed_s = round(now_s()) + 60
            await it.csms.call(
                *profile_call(
                    version,
                    14.0,
                    purpose=purpose,
                    level=1,
                    transaction_id=transaction,
                    duration=passed_s + 120,
                )
            )
            currents = []
            for wait_s in (60, 80):
                await asyncio.sleep(wait_s)
                currents.append(it.outlet.current_a)
            return currents

    assert run_fast(lease()) == pytest.approx([14, 6])


@every_version
def test_a_composite_schedule_tells_limit_and_end_of_a_lease(
    run_fast: Run, version: OcppVersion
) -> None:
    async def ask() -> list[tuple[int, float]]:
        async with bench(version) as it:
            begin_s = round(now_s())
            await it.csms.call(*profile_call(version, 6.0))
            await it.csms.call(*profile_call(version, 14.0, level=1, duration=60 + begin_s + 100))
            key = "connectorId" if version is V16 else "evseId"
            answer = await it.csms.call("GetCompositeSchedule", {key: 1, "duration": 300})
            schedule = answer["chargingSchedule" if version is V16 else "schedule"]
            return [(p["startPeriod"], p["limit"]) for p in schedule["chargingSchedulePeriod"]]

    first, second = run_fast(ask())
    assert first == (0, 14.0)
    assert second[0] == pytest.approx(100, abs=2)
    assert second[1] == 6.0


@every_version
def test_a_station_starts_and_stops_from_afar(run_fast: Run, version: OcppVersion) -> None:
    async def from_afar() -> tuple[str, dict[str, Any]]:
        async with bench(version) as it:
            it.plug()
            if version is V16:
                request = ("RemoteStartTransaction", {"idTag": CARD, "connectorId": 1})
            else:
                token = {"idToken": CARD, "type": "Central"}
                start = {"idToken": token, "remoteStartId": 5, "evseId": 1}
                request = ("RequestStartTransaction", start)
            answer = await it.csms.call(*request)
            await eventually(lambda: it.outlet.current_a > 5, 30)
            if version is V16:
                await it.csms.call("RemoteStopTransaction", {"transactionId": 701})
            else:
                event = it.csms.all("TransactionEvent")[0]
                assert event["transactionInfo"]["remoteStartId"] == 5
                stop = {"transactionId": event["transactionInfo"]["transactionId"]}
                await it.csms.call("RequestStopTransaction", stop)
            return answer["status"], await ended(it)

    status, stop = run_fast(from_afar())
    assert status == "Accepted"
    info = stop if version is V16 else stop["transactionInfo"]
    assert info["reason" if version is V16 else "stoppedReason"] == "Remote"


@every_version
def test_what_happens_offline_is_told_in_order_after_the_line_is_back(
    run_fast: Run, version: OcppVersion
) -> None:
    async def outage() -> tuple[list[tuple[str, Any]], int]:
        async with bench(version) as it:
            await it.charge()
            await it.csms.close()
            await asyncio.sleep(150)
            await it.station.tap(1, CARD)
            heard = len(it.csms.heard)
            await it.csms.open()
            await ended(it)
            return it.csms.heard[heard:], it.csms.connections

    heard, connections = run_fast(outage())
    assert connections == 2
    assert "BootNotification" not in [action for action, _ in heard]
    if version is V16:
        kept = [a for a, _ in heard if a in ("MeterValues", "StopTransaction")]
        assert kept == ["MeterValues"] * 2 + ["StopTransaction"]
    else:
        events = [payload for action, payload in heard if action == "TransactionEvent"]
        numbers = [event["seqNo"] for event in events]
        assert numbers == list(range(numbers[0], numbers[0] + len(events)))
        assert [event["eventType"] for event in events] == ["Updated"] * 2 + ["Ended"]
        assert all(event["offline"] for event in events)


@every_version
def test_charging_goes_on_while_the_line_is_down(run_fast: Run, version: OcppVersion) -> None:
    async def outage() -> float:
        async with bench(version) as it:
            await it.charge()
            await it.csms.close()
            await asyncio.sleep(300)
            return float(it.outlet.current_a)

    assert run_fast(outage()) == pytest.approx(16)


@pytest.mark.parametrize("version", [V201, V21])
def test_events_made_offline_say_so(run_fast: Run, version: OcppVersion) -> None:
    async def outage() -> list[bool]:
        async with bench(version) as it:
            await it.charge()
            await it.csms.close()
            await asyncio.sleep(100)
            await it.csms.open()
            await asyncio.sleep(100)
            return [event.get("offline", False) for event in it.csms.all("TransactionEvent")]

    flags = run_fast(outage())
    assert flags[0] is False
    assert True in flags
    assert flags[-1] is False


@every_version
def test_the_first_attempt_to_reconnect_comes_after_a_second(
    run_fast: Run, version: OcppVersion
) -> None:
    async def reconnect() -> float:
        async with bench(version) as it:
            assert it.csms.connection is not None
            lost_s = now_s()
            await it.csms.connection.close()
            await eventually(lambda: it.csms.connections == 2, 60)
            return now_s() - lost_s

    assert 0.7 < run_fast(reconnect()) < 1.5


@every_version
def test_a_reset_ends_the_transaction_and_boots_again(run_fast: Run, version: OcppVersion) -> None:
    async def reset() -> tuple[dict[str, Any], int, float]:
        async with bench(version) as it:
            await it.charge()
            kind = "Hard" if version is V16 else "Immediate"
            await it.csms.call("Reset", {"type": kind})
            await eventually(lambda: len(it.csms.all("BootNotification")) == 2, 60)
            return await ended(it), it.csms.connections, it.outlet.current_a

    stop, connections, current_a = run_fast(reset())
    info = stop if version is V16 else stop["transactionInfo"]
    assert info.get("reason") == "HardReset" or info.get("stoppedReason") == "ImmediateReset"
    assert (connections, current_a) == (2, 0)


@every_version
def test_profiles_survive_a_reset(run_fast: Run, version: OcppVersion) -> None:
    async def reset() -> float:
        async with bench(version) as it:
            await it.csms.call(*profile_call(version, 7.0))
            await it.csms.call("Reset", {"type": "Soft" if version is V16 else "Immediate"})
            await eventually(lambda: len(it.csms.all("BootNotification")) == 2, 60)
            await it.charge()
            await asyncio.sleep(20)
            return float(it.outlet.current_a)

    assert run_fast(reset()) == pytest.approx(7)


@every_version
def test_availability_waits_for_the_end_of_a_transaction(
    run_fast: Run, version: OcppVersion
) -> None:
    async def close_it() -> tuple[str, str]:
        async with bench(version) as it:
            await it.charge()
            if version is V16:
                request: dict[str, Any] = {"connectorId": 1, "type": "Inoperative"}
            else:
                request = {"evse": {"id": 1}, "operationalStatus": "Inoperative"}
            answer = await it.csms.call("ChangeAvailability", request)
            it.station.unplug(1)
            key = "status" if version is V16 else "connectorStatus"
            status = await it.csms.hears("StatusNotification", lambda p: p[key] == "Unavailable")
            return answer["status"], status[key]

    assert run_fast(close_it()) == ("Scheduled", "Unavailable")


@every_version
def test_a_trigger_sends_the_message_after_the_answer(run_fast: Run, version: OcppVersion) -> None:
    async def trigger() -> list[str]:
        async with bench(version) as it:
            await it.csms.hears("StatusNotification")
            await asyncio.sleep(1)
            count = len(it.csms.heard)
            for name in ("MeterValues", "StatusNotification", "Heartbeat", "BootNotification"):
                answer = await it.csms.call("TriggerMessage", {"requestedMessage": name})
                assert answer["status"] == "Accepted"
            await asyncio.sleep(1)
            return [action for action, _ in it.csms.heard[count:]]

    expected = ["MeterValues", "StatusNotification", "Heartbeat", "BootNotification"]
    assert run_fast(trigger())[:4] == expected


def test_configuration_is_read_and_written(run_fast: Run) -> None:
    async def configure() -> Any:
        async with bench(V16) as it:
            outcomes = [
                (await it.csms.call("ChangeConfiguration", {"key": key, "value": value}))["status"]
                for key, value in (
                    ("metervaluesampleinterval", "10"),
                    ("MeterValueSampleInterval", "often"),
                    ("NumberOfConnectors", "2"),
                    ("Colour", "red"),
                    ("MeterValuesSampledData", "Current.Import,Nonsense"),
                )
            ]
            answer = await it.csms.call(
                "GetConfiguration", {"key": ["MeterValueSampleInterval", "Colour"]}
            )
            everything = await it.csms.call("GetConfiguration", {})
            return outcomes, answer, len(everything["configurationKey"])

    outcomes, answer, count = run_fast(configure())
    assert outcomes == ["Accepted", "Rejected", "Rejected", "NotSupported", "Rejected"]
    assert answer["configurationKey"][0]["value"] == "10"
    assert answer["unknownKey"] == ["Colour"]
    assert count > 20


def test_variables_are_read_and_written(run_fast: Run) -> None:
    def variable(component: str, name: str, **more: Any) -> dict[str, Any]:
        place = {"evse": {"id": 1}} if component == "EVSE" else {}
        return {"component": {"name": component, **place}, "variable": {"name": name}, **more}

    async def configure() -> Any:
        async with bench(V201) as it:
            interval = ("SampledDataCtrlr", "TxUpdatedInterval")
            data = [
                variable(*interval, attributeValue="10"),
                variable("EVSE", "Power", attributeValue="1"),
                variable("EVSE", "Colour", attributeValue="red"),
                variable("Paint", "Colour", attributeValue="red"),
            ]
            outcome = await it.csms.call("SetVariables", {"setVariableData": data})
            asked = [variable(*interval), variable("SecurityCtrlr", "BasicAuthPassword")]
            got = await it.csms.call("GetVariables", {"getVariableData": asked})
            await it.csms.call("GetBaseReport", {"requestId": 3, "reportBase": "FullInventory"})
            report = await it.csms.hears("NotifyReport")
            return outcome, got, report

    outcome, got, report = run_fast(configure())
    assert [r["attributeStatus"] for r in outcome["setVariableResult"]] == [
        "Accepted",
        "Rejected",
        "UnknownVariable",
        "UnknownComponent",
    ]
    assert [r.get("attributeValue") for r in got["getVariableResult"]] == ["10", None]
    assert report["requestId"] == 3


@every_version
def test_a_new_password_is_used_for_the_next_log_in(run_fast: Run, version: OcppVersion) -> None:
    async def renew() -> str:
        async with bench(version) as it:
            secret = "0123456789abcdef0123"
            if version is V16:
                change = {"key": "AuthorizationKey", "value": secret}
                await it.csms.call("ChangeConfiguration", change)
            else:
                item = {
                    "component": {"name": "SecurityCtrlr"},
                    "variable": {"name": "BasicAuthPassword"},
                    "attributeValue": secret,
                }
                await it.csms.call("SetVariables", {"setVariableData": [item]})
            assert it.csms.connection is not None
            await it.csms.connection.close()
            await eventually(lambda: it.csms.connections == 2, 60)
            header = it.csms.headers[-1]["Authorization"].removeprefix("Basic ")
            return base64.b64decode(header).decode()

    assert run_fast(renew()) == "CP-1:0123456789abcdef0123"


@every_version
def test_what_a_station_does_not_do_is_refused_by_name(run_fast: Run, version: OcppVersion) -> None:
    async def ask() -> list[str]:
        async with bench(version) as it:
            invented = await it.csms.raw_call("MakeCoffee", {})
            known = await it.csms.raw_call("Heartbeat", {})
            broken = await it.csms.raw_call("Reset", {"type": "Gently"})
            return [invented[1], known[1], broken[1]]

    invented, known, broken = run_fast(ask())
    assert (invented, known) == ("NotImplemented", "NotSupported")
    assert broken == ("FormationViolation" if version is V16 else "FormatViolation")


@every_version
def test_a_dc_station_takes_watts_and_tells_the_outlet(run_fast: Run, version: OcppVersion) -> None:
    from sitecontroller.simulation.cars import CarModel

    van = CarModel("van", 75_000, 3, 150.0, latency_s=1.0, current_a_min=1.0)

    async def charge() -> tuple[float, float]:
        async with bench(version, evse=dc_evse()) as it:
            await it.csms.call(*profile_call(version, 12_000, unit="W"))
            it.plug(model=van)
            await it.station.tap(1, CARD)
            await asyncio.sleep(60)
            return it.outlet.power_w, it.outlet.current_a

    power_w, current_a = run_fast(charge())
    assert power_w == pytest.approx(12_000, rel=0.02)
    assert current_a == pytest.approx(12_000 / 0.92 / 690, rel=0.01)


def test_a_201_station_refuses_evse_0_beside_evse_1_on_one_level(run_fast: Run) -> None:
    async def clash() -> str:
        async with bench(V201) as it:
            await it.csms.call(*profile_call(V201, 10.0))
            answer = await it.csms.call(*profile_call(V201, 10.0, evse_id=0))
            return str(answer["status"])

    assert run_fast(clash()) == "Rejected"


@every_version
def test_a_tx_profile_needs_its_transaction(run_fast: Run, version: OcppVersion) -> None:
    async def misplace() -> list[str]:
        async with bench(version) as it:
            wanted = {"purpose": "TxProfile", "level": 1}
            before = await it.csms.call(*profile_call(version, 8.0, transaction_id="700", **wanted))
            started = await it.charge()
            known = transaction_of(version, started)
            running = await it.csms.call(
                *profile_call(version, 8.0, transaction_id=known, **wanted)
            )
            return [before["status"], running["status"]]

    assert run_fast(misplace()) == ["Rejected", "Accepted"]


@every_version
def test_a_full_car_suspends_itself(run_fast: Run, version: OcppVersion) -> None:
    async def fill() -> str:
        async with bench(version) as it:
            it.plug(soc=0.999)
            await it.station.tap(1, CARD)
            if version is V16:
                wanted = await it.csms.hears(
                    "StatusNotification", lambda p: p["status"] == "SuspendedEV", 1800
                )
                return str(wanted["status"])
            event = await it.csms.hears(
                "TransactionEvent",
                lambda p: p["transactionInfo"]["chargingState"] == "SuspendedEV",
                1800,
            )
            return str(event["transactionInfo"]["chargingState"])

    assert run_fast(fill()) == "SuspendedEV"


@every_version
def test_a_station_of_every_version_speaks_what_was_agreed(
    run_fast: Run, version: OcppVersion
) -> None:
    async def session() -> Any:
        async with bench(version, offers=(V21, V201, V16), speaks=V21) as it:
            await it.charge()
            await it.station.tap(1, CARD)
            await ended(it)
            return it.csms.headers[0]["Sec-WebSocket-Protocol"], it.station.version

    offered, spoken = run_fast(session())
    assert offered == "ocpp2.1, ocpp2.0.1, ocpp1.6"
    assert spoken is version


def test_a_station_of_21_says_what_is_wrong_with_an_answer(run_fast: Run) -> None:
    async def complain() -> list[Any]:
        async with bench(V21) as it:
            it.csms.answers["Heartbeat"] = lambda _: {"time": "noon"}
            await it.csms.call("TriggerMessage", {"requestedMessage": "Heartbeat"})
            await eventually(lambda: it.csms.complaints, 10)
            return it.csms.complaints[0]

    assert run_fast(complain())[0] == "FormatViolation"


@every_version
def test_values_come_at_full_quarters_of_the_hour_too(run_fast: Run, version: OcppVersion) -> None:
    async def idle() -> list[str]:
        async with bench(version) as it:
            it.station.settings.put(it.station.dialect.NAMES.aligned_interval, "900")
            await asyncio.sleep(2000)
            return [p["meterValue"][0]["timestamp"] for p in it.csms.all("MeterValues")]

    assert [stamp[11:16] for stamp in run_fast(idle())] == ["06:15", "06:30"]


def test_a_16_station_tells_begin_and_end_with_its_stop_where_asked(run_fast: Run) -> None:
    async def session() -> Any:
        async with bench(V16) as it:
            it.station.settings.put("StopTxnSampledData", "Energy.Active.Import.Register")
            await it.charge()
            await it.station.tap(1, CARD)
            return await ended(it)

    stop = run_fast(session())
    contexts = [value["sampledValue"][0]["context"] for value in stop["transactionData"]]
    assert contexts == ["Transaction.Begin", "Transaction.End"]


@every_version
def test_a_fault_ends_the_session_and_is_told(run_fast: Run, version: OcppVersion) -> None:
    async def fault() -> Any:
        async with bench(version) as it:
            await it.charge()
            it.station.break_down(1, "GroundFailure", "E17")
            key = "status" if version is V16 else "connectorStatus"
            told = await it.csms.hears("StatusNotification", lambda p: p[key] == "Faulted")
            await ended(it)
            await asyncio.sleep(1)
            flows = it.outlet.current_a
            it.station.mend(1)
            await asyncio.sleep(2)
            return told, flows, it.csms.all("StatusNotification")[-1][key]

    told, flows, after = run_fast(fault())
    assert flows == 0
    assert after == ("Finishing" if version is V16 else "Occupied")
    if version is V16:
        assert (told["errorCode"], told["vendorErrorCode"]) == ("GroundFailure", "E17")
