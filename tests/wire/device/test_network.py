"""A new way to the controller is stored first and used by a second step, seen by its effect."""

import asyncio

import pytest

from sitecontroller.domain.commands import CommandsQuery, CommandState
from sitecontroller.domain.device import Apn, SetNetworkProfile, UseNetworkProfile, Vpn
from sitecontroller.domain.errors import Conflict, InvalidInput, Unsupported
from sitecontroller.services.device_network import BACK_WITHIN_S
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from tests.wire.device.boxes import Box16, Box21, Box201, carried_out, connected, told
from tests.wire.site import boot201, running_site

PRIORITY = "OCPPCommCtrlr.NetworkConfigurationPriority"
ACTIVE = "OCPPCommCtrlr.ActiveNetworkProfile"
PROFILE = "SecurityCtrlr.SecurityProfile"


def box(**values):
    made = Box201()
    made.values.update({PRIORITY: "0,1", ACTIVE: "0", **values})
    return made


def wanted(**changed):
    return SetNetworkProfile(
        **{
            "station_id": "CP-01",
            "slot": 1,
            "csms_url": "wss://csms.example:9000/ocpp",
            "security_profile": 2,
            **changed,
        }
    )


def test_a_connection_is_stored_in_a_slot(run, tmp_path):
    """Proves: TC_B_42_CSMS"""
    apn = Apn("internet.example", "CHAP", "user", "s3cret", sim_pin=987654)
    vpn = Vpn("vpn.example", "user", "s3cret", "s3cret-key", "IKEv2", "group")

    async def story():
        async with told(tmp_path, box()) as (site, charger):
            result = await carried_out(site, wanted(apn=apn, vpn=vpn))
            assert result.state is CommandState.ACCEPTED
            assert "stored in slot 1" in result.reason
            log = repr(await site.site.controller.query(CommandsQuery()))
            assert "internet.example" in log
            assert "s3cret" not in log
            assert "987654" not in log
            (payload,) = charger.asked_for("SetNetworkProfile")
            assert payload == {
                "configurationSlot": 1,
                "connectionData": {
                    "ocppVersion": "OCPP20",
                    "ocppTransport": "JSON",
                    "ocppCsmsUrl": "wss://csms.example:9000/ocpp",
                    "messageTimeout": 30,
                    "securityProfile": 2,
                    "ocppInterface": "Wired0",
                    "apn": {
                        "apn": "internet.example",
                        "apnAuthentication": "CHAP",
                        "apnUserName": "user",
                        "apnPassword": "s3cret",
                        "simPin": 987654,
                    },
                    "vpn": {
                        "server": "vpn.example",
                        "user": "user",
                        "password": "s3cret",
                        "key": "s3cret-key",
                        "type": "IKEv2",
                        "group": "group",
                    },
                },
            }

    run(story())


def test_a_2_1_station_may_use_any_interface(run, tmp_path):
    async def story():
        mine = Box21()
        mine.values[ACTIVE] = "0"
        async with told(tmp_path, mine) as (site, charger):
            await carried_out(site, wanted(interface="Any"))
            (payload,) = charger.asked_for("SetNetworkProfile")
            said = payload["connectionData"]
            assert (said["ocppVersion"], said["ocppInterface"]) == ("OCPP21", "Any")

    run(story())


@pytest.mark.parametrize("status", ["Rejected", "Failed"])
def test_a_charger_that_can_not_store_it_is_an_answer(run, tmp_path, status):
    """Proves: TC_B_44_CSMS"""

    async def story():
        async with told(tmp_path, box()) as (site, charger):
            charger.answers["SetNetworkProfile"] = lambda _: {"status": status}
            result = await carried_out(site, wanted())
            assert result.state is CommandState.REJECTED
            assert result.reason.startswith("the charger")

    run(story())


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"security_profile": 0, "csms_url": "ws://a"}, "csms_url"),
        ({"security_profile": 0, "csms_url": "wss://a"}, "security_profile"),
        ({"security_profile": 4}, "security_profile"),
        ({"slot": -1}, "slot"),
        ({"csms_url": "ws://csms.example"}, "csms_url"),
        ({"csms_url": "https://csms.example"}, "csms_url"),
        ({"csms_url": "wss://user:pw@csms.example"}, "csms_url"),
        ({"csms_url": "wss://[::1"}, "csms_url"),
        ({"csms_url": ""}, "csms_url"),
        ({"interface": "Wired9"}, "interface"),
        ({"interface": "Any"}, "interface"),
        ({"message_timeout_s": 0}, "message_timeout_s"),
        ({"apn": Apn("x", "MD5")}, "apn.authentication"),
        ({"apn": Apn("")}, "apn.apn"),
        ({"vpn": Vpn("s", "u", "p", "k", "OpenVPN")}, "vpn.type"),
        ({"security_profile": 1, "csms_url": "ws://csms.example"}, "security_profile"),
        ({"slot": 0}, "slot"),
    ],
)
def test_a_connection_that_would_lose_the_station_is_refused_here(run, tmp_path, changed, field):
    """Never a lower security profile than now (A05.FR.07), nor the slot in use by accident."""

    async def story():
        async with told(tmp_path, box(**{PROFILE: "2"})) as (site, charger):
            with pytest.raises(InvalidInput) as refusal:
                await carried_out(site, wanted(**changed))
            assert field in [fault.field for fault in refusal.value.errors]
            assert not charger.asked_for("SetNetworkProfile")

    run(story())


