"""Transactions as rows: one wide row each, found by key, by the station's id, or as open ones."""

import sqlite3
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from functools import lru_cache

from sqlalchemy import func, literal_column, select
from sqlalchemy.sql.expression import ColumnElement, TextClause

from sitecontroller.domain.authorization import IdToken
from sitecontroller.domain.errors import Conflict, NotFound
from sitecontroller.domain.ids import fold
from sitecontroller.domain.transaction import Transaction, TransactionState
from sitecontroller.domain.views import Page
from sitecontroller.storage import paging
from sitecontroller.storage.schema import ACTIVE
from sitecontroller.storage.schema import transaction as table
from sitecontroller.storage.statements import (
    Row,
    Statement,
    before,
    insert_row,
    parameter,
    update_row,
)

UPDATES_MAX = 256
"""Statements kept, one for each set of columns that changed together."""

SAME_ID_MAX = 100
"""Of the transactions that had one id at a station: some begin anew with each restart."""

_columns = table.c
_PLAIN = tuple(field.name for field in fields(Transaction) if field.name != "id_token")
_AT_STATION = _columns.station_id == parameter("station_id", _columns.station_id)
# The + keeps SQLite from walking through all that the station ever had: open ones are few.
_AMONG_OPEN = literal_column("+station_id") == parameter("station_id", _columns.station_id)
_AT_EVSE = _columns.evse_id == parameter("evse_id")
_SINCE = _columns.started_at >= parameter("since", _columns.started_at)
_OLDEST_FIRST = (_columns.started_at, _columns.key)
_NEWEST_FIRST = (_columns.started_at.desc(), _columns.key.desc())


_Condition = ColumnElement[bool] | TextClause


def _where(
    *conditions: _Condition, order: Sequence[ColumnElement[object]], limit: int | None = None
) -> Statement:
    return Statement(select(table).where(*conditions).order_by(*order).limit(limit))


def _page(*conditions: _Condition) -> Statement:
    source = select(table).where(before(_columns.started_at, _columns.key), *conditions)
    return Statement(source.order_by(*_NEWEST_FIRST).limit(parameter("limit")))


_INSERT = insert_row(table, without=("row_id",))
_IS_EXPECTED = (
    _columns.key == parameter("old_key", _columns.key),
    _columns.version.between(parameter("version_before"), parameter("version_told")),
)
_VERSION = Statement(select(_columns.version).where(_columns.key == parameter("key")))
_BY_KEY = Statement(select(table).where(_columns.key == parameter("key", _columns.key)))
_OPEN = _where(ACTIVE, order=_OLDEST_FIRST)
_OPEN_AT_STATION = _where(ACTIVE, _AMONG_OPEN, order=_OLDEST_FIRST)
_OPEN_AT_EVSE = _where(ACTIVE, _AMONG_OPEN, _AT_EVSE, order=_OLDEST_FIRST)
_BY_STATION_ID = _where(
    _AT_STATION,
    _columns.station_transaction_id
    == parameter("station_transaction_id", _columns.station_transaction_id),
    # The + keeps SQLite from walking through the station's whole past for the sake of the order.
    order=(literal_column("+started_at").desc(), _columns.key.desc()),
    limit=SAME_ID_MAX,
)
_BEGUN_THEN = _columns.started_at == parameter("at", _columns.started_at)
_BEGUN_AT_STATION = _where(_AT_STATION, _BEGUN_THEN, order=_NEWEST_FIRST)
_BEGUN_AT_EVSE = _where(_AT_STATION, _BEGUN_THEN, _AT_EVSE, order=_NEWEST_FIRST)
_LAST_AT_EVSE = Statement(
    select(table).where(_AT_STATION, _SINCE, _AT_EVSE).order_by(*_NEWEST_FIRST).limit(1)
)
_PAGE = _page()
_PAGE_OPEN = _page(ACTIVE)
_PAGE_ENDED = _page(_columns.state == TransactionState.ENDED)
_COUNT_OPEN = Statement(
    select(func.count().label("active")).where(
        ACTIVE, _columns.id_token_folded == parameter("folded", _columns.id_token_folded)
    )
)

_RECENT_CARDS = Statement(
    select(_columns.id_token_folded)
    .where(_AT_STATION, _SINCE, _columns.id_token_folded.is_not(None))
    .group_by(_columns.id_token_folded)
    .order_by(func.max(_columns.started_at).desc(), _columns.id_token_folded)
    .limit(parameter("limit"))
)


@lru_cache(UPDATES_MAX)
def _update(changed: frozenset[str]) -> Statement:
    """Sets these columns: the indexes on the others needn't be touched."""
    others = tuple(column.key for column in _columns if column.key not in changed)
    return update_row(table, *_IS_EXPECTED, without=others)


