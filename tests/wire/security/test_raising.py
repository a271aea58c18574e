"""A charger is brought to a higher security profile, step by step, and is never lost on the way."""

import asyncio
import contextlib
from random import Random

import pytest

from sitecontroller.domain.commands import CommandState
from sitecontroller.domain.errors import Conflict, InvalidInput
from sitecontroller.domain.security import (
    RaiseSecurityProfile,
    SecurityJobsQuery,
    SecurityStep,
)
from sitecontroller.domain.station import OcppVersion
from sitecontroller.simulation.control import StationDescription
from sitecontroller.simulation.plant import Plant
from sitecontroller.simulation.station import SimulatedStation
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from tests.support import eventually
from tests.wire.security.site import box, profile_of, roots, secure_site
from tests.wire.security.test_certificates import effect, execute, signs_when_asked
from tests.wire.security.test_passwords import set_variables
from tests.wire.security.test_profiles import refusal
from tests.wire.site import PASSWORD

PRIORITY = {"name": "NetworkConfigurationPriority"}


async def arrived(site):
    return (await job(site)).step is SecurityStep.DONE


def told_to_switch(charger, last):
    asked = charger.asked_for(last)
    return [p for p in asked if last == "Reset" or p["key"] == "SecurityProfile"]


async def job(site):
    (found,) = (await site.site.controller.query(SecurityJobsQuery())).items
    return found


def obedient(charger, priority="0"):
    """A 2.x charger that tells its slots and takes what it is told."""

    def get(payload):
        return {
            "getVariableResult": [
                {
                    "attributeStatus": "Accepted",
                    "attributeValue": priority,
                    "component": row["component"],
                    "variable": row["variable"],
                }
                for row in payload["getVariableData"]
            ]
        }

    charger.answers["GetVariables"] = get
    charger.answers["SetVariables"] = set_variables()


def priorities(charger):
    rows = [row for p in charger.asked_for("SetVariables") for row in p["setVariableData"]]
    return [row["attributeValue"] for row in rows if row["variable"] == PRIORITY]


@pytest.mark.parametrize("profile", [2, 3])
def test_a_2x_charger_gets_root_certificate_slot_and_restart_and_comes_back_by_tls(
    run, tmp_path, profile
):
    """Proves: TC_A_19_CSMS."""

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site)
            made.trusted = []
            async with made.connected(site, tls=False) as charger:
                await made.boot(charger)
                obedient(charger)
                if profile == 3:
                    signing = signs_when_asked(made, charger, "2.0.1")
                result = await execute(site, RaiseSecurityProfile("CP-01", profile))
                await eventually(lambda: charger.asked_for("Reset"))
                if profile == 3:
                    assert (await signing)["status"] == "Accepted"
                made.trusted = [p["certificate"] for p in charger.asked_for("InstallCertificate")]
                assert tuple(made.trusted) == roots(site)
                (slot,) = charger.asked_for("SetNetworkProfile")
                assert slot["configurationSlot"] == 1
                connection = slot["connectionData"]
                assert connection["securityProfile"] == profile
                assert connection["ocppTransport"] == "JSON"
                assert connection["ocppCsmsUrl"] == f"wss://127.0.0.1:{site.site.ocpp_port}/ocpp"
                assert connection["ocppVersion"] == "OCPP20"
                assert priorities(charger) == ["1,0"]
                assert charger.asked_for("Reset") == [{"type": "OnIdle"}]
            assert (await job(site)).step is SecurityStep.RECONNECT
            before = box(site)
            if profile == 3:
                made.password = None
            async with made.connected(site) as charger:
                assert (await made.boot(charger))["status"] == "Accepted"
                assert (await effect(site, result)).state is CommandState.EFFECTIVE
            done = await job(site)
            assert done.step is SecurityStep.DONE
            assert "profile" in done.said[-1]
            assert await profile_of(site) == profile
            assert (await refusal(before, site, tls=False))[0] == 401

    run(play())


def test_a_2x_charger_that_lists_every_slot_it_has_gets_the_last_of_them(run, tmp_path):
    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site)
            async with made.connected(site, tls=False) as charger:
                await made.boot(charger)
                obedient(charger, priority="1,2,3")
                charger.answers["SetNetworkProfile"] = lambda payload: {
                    "status": "Accepted"
                    if payload["configurationSlot"] in (1, 2, 3)
                    else "Rejected"
                }
                await execute(site, RaiseSecurityProfile("CP-01", 2))
                await eventually(lambda: charger.asked_for("Reset"))
                assert priorities(charger) == ["3,1,2"]

    run(play())


