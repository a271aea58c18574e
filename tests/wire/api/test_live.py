"""The live feed over a real WebSocket."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from sitecontroller.api import live
from sitecontroller.api.dirty import EVENTS_MAX, OBJECTS_MAX
from sitecontroller.api.live import FRAMES_MAX, LiveClient
from sitecontroller.api.server import ApiServer
from sitecontroller.domain.alarm import Alarm
from sitecontroller.domain.authorization import AuthorizationStatus, IdToken
from sitecontroller.domain.commands import CommandResult, CommandState
from sitecontroller.domain.events import (
    AlarmChanged,
    CommandFinished,
    Event,
    EvseMeasured,
    LimitsChanged,
    MeterMeasured,
    SiteLimitChanged,
    StationChanged,
    StationConnected,
    TransactionChanged,
)
from sitecontroller.domain.limit_source import LimitSource, SiteLimit
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.topology import EvseKey
from sitecontroller.domain.transaction import Transaction, TransactionState
from sitecontroller.domain.views import StationView
from sitecontroller.wire import to_json
from tests.support import eventually
from tests.wire.api.site import AT, TOKEN, TX, FakeSite
from tests.wire.api.test_server import HEADERS, served


@contextlib.asynccontextmanager
async def attached(url: str, headers: Any = None, **options: Any) -> AsyncIterator[Any]:
    """A live client: `await client()` is its next frame."""
    address = "ws" + url.removeprefix("http") + "/v1/live"
    options = {"max_size": None, "compression": None, "proxy": None} | options
    async with connect(address, additional_headers=headers or HEADERS, **options) as socket:

        async def next_frame() -> Any:
            async with asyncio.timeout(10):
                return orjson.loads(await socket.recv())

        next_frame.socket = socket
        yield next_frame


@contextlib.asynccontextmanager
async def stalled(site: FakeSite, server: ApiServer, url: str) -> AsyncIterator[Any]:
    """A live client that has stopped reading while more than sockets buffer was sent to it."""
    async with attached(url) as client:
        await client()
        client.socket.transport.pause_reading()
        name = site.stations["CP-01"].name
        site.rename("CP-01", "x" * 16_000_000)
        await told(site, server, StationChanged("CP-01"))
        site.rename("CP-01", name)
        try:
            yield client
        finally:
            client.socket.transport.abort()


async def told(site: FakeSite, server: ApiServer, *events: Event) -> None:
    """Publish `events` and wait until the feed has handed them to its clients."""
    for event in events:
        site.publish(event)
    await eventually(lambda: not server.app.state.live.pending)


def transaction(state: TransactionState = TransactionState.ACTIVE) -> Transaction:
    return Transaction(
        key=TX,
        station_id="CP-01",
        evse_id=1,
        connector_id=1,
        station_transaction_id="42",
        state=state,
        authorization_status=AuthorizationStatus.ACCEPTED,
        started_at=AT,
        start_received_at=AT,
        id_token=IdToken("04A1B2C3D4"),
    )


def finished(number: int) -> CommandFinished:
    return CommandFinished(CommandResult(f"C{number}", CommandState.EFFECTIVE))


def watch(run, *events, count=1, change=None, site=None, step_s=0.0):
    """The snapshot and the `count` frames after it, `events` being published in between."""
    site = site or FakeSite()

    async def listen() -> list[Any]:
        async with served(site, step_s=step_s) as (_, url), attached(url) as client:
            frames = [await client()]
            if change is not None:
                change(site)
            for event in events:
                site.publish(event)
            for _ in range(count):
                frames.append(await client())
            return frames

    return run(listen())


def test_the_first_frame_is_everything(run):
    site = FakeSite()
    (frame,) = watch(run, count=0, site=site)
    assert (frame["seq"], frame["type"]) == (1, "snapshot")
    assert frame["snapshot"] == to_json(site.snapshot())


class Unsteady(FakeSite):
    """A site to which something happens whenever CP-02 is looked at."""

    def __init__(self, happens: Callable[[FakeSite], None]) -> None:
        super().__init__(stations=3)
        self.happens = happens

    def station_view(self, station_id: str) -> StationView | None:
        if station_id == "CP-02":
            self.happens(self)
        return super().station_view(station_id)


def test_what_changes_while_a_snapshot_is_made_follows_it(run):
    def rename(site: FakeSite) -> None:
        site.rename("CP-01", "later")
        site.publish(StationChanged("CP-01"))

    snapshot, changes = watch(run, site=Unsteady(rename))
    assert snapshot["snapshot"]["stations"]["CP-01"]["name"] == "Charger CP-01"
    assert changes["stations"]["CP-01"]["name"] == "later"


def test_what_goes_while_a_snapshot_is_made_is_not_in_it(run):
    (snapshot,) = watch(run, count=0, site=Unsteady(lambda site: site.alarms.clear()))
    assert snapshot["snapshot"]["alarms"] == {}


def test_a_site_that_changes_as_fast_as_it_is_told_holds_back_no_event(run):
    site = Unsteady(lambda site: site.publish(StationChanged("CP-02")))
    frames = watch(run, finished(1), count=2, site=site)
    assert [frame["type"] for frame in frames] == ["snapshot", "changes", "event"]


def test_a_change_is_the_whole_new_object(run):
    site = FakeSite()
    _, frame = watch(
        run, StationChanged("CP-01"), change=lambda site: site.rename("CP-01", "North"), site=site
    )
    assert (frame["seq"], frame["type"]) == (2, "changes")
    assert frame["stations"] == {"CP-01": to_json(site.stations["CP-01"])}
    assert frame["site"] == to_json(site.site)


def test_changes_within_a_moment_travel_together_once_each(run):
    events = [StationChanged("CP-01"), StationChanged("CP-02")] * 5
    _, frame = watch(run, *events, LimitsChanged((EvseKey("CP-02", 1),), ("main",)))
    assert sorted(frame["stations"]) == ["CP-01", "CP-02"]
    assert list(frame["circuits"]) == ["main"]


def test_what_is_gone_is_null(run):
    event = AlarmChanged(Alarm("x", "station-faulted", "CP-01/1", AT, cleared_at=AT))
    _, changes, news = watch(run, event, count=2)
    assert changes["alarms"] == {"x": None}
    assert news["payload"]["alarm"]["cleared_at"] == "2026-03-01T12:00:00.123Z"


def test_a_reading_renews_its_station_and_its_running_transaction(run):
    _, frame = watch(run, EvseMeasured(EvseKey("CP-01", 1), MeterReading(AT), 1.0))
    assert list(frame["stations"]) == ["CP-01"]
    assert list(frame["transactions"]) == [TX]
    assert "site" not in frame


def test_a_meters_sample_renews_the_meter(run):
    _, frame = watch(run, MeterMeasured("m1", MeterReading(AT), 1.0))
    assert list(frame["meters"]) == ["m1"]


def test_a_commands_outcome_is_an_event(run):
    _, frame = watch(run, finished(1))
    assert (frame["type"], frame["name"], frame["schema_version"]) == (
        "event",
        "CommandFinished",
        1,
    )
    assert frame["payload"]["result"]["state"] == "effective"


def test_a_site_limit_that_comes_or_goes_is_an_event(run):
    limit = SiteLimit("14a", LimitSource.GRID_OPERATOR, "contact", AT, AT, "main", power_w=4200)
    _, frame = watch(run, SiteLimitChanged(limit, in_force=False))
    assert (frame["type"], frame["name"]) == ("event", "SiteLimitChanged")
    assert frame["payload"]["in_force"] is False
    assert frame["payload"]["limit"]["power_w"] == 4200


def test_an_event_follows_the_change_it_tells_of(run):
    frames = watch(run, StationConnected("CP-01", 2, AT), count=2)
    assert [frame["type"] for frame in frames] == ["snapshot", "changes", "event"]


def test_a_transactions_event_masks_its_card(run):
    _, _, event = watch(run, TransactionChanged(transaction(), began=True), count=2)
    assert event["payload"]["began"] is True
    assert event["payload"]["transaction"]["id_token"] == "…B2C3"
    assert "04A1B2C3" not in str(event)


def test_a_transaction_that_merely_goes_on_is_no_news(run):
    _, changes, event = watch(run, TransactionChanged(transaction()), finished(1), count=2)
    assert list(changes["transactions"]) == [TX]
    assert event["name"] == "CommandFinished"


def test_many_changes_come_in_several_frames(run):
    site = FakeSite(stations=OBJECTS_MAX * 2 + 5)
    events = [StationChanged(name) for name in site.stations]
    _, *frames = watch(run, *events, count=3, site=site)
    assert [len(frame["stations"]) for frame in frames] == [OBJECTS_MAX, OBJECTS_MAX, 5]
    assert len({name for frame in frames for name in frame["stations"]}) == len(site.stations)


def test_what_takes_too_long_for_one_turn_of_the_loop_goes_on_in_the_next(run):
    events = [StationChanged("CP-01"), StationChanged("CP-02")]
    _, *frames = watch(run, *events, count=2, step_s=1.0)
    assert [len(frame["stations"]) for frame in frames] == [1, 1]


def test_frames_are_counted_without_a_gap(run):
    frames = watch(run, *[finished(n) for n in range(20)], count=20)
    assert [frame["seq"] for frame in frames] == list(range(1, 22))


def test_too_many_events_for_a_moment_are_a_new_snapshot(run):
    _, frame = watch(run, *[finished(n) for n in range(EVENTS_MAX + 1)])
    assert frame["type"] == "snapshot"


def test_a_full_queue_gives_way_to_a_snapshot(run):
    async def fill() -> list[bytes | None]:
        client = LiveClient()
        assert await client.next() is None
        for number in range(FRAMES_MAX + 1):
            client.offer(b"%d" % number)
        client.offer(b"in the snapshot")
        first = await client.next()
        client.offer(b"later")
        return [first, await client.next()]

    assert run(fill()) == [None, b"later"]


def test_a_slow_client_misses_frames_but_no_state(run):
    site = FakeSite()

    async def lag() -> list[dict[str, Any]]:
        async with served(site) as (server, url), stalled(site, server, url) as client:
            for _ in range(2):
                await told(site, server, *[finished(number) for number in range(EVENTS_MAX)])
            (lagging,) = server.app.state.live.clients
            assert lagging.overflows == 1
            site.rename("CP-01", "after all")
            client.socket.transport.resume_reading()
            frames = [await client()]
            while frames[-1]["type"] != "snapshot":
                frames.append(await client())
            return frames

    frames = run(lag())
    assert frames[-1]["snapshot"]["stations"]["CP-01"]["name"] == "after all"
    assert [frame["seq"] for frame in frames] == list(range(2, len(frames) + 2))
    assert len(frames) < FRAMES_MAX


def test_one_clients_slowness_is_not_anothers(run):
    site = FakeSite()

    async def race() -> Any:
        async with (
            served(site) as (server, url),
            stalled(site, server, url),
            attached(url) as quick,
        ):
            await quick()
            site.publish(finished(1))
            return await quick()

    assert run(race())["name"] == "CommandFinished"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": "Bearer wrong"}, 401),
        ({"X-Nothing": "x"}, 401),
    ],
)
def test_a_stranger_gets_no_feed_but_a_problem(run, headers, status):
    async def knock() -> InvalidStatus:
        async with served(FakeSite()) as (_, url):
            with pytest.raises(InvalidStatus) as caught:
                async with attached(url, headers):
                    pass
            return caught.value

    response = run(knock()).response
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert orjson.loads(response.body)["status"] == status


def test_a_feed_is_not_given_under_a_foreign_name(run):
    async def knock() -> int:
        async with served(FakeSite()) as (_, url):
            port = int(url.rpartition(":")[2])
            with pytest.raises(InvalidStatus) as caught:
                async with connect(
                    f"ws://evil.example:{port}/v1/live",
                    host="127.0.0.1",
                    additional_headers=HEADERS,
                    proxy=None,
                ):
                    pass
            return caught.value.response.status_code

    assert run(knock()) == 421


def test_a_token_in_the_feeds_url_is_none(run):
    async def knock() -> int:
        async with served(FakeSite()) as (_, url):
            address = "ws" + url.removeprefix("http") + f"/v1/live?token={TOKEN}"
            with pytest.raises(InvalidStatus) as caught:
                async with connect(address, proxy=None):
                    pass
            return caught.value.response.status_code

    assert run(knock()) == 401


def test_there_is_a_most_of_live_clients(run, monkeypatch):
    monkeypatch.setattr(live, "CLIENTS_MAX", 1)

    async def crowd() -> int:
        async with served(FakeSite()) as (_, url), attached(url) as client:
            await client()
            with pytest.raises(InvalidStatus) as caught:
                async with attached(url):
                    pass
            return caught.value.response.status_code

    assert run(crowd()) == 503


def test_the_controller_is_left_alone_when_nobody_watches(run):
    site = FakeSite()

    async def come_and_go() -> None:
        async with served(site) as (server, url):
            assert not site.subscribers
            async with attached(url) as one, attached(url) as two:
                await one()
                await two()
                assert len(site.subscribers) == 1
                site.publish(StationChanged("CP-01"))
            await eventually(lambda: not site.subscribers)
            assert not server.app.state.live.clients

    run(come_and_go())


def test_a_client_that_vanishes_is_let_go(run):
    site = FakeSite()

    async def vanish() -> None:
        async with served(site) as (_, url), attached(url) as client:
            await client()
            client.socket.transport.abort()
            await eventually(lambda: not site.subscribers)

    run(vanish())


def test_what_a_client_says_is_ignored(run):
    site = FakeSite()

    async def talk() -> Any:
        async with served(site) as (_, url), attached(url) as client:
            await client()
            for text in ("hello", "{}", b"\x00"):
                await client.socket.send(text)
            site.publish(finished(1))
            return await client()

    assert run(talk())["type"] == "event"


def test_at_stop_a_live_client_is_told_to_go(run):
    async def stop() -> int | None:
        async with served(FakeSite()) as (server, url), attached(url) as client:
            await client()
            await server.stop()
            with pytest.raises(ConnectionClosed) as caught:
                await client()
            return caught.value.rcvd.code if caught.value.rcvd else None

    assert run(stop()) == 1001


def test_a_client_that_does_not_read_does_not_hold_up_the_stop(run):
    """Nor does it keep its connection: what it has not read by then never comes."""
    site = FakeSite()

    async def stop() -> None:
        async with served(site) as (server, url), stalled(site, server, url) as client:
            site.publish(finished(1))
            async with asyncio.timeout(5):
                await server.stop()
            client.socket.transport.resume_reading()
            with pytest.raises(ConnectionClosed):
                await client()

    run(stop())


def test_a_fault_in_a_view_costs_the_client_its_connection_not_the_api(run, caplog):
    site = FakeSite()

    async def break_view() -> None:
        async with served(site) as (_, url), attached(url) as client:
            await client()
            site.site = replace(site.site, version=object())  # type: ignore[arg-type]
            site.publish(StationChanged("CP-01"))
            with pytest.raises(ConnectionClosed) as caught:
                await client()
            assert caught.value.rcvd.code == 1011
            site.site = FakeSite().site
            async with attached(url) as again:
                assert (await again())["type"] == "snapshot"

    run(break_view())
    assert "live" in caplog.text
