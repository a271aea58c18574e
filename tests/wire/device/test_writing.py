"""Settings are written back, copied and read again; what did not hold is told."""

import asyncio
import itertools

import pytest

from sitecontroller.domain.commands import CommandsQuery, CommandState, SetVariable
from sitecontroller.domain.device import (
    Cause,
    CopySettings,
    Outcome,
    RestoreSnapshot,
    SetVariables,
    SnapshotsQuery,
    TakeSnapshot,
)
from sitecontroller.domain.errors import Conflict, InvalidInput, NotFound
from sitecontroller.services.device_models import UNASKED_AFTER_S
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from tests.support import eventually
from tests.wire.charger import CallError
from tests.wire.device.boxes import Box16, Box201, carried_out, connected, told

BOTH = pytest.mark.parametrize("kind", [Box16, Box201])
FIRST = {Box16: "HeartbeatInterval", Box201: "OCPPCommCtrlr.HeartbeatInterval"}
SECOND = {Box16: "ConnectionTimeOut", Box201: "OCPPCommCtrlr.OfflineThreshold"}
PROFILE = "SecurityCtrlr.SecurityProfile"


def held_by(box):
    return box.keys if isinstance(box, Box16) else box.values


def writes(charger):
    """Every value written so far, by name, in the charger's words."""
    changed = [(p["key"], p["value"]) for p in charger.asked_for("ChangeConfiguration")]
    return changed + [
        (f"{row['component']['name']}.{row['variable']['name']}", row.get("attributeValue"))
        for payload in charger.asked_for("SetVariables")
        for row in payload["setVariableData"]
    ]


async def snapshot_of(site, station_id="CP-01"):
    result = await carried_out(site, TakeSnapshot(station_id))
    assert result.state is CommandState.EFFECTIVE, result
    return result.answer["key"]


async def restored(site, key, *names):
    return await carried_out(site, RestoreSnapshot("CP-01", key, names))


def outcomes(result):
    return {
        row["name"]: row["outcome"] for row in result.answer["rows"] if row["outcome"] != "left"
    }


@BOTH
def test_only_what_differs_is_written_back(run, tmp_path, kind):
    async def story():
        box = kind()
        async with told(tmp_path, box) as (site, charger):
            key = await snapshot_of(site)
            held_by(box)[FIRST[kind]] = "9"
            charger.asked.clear()
            result = await restored(site, key)
            assert result.state is CommandState.EFFECTIVE
            assert outcomes(result) == {FIRST[kind]: Outcome.HELD}
            assert held_by(box)[FIRST[kind]] == "300"
            assert len(writes(charger)) == 1
            newest = (await site.site.controller.query(SnapshotsQuery("CP-01"))).items[0]
            assert newest.cause is Cause.BEFORE_WRITING
            assert result.answer["snapshot_key"] == newest.key

    run(story())


@BOTH
def test_a_value_that_does_not_hold_is_told(run, tmp_path, kind):
    async def story():
        box = kind(forgetful={FIRST[kind]})
        async with told(tmp_path, box) as (site, _):
            key = await snapshot_of(site)
            held_by(box)[FIRST[kind]] = "9"
            result = await restored(site, key)
            assert result.state is CommandState.INEFFECTIVE
            assert FIRST[kind] in result.reason
            row = next(r for r in result.answer["rows"] if r["name"] == FIRST[kind])
            assert (row["outcome"], row["wanted"], row["after"]) == ("not held", "300", "9")

    run(story())


@BOTH
def test_a_restart_that_is_needed_is_said_in_words(run, tmp_path, kind):
    async def story():
        box = kind(after_reboot={FIRST[kind]})
        async with told(tmp_path, box) as (site, _):
            key = await snapshot_of(site)
            held_by(box)[FIRST[kind]] = "9"
            result = await restored(site, key)
            assert result.state is CommandState.ACCEPTED
            assert "after a restart" in result.reason
            assert outcomes(result) == {FIRST[kind]: Outcome.AFTER_RESTART}

    run(story())


