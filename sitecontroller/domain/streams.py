"""Periodic event streams of 2.1 stations: monitored values that come often and unconfirmed.

OCPP 2.1, N11 to N15. What is monitored is said by the variable monitor that a stream belongs to.
"""

from dataclasses import dataclass
from datetime import datetime

from sitecontroller.domain.commands import Command, StationRequest
from sitecontroller.domain.queries import Query


@dataclass(frozen=True, slots=True)
class StreamValue:
    """One value, as the station wrote it."""

    at: datetime
    value: str


@dataclass(frozen=True, slots=True)
class EventStream:
    """One stream and the newest of its values, oldest first."""

    station_id: str
    stream_id: int
    monitoring_id: int | None
    """Of the variable monitor; None: values came before the station opened the stream."""
    opened_at: datetime
    interval_s: int | None = None
    values_max: int | None = None
    """Of one message."""
    closed_at: datetime | None = None
    received: int = 0
    """Values since it was opened."""
    pending: int = 0
    """Values that the station still held at its last message (N15.FR.05)."""
    values: tuple[StreamValue, ...] = ()


@dataclass(frozen=True, slots=True)
class SetStreamPace(StationRequest):
    """How often, and with how many values, a stream is sent."""

    stream_id: int
    interval_s: int | None
    values_max: int | None


@dataclass(frozen=True, slots=True)
class ListStreams(StationRequest):
    """Which streams are open; the answer's body has a tuple of `EventStream` under "streams"."""


@dataclass(frozen=True, slots=True)
class AdjustStream(Command):
    """Change how often a 2.1 station sends a stream, or how many values at a time."""

    station_id: str
    stream_id: int
    interval_s: int | None = None
    values_max: int | None = None


@dataclass(frozen=True, slots=True)
class ReadStreams(Command):
    """Ask a 2.1 station which streams it has open."""

    station_id: str


@dataclass(frozen=True, slots=True)
class StreamsQuery(Query):
    """A station's streams with their newest values, closed ones too."""

    station_id: str
    limit: int = 50
    cursor: str | None = None
