"""The block through the API and its client: each row of the table, against a running site."""

import httpx
import pytest

from sitecontroller.api.app import build_api
from sitecontroller.client import ControllerClient
from sitecontroller.domain.availability import OutOfServiceQuery
from sitecontroller.domain.commands import ChangeAvailability, CommandState, ResetStation
from sitecontroller.domain.device import (
    Apn,
    CopySettings,
    Criterion,
    DifferencesQuery,
    RestoreSnapshot,
    SetNetworkProfile,
    SettingsQuery,
    SetVariables,
    SnapshotQuery,
    SnapshotsQuery,
    StationDifferencesQuery,
    TakeSnapshot,
    UseNetworkProfile,
)
from sitecontroller.domain.errors import InvalidInput, NotFound
from tests.wire.device.boxes import Box201, connected, told

URL = "http://127.0.0.1:8080"
TOKEN = "a-token"


def client_of(site):
    api = build_api(site.site.controller, TOKEN)
    return ControllerClient(URL, TOKEN, transport=httpx.ASGITransport(app=api))


def test_snapshots_differences_and_restoring_go_through_the_api(run, tmp_path):
    name = "OCPPCommCtrlr.OfflineThreshold"

    async def story():
        mine, other = Box201(), Box201()
        async with told(tmp_path, mine) as (site, _), connected(site, other, "CP-02"):
            client = client_of(site)
            taken = await client.execute(TakeSnapshot("CP-01", "spring"))
            key = taken.answer["key"]
            assert [s.label for s in (await client.ask(SnapshotsQuery("CP-01"))).items] == [
                "spring"
            ]
            view = await client.ask(SnapshotQuery("CP-01", key, q="threshold"))
            assert [(v.name, v.value) for v in view.variables] == [(name, "60")]
            mine.values[name] = "77"
            view = await client.ask(DifferencesQuery("CP-01", key, writable=True))
            assert [(d.name, d.before, d.after) for d in view.differences] == [(name, "60", "77")]
            result = await client.execute(RestoreSnapshot("CP-01", key, (name,)))
            assert (result.state, mine.values[name]) == (CommandState.EFFECTIVE, "60")
            await client.execute(SetVariables("CP-01", {name: "88"}))
            await client.execute(CopySettings("CP-01", "CP-02", (name,)))
            assert other.values[name] == "88"
            await client.execute(TakeSnapshot("CP-02"))
            view = await client.ask(StationDifferencesQuery("CP-01", "CP-02"))
            assert view.before.station_id == "CP-01"
            names = ("EVSE[1].AvailabilityState", name)
            view = await client.ask(
                SettingsQuery("CP-01", criteria=(Criterion.ACTIVE, Criterion.ENABLED), names=names)
            )
            assert {v.name for v in view.variables} == set(names)
            with pytest.raises(NotFound):
                await client.ask(SnapshotQuery("CP-02", key))
            with pytest.raises(InvalidInput):
                await client.execute(TakeSnapshot("CP-01", "x" * 81))
            await client.close()

    run(story())


def test_network_profiles_restarts_and_availability_go_through_the_api(run, tmp_path):
    async def story():
        box = Box201()
        async with told(tmp_path, box) as (site, charger):
            client = client_of(site)
            result = await client.execute(
                SetNetworkProfile("CP-01", 1, "ws://a.example", 1, apn=Apn("net.example"))
            )
            assert result.state is CommandState.ACCEPTED
            assert charger.asked_for("SetNetworkProfile")[0]["connectionData"]["apn"] == {
                "apn": "net.example",
                "apnAuthentication": "AUTO",
            }
            with pytest.raises(InvalidInput) as refusal:
                await client.execute(UseNetworkProfile("CP-01", 100))
            assert refusal.value.errors[0].field == "slot"
            await client.execute(ResetStation("CP-01", evse_id=2))
            assert charger.asked_for("Reset") == [{"type": "OnIdle", "evseId": 2}]
            command = ChangeAvailability("CP-01", 1, False, 1, "cable cut", "Kim")
            await client.execute(command)
            assert charger.asked_for("ChangeAvailability") == [
                {"operationalStatus": "Inoperative", "evse": {"id": 1, "connectorId": 1}}
            ]
            (shown,) = (await client.ask(OutOfServiceQuery("CP-01"))).items
            assert (shown.note, shown.by, shown.connector_id) == ("cable cut", "Kim", 1)
            assert (await client.ask(OutOfServiceQuery("CP-02"))).items == ()
            await client.close()

    run(story())