@BOTH
@pytest.mark.parametrize("keeps", [True, False])
def test_after_the_restart_it_is_looked_whether_settings_hold(run, tmp_path, kind, keeps):
    async def story():
        box = kind(after_reboot={FIRST[kind]})
        async with told(tmp_path, box, clock=virtual_clock()) as (site, _):
            result = await carried_out(site, SetVariables("CP-01", {FIRST[kind]: "9"}))
            assert result.state is CommandState.ACCEPTED
        if not keeps:
            held_by(box)[FIRST[kind]] = "300"
        async with told(tmp_path, box, clock=virtual_clock(), planted=True) as (site, _):
            await asyncio.sleep(UNASKED_AFTER_S + 30)
            found = [a for a in site.site.services.alarms.open() if a.code == "settings-not-held"]
            assert [alarm.parameters["settings"] for alarm in found] == (
                [] if keeps else [FIRST[kind]]
            )
            assert await site.site.store.read(lambda tx: tx.all_kept("settings-due")) == []

    run(story(), loop_factory=VirtualLoop)


@BOTH
def test_a_refused_value_does_not_stop_the_others(run, tmp_path, kind):
    async def story():
        box = kind(refused={FIRST[kind]: "Rejected"})
        async with told(tmp_path, box) as (site, _):
            key = await snapshot_of(site)
            held_by(box).update({FIRST[kind]: "9", SECOND[kind]: "9"})
            result = await restored(site, key)
            assert result.state is CommandState.INEFFECTIVE
            assert outcomes(result) == {
                FIRST[kind]: Outcome.REFUSED,
                SECOND[kind]: Outcome.HELD,
            }

    run(story())


@BOTH
def test_named_settings_alone_are_restored(run, tmp_path, kind):
    async def story():
        box = kind()
        async with told(tmp_path, box) as (site, charger):
            key = await snapshot_of(site)
            held_by(box).update({FIRST[kind]: "9", SECOND[kind]: "9"})
            charger.asked.clear()
            await restored(site, key, SECOND[kind].upper())
            assert [name for name, _ in writes(charger)] == [SECOND[kind]]
            with pytest.raises(InvalidInput) as refusal:
                await restored(site, key, "Nonsense")
            assert refusal.value.errors[0].field == "names"

    run(story())


@pytest.mark.parametrize(
    ("kind", "untouchable"),
    [
        (Box16, {"AuthorizationKey": "f" * 32, "SecurityProfile": "2", "WifiSSID": "other"}),
        (
            Box201,
            {
                "SecurityCtrlr.BasicAuthPassword": "f" * 32,
                PROFILE: "2",
                "OCPPCommCtrlr.NetworkConfigurationPriority": "1",
            },
        ),
    ],
)
def test_passwords_network_and_security_profile_are_never_written(run, tmp_path, kind, untouchable):
    async def story():
        box = kind()
        held_by(box).update(dict.fromkeys(untouchable, "0"))
        async with told(tmp_path, box) as (site, charger):
            key = await snapshot_of(site)
            held_by(box).update(untouchable)
            charger.asked.clear()
            for names in ((), tuple(untouchable)):
                result = await restored(site, key, *names)
                assert not writes(charger)
                left = {r["name"] for r in result.answer["rows"] if r["outcome"] == "left"}
                assert left == untouchable.keys()
                assert "nothing differs that could be written" in result.reason

    run(story())


def test_read_only_and_vanished_settings_are_told_apart(run, tmp_path):
    async def story():
        box = Box16()
        async with told(tmp_path, box) as (site, _):
            key = await snapshot_of(site)
            del box.keys["ConnectionTimeOut"]
            box.keys["GetConfigurationMaxKeys"] = "20"
            result = await restored(site, key)
            assert outcomes(result) == {"ConnectionTimeOut": Outcome.MISSING}
            result = await restored(site, key, "GetConfigurationMaxKeys")
            assert outcomes(result) == {"GetConfigurationMaxKeys": Outcome.READ_ONLY}

    run(story())


