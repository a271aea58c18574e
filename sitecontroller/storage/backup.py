"""Backups of the database, and the way back from one.

A backup is made from a read-only snapshot while the site runs, checked page by page and only then
given its name; names count up, because the wall clock may step. A restore never overwrites: what
was there is set aside first.
"""

import logging
import os
import re
import sqlite3
import uuid
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from sitecontroller.storage.engine import connect
from sitecontroller.storage.unit_of_work import UnitOfWork

KEPT = 8
"""Backups kept; the oldest goes first."""
PAGES_A_STEP = 1024
STEPS_A_LOOK = 100_000
"""SQLite instructions of a check between two looks at whether it should stop."""
FAULTS_MAX = 10
"""Faults that an integrity check names before it stops."""

_NAME = re.compile(r"site-(\d{6})-[0-9TZ]+\.db")

log = logging.getLogger(__name__)


Stopping = Callable[[], bool]
"""Asked now and then during long work: whether to give up."""


def never() -> bool:
    """Nobody stops this."""
    return False


class BackupStopped(Exception):
    """The site is stopping: the backup under way was given up."""


def folder_of(path: Path) -> Path:
    """Where the backups of a database lie."""
    return path.parent / "backups"


def backups(path: Path) -> list[Path]:
    """The backups of a database, oldest first."""
    folder = folder_of(path)
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(file for file in found if _NAME.fullmatch(file.name))


def back_up(path: Path, at: datetime, stopping: Stopping = never) -> Path:
    """Copy the database as it is now to a new file, check the copy and keep the last KEPT.

    Raises sqlite3.Error or OSError; BackupStopped when `stopping()` says so meanwhile.
    """
    folder = folder_of(path)
    folder.mkdir(mode=0o700, exist_ok=True)
    unfinished = folder / "unfinished.part"
    unfinished.unlink(missing_ok=True)
    try:
        _copy(path, unfinished, stopping)
        faults = faults_of(unfinished, stopping)
        if stopping():
            raise BackupStopped
        if faults:
            raise sqlite3.DatabaseError(f"the copy is faulty: {faults[0]}")
        file = folder / f"site-{_next_number(path):06d}-{at:%Y%m%dT%H%M%SZ}.db"
        os.utime(unfinished, (at.timestamp(), at.timestamp()))
        sync_to_disk(unfinished)
        unfinished.rename(file)
        sync_to_disk(folder)
    finally:
        unfinished.unlink(missing_ok=True)
    for old in backups(path)[:-KEPT]:
        old.unlink()
    return file


def is_due(path: Path, at: datetime, period: timedelta) -> bool:
    """Whether the newest backup is a period away from `at`, in either direction of the clock."""
    newest = backups(path)[-1:]
    return not newest or abs(at.timestamp() - newest[0].stat().st_mtime) >= period.total_seconds()


def last_good(path: Path) -> Path | None:
    """The newest backup whose every page is sound."""
    for file in reversed(backups(path)):
        faults = faults_of(file)
        if not faults:
            return file
        log.error("backup %s: is faulty and passed over: %s", file.name, faults[0])
    return None


def restore(path: Path, backup: Path) -> list[Path]:
    """Put a backup in the database's place; returns where the old files went.

    The restored file continues as another life of the site: station transaction ids jump past any
    given since the backup and the outbox gets a new epoch. All of that is done before the file has
    its name, so that an interrupted restore is simply done again.
    """
    fresh = path.with_name(path.name + ".restoring")
    fresh.unlink(missing_ok=True)
    _copy(backup, fresh, never)
    with closing(connect(fresh, wal=False)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        tx = UnitOfWork(connection)
        tx.skip_station_ids()
        begin_epoch(tx)
        tx.put_fact("restored_from", backup.name)
        connection.execute("COMMIT")
    sync_to_disk(fresh)
    aside = set_aside(path)
    fresh.rename(path)
    sync_to_disk(path.parent)
    return aside


def begin_epoch(tx: UnitOfWork) -> None:
    """A new life of the outbox: `seq` goes on from here under another epoch."""
    tx.put_fact("epoch", str(uuid.uuid4()))
    tx.put_fact("epoch_first_seq", tx.outbox_seq() + 1)


def set_aside(path: Path) -> list[Path]:
    """Rename a database and its log, so that nothing of them is lost or mixed with another."""
    moved = []
    number = 1
    while (target := path.with_name(f"{path.name}.corrupt-{number}")).exists():
        number += 1
    for ending in ("-wal", "-shm", ""):
        file = path.with_name(path.name + ending)
        if file.exists():
            moved.append(file.rename(target.with_name(target.name + ending)))
    return moved


def faults_of(path: Path, stopping: Stopping = never) -> list[str]:
    """What a full check finds wrong with a database file that nobody has open; empty: sound."""
    try:
        with closing(connect(path, read_only=True)) as connection:
            return faults_in(connection, stopping)
    except sqlite3.DatabaseError as error:
        return [str(error)]


def faults_in(connection: sqlite3.Connection, stopping: Stopping = never) -> list[str]:
    """What a full check finds wrong; empty: sound. Given up, it raises sqlite3.OperationalError."""
    connection.set_progress_handler(stopping, STEPS_A_LOOK)
    rows = connection.execute(f"PRAGMA integrity_check({FAULTS_MAX})").fetchall()
    return [str(text) for (text,) in rows if text != "ok"]


def sync_to_disk(path: Path) -> None:
    """fsync a file, or a folder for the names in it."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy(source_path: Path, target_path: Path, stopping: Stopping) -> None:
    def go_on(status: int, remaining: int, total: int) -> None:
        if stopping():
            raise BackupStopped

    target_path.touch(mode=0o600)
    with (
        closing(connect(source_path, read_only=True)) as source,
        closing(sqlite3.connect(target_path, isolation_level=None)) as target,
    ):
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        source.backup(target, pages=PAGES_A_STEP, progress=go_on)
        source.execute("ROLLBACK")
        target.execute("PRAGMA journal_mode = DELETE")


def _next_number(path: Path) -> int:
    numbers = [int(match[1]) for file in backups(path) if (match := _NAME.fullmatch(file.name))]
    return max(numbers, default=0) + 1
