"""What only 2.x stations do."""

import asyncio
from typing import Any

import pytest

from sitecontroller.domain.errors import InvalidInput
from sitecontroller.domain.station import ChargingState
from sitecontroller.domain.topology import EvseKey
from sitecontroller.ocpp.v2x.reports import ROWS_MAX, Report
from sitecontroller.ocpp.variables import variable, variable_name
from sitecontroller.ports import ChargingLimit
from tests.support import eventually


def test_q34_an_offline_event_never_drives_the_live_view(tell201: Any) -> None:
    async def story(station: Any) -> None:
        amps = {"value": 16, "measurand": "Current.Import", "phase": "L1"}
        values = station.sample(amps)
        await station.event("Updated", "T", evse={"id": 1}, offline=True, meterValue=values)
        assert station.office.metering.live == []
        assert station.office.transactions.updates[0].offline

    tell201(story)


def test_q34_a_later_event_needs_no_evse(tell201: Any) -> None:
    async def story(station: Any) -> None:
        transaction_id = await station.start(2, "04A2B3C4", 0)
        power = {"value": 40_000, "measurand": "Power.Active.Import"}
        await station.event("Updated", transaction_id, meterValue=station.sample(power))
        key, reading = station.office.metering.live[-1]
        assert (key, reading.power_w) == (EvseKey("CP-1", 2), 40_000)
        assert station.office.transactions.updates[0].evse_id is None

    tell201(story)


def test_q34_sequence_numbers_and_reasons_reach_the_service(tell201: Any) -> None:
    async def story(station: Any) -> None:
        await station.start(1, "04A2B3C4", 0)
        await station.event("Updated", "TX-ab12", info={"chargingState": "SuspendedEV"})
        (updated,) = station.office.transactions.updates
        assert updated.seq_no == 1
        assert updated.trigger_reason == "CablePluggedIn"
        assert updated.charging_state is ChargingState.SUSPENDED_EV

    tell201(story)


def test_q22_an_event_with_nothing_in_it_is_answered(tell201: Any) -> None:
    async def story(station: Any) -> None:
        now = station.office.clock.now()
        assert await station.dialect.answer("TransactionEvent", {}, now) == {}
        assert len(station.office.transactions.updates) == 1
        for kind in ("Started", "Ended"):
            payload = {"eventType": kind, "transactionInfo": [], "evse": 7, "idToken": "x"}
            assert await station.dialect.answer("TransactionEvent", payload, now) == {}

    tell201(story)


def test_a_card_shown_during_a_session_is_answered(tell201: Any) -> None:
    async def story(station: Any) -> None:
        token = {"idToken": "04A2B3C4", "type": "ISO14443"}
        answer = await station.event("Updated", "T", evse={"id": 1}, idToken=token)
        assert answer["idTokenInfo"]["status"] == "Accepted"
        assert await station.event("Updated", "T") == {}

    tell201(story)


CARD = {"idToken": "04A2B3C4", "type": "ISO14443"}


@pytest.mark.parametrize("kind", ["Updated", "Ended"])
def test_a_token_always_gets_a_verdict(tell201: Any, kind: str) -> None:
    async def story(station: Any) -> None:
        station.office.transactions.decides = False
        for card, verdict in ((CARD, "Accepted"), ({**CARD, "idToken": "OTHER"}, "Invalid")):
            answer = await station.event(kind, "T", evse={"id": 1}, idToken=card)
            assert answer == {"idTokenInfo": {"status": verdict}}

    tell201(story)


@pytest.mark.parametrize("kind", ["Started", "Updated", "Ended"])
@pytest.mark.parametrize(
    ("token", "verdict"),
    [
        ({"idToken": "", "type": "NoAuthorization"}, "Accepted"),
        ({"idToken": " ", "type": "Local"}, "Invalid"),
    ],
)
def test_a_token_without_a_number_gets_a_verdict_too(
    tell201: Any, kind: str, token: dict[str, str], verdict: str
) -> None:
    async def story(station: Any) -> None:
        answer = await station.event(kind, "T", evse={"id": 1}, idToken=token)
        assert answer["idTokenInfo"]["status"] == verdict

    tell201(story)


def test_a_start_by_cable_alone_has_no_verdict(tell201: Any) -> None:
    async def story(station: Any) -> None:
        assert await station.event("Started", "T", evse={"id": 1, "connectorId": 1}) == {}
        assert station.office.transactions.starts[0].id_token is None

    tell201(story)


def test_the_last_register_of_an_ended_transaction_is_that_of_its_end(tell201: Any) -> None:
    async def story(station: Any) -> None:
        values = station.sample({"value": 900, "context": "Transaction.End"}, {"value": 880})
        await station.event("Ended", "T", meterValue=values)
        assert station.office.transactions.ends[0].meter_stop_wh == 900

    tell201(story)


def test_q41_values_outside_of_transactions_are_live_only(tell201: Any) -> None:
    async def story(station: Any) -> None:
        amps = {"value": 6, "measurand": "Current.Import", "phase": "L1"}
        payload = {"evseId": 1, "meterValue": station.sample(amps)}
        await station.say("MeterValues", payload)
        assert len(station.office.metering.live) == 1
        assert station.office.transactions.updates == []

    tell201(story)


