"""Site limits: what others than the installer allow a part of the site, and until when.

Headquarters, the grid operator, a tariff. They stand beside the fuses; per phase the smallest wins.
The installer's hard cap is `limit_a` in site.toml, the fuse: it is set on site alone, and a site
limit above it changes nothing (S8).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum

from sitecontroller.domain.commands import Command
from sitecontroller.domain.errors import FieldError
from sitecontroller.domain.queries import Query
from sitecontroller.domain.topology import (
    HIGHEST_V,
    PHASE_NAMES,
    UNKNOWN_PHASES,
    PerPhase,
    current_of,
)

LASTS_MAX = timedelta(days=31)
"""A source that wants its limit for longer says so again."""
CURRENT_A_MAX = 6300.0
POWER_W_MAX = 10_000_000.0
TEXT_CHARACTERS_MAX = 200


class LimitSource(StrEnum):
    """Who limits."""

    HQ = "HQ"
    GRID_OPERATOR = "GRID_OPERATOR"
    """Dimming, § 14a EnWG, OpenADR, EEBUS LPC."""
    DEMAND = "DEMAND"
    """The peak-demand window."""
    TARIFF = "TARIFF"
    ATTENDANT = "ATTENDANT"
    """A person on site; alone may set a limit without an end."""


SOURCE_WORDS = {
    LimitSource.HQ: "headquarters",
    LimitSource.GRID_OPERATOR: "grid operator",
    LimitSource.DEMAND: "peak demand",
    LimitSource.TARIFF: "tariff",
    LimitSource.ATTENDANT: "attendant",
}


def on_site_clock(at: datetime, now: datetime, time_zone: tzinfo) -> str:
    """An instant as people on site say it: "18:00", with its date unless it is today."""
    local = at.astimezone(time_zone)
    is_today = local.date() == now.astimezone(time_zone).date()
    return f"{local:%H:%M}" if is_today else f"{local:%Y-%m-%d %H:%M}"


@dataclass(frozen=True, slots=True)
class SiteLimit:
    """The most that may flow through a circuit, all loads counted, or into a group's EVSEs.

    `current_a` per phase, None: this phase isn't limited; `power_w` over all phases together. Where
    both are given, the smaller counts. `until` None: until it is withdrawn.
    """

    limit_id: str
    source: LimitSource
    set_by: str
    since: datetime
    until: datetime | None
    circuit_id: str | None = None
    group_id: str | None = None
    current_a: PerPhase = UNKNOWN_PHASES
    power_w: float | None = None
    reason: str = ""
    voltage_v: float = HIGHEST_V
    """At which `power_w` becomes amperes."""

    def allowed_a(self, phase_count: int) -> PerPhase:
        """Per phase of a place with so many phases; None: not limited."""
        power_w = self.power_w
        spread_a = None if power_w is None else current_of(power_w, phase_count, self.voltage_v)
        one, two, three = (
            min((a for a in (current_a, spread_a) if a is not None), default=None)
            for current_a in self.current_a
        )
        return (one, two, three)

    def words(self, now: datetime, time_zone: tzinfo) -> str:
        """Who limits and until when, on the site's clock."""
        text = f"site limit '{SOURCE_WORDS[self.source]}'"
        if self.until is None:
            return text
        return f"{text} until {on_site_clock(self.until, now, time_zone)}"


@dataclass(frozen=True, slots=True)
class SetSiteLimit(Command):
    """Limit a circuit or a group of EVSEs, or replace the limit of that id. The smallest wins; none
    raises another, nor the fuse."""

    limit_id: str
    source: LimitSource
    circuit_id: str | None = None
    group_id: str | None = None
    current_a: PerPhase | None = None
    power_w: float | None = None
    until: datetime | None = None
    reason: str = ""
    set_by: str = "console"


@dataclass(frozen=True, slots=True)
class WithdrawSiteLimit(Command):
    """End a site limit now; currents rise again at the pace of load management."""

    limit_id: str


@dataclass(frozen=True, slots=True)
class SiteLimitView:
    """A site limit in force. `warning`: what it can't do, in words."""

    limit: SiteLimit
    words: str
    warning: str | None


@dataclass(frozen=True, slots=True)
class GroupView:
    """EVSEs that are limited together although they are no circuit: what they take and may take.

    `cap_a` per phase, None: not limited. `exposure_a` is the most they could draw before lower
    limits are proven. `limited_by` names what limits the group beside its own limit.
    """

    group_id: str
    name: str
    members: tuple[str, ...]
    """EVSEs, as "CP-01/1"."""
    cap_a: PerPhase
    current_a: PerPhase
    exposure_a: PerPhase
    limited_by: str | None


@dataclass(frozen=True, slots=True)
class GroupsQuery(Query):
    """The groups of site.toml, as they are now, on one page."""


@dataclass(frozen=True, slots=True)
class SiteLimitsQuery(Query):
    """All site limits in force, newest first, on one page."""


@dataclass(frozen=True, slots=True)
class SiteLimitQuery(Query):
    """One site limit in force."""

    limit_id: str


def faults_of(command: SetSiteLimit, now: datetime) -> tuple[FieldError, ...]:
    """What is wrong with it, apart from where it is to be."""
    faults = []
    if command.current_a is None and command.power_w is None:
        faults.append(FieldError("current_a", "is missing: write A per phase, or power_w"))
    for name, current_a in zip(PHASE_NAMES, command.current_a or UNKNOWN_PHASES, strict=True):
        if current_a is not None and not 0 <= current_a <= CURRENT_A_MAX:
            faults.append(FieldError("current_a", f"{name} is 0 to {CURRENT_A_MAX:g} A"))
    if command.current_a == UNKNOWN_PHASES:
        faults.append(FieldError("current_a", "limits no phase"))
    if command.power_w is not None and not 0 <= command.power_w <= POWER_W_MAX:
        faults.append(FieldError("power_w", f"is 0 to {POWER_W_MAX:g} W"))
    if command.circuit_id is not None and command.group_id is not None:
        faults.append(FieldError("group_id", "stands beside circuit_id: write one of them"))
    if command.until is None:
        if command.source is not LimitSource.ATTENDANT:
            faults.append(FieldError("until", "is missing: only an attendant's limit has no end"))
    elif not now < command.until <= now + LASTS_MAX:
        faults.append(FieldError("until", f"lies from now to {LASTS_MAX.days} days ahead"))
    for name in ("reason", "set_by"):
        if len(getattr(command, name)) > TEXT_CHARACTERS_MAX:
            faults.append(FieldError(name, f"has at most {TEXT_CHARACTERS_MAX} characters"))
    return tuple(faults)
