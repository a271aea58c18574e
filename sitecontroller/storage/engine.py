"""How a connection to the site's database is opened: one way for writer, reader and migrations.

Python's driver begins no transaction by itself here, so that SAVEPOINT and DDL stay inside ours:
SQLAlchemy's default emits no BEGIN before a SAVEPOINT and rows outlive an outer rollback.
"""

import sqlite3
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

CACHE_KIB = 8 * 1024
BUSY_TIMEOUT_S = 2.0
WAL_KEPT_BYTES = 16 * 1024 * 1024
"""The log file is cut back to this after a checkpoint."""


def connect(
    path: Path, *, read_only: bool = False, wal: bool = True, synchronous: str = "FULL"
) -> sqlite3.Connection:
    """A bare connection with our pragmas. Raises sqlite3.DatabaseError when it is no database.

    Checkpoints are its owner's own job: an fsync that fails inside an automatic one is told to
    nobody.
    """
    assert synchronous in ("FULL", "NORMAL"), synchronous
    connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_S)
    pragmas = [
        "PRAGMA mmap_size = 0",
        f"PRAGMA cache_size = -{CACHE_KIB}",
        "PRAGMA wal_autocheckpoint = 0",
        f"PRAGMA synchronous = {synchronous}",
        f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}",
    ]
    if read_only:
        pragmas.append("PRAGMA query_only = ON")
    elif wal:
        pragmas.append("PRAGMA journal_mode = WAL")
    try:
        for pragma in pragmas:
            connection.execute(pragma)
    except BaseException:
        connection.close()
        raise
    return connection


def migration_engine(path: Path) -> Engine:
    """An engine for alembic whose transactions hold DDL too; closes what it opened at once."""
    engine = create_engine("sqlite://", creator=lambda: connect(path), poolclass=NullPool)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
