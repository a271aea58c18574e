"""Typed access to one kind of what stations are looked after with.

A shelf is a view of the database and owns nothing: what must be at hand without waiting is held by
the service it belongs to, and put here before anybody is told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from sitecontroller.domain.views import Page
from sitecontroller.ports import Kept, Store, UnitOfWork
from sitecontroller.wire import from_json, to_json

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shelf(Generic[T]):
    """Values of one class under one kind."""

    store: Store
    kind: str
    cls: type[T]

    async def put(
        self, key: str, value: T, at: datetime, station_id: str | None = None, *, open: bool = False
    ) -> None:
        """Add or replace one; returns after the commit."""
        await self.store.commit(self.put_within, key, value, at, station_id, open)

    def put_within(
        self,
        tx: UnitOfWork,
        key: str,
        value: T,
        at: datetime,
        station_id: str | None = None,
        open: bool = False,
    ) -> None:
        """The same inside a unit of work with other rows."""
        tx.put_kept(Kept(self.kind, key, at, to_json(value), station_id, open))

    async def get(self, key: str) -> T | None:
        """One, or None."""
        row = await self.store.read(lambda tx: tx.kept(self.kind, key))
        return None if row is None else self._value(row)

    async def all(self, station_id: str | None = None, *, open_only: bool = False) -> Sequence[T]:
        """Newest first, at most 10,000."""
        rows = await self.store.read(
            lambda tx: tx.all_kept(self.kind, station_id, open_only=open_only)
        )
        return [self._value(row) for row in rows]

    async def page(self, limit: int, cursor: str | None, station_id: str | None = None) -> Page[T]:
        """Newest first."""
        page = await self.store.read(lambda tx: tx.kept_page(self.kind, limit, cursor, station_id))
        return Page(tuple(self._value(row) for row in page.items), page.next)

    async def drop(self, key: str) -> bool:
        """Forget one; False: there was none."""
        return await self.store.commit(lambda tx: tx.drop_kept(self.kind, key))

    async def trim(self, most: int) -> int:
        """Forget the oldest closed ones beyond `most`."""
        return await self.store.commit(lambda tx: tx.trim_kept(self.kind, most))

    def _value(self, row: Kept) -> T:
        return from_json(self.cls, row.body)
