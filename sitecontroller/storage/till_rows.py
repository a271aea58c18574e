"""The till's drawer and its shifts: entries that are only ever added, and one open shift a till."""

import sqlite3

from sqlalchemy import func, select

from sitecontroller.domain.errors import Conflict
from sitecontroller.domain.money import Money
from sitecontroller.domain.till import DrawerEntry, EntryKind, Shift
from sitecontroller.domain.views import Page
from sitecontroller.storage import paging
from sitecontroller.storage.schema import OPEN_SHIFT, drawer_entry, shift
from sitecontroller.storage.statements import (
    Row,
    Statement,
    before,
    insert_row,
    parameter,
    upsert_row,
)

_ENTRY, _SHIFT = drawer_entry.c, shift.c
_ADD_ENTRY = insert_row(drawer_entry, without=("row_id",))
_ONE_ENTRY = Statement(select(drawer_entry).where(_ENTRY.key == parameter("key")))
_SUMS = Statement(
    select(_ENTRY.kind, func.sum(_ENTRY.amount_minor).label("sum"))
    .where(_ENTRY.shift_key == parameter("shift_key"))
    .group_by(_ENTRY.kind)
)
_PUT_SHIFT = upsert_row(shift, "key")
_ONE_SHIFT = Statement(select(shift).where(_SHIFT.key == parameter("key")))
_OPEN_SHIFT = Statement(select(shift).where(_SHIFT.till == parameter("till"), OPEN_SHIFT))
_PAGE = Statement(
    select(shift)
    .where(before(_SHIFT.opened_at, _SHIFT.key))
    .order_by(_SHIFT.opened_at.desc(), _SHIFT.key.desc())
    .limit(parameter("limit"))
)


class TillRows:
    """The part of a unit of work that knows the drawer."""

    connection: sqlite3.Connection

    def add_drawer_entry(self, entry: DrawerEntry) -> None:
        """Raises Conflict when its key is taken: cash moves once."""
        row = {
            "key": entry.key,
            "shift_key": entry.shift_key,
            "kind": entry.kind,
            "amount_minor": entry.amount.amount_minor,
            "currency": entry.amount.currency,
            "at": entry.at,
            "by": entry.by,
            "payment_key": entry.payment_key,
            "why": entry.why,
            "approved_by": entry.approved_by,
        }
        try:
            _ADD_ENTRY.run(self.connection, row)
        except sqlite3.IntegrityError as error:
            raise Conflict(f"the drawer has an entry {entry.key} already") from error

    def drawer_entry(self, key: str) -> DrawerEntry | None:
        """One, or None."""
        row = _ONE_ENTRY.one(self.connection, {"key": key})
        if row is None:
            return None
        return DrawerEntry(
            row["key"],
            row["shift_key"],
            row["kind"],
            Money.from_minor(row["amount_minor"], row["currency"]),
            row["at"],
            row["by"],
            row["payment_key"],
            row["why"],
            row["approved_by"],
        )

    def drawer_sums(self, shift_key: str) -> dict[EntryKind, int]:
        """Minor units by kind; kinds without an entry are left out."""
        rows = _SUMS.all(self.connection, {"shift_key": shift_key})
        return {row["kind"]: row["sum"] for row in rows}

    def put_shift(self, shift: Shift) -> None:
        """Raises Conflict when another one of its till is open."""
        row = {
            "key": shift.key,
            "till": shift.till,
            "opened_with_minor": shift.opened_with.amount_minor,
            "currency": shift.opened_with.currency,
            "opened_at": shift.opened_at,
            "opened_by": shift.opened_by,
            "closed_at": shift.closed_at,
            "report": shift.report,
        }
        try:
            _PUT_SHIFT.run(self.connection, row)
        except sqlite3.IntegrityError as error:
            raise Conflict(
                f"a shift of till {shift.till} is open already",
                remedy="Count the drawer and close that shift first",
            ) from error

    def shift(self, key: str) -> Shift | None:
        """One, or None."""
        row = _ONE_SHIFT.one(self.connection, {"key": key})
        return None if row is None else _shift(row)

    def open_shift(self, till: str) -> Shift | None:
        """The one in which somebody answers for the drawer now."""
        row = _OPEN_SHIFT.one(self.connection, {"till": till})
        return None if row is None else _shift(row)

    def shift_page(self, limit: int, cursor: str | None) -> Page[Shift]:
        """Newest first."""
        rows, following = paging.fetch(
            _PAGE, self.connection, limit, cursor, position=("opened_at", "key")
        )
        return Page(tuple(map(_shift, rows)), following)


def _shift(row: Row) -> Shift:
    return Shift(
        row["key"],
        row["till"],
        Money.from_minor(row["opened_with_minor"], row["currency"]),
        row["opened_at"],
        row["opened_by"],
        row["closed_at"],
        row["report"],
    )
