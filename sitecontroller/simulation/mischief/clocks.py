"""Stations with another time than ours, or another way to write it.

Joints: `begins` (station, None), `stamp` (station, text).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from sitecontroller.simulation.station import SimulatedStation

FAST = timedelta(hours=3)
NO_CLOCK = datetime(1970, 1, 1, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Berlin")


class Turns:
    """Counts the stamps, so that each fault has its turn."""

    def __init__(self) -> None:
        self.next = count()


def fast(station: SimulatedStation, value: Any) -> None:
    """Three hours ahead."""
    station.clock_offset = FAST


def unset(station: SimulatedStation, value: Any) -> None:
    """It begins at 1970."""
    station.clock_offset = NO_CLOCK - station.clock.now()


def without_zone(station: SimulatedStation, text: str) -> str:
    """The garage's time, and nothing that says so."""
    local = datetime.fromisoformat(text).astimezone(ZONE)
    return local.replace(tzinfo=None).isoformat(timespec="seconds")


def nine_digits(station: SimulatedStation, text: str) -> str:
    """Nanoseconds, and an offset in place of Z."""
    at = datetime.fromisoformat(text)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond:06d}123+00:00"


def gibberish(station: SimulatedStation, text: str) -> str:
    """What is no time at all, and 24:00."""
    faults = (f"{text[:10]}T24:00:00Z", "yesterday", "", "0000-00-00T00:00:00Z", "31.12.2024 23:59")
    return faults[next(station.part(Turns).next) % len(faults)]
