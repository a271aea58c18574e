"""The site's database as services see it: `commit` and `read`, never blocking the loop.

Units of work wait in a bounded queue; one executor job at a time takes up to BATCH_MAX of them
into one fsynced commit and only then are their callers told. A commit that fails is told to all of
its units; after a fault of the disk nothing is committed any more until the next start, which
checks the file.
"""

import asyncio
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sitecontroller import ports
from sitecontroller.domain.errors import StoreUnavailable
from sitecontroller.domain.metering import TimeQuality
from sitecontroller.storage import backup, startup
from sitecontroller.storage.engine import connect
from sitecontroller.storage.reserve import Reserve
from sitecontroller.storage.startup import StartUp
from sitecontroller.storage.writer import Call, CommitFailed, Outcome, Reader, Writer

BATCH_MAX = 64
QUEUE_MAX = 10_000
"""Units that may wait; more are refused: the station sends again."""
READS_MAX = 1_000
UPKEEP_FIRST_S = 60.0
"""After this the reserve is filled and, if one is due, a backup made; then a period after each."""
UPKEEP_PERIOD_S = 3600.0
BACKUP_PERIOD = timedelta(hours=6)

P = ParamSpec("P")
R = TypeVar("R")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Unit:
    call: Call
    future: asyncio.Future[Any]