def test_a_station_is_set_like_its_sister(run, tmp_path):
    async def story():
        mine, other = Box201(), Box201()
        mine.values["OCPPCommCtrlr.OfflineThreshold"] = "77"
        async with told(tmp_path, mine) as (site, _), connected(site, other, "CP-02"):
            result = await carried_out(site, CopySettings("CP-01", "CP-02"))
            assert result.state is CommandState.EFFECTIVE
            assert other.values["OCPPCommCtrlr.OfflineThreshold"] == "77"

    run(story())


def test_a_sister_that_is_away_is_copied_from_her_snapshot(run, tmp_path):
    async def story():
        mine, other = Box16(), Box16()
        mine.keys["ConnectionTimeOut"] = "77"
        async with told(tmp_path, other, station_id="CP-02") as (site, _):
            async with connected(site, mine):
                await snapshot_of(site)
            await eventually(lambda: site.site.services.stations.link("CP-01") is None)
            await carried_out(site, CopySettings("CP-01", "CP-02"))
            assert other.keys["ConnectionTimeOut"] == "77"

    run(story())


def test_settings_of_another_version_or_of_itself_are_refused(run, tmp_path):
    async def story():
        async with told(tmp_path, Box16()) as (site, _), connected(site, Box201(), "CP-02"):
            with pytest.raises(Conflict, match="OCPP version"):
                await carried_out(site, CopySettings("CP-01", "CP-02"))
            with pytest.raises(InvalidInput):
                await carried_out(site, CopySettings("CP-01", "CP-01"))
            key = await snapshot_of(site)
            with pytest.raises(NotFound):
                await carried_out(site, RestoreSnapshot("CP-02", key))

    run(story())


def test_two_changes_of_one_station_do_not_mix(run, tmp_path):
    async def story():
        async with told(tmp_path, Box16()) as (site, charger):
            key = await snapshot_of(site)
            charger.answers["GetConfiguration"] = lambda _: None
            first = asyncio.ensure_future(
                site.site.controller.execute(RestoreSnapshot("CP-01", key))
            )
            await asyncio.sleep(0.05)
            with pytest.raises(Conflict):
                await site.site.controller.execute(
                    SetVariables("CP-01", {"ConnectionTimeOut": "1"})
                )
            first.cancel()

    run(story())


# several at once, within the station's limits


def test_several_settings_are_written_at_once(run, tmp_path):
    """Proves: TC_B_10_CSMS"""
    values = {
        "OCPPCommCtrlr.OfflineThreshold": "123",
        "AuthCtrlr.AuthorizeRemoteStart": "false",
    }

    async def story():
        box = Box201()
        async with told(tmp_path, box) as (site, charger):
            charger.asked.clear()
            result = await carried_out(site, SetVariables("CP-01", values))
            (payload,) = charger.asked_for("SetVariables")
            assert len(payload["setVariableData"]) == 2
            assert all(row.get("attributeType") is None for row in payload["setVariableData"])
            assert result.state is CommandState.EFFECTIVE
            assert values.items() <= box.values.items()
            assert {r["before"] for r in result.answer["rows"]} == {"60", "true"}

    run(story())


LIMITS = {
    "DeviceDataCtrlr.ItemsPerMessage@GetVariables": "4",
    "DeviceDataCtrlr.ItemsPerMessage@SetVariables": "2",
    "DeviceDataCtrlr.BytesPerMessage@GetVariables": "5000",
    "DeviceDataCtrlr.BytesPerMessage@SetVariables": "5000",
}


