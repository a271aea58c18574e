"""Boot, single variables and restarts of a 2.0.1 station (block B), as the specification's cases
play them.
"""

from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from sitecontroller.app import build
from sitecontroller.clock import SystemClock
from sitecontroller.config import load_config
from sitecontroller.domain.commands import (
    AcceptStation,
    CommandState,
    GetVariables,
    ResetStation,
    ResetType,
)
from sitecontroller.domain.errors import Unsupported
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from tests.support import eventually
from tests.wire.charger import CallError, charger_at
from tests.wire.device.boxes import Box16, Box201, carried_out, told
from tests.wire.site import CARDS, boot201, instant, running_site

SITE_TOML = """\
[site]
id = "TEST"
[ocpp]
host = "127.0.0.1"
port = 0
[api]
port = 0
[[circuits]]
id = "main"
limit_a = 63
"""
AVAILABLE = {
    "timestamp": "2026-01-01T00:00:00Z", "connectorStatus": "Available", "evseId": 1,
    "connectorId": 1,
}  # fmt: skip
BOOT = {"reason": "PowerUp", "chargingStation": {"vendorName": "Test", "model": "Wallbox"}}


def test_a_known_station_is_accepted(run, tmp_path):
    """Proves: TC_B_01_CSMS"""

    async def story():
        async with running_site(tmp_path) as site, site.charger(version="2.0.1") as charger:
            answer = await charger.call("BootNotification", BOOT)
            assert answer["status"] == "Accepted"
            assert answer["interval"] > 0
            await boot201(charger)

    run(story())


async def accepted(tmp_path):
    """A new station waits, a person accepts it: the path of site.toml and the password it got."""
    path = tmp_path / "site.toml"
    path.write_text(SITE_TOML)
    box = Box201()
    async with (
        running_site(tmp_path, commissioning=timedelta(hours=1), config_path=path) as site,
        site.charger("NEW-1", version="2.0.1", password="any") as charger,
    ):
        box.serve(charger)
        answer = await charger.call("BootNotification", BOOT)
        assert (answer["status"], answer["interval"] > 0) == ("Pending", True)
        await carried_out(site, AcceptStation("NEW-1"))
    return path, box.values["SecurityCtrlr.BasicAuthPassword"]


@asynccontextmanager
async def after_restart(tmp_path, clock):
    """The accepted station's new connection to the controller that knows it now."""
    path, password = await accepted(tmp_path)
    site = await build(load_config(path), clock, serve_api=False)
    url = f"ws://127.0.0.1:{site.ocpp_port}/ocpp"
    try:
        async with charger_at(url, "NEW-1", password, "2.0.1") as charger:
            yield charger
    finally:
        await site.stop()


def test_a_station_waits_until_a_person_accepts_it(run, tmp_path):
    """Proves: TC_B_02_CSMS"""

    async def story():
        async with after_restart(tmp_path, SystemClock()) as charger:
            assert (await charger.call("BootNotification", BOOT))["status"] == "Accepted"
            assert await charger.call("StatusNotification", AVAILABLE) == {}

    run(story())


def test_an_accepted_station_that_goes_on_waiting_is_asked_to_boot(run, tmp_path):
    """Proves: TC_B_31_CSMS"""

    async def story():
        async with after_restart(tmp_path, virtual_clock()) as charger:
            (asked,) = await eventually(lambda: charger.asked_for("TriggerMessage"), 60)
            assert asked == {"requestedMessage": "BootNotification"}
            answer = await charger.call("BootNotification", {**BOOT, "reason": "Triggered"})
            assert answer["status"] == "Accepted"
            assert await charger.call("StatusNotification", AVAILABLE) == {}

    run(story(), loop_factory=VirtualLoop)


def test_a_station_that_waits_for_a_person_may_say_nothing_else(run, tmp_path):
    """Proves: TC_B_30_CSMS"""

    async def story():
        async with (
            running_site(tmp_path, commissioning=timedelta(hours=1)) as site,
            site.charger("NEW-1", version="2.0.1", password="any") as charger,
        ):
            assert (await charger.call("BootNotification", BOOT))["status"] == "Pending"
            with pytest.raises(CallError) as refusal:
                await charger.call("StatusNotification", AVAILABLE)
            assert refusal.value.code == "SecurityError"

    run(story())


