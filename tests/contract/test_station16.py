"""What only 1.6 stations do, after what real ones did."""

from typing import Any

import pytest

from sitecontroller.config import OcppSettings
from sitecontroller.domain.errors import CallRefused, InvalidInput
from sitecontroller.domain.metering import TimeQuality
from sitecontroller.domain.station import ChargingState, ConnectorStatus
from sitecontroller.domain.topology import EvseKey, LimitUnit
from sitecontroller.ocpp.v16.words import parse_settings, parse_units
from sitecontroller.ports import ChargingLimit
from tests.contract.fakes import Office
from tests.contract.stations import ONE_EVSE
from tests.support import eventually

ABB = {
    "chargePointVendor": "ABB",
    "chargePointModel": "CDT_TACW11::NET_WIFI",
    "firmwareVersion": "TAC3Z9119006710273::V1.8.21",
}


@pytest.mark.parametrize(
    ("word", "status", "charging_state", "finishing"),
    [
        ("Available", ConnectorStatus.AVAILABLE, None, False),
        ("Preparing", ConnectorStatus.OCCUPIED, ChargingState.EV_CONNECTED, False),
        ("Charging", ConnectorStatus.OCCUPIED, ChargingState.CHARGING, False),
        ("SuspendedEVSE", ConnectorStatus.OCCUPIED, ChargingState.SUSPENDED_EVSE, False),
        ("SuspendedEV", ConnectorStatus.OCCUPIED, ChargingState.SUSPENDED_EV, False),
        ("Finishing", ConnectorStatus.OCCUPIED, ChargingState.EV_CONNECTED, True),
        ("Reserved", ConnectorStatus.RESERVED, None, False),
        ("Unavailable", ConnectorStatus.UNAVAILABLE, None, False),
        ("Faulted", ConnectorStatus.FAULTED, None, False),
    ],
)
def test_its_one_word_says_status_and_charging_state(
    tell16: Any,
    word: str,
    status: ConnectorStatus,
    charging_state: ChargingState | None,
    finishing: bool,
) -> None:
    async def story(station: Any) -> None:
        await station.status(2, word)
        (report,) = station.office.stations.reports
        assert (report.evse_id, report.connector_id) == (2, 1)
        assert (report.status, report.charging_state) == (status, charging_state)
        assert report.finishing is finishing

    tell16(story)


def test_q22_an_unknown_status_is_no_error(tell16: Any) -> None:
    async def story(station: Any) -> None:
        now = station.office.clock.now()
        payload = {"connectorId": "1", "status": "Dreaming", "errorCode": "NoError"}
        assert await station.dialect.answer("StatusNotification", payload, now) == {}
        assert station.office.stations.reports[0].status is ConnectorStatus.UNKNOWN

    tell16(story)


def test_q36_connector_0_is_the_station_and_hides_no_evse(tell16: Any) -> None:
    async def story(station: Any) -> None:
        await station.status(0, "Unavailable")
        await station.status(1, "Available")
        await station.status(0, "Faulted")
        assert [report.evse_id for report in station.office.stations.reports] == [0, 1, 0]

    tell16(story, station=ONE_EVSE)


def test_q36_a_box_that_calls_its_only_evse_connector_0_works(tell16: Any) -> None:
    async def story(station: Any) -> None:
        await station.status(0, "Preparing")
        transaction_id = await station.start(0, "04A2B3C4", 0)
        await station.status(0, "Charging")
        await station.measure(0, transaction_id, 100, (10.0, 0.0, 0.0))
        await station.stop(transaction_id, 200)
        await station.status(0, "Available")
        assert {report.evse_id for report in station.office.stations.reports} == {1}
        assert station.office.transactions.starts[0].evse_id == 1
        assert station.office.metering.live[0][0] == EvseKey("CP-1", 1)
        assert station.office.transactions.ends[0].evse_id == 1

    tell16(story, station=ONE_EVSE)


def test_q36_the_supply_meter_of_a_station_is_no_evses(tell16: Any) -> None:
    async def story(station: Any) -> None:
        sampled = [{"value": "90000", "measurand": "Power.Active.Import"}]
        values = [{"timestamp": station.stamp(), "sampledValue": sampled}]
        await station.say("MeterValues", {"connectorId": 0, "meterValue": values})
        assert station.office.metering.live == []
        assert station.office.transactions.updates == []

    tell16(story, station=ONE_EVSE)


def test_a_start_that_does_not_say_where_is_where_the_car_is(tell16: Any) -> None:
    async def story(station: Any) -> None:
        await station.status(2, "Preparing")
        await station.start(0, "04A2B3C4", 0)
        assert station.office.transactions.starts[0].evse_id == 2

    tell16(story)