class Store:
    """`ports.Store` on one SQLite file. Use it from the loop on which it was opened."""

    def __init__(self, path: Path, clock: ports.Clock, batch_max: int) -> None:
        self.start = StartUp()
        self.clock_quality = TimeQuality.GOOD
        """How far the wall clock may be trusted now: written beside every fact for HQ."""
        self.on_fault: Callable[[str], None] = lambda reason: None
        """Called on the loop, once, when the database can't be trusted any more."""
        self._path, self._clock, self._batch_max = path, clock, batch_max
        self._loop = asyncio.get_running_loop()
        self._threads = tuple(
            ThreadPoolExecutor(1, thread_name_prefix=f"database-{name}")
            for name in ("writer", "reader", "backup")
        )
        self._writer_thread, self._reader_thread, self._backup_thread = self._threads
        self._queue: deque[_Unit] = deque()
        self._reserve = Reserve(path)
        self._idle = asyncio.Event()
        self._idle.set()
        self._reads = 0
        self._closing = False
        self._stopping = threading.Event()
        self._fault: str | None = None
        self._next_upkeep: asyncio.TimerHandle | None = None
        self._aside_tasks: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(cls, path: Path, clock: ports.Clock, *, batch_max: int = BATCH_MAX) -> "Store":
        """Check, restore or migrate as needed and begin. Raises StoreUnavailable with a remedy."""
        store = cls(path, clock, batch_max)
        try:
            await store._open()
        except BaseException:
            store._end_threads()
            raise
        return store

    @property
    def fault(self) -> str | None:
        """Why nothing is committed any more, or None."""
        return self._fault

    @property
    def space_low(self) -> bool:
        """The disk was full: the reserve is in use, optional writing should stop."""
        return self._reserve.used

    async def commit(
        self, fn: Callable[Concatenate[ports.UnitOfWork, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run `fn(tx, …)`, perhaps twice; returns after the fsynced commit.

        An exception of `fn` undoes its unit alone and is raised here; StoreUnavailable when the
        commit failed. A caller that is cancelled while it waits can't know whether it was done.
        """
        self._check_usable()
        if self._fault is not None:
            raise _out_of_use_error(self._fault)
        if len(self._queue) >= QUEUE_MAX:
            raise StoreUnavailable(f"{QUEUE_MAX} changes wait already: the disk is too slow")
        unit = _Unit(lambda tx: fn(tx, *args, **kwargs), self._loop.create_future())
        self._queue.append(unit)
        if self._idle.is_set():
            self._idle.clear()
            self._loop.call_soon(self._next)  # so that all of this turn go together
        result: R = await unit.future
        return result

    async def read(
        self, fn: Callable[Concatenate[ports.UnitOfWork, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run `fn(tx, …)` on the read-only connection: one moment, all that was committed."""
        self._check_usable()
        if self._reads >= READS_MAX:
            raise StoreUnavailable(f"{READS_MAX} reads wait already: the disk is too slow")
        self._reads += 1
        try:
            result: R = await self._loop.run_in_executor(
                self._reader_thread, self._reader.read, lambda tx: fn(tx, *args, **kwargs)
            )
            return result
        finally:
            self._reads -= 1

    async def backup(self) -> Path:
        """Make a checked backup now, beside the running site; see `backup.back_up`.

        Raises StoreUnavailable when it could not be made.
        """
        self._check_usable()
        try:
            return await self._loop.run_in_executor(
                self._backup_thread,
                backup.back_up,
                self._path,
                self._clock.now(),
                self._stopping.is_set,
            )
        except Exception as error:
            raise StoreUnavailable(f"The backup was not made: {error}") from error

    async def close(self) -> None:
        """Commit what waits, fold in the log, note the clean stop. A second call does nothing."""
        if self._closing:
            return
        self._closing = True
        self._stopping.set()
        if self._next_upkeep is not None:
            self._next_upkeep.cancel()
        await self._idle.wait()
        await asyncio.gather(*self._aside_tasks, return_exceptions=True)
        await self._in(self._backup_thread, lambda: None)  # a backup under way gives up
        try:
            await self._in(self._reader_thread, self._reader.close)
            await self._in(self._writer_thread, lambda: self._writer.close(clean=not self._fault))
        except Exception as error:
            log.error("database %s: not closed in order, the next start checks it: %s",
                      self._path, error)  # fmt: skip
        finally:
            self._end_threads()

    async def _open(self) -> None:
        self.start = await self._in(
            self._writer_thread, lambda: startup.prepare(self._path, self._clock)
        )
        self._writer = await self._in(
            self._writer_thread, lambda: Writer(self._path, lambda: self.clock_quality)
        )
        self._reader = await self._in(self._reader_thread, lambda: Reader(self._path))
        if self.start.check_due:
            self._aside(self._check())
        self._plan_upkeep(UPKEEP_FIRST_S)

    def _next(self) -> None:
        """Hand the next batch to the writer, or rest."""
        if self._fault is not None:
            self._refuse_waiting(self._fault)
        batch: list[_Unit] = []
        while self._queue and len(batch) < self._batch_max:
            unit = self._queue.popleft()
            if not unit.future.done():
                batch.append(unit)
        if not batch:
            self._idle.set()
            return
        job = self._loop.run_in_executor(self._writer_thread, self._write, batch)
        job.add_done_callback(lambda done: self._written(batch, done))

    def _write(self, batch: list[_Unit]) -> tuple[list[Outcome], bool]:
        outcomes = self._writer.write([unit.call for unit in batch])
        return outcomes, self._writer.checkpoint_due()

    def _written(self, batch: list[_Unit], job: asyncio.Future[tuple[list[Outcome], bool]]) -> None:
        error = job.exception()
        if error is not None:
            self._batch_failed(batch, error)
            self._loop.call_soon(self._next)
            return
        outcomes, checkpoint_due = job.result()
        for unit, outcome in zip(batch, outcomes, strict=True):
            if unit.future.done():
                continue
            if outcome.error is not None:
                unit.future.set_exception(outcome.error)
            else:
                unit.future.set_result(outcome.result)
        if checkpoint_due:
            folding = self._loop.run_in_executor(self._writer_thread, self._writer.checkpoint)
            folding.add_done_callback(self._folded)
        else:
            self._loop.call_soon(self._next)  # after the callers: what they commit now goes along

    def _folded(self, job: asyncio.Future[None]) -> None:
        error = job.exception()
        if error is not None:
            self._commit_failed(error)
        self._next()

    def _batch_failed(self, batch: list[_Unit], error: BaseException) -> None:
        self._commit_failed(error)
        for unit in batch:
            if not unit.future.done():
                unavailable = StoreUnavailable(f"Nothing was stored: {error}")
                unavailable.__cause__ = error
                unit.future.set_exception(unavailable)

    def _refuse_waiting(self, fault: str) -> None:
        for unit in self._queue:
            if not unit.future.done():
                unit.future.set_exception(_out_of_use_error(fault))
        self._queue.clear()

    def _commit_failed(self, error: BaseException) -> None:
        log.error("database %s: a commit failed, its senders try again: %s", self._path, error)
        if isinstance(error, CommitFailed) and error.full and not self._reserve.used:
            self._reserve.release()
            log.critical(
                "database %s: the disk is full; a reserve of %d MiB is in use now: free some space",
                self._path,
                self._reserve.size // 2**20,
            )
        elif not isinstance(error, CommitFailed) or error.broken:
            self._out_of_use(str(error))

    def _out_of_use(self, reason: str) -> None:
        if self._fault is not None:
            return
        self._fault = reason
        log.critical(
            "database %s: can't be trusted any more: %s; nothing is stored until the controller "
            "starts again and has checked it",
            self._path,
            reason,
        )
        self.on_fault(reason)

    async def _check(self) -> None:
        try:
            faults = await self._in(self._backup_thread, self._faults)
        except sqlite3.Error as error:
            faults = [] if self._stopping.is_set() else [str(error)]
        if faults:
            self._out_of_use(faults[0])

    def _faults(self) -> list[str]:
        with closing(connect(self._path, read_only=True)) as connection:
            return backup.faults_in(connection, self._stopping.is_set)

    def _plan_upkeep(self, after_s: float) -> None:
        self._next_upkeep = self._loop.call_later(after_s, lambda: self._aside(self._upkeep()))

    async def _upkeep(self) -> None:
        """One at a time: two at once would both find the same backup due."""
        try:
            await self._keep_up()
        finally:
            if not self._closing:
                self._plan_upkeep(UPKEEP_PERIOD_S)

    async def _keep_up(self) -> None:
        await self._in(self._backup_thread, self._reserve.fill)
        now = self._clock.now()
        due = await self._in(
            self._backup_thread, lambda: backup.is_due(self._path, now, BACKUP_PERIOD)
        )
        if self._fault is not None or self.space_low or not due:
            return
        try:
            await self.backup()
        except StoreUnavailable as error:
            if not self._stopping.is_set():
                log.error("database %s: %s; check the disk's free space", self._path, error)

    def _aside(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._aside_tasks.add(task)
        task.add_done_callback(self._aside_tasks.discard)

    async def _in(self, thread: ThreadPoolExecutor, call: Callable[[], R]) -> R:
        return await self._loop.run_in_executor(thread, call)

    def _check_usable(self) -> None:
        if self._closing:
            raise StoreUnavailable("The controller is stopping")
        assert asyncio.get_running_loop() is self._loop, "the store belongs to another loop"

    def _end_threads(self) -> None:
        for thread in self._threads:
            thread.shutdown(wait=True)


def _out_of_use_error(fault: str) -> StoreUnavailable:
    return StoreUnavailable(f"The database is out of use: {fault}", remedy="Restart the controller")


_PROMISED: type[ports.Store] = Store
