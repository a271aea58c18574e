"""What others say by themselves of how much the site may take, and what is shown of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Any

from sitecontroller.domain.limit_source import CURRENT_A_MAX, POWER_W_MAX, LimitSource
from sitecontroller.domain.lpc import LimitValue
from sitecontroller.domain.queries import Query

SAID_MAX = 200
"""Limits that one source may have said at a time."""


@dataclass(frozen=True, slots=True)
class SaidLimit:
    """A limit as a source said it, from now on and till it says otherwise unless it has times."""

    power_w: float | None = None
    current_a: float | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    @property
    def value(self) -> LimitValue:
        """How much."""
        return LimitValue(self.power_w, self.current_a)


Said = Sequence[SaidLimit]
"""All that limits now and later; nothing: unlimited."""


class SenselessSignal(Exception):
    """A source was reached and what it says can't be a limit. Its text is for people."""


def checked_w(value: Any) -> float:
    """Watts, 0 to 10 MW; SenselessSignal for anything else."""
    return _checked(value, POWER_W_MAX, "W")


def checked_a(value: Any) -> float:
    """Amperes, 0 to 6300; SenselessSignal for anything else."""
    return _checked(value, CURRENT_A_MAX, "A")


def _checked(value: Any, most: float, unit: str) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not isfinite(value) or not 0 <= value <= most:
        raise SenselessSignal(f"{str(value)[:40]!r} is no limit from 0 to {most:g} {unit}")
    return float(value)


@dataclass(frozen=True, slots=True)
class SourceMemory:
    """What a source said last, kept over restarts."""

    source_id: str
    said: tuple[SaidLimit, ...]


@dataclass(frozen=True, slots=True)
class LimitSourceView:
    """One source of limits that site.toml names.

    `state`: init, limited, unlimited/controlled, failsafe, unlimited/autonomous. `power_w` and
    `current_a`: what holds now because of it; both None: nothing. `fault`: why it was last not
    understood or not reached; None while it works.
    """

    source_id: str
    kind: str
    source: LimitSource
    circuit_id: str | None
    group_id: str | None
    state: str
    state_since: datetime
    last_contact_at: datetime | None
    says: str
    power_w: float | None
    current_a: float | None
    until: datetime | None
    fault: str | None


@dataclass(frozen=True, slots=True)
class LimitSourcesQuery(Query):
    """What sets site limits by itself, in the order of site.toml, on one page."""