def test_the_slot_in_use_is_overwritten_when_that_is_meant(run, tmp_path):
    async def story():
        async with told(tmp_path, box()) as (site, charger):
            result = await carried_out(site, wanted(slot=0, even_if_active=True))
            assert result.state is CommandState.ACCEPTED
            assert charger.asked_for("SetNetworkProfile")[0]["configurationSlot"] == 0

    run(story())


def test_a_1_6_station_has_no_slots(run, tmp_path):
    async def story():
        async with told(tmp_path, Box16()) as (site, _):
            with pytest.raises(Unsupported):
                await carried_out(site, wanted())
            with pytest.raises((Unsupported, Conflict)):
                await carried_out(site, UseNetworkProfile("CP-01", 1))

    run(story())


@pytest.mark.parametrize(
    ("back_over", "state"), [("1", CommandState.EFFECTIVE), ("0", CommandState.INEFFECTIVE)]
)
def test_a_slot_is_used_after_a_restart_and_seen_by_its_effect(run, tmp_path, back_over, state):
    async def story():
        mine = box()
        async with running_site(tmp_path) as site:
            async with connected(site, mine) as charger:
                using = asyncio.ensure_future(carried_out(site, UseNetworkProfile("CP-01", 1)))
                while not charger.asked_for("Reset"):
                    await asyncio.sleep(0.01)
                assert charger.asked_for("Reset") == [{"type": "OnIdle"}]
                assert mine.values[PRIORITY] == "1,0"
            mine.values[ACTIVE] = back_over
            async with connected(site, mine):
                result = await using
            assert result.state is state
            if state is CommandState.INEFFECTIVE:
                assert "slot 1 doesn't connect" in result.reason

    run(story())


def test_a_station_that_does_not_come_back_is_told(run, tmp_path):
    async def story():
        async with running_site(tmp_path, clock=virtual_clock()) as site:
            async with site.charger(version="2.0.1") as charger:
                box().serve(charger)
                await boot201(charger)
                await asyncio.sleep(20)
                using = asyncio.ensure_future(
                    carried_out(site, UseNetworkProfile("CP-01", 1), 2 * BACK_WITHIN_S)
                )
                await asyncio.sleep(5)
            result = await using
            assert result.state is CommandState.INEFFECTIVE
            assert "did not come back" in result.reason

    run(story(), loop_factory=VirtualLoop)


@pytest.mark.parametrize(
    ("action", "answer", "state", "words"),
    [
        ("Reset", {"status": "Scheduled"}, CommandState.ACCEPTED, "running sessions have ended"),
        ("Reset", {"status": "Rejected"}, CommandState.ACCEPTED, "restart it"),
    ],
)
def test_a_restart_that_waits_is_said_in_words(run, tmp_path, action, answer, state, words):
    async def story():
        async with told(tmp_path, box()) as (site, charger):
            charger.answers[action] = lambda _: answer
            result = await carried_out(site, UseNetworkProfile("CP-01", 1))
            assert (result.state, words in result.reason) == (state, True)

    run(story())


def test_a_list_of_slots_that_is_refused_restarts_nothing(run, tmp_path):
    async def story():
        mine = box()
        mine.refused[PRIORITY] = "Rejected"
        async with told(tmp_path, mine) as (site, charger):
            result = await carried_out(site, UseNetworkProfile("CP-01", 1))
            assert result.state is CommandState.REJECTED
            assert not charger.asked_for("Reset")

    run(story())
