"""How a recording is played: pace, answers to the controller's calls, what isn't replayed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from sitecontroller.domain.errors import InvalidInput
from sitecontroller.domain.station import OcppVersion
from sitecontroller.domain.views import JournalEntry
from sitecontroller.simulation.replay import (
    PAUSE_S_MAX,
    Outcome,
    connections,
    read_recording,
    replay,
)
from tests.simulation.csms import Csms
from tests.support import eventually

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HELLO = '[2,"a","Heartbeat",{}]'


def entry(
    kind: str,
    text: str,
    direction: str = "in",
    *,
    action: str | None = None,
    message_id: str | None = None,
    seconds: float = 0,
) -> JournalEntry:
    at = NOW + timedelta(seconds=seconds)
    return JournalEntry(1, at, "CP-01", direction, action, message_id, kind, text, None)


CONNECT = entry("connect", "127.0.0.1 OCPP 1.6")
BEAT = entry("call", HELLO, action="Heartbeat", message_id="a")
BEATEN = entry("result", '[3,"a",{"currentTime":"2026-03-01T12:00:00Z"}]', "out", message_id="a")


def conversation(action: str, payload: str, answer: str) -> list[JournalEntry]:
    """The controller asked, the station answered."""
    return [
        entry("call", f'[2,"x","{action}",{payload}]', "out", action=action, message_id="x"),
        entry("result", f'[3,"x",{answer}]', action=action, message_id="x"),
    ]


@asynccontextmanager
async def playing(
    *entries: JournalEntry, version: OcppVersion = OcppVersion.V16, speed: float | None = None
) -> AsyncIterator[tuple[Csms, Callable[[], Any]]]:
    """A CSMS to which this is played, and the wait for the outcome."""
    csms = Csms(version)
    await csms.open()
    recorded = connections([entry("connect", f"127.0.0.1 OCPP {version}"), *entries])
    player = asyncio.create_task(
        replay(recorded, url=csms.url, station_id="CP-01", password=None, speed=speed)
    )
    try:
        await eventually(lambda: csms.connection is not None)

        async def ended() -> Outcome:
            async with asyncio.timeout(20):
                return await player

        yield csms, ended
    finally:
        player.cancel()
        await asyncio.gather(player, return_exceptions=True)
        await csms.close()


def test_the_controllers_question_gets_the_answer_to_the_same_question(run):
    async def main():
        both = [
            *conversation("ChangeAvailability", '{"n":1}', '{"status":"Accepted"}'),
            *conversation("ChangeAvailability", '{"n":2}', '{"status":"Scheduled"}'),
        ]
        async with playing(BEAT, BEATEN, *both) as (csms, _):
            return [(await csms.call("ChangeAvailability", {"n": n}))["status"] for n in (2, 1, 7)]

    assert run(main()) == ["Scheduled", "Accepted", "Accepted"]


@pytest.mark.parametrize("action", ["Reset", "ChangeConfiguration"])
def test_an_unrecorded_question_is_rejected_as_its_schema_has_it(run, action):
    async def main():
        async with playing(BEAT, BEATEN) as (csms, _):
            return await csms.call(action, {})

    assert run(main()) == {"status": "Rejected"}


def test_a_question_that_can_not_be_rejected_is_not_supported(run):
    async def main():
        async with playing(BEAT, BEATEN) as (csms, _):
            return await csms.raw_call("GetConfiguration", {})

    assert run(main())[:2] == [4, "NotSupported"]


def test_a_new_password_is_never_taken(run):
    change = '{"key":"AuthorizationKey","value":"[redacted]"}'

    async def main():
        recorded = conversation("ChangeConfiguration", change, '{"status":"Accepted"}')
        async with playing(BEAT, BEATEN, *recorded) as (csms, _):
            key = {"key": "AuthorizationKey", "value": "of the real charger"}
            return [
                (await csms.call("ChangeConfiguration", payload))["status"]
                for payload in (key, {"key": "HeartbeatInterval", "value": "60"})
            ]

    assert run(main()) == ["Rejected", "Accepted"]


def test_a_report_goes_under_the_number_it_was_asked_for_with_today(run):
    told = '{"requestId":4,"generatedAt":"2026-03-01T12:00:00Z","seqNo":0}'
    report = entry(
        "call", f'[2,"r","NotifyReport",{told}]', action="NotifyReport", message_id="r", seconds=2
    )

    async def main():
        asked = conversation("GetBaseReport", '{"requestId":4}', '{"status":"Accepted"}')
        beat = (BEAT, BEATEN, *asked, report)
        async with playing(*beat, version=OcppVersion.V201, speed=1) as (csms, _):
            await csms.call("GetBaseReport", {"requestId": 99, "reportBase": "FullInventory"})
            return (await csms.hears("NotifyReport"))["requestId"]

    assert run(main()) == 99


def test_pauses_are_those_of_the_recording_and_a_long_one_is_cut(run):
    def beats(*seconds: float) -> list[JournalEntry]:
        return [
            entry("call", f'[2,"{s}","Heartbeat",{{}}]', message_id=f"{s}", seconds=s)
            for s in seconds
        ]

    async def main():
        clock = asyncio.get_running_loop().time
        heard_s = []
        async with playing(*beats(0, 10, 20, 36_000), speed=20) as (csms, ended):
            csms.answers["Heartbeat"] = lambda _: heard_s.append(clock()) or {}
            await ended()
        return [later - earlier for earlier, later in pairwise(heard_s)][-2:]

    first_s, night_s = run(main())
    assert 0.5 <= first_s < 1.0
    assert PAUSE_S_MAX / 20 <= night_s < 2.5


def test_what_the_journal_cut_is_counted_not_sent(run):
    async def main():
        cut = entry("call", '[2,"b","DataTransfer",{"data":"xxx', message_id="b")
        async with playing(cut, BEAT, BEATEN) as (_, ended):
            return await ended()

    outcome = run(main())
    assert (outcome.sent, outcome.same, outcome.skipped) == (1, 1, 1)


def test_another_clock_time_in_an_answer_is_no_difference_but_another_value_is(run):
    booted = '{"status":"Accepted","currentTime":"2026-03-01T12:00:00Z","interval":77}'
    boot = [
        entry("call", '[2,"b","BootNotification",{}]', action="BootNotification", message_id="b"),
        entry("result", f'[3,"b",{booted}]', "out", message_id="b"),
    ]

    async def main():
        async with playing(*boot) as (_, ended):
            return await ended()

    [difference] = run(main()).differences
    assert "interval was 77, is" in difference


def test_a_controller_that_hangs_up_is_a_difference(run):
    async def main():
        later = entry("call", HELLO, action="Heartbeat", message_id="a", seconds=5)
        async with playing(BEAT, BEATEN, later, BEATEN, speed=10) as (csms, ended):
            await eventually(lambda: csms.heard)
            await csms.connection.close()
            return await ended()

    [difference] = run(main()).differences
    assert "hung up" in difference


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [([b"no JSON"], "line 1"), ([b'{"seq": 1}'], "line 1"), ([], "one charger")],
)
def test_a_file_that_is_no_recording_is_refused_with_a_sentence(lines, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        read_recording(lines)


def test_a_recording_that_begins_amid_a_connection_says_what_to_do():
    with pytest.raises(InvalidInput, match="version is unknown") as refused:
        connections([BEAT])
    assert "--since" in refused.value.remedy
