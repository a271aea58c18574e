"""Event streams of 2.1 stations: what is open, and the newest values of each.

Values come often and unasked, so they are held in memory and written at most every few seconds; a
restart may lose the last of them. Nothing of law or money is among them.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from sitecontroller.domain.commands import Command, CommandResult, CommandState
from sitecontroller.domain.errors import FieldError, InvalidInput
from sitecontroller.domain.queries import Query
from sitecontroller.domain.streams import (
    AdjustStream,
    EventStream,
    ListStreams,
    ReadStreams,
    SetStreamPace,
    StreamsQuery,
    StreamValue,
)
from sitecontroller.domain.views import Page
from sitecontroller.services.desk import Answerer, Desk, Handler, result_of
from sitecontroller.services.shelf import Shelf
from sitecontroller.wire import to_json

log = logging.getLogger(__name__)

VALUES_HELD = 600
"""Of one stream: ten minutes at one a second."""
STREAMS_OF_STATION_MAX = 50
STREAMS_KEPT = 2000
WRITE_EVERY_S = 10.0
PACE_MAX = 86_400


class EventStreams:
    """Open streams are in memory, all are on the shelf."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._shelf = Shelf(desk.store, "event-stream", EventStream)
        self._open: dict[tuple[str, int], EventStream] = {}
        self._unwritten: set[tuple[str, int]] = set()
        self._writing = False
        self._full: set[str] = set()
        """Stations with too many, told once."""
        self.handlers: Mapping[type[Command], Handler] = {
            AdjustStream: self._adjust,
            ReadStreams: self._read,
        }
        self.answerers: Mapping[type[Query], Answerer] = {StreamsQuery: self._page}

    async def load(self) -> None:
        """Take up the streams that were open."""
        for stream in await self._shelf.all(open_only=True):
            self._open[stream.station_id, stream.stream_id] = stream

    async def opened(self, stream: EventStream) -> bool:
        """A station opens a stream; False: it has too many (N11.FR.05)."""
        place = stream.station_id, stream.stream_id
        if place not in self._open and self._count(stream.station_id) >= STREAMS_OF_STATION_MAX:
            if stream.station_id not in self._full:
                self._full.add(stream.station_id)
                log.warning(
                    "%s: opens more than %d event streams, the others are refused",
                    stream.station_id,
                    STREAMS_OF_STATION_MAX,
                )
            return False
        await self._write(stream)
        await self._shelf.trim(STREAMS_KEPT)
        self._open[place] = stream
        return True

    async def closed(self, station_id: str, stream_id: int, at: datetime) -> None:
        """It ends; its last values stay."""
        stream = self._open.pop((station_id, stream_id), None)
        if stream is not None:
            self._unwritten.discard((station_id, stream_id))
            await self._write(replace(stream, closed_at=at))

    async def received(
        self,
        station_id: str,
        stream_id: int,
        values: tuple[StreamValue, ...],
        *,
        pending: int,
        received_at: datetime,
    ) -> None:
        """Values of a stream, also of one whose opening we missed."""
        place = station_id, stream_id
        if place not in self._open and not await self.opened(
            EventStream(station_id, stream_id, None, received_at)
        ):
            return
        stream = self._open[place]
        self._open[place] = replace(
            stream,
            received=stream.received + len(values),
            pending=pending,
            values=(*stream.values, *values)[-VALUES_HELD:],
        )
        self._unwritten.add(place)
        if not self._writing:
            self._writing = True
            self._desk.background.spawn(self._write_soon(), "event streams")

    async def _write_soon(self) -> None:
        try:
            while self._unwritten:
                await asyncio.sleep(WRITE_EVERY_S)
                places, self._unwritten = self._unwritten, set()
                for place in places:
                    stream = self._open.get(place)
                    if stream is not None:  # it may have been closed while another was written
                        await self._write(stream)
        finally:
            self._writing = False

    async def _write(self, stream: EventStream) -> None:
        key = f"{stream.station_id}/{stream.stream_id}"
        is_open = stream.closed_at is None
        at = stream.closed_at or self._desk.clock.now()
        await self._shelf.put(key, stream, at, stream.station_id, open=is_open)

    def _count(self, station_id: str) -> int:
        return sum(1 for place in self._open if place[0] == station_id)

    async def _adjust(self, command: AdjustStream, command_id: str) -> CommandResult:
        """N14; what it accepted is what holds."""
        faults = tuple(
            FieldError(name, f"is 0 to {PACE_MAX}")
            for name, value in (
                ("interval_s", command.interval_s), ("values_max", command.values_max)
            )
            if value is not None and not 0 <= value <= PACE_MAX
        )  # fmt: skip
        if command.interval_s is None and command.values_max is None:
            faults = (FieldError("interval_s", "must be set, or values_max (N11.FR.09)"),)
        if faults:
            raise InvalidInput("This is no pace for a stream", errors=faults)
        link = self._desk.link(command.station_id)
        request = SetStreamPace(command.stream_id, command.interval_s, command.values_max)
        answer = await link.ask(request)
        stream = self._open.get((command.station_id, command.stream_id))
        if answer.accepted and stream is not None:
            stream = replace(stream, interval_s=command.interval_s, values_max=command.values_max)
            self._open[stream.station_id, stream.stream_id] = stream
            await self._write(stream)
        return result_of(command_id, answer)

    async def _read(self, command: ReadStreams, command_id: str) -> CommandResult:
        """N12: what the station says is open; the others are closed."""
        answer = await self._desk.link(command.station_id).ask(ListStreams())
        listed: tuple[EventStream, ...] = answer.body["streams"]
        now = self._desk.clock.now()
        for station_id, stream_id in [
            place for place in self._open if place[0] == command.station_id
        ]:
            if stream_id not in {each.stream_id for each in listed}:
                await self.closed(station_id, stream_id, now)
        for told in listed[:STREAMS_OF_STATION_MAX]:
            known = self._open.get((command.station_id, told.stream_id), told)
            await self.opened(
                replace(
                    known,
                    monitoring_id=told.monitoring_id,
                    interval_s=told.interval_s,
                    values_max=told.values_max,
                )
            )
        body = {"streams": to_json(listed)}
        return CommandResult(command_id, CommandState.EFFECTIVE, None, body)

    async def _page(self, query: StreamsQuery) -> Page[EventStream]:
        """With the values that aren't written yet."""
        self._desk.known(query.station_id)
        page = await self._shelf.page(query.limit, query.cursor, query.station_id)
        items = (self._open.get((each.station_id, each.stream_id), each) for each in page.items)
        return Page(tuple(items), page.next)
