"""From a path to a database that can be trusted: checks, restore, backup, migrations.

Never a silent empty start: a damaged or vanished database comes back from its last sound backup,
loudly, or the start is refused with everything left where it is. A migration runs after a backup
and in one transaction.
"""

import logging
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from sitecontroller.domain.errors import StoreUnavailable
from sitecontroller.ports import Clock
from sitecontroller.storage import backup, migrations
from sitecontroller.storage.engine import connect, migration_engine
from sitecontroller.storage.unit_of_work import UnitOfWork

CHECKED_AT_START_BYTES = 500 * 1024 * 1024
"""Up to this size a database is checked before anything runs; a larger one meanwhile."""

_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StartUp:
    """How the database was found."""

    created: bool = False
    stopped_clean: bool = True
    restored_from: Path | None = None
    """The backup that took the place of a damaged or vanished database."""
    migrated: bool = False
    check_due: bool = False
    """Too large for a check at start-up: check it while the site runs."""


def prepare(path: Path, clock: Clock) -> StartUp:
    """Make `path` a sound database of today's schema and mark it as in use.

    Raises StoreUnavailable with a remedy when it can't be one.
    """
    try:
        return _prepare(path, clock)
    except (sqlite3.Error, SQLAlchemyError, CommandError, OSError) as error:
        raise StoreUnavailable(
            f"The database {path} can't be used: {error}",
            remedy="Check the disk, its free space, the folder's permissions and that no other "
            "program has the file open; then start again",
        ) from error


def mark_clean(connection: sqlite3.Connection) -> None:
    """Note that all was written and closed in order: the next start needs no check."""
    connection.execute("BEGIN IMMEDIATE")
    UnitOfWork(connection).put_fact("stopped_clean", True)
    connection.execute("COMMIT")


def latest_revision() -> str:
    """The revision of today's schema."""
    head = ScriptDirectory.from_config(_configuration()).get_current_head()
    assert head is not None, "there is at least one revision"
    return head


def upgrade(path: Path) -> None:
    """Run every pending revision in one transaction: all or nothing."""
    configuration = _configuration()
    engine = migration_engine(path)
    with engine.begin() as connection:
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, "head")


def _prepare(path: Path, clock: Clock) -> StartUp:
    path.parent.mkdir(parents=True, exist_ok=True)
    restored_from: Path | None = None
    damage = _damage(path)
    if damage is not None:
        restored_from = _restore(path, damage)
    created = not path.exists() or _revision(path) is None
    if created:
        path.touch(mode=0o600)
        backup.sync_to_disk(path.parent)
    migrated = _migrate(path, clock, created=created)
    with closing(connect(path)) as connection:
        tx = UnitOfWork(connection)
        stopped_clean = created or bool(tx.fact("stopped_clean"))
        connection.execute("BEGIN IMMEDIATE")
        tx.put_fact("stopped_clean", False)
        if created:
            backup.begin_epoch(tx)
        connection.execute("COMMIT")
    return StartUp(
        created=created,
        stopped_clean=stopped_clean,
        restored_from=restored_from,
        migrated=migrated and not created,
        check_due=not stopped_clean and restored_from is None and not _small(path),
    )


def _damage(path: Path) -> str | None:
    """Why the file can't be used as it is; None: it can, or there never was one."""
    kept = backup.backups(path)
    if not path.exists():
        return "it is gone" if kept else None
    try:
        if _revision(path) is None:
            return "it is empty" if kept else None
        with closing(connect(path)) as connection:
            if UnitOfWork(connection).fact("stopped_clean") or not _small(path):
                return None
            log.warning("database %s: was not closed in order; checking it", path)
            faults = backup.faults_in(connection)
            return faults[0] if faults else None
    except sqlite3.DatabaseError as error:
        if _primary_code(error) not in _DAMAGE:
            raise
        return str(error)


def _restore(path: Path, damage: str) -> Path:
    file = backup.last_good(path)
    if file is None:
        raise StoreUnavailable(
            f"The database {path} is damaged ({damage}) and there is no sound backup",
            remedy=f"Put a sound copy at {path}; to begin with an empty one, move the file away",
        )
    aside = backup.restore(path, file)
    log.critical(
        "database %s: %s; restored from %s; set aside: %s; sessions since that backup are missing "
        "until their chargers send them again",
        path,
        damage,
        file.name,
        ", ".join(moved.name for moved in aside) or "nothing",
    )
    return file


def _migrate(path: Path, clock: Clock, *, created: bool) -> bool:
    found = _revision(path)
    scripts = ScriptDirectory.from_config(_configuration())
    if found == scripts.get_current_head():
        return False
    known = {revision.revision for revision in scripts.walk_revisions()}
    if found is not None and found not in known:
        raise StoreUnavailable(
            f"The database {path} was written by a newer version (revision {found})",
            remedy="Install that version again, or restore a backup made before it",
        )
    if not created:
        file = backup.back_up(path, clock.now())
        log.info("database %s: backed up to %s before its schema changes", path, file.name)
    upgrade(path)
    return True


def _revision(path: Path) -> str | None:
    """The schema's revision; None in a file without tables."""
    with closing(connect(path)) as connection:
        if not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return None if row is None else str(row[0])


def _configuration() -> Config:
    configuration = Config()
    folder = str(Path(migrations.__file__).parent)
    configuration.set_main_option("script_location", folder.replace("%", "%%"))
    return configuration


def _small(path: Path) -> bool:
    return path.stat().st_size < CHECKED_AT_START_BYTES


def _primary_code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
