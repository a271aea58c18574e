"""Display messages on the wire: set, replaced, listed, cleared, and brought back when lost."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sitecontroller.domain.commands import CommandState
from sitecontroller.domain.display import (
    ClearDisplayMessage,
    DisplayMessagesQuery,
    GetDisplayMessages,
    MessageFormat,
    MessagePriority,
    MessageState,
    MessageText,
    SetDisplayMessage,
)
from sitecontroller.domain.errors import Conflict, InvalidInput, NotFound
from sitecontroller.services import displays
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from tests.support import eventually
from tests.wire.charger import Charger
from tests.wire.monitoring.words import later
from tests.wire.site import TestSite, boot16, boot201, instant, running_site

HELLO = MessageText("Welcome. Free after 18:00.", MessageFormat.UTF8, "en")
SHOW = SetDisplayMessage(HELLO, MessagePriority.NORMAL_CYCLE, "CP-01", MessageState.IDLE)


async def execute(site: TestSite, command: Any) -> Any:
    return await site.site.controller.execute(command)


async def shown(site: TestSite) -> list[Any]:
    """The wanted messages, oldest first."""
    page = await site.site.controller.query(DisplayMessagesQuery())
    return list(reversed(page.items))


async def states(site: TestSite, message_id: int = 1) -> dict[str, tuple[str, str]]:
    """Where a message stands, by station."""
    for each in await shown(site):
        if each.message.message_id == message_id:
            return {o.station_id: (o.state.value, o.reason) for o in each.outcomes}
    return {}


def sent(charger: Charger) -> list[dict[str, Any]]:
    return [payload["message"] for payload in charger.asked_for("SetDisplayMessage")]


def answering(charger: Charger, action: str, status: str) -> None:
    charger.answers[action] = lambda _: {"status": status}


def listing(charger: Charger, *parts: list[dict[str, Any]]) -> None:
    """Answer GetDisplayMessages, then send the parts; none: it has no such messages."""

    def answer(payload: dict[str, Any]) -> dict[str, Any]:
        if parts:
            later(send(payload["requestId"]))
        return {"status": "Accepted" if parts else "Unknown"}

    async def send(request_id: int) -> None:
        for number, messages in enumerate(parts):
            part = {
                "requestId": request_id,
                "tbc": number + 1 < len(parts),
                "messageInfo": messages,
            }
            assert await charger.call("NotifyDisplayMessages", part) == {}

    charger.answers["GetDisplayMessages"] = answer


def lacking(charger: Charger, action: str) -> list[Any]:
    """The charger answers with NotImplemented; the frames it so answered."""
    asked = []

    async def answer(frame: list[Any]) -> None:
        if frame[2] == action:
            asked.append(frame)
            await charger.socket.send(json.dumps([4, frame[1], "NotImplemented", "", {}]))
        else:
            await plainly(frame)

    plainly = charger._answer
    charger._answer = answer  # type: ignore[method-assign]
    return asked


def info(message_id: int = 1, **more: Any) -> dict[str, Any]:
    """A message as a charger tells it back."""
    return {
        "id": message_id,
        "priority": "NormalCycle",
        "state": "Idle",
        "message": {"format": "UTF8", "language": "en", "content": HELLO.content},
        **more,
    }


# setting


def test_a_message_is_shown_on_one_charger(scene):
    """Proves: TC_O_01_CSMS."""

    async def play(site, charger):
        result = await execute(site, SHOW)
        assert result.state is CommandState.ACCEPTED
        assert sent(charger) == [info(result.answer["message_id"])]
        assert await states(site) == {"CP-01": ("set", "")}

    scene(play)


@pytest.mark.parametrize("state", list(MessageState))
def test_a_message_may_be_for_one_state_of_the_charger(scene, version, state):
    async def play(site, charger):
        result = await execute(site, SetDisplayMessage(HELLO, station_id="CP-01", state=state))
        new = state in (MessageState.SUSPENDED, MessageState.DISCHARGING)
        if version == "2.0.1" and new:
            assert sent(charger) == []
            assert (result.state, result.reason) == (CommandState.REJECTED, "NotSupportedState")
        else:
            assert [message["state"] for message in sent(charger)] == [state.value]

    scene(play)


def test_a_message_may_have_a_beginning_and_an_end(scene):
    """Proves: TC_O_13_CSMS, TC_O_14_CSMS."""

    async def play(site, charger):
        begins = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
        ends = begins + timedelta(days=30)
        await execute(
            site, SetDisplayMessage(HELLO, station_id="CP-01", starts_at=begins, ends_at=ends)
        )
        (message,) = sent(charger)
        assert datetime.fromisoformat(message["startDateTime"]) == begins
        assert datetime.fromisoformat(message["endDateTime"]) == ends

    scene(play)


def test_a_message_is_replaced_under_its_number(scene):
    """Proves: TC_O_12_CSMS."""

    async def play(site, charger):
        number = (await execute(site, SHOW)).answer["message_id"]
        other = SetDisplayMessage(
            MessageText("Closed"), MessagePriority.IN_FRONT, "CP-01", message_id=number
        )
        assert (await execute(site, other)).answer == {"message_id": number}
        assert [m["id"] for m in sent(charger)] == [number, number]
        assert sent(charger)[1]["message"]["content"] == "Closed"
        assert sent(charger)[1]["priority"] == "InFront"
        assert len(await shown(site)) == 1

    scene(play)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("NotSupportedPriority", "not-supported"),
        ("NotSupportedState", "not-supported"),
        ("NotSupportedMessageFormat", "not-supported"),
        ("Rejected", "refused"),
    ],
)
def test_what_a_charger_does_not_take_is_shown_as_such(scene, status, state):
    """Proves: TC_O_17_CSMS, TC_O_18_CSMS, TC_O_19_CSMS, TC_O_26_CSMS."""

    async def play(site, charger):
        answering(charger, "SetDisplayMessage", status)
        result = await execute(site, SHOW)
        assert (result.state, result.reason) == (CommandState.REJECTED, status)
        assert await states(site) == {"CP-01": (state, status)}

    scene(play)


async def charging(charger: Charger) -> None:
    await charger.call(
        "TransactionEvent",
        {
            "eventType": "Started",
            "timestamp": instant(),
            "triggerReason": "Authorized",
            "seqNo": 0,
            "transactionInfo": {"transactionId": "TX-1"},
            "evse": {"id": 1, "connectorId": 1},
            "idToken": {"idToken": "CARD0001", "type": "ISO14443"},
        },
    )


async def ended(charger: Charger) -> None:
    await charger.call(
        "TransactionEvent",
        {
            "eventType": "Ended",
            "timestamp": instant(),
            "triggerReason": "EVDeparted",
            "seqNo": 1,
            "transactionInfo": {"transactionId": "TX-1", "stoppedReason": "EVDisconnected"},
        },
    )


def test_a_message_for_a_session_goes_to_its_charger_until_it_ends(scene):
    """Proves: TC_O_06_CSMS, TC_O_27_CSMS, TC_O_28_CSMS."""

    async def play(site, charger):
        await charging(charger)
        key = (await site.row()).key
        soon = datetime.now(UTC) + timedelta(hours=1)
        command = SetDisplayMessage(
            HELLO, transaction_key=key, starts_at=soon, ends_at=soon + timedelta(hours=1)
        )
        await execute(site, command)
        (message,) = sent(charger)
        assert message["transactionId"] == "TX-1"
        assert {"startDateTime", "endDateTime"} <= message.keys()
        await ended(charger)

        async def gone():
            return await shown(site) == []

        await eventually(gone)
        assert charger.asked_for("ClearDisplayMessage") == [], "the charger removes it by itself"

    scene(play)


def test_a_session_the_charger_does_not_know_is_told(scene):
    """Proves: TC_O_10_CSMS."""

    async def play(site, charger):
        answering(charger, "SetDisplayMessage", "UnknownTransaction")
        await charging(charger)
        key = (await site.row()).key
        result = await execute(site, SetDisplayMessage(HELLO, transaction_key=key))
        assert (result.state, result.reason) == (CommandState.REJECTED, "UnknownTransaction")

    scene(play)


def test_other_languages_reach_2_1_alone(scene, version):
    async def play(site, charger):
        german = MessageText("Willkommen", language="de")
        await execute(site, SetDisplayMessage(HELLO, station_id="CP-01", other_languages=(german,)))
        extra = sent(charger)[0].get("messageExtra")
        told = [{"format": "UTF8", "language": "de", "content": "Willkommen"}]
        assert extra == (told if version == "2.1" else None)

    scene(play)


LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
FAR = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (SetDisplayMessage(MessageText(" ")), "text.content"),
        (SetDisplayMessage(MessageText("x" * 513)), "text.content"),
        (SetDisplayMessage(MessageText("ä", MessageFormat.ASCII)), "text.content"),
        (SetDisplayMessage(MessageText("x", language="x" * 9)), "text.language"),
        (SetDisplayMessage(HELLO, other_languages=(HELLO,) * 5), "other_languages"),
        (
            SetDisplayMessage(HELLO, other_languages=(MessageText(""),)),
            "other_languages[0].content",
        ),
        (SetDisplayMessage(HELLO, ends_at=LONG_AGO), "ends_at"),
        (SetDisplayMessage(HELLO, starts_at=FAR, ends_at=FAR), "ends_at"),
    ],
)
def test_a_message_that_makes_no_sense_is_refused_by_its_field(scene, command, field):
    async def play(site, charger):
        with pytest.raises(InvalidInput) as refusal:
            await execute(site, command)
        assert [error.field for error in refusal.value.errors] == [field]
        assert await shown(site) == []

    scene(play)


def test_what_is_not_there_is_not_found(scene):
    async def play(site, charger):
        for command in (
            SetDisplayMessage(HELLO, station_id="NOWHERE"),
            SetDisplayMessage(HELLO, transaction_key="NOTHING"),
            SetDisplayMessage(HELLO, station_id="CP-01", message_id=77),
            ClearDisplayMessage(77),
        ):
            with pytest.raises(NotFound):
                await execute(site, command)

    scene(play)


def test_there_is_room_for_so_many_messages(scene, monkeypatch):
    monkeypatch.setattr(displays, "MESSAGES_MAX", 2)

    async def play(site, charger):
        await execute(site, SHOW)
        await execute(site, SHOW)
        with pytest.raises(Conflict):
            await execute(site, SHOW)

    scene(play)


# listing


def test_all_messages_of_a_charger_are_listed(scene):
    """Proves: TC_O_02_CSMS."""

    async def play(site, charger):
        listing(charger, [info(1), info(2)], [info(3)])
        result = await execute(site, GetDisplayMessages("CP-01"))
        assert charger.asked_for("GetDisplayMessages")[0].keys() == {"requestId"}
        assert [m["message_id"] for m in result.answer["messages"]] == [1, 2, 3]
        assert result.answer["complete"] is True
        assert result.answer["messages"][0]["text"]["content"] == HELLO.content

    scene(play)


def test_a_charger_without_messages_says_so(scene):
    """Proves: TC_O_03_CSMS."""

    async def play(site, charger):
        listing(charger)
        result = await execute(site, GetDisplayMessages("CP-01"))
        assert (result.state, result.answer["messages"]) == (CommandState.ACCEPTED, [])

    scene(play)


@pytest.mark.parametrize(
    ("command", "asked"),
    [
        (GetDisplayMessages("CP-01", (5,)), {"id": [5]}),
        (
            GetDisplayMessages("CP-01", priority=MessagePriority.IN_FRONT),
            {"priority": "InFront"},
        ),
        (GetDisplayMessages("CP-01", state=MessageState.CHARGING), {"state": "Charging"}),
    ],
)
def test_messages_are_listed_by_number_priority_or_state(scene, command, asked):
    """Proves: TC_O_07_CSMS, TC_O_08_CSMS, TC_O_09_CSMS."""

    async def play(site, charger):
        listing(charger, [info(5)])
        result = await execute(site, command)
        (payload,) = charger.asked_for("GetDisplayMessages")
        payload.pop("requestId")
        assert payload == asked
        assert len(result.answer["messages"]) == 1

    scene(play)


def test_a_number_that_the_charger_does_not_have_lists_nothing(scene):
    async def play(site, charger):
        await execute(site, SHOW)
        listing(charger)
        result = await execute(site, GetDisplayMessages("CP-01", (4711,)))
        assert charger.asked_for("GetDisplayMessages")[0]["id"] == [4711]
        assert result.answer["messages"] == []

    scene(play)


# clearing


def test_a_message_is_cleared(scene):
    """Proves: TC_O_04_CSMS."""

    async def play(site, charger):
        number = (await execute(site, SHOW)).answer["message_id"]
        result = await execute(site, ClearDisplayMessage(number))
        assert result.state is CommandState.EFFECTIVE
        assert charger.asked_for("ClearDisplayMessage") == [{"id": number}]
        assert await shown(site) == []

    scene(play)


def test_a_message_that_the_charger_no_longer_has_is_cleared_too(scene):
    """Proves: TC_O_05_CSMS."""

    async def play(site, charger):
        answering(charger, "ClearDisplayMessage", "Unknown")
        number = (await execute(site, SHOW)).answer["message_id"]
        result = await execute(site, ClearDisplayMessage(number))
        assert result.state is CommandState.EFFECTIVE
        assert await shown(site) == []

    scene(play)


def test_a_message_of_another_server_can_be_cleared_where_it_is(scene):
    async def play(site, charger):
        result = await execute(site, ClearDisplayMessage(4711, "CP-01"))
        assert result.state is CommandState.ACCEPTED
        assert charger.asked_for("ClearDisplayMessage") == [{"id": 4711}]
        number = (await execute(site, SHOW)).answer["message_id"]
        with pytest.raises(Conflict):
            await execute(site, ClearDisplayMessage(number, "CP-01"))

    scene(play)


# the site as a whole


def test_a_message_for_all_reaches_those_who_can_and_names_those_who_can_not(scene):
    async def play(site, charger):
        async with site.charger("CP-02") as old:
            await boot16(old)
            await execute(site, SetDisplayMessage(HELLO))

            async def everywhere():
                return await states(site) == {
                    "CP-01": ("set", ""),
                    "CP-02": ("not-supported", displays.NO_DISPLAY),
                }

            await eventually(everywhere)
            assert len(sent(charger)) == 1

    scene(play)


def test_a_charger_that_knows_no_display_messages_is_found_out_once(scene):
    async def play(site, charger):
        asked = lacking(charger, "SetDisplayMessage")
        result = await execute(site, SHOW)
        assert result.state is CommandState.REJECTED
        assert (await states(site))["CP-01"][0] == "not-supported"
        await execute(site, SHOW)
        assert len(asked) == 1

    scene(play)


def test_of_messages_always_in_front_the_newest_is_shown(scene):
    """O01.FR.16: the charger itself replaces the older one."""

    async def play(site, charger):
        numbers = []
        for text in ("one", "two"):
            command = SetDisplayMessage(MessageText(text), MessagePriority.ALWAYS_FRONT, "CP-01")
            numbers.append((await execute(site, command)).answer["message_id"])
        assert (await states(site, numbers[0]))["CP-01"][0] == "replaced"
        await execute(site, ClearDisplayMessage(numbers[1]))
        await eventually(lambda: [m["message"]["content"] for m in sent(charger)][-1] == "one")
        assert len(sent(charger)) == 3

    scene(play)


# coming back


class Visits:
    """A charger that comes to one site several times, in virtual time."""

    def __init__(self, run, tmp_path):
        self._run, self._tmp_path = run, tmp_path

    def play(self, *rounds, restart=False):
        async def story():
            clock = virtual_clock()
            if restart:
                for number, each in enumerate(rounds):
                    async with running_site(
                        self._tmp_path, clock=clock, planted=number > 0
                    ) as site:
                        await self._visit(site, each)
            else:
                async with running_site(self._tmp_path, clock=clock) as site:
                    for each in rounds:
                        await self._visit(site, each)

        self._run(story(), loop_factory=VirtualLoop)

    async def _visit(self, site, each):
        if getattr(each, "away", False):
            await each(site, None)
            return
        async with site.charger(version="2.0.1") as charger:
            listing(charger)
            await each(site, charger)


@pytest.fixture
def visits(run, tmp_path):
    return Visits(run, tmp_path)


def away(step):
    """A step while the charger is not there."""
    step.away = True
    return step


async def settled(charger: Charger) -> None:
    await boot201(charger)
    await asyncio.sleep(60)


async def sets(site: TestSite, charger: Charger) -> None:
    await settled(charger)
    await execute(site, SHOW)
    assert await states(site) == {"CP-01": ("set", "")}


@pytest.mark.parametrize("restart", [False, True], ids=["same run", "controller restarted"])
def test_a_message_lost_in_a_restart_is_set_again(visits, restart):
    async def lost(site, charger):
        await settled(charger)
        assert len(charger.asked_for("GetDisplayMessages")) == 1
        assert [m["id"] for m in sent(charger)] == [1]
        assert await states(site) == {"CP-01": ("set", "")}

    visits.play(sets, lost, restart=restart)


def test_a_message_that_outlived_the_restart_is_not_sent_again(visits):
    async def kept(site, charger):
        listing(charger, [info(1)])
        await settled(charger)
        assert sent(charger) == []

    visits.play(sets, kept)


def test_a_message_that_came_back_changed_is_set_again(visits):
    async def changed(site, charger):
        listing(charger, [info(1, priority="InFront")])
        await settled(charger)
        assert len(sent(charger)) == 1

    visits.play(sets, changed)


def test_a_charger_that_was_away_gets_what_is_wanted_when_it_comes(visits):
    @away
    async def told(site, charger):
        result = await execute(site, SHOW)
        assert result.state is CommandState.SENT
        assert "offline" in result.reason
        assert (await states(site))["CP-01"][0] == "waiting"

    async def comes(site, charger):
        await settled(charger)
        assert [m["id"] for m in sent(charger)] == [1]

    visits.play(told, comes)


def test_a_message_cleared_while_the_charger_was_away_goes_when_it_comes(visits):
    @away
    async def cleared(site, charger):
        await execute(site, ClearDisplayMessage(1))
        assert (await states(site))["CP-01"][0] == "clearing"

    async def comes(site, charger):
        await settled(charger)
        assert charger.asked_for("ClearDisplayMessage") == [{"id": 1}]
        assert sent(charger) == []
        assert await shown(site) == []

    visits.play(sets, cleared, comes)


def test_a_message_whose_time_is_over_is_no_longer_wanted(visits):
    async def short(site, charger):
        await settled(charger)
        ends = site.site.services.clock.now() + timedelta(seconds=30)
        await execute(site, SetDisplayMessage(HELLO, station_id="CP-01", ends_at=ends))
        await asyncio.sleep(60)
        assert await shown(site) == []

    async def comes(site, charger):
        await settled(charger)
        assert sent(charger) == []

    visits.play(short, comes)


def test_numbers_are_never_given_twice(visits):
    async def clears(site, charger):
        await settled(charger)
        for number in (1, 2):
            assert (await execute(site, SHOW)).answer["message_id"] == number
            await execute(site, ClearDisplayMessage(number))

    async def goes_on(site, charger):
        await settled(charger)
        assert (await execute(site, SHOW)).answer["message_id"] == 3

    visits.play(clears, goes_on, restart=True)


def test_a_station_that_is_not_concerned_is_left_alone(visits):
    async def comes(site, charger):
        await settled(charger)
        kinds = ("SetDisplayMessage", "GetDisplayMessages", "ClearDisplayMessage")
        assert [action for action, _ in charger.asked if action in kinds] == []

    visits.play(comes)
