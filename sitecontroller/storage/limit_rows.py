"""What load management allowed whom and why, as rows that are only added and, once old, dropped."""

import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import delete, func, select

from sitecontroller.domain.limit_history import LimitChange
from sitecontroller.domain.topology import EvseKey
from sitecontroller.domain.views import Page
from sitecontroller.storage import paging
from sitecontroller.storage.schema import limit_change
from sitecontroller.storage.statements import Row, Statement, before, insert_row, parameter

DROPPED_MAX = 20_000
"""In one unit of work."""

_FIELDS = ("at", "station_id", "evse_id", "current_a", "bound_by", "reason")
_EVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_ROW = limit_change.c
_ADD = insert_row(limit_change, without=("row_id",))
_NEWEST_FIRST = (_ROW.at.desc(), _ROW.row_id.desc())
_BETWEEN = _ROW.at.between(parameter("since", _ROW.at), parameter("until", _ROW.at))
_PAGE = Statement(
    select(limit_change)
    .where(_BETWEEN, before(_ROW.at, _ROW.row_id))
    .order_by(*_NEWEST_FIRST)
    .limit(parameter("limit"))
)
_PAGE_OF_EVSE = Statement(
    select(limit_change)
    .where(
        _ROW.station_id == parameter("station_id", _ROW.station_id),
        _ROW.evse_id == parameter("evse_id", _ROW.evse_id),
        _BETWEEN,
        before(_ROW.at, _ROW.row_id),
    )
    .order_by(*_NEWEST_FIRST)
    .limit(parameter("limit"))
)
_OLDEST = (
    select(_ROW.row_id)
    .where(_ROW.at < parameter("before", _ROW.at))
    .order_by(_ROW.at)
    .limit(DROPPED_MAX)
)
_DROP_BEFORE = Statement(delete(limit_change).where(_ROW.row_id.in_(_OLDEST)))
_SURPLUS = (
    select(_ROW.row_id)
    .where(_ROW.row_id <= select(func.max(_ROW.row_id)).scalar_subquery() - parameter("most"))
    .order_by(_ROW.row_id)
    .limit(DROPPED_MAX)
)
_DROP_SURPLUS = Statement(delete(limit_change).where(_ROW.row_id.in_(_SURPLUS)))


class LimitRows:
    """The part of a unit of work that keeps the history of limits."""

    connection: sqlite3.Connection

    def add_limit_changes(self, changes: Iterable[LimitChange]) -> None:
        """Oldest first."""
        for change in changes:
            _ADD.run(self.connection, {name: getattr(change, name) for name in _FIELDS})

    def limit_page(
        self,
        limit: int,
        cursor: str | None,
        evse: EvseKey | None,
        since: datetime | None,
        until: datetime | None,
    ) -> Page[LimitChange]:
        """Newest first; of one EVSE or of all, `since` and `until` included."""
        values: Row = {"since": since or _EVER[0], "until": until or _EVER[1]}
        if evse is not None:
            values |= {"station_id": evse.station_id, "evse_id": evse.evse_id}
        rows, following = paging.fetch(
            _PAGE if evse is None else _PAGE_OF_EVSE,
            self.connection,
            limit,
            cursor,
            values,
            position=("at", "row_id"),
        )
        changes = (LimitChange(**{name: row[name] for name in _FIELDS}) for row in rows)
        return Page(tuple(changes), following)

    def drop_limit_changes(self, before: datetime, most: int) -> int:
        """Forget those of before an instant and what is more than `most`; how many went."""
        return _DROP_BEFORE.run(self.connection, {"before": before}) + _DROP_SURPLUS.run(
            self.connection, {"most": most}
        )