def test_q22_a_start_with_nothing_in_it_is_stored_and_answered(tell16: Any) -> None:
    async def story(station: Any) -> None:
        now = station.office.clock.now()
        answer = await station.dialect.answer("StartTransaction", {}, now)
        assert answer["transactionId"] == 4711
        (started,) = station.office.transactions.starts
        assert (started.id_token, started.meter_start_wh) == (None, None)
        assert (started.time.at, started.time.quality) == (now, TimeQuality.RECEIVED)

    tell16(story)


@pytest.mark.parametrize("payload", [{}, {"transactionId": "x", "meterStop": [], "reason": 7}])
def test_q22_a_stop_with_nonsense_in_it_is_acknowledged(
    tell16: Any, payload: dict[str, Any]
) -> None:
    async def story(station: Any) -> None:
        now = station.office.clock.now()
        assert await station.dialect.answer("StopTransaction", payload, now) == {}
        assert len(station.office.transactions.ends) == 1

    tell16(story)


@pytest.mark.parametrize("transaction_id", [0, -1])
def test_q28_an_id_that_was_never_given_is_none(tell16: Any, transaction_id: int) -> None:
    async def story(station: Any) -> None:
        await station.stop(str(transaction_id), 500)
        (ended,) = station.office.transactions.ends
        assert (ended.station_transaction_id, ended.meter_stop_wh) == (None, 500)

    tell16(story)


def test_q23_a_card_is_read_without_control_characters(tell16: Any) -> None:
    async def story(station: Any) -> None:
        answer = await station.say("Authorize", {"idTag": "04A2B3C4\x00\x00\r"})
        assert answer["idTagInfo"]["status"] == "Accepted"

    tell16(story)


def test_q23_a_kebas_serial_number_is_no_part_of_the_card(tell16: Any) -> None:
    async def story(station: Any) -> None:
        await station.boot(chargePointVendor="Keba AG", chargePointSerialNumber="17619300")
        assert await station.authorize("04A2B3C4_17619300") == "Accepted"

    tell16(story)


def test_q35_meter_values_without_a_transaction_name_their_evse(tell16: Any) -> None:
    async def story(station: Any) -> None:
        values = [{"timestamp": station.stamp(), "sampledValue": [{"value": "5"}]}]
        await station.say("MeterValues", {"connectorId": 2, "meterValue": values})
        (updated,) = station.office.transactions.updates
        assert (updated.station_transaction_id, updated.evse_id) == (None, 2)

    tell16(story)


def test_meter_values_of_a_stop_come_on_the_sites_phases(tell16: Any) -> None:
    async def story(station: Any) -> None:
        transaction_id = await station.start(1, "04A2B3C4", 0)
        current = {"value": "9", "measurand": "Current.Import", "phase": "L1"}
        end = {"value": "700", "context": "Transaction.End"}
        values = [{"timestamp": station.stamp(), "sampledValue": [end, current]}]
        await station.say(
            "StopTransaction",
            {
                "transactionId": int(transaction_id), "meterStop": 700,
                "timestamp": station.stamp(), "transactionData": values,
            },
        )  # fmt: skip
        (ended,) = station.office.transactions.ends
        assert ended.readings[0].energy_import_wh == 700
        assert ended.readings[1].current_a == (None, 9.0, None)

    tell16(story)


@pytest.mark.parametrize(
    ("said", "kept"),
    [(None, "Local"), ("Remote", "Remote"), ("HardReset", "ImmediateReset"), ("Other", "Other")],
)
def test_the_reason_of_a_stop_is_told_in_one_vocabulary(
    tell16: Any, said: str | None, kept: str
) -> None:
    async def story(station: Any) -> None:
        payload = {"transactionId": 1, "meterStop": 1, "timestamp": station.stamp()}
        await station.say("StopTransaction", payload | ({} if said is None else {"reason": said}))
        assert station.office.transactions.ends[0].stop_reason == kept

    tell16(story)


@pytest.mark.parametrize(
    "action",
    [
        "SecurityEventNotification",
        "LogStatusNotification",
        "DiagnosticsStatusNotification",
    ],
)
def test_reports_from_which_nothing_follows_are_acknowledged(tell16: Any, action: str) -> None:
    async def story(station: Any) -> None:
        payloads = {
            "SecurityEventNotification": {"type": "X", "timestamp": station.stamp()},
            "LogStatusNotification": {"status": "Idle"},
            "DiagnosticsStatusNotification": {"status": "Idle"},
        }
        assert await station.say(action, payloads[action]) == {}

    tell16(story)


# what we say