def test_no_message_holds_more_than_the_station_takes(run, tmp_path):
    """Set-up asks for the limits first; they bind everything from then on (as TC_B_08_CSMS)."""

    async def story():
        box = Box201()
        box.values.update(LIMITS)
        wanted = {f"C.V{number}": "1" for number in range(5)}
        box.values.update(dict.fromkeys(wanted, "0"))
        async with told(tmp_path, box, clock=virtual_clock()) as (site, charger):
            await asyncio.sleep(20)
            asked = charger.asked_for("GetVariables")
            assert len(asked[0]["getVariableData"]) == 1
            result = await carried_out(site, SetVariables("CP-01", wanted))
            assert result.state is CommandState.EFFECTIVE
            for action, field, most in (
                ("GetVariables", "getVariableData", 4),
                ("SetVariables", "setVariableData", 2),
            ):
                sizes = [len(payload[field]) for payload in charger.asked_for(action)]
                assert max(sizes) == most

    run(story(), loop_factory=VirtualLoop)


def test_limits_are_known_on_the_next_connection_without_asking(run, tmp_path):
    async def story():
        box = Box201()
        box.values.update(LIMITS)
        async with told(tmp_path, box, clock=virtual_clock()) as (site, _):
            await asyncio.sleep(20)
        async with told(tmp_path, box, clock=virtual_clock(), planted=True) as (site, charger):
            await carried_out(site, SetVariables("CP-01", dict.fromkeys(list(box.values)[:3], "1")))
            sizes = [len(p["getVariableData"]) for p in charger.asked_for("GetVariables")]
            assert max(sizes) <= 4
            assert max(len(p["setVariableData"]) for p in charger.asked_for("SetVariables")) == 2

    run(story(), loop_factory=VirtualLoop)


def test_a_message_is_no_longer_than_the_station_takes(run, tmp_path):
    async def story():
        box = Box201()
        box.values.update(LIMITS | {"DeviceDataCtrlr.BytesPerMessage@SetVariables": "1200"})
        box.values.update(LIMITS | {"DeviceDataCtrlr.ItemsPerMessage@SetVariables": "50"})
        box.values["DeviceDataCtrlr.BytesPerMessage@SetVariables"] = "1200"
        wanted = {f"C.V{number}": "x" * 400 for number in range(5)}
        box.values.update(dict.fromkeys(wanted, ""))
        async with told(tmp_path, box, clock=virtual_clock()) as (site, charger):
            await asyncio.sleep(20)
            charger.asked.clear()
            await carried_out(site, SetVariables("CP-01", wanted))
            sizes = [len(str(payload)) for payload in charger.asked_for("SetVariables")]
            assert len(sizes) == 3
            assert max(sizes) < 1200

    run(story(), loop_factory=VirtualLoop)


def test_a_message_refused_as_too_large_is_halved(run, tmp_path):
    async def story():
        box = Box201()
        wanted = {f"C.V{number}": "1" for number in range(8)}
        box.values.update(dict.fromkeys(wanted, "0"))
        async with told(tmp_path, box) as (site, charger):

            def at_most_three(payload):
                if len(payload["setVariableData"]) > 3:
                    raise CallError("OccurrenceConstraintViolation", "")
                return box.set(payload)

            charger.answers["SetVariables"] = at_most_three
            result = await carried_out(site, SetVariables("CP-01", wanted))
            assert result.state is CommandState.EFFECTIVE, result

    run(story())


def test_1_6_settings_are_written_one_by_one_and_paced(run, tmp_path):
    async def story():
        box, loop = Box16(), asyncio.get_running_loop()
        wanted = {f"Vendor{number}": "1" for number in range(6)}
        box.keys.update(dict.fromkeys(wanted, "0"))
        async with told(tmp_path, box, clock=virtual_clock()) as (site, charger):
            await asyncio.sleep(20)
            times = []

            def noted(payload):
                times.append(loop.time())
                return box.change(payload)

            charger.answers["ChangeConfiguration"] = noted
            result = await carried_out(site, SetVariables("CP-01", wanted))
            assert result.state is CommandState.EFFECTIVE
            gaps_s = [later - earlier for earlier, later in itertools.pairwise(times)]
            assert len(gaps_s) == 5
            assert min(gaps_s) >= 0.25

    run(story(), loop_factory=VirtualLoop)


