"""Periodic event streams of 2.1 stations (N11 to N15) and Q21 through the whole controller."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sitecontroller.domain.commands import CommandState
from sitecontroller.domain.errors import InvalidInput, Unsupported
from sitecontroller.domain.streams import AdjustStream, EventStream, ReadStreams, StreamsQuery
from sitecontroller.services import streams
from tests.support import eventually
from tests.wire.ocpp21.scene import STATION, Scene
from tests.wire.site import boot201, instant, running_site

BASE = datetime.now(UTC).replace(microsecond=0)


def opening(stream_id: int = 7, monitor: int = 70) -> dict[str, Any]:
    return {
        "constantStreamData": {
            "id": stream_id, "variableMonitoringId": monitor,
            "params": {"interval": 60, "values": 30},
        }
    }  # fmt: skip


def values(count: int, stream_id: int = 7, pending: int = 0) -> dict[str, Any]:
    return {
        "id": stream_id,
        "pending": pending,
        "basetime": instant(BASE),
        "data": [{"t": number, "v": f"{230 + number}.4"} for number in range(count)],
    }


async def rows(scene: Scene) -> tuple[EventStream, ...]:
    page = await scene.ask(StreamsQuery(STATION))
    found: tuple[EventStream, ...] = page.items
    return found


async def row(scene: Scene, received: int) -> EventStream:
    async def came() -> EventStream | None:
        found = await rows(scene)
        return found[0] if found and found[0].received == received else None

    stream: EventStream = await eventually(came)
    return stream


def test_q21_a_stream_is_opened_fed_by_sends_and_closed(scene21):
    async def play(scene: Scene) -> None:
        answer = await scene.charger.call("OpenPeriodicEventStream", opening())
        assert answer == {"status": "Accepted"}
        await scene.charger.tell("NotifyPeriodicEventStream", values(2))
        await scene.charger.tell("NotifyPeriodicEventStream", values(3, pending=4))
        stream = await row(scene, 5)
        assert (stream.stream_id, stream.monitoring_id) == (7, 70)
        assert (stream.interval_s, stream.values_max, stream.pending) == (60, 30, 4)
        newest = stream.values[-1]
        assert (newest.at, newest.value) == (BASE + timedelta(seconds=2), "232.4")
        assert stream.closed_at is None
        assert await scene.charger.call("ClosePeriodicEventStream", {"id": 7}) == {}
        (stream,) = await rows(scene)
        assert stream.closed_at is not None
        assert len(stream.values) == 5

    scene21(play)


def test_values_without_an_opened_stream_are_kept_too(scene21):
    async def play(scene: Scene) -> None:
        await scene.charger.tell("NotifyPeriodicEventStream", values(1, stream_id=3))
        assert (await row(scene, 1)).monitoring_id is None

    scene21(play)


def test_instants_in_place_of_offsets_are_read_as_they_are(scene21):
    """As in the example of OCPP-J 2.1, 4.2.4."""

    async def play(scene: Scene) -> None:
        payload = {
            "id": 7, "pending": 0,
            "data": [{"t": "2024-08-27T12:30:40Z", "v": "230.4"}, {"t": None, "v": 1}, {"v": {}}],
        }  # fmt: skip
        await scene.charger.tell("NotifyPeriodicEventStream", payload)
        stream = await row(scene, 2)
        assert stream.values[0].at == datetime(2024, 8, 27, 12, 30, 40, tzinfo=UTC)

    scene21(play)


def test_a_stream_keeps_its_newest_values_and_a_station_its_bound_of_streams(scene21):
    async def play(scene: Scene) -> None:
        for _ in range(3):
            await scene.charger.tell("NotifyPeriodicEventStream", values(500))
        stream = await row(scene, 1500)
        assert len(stream.values) == streams.VALUES_HELD
        answers = [
            (await scene.charger.call("OpenPeriodicEventStream", opening(number)))["status"]
            for number in range(100, 150)
        ]
        assert answers == ["Accepted"] * 49 + ["Rejected"]
        again = await scene.charger.call("OpenPeriodicEventStream", opening(7))
        assert again == {"status": "Accepted"}

    scene21(play)


def test_streams_closed_while_their_values_are_written_disturb_no_other(
    scene21, monkeypatch, caplog
):
    monkeypatch.setattr(streams, "WRITE_EVERY_S", 0)

    async def play(scene: Scene) -> None:
        numbers = range(1, 11)
        for number in numbers:
            await scene.charger.call("OpenPeriodicEventStream", opening(number))
        for _ in range(5):
            for number in numbers:
                await scene.charger.tell("NotifyPeriodicEventStream", values(1, number))
        for number in numbers:
            assert await scene.charger.call("ClosePeriodicEventStream", {"id": number}) == {}
        kept = await rows(scene)
        assert [len(one.values) for one in kept] == [5] * 10
        assert all(one.closed_at is not None for one in kept)

    with caplog.at_level(logging.ERROR):
        scene21(play)
    assert not [record.getMessage() for record in caplog.records]


def test_the_pace_of_a_stream_is_changed(scene21):
    async def play(scene: Scene) -> None:
        await scene.charger.call("OpenPeriodicEventStream", opening())
        result = await scene.do(AdjustStream(STATION, 7, interval_s=10))
        assert result.state is CommandState.ACCEPTED
        assert scene.charger.asked_for("AdjustPeriodicEventStream") == [
            {"id": 7, "params": {"interval": 10}}
        ]
        (stream,) = await rows(scene)
        assert (stream.interval_s, stream.values_max) == (10, None)
        scene.charger.answers["AdjustPeriodicEventStream"] = lambda _: {"status": "Rejected"}
        result = await scene.do(AdjustStream(STATION, 7, values_max=5))
        assert result.state is CommandState.REJECTED
        for wrong in (AdjustStream(STATION, 7), AdjustStream(STATION, 7, interval_s=-1)):
            with pytest.raises(InvalidInput):
                await scene.do(wrong)

    scene21(play)


def test_open_streams_are_asked_for_where_they_were_lost(scene21):
    async def play(scene: Scene) -> None:
        for stream_id in (1, 2):
            await scene.charger.call("OpenPeriodicEventStream", opening(stream_id))
        scene.charger.answers["GetPeriodicEventStream"] = lambda _: {
            "constantStreamData": [opening(number)["constantStreamData"] for number in (2, 3)]
        }
        result = await scene.do(ReadStreams(STATION))
        assert result.state is CommandState.EFFECTIVE
        found = {stream.stream_id: stream.closed_at is None for stream in await rows(scene)}
        assert found == {1: False, 2: True, 3: True}
        scene.charger.answers["GetPeriodicEventStream"] = lambda _: {}
        await scene.do(ReadStreams(STATION))
        assert all(stream.closed_at is not None for stream in await rows(scene))

    scene21(play)


def test_streams_outlive_a_restart(run, tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "WRITE_EVERY_S", 0.05)

    async def main() -> None:
        async with running_site(tmp_path) as site, site.charger(version="2.1") as charger:
            await boot201(charger)
            await charger.call("OpenPeriodicEventStream", opening())
            await charger.tell("NotifyPeriodicEventStream", values(2))
            scene = Scene(site, charger)
            await row(scene, 2)
            await asyncio.sleep(0.3)
        async with running_site(tmp_path, planted=True) as site, site.charger(version="2.1") as c:
            await boot201(c)
            scene = Scene(site, c)
            await c.tell("NotifyPeriodicEventStream", values(1))
            assert (await row(scene, 3)).monitoring_id == 70

    run(main())


def test_a_2_0_1_station_has_no_streams(scene201):
    async def play(scene: Scene) -> None:
        with pytest.raises(Unsupported):
            await scene.do(ReadStreams(STATION))

    scene201(play)
