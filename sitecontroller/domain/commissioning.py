"""Commissioning: what is checked once a site is wired, and what came of it.

Each check has a kind and a subject: a meter, an EVSE ("CP-03/1"), or the site. A lease and a limit
test speak for all stations of the same vendor, model and firmware.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sitecontroller.domain.commands import Command
from sitecontroller.domain.queries import Query

SITE = "site"
"""The subject of what is checked for the site as a whole."""
LEASE_S_MIN, LEASE_S_MAX = 60, 300
TEXT_CHARACTERS_MAX = 200


class CheckKind(StrEnum):
    """What is checked."""

    METER = "METER"
    """What a site meter shows can be true."""
    FALLBACKS = "FALLBACKS"
    """Without the controller the site stays within its fuses."""
    PHASES = "PHASES"
    """The site's phases that an EVSE is wired to."""
    LEASE = "LEASE"
    """A limit ends by itself."""
    LIMITS = "LIMITS"
    """A car follows 6, 16 and 0 A."""


class CheckState(StrEnum):
    """How far a check is."""

    TO_DO = "TO_DO"
    RUNNING = "RUNNING"
    PASSED = "PASSED"
    FAILED = "FAILED"
    UNDECIDED = "UNDECIDED"
    """It was tried, and what was seen proves neither."""
    SKIPPED = "SKIPPED"


def lease_fact(model: str) -> str:
    """Where the way that passed the lease test is kept, `model` as of `station.model_key`."""
    return f"lease-test/{model}"


def limits_fact(model: str) -> str:
    """Where it is kept that composite schedules were true in the limit test."""
    return f"limit-test/{model}"


DONE = (CheckState.PASSED, CheckState.SKIPPED)
OF_MODELS = (CheckKind.LEASE, CheckKind.LIMITS)
"""Checks that speak for a vendor, model and firmware."""


@dataclass(frozen=True, slots=True)
class Check:
    """A check as it was last done, or is to be done. `findings` says what was seen, one sentence
    each; `write` what to change in site.toml. `firmware`: of the station, "vendor model version";
    empty where it plays no part."""

    kind: CheckKind
    subject: str
    state: CheckState
    done_by: str = ""
    began_at: datetime | None = None
    ended_at: datetime | None = None
    findings: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    firmware: str = ""


@dataclass(frozen=True, slots=True)
class StartCheck(Command):
    """Begin a check; one runs at a time. `subject`: a meter's id, an EVSE as "CP-03/1"; empty where
    there is only one. A lease test uses leases of `lease_s`."""

    kind: CheckKind
    done_by: str
    subject: str = ""
    lease_s: int = 120


@dataclass(frozen=True, slots=True)
class SkipCheck(Command):
    """Leave a check out, and say why: the record shows it."""

    kind: CheckKind
    done_by: str
    reason: str
    subject: str = ""


@dataclass(frozen=True, slots=True)
class CancelCheck(Command):
    """End the check that runs; load management goes on as before it."""


@dataclass(frozen=True, slots=True)
class CommissioningView:
    """All checks of the site in the order in which they are best done. `running`: what is done
    now; `is_complete`: none is left to do, none has failed."""

    checks: tuple[Check, ...]
    running: str | None
    is_complete: bool


@dataclass(frozen=True, slots=True)
class CommissioningQuery(Query):
    """How far commissioning is."""


@dataclass(frozen=True, slots=True)
class KeptFallback:
    """An EVSE, what it has as its fallback and what is proposed."""

    station_id: str
    evse_id: int
    configured_a: float
    proposed_a: float


@dataclass(frozen=True, slots=True)
class FallbackProposal:
    """Which EVSEs should keep a fallback so that the sum holds (S2). `proof` has a line for each
    circuit and phase with the proposed values; `write` the lines of site.toml that change."""

    evses: tuple[KeptFallback, ...]
    proof: tuple[str, ...]
    write: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FallbackProposalQuery(Query):
    """A fair set of fallbacks for this site."""


@dataclass(frozen=True, slots=True)
class CommissioningRecord:
    """What the paper says: the site and all its checks."""

    site_id: str
    site_name: str
    issued_at: datetime
    time_zone: str
    view: CommissioningView
    fallbacks: tuple[str, ...]
    """The proof of what site.toml has now."""
