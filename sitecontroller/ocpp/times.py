"""Time stamps of stations: read tolerantly, written strictly, and the station's clock measured.

A station's instant that can't be right is replaced by when we received it and flagged; what it
wrote is kept (Q42). Nothing here asks the time: the caller says when a message was received.
"""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from sitecontroller.domain.metering import TimeQuality
from sitecontroller.domain.station import StationTime

PAST_MAX = timedelta(days=366)
"""Older stamps come from a clock that was never set (1970, 2000, the firmware's build date)."""
FUTURE_MAX = timedelta(days=2)
"""Hours in the future are a zone mistake and stay as written (Q30); more is no clock at all."""
RAW_CHARACTERS_MAX = 64

SAMPLES_MAX = 5
OFFSET_UNCERTAINTY_S_MAX = 20.0
"""Beyond it the offset counts as unknown: no lease (load-management.md, "Leases")."""
STEP_S = 5.0
"""Samples within this agree; an offset beyond it may be mended by the time we tell."""
CONFIRMATION_S = 10.0
"""A large offset counts once agreeing samples came this far apart: a bundle of old messages
arrives within a second."""
SAMPLE_SPACING_S = 3.0
"""Stamps that come closer together make one sample: ten EVSEs report in the same second."""
RESOLUTION_S = 1.0
"""Many stations write whole seconds."""
LATE_S = 120.0
"""A message this much older than its arrival was recorded while the station was offline."""

_STAMP = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})"
    r"(?:[T\s]\s*(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})"
    r"(?:[.,](?P<fraction>\d{0,9}))?)?)"
    r"\s*(?P<zone>Z|UTC|GMT|[+-]\d{1,2}(?::?\d{2})?)?",
    re.IGNORECASE | re.ASCII,
)
_USUAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", re.ASCII)
_STRICT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)


def parse_station_time(
    raw: object, received_at: datetime, *, missing_zone: tzinfo = UTC
) -> StationTime:
    """The instant a station wrote, in UTC; never raises.

    `missing_zone` is taken where the station names none. Absent, unreadable and implausible stamps
    become `received_at` with quality RECEIVED.
    """
    if raw is None:
        return StationTime(received_at, TimeQuality.RECEIVED)
    text = str(raw).strip()
    written = read_instant(text, missing_zone=missing_zone)
    if written is None or not received_at - PAST_MAX <= written <= received_at + FUTURE_MAX:
        return StationTime(received_at, TimeQuality.RECEIVED, text[:RAW_CHARACTERS_MAX])
    if _STRICT.fullmatch(text) is None or text[11:13] == "24":
        return StationTime(written, TimeQuality.REPAIRED, text[:RAW_CHARACTERS_MAX])
    return StationTime(written)


def read_instant(raw: object, *, missing_zone: tzinfo = UTC) -> datetime | None:
    """What is written, plausible or not, in UTC; None when it can't be read.

    24:00:00 is the next day's start and second 60 the next minute's.
    """
    if not isinstance(raw, str):
        return None
    usual = _read_usual(raw)
    if usual is not None:
        return usual
    match = _STAMP.fullmatch(raw.strip())
    if match is None:
        return None
    part = match.groupdict()
    micros = int((part["fraction"] or "").ljust(6, "0")[:6])
    try:
        zone = _zone(part["zone"]) or missing_zone
        day = datetime(int(part["year"]), int(part["month"]), int(part["day"]), tzinfo=zone)
        clock = _time_of_day(int(part["hour"]), int(part["minute"]), int(part["second"] or 0))
        return (day + clock).astimezone(UTC) + timedelta(microseconds=micros)
    except (ValueError, OverflowError):
        return None


def _read_usual(text: str) -> datetime | None:
    """What nearly all stations write, in a tenth of the time."""
    if _USUAL.fullmatch(text) is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None  # also 24:00:00 and second 60


def format_time(at: datetime, digits: int = 3) -> str:
    """UTC with Z and 0 or 3 digits of a second, rounded down (Q43)."""
    assert at.tzinfo is not None
    assert digits in (0, 3)
    text = at.astimezone(UTC).isoformat(timespec="milliseconds" if digits else "seconds")
    return text.replace("+00:00", "Z")


def _time_of_day(hour: int, minute: int, second: int) -> timedelta:
    if hour > 24 or minute > 59 or second > 60 or (hour == 24 and (minute or second)):
        raise ValueError
    return timedelta(hours=hour, minutes=minute, seconds=second)


def _zone(text: str | None) -> tzinfo | None:
    if text is None:
        return None
    if text.upper() in ("Z", "UTC", "GMT"):
        return UTC
    hours, _, minutes = text[1:].partition(":")
    if len(hours) > 2:
        hours, minutes = hours[:-2], hours[-2:]
    offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
    return timezone(-offset if text[0] == "-" else offset)


@dataclass(frozen=True, slots=True)
class _Sample:
    offset_s: float
    received_s: float


class StationClock:
    """How far one connected station's clock is from ours.

    A message can be late but never early, so the largest of the last samples is the truest and a
    lease counted with it never ends later than meant. An offset beyond the uncertainty bound
    counts once samples that agree came `CONFIRMATION_S` apart.
    """

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        self._monotonic_s = monotonic_s
        self._samples: deque[_Sample] = deque(maxlen=SAMPLES_MAX)

    @property
    def offset_s(self) -> float | None:
        """Station clock less ours; None until known to `OFFSET_UNCERTAINTY_S_MAX`."""
        uncertainty_s = self.uncertainty_s
        if uncertainty_s is None or uncertainty_s > OFFSET_UNCERTAINTY_S_MAX:
            return None
        return self._top_s()

    @property
    def uncertainty_s(self) -> float | None:
        """Seconds by which the offset may be wrong; None without a sample."""
        if not self._samples:
            return None
        top_s = self._top_s()
        agreeing = [s for s in self._samples if top_s - s.offset_s <= STEP_S]
        times = [sample.received_s for sample in agreeing]
        if max(times) - min(times) < CONFIRMATION_S:
            return RESOLUTION_S + abs(top_s)
        return RESOLUTION_S + top_s - min(sample.offset_s for sample in agreeing)

    def heard(self, raw: object, received_at: datetime, *, missing_zone: tzinfo = UTC) -> None:
        """A fresh message carried this stamp; unreadable ones say nothing."""
        written = read_instant(raw, missing_zone=missing_zone)
        if written is not None:
            sample = _Sample((written - received_at).total_seconds(), self._monotonic_s())
            if (
                self._samples
                and sample.received_s - self._samples[-1].received_s < SAMPLE_SPACING_S
            ):
                last = self._samples.pop()
                sample = _Sample(max(last.offset_s, sample.offset_s), last.received_s)
            self._samples.append(sample)

    def told(self) -> None:
        """We answered with the time: a clock that was wrong may be set now."""
        if self._samples and abs(self._top_s()) > STEP_S:
            self._samples.clear()

    def is_late(self, time: StationTime, received_at: datetime) -> bool:
        """Whether a message was recorded so long ago that it says nothing about now.

        With the offset unknown only a stamp near our own time counts as fresh.
        """
        if time.quality is TimeQuality.RECEIVED:
            return False
        age_s = (received_at - time.at).total_seconds()
        offset_s = self.offset_s
        if offset_s is None:
            return abs(age_s) > LATE_S
        return age_s + offset_s > LATE_S

    def _top_s(self) -> float:
        return max(sample.offset_s for sample in self._samples)