@pytest.mark.parametrize(
    ("action", "payload", "answer"),
    [
        ("SecurityEventNotification", {"type": "X", "timestamp": "2025-06-01T12:00:00Z"}, {}),
        ("LogStatusNotification", {"status": "Idle"}, {}),
        ("ReservationStatusUpdate", {"reservationId": 1, "reservationUpdateStatus": "Expired"}, {}),
    ],
)
def test_other_reports_are_acknowledged(
    tell201: Any, action: str, payload: dict[str, Any], answer: dict[str, Any]
) -> None:
    async def story(station: Any) -> None:
        assert await station.say(action, payload) == answer

    tell201(story)


# what we say


def test_a_lease_belongs_to_its_transaction(tell201: Any) -> None:
    async def story(station: Any) -> None:
        await station.status(1, "Occupied")
        limit = ChargingLimit(1, 16.0, 3, lease_s=300, transaction_id="TX-ab12")
        await station.dialect.set_limit(limit)
        profile = station.limit_sent()
        assert profile["chargingProfilePurpose"] == "TxProfile"
        assert profile["transactionId"] == "TX-ab12"

    tell201(story)


def test_a_dc_limit_is_watts_of_the_outlet_without_phases(tell201: Any) -> None:
    async def story(station: Any) -> None:
        await station.dialect.set_limit(ChargingLimit(2, 32.0, 3, transaction_id="T"))
        (period,) = station.schedule(station.limit_sent())["chargingSchedulePeriod"]
        assert period == {"startPeriod": 0, "limit": 20_313}

    tell201(story)


def test_a_status_is_asked_for_with_its_connector(tell201: Any) -> None:
    async def story(station: Any) -> None:
        await station.dialect.trigger("StatusNotification", 2)
        (payload,) = station.session.payloads("TriggerMessage")
        assert payload["evse"] == {"id": 2, "connectorId": 1}

    tell201(story)


@pytest.mark.parametrize(
    "name",
    [
        "OCPPCommCtrlr.HeartbeatInterval",
        "DeviceDataCtrlr.ItemsPerMessage@GetReport",
        "NetworkConfiguration@1.OcppCsmsUrl",
        "EVSE[2].Power",
        "Connector@a%2Eb[1/2].Available#Target",
    ],
)
def test_a_settings_name_is_written_and_read_back(name: str) -> None:
    assert variable_name(variable(name)) == name


@pytest.mark.parametrize("name", ["HeartbeatInterval", ".X", "X.", ""])
def test_a_name_without_component_is_refused_here(name: str) -> None:
    with pytest.raises(InvalidInput):
        variable(name)


def test_variables_are_asked_in_parts(tell201: Any) -> None:
    async def story(station: Any) -> None:
        answer = await station.dialect.get_variables(tuple(f"C.V{n}" for n in range(12)))
        assert len(station.session.payloads("GetVariables")) == 2
        assert len(answer.body["getVariableResult"]) == 12
        assert (answer.accepted, answer.status) == (False, "UnknownVariable")

    tell201(story)


def part(request_id: int, number: int, name: str, *, more: bool) -> dict[str, Any]:
    row = {
        "component": {"name": "AlignedDataCtrlr"},
        "variable": {"name": name},
        "variableAttribute": [{"type": "Target", "value": "-"}, {"value": str(number)}],
    }
    return {
        "requestId": request_id, "generatedAt": "2025-06-01T12:00:00Z", "seqNo": number,
        "reportData": [row], "tbc": more,
    }  # fmt: skip


def test_all_settings_come_as_a_report_in_parts(tell201: Any) -> None:
    async def story(station: Any) -> None:
        asking = asyncio.ensure_future(station.dialect.get_variables(()))
        (asked,) = await eventually(lambda: station.session.payloads("GetBaseReport"))
        number = asked["requestId"]
        await station.say("NotifyReport", part(number + 1, 0, "Foreign", more=False))
        await station.say("NotifyReport", part(number, 0, "Interval", more=True))
        await station.say("NotifyReport", part(number, 1, "Measurands", more=False))
        answer = await asking
        assert answer.body["variables"] == {
            "AlignedDataCtrlr.Interval": "0",
            "AlignedDataCtrlr.Measurands": "1",
        }

    tell201(story)


def test_a_report_is_bounded(run: Any) -> None:
    async def story() -> Report:
        report = Report(1)
        for n in range(3):
            rows = [
                {"component": {"name": "C"}, "variable": {"name": f"V{n}-{k}"}} for k in range(3000)
            ]
            await report.take({"requestId": 1, "seqNo": n, "reportData": rows, "tbc": n < 2})
        reading = await report.arrived()
        assert not reading.complete
        return report

    assert len(run(story()).variables) == ROWS_MAX


def test_a_report_nobody_asked_for_is_acknowledged(tell201: Any) -> None:
    async def story(station: Any) -> None:
        assert await station.say("NotifyReport", part(5, 0, "X", more=False)) == {}

    tell201(story)


def test_q14_a_fresh_station_is_told_what_to_sample(tell201: Any) -> None:
    async def story(station: Any) -> None:
        await station.boot()
        await eventually(lambda: "set-up/CP-1" in station.office.stations.facts)
        written = {
            variable_name(row): row["attributeValue"]
            for payload in station.session.payloads("SetVariables")
            for row in payload["setVariableData"]
        }
        assert written["SampledDataCtrlr.TxUpdatedInterval"] == "10"
        assert "Current.Import" in written["SampledDataCtrlr.TxUpdatedMeasurands"].split(",")

    tell201(story)


def test_a_boot_for_another_reason_than_our_question_is_a_reboot(tell201: Any) -> None:
    async def story(station: Any) -> None:
        station.dialect.became_ready(rebooted=False)
        await station.boot(reason="Watchdog")
        assert station.office.stations.readiness == [False, True]

    tell201(story)