@pytest.mark.parametrize(
    "names",
    [
        ("OCPPCommCtrlr.OfflineThreshold",),
        ("OCPPCommCtrlr.OfflineThreshold", "AuthCtrlr.AuthorizeRemoteStart"),
    ],
)
def test_variables_are_read_by_name(run, tmp_path, names):
    """Proves: TC_B_06_CSMS, TC_B_07_CSMS"""

    async def story():
        box = Box201()
        async with told(tmp_path, box) as (site, charger):
            charger.asked.clear()
            result = await carried_out(site, GetVariables("CP-01", names))
            wanted = [
                dict(zip(("component", "variable"), map(_named, name.split(".")), strict=True))
                for name in names
            ]
            assert {"getVariableData": wanted} in charger.asked_for("GetVariables")
            told_values = [row["attributeValue"] for row in result.answer["getVariableResult"]]
            assert told_values == [box.values[name] for name in names]

    run(story())


def _named(name):
    return {"name": name}


async def charging(charger):
    await charger.call(
        "TransactionEvent",
        {
            "eventType": "Started", "timestamp": instant(), "triggerReason": "Authorized",
            "seqNo": 0, "transactionInfo": {"transactionId": "T-1", "chargingState": "Charging"},
            "evse": {"id": 1, "connectorId": 1},
            "idToken": {"idToken": CARDS[0], "type": "ISO14443"},
        },
    )  # fmt: skip


async def ended(charger, reason):
    answer = await charger.call(
        "TransactionEvent",
        {
            "eventType": "Ended", "timestamp": instant(), "triggerReason": "ResetCommand",
            "seqNo": 1, "transactionInfo": {"transactionId": "T-1", "stoppedReason": reason},
        },
    )  # fmt: skip
    assert answer == {}


@pytest.mark.parametrize("evse_id", [None, 2], ids=["station", "EVSE"])
def test_an_idle_station_or_evse_is_restarted(run, tmp_path, evse_id):
    """Proves: TC_B_20_CSMS, TC_B_25_CSMS"""

    async def story():
        async with told(tmp_path, Box201()) as (site, charger):
            result = await carried_out(site, ResetStation("CP-01", evse_id=evse_id))
            place = {} if evse_id is None else {"evseId": evse_id}
            assert charger.asked_for("Reset") == [{"type": "OnIdle", **place}]
            assert result.state is CommandState.ACCEPTED
            await boot201(charger)

    run(story())


@pytest.mark.parametrize("evse_id", [None, 1], ids=["station", "EVSE"])
@pytest.mark.parametrize(
    ("kind", "status", "reason"),
    [(ResetType.ON_IDLE, "Scheduled", "EVDisconnected"),
     (ResetType.IMMEDIATE, "Accepted", "ImmediateReset")],
)  # fmt: skip
def test_a_restart_during_a_session_ends_it_in_order(run, tmp_path, evse_id, kind, status, reason):
    """Proves: TC_B_21_CSMS, TC_B_22_CSMS, TC_B_26_CSMS, TC_B_27_CSMS"""

    async def story():
        async with told(tmp_path, Box201()) as (site, charger):
            await charging(charger)
            charger.answers["Reset"] = lambda _: {"status": status}
            result = await carried_out(site, ResetStation("CP-01", kind, evse_id))
            place = {} if evse_id is None else {"evseId": evse_id}
            assert charger.asked_for("Reset") == [{"type": kind.value, **place}]
            assert result.state is CommandState.ACCEPTED
            assert (result.reason is not None) == (status == "Scheduled")
            await ended(charger, reason)
            row = await site.row()
            assert (row.active, row.stop_reason) == (False, reason)
            await boot201(charger)

    run(story())


def test_a_1_6_station_restarts_as_a_whole(run, tmp_path):
    async def story():
        async with told(tmp_path, Box16()) as (site, charger):
            with pytest.raises(Unsupported):
                await carried_out(site, ResetStation("CP-01", evse_id=1))
            await carried_out(site, ResetStation("CP-01"))
            await eventually(lambda: charger.asked_for("Reset") == [{"type": "Soft"}])

    run(story())
