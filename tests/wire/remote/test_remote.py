"""What people ask of a charger from afar, over a real socket with the whole controller (Q53 to
Q55): the frames, the rows, and what people are told.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.domain import commands
from sitecontroller.domain.commands import CommandResult, CommandState
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from tests.support import eventually
from tests.wire.charger import Charger
from tests.wire.limits.box import box_at, now
from tests.wire.site import CARDS, TestSite, boot16, boot201, running_site, status16

VERSIONS = ["1.6", "2.0.1", "2.1"]
BOTH = ["1.6", "2.0.1"]
"""Where 2.1 differs in nothing."""
Play = Callable[[TestSite], Awaitable[None]]


@pytest.fixture
def play(run: Any, tmp_path: Path) -> Callable[[Play], None]:
    """`play(story)` runs `await story(site)` in virtual time."""

    async def played(story: Play) -> None:
        async with running_site(tmp_path, clock=virtual_clock()) as site:
            await asyncio.sleep(320)  # limits of an earlier controller have lapsed
            await story(site)

    return lambda story: run(played(story), loop_factory=VirtualLoop)


@asynccontextmanager
async def booted(site: TestSite, version: str) -> AsyncIterator[Charger]:
    """A charger of CP-01 that is ready to be told something."""
    async with site.charger(version=version) as charger:
        await (boot16 if version == "1.6" else boot201)(charger)
        await eventually(lambda: site.site.services.stations.link("CP-01") is not None)
        yield charger


async def start(site: TestSite, evse_id: int = 1) -> CommandResult:
    """An attendant starts an EVSE."""
    command = commands.StartTransaction("CP-01", evse_id, CARDS[0])
    return await site.site.controller.execute(command)


def alarms(site: TestSite) -> set[str]:
    """The codes of the open alarms."""
    return {alarm.code for alarm in site.site.services.alarms.open()}


@pytest.mark.parametrize("version", VERSIONS)
def test_q53_a_remote_start_names_its_evse_and_the_start_that_follows_is_its_effect(
    play: Any, version: str
):
    async def story(site: TestSite) -> None:
        async with booted(site, version) as charger:
            result = await start(site, 2)
            assert result.state is CommandState.ACCEPTED
            if version == "1.6":
                (asked,) = charger.asked_for("RemoteStartTransaction")
                assert asked == {"connectorId": 2, "idTag": CARDS[0]}
                await charger.call(
                    "StartTransaction",
                    {"connectorId": 2, "idTag": CARDS[0], "meterStart": 0, "timestamp": now()},
                )
            else:
                (asked,) = charger.asked_for("RequestStartTransaction")
                assert asked["evseId"] == 2
                await _started(charger, asked["remoteStartId"])
            controller = site.site.controller
            await eventually(lambda: _state(controller, result) is CommandState.EFFECTIVE)
            row = await site.row()
            assert (row.evse_id, row.remote_start_id is not None) == (2, True)

    play(story)


async def _started(charger: Charger, remote_start_id: int) -> None:
    await charger.call(
        "TransactionEvent",
        {
            "eventType": "Started",
            "timestamp": now(),
            "triggerReason": "RemoteStart",
            "seqNo": 0,
            "transactionInfo": {"transactionId": "T-1", "remoteStartId": remote_start_id},
            "evse": {"id": 2, "connectorId": 1},
            "idToken": {"idToken": CARDS[0], "type": "ISO14443"},
        },
    )


def _state(controller: Any, result: CommandResult) -> CommandState:
    state: CommandState = controller.command_result(result.command_id).state
    return state


@pytest.mark.parametrize("version", VERSIONS)
def test_q53_an_accepted_start_that_never_comes_is_shown_as_such(play: Any, version: str):
    async def story(site: TestSite) -> None:
        async with booted(site, version):
            result = await start(site)
            await asyncio.sleep(61)
            assert _state(site.site.controller, result) is CommandState.INEFFECTIVE
            assert "remote-start-unanswered" in alarms(site)
            assert await site.rows() == ()

    play(story)


@pytest.mark.parametrize("version", VERSIONS)
def test_q53_a_refused_start_is_a_refusal_in_the_stations_word(play: Any, version: str):
    async def story(site: TestSite) -> None:
        async with booted(site, version) as charger:
            action = "RemoteStartTransaction" if version == "1.6" else "RequestStartTransaction"
            charger.answers[action] = lambda _: {"status": "Rejected"}
            result = await start(site)
            assert (result.state, result.reason) == (CommandState.REJECTED, "Rejected")

    play(story)


def test_q54_a_charger_that_sticks_after_a_stop_is_known_and_a_pause_is_offered(play: Any):
    async def story(site: TestSite) -> None:
        async with box_at(site) as box:
            charger = box.charger
            await box.begin()
            await asyncio.sleep(30)
            row = await site.row()
            stopped = await site.site.controller.execute(commands.StopTransaction(row.key))
            assert (stopped.state, stopped.reason) == (CommandState.ACCEPTED, None)
            await status16(charger, 1, "Finishing")
            charger.answers["RemoteStartTransaction"] = lambda _: {"status": "Rejected"}
            refused = await start(site)
            assert refused.state is CommandState.REJECTED
            assert "pull the plug" in (refused.reason or "")
            assert "start-refused-after-stop" in alarms(site)

            await status16(charger, 1, "Available")
            await box.begin(CARDS[1])
            running = (await site.rows())[-1]
            again = await site.site.controller.execute(commands.StopTransaction(running.key))
            assert "pause" in (again.reason or "")

    play(story)


@pytest.mark.parametrize("version", VERSIONS)
def test_q54_a_paused_session_draws_nothing_and_goes_on_when_told(play: Any, version: str):
    async def story(site: TestSite) -> None:
        async with box_at(site, version=version) as box:
            await box.begin()
            await asyncio.sleep(60)
            assert box.drawn_a > 6
            row = await site.row()
            await site.site.controller.execute(commands.PauseCharging(row.key))
            await asyncio.sleep(15)
            assert box.drawn_a == 0
            assert not box.ended
            view = site.site.controller.station_view("CP-01")
            assert view is not None
            limit = view.evses[0].limit
            assert limit is not None
            assert limit.reason == "0 A: paused by an attendant"
            await site.site.controller.execute(commands.ResumeCharging(row.key))
            await asyncio.sleep(700)  # a contactor rests for ten minutes at most
            assert box.drawn_a > 6

    play(story)


@pytest.mark.parametrize("version", BOTH)
def test_a_pause_is_effective_when_the_car_stops_and_its_end_when_there_is_a_limit(
    play: Any, version: str
):
    async def story(site: TestSite) -> None:
        controller = site.site.controller
        async with box_at(site, version=version) as box:
            await box.begin()
            await asyncio.sleep(60)
            row = await site.row()
            paused = await controller.execute(commands.PauseCharging(row.key))
            assert paused.state is CommandState.ACCEPTED
            assert box.drawn_a > 0
            await eventually(lambda: _state(controller, paused) is CommandState.EFFECTIVE, 60)
            assert box.drawn_a == 0
            resumed = await controller.execute(commands.ResumeCharging(row.key))
            assert resumed.state is CommandState.ACCEPTED
            await eventually(lambda: _state(controller, resumed) is CommandState.EFFECTIVE, 900)
            assert box.drawn_a > 0

    play(story)


@pytest.mark.parametrize("version", BOTH)
def test_a_pause_that_the_car_ignores_is_ineffective_in_words(play: Any, version: str):
    async def story(site: TestSite) -> None:
        async with box_at(site, version=version) as box:
            await box.begin()
            await asyncio.sleep(60)
            box.obeys = lambda purpose, level: False
            result = await site.site.controller.execute(
                commands.PauseCharging((await site.row()).key)
            )
            await asyncio.sleep(61)
            told = site.site.controller.command_result(result.command_id)
            assert told is not None
            assert told.state is CommandState.INEFFECTIVE
            assert told.reason == "no reading has shown that the car stopped within 60 s"

    play(story)


def test_a_session_paused_as_it_begins_stays_paused_and_its_power_shows_it(play: Any):
    """Load management had not seen the session yet, and forgot the pause with its first look."""

    async def story(site: TestSite) -> None:
        controller = site.site.controller
        async with booted(site, "1.6") as charger:
            begun = {"connectorId": 1, "idTag": CARDS[0], "meterStart": 0, "timestamp": now()}
            number = (await charger.call("StartTransaction", begun))["transactionId"]
            result = await controller.execute(commands.PauseCharging((await site.row()).key))
            for power_w, state in ((5000, CommandState.ACCEPTED), (20, CommandState.EFFECTIVE)):
                await asyncio.sleep(10)
                sample = {"measurand": "Power.Active.Import", "value": str(power_w), "unit": "W"}
                value = [{"timestamp": now(), "sampledValue": [sample]}]
                payload = {"connectorId": 1, "transactionId": number, "meterValue": value}
                await charger.call("MeterValues", payload)
                await asyncio.sleep(1)
                assert _state(controller, result) is state

    play(story)


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("kind", commands.ResetType)
def test_the_effect_of_a_restart_is_the_boot(play: Any, version: str, kind: commands.ResetType):
    async def story(site: TestSite) -> None:
        async with booted(site, version) as charger:
            result = await site.site.controller.execute(commands.ResetStation("CP-01", kind))
            assert result.state is CommandState.ACCEPTED
            assert len(charger.asked_for("Reset")) == 1
            await asyncio.sleep(13)
            assert _state(site.site.controller, result) is CommandState.ACCEPTED
        async with booted(site, version):
            controller = site.site.controller
            await eventually(lambda: _state(controller, result) is CommandState.EFFECTIVE)
            (record,) = (await controller.query(commands.CommandsQuery())).items
            assert record.answered_at < record.effect_at

    play(story)


@pytest.mark.parametrize("version", BOTH)
def test_a_station_that_comes_back_without_a_boot_has_not_restarted(play: Any, version: str):
    async def story(site: TestSite) -> None:
        controller = site.site.controller
        async with booted(site, version):
            result = await controller.execute(commands.ResetStation("CP-01"))
        async with site.charger(version=version):
            await asyncio.sleep(290)
            assert _state(controller, result) is CommandState.ACCEPTED
            await asyncio.sleep(11)
        told = controller.command_result(result.command_id)
        assert told.state is CommandState.INEFFECTIVE
        assert told.reason == "it has told of no restart within 5 min"

    play(story)


@pytest.mark.parametrize("version", BOTH)
def test_a_restart_when_idle_has_its_time_from_the_end_of_the_session(play: Any, version: str):
    async def story(site: TestSite) -> None:
        controller = site.site.controller
        async with box_at(site, version=version) as box:
            await box.begin()
            if version != "1.6":
                box.charger.answers["Reset"] = lambda _: {"status": "Scheduled"}
            result = await controller.execute(commands.ResetStation("CP-01"))
            assert (result.reason is None) is (version == "1.6")
            await asyncio.sleep(400)
            assert _state(controller, result) is CommandState.ACCEPTED
            await controller.execute(commands.StopTransaction((await site.row()).key))
            await eventually(lambda: box.ended)
            await asyncio.sleep(60)
            assert _state(controller, result) is CommandState.ACCEPTED
        async with booted(site, version):
            await eventually(lambda: _state(controller, result) is CommandState.EFFECTIVE)

    play(story)


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize(
    ("held", "state"), [("7", CommandState.EFFECTIVE), ("60", CommandState.INEFFECTIVE)]
)
def test_a_setting_is_effective_when_it_reads_back(
    play: Any, version: str, held: str, state: CommandState
):
    name = "HeartbeatInterval" if version == "1.6" else "OCPPCommCtrlr.HeartbeatInterval"

    async def story(site: TestSite) -> None:
        controller = site.site.controller
        async with booted(site, version) as charger:
            charger.answers |= _settings(held)
            result = await controller.execute(commands.SetVariable("CP-01", name, "7"))
            assert result.state is CommandState.ACCEPTED
            await eventually(lambda: _state(controller, result) is state)
            told = controller.command_result(result.command_id)
            assert told.reason == (None if held == "7" else SET_OTHERWISE)

    play(story)


SET_OTHERWISE = "it was taken, but the charger still has '60'"


def _settings(held: str) -> dict[str, Any]:
    """Answers of a charger that takes a heartbeat interval and then has `held`."""

    def read(payload: dict[str, Any]) -> dict[str, Any]:
        found = [
            each | {"attributeStatus": "Accepted", "attributeValue": held}
            for each in payload["getVariableData"]
        ]
        return {"getVariableResult": found}

    def written(payload: dict[str, Any]) -> dict[str, Any]:
        place = {name: payload["setVariableData"][0][name] for name in ("component", "variable")}
        return {"setVariableResult": [place | {"attributeStatus": "Accepted"}]}

    entry = {"key": "HeartbeatInterval", "readonly": False, "value": held}
    return {
        "GetVariables": read,
        "SetVariables": written,
        "GetConfiguration": lambda _: {"configurationKey": [entry], "unknownKey": []},
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_q55_a_whole_station_refused_is_taken_out_of_service_evse_by_evse(play: Any, version: str):
    async def story(site: TestSite) -> None:
        async with booted(site, version) as charger:

            def answer(payload: dict[str, Any]) -> dict[str, Any]:
                whole = payload.get("connectorId") == 0 or (
                    version != "1.6" and "evse" not in payload
                )
                return {"status": "Rejected" if whole else "Accepted"}

            charger.answers["ChangeAvailability"] = answer
            command = commands.ChangeAvailability("CP-01", None, operative=False)
            result = await site.site.controller.execute(command)
            assert result.state in (CommandState.ACCEPTED, CommandState.EFFECTIVE)
            asked = charger.asked_for("ChangeAvailability")
            assert len(asked) == 3
            places = [
                one.get("connectorId") if version == "1.6" else one.get("evse", {}).get("id", 0)
                for one in asked
            ]
            assert places == [0, 1, 2]

    play(story)


def test_the_command_log_tells_what_was_asked_answered_and_effected(play: Any):
    async def story(site: TestSite) -> None:
        async with booted(site, "1.6") as charger:
            await start(site, 2)
            await charger.call(
                "StartTransaction",
                {"connectorId": 2, "idTag": CARDS[0], "meterStart": 0, "timestamp": now()},
            )
            secret = commands.SetVariable("CP-01", "AuthorizationKey", "hidden-word")
            await site.site.controller.execute(secret)

            async def records() -> Any:
                query = commands.CommandsQuery(station_id="CP-01")
                return (await site.site.controller.query(query)).items

            written, started = await records()
            await eventually(lambda: started)
            assert (started.kind, started.parameters["evse_id"]) == ("StartTransaction", "2")
            assert started.asked_at <= started.answered_at <= started.effect_at
            assert started.state is CommandState.EFFECTIVE
            assert written.parameters == {"name": "AuthorizationKey", "value": "***"}

    play(story)