@pytest.mark.parametrize("profile", [2, 3])
def test_a_16_charger_is_told_its_new_profile_and_comes_back_by_tls_at_the_same_port(
    run, tmp_path, profile
):
    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site, version="1.6")
            async with made.connected(site, tls=False) as charger:
                await made.boot(charger)
                if profile == 3:
                    signing = signs_when_asked(made, charger, "1.6")
                result = await execute(site, RaiseSecurityProfile("CP-01", profile))
                await eventually(
                    lambda: (
                        {"key": "SecurityProfile", "value": str(profile)}
                        in charger.asked_for("ChangeConfiguration")
                    )
                )
                if profile == 3:
                    assert (await signing)["status"] == "Accepted"
                    assert {"key": "CpoName", "value": "Test site"} in charger.asked_for(
                        "ChangeConfiguration"
                    )
            async with made.connected(site) as charger:
                assert (await made.boot(charger))["status"] == "Accepted"
                assert (await effect(site, result)).state is CommandState.EFFECTIVE
            assert await profile_of(site) == profile
            assert (await job(site)).step is SecurityStep.DONE

    run(play())


@pytest.mark.parametrize(
    ("action", "answer", "said"),
    [
        ("InstallCertificate", {"status": "Rejected"}, "root"),
        ("SetNetworkProfile", {"status": "Rejected"}, "switch"),
        ("Reset", {"status": "Rejected"}, "restart"),
        ("TriggerMessage", {"status": "Rejected"}, "asks for no certificate"),
    ],
)
def test_a_step_that_fails_ends_the_way_and_the_charger_stays_as_it_is(
    run, tmp_path, action, answer, said
):
    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site)
            async with made.connected(site, tls=False) as charger:
                await made.boot(charger)
                obedient(charger)
                charger.answers[action] = lambda _: answer
                profile = 3 if action == "TriggerMessage" else 2
                result = await execute(site, RaiseSecurityProfile("CP-01", profile))
                ended = await effect(site, result)
                assert ended.state is CommandState.INEFFECTIVE
                assert said in ended.reason
                assert (await job(site)).step is SecurityStep.FAILED
            async with made.connected(site, tls=False) as charger:
                assert (await made.boot(charger))["status"] == "Accepted"
            assert await profile_of(site) == 1

    run(play())


def test_a_charger_that_cannot_connect_by_tls_comes_back_as_before_and_it_is_told(run, tmp_path):
    """A05.FR.08: it falls back; after three times the way has failed."""

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site)
            async with made.connected(site, tls=False) as charger:
                await made.boot(charger)
                obedient(charger)
                result = await execute(site, RaiseSecurityProfile("CP-01", 2))
                await eventually(lambda: charger.asked_for("Reset"))
            for _ in range(3):
                assert (await job(site)).step is SecurityStep.RECONNECT
                async with made.connected(site, tls=False) as charger:
                    await made.boot(charger)
            ended = await effect(site, result)
            assert ended.state is CommandState.INEFFECTIVE
            assert "security events" in ended.reason
            assert await profile_of(site) == 1

    run(play())


@pytest.mark.parametrize("switched", [True, False])
@pytest.mark.parametrize(("version", "last"), [("1.6", "ChangeConfiguration"), ("2.0.1", "Reset")])
def test_a_charger_that_drops_the_line_instead_of_an_answer_is_judged_by_how_it_comes_back(
    run, tmp_path, version, last, switched
):

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site, version=version)
            async with made.connected(site, tls=False) as charger:
                await made.boot(charger)
                obedient(charger)
                charger.answers[last] = lambda _: None
                result = await execute(site, RaiseSecurityProfile("CP-01", 2))
                await eventually(lambda: told_to_switch(charger, last))
            await eventually(lambda: site.site.services.stations.link("CP-01") is None)
            assert (await job(site)).step is SecurityStep.RECONNECT
            async with made.connected(site, tls=switched) as charger:
                await made.boot(charger)
                ended = await effect(site, result)
            expected = (SecurityStep.DONE, 2) if switched else (SecurityStep.FAILED, 1)
            assert ((await job(site)).step, await profile_of(site)) == expected
            assert (ended.state is CommandState.EFFECTIVE) is switched

    run(play())


def test_a_charger_that_is_turned_away_ends_the_way_in_words(run, tmp_path):
    """It dropped its password and never came by TLS: the way stayed open for a day."""

    async def play() -> None:
        async with secure_site(tmp_path, clock=virtual_clock()) as site:
            made = box(site, version="1.6")
            async with made.connected(site, tls=False) as charger:
                await made.boot(charger)
                result = await execute(site, RaiseSecurityProfile("CP-01", 2))
                await eventually(lambda: told_to_switch(charger, "ChangeConfiguration"))
            made.password = None
            for refused in range(10):
                assert (await job(site)).step is SecurityStep.RECONNECT, refused
                assert (await refusal(made, site, tls=False))[0] == 401
            ended = await effect(site, result)
            assert ended.state is CommandState.INEFFECTIVE
            assert ended.reason.startswith("10 log-ins were refused since: it showed no password")
            assert (await job(site)).step is SecurityStep.FAILED

    run(play(), loop_factory=VirtualLoop)


