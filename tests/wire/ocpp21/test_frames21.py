"""Q20 and Q21 on OCPP 2.1: frames without an answer, and answers that could not be taken."""

import asyncio
import logging
from typing import Any

import pytest

from sitecontroller.domain.errors import InvalidInput, StoreUnavailable
from sitecontroller.ocpp import frames
from tests.support import eventually
from tests.wire.ocpp_core.site import (
    NOW,
    ask,
    hear,
    running_site,
    silent,
    still_answers,
    tell,
)

BOOT = {"reason": "PowerUp", "chargingStation": {"model": "M", "vendorName": "V"}}
STREAM = {"id": 1, "pending": 0, "basetime": NOW, "data": [{"t": 0, "v": "230.4"}]}
SEND = [6, "s", "NotifyPeriodicEventStream", STREAM]


@pytest.fixture
def scene(run):
    """`scene(play)` runs `await play(site, station)` on a fresh 2.1 connection."""

    async def staged(play, boots=False):
        async with running_site() as site, site.connect(protocols=["ocpp2.1"]) as station:
            if boots:
                await ask(station, [2, "boot", "BootNotification", BOOT])
            await play(site, station)

    return lambda play, **options: run(staged(play, **options))


async def told(site: Any, count: int = 1) -> None:
    await eventually(lambda: site.dialect.count("NotifyPeriodicEventStream") == count)


def test_q21_a_send_is_handed_on_and_never_answered(scene):
    async def play(site, station):
        site.dialect.answers["NotifyPeriodicEventStream"] = {}
        await tell(station, SEND)
        await told(site)
        assert site.dialect.asked == [("NotifyPeriodicEventStream", STREAM)]
        assert await silent(station)
        assert site.journal.texts("send")[0].startswith('[6,"s"')
        assert site.server.conformance("CP01") == {}

    scene(play)


@pytest.mark.parametrize("fault", ["refused", "not stored", "our own fault"])
def test_q21_a_send_that_cannot_be_taken_is_not_answered_either(scene, fault):
    outcome = {
        "refused": None,
        "not stored": StoreUnavailable("disk full"),
        "our own fault": ValueError("a bug"),
    }[fault]

    async def play(site, station):
        site.dialect.answers["NotifyPeriodicEventStream"] = outcome
        await tell(station, SEND)
        await told(site)
        assert await silent(station)
        await still_answers(station)

    scene(play)


BROKEN_SENDS = {
    "short": '[6,"m"]',
    "no id": '[6,null,"NotifyPeriodicEventStream",{}]',
    "list as payload": '[6,"m","NotifyPeriodicEventStream",[]]',
    "number as action": '[6,"m",5,{}]',
    "unknown action": '[6,"m","MakeCoffee",{}]',
    "an action that has an answer": '[6,"m","Heartbeat",{}]',
    "cut off": '[6,"m","NotifyPeriodicEventStream",{"a":',
    "deep": '[6,"m","NotifyPeriodicEventStream",{"a":%s' % ("[" * 100_000),
    "large": '[6,"m","NotifyPeriodicEventStream",{"a":"%s"}]' % ("x" * 2**20),
    "short answer": "[5]",
    "answer cut off": '[5,"m","InternalError",',
}


@pytest.mark.parametrize("name", BROKEN_SENDS)
def test_q21_a_broken_frame_that_nobody_answers_is_counted_only(scene, name):
    async def play(site, station):
        await tell(station, BROKEN_SENDS[name])
        assert await silent(station)
        await still_answers(station)
        assert sum(site.server.conformance("CP01").values()) == 1
        assert site.dialect.count("MakeCoffee") == 0

    scene(play)


def test_q22_a_send_beyond_repair_is_handed_on_as_it_came(scene):
    async def play(site, station):
        site.dialect.answers["NotifyPeriodicEventStream"] = {}
        bare = {"id": "1", "data": [{"t": "2024-08-27T12:30:40Z", "v": 230.4}]}
        await tell(station, [6, "s", "NotifyPeriodicEventStream", bare])
        await told(site)
        assert site.dialect.asked == [("NotifyPeriodicEventStream", bare)]
        report = site.server.conformance("CP01")
        assert "NotifyPeriodicEventStream: 'pending' is missing" in report

    scene(play)


def test_a_send_waits_its_turn_behind_a_call(scene):
    """N13.FR.03: what a stream still held comes before its end is told."""

    async def play(site, station):
        site.dialect.answers |= {"NotifyPeriodicEventStream": {}, "ClosePeriodicEventStream": {}}
        for number in range(3):
            await tell(station, SEND)
            await tell(station, [2, f"c{number}", "ClosePeriodicEventStream", {"id": 1}])
        await still_answers(station)
        names = [name for name, _ in site.dialect.asked][:6]
        assert names == ["NotifyPeriodicEventStream", "ClosePeriodicEventStream"] * 3

    scene(play)


