"""A technician's raw OCPP call, through the API, to a simulated station of each version."""

from typing import Any

import pytest

from sitecontroller.client import ControllerClient
from sitecontroller.domain.errors import CallRefused, Conflict, InvalidInput, StationOffline
from sitecontroller.simulation.cars import Car, CarModel
from sitecontroller.simulation.virtual_time import VirtualLoop
from tests.simulation.demo_site import DemoSite, demo_site
from tests.support import eventually

STATION_16, STATION_201 = "CP-01", "CP-06"
HUNGRY = CarModel("hungry", 60_000, 3, 32.0, latency_s=1.0, share=1.0)

SCHEDULE = {
    "chargingRateUnit": "A",
    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10.0}],
}
PROFILE_16 = {
    "chargingProfileId": 77,
    "stackLevel": 3,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": SCHEDULE,
}
PROFILE_201 = {
    "id": 77,
    "stackLevel": 3,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": [{"id": 1, **SCHEDULE}],
}
OF_START_16 = {**PROFILE_16, "chargingProfilePurpose": "TxProfile"}
OF_START_201 = {**PROFILE_201, "chargingProfilePurpose": "TxProfile"}
VARIABLE = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}

CALLS: list[tuple[str, str, dict[str, Any], str, Any]] = [
    (STATION_16, "TriggerMessage", {"requestedMessage": "Heartbeat"}, "status", "Accepted"),
    (STATION_16, "UnlockConnector", {"connectorId": 1}, "status", "Unlocked"),
    (
        STATION_16,
        "ChangeConfiguration",
        {"key": "HeartbeatInterval", "value": "120"},
        "status",
        "Accepted",
    ),
    (STATION_16, "GetConfiguration", {"key": ["NoSuchKey"]}, "unknownKey", ["NoSuchKey"]),
    (STATION_16, "GetCompositeSchedule", {"connectorId": 1, "duration": 60}, "status", "Accepted"),
    (STATION_16, "ClearChargingProfile", {"id": 77}, "status", "Unknown"),
    (
        STATION_16,
        "ChangeAvailability",
        {"connectorId": 1, "type": "Inoperative"},
        "status",
        "Accepted",
    ),
    (STATION_16, "Reset", {"type": "Soft"}, "status", "Accepted"),
    (STATION_201, "TriggerMessage", {"requestedMessage": "Heartbeat"}, "status", "Accepted"),
    (STATION_201, "UnlockConnector", {"evseId": 1, "connectorId": 1}, "status", "Unlocked"),
    (STATION_201, "GetCompositeSchedule", {"evseId": 1, "duration": 60}, "status", "Accepted"),
    (STATION_201, "ClearChargingProfile", {"chargingProfileId": 77}, "status", "Unknown"),
    (
        STATION_201,
        "ChangeAvailability",
        {"operationalStatus": "Inoperative", "evse": {"id": 1}},
        "status",
        "Accepted",
    ),
    (STATION_201, "Reset", {"type": "OnIdle"}, "status", "Accepted"),
]


@pytest.fixture
def scene(run, tmp_path):
    """`scene(play)` runs `await play(demo)` on virtual time with every station connected."""

    async def staged(play):
        async with demo_site(tmp_path) as demo:
            await demo.connected()
            await play(demo)

    return lambda play: run(staged(play), loop_factory=VirtualLoop)


def test_every_call_of_both_versions_reaches_the_station_and_comes_back(scene):
    async def play(demo: DemoSite) -> None:
        for station_id, action, payload, field, expected in CALLS:
            answer = await demo.client.call_station(station_id, action, payload)
            assert answer[field] == expected, (station_id, action, answer)

    scene(play)


