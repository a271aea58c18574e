"""Transactions that hold DDL and savepoints, and one schema in three places: code, SQL, domain."""

import re
import sqlite3
from contextlib import closing
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Column, MetaData, Table, insert, select
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.exc import OperationalError
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.types import Integer

from sitecontroller.domain.alarm import Alarm
from sitecontroller.domain.authorization import TokenRecord
from sitecontroller.domain.transaction import Transaction
from sitecontroller.ports import StationRecord
from sitecontroller.storage import schema, startup
from sitecontroller.storage.engine import connect, migration_engine

numbers = Table("numbers", MetaData(), Column("n", Integer, primary_key=True))


def test_an_outer_rollback_empties_the_table_whatever_savepoints_did(tmp_path: Path) -> None:
    engine = migration_engine(tmp_path / "x.db")
    with engine.begin() as connection:
        numbers.create(connection)
    with engine.connect() as connection:
        outer = connection.begin()
        with connection.begin_nested():
            connection.execute(insert(numbers), {"n": 1})
        outer.rollback()
        assert connection.execute(select(numbers)).all() == []


def test_a_raw_savepoint_that_was_released_dies_with_the_transaction(tmp_path: Path) -> None:
    with closing(connect(tmp_path / "x.db")) as connection:
        connection.execute("CREATE TABLE t (n INTEGER) STRICT")
        for sql in ("BEGIN IMMEDIATE", "SAVEPOINT unit", "INSERT INTO t VALUES (1)"):
            connection.execute(sql)
        connection.execute("RELEASE unit")
        connection.execute("ROLLBACK")
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_a_failed_migration_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.db"
    breaking = "CREATE TABLE fine (n INTEGER); CREATE TABLE fine (n INTEGER)"
    original = Path.read_text

    def read_text(file: Path, encoding: str | None = None) -> str:
        text = original(file, encoding)
        return text + breaking if file.suffix == ".sql" else text

    monkeypatch.setattr(Path, "read_text", read_text)
    with pytest.raises(OperationalError, match="already exists"):
        startup.upgrade(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == []


def test_the_connection_keeps_its_promises(tmp_path: Path) -> None:
    with closing(connect(tmp_path / "x.db")) as connection:

        def pragma(name: str) -> object:
            return connection.execute(f"PRAGMA {name}").fetchone()[0]

        assert pragma("journal_mode") == "wal"
        assert pragma("synchronous") == 2, "FULL"
        assert pragma("mmap_size") == 0
        assert pragma("wal_autocheckpoint") == 0


def test_the_revisions_make_the_schema_of_the_code(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    startup.upgrade(path)
    with closing(sqlite3.connect(path)) as connection:
        made = connection.execute(
            "SELECT sql FROM sqlite_schema WHERE sql NOT NULL AND name != 'alembic_version'"
        ).fetchall()
    assert {_plain(sql) for (sql,) in made} == set(map(_plain, _declared()))


def test_every_table_refuses_values_of_the_wrong_kind(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    startup.upgrade(path)
    with closing(sqlite3.connect(path)) as connection:
        lax = "SELECT name FROM pragma_table_list WHERE NOT strict AND schema = 'main'"
        names = {name for (name,) in connection.execute(lax)}
    assert names <= {"alembic_version", "sqlite_schema"}


@pytest.mark.parametrize(
    ("table", "cls"),
    [
        (schema.transaction, Transaction),
        (schema.token, TokenRecord),
        (schema.station, StationRecord),
        (schema.alarm, Alarm),
    ],
)
def test_every_field_of_the_domain_has_a_column(table: Table, cls: type) -> None:
    missing = {field.name for field in fields(cls)} - set(table.columns.keys())
    assert not missing, f"{table.name} lacks {missing}: add a revision"


def test_what_messages_look_up_is_found_by_its_own_index(tmp_path: Path) -> None:
    """Else each would read all that its station ever had."""
    from sitecontroller.storage.transaction_rows import (
        _BEGUN_AT_EVSE,
        _BY_STATION_ID,
        _COUNT_OPEN,
        _OPEN_AT_EVSE,
        _PAGE_OPEN,
    )

    path = tmp_path / "x.db"
    startup.upgrade(path)
    asked = {
        "station_id": "CP",
        "evse_id": 1,
        "folded": "card",
        "limit": 1,
        "before_at": 1,
        "before_key": "",
        "station_transaction_id": "1",
        "at": datetime(2026, 3, 1, tzinfo=UTC),
    }
    with closing(sqlite3.connect(path)) as connection:
        for statement, index in (
            (_OPEN_AT_EVSE, "transaction_open"),
            (_COUNT_OPEN, "transaction_open_token"),
            (_PAGE_OPEN, "transaction_open"),
            (_BY_STATION_ID, "transaction_station_transaction"),
            (_BEGUN_AT_EVSE, "transaction_started"),
        ):
            plan = connection.execute(
                f"EXPLAIN QUERY PLAN {statement.sql}", statement._bound(asked)
            ).fetchall()
            assert any(index in str(step) for step in plan), plan


def _declared() -> list[str]:
    dialect = SQLiteDialect_pysqlite()
    tables = list(schema.metadata.tables.values())
    made = [str(CreateTable(table).compile(dialect=dialect)) for table in tables]
    indexes = [index for table in tables for index in table.indexes]
    return made + [str(CreateIndex(index).compile(dialect=dialect)) for index in indexes]


def _plain(sql: str) -> str:
    return re.sub(r"\s+", " ", sql.replace(" ,", ",")).replace("( ", "(").replace(" )", ")").strip()