@pytest.mark.parametrize("returns", [True, False])
def test_a_charger_that_stays_away_after_the_switch_ends_the_way_in_words(run, tmp_path, returns):
    async def play() -> None:
        async with secure_site(tmp_path, clock=virtual_clock()) as site:
            made = box(site, version="1.6")
            async with made.connected(site, tls=False) as charger:
                await made.boot(charger)
                await execute(site, RaiseSecurityProfile("CP-01", 2))
                await eventually(lambda: told_to_switch(charger, "ChangeConfiguration"))
            await asyncio.sleep(13 * 60)
            if returns:
                async with made.connected(site, tls=False) as charger:
                    await made.boot(charger)
            await asyncio.sleep(4 * 60)
            found = await job(site)
            assert found.step is (SecurityStep.RECONNECT if returns else SecurityStep.FAILED)
            assert ("away for 15 min" in found.said[-1]) is not returns

    run(play(), loop_factory=VirtualLoop)


@pytest.mark.parametrize("profile", [2, 3])
def test_a_simulated_16_charger_comes_back_with_the_profile_it_was_raised_to(
    run, tmp_path, profile
):
    """Its address stayed without TLS and its password was gone: 401 for ever."""

    async def play() -> None:
        async with secure_site(tmp_path, clock=virtual_clock()) as site, simulated(site) as station:
            await eventually(lambda: station.uplink.online)
            result = await execute(site, RaiseSecurityProfile("CP-01", profile))
            assert (await effect(site, result, 200)).state is CommandState.EFFECTIVE
            assert await profile_of(site) == profile
            assert (await job(site)).step is SecurityStep.DONE
            await eventually(lambda: station.uplink.online)

    run(play(), loop_factory=VirtualLoop)


@contextlib.asynccontextmanager
async def simulated(site):
    """The demo's own 1.6 charger in the place of CP-01."""
    topology = site.site.config.topology
    plant = Plant(topology, (), seed=1)
    plate = StationDescription(
        topology.stations["CP-01"], OcppVersion.V16, password=PASSWORD, serial_number="SN-0001"
    )
    station = SimulatedStation(plate, plant.outlets, plant.voltage_v, virtual_clock(), Random(1))
    url = f"ws://127.0.0.1:{site.site.ocpp_port}/ocpp"
    running = asyncio.create_task(station.run(lambda: url))
    try:
        yield station
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def test_a_way_outlives_a_restart_of_the_controller_once_the_charger_was_told(run, tmp_path):
    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site)
            async with made.connected(site, tls=False) as charger:
                await made.boot(charger)
                obedient(charger)
                await execute(site, RaiseSecurityProfile("CP-01", 2))
                await eventually(lambda: charger.asked_for("Reset"))
        async with secure_site(tmp_path, fresh=False) as site, made.connected(site) as charger:
            await made.boot(charger)
            await eventually(lambda: arrived(site))

    run(play())


def test_a_way_that_a_restart_cut_off_before_is_over(run, tmp_path):
    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site)
            async with made.connected(site, tls=False) as charger:
                await made.boot(charger)
                charger.answers["InstallCertificate"] = lambda _: None
                await execute(site, RaiseSecurityProfile("CP-01", 2))
                await eventually(lambda: charger.asked_for("InstallCertificate"))
                with pytest.raises(Conflict):
                    await execute(site, RaiseSecurityProfile("CP-01", 2))
        async with secure_site(tmp_path, fresh=False) as site:
            ended = await job(site)
            assert ended.step is SecurityStep.FAILED
            async with made.connected(site, tls=False) as charger:
                await made.boot(charger)
                await execute(site, RaiseSecurityProfile("CP-01", 2))

    run(play())


def test_what_cannot_be_raised_says_why(run, tmp_path):
    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site)
            async with made.connected(site) as charger:
                await made.boot(charger)
                with pytest.raises(InvalidInput):
                    await execute(site, RaiseSecurityProfile("CP-01", 1))
                with pytest.raises(Conflict):
                    await execute(site, RaiseSecurityProfile("CP-01", 2))
                site.site.services.blocks.security.jobs.secure_url = lambda _: None
                with pytest.raises(Conflict) as caught:
                    await execute(site, RaiseSecurityProfile("CP-01", 3))
                assert "tls = true" in caught.value.remedy
            await asyncio.sleep(0)

    run(play())