class TransactionRows:
    """The part of a unit of work that keeps transactions."""

    connection: sqlite3.Connection
    _known: dict[str, Transaction]
    """Rows as they are, of those that this unit of work has seen."""

    def add_transaction(self, transaction: Transaction) -> None:
        """Raises Conflict when its key, or an open one of the same name and start, exists."""
        try:
            _INSERT.run(self.connection, _row(transaction))
        except sqlite3.IntegrityError as error:
            raise Conflict(f"Transaction {transaction.key} is there already: {error}") from error
        self._known[transaction.key] = transaction

    def update_transaction(self, transaction: Transaction) -> None:
        """Replace the row; `version` is the stored one, or one more when a fact is told of it.

        Raises Conflict when it is another, NotFound when there is no such transaction.
        """
        values = _row(transaction)
        known = self._known.get(transaction.key)
        before = {} if known is None else _row(known)
        changed = {"version"} | {n for n in values if n not in before or before[n] != values[n]}
        values["old_key"] = transaction.key
        values["version_before"] = transaction.version - 1
        values["version_told"] = transaction.version
        if _update(frozenset(changed)).run(self.connection, values) == 1:
            self._known[transaction.key] = transaction
            return
        stored = _VERSION.one(self.connection, {"key": transaction.key})
        if stored is None:
            raise NotFound(f"There is no transaction {transaction.key}")
        raise Conflict(
            f"Transaction {transaction.key} is at version {stored['version']}: "
            f"version {transaction.version} can't follow"
        )

    def transaction(self, key: str) -> Transaction | None:
        """The transaction of that key."""
        found = self._all(_BY_KEY, {"key": key})
        return found[0] if found else None

    def open_transactions(
        self, station_id: str | None = None, evse_id: int | None = None
    ) -> Sequence[Transaction]:
        """Active ones, oldest first."""
        assert evse_id is None or station_id is not None, "an EVSE belongs to a station"
        statement = _OPEN if station_id is None else _OPEN_AT_STATION
        statement = statement if evse_id is None else _OPEN_AT_EVSE
        return self._all(statement, {"station_id": station_id, "evse_id": evse_id})

    def transactions_by_station_id(
        self, station_id: str, station_transaction_id: str
    ) -> Sequence[Transaction]:
        """The newest `SAME_ID_MAX` that had this id at this station, newest first."""
        asked: Row = {"station_id": station_id, "station_transaction_id": station_transaction_id}
        return self._all(_BY_STATION_ID, asked)

    def transactions_begun_at(
        self, station_id: str, evse_id: int | None, at: datetime
    ) -> Sequence[Transaction]:
        """Started at this very instant, newest first, any state."""
        statement = _BEGUN_AT_STATION if evse_id is None else _BEGUN_AT_EVSE
        asked: Row = {"station_id": station_id, "evse_id": evse_id, "at": at}
        return self._all(statement, asked)

    def last_transaction(
        self, station_id: str, evse_id: int, since: datetime
    ) -> Transaction | None:
        """The one that started last, at or after `since`, any state."""
        asked: Row = {"station_id": station_id, "evse_id": evse_id, "since": since}
        return next(iter(self._all(_LAST_AT_EVSE, asked)), None)

    def recent_cards(self, station_id: str, since: datetime, limit: int) -> Sequence[str]:
        """Folded numbers of cards that began transactions there since then, the last one first."""
        asked: Row = {"station_id": station_id, "since": since, "limit": limit}
        return [row["id_token_folded"] for row in _RECENT_CARDS.all(self.connection, asked)]

    def transaction_page(
        self, limit: int, cursor: str | None, *, active: bool | None = None
    ) -> Page[Transaction]:
        """Newest first; `active` None: in any state."""
        statement = _PAGE if active is None else _PAGE_OPEN if active else _PAGE_ENDED
        rows, following = paging.fetch(
            statement, self.connection, limit, cursor, position=("started_at", "key")
        )
        return Page(tuple(_transaction(row) for row in rows), following)

    def active_count(self, id_token: str) -> int:
        """Open transactions on this token, compared caseless and trimmed."""
        row = _COUNT_OPEN.one(self.connection, {"folded": fold(id_token)})
        return int(row["active"]) if row is not None else 0

    def _all(self, statement: Statement, values: Row) -> list[Transaction]:
        found = [_transaction(row) for row in statement.all(self.connection, values)]
        self._known.update((transaction.key, transaction) for transaction in found)
        return found


def _row(transaction: Transaction) -> Row:
    row = {name: getattr(transaction, name) for name in _PLAIN}
    id_token, price = transaction.id_token, transaction.price
    row["id_token"] = None if id_token is None else id_token.id_token
    row["id_token_type"] = None if id_token is None else id_token.type
    row["id_token_folded"] = None if id_token is None else fold(id_token.id_token)
    row["total_minor"] = None if price is None else price.total.amount_minor
    row["currency"] = None if price is None else price.total.currency
    return row


def _transaction(row: Row) -> Transaction:
    id_token = None
    if row["id_token"] is not None:
        id_token = IdToken(row["id_token"], row["id_token_type"])
    return Transaction(id_token=id_token, **{name: row[name] for name in _PLAIN})