def test_a_lease_stands_one_level_above_the_fallback_on_the_same_connector(tell16: Any) -> None:
    async def story(station: Any) -> None:
        await station.status(1, "Charging")
        limit = ChargingLimit(1, 16.0, 3, lease_s=300, transaction_id="4711")
        await station.dialect.set_limit(limit)
        profile = station.limit_sent()
        assert (profile["evse_id"], profile["stackLevel"]) == (1, 1)
        assert profile["chargingProfilePurpose"] == "TxDefaultProfile"
        assert "transactionId" not in profile

    tell16(story)


ONE_LEVEL = {"key": "ChargeProfileMaxStackLevel", "readonly": True, "value": "0"}


def test_q44_one_stack_level_is_remembered_until_set_up_finds_another(tell16: Any) -> None:
    office = Office()
    limit = ChargingLimit(1, 16.0, 3, lease_s=300, fallback_a=6.0, transaction_id="4711")

    def connection(max_level: str) -> None:
        async def story(station: Any) -> None:
            row = {**ONE_LEVEL, "value": max_level}
            station.session.replies["GetConfiguration"] = {"configurationKey": [row]}
            await station.dialect.set_limit(limit)
            levels.append(station.limit_sent()["stackLevel"])
            await station.boot()
            await eventually(lambda: station.dialect.found_settings)
            await station.dialect.set_limit(limit)
            levels.append(station.limit_sent()["stackLevel"])
            await eventually(lambda: not station.dialect._setting_up)

        tell16(story, office=office)

    levels: list[int] = []
    connection("0")
    connection("3")
    connection("3")
    assert levels == [1, 0, 0, 1, 1, 1]


def test_q44_with_one_stack_level_a_lease_ends_in_the_fallback(tell16: Any) -> None:
    async def story(station: Any) -> None:
        station.session.replies["GetConfiguration"] = {"configurationKey": [ONE_LEVEL]}
        await station.boot()
        await eventually(lambda: station.dialect.found_settings)
        await station.status(1, "Charging")
        await station.dialect.set_fallback(1, 6.0, 3)
        fallback = station.limit_sent()
        limit = ChargingLimit(1, 16.0, 3, lease_s=300, fallback_a=6.0, transaction_id="4711")
        await station.dialect.set_limit(limit)
        lease = station.limit_sent()
        same = ("evse_id", "chargingProfileId", "stackLevel", "chargingProfilePurpose")
        assert [lease[name] for name in same] == [fallback[name] for name in same]
        assert "validTo" not in lease
        assert "duration" not in lease["chargingSchedule"]
        assert lease["chargingSchedule"]["chargingSchedulePeriod"] == [
            {"startPeriod": 0, "limit": 16, "numberPhases": 3},
            {"startPeriod": 360, "limit": 6, "numberPhases": 3},
        ]
        await station.dialect.clear_limit(1)
        assert station.session.payloads("ClearChargingProfile") == []
        (period,) = station.limit_sent()["chargingSchedule"]["chargingSchedulePeriod"]
        assert period["limit"] == 6
        assert station.session.last("SetChargingProfile").key == "limit-1"

    tell16(story)


def test_q53_a_start_on_another_card_is_not_our_remote_start(tell16: Any) -> None:
    async def story(station: Any) -> None:
        await station.dialect.start(1, 1, "04A2B3C4", 99)
        await station.start(1, "OTHER", 0)
        assert station.office.transactions.starts[0].remote_start_id is None

    tell16(story)


def test_a_message_1_6_does_not_know_is_refused_here(tell16: Any) -> None:
    async def story(station: Any) -> None:
        with pytest.raises(InvalidInput):
            await station.dialect.trigger("NotifyReport", None)

    tell16(story)


def test_q16_settings_are_read_whatever_their_form() -> None:
    body = {
        "configurationKey": [
            {"key": "METERVALUESAMPLEINTERVAL", "readonly": False, "value": 60},
            {"key": "GetConfigurationMaxKeys", "readonly": "true", "value": "5"},
            {"key": "AuthorizeRemoteTxRequests", "value": True},
            {"key": "NoValue", "readonly": True},
            {"readonly": True, "value": "no key"},
            "nonsense",
        ],
    }
    settings = parse_settings(body)
    assert settings["MeterValueSampleInterval"].value == "60"
    assert not settings["GetConfigurationMaxKeys"].writable
    assert settings["AuthorizeRemoteTxRequests"].value == "true"
    assert settings["AuthorizeRemoteTxRequests"].writable
    assert settings["NoValue"].value is None
    assert parse_settings({}) == {}


def test_q16_many_keys_are_asked_in_the_parts_a_station_takes(tell16: Any) -> None:
    async def story(station: Any) -> None:
        row = {"key": "GetConfigurationMaxKeys", "readonly": True, "value": "2"}
        station.session.replies["GetConfiguration"] = {"configurationKey": [row]}
        await station.boot()
        await eventually(lambda: "set-up/CP-1" in station.office.stations.facts)
        station.session.said.clear()
        answer = await station.dialect.get_variables(("A", "B", "C", "D", "E"))
        assert [p["key"] for p in station.session.payloads("GetConfiguration")] == [
            ["A", "B"],
            ["C", "D"],
            ["E"],
        ]
        assert len(answer.body["configurationKey"]) == 3

    tell16(story)


