"""Periodic event streams of a 2.1 station (N11 to N15): values come as SENDs, never answered."""

from datetime import datetime, timedelta
from typing import Any

from sitecontroller.domain.streams import EventStream, ListStreams, SetStreamPace, StreamValue
from sitecontroller.ocpp.block import Answer, Block
from sitecontroller.ocpp.v2x.schedules import instant
from sitecontroller.ocpp.values import integer, number, rows, table, text
from sitecontroller.ports import CallAnswer

VALUES_MAX = 1000
"""Of one message."""
STREAMS_MAX = 100
VALUE_CHARACTERS_MAX = 256
"""Of a monitored value: longer ones are texts, which no stream is for."""
OFFSET_S_MAX = 86_400.0


async def _open(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    """N11.FR.05, FR.06."""
    stream = _stream(dialect.station_id, table(payload.get("constantStreamData")), received_at)
    opened = stream is not None and await dialect.services.blocks.smart.streams.opened(stream)
    return {"status": "Accepted" if opened else "Rejected"}


async def _close(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    stream_id = integer(payload.get("id"))
    if stream_id is not None:
        await dialect.services.blocks.smart.streams.closed(
            dialect.station_id, stream_id, received_at
        )
    return {}


async def _values(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    """N15.FR.09: times are offsets to the first value; some stations write instants instead."""
    stream_id = integer(payload.get("id"))
    base_at = instant(payload.get("basetime")) or received_at
    values = tuple(
        StreamValue(_at(row.get("t"), base_at), value)
        for row in rows(payload.get("data"), VALUES_MAX)
        if (value := text(row.get("v"), VALUE_CHARACTERS_MAX)) is not None
    )
    if stream_id is not None:
        await dialect.services.blocks.smart.streams.received(
            dialect.station_id,
            stream_id,
            values,
            pending=max(0, integer(payload.get("pending")) or 0),
            received_at=received_at,
        )
    return {}


def _at(raw: object, base_at: datetime) -> datetime:
    offset_s = number(raw)
    if offset_s is None:
        return instant(raw) or base_at
    return base_at + timedelta(seconds=min(OFFSET_S_MAX, max(-OFFSET_S_MAX, offset_s)))


def _stream(station_id: str, said: Answer, received_at: datetime) -> EventStream | None:
    stream_id, pace = integer(said.get("id")), table(said.get("params"))
    if stream_id is None:
        return None
    return EventStream(
        station_id=station_id,
        stream_id=stream_id,
        monitoring_id=integer(said.get("variableMonitoringId")),
        opened_at=received_at,
        interval_s=integer(pace.get("interval")),
        values_max=integer(pace.get("values")),
    )


async def _list(dialect: Any, request: ListStreams) -> CallAnswer:
    """N12: without a status; what it lists is what is open."""
    answer = await dialect.say("GetPeriodicEventStream", {})
    now = dialect.services.clock.now()
    found = (
        _stream(dialect.station_id, row, now)
        for row in rows(answer.body.get("constantStreamData"), STREAMS_MAX)
    )
    streams = tuple(stream for stream in found if stream is not None)
    return CallAnswer(True, "Accepted", {"streams": streams})


async def _adjust(dialect: Any, request: SetStreamPace) -> CallAnswer:
    said = {"interval": request.interval_s, "values": request.values_max}
    params = {name: value for name, value in said.items() if value is not None}
    payload = {"id": request.stream_id, "params": params}
    answer: CallAnswer = await dialect.say("AdjustPeriodicEventStream", payload)
    return answer


BLOCK = Block(
    inbound={
        "OpenPeriodicEventStream": _open,
        "ClosePeriodicEventStream": _close,
        "NotifyPeriodicEventStream": _values,
    },
    requests={ListStreams: _list, SetStreamPace: _adjust},
)
