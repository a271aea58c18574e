"""The two ends of the database that live in threads of their own: one writes, one reads.

The writer takes several units of work into one durable commit. A unit that fails is undone alone
(all are run once more for that); a commit that fails undoes all. Nothing here knows the event loop.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sitecontroller.domain.errors import StoreUnavailable
from sitecontroller.domain.metering import TimeQuality
from sitecontroller.storage.engine import BUSY_TIMEOUT_S, connect
from sitecontroller.storage.startup import mark_clean
from sitecontroller.storage.unit_of_work import UnitOfWork

CHECKPOINT_BYTES = 16 * 1024 * 1024
"""Size of the log from which it is folded into the database."""
CHECKPOINT_BATCHES_MIN = 32
"""Batches between two tries: a reader may hold the log for a while."""

Call = Callable[[UnitOfWork], Any]

_BROKEN = (
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_CANTOPEN,
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one unit: its result, or the error that undid it."""

    result: Any = None
    error: Exception | None = None


class CommitFailed(Exception):
    """Nothing of the batch is in the database. `broken`: the disk or file can't be trusted."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        code = int(getattr(cause, "sqlite_errorcode", 0)) & 0xFF
        self.broken = code in _BROKEN
        self.full = code == sqlite3.SQLITE_FULL


class Writer:
    """The only connection that writes and checkpoints. Every method runs in its one thread."""

    def __init__(self, path: Path, clock_quality: Callable[[], TimeQuality]) -> None:
        self.connection = connect(path)
        self._clock_quality = clock_quality
        self._log = path.with_name(path.name + "-wal")
        self._batches = 0

    def write(self, calls: Sequence[Call]) -> list[Outcome]:
        """Run all calls and commit once; raises CommitFailed.

        Failures are rare, so savepoints, two statements a call, are for a second run. Calls may be
        run twice: all they do is in their unit of work.
        """
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            outcomes = self._together(calls)
            if outcomes is None:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                self.connection.execute("BEGIN IMMEDIATE")
                outcomes = [self._unit(call) for call in calls]
            self.connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise CommitFailed(error) from error
        finally:
            if self.connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self.connection.execute("ROLLBACK")
        self._batches += 1
        return outcomes

    def checkpoint_due(self) -> bool:
        """Whether the log has grown enough."""
        return (
            self._batches >= CHECKPOINT_BATCHES_MIN and self._log.stat().st_size >= CHECKPOINT_BYTES
        )

    def checkpoint(self) -> None:
        """Fold the log into the database as far as readers allow; raises CommitFailed."""
        self._batches = 0
        try:
            self.connection.execute("PRAGMA busy_timeout = 0")
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self.connection.execute(f"PRAGMA busy_timeout = {round(BUSY_TIMEOUT_S * 1000)}")
        except sqlite3.Error as error:
            raise CommitFailed(error) from error

    def close(self, *, clean: bool) -> None:
        """Fold in the log and note that all is in order; without `clean` only let go."""
        try:
            if clean:
                mark_clean(self.connection)
                self.checkpoint()
        finally:
            self.connection.close()

    def _together(self, calls: Sequence[Call]) -> list[Outcome] | None:
        """None: one of them failed."""
        try:
            return [Outcome(self._result(call)) for call in calls]
        except Exception as error:
            if _is_broken(error):
                raise
            return None

    def _result(self, call: Call) -> Any:
        result = call(UnitOfWork(self.connection, self._clock_quality))
        assert not hasattr(result, "__await__"), "a unit of work is a plain function"
        return result

    def _unit(self, call: Call) -> Outcome:
        """The call in a savepoint of its own."""
        execute = self.connection.execute
        execute("SAVEPOINT unit")
        try:
            result = self._result(call)
        except Exception as error:
            if _is_broken(error):
                raise
            if not self.connection.in_transaction:  # SQLite itself gave up the whole batch
                raise CommitFailed(error) from error
            execute("ROLLBACK TO unit")
            execute("RELEASE unit")
            return Outcome(error=_told(error))
        execute("RELEASE unit")
        return Outcome(result)


class Reader:
    """A read-only connection; every read sees one moment. Lives in its one thread."""

    def __init__(self, path: Path) -> None:
        self.connection = connect(path, read_only=True)

    def read(self, call: Call) -> Any:
        """Run a call; raises StoreUnavailable when the database can't be read."""
        self.connection.execute("BEGIN")
        try:
            return call(UnitOfWork(self.connection))
        except sqlite3.OperationalError as error:
            raise _told(error) from error
        finally:
            self.connection.execute("ROLLBACK")

    def close(self) -> None:
        """Let go."""
        self.connection.close()


def _is_broken(error: Exception) -> bool:
    return isinstance(error, sqlite3.Error) and CommitFailed(error).broken


def _told(error: Exception) -> Exception:
    """The error as callers know it."""
    if not isinstance(error, sqlite3.OperationalError):
        return error
    unavailable = StoreUnavailable(f"The database could not do it: {error}")
    unavailable.__cause__ = error
    return unavailable