@BOTH
def test_two_time_outs_end_the_writing(run, tmp_path, kind):
    async def story():
        box = kind()
        wanted = {f"C.V{number}": "1" for number in range(40)}
        held_by(box).update(dict.fromkeys(wanted, "0"))
        async with told(tmp_path, box, clock=virtual_clock()) as (site, charger):
            await asyncio.sleep(20)
            charger.asked.clear()
            charger.answers["ChangeConfiguration"] = charger.answers["SetVariables"] = lambda _: (
                None
            )
            result = await carried_out(site, SetVariables("CP-01", wanted))
            assert result.state is CommandState.REJECTED
            assert {row["outcome"] for row in result.answer["rows"]} == {"unanswered"}
            assert len(charger.asked_for("ChangeConfiguration")) <= 2
            assert len(charger.asked_for("SetVariables")) <= 2

    run(story(), loop_factory=VirtualLoop)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({}, "values"),
        ({"": "1"}, "values"),
        ({"A": "x" * 2501}, "values.A"),
        ({f"K{n}": "" for n in range(101)}, "values"),
    ],
)
def test_values_that_can_not_be_written_are_refused_here(run, tmp_path, values, field):
    async def story():
        async with told(tmp_path, Box16()) as (site, _):
            with pytest.raises(InvalidInput) as refusal:
                await carried_out(site, SetVariables("CP-01", values))
            assert refusal.value.errors[0].field == field

    run(story())


def test_a_password_that_is_written_is_shown_nowhere(run, tmp_path):
    secret = "correct-horse-battery"

    async def story():
        box = Box201()
        async with told(tmp_path, box) as (site, _):
            told_events = []
            site.site.controller.subscribe(told_events.append)
            result = await carried_out(
                site, SetVariables("CP-01", {"SecurityCtrlr.BasicAuthPassword": secret})
            )
            assert box.values["SecurityCtrlr.BasicAuthPassword"] == secret
            assert (result.state, result.answer["rows"][0]["outcome"]) == ("accepted", "unproven")
            log = await site.site.controller.query(CommandsQuery())
            assert secret not in repr((result, told_events, log))

    run(story())


# one setting, in words


@pytest.mark.parametrize(
    ("kind", "status", "state", "words"),
    [
        (Box16, "RebootRequired", CommandState.ACCEPTED, "takes effect after a restart"),
        (Box16, "NotSupported", CommandState.REJECTED, "has no such setting"),
        (Box16, "Rejected", CommandState.REJECTED, "the value doesn't fit"),
        (Box201, "RebootRequired", CommandState.ACCEPTED, "takes effect after a restart"),
        (Box201, "UnknownComponent", CommandState.REJECTED, "no such component"),
        (Box201, "UnknownVariable", CommandState.REJECTED, "no such variable"),
    ],
)
def test_what_became_of_one_setting_is_said_in_words(run, tmp_path, kind, status, state, words):
    """Proves: TC_B_09_CSMS"""

    async def story():
        box = kind()
        name = SECOND[kind]
        async with told(tmp_path, box) as (site, charger):
            charger.answers["ChangeConfiguration"] = lambda _: {"status": status}
            charger.answers["SetVariables"] = lambda payload: {
                "setVariableResult": [
                    {
                        "attributeStatus": status,
                        "component": i["component"],
                        "variable": i["variable"],
                    }
                    for i in payload["setVariableData"]
                ]
            }
            result = await carried_out(site, SetVariable("CP-01", name, "123"))
            assert result.state is state
            assert words in result.reason
            assert (name, "123") in writes(charger)

    run(story())
