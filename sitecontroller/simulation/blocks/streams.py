"""Periodic event streams of a simulated 2.1 station: a monitor's values, sent without answers.

A monitor set with a stream has it opened; `values` that have gathered, or `interval` seconds that
have passed, make a SEND.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from sitecontroller.simulation.blocks.block import Block, accepted
from sitecontroller.simulation.blocks.monitoring import PERIODS, Monitor, Watch
from sitecontroller.simulation.uplink import Payload

if TYPE_CHECKING:
    from sitecontroller.simulation.station import SimulatedStation

INTERVAL_S = 10
VALUES_MAX = 200


@dataclass(slots=True)
class Stream:
    """One open stream."""

    stream_id: int
    monitor: Monitor
    params: Payload
    base: datetime | None = None
    values: list[Payload] = field(default_factory=list)
    last: str | None = None
    sampled_s: float = 0.0
    sent_s: float = 0.0


class Streams:
    """Those open now, by number."""

    def __init__(self) -> None:
        self.open: dict[int, Stream] = {}
        self.next_id = 1


def _every_second(station: SimulatedStation) -> None:
    watch = station.part(Watch)
    while watch.opened:
        station.spawn(_open(station, watch.opened.pop(0)))
    while watch.cleared:
        _close_of(station, watch.cleared.pop(0))
    for stream in tuple(station.part(Streams).open.values()):
        _sample(station, stream)
        _send_if_due(station, stream)


async def _open(station: SimulatedStation, monitor: Monitor) -> None:
    streams = station.part(Streams)
    stream = Stream(streams.next_id, monitor, monitor.stream or {})
    streams.next_id += 1
    answer = await station.uplink.ask(
        "OpenPeriodicEventStream", {"constantStreamData": _described(stream)}
    )
    if answer is not None and answer["status"] == "Accepted":
        stream.sent_s = stream.sampled_s = station.clock.monotonic_s()
        streams.open[stream.stream_id] = stream


def _close_of(station: SimulatedStation, monitor_id: int) -> None:
    streams = station.part(Streams).open
    for stream in [s for s in streams.values() if s.monitor.monitor_id == monitor_id]:
        del streams[stream.stream_id]
        station.say("ClosePeriodicEventStream", {"id": stream.stream_id})


def _sample(station: SimulatedStation, stream: Stream) -> None:
    setting = station.settings.get(stream.monitor.name)
    now_s = station.clock.monotonic_s()
    if setting is None:
        return
    if stream.monitor.kind in PERIODS:
        if now_s < stream.sampled_s + stream.monitor.value:
            return
    elif setting.now == stream.last:
        return
    stream.sampled_s, stream.last = now_s, setting.now
    now = station.now()
    stream.base = stream.base or now
    passed_s = (now - stream.base).total_seconds()
    stream.values.append({"t": round(passed_s, 3), "v": setting.now})


def _send_if_due(station: SimulatedStation, stream: Stream) -> None:
    now_s = station.clock.monotonic_s()
    full = len(stream.values) >= min(stream.params.get("values", VALUES_MAX), VALUES_MAX)
    waited = now_s >= stream.sent_s + stream.params.get("interval", INTERVAL_S)
    if not stream.values or not (full or waited):
        return
    assert stream.base is not None, "there are values"
    payload = {
        "id": stream.stream_id,
        "pending": 0,
        "basetime": station.stamp(stream.base),
        "data": stream.values,
    }
    stream.values, stream.base, stream.sent_s = [], None, now_s
    station.spawn(station.uplink.notify("NotifyPeriodicEventStream", payload))


def _described(stream: Stream) -> Payload:
    return {
        "id": stream.stream_id,
        "params": stream.params,
        "variableMonitoringId": stream.monitor.monitor_id,
    }


def _get_streams(station: SimulatedStation, payload: Payload) -> Payload:
    found = [_described(stream) for stream in station.part(Streams).open.values()]
    return {"constantStreamData": found} if found else {}


def _adjust(station: SimulatedStation, payload: Payload) -> Payload:
    stream = station.part(Streams).open.get(payload["id"])
    if stream is not None:
        stream.params = payload["params"]
    return accepted(stream is not None)


def _booted(station: SimulatedStation) -> None:
    """A stream ends with the boot; its monitor opens another."""
    for stream in station.part(Streams).open.values():
        station.part(Watch).opened.append(stream.monitor)
    station.part(Streams).open.clear()


BLOCK = Block(
    answers={"GetPeriodicEventStream": _get_streams, "AdjustPeriodicEventStream": _adjust},
    hooks={"second": _every_second, "booted": _booted},
)
