"""Rows of what stations are looked after with: one table, each kind typed by its service."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select

from sitecontroller.domain.views import Page
from sitecontroller.ports import Kept
from sitecontroller.storage import paging
from sitecontroller.storage.schema import OPEN, kept
from sitecontroller.storage.statements import Row, Statement, before, parameter, upsert_row

KEPT_MAX = 10_000
"""Of one kind in one answer; longer lists are paged."""

_NEWEST_FIRST = (kept.c.at.desc(), kept.c.key.desc())
_OF_KIND = kept.c.kind == parameter("kind")
_OF_STATION = kept.c.station_id == parameter("station_id")
_PUT = upsert_row(kept, "kind", "key", without=("row_id",))
_ONE = Statement(select(kept).where(_OF_KIND, kept.c.key == parameter("key")))
_DROP = Statement(delete(kept).where(_OF_KIND, kept.c.key == parameter("key")))
_ALL = Statement(select(kept).where(_OF_KIND).order_by(*_NEWEST_FIRST).limit(KEPT_MAX))
_ALL_OF_STATION = Statement(
    select(kept).where(_OF_KIND, _OF_STATION).order_by(*_NEWEST_FIRST).limit(KEPT_MAX)
)
_OPEN = Statement(select(kept).where(_OF_KIND, OPEN).order_by(*_NEWEST_FIRST).limit(KEPT_MAX))
_PAGE = Statement(
    select(kept)
    .where(_OF_KIND, before(kept.c.at, kept.c.key))
    .order_by(*_NEWEST_FIRST)
    .limit(parameter("limit"))
)
_PAGE_OF_STATION = Statement(
    select(kept)
    .where(_OF_KIND, _OF_STATION, before(kept.c.at, kept.c.key))
    .order_by(*_NEWEST_FIRST)
    .limit(parameter("limit"))
)
_OLDEST = Statement(
    delete(kept).where(
        kept.c.row_id.in_(
            select(kept.c.row_id)
            .where(_OF_KIND, kept.c.open.is_(False))
            .order_by(*_NEWEST_FIRST)
            .limit(-1)
            .offset(parameter("most"))
        )
    )
)
_OLD = Statement(
    delete(kept).where(_OF_KIND, kept.c.open.is_(False), kept.c.at < parameter("before", kept.c.at))
)


class KeptRows:
    """The part of a unit of work that keeps jobs, lists, reservations, events and their like."""

    connection: sqlite3.Connection

    def put_kept(self, row: Kept) -> None:
        """Add it, or replace the one of the same kind and key."""
        _PUT.run(
            self.connection,
            {
                "kind": row.kind,
                "key": row.key,
                "station_id": row.station_id,
                "at": row.at,
                "open": row.open,
                "body": row.body,
            },
        )

    def kept(self, kind: str, key: str) -> Kept | None:
        """One, or None."""
        row = _ONE.one(self.connection, {"kind": kind, "key": key})
        return None if row is None else _kept(row)

    def drop_kept(self, kind: str, key: str) -> bool:
        """Forget one; False: there was none."""
        return _DROP.run(self.connection, {"kind": kind, "key": key}) == 1

    def all_kept(
        self, kind: str, station_id: str | None = None, *, open_only: bool = False
    ) -> Sequence[Kept]:
        """Newest first, at most KEPT_MAX."""
        statement = _OPEN if open_only else _ALL if station_id is None else _ALL_OF_STATION
        rows = statement.all(self.connection, {"kind": kind, "station_id": station_id})
        return [_kept(row) for row in rows if station_id in (None, row["station_id"])]

    def kept_page(
        self, kind: str, limit: int, cursor: str | None, station_id: str | None = None
    ) -> Page[Kept]:
        """Newest first."""
        rows, following = paging.fetch(
            _PAGE if station_id is None else _PAGE_OF_STATION,
            self.connection,
            limit,
            cursor,
            {"kind": kind, "station_id": station_id},
            position=("at", "key"),
        )
        return Page(tuple(_kept(row) for row in rows), following)

    def drop_kept_before(self, kind: str, before: datetime) -> int:
        """Forget closed ones that are older; how many."""
        return _OLD.run(self.connection, {"kind": kind, "before": before})

    def trim_kept(self, kind: str, most: int) -> int:
        """Forget the oldest closed ones beyond `most`; how many."""
        return _OLDEST.run(self.connection, {"kind": kind, "most": most})


def _kept(row: Row) -> Kept:
    return Kept(row["kind"], row["key"], row["at"], row["body"], row["station_id"], row["open"])