def test_what_should_be_sent_without_an_answer_is_answered_when_it_is_asked(scene):
    async def play(site, station):
        site.dialect.answers["NotifyPeriodicEventStream"] = {}
        answer = await ask(station, [2, "c", "NotifyPeriodicEventStream", STREAM])
        assert answer == [3, "c", {}]

    scene(play)


def test_q22_energy_is_taken_also_where_it_comes_without_asking_for_an_answer(scene):
    async def play(site, station):
        event = {"eventType": "Updated", "transactionInfo": {"transactionId": "T"}}
        await tell(station, [6, "s", "TransactionEvent", event])
        await eventually(lambda: site.dialect.count("TransactionEvent") == 1)
        assert await silent(station)

    scene(play)


def test_q21_an_answer_of_ours_that_was_not_taken_is_counted_and_logged_once(scene, caplog):
    async def play(site, station):
        for number in range(2):
            await ask(station, [2, f"a{number}", "StatusNotification", _status()])
            await tell(station, [5, f"a{number}", "TypeConstraintViolation", "odd", {}])
        await tell(station, [5, "never-asked", "InternalError", "", {}])
        await still_answers(station)
        report = site.server.conformance("CP01")
        key = "frame: our answer to StatusNotification was not taken: TypeConstraintViolation"
        assert report[key] == 2
        assert report["frame: an answer of ours was not taken: InternalError"] == 1
        assert len([t for t in site.journal.texts("error") if t.startswith("[5")]) == 3
        lines = [r for r in caplog.records if "was not taken by the station" in r.message]
        assert len(lines) == 2

    with caplog.at_level(logging.ERROR):
        scene(play)


def _status() -> dict[str, Any]:
    return {"timestamp": NOW, "connectorStatus": "Available", "evseId": 1, "connectorId": 1}


def test_q21_an_unreadable_answer_to_our_call_is_said_so(scene):
    async def play(site, station):
        call = asyncio.ensure_future(site.dialect.session.call("ClearCache", {}))
        message_id = (await hear(station))[1]
        await tell(station, [3, message_id, {"status": {"odd": 1}}])
        answer = await hear(station)
        assert answer[:3] == [5, message_id, "OccurrenceConstraintViolation"]
        assert answer[4] == {}
        assert await call == {}
        assert len(site.journal.texts("error")) == 1

    scene(play, boots=True)


def test_q19_an_answer_that_can_be_mended_is_taken_without_a_word(scene):
    async def play(site, station):
        call = asyncio.ensure_future(site.dialect.session.call("ClearCache", {}))
        message_id = (await hear(station))[1]
        await tell(station, [3, message_id, {"status": "accepted", "extra": 1}])
        assert await call == {"status": "Accepted"}
        assert await silent(station)

    scene(play, boots=True)


def test_an_older_version_has_no_word_for_an_unreadable_answer(run):
    async def main():
        async with running_site() as site, site.connect(protocols=["ocpp2.0.1"]) as station:
            await ask(station, [2, "boot", "BootNotification", BOOT])
            call = asyncio.ensure_future(site.dialect.session.call("ClearCache", {}))
            await tell(station, [3, (await hear(station))[1], {}])
            assert await call == {}
            assert await silent(station)

    run(main())


@pytest.mark.parametrize("kind", [5, 6])
@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1"])
def test_q21_older_versions_refuse_what_2_1_brought(run, protocol, kind):
    async def main():
        frame = [kind, "m", "NotifyPeriodicEventStream", STREAM]
        async with running_site() as site, site.connect(protocols=[protocol]) as station:
            code = "GenericError" if protocol == "ocpp1.6" else "MessageTypeNotSupported"
            assert (await ask(station, frame))[:3] == [4, "m", code]

    run(main())


def test_q20_no_call_goes_unanswered_on_2_1(scene):
    async def play(site, station):
        site.dialect.answers.clear()
        for name in sorted(frames.actions(site.dialect.version)):
            if name == "BootNotification":
                continue
            answer = await ask(station, [2, name, name, {}])
            assert answer[:2] == [4, name], answer
        answer = await ask(station, [2, "odd", "MakeCoffee", {}])
        assert answer[:3] == [4, "odd", "NotImplemented"]

    scene(play)


def test_a_message_without_an_answer_is_nothing_to_ask_a_station(scene):
    async def play(site, station):
        with pytest.raises(InvalidInput) as refused:
            await site.dialect.session.call("NotifyPeriodicEventStream", STREAM)
        assert "NotifyPeriodicEventStream" not in refused.value.errors[0].message

    scene(play, boots=True)
