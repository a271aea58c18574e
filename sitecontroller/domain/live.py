"""Frames of the live feed: first everything, then only what changed."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sitecontroller.domain.views import (
    AlarmView,
    CircuitView,
    MeterView,
    SiteView,
    Snapshot,
    StationView,
    TransactionView,
)


@dataclass(frozen=True, slots=True)
class SnapshotFrame:
    """Everything; replaces all the receiver had."""

    seq: int
    at: datetime
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class ChangesFrame:
    """Whole new objects by id; None: gone. `site` is None when it did not change."""

    seq: int
    at: datetime
    site: SiteView | None = None
    stations: dict[str, StationView | None] = field(default_factory=dict)
    circuits: dict[str, CircuitView | None] = field(default_factory=dict)
    meters: dict[str, MeterView | None] = field(default_factory=dict)
    transactions: dict[str, TransactionView | None] = field(default_factory=dict)
    alarms: dict[str, AlarmView | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EventFrame:
    """One domain event by name (`TransactionChanged`, `CommandFinished`, …) as JSON values."""

    seq: int
    at: datetime
    name: str
    schema_version: int
    payload: dict[str, Any]


LiveFrame = SnapshotFrame | ChangesFrame | EventFrame