@pytest.mark.parametrize(
    ("station_id", "action", "payload"),
    [
        (STATION_16, "SetChargingProfile", {"connectorId": 1, "csChargingProfiles": PROFILE_16}),
        (STATION_201, "SetChargingProfile", {"evseId": 1, "chargingProfile": PROFILE_201}),
        (STATION_16, "ClearChargingProfile", {}),
        (STATION_201, "ClearChargingProfile", {}),
        (
            STATION_16,
            "RemoteStartTransaction",
            {"connectorId": 1, "idTag": "04", "chargingProfile": OF_START_16},
        ),
        (
            STATION_201,
            "RequestStartTransaction",
            {
                "evseId": 1,
                "remoteStartId": 5,
                "idToken": {"idToken": "04", "type": "ISO14443"},
                "chargingProfile": OF_START_201,
            },
        ),
    ],
)
def test_no_raw_call_lets_more_flow_than_load_management_counts_on(
    scene, station_id, action, payload
):
    async def play(demo: DemoSite) -> None:
        with pytest.raises(Conflict, match="under load management"):
            await demo.client.call_station(station_id, action, payload)

    scene(play)


def test_variables_are_read_and_written_raw(scene):
    async def play(demo: DemoSite) -> None:
        written = await demo.client.call_station(
            STATION_201, "SetVariables", {"setVariableData": [{**VARIABLE, "attributeValue": "99"}]}
        )
        assert written["setVariableResult"][0]["attributeStatus"] == "Accepted"
        read = await demo.client.call_station(
            STATION_201, "GetVariables", {"getVariableData": [VARIABLE]}
        )
        assert read["getVariableResult"][0]["attributeValue"] == "99"

    scene(play)


async def running_key(client: ControllerClient, station_id: str) -> Any:
    page = await client.transactions(active=True)
    return next((item for item in page.items if item.station_id == station_id), None)


@pytest.mark.parametrize(
    ("station_id", "start", "stop"),
    [
        (STATION_16, "RemoteStartTransaction", "RemoteStopTransaction"),
        (STATION_201, "RequestStartTransaction", "RequestStopTransaction"),
    ],
)
def test_a_session_is_started_and_stopped_raw(scene, station_id, start, stop):
    async def play(demo: DemoSite) -> None:
        card = demo.cards[0]
        demo.virtual.stations[station_id].plug(1, Car(HUNGRY, 0.3))
        is_16 = station_id == STATION_16
        begin: dict[str, Any] = (
            {"connectorId": 1, "idTag": card}
            if is_16
            else {
                "evseId": 1,
                "remoteStartId": 5,
                "idToken": {"idToken": card, "type": "ISO14443"},
            }
        )
        assert (await demo.client.call_station(station_id, start, begin))["status"] == "Accepted"
        session = await eventually(lambda: running_key(demo.client, station_id), within_s=60)
        number = session.station_transaction_id
        end = {"transactionId": int(number) if is_16 else number}
        assert (await demo.client.call_station(station_id, stop, end))["status"] == "Accepted"

        async def ended() -> bool:
            return await running_key(demo.client, station_id) is None

        await eventually(ended, within_s=60)

    scene(play)


def test_what_a_station_does_not_know_comes_back_as_its_refusal(scene):
    async def play(demo: DemoSite) -> None:
        with pytest.raises(CallRefused) as caught:
            await demo.client.call_station(STATION_16, "Authorize", {"idTag": "04"})
        assert "NotSupported" in str(caught.value) or "NotImplemented" in str(caught.value)

    scene(play)


def test_a_call_that_no_version_has_is_refused_before_it_is_sent(scene):
    async def play(demo: DemoSite) -> None:
        with pytest.raises(InvalidInput):
            await demo.client.call_station(STATION_16, "MakeCoffee", {"at": "once"})

    scene(play)


def test_a_call_to_a_silent_station_says_that_it_is_offline(scene):
    async def play(demo: DemoSite) -> None:
        link = demo.site.services.stations.link(STATION_16)
        assert link is not None
        await demo.virtual.stop()
        await eventually(lambda: demo.site.services.stations.link(STATION_16) is None, within_s=120)
        with pytest.raises(StationOffline):
            await demo.client.call_station(STATION_16, "ClearCache", {})

    scene(play)
