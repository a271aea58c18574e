"""Who was limited when, and by what: what load management allowed each EVSE, change by change."""

from dataclasses import dataclass
from datetime import datetime

from sitecontroller.domain.queries import Query


@dataclass(frozen=True, slots=True)
class LimitChange:
    """From `at` on, until the EVSE's next change, it was allowed `current_a` per phase.

    `bound_by` and `reason` as in `LimitView`, the reason without the current.
    """

    at: datetime
    station_id: str
    evse_id: int
    current_a: float
    bound_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class LimitHistoryQuery(Query):
    """What EVSEs were allowed and why, newest first."""

    limit: int = 50
    cursor: str | None = None
    evse: str | None = None
    since: datetime | None = None
    until: datetime | None = None
