"""The journal's file: one table of frames, used as a ring of bounded size.

It belongs to one writing and one reading thread. A file of another layout or a damaged one is set
aside, never repaired.
"""

import logging
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import fields
from pathlib import Path

from sqlalchemy import (
    Column,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    delete,
    func,
    or_,
    select,
)
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from sitecontroller.domain.views import JournalEntry, Page
from sitecontroller.storage import backup, paging
from sitecontroller.storage.engine import connect
from sitecontroller.storage.redaction import Redaction
from sitecontroller.storage.statements import Row, Statement, insert_row, parameter
from sitecontroller.storage.types import Instant, Scaled

LAYOUT = 1
"""`user_version` of the file; raise it with every change of the table."""
SHARE_DROPPED = 16
"""When the ring is full, this part (1/16) of its oldest frames makes room."""
CHECKPOINT_BYTES = 4 * 1024 * 1024
"""Size of the log from which it is folded into the file."""
_USED_PAGES = "SELECT page_count - freelist_count FROM pragma_page_count, pragma_freelist_count"

_frame = Table(
    "frame",
    MetaData(),
    Column("seq", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("station_id", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("action", Text),
    Column("message_id", Text),
    Column("kind", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("latency_ms", Scaled(1000)),
    sqlite_strict=True,
)
_by_station = Index("frame_station", _frame.c.station_id, _frame.c.seq)

_FIELDS = tuple(field.name for field in fields(JournalEntry))
_ADD = insert_row(_frame)
_SPAN = Statement(
    select(func.min(_frame.c.seq).label("first"), func.max(_frame.c.seq).label("last"))
)
_DROP = Statement(delete(_frame).where(_frame.c.seq < parameter("kept_from")))
_PAGE = (
    select(_frame)
    .where(
        _frame.c.seq < parameter("before_at"),
        or_(parameter("action").is_(None), _frame.c.action == parameter("action")),
        or_(
            parameter("text").is_(None),
            func.instr(func.lower(_frame.c.text), func.lower(parameter("text"))) > 0,
        ),
    )
    .order_by(_frame.c.seq.desc())
    .limit(parameter("limit"))
)
_ALL = Statement(_PAGE)
_OF_STATION = Statement(_PAGE.where(_frame.c.station_id == parameter("station_id")))

log = logging.getLogger(__name__)


class JournalFile:
    """The writing end. `ring_bytes` bounds the file, give or take one batch."""

    def __init__(self, path: Path, ring_bytes: int) -> None:
        if path.exists() and not _is_sound(path):
            aside = backup.set_aside(path)
            log.warning(
                "journal %s: can't be read, begun anew; set aside: %s",
                path,
                ", ".join(file.name for file in aside),
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        self._connection = connect(path, synchronous="NORMAL")
        self._create()
        span = _SPAN.one(self._connection) or {}
        self.last_seq: int = span.get("last") or 0
        page_bytes: int = self._connection.execute("PRAGMA page_size").fetchone()[0]
        self._pages_max = max(1, ring_bytes // page_bytes)
        self._log = _log_of(path)

    def add(self, entries: Sequence[JournalEntry], redaction: Redaction) -> None:
        """Write a batch without its secrets, then let go of the oldest beyond the ring."""
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            for entry in entries:
                row = {name: getattr(entry, name) for name in _FIELDS}
                row["text"] = redaction.redacted(_storable(entry.text))
                _ADD.run(connection, row)
            self._make_room()
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        if self._log.stat().st_size >= CHECKPOINT_BYTES:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def close(self) -> None:
        """Let go; SQLite folds the log in."""
        self._connection.close()

    def _make_room(self) -> None:
        while self._connection.execute(_USED_PAGES).fetchone()[0] > self._pages_max:
            span = _SPAN.one(self._connection)
            if span is None or span["first"] is None or span["first"] == span["last"]:
                return
            step = (span["last"] - span["first"]) // SHARE_DROPPED + 1
            _DROP.run(self._connection, {"kept_from": span["first"] + step})

    def _create(self) -> None:
        if self._connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            return
        dialect = SQLiteDialect_pysqlite()
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute(str(CreateTable(_frame).compile(dialect=dialect)))
        self._connection.execute(str(CreateIndex(_by_station).compile(dialect=dialect)))
        self._connection.execute(f"PRAGMA user_version = {LAYOUT}")
        self._connection.execute("COMMIT")


class JournalReader:
    """The reading end."""

    def __init__(self, path: Path) -> None:
        self._connection = connect(path, read_only=True)

    def page(
        self,
        limit: int,
        cursor: str | None,
        station_id: str | None,
        action: str | None,
        text: str | None,
    ) -> Page[JournalEntry]:
        """Newest first. Raises InvalidInput."""
        rows, following = paging.fetch(
            _ALL if station_id is None else _OF_STATION,
            self._connection,
            limit,
            cursor,
            {
                "station_id": station_id,
                "action": action,
                "text": None if text is None else _storable(text),
            },
            position=("seq", "seq"),
        )
        return Page(tuple(_entry(row) for row in rows), following)

    def close(self) -> None:
        """Let go."""
        self._connection.close()


def _entry(row: Row) -> JournalEntry:
    return JournalEntry(**{name: row[name] for name in _FIELDS})


def _log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _is_sound(path: Path) -> bool:
    """Whether the file can be used; its pages are looked at only when it was not closed."""
    open_before = _log_of(path).exists()
    try:
        with closing(connect(path)) as connection:
            made = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
            layout = connection.execute("PRAGMA user_version").fetchone()[0]
            check = "PRAGMA quick_check(1)" if open_before else "SELECT 'ok'"
            sound = connection.execute(check).fetchone()[0] == "ok"
            return sound and (not made or layout == LAYOUT)
    except sqlite3.DatabaseError as error:
        code = int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
        return code not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _storable(text: str) -> str:
    """Text that SQLite takes: a lone surrogate becomes a question mark."""
    return text.encode("utf-8", "replace").decode()
