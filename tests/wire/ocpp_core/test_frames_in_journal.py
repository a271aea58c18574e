"""Every frame is in the journal, in the order in which it was taken."""

import asyncio

import orjson
from websockets.frames import TEXT, Frame

from tests.support import eventually
from tests.wire.ocpp_core.site import ask, boot, hear, running_site, tell


def test_every_frame_is_in_the_journal(run):
    async def main():
        async with running_site() as site, site.connect() as station:
            await ask(station, [2, "m", "Heartbeat", {}])
            await tell(station, "nonsense")
            await eventually(lambda: site.journal.texts("invalid"))
            assert [entry[1:3] for entry in site.journal.entries] == [
                ("in", "connect"),
                ("in", "call"),
                ("out", "result"),
                ("in", "invalid"),
            ]
            assert orjson.loads(site.journal.texts("call")[0]) == [2, "m", "Heartbeat", {}]

    run(main())


def _in_one_go(station, *frames):
    """As one piece of TCP."""
    texts = [frame if isinstance(frame, bytes) else orjson.dumps(frame) for frame in frames]
    whole = b"".join(Frame(TEXT, text).serialize(mask=True, extensions=[]) for text in texts)
    station.transport.write(whole)


def test_what_comes_at_once_is_in_the_journal_and_answered_in_its_order(run):
    async def main():
        async with running_site() as site, site.connect() as station:
            site.journal.entries.clear()
            calls = [[2, name, "Heartbeat", {}] for name in "ab"]
            _in_one_go(station, calls[0], b"nonsense", [3, "nobody asked", {}], calls[1])
            answers = [await hear(station) for _ in calls]
            assert [answer[:2] for answer in answers] == [[3, "a"], [3, "b"]]
            assert [entry[1:3] for entry in site.journal.entries][:4] == [
                ("in", "call"), ("in", "invalid"), ("in", "result"), ("in", "call")
            ]  # fmt: skip

    run(main())


def test_a_call_whose_connection_ends_before_its_turn_is_in_the_journal(run):
    async def main():
        async with running_site() as site, site.connect() as station:
            await ask(station, [2, "m", "Heartbeat", {}])
            session = site.server.session("CP01")
            session._take(b'[2, "last", "Heartbeat", {}]')
            session.end("cut off")
            assert orjson.loads(site.journal.texts("call")[-1])[1] == "last"

    run(main())


def test_our_calls_and_their_answers_are_in_the_journal(run):
    async def main():
        async with running_site() as site, site.connect() as station:
            await boot(station)
            site.journal.entries.clear()
            call = asyncio.ensure_future(site.dialect.session.call("ClearCache", {}))
            asked = await hear(station)
            await tell(station, [3, asked[1], {"status": "Accepted"}])
            await call
            assert [entry[1:3] for entry in site.journal.entries] == [
                ("out", "call"),
                ("in", "result"),
            ]

    run(main())
