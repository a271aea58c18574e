"""SQL compiled once from the Core tables and run on the bare connection.

A statement knows the column types of its parameters and results, so that hot paths keep the
schema's conversions without SQLAlchemy's execution layer.
"""

import sqlite3
from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Insert, Table, Update, and_, bindparam, insert, tuple_, update
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.sql.expression import ClauseElement
from sqlalchemy.types import NullType

Row = dict[str, Any]
_Convert = Callable[[Any], Any]
_DIALECT = SQLiteDialect_pysqlite(paramstyle="named")


class Statement:
    """One SQL statement with named parameters; the values are those of the domain."""

    def __init__(self, source: ClauseElement, parameters: tuple[str, ...] | None = None) -> None:
        names = None if parameters is None else list(parameters)
        compiled: Any = source.compile(dialect=_DIALECT, column_keys=names)
        self.sql = str(compiled)
        self._constants: Row = {}
        self._binds: list[tuple[str, _Convert | None]] = []
        for bind, name in compiled.bind_names.items():
            convert = bind.type.dialect_impl(_DIALECT).bind_processor(_DIALECT)
            if bind.required:
                self._binds.append((name, convert))
            else:
                value = bind.effective_value
                self._constants[name] = value if convert is None else convert(value)
        self._results: list[tuple[str, _Convert | None]] = [
            (column.key, column.type.dialect_impl(_DIALECT).result_processor(_DIALECT, None))
            for column in getattr(source, "exported_columns", ())
        ]

    def run(self, connection: sqlite3.Connection, values: Row | None = None) -> int:
        """Execute; the number of rows it touched. `values` may hold more than is asked for."""
        return connection.execute(self.sql, self._bound(values)).rowcount

    def all(self, connection: sqlite3.Connection, values: Row | None = None) -> list[Row]:
        """Every row, by column name."""
        return [self._row(row) for row in connection.execute(self.sql, self._bound(values))]

    def one(self, connection: sqlite3.Connection, values: Row | None = None) -> Row | None:
        """The first row, or None."""
        row = connection.execute(self.sql, self._bound(values)).fetchone()
        return None if row is None else self._row(row)

    def _bound(self, values: Row | None) -> Row:
        bound = dict(self._constants)
        if values is not None:
            for name, convert in self._binds:
                value = values[name]
                bound[name] = value if convert is None else convert(value)
        return bound

    def _row(self, row: tuple[Any, ...]) -> Row:
        return {
            name: value if convert is None else convert(value)
            for (name, convert), value in zip(self._results, row, strict=True)
        }


def parameter(name: str, like: ColumnElement[Any] | None = None) -> Any:
    """A named parameter, converted as the column `like` is; without one a bare SQLite value."""
    return bindparam(name, required=True, type_=NullType() if like is None else like.type)


def before(at: ColumnElement[Any], key: ColumnElement[Any]) -> ColumnElement[bool]:
    """Rows that come after a page's cursor, newest first: parameters `before_at`, `before_key`."""
    return tuple_(at, key) < tuple_(parameter("before_at"), parameter("before_key", key))


def insert_row(table: Table, *, without: tuple[str, ...] = ()) -> Statement:
    """Insert a row of all columns but `without` (which SQLite fills in)."""
    return Statement(insert(table), _names(table, without))


def insert_or_ignore(table: Table, *, without: tuple[str, ...] = ()) -> Statement:
    """The same, touching 0 rows when a unique value is there already."""
    source: Insert = sqlite_insert(table).on_conflict_do_nothing()
    return Statement(source, _names(table, without))


def upsert_row(table: Table, *keys: str, without: tuple[str, ...] = ()) -> Statement:
    """Insert a row, or replace the columns of the one with the same `keys`."""
    source = sqlite_insert(table)
    changed = {name: source.excluded[name] for name in _names(table, without) if name not in keys}
    return Statement(
        source.on_conflict_do_update(index_elements=list(keys), set_=changed),
        _names(table, without),
    )


def update_row(
    table: Table, *conditions: ColumnElement[bool], without: tuple[str, ...]
) -> Statement:
    """Replace all columns but `without` where `conditions` hold; parameters there are prefixed."""
    source: Update = update(table).where(and_(*conditions))
    return Statement(source, _names(table, without))


def _names(table: Table, without: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(column.key for column in table.columns if column.key not in without)
