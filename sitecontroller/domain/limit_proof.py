"""That a limit of the grid operator was kept: when it came, was told on, and was seen to hold.

§ 14a EnWG (BK6-22-300, Anlage 1, 4.6) has whoever steers write down that and how he did; two years
are kept.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sitecontroller.domain.queries import Query
from sitecontroller.domain.topology import UNKNOWN_PHASES, PerPhase

KEPT_FOR = timedelta(days=731)


@dataclass(frozen=True, slots=True)
class LimitProof:
    """One limit of the grid operator, from its coming to its end.

    `allowed_a`: what load management made of it, per phase. `commanded_at`: what the chargers are
    told is within it. `below_at`: the first measurement within it, and `below_w` what it was, if
    the power is known. `above_s`: how long measurements were above it after that. None: not yet.
    """

    proof_key: str
    limit_id: str
    set_by: str
    circuit_id: str | None
    group_id: str | None
    power_w: float | None
    allowed_a: PerPhase
    received_at: datetime
    until: datetime | None
    commanded_at: datetime | None = None
    below_at: datetime | None = None
    below_w: float | None = None
    above_s: float = 0.0
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """What is measured at a place; None: unknown."""

    current_a: PerPhase = UNKNOWN_PHASES
    power_w: float | None = None


def is_within(proof: LimitProof, flow: Flow) -> bool | None:
    """Whether a measurement keeps the limit; None: it doesn't say. A limit in watts is kept when
    the power is known and below it, however the phases share it."""
    if proof.power_w is not None and flow.power_w is not None:
        return flow.power_w <= proof.power_w
    verdicts = [
        None if current_a is None else current_a <= allowed_a
        for allowed_a, current_a in zip(proof.allowed_a, flow.current_a, strict=True)
        if allowed_a is not None
    ]
    if False in verdicts:
        return False
    return None if None in verdicts else True


@dataclass(frozen=True, slots=True)
class LimitProofsQuery(Query):
    """Limits of the grid operator and how they were kept, newest first."""

    limit: int = 50
    cursor: str | None = None
