"""Transactions as the specification's cases play them, each start and stop point (blocks E, F, J,
P of part 6), in 2.0.1 and 2.1.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.domain import commands
from sitecontroller.domain.commands import CommandState
from sitecontroller.domain.metering import ReadingContext
from sitecontroller.domain.topology import EvseKey
from sitecontroller.domain.transaction import Transaction, TransactionState
from tests.support import eventually
from tests.wire.conformance.station import CARD, Station, samples, station_at
from tests.wire.site import CARDS, TestSite, instant, running_site

Play = Callable[[TestSite, Station], Awaitable[None]]


@pytest.fixture(params=["2.0.1", "2.1"])
def play(request: Any, run: Any, tmp_path: Path) -> Callable[[Play], None]:
    """`play(story)` runs `await story(site, station)` for each 2.x version."""

    async def played(story: Play) -> None:
        async with running_site(tmp_path) as site, station_at(site, request.param) as station:
            await story(site, station)

    return lambda story: run(played(story))


async def ended(site: TestSite) -> Transaction:
    """The only session, which has ended."""
    row = await site.row()
    assert row.state is not TransactionState.ACTIVE
    return row


# where a session may begin (E01, E02, E03)

CONNECTED = {"chargingState": "EVConnected"}
STARTS: list[tuple[str, list[tuple[str, str, dict[str, Any], dict[str, Any]]]]] = [
    (
        "cable first",
        [
            ("Started", "CablePluggedIn", {"chargingState": "EVConnected"}, {}),
            ("Updated", "Authorized", {"chargingState": "EVConnected"}, {"idToken": CARD}),
            ("Updated", "ChargingStateChanged", {"chargingState": "Charging"}, {}),
        ],
    ),
    (
        "card first",
        [
            ("Started", "Authorized", {}, {"idToken": CARD, "evse": {"id": 1}}),
            ("Updated", "CablePluggedIn", {"chargingState": "EVConnected"}, {}),
            ("Updated", "ChargingStateChanged", {"chargingState": "Charging"}, {}),
        ],
    ),
    (
        "car in the bay",
        [
            ("Started", "EVDetected", {}, {"evse": {"id": 1}}),
            ("Updated", "CablePluggedIn", {"chargingState": "EVConnected"}, {}),
            ("Updated", "Authorized", {}, {"idToken": CARD}),
            ("Updated", "ChargingStateChanged", {"chargingState": "Charging"}, {}),
        ],
    ),
    (
        "signed start",
        [
            ("Started", "SignedDataReceived", {"chargingState": "EVConnected"}, {"idToken": CARD}),
            ("Updated", "ChargingStateChanged", {"chargingState": "Charging"}, {}),
        ],
    ),
    (
        "power path closed",
        [
            (
                "Started",
                "ChargingStateChanged",
                {"chargingState": "EVConnected"},
                {"idToken": CARD},
            ),
            ("Updated", "ChargingStateChanged", {"chargingState": "Charging"}, {}),
        ],
    ),
    (
        "energy flows",
        [("Started", "ChargingStateChanged", {"chargingState": "Charging"}, {"idToken": CARD})],
    ),
]


@pytest.mark.parametrize("steps", [steps for _, steps in STARTS], ids=[name for name, _ in STARTS])
def test_wherever_a_session_begins_it_is_one_session_of_its_card(play: Any, steps: Any):
    """Proves: TC_E_01_CSMS, TC_E_02_CSMS, TC_E_03_CSMS, TC_E_04_CSMS, TC_E_09_CSMS, TC_E_10_CSMS,
    Proves: TC_E_11_CSMS, TC_E_12_CSMS, TC_E_53_CSMS."""

    async def story(site: TestSite, station: Station) -> None:
        await station.status("Occupied")
        verdicts = []
        for kind, trigger, info, rest in steps:
            answer = await station.event(kind, trigger, info, **rest)
            if "idToken" in rest:
                verdicts.append(answer["idTokenInfo"]["status"])
        assert verdicts == ["Accepted"]
        row = await site.row()
        assert row.state is TransactionState.ACTIVE
        assert row.id_token is not None
        assert (row.id_token.id_token, row.evse_id) == (CARDS[0], 1)
        view = site.site.controller.station_view("CP-01")
        assert view is not None
        assert view.evses[0].transaction_key == row.key

    play(story)


# how it may end (E06 to E10)

STRANGER = {"idToken": "STRANGER", "type": "ISO14443"}
CHARGED = ("Charging",)
STOPS = [
    ("StopAuthorized", "Local", CHARGED, {"idToken": CARD}),
    ("RemoteStop", "Remote", CHARGED, {}),
    ("ChargingStateChanged", "Local", CHARGED, {"last": "EVConnected"}),
    ("EVCommunicationLost", "EVDisconnected", ("Charging", "SuspendedEV"), {"last": "Idle"}),
    ("EVCommunicationLost", "EVDisconnected", ("Charging", "EVConnected"), {}),
    ("EVDeparted", "Local", ("Charging", "EVConnected", "Idle"), {}),
    ("EnergyLimitReached", "EnergyLimitReached", CHARGED, {}),
    ("TimeLimitReached", "TimeLimitReached", CHARGED, {}),
    ("ChargingStateChanged", "StoppedByEV", CHARGED, {"last": "SuspendedEV"}),
    ("EVCommunicationLost", "EVDisconnected", ("EVConnected", "SuspendedEV"), {}),
    ("AbnormalCondition", "EmergencyStop", CHARGED, {}),
    ("ResetCommand", "ImmediateReset", CHARGED, {}),
    ("SignedDataReceived", "Local", CHARGED, {}),
    ("EVConnectTimeout", "Timeout", (), {}),
    ("Deauthorized", "DeAuthorized", (), {"card": STRANGER}),
]


@pytest.mark.parametrize(
    ("trigger", "reason", "states", "rest"),
    STOPS,
    ids=["-".join((stop[0], stop[1], *stop[2])) for stop in STOPS],
)
def test_however_a_session_ends_its_energy_and_reason_are_kept(
    play: Any, trigger: str, reason: str, states: tuple[str, ...], rest: dict[str, Any]
):
    """Proves: TC_E_07_CSMS, TC_E_08_CSMS, TC_E_14_CSMS, TC_E_15_CSMS, TC_E_16_CSMS, TC_E_17_CSMS,
    Proves: TC_E_19_CSMS, TC_E_20_CSMS, TC_E_21_CSMS, TC_E_22_CSMS, TC_E_38_CSMS, TC_E_39_CSMS."""
    shown = {**rest}
    card = shown.pop("card", CARD)
    verdict = "Accepted" if card is CARD else "Invalid"
    info = {"stoppedReason": reason, "chargingState": shown.pop("last", None)}
    info = {name: value for name, value in info.items() if value is not None}

    async def story(site: TestSite, station: Station) -> None:
        begin = samples(1000, "Transaction.Begin")
        at = instant(datetime.now(UTC) - timedelta(minutes=10))
        begun = {"timestamp": at, "idToken": card, "meterValue": begin}
        answer = await station.event("Started", "Authorized", **begun)
        assert answer["idTokenInfo"]["status"] == verdict
        for state in states:
            await station.event("Updated", "ChargingStateChanged", {"chargingState": state})
            assert (await site.row()).charging_state == state
        if reason == "Remote":
            await site.site.controller.execute(commands.StopTransaction((await site.row()).key))
            asked = station.charger.asked_for("RequestStopTransaction")
            assert asked == [{"transactionId": station.transaction_id}]
        end = samples(4000, "Transaction.End")
        answer = await station.event("Ended", trigger, info, meterValue=end, **shown)
        if "idToken" in shown:
            assert answer["idTokenInfo"]["status"] == "Accepted"
        row = await ended(site)
        assert (row.energy_wh, row.stop_reason) == (Decimal(3000), reason)
        assert row.authorization_status == verdict
        assert answer["totalCost"] == 2.5

    play(story)


@pytest.mark.parametrize("suspended", ["SuspendedEV", "SuspendedEVSE"])
def test_a_session_that_pauses_and_goes_on_is_one_session(play: Any, suspended: str):
    """Proves: TC_E_26_CSMS, TC_E_10_CSMS."""

    async def story(site: TestSite, station: Station) -> None:
        await station.event("Started", "Authorized", idToken=CARD, meterValue=samples(0))
        for state in ("Charging", suspended, "EVConnected", "Charging"):
            await station.event("Updated", "ChargingStateChanged", {"chargingState": state})
        row = await site.row()
        assert row.charging_state is not None
        assert row.charging_state.value == "Charging"
        assert await site.rows() == (row,)

    play(story)


# asked for from afar (F01, F02, F06)


async def _asked_to_start(site: TestSite, station: Station) -> int:
    command = commands.StartTransaction("CP-01", 1, CARDS[0])
    result = await site.site.controller.execute(command)
    assert result.state is CommandState.ACCEPTED
    (asked,) = station.charger.asked_for("RequestStartTransaction")
    assert asked["idToken"]["idToken"] == CARDS[0]
    return int(asked["remoteStartId"])


@pytest.mark.parametrize("cable_first", [True, False])
def test_a_remote_start_before_or_after_the_cable_is_one_session(play: Any, cable_first: bool):
    """Proves: TC_F_01_CSMS, TC_F_02_CSMS, TC_F_03_CSMS."""

    async def story(site: TestSite, station: Station) -> None:
        connected = {"chargingState": "EVConnected"}
        if cable_first:
            await station.status("Occupied")
            await station.event("Started", "CablePluggedIn", connected)
            number = await _asked_to_start(site, station)
            remote = {"remoteStartId": number}
            answer = await station.event("Updated", "RemoteStart", remote, idToken=CARD)
        else:
            number = await _asked_to_start(site, station)
            assert await station.authorize() == "Accepted"
            remote = {"remoteStartId": number}
            answer = await station.event("Started", "RemoteStart", remote, idToken=CARD)
            await station.event("Updated", "CablePluggedIn", connected)
        assert answer["idTokenInfo"]["status"] == "Accepted"
        row = await site.row()
        assert row.remote_start_id == number

    play(story)


def test_a_remote_start_without_a_car_ends_by_the_stations_time_out(play: Any):
    """Proves: TC_F_04_CSMS."""

    async def story(site: TestSite, station: Station) -> None:
        number = await _asked_to_start(site, station)
        await station.event("Started", "RemoteStart", {"remoteStartId": number}, idToken=CARD)
        await station.event("Ended", "EVConnectTimeout", {"stoppedReason": "Timeout"})
        row = await ended(site)
        assert row.stop_reason == "Timeout"

    play(story)


@pytest.mark.parametrize("message", ["Heartbeat", "StatusNotification", "MeterValues"])
def test_a_station_is_asked_for_a_message_and_may_lack_it(play: Any, message: str):
    """Proves: TC_F_20_CSMS, TC_F_27_CSMS."""

    async def story(site: TestSite, station: Station) -> None:
        command = commands.TriggerMessage("CP-01", message, 1 if message != "Heartbeat" else None)
        result = await site.site.controller.execute(command)
        assert result.state is CommandState.ACCEPTED
        asked = station.charger.asked_for("TriggerMessage")[-1]
        assert asked["requestedMessage"] == message
        assert "currentTime" in await station.charger.call("Heartbeat", {})
        station.charger.answers["TriggerMessage"] = lambda _: {"status": "NotImplemented"}
        refused = await site.site.controller.execute(command)
        assert (refused.state, refused.reason) == (CommandState.REJECTED, "NotImplemented")

    play(story)


# meter values (J01, J02)


def test_clock_aligned_values_outside_a_session_update_the_live_view_alone(play: Any):
    """Proves: TC_J_01_CSMS."""

    async def story(site: TestSite, station: Station) -> None:
        values = samples(7000.0, "Sample.Clock")
        values[0]["sampledValue"].append(
            {"value": 9.5, "measurand": "Current.Import", "phase": "L1", "context": "Sample.Clock"}
        )
        assert await station.charger.call("MeterValues", {"evseId": 1, "meterValue": values}) == {}
        measured = site.site.services.metering.evse(EvseKey("CP-01", 1))
        assert measured is not None
        assert measured.reading.current_a[0] == 9.5
        assert await site.rows() == ()

    play(story)


@pytest.mark.parametrize(
    ("context", "trigger"),
    [("Sample.Clock", "MeterValueClock"), ("Sample.Periodic", "MeterValuePeriodic")],
)
def test_values_of_a_running_session_are_kept_with_it(play: Any, context: str, trigger: str):
    """Proves: TC_J_02_CSMS, TC_J_03_CSMS, TC_J_07_CSMS, TC_J_08_CSMS, TC_J_09_CSMS,
    Proves: TC_J_10_CSMS."""

    async def story(site: TestSite, station: Station) -> None:
        begin = samples(1000, "Transaction.Begin")
        await station.event("Started", "Authorized", idToken=CARD, meterValue=begin)
        await station.event("Updated", trigger, meterValue=samples(1500, context))
        final = samples(1800, context) + samples(2000, "Transaction.End")
        await station.event("Ended", "StopAuthorized", idToken=CARD, meterValue=final)
        row = await ended(site)
        assert row.energy_wh == Decimal(1000)
        readings = await site.site.store.read(lambda tx: tx.readings(row.key))
        kept = {(reading.context, reading.energy_import_wh) for reading in readings}
        wanted = ReadingContext.CLOCK if context == "Sample.Clock" else ReadingContext.PERIODIC
        assert (wanted, 1500.0) in kept
        assert (ReadingContext.END, 2000.0) in kept

    play(story)


def test_signed_values_are_kept_verbatim(play: Any):
    """Proves: TC_J_04_CSMS, TC_J_11_CSMS."""

    async def story(site: TestSite, station: Station) -> None:
        signed = {
            "signedMeterData": "T0NNRnx7fQ==",
            "signingMethod": "ECDSA-secp256r1-SHA256",
            "encodingMethod": "OCMF",
            "publicKey": "b2Nh",
        }
        await station.event("Started", "Authorized", idToken=CARD, meterValue=samples(1000))
        values = samples(2000, "Transaction.End", signedMeterValue=signed)
        await station.event("Ended", "StopAuthorized", meterValue=values)
        row = await ended(site)
        readings = await site.site.store.read(lambda tx: tx.readings(row.key))
        assert any("T0NNRnx7fQ==" in (reading.signed_data or "") for reading in readings)
        assert row.energy_wh == Decimal(1000)

    play(story)


# data transfer (P02) and custom data


def test_data_of_an_unknown_vendor_is_refused_politely(play: Any):
    """Proves: TC_P_02_CSMS."""

    async def story(site: TestSite, station: Station) -> None:
        answer = await station.charger.call(
            "DataTransfer", {"vendorId": "com.nobody", "messageId": "hello", "data": {"a": [1]}}
        )
        assert answer["status"] == "UnknownVendorId"

    play(story)


def test_custom_data_disturbs_nothing(play: Any):
    """Proves: TC_P_03_CSMS."""

    async def story(site: TestSite, station: Station) -> None:
        await station.status("Occupied", customData={"vendorId": "com.nobody", "x": {"y": [1, 2]}})
        state = site.site.services.stations.evse_state(EvseKey("CP-01", 1))
        await eventually(lambda: state.connector_status.value == "Occupied")
        answer = await station.charger.call(
            "Heartbeat", {"customData": {"vendorId": "com.nobody", "at": instant()}}
        )
        assert set(answer) == {"currentTime"}
        faults = site.site.services.blocks.conformance.of("CP-01").report()
        assert not any(fault.startswith(("StatusNotification", "Heartbeat")) for fault in faults)

    play(story)
