"""A roll-out: one image to all stations of a model, first one, then a tenth, then the rest.

Pure rules: how many may be served now, and when it stops by itself. Any failure of the first
station stops it; later more than a tenth of failures do.
"""

import math
from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum

from sitecontroller.domain.commands import Command
from sitecontroller.domain.firmware import FirmwareJobState
from sitecontroller.domain.queries import Query

SHARE_FAILED_MAX = 0.1


class RolloutState(StrEnum):
    """`STOPPED`: by itself, after failures; a person may resume it."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    ABORTED = "aborted"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Rollout:
    """One roll-out. `station_ids` are fixed when it starts; jobs know their roll-out.

    `window_start`, `window_end`: "HH:MM" in the site's local time; None: at any time.
    """

    key: str
    image_key: str
    version: str
    state: RolloutState
    station_ids: tuple[str, ...]
    concurrency: int
    created_at: datetime
    window_start: str | None = None
    window_end: str | None = None
    forgiven: int = 0
    """Failures that a person saw and resumed after."""
    reason: str | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RolloutStation:
    """One station of a roll-out: its job's state, or why it has none yet."""

    station_id: str
    state: FirmwareJobState | None
    job_key: str | None
    note: str


@dataclass(frozen=True, slots=True)
class RolloutView:
    """A roll-out as people see it."""

    key: str
    image_key: str
    version: str
    state: RolloutState
    stage: int
    """1, 2 or 3."""
    stage_stations: int
    """How many stations it comprises up to the end of this stage."""
    total: int
    installed: int
    failed: int
    under_way: int
    reason: str | None
    created_at: datetime
    finished_at: datetime | None
    window_start: str | None
    window_end: str | None
    stations: tuple[RolloutStation, ...]


@dataclass(frozen=True, slots=True)
class StartRollout(Command):
    """Bring an image to the stations of its vendor and model; the answer names the roll-out.

    `station_ids` and `firmware` (the version they run now, `*` allowed) narrow them down. Stations
    that already run the image's version are left out.
    """

    image_key: str
    station_ids: tuple[str, ...] = ()
    firmware: str | None = None
    concurrency: int = 2
    window_start: str | None = None
    window_end: str | None = None


@dataclass(frozen=True, slots=True)
class PauseRollout(Command):
    """Begin with no further station; those under way go on."""

    rollout_key: str


@dataclass(frozen=True, slots=True)
class ResumeRollout(Command):
    """Go on with a paused or stopped roll-out; failures so far no longer count against it."""

    rollout_key: str


@dataclass(frozen=True, slots=True)
class AbortRollout(Command):
    """End it for good. Stations that are downloading or installing can't be called back."""

    rollout_key: str


@dataclass(frozen=True, slots=True)
class RolloutsQuery(Query):
    """Roll-outs, newest first."""

    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class RolloutQuery(Query):
    """One roll-out, with its stations."""

    rollout_key: str


def stage_ends(total: int) -> tuple[int, int, int]:
    """How many stations are served by the end of each stage: 1, a tenth (at least 1), all."""
    return (min(1, total), min(total, max(1, math.ceil(total / 10))), total)


def stage_of(ended: int, total: int) -> int:
    """The stage (1 to 3) in which a roll-out is when so many of its stations have ended."""
    first, tenth, _ = stage_ends(total)
    return 1 if ended < first else 2 if ended < tenth else 3


def may_start(ended: int, under_way: int, total: int, concurrency: int) -> int:
    """How many further stations may begin now; a stage ends before the next begins."""
    stage_end = stage_ends(total)[stage_of(ended, total) - 1]
    return max(0, min(concurrency - under_way, stage_end - ended - under_way))


def must_stop(failed: int, ended: int, total: int) -> bool:
    """Whether failures so far stop it: any in the first stage, later more than a tenth."""
    if failed == 0:
        return False
    first = stage_ends(total)[0]
    return ended <= first or failed / ended > SHARE_FAILED_MAX


def in_window(local: time, start: str | None, end: str | None) -> bool:
    """Whether a local time lies in a window, also one over midnight; no window: always."""
    if start is None or end is None:
        return True
    begins, ends = parse_window_time(start), parse_window_time(end)
    if begins <= ends:
        return begins <= local < ends
    return local >= begins or local < ends


def parse_window_time(text: str) -> time:
    """ "HH:MM" of the site's local time. Raises ValueError."""
    if len(text) != 5 or text[2] != ":":
        raise ValueError(f"'{text}' is no time like 22:00")
    return time(int(text[:2]), int(text[3:]))