def test_all_settings_can_be_asked_for(tell16: Any) -> None:
    async def story(station: Any) -> None:
        station.session.replies["GetConfiguration"] = {"unknownKey": ["A"]}
        answer = await station.dialect.get_variables(())
        assert station.session.payloads("GetConfiguration") == [{}]
        assert (answer.accepted, answer.body["unknownKey"]) == (False, ["A"])

    tell16(story)


@pytest.mark.parametrize(
    ("said", "units"),
    [
        ("Current", {LimitUnit.A}),
        ("Power", {LimitUnit.W}),
        ("Current,Power", {LimitUnit.A, LimitUnit.W}),
        ("current; POWER", {LimitUnit.A, LimitUnit.W}),
        ("A|W", {LimitUnit.A, LimitUnit.W}),
        ("Amps", {LimitUnit.A}),
        ("w", {LimitUnit.W}),
        ("", set()),
        (None, set()),
        ("Horsepower", set()),
    ],
)
def test_q48_units_are_read_in_any_spelling(said: str | None, units: set[LimitUnit]) -> None:
    assert parse_units(said) == units


def test_q48_a_unit_that_the_station_does_not_take_is_told(tell16: Any) -> None:
    async def story(station: Any) -> None:
        row = {"key": "ChargingScheduleAllowedChargingRateUnit", "readonly": True, "value": "Power"}
        station.session.replies["GetConfiguration"] = {"configurationKey": [row]}
        await station.boot()
        await eventually(lambda: station.office.stations.warnings)
        assert station.office.stations.warnings == [
            "takes limits in W; set limit_unit of EVSE 1 to that"
        ]

    tell16(story)


def test_q14_a_fresh_station_is_told_what_to_sample(tell16: Any) -> None:
    async def story(station: Any) -> None:
        await station.boot()
        await eventually(lambda: "set-up/CP-1" in station.office.stations.facts)
        written = {p["key"]: p["value"] for p in station.session.payloads("ChangeConfiguration")}
        assert written["MeterValueSampleInterval"] == "10"
        assert "Current.Import" in written["MeterValuesSampledData"].split(",")
        assert station.session.payloads("GetConfiguration") == [{}]

    tell16(story)


def test_q15_an_old_terra_ac_is_neither_probed_nor_asked_for_its_list(tell16: Any) -> None:
    async def story(station: Any) -> None:
        await station.boot(**ABB)
        await eventually(lambda: "set-up/CP-1" in station.office.stations.facts)
        asked = [key for p in station.session.payloads("GetConfiguration") for key in p["key"]]
        assert "MeterValueSampleInterval" in asked
        assert "MeterValuesSampledData" not in asked
        written = {p["key"] for p in station.session.payloads("ChangeConfiguration")}
        assert "MeterValuesSampledData" not in written

    tell16(story)


def test_a_station_that_takes_no_interval_is_asked_for_each_sample(tell16: Any) -> None:
    async def story(station: Any) -> None:
        station.session.replies["ChangeConfiguration"] = {"status": "Rejected"}
        row = {"key": "MeterValuesSampledData", "readonly": True, "value": ""}
        station.session.replies["GetConfiguration"] = {"configurationKey": [row]}
        await station.boot()
        wanted = {"requestedMessage": "MeterValues", "connectorId": 2}
        await eventually(lambda: wanted in station.session.payloads("TriggerMessage"))

    tell16(story, office=Office(OcppSettings(sample_interval_s=1)))


def test_a_station_that_knows_no_triggers_is_not_asked_again(tell16: Any) -> None:
    async def story(station: Any) -> None:
        station.session.replies["TriggerMessage"] = CallRefused("NotSupported", "")
        station.dialect.became_ready(rebooted=False)
        await eventually(lambda: not station.dialect._setting_up)
        assert len(station.session.said) == 1

    tell16(story)


def test_q40_a_register_in_kwh_sent_as_wh_is_told(tell16: Any) -> None:
    async def story(station: Any) -> None:
        for minute in range(60):
            station.office.clock.passed_s = 60.0 * minute
            sampled = [
                {"value": str(1000 + minute // 6)},
                {"value": "11000", "measurand": "Power.Active.Import"},
            ]
            values = [{"timestamp": station.stamp(), "sampledValue": sampled}]
            await station.say("MeterValues", {"connectorId": 1, "meterValue": values})
        assert set(station.office.stations.warnings) == {
            "EVSE 1: its energy register looks like kWh sent as Wh"
        }

    tell16(story)
