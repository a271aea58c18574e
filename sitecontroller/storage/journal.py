"""The ring of OCPP frames: what went over the wire, newest kept, oldest let go.

`record` returns at once and never delays a reply: frames wait in memory and are written in
batches off the loop, secrets taken out. Losing the last second, or some frames when the disk
can't follow, is allowed and counted; nothing else of the site depends on this file.
"""

import asyncio
import contextlib
import logging
import sqlite3
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sitecontroller import ports
from sitecontroller.domain.errors import StoreUnavailable
from sitecontroller.domain.views import JournalEntry, Page
from sitecontroller.storage.journal_file import JournalFile, JournalReader
from sitecontroller.storage.redaction import Redaction

RING_BYTES = 256 * 1024 * 1024
FLUSH_S = 0.25
BATCH_MAX = 256
WAITING_MAX = 10_000
WAITING_BYTES_MAX = 16 * 1024 * 1024
TEXT_MAX = 256 * 1024
"""Characters of a frame that are kept; the gate refuses longer ones anyway."""
CUT = "…[cut]"
PAGES_MAX = 100
"""Pages that may be asked for at once."""

log = logging.getLogger(__name__)


class FrameJournal:
    """`ports.Journal` in a file of its own. Use it from the loop on which it was opened."""

    def __init__(self, path: Path, clock: ports.Clock, ring_bytes: int) -> None:
        self.lost = 0
        """Frames dropped since the start: the disk was too slow or failed."""
        self._path, self._clock, self._ring_bytes = path, clock, ring_bytes
        self._loop = asyncio.get_running_loop()
        self._threads = tuple(
            ThreadPoolExecutor(1, thread_name_prefix=f"journal-{name}")
            for name in ("writer", "reader")
        )
        self._writer_thread, self._reader_thread = self._threads
        self._redaction = Redaction()
        self._waiting: deque[JournalEntry] = deque()
        self._waiting_bytes = 0
        self._seq = 0
        self._timer: asyncio.TimerHandle | None = None
        self._job: asyncio.Future[None] | None = None
        self._pages = 0
        self._failing = False
        self._closing = False

    @classmethod
    async def open(
        cls, path: Path, clock: ports.Clock, *, ring_bytes: int = RING_BYTES
    ) -> "FrameJournal":
        """Open or make the file. One that can't be read is set aside: it is only a journal."""
        journal = cls(path, clock, ring_bytes)
        try:
            await journal._open()
        except (sqlite3.Error, OSError) as error:
            journal._end_threads()
            raise StoreUnavailable(
                f"The journal {path} can't be used: {error}",
                remedy="Check the disk, its free space and the folder's permissions",
            ) from error
        return journal

    def learn_secret(self, secret: str) -> None:
        """Take this out of every later frame, whatever name it goes under."""
        self._loop.run_in_executor(self._writer_thread, self._redaction.learn, secret)

    def record(
        self,
        station_id: str,
        direction: str,
        kind: str,
        text: str,
        *,
        action: str | None = None,
        message_id: str | None = None,
        latency_ms: float | None = None,
    ) -> None:
        """Note a frame; returns at once. After `close` it is lost and counted."""
        if self._closing:
            self.lost += 1
            return
        self._seq += 1
        kept = text if len(text) <= TEXT_MAX else text[:TEXT_MAX] + CUT
        self._waiting.append(
            JournalEntry(
                seq=self._seq,
                at=self._clock.now(),
                station_id=station_id,
                direction=direction,
                action=action,
                message_id=message_id,
                kind=kind,
                text=kept,
                latency_ms=latency_ms,
            )
        )
        self._waiting_bytes += len(kept)
        while len(self._waiting) > WAITING_MAX or self._waiting_bytes > WAITING_BYTES_MAX:
            self._waiting_bytes -= len(self._waiting.popleft().text)
            self.lost += 1
        if len(self._waiting) >= BATCH_MAX:
            self._flush()
        elif self._timer is None and self._job is None:
            self._timer = self._loop.call_later(FLUSH_S, self._flush)

    async def page(
        self,
        limit: int,
        cursor: str | None,
        *,
        station_id: str | None = None,
        action: str | None = None,
        text: str | None = None,
    ) -> Page[JournalEntry]:
        """Newest first, what was recorded before this call included.

        `text` is looked for anywhere in the frame, A–Z caseless. Raises InvalidInput,
        StoreUnavailable.
        """
        if self._closing or self._pages >= PAGES_MAX:
            raise StoreUnavailable("The journal can't be read now")
        self._pages += 1
        try:
            await self._flushed()
            return await self._loop.run_in_executor(
                self._reader_thread, self._reader.page, limit, cursor, station_id, action, text
            )
        except sqlite3.Error as error:
            raise StoreUnavailable(f"The journal could not be read: {error}") from error
        finally:
            self._pages -= 1

    async def close(self) -> None:
        """Write what waits and let go. A second call does nothing."""
        if self._closing:
            return
        self._closing = True
        await self._flushed()
        if self._timer is not None:
            self._timer.cancel()
        with contextlib.suppress(sqlite3.Error):
            await self._loop.run_in_executor(self._reader_thread, self._reader.close)
            await self._loop.run_in_executor(self._writer_thread, self._file.close)
        self._end_threads()

    async def _open(self) -> None:
        self._file = await self._loop.run_in_executor(
            self._writer_thread, JournalFile, self._path, self._ring_bytes
        )
        self._seq = self._file.last_seq
        self._reader = await self._loop.run_in_executor(
            self._reader_thread, JournalReader, self._path
        )

    def _flush(self) -> None:
        """Hand what waits to the writer, one batch at a time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._job is not None or not self._waiting:
            return
        batch = [self._waiting.popleft() for _ in range(min(BATCH_MAX, len(self._waiting)))]
        self._waiting_bytes -= sum(len(entry.text) for entry in batch)
        self._job = self._loop.run_in_executor(self._writer_thread, self._write, batch)
        self._job.add_done_callback(lambda job: self._written(len(batch), job))

    def _write(self, batch: list[JournalEntry]) -> None:
        self._file.add(batch, self._redaction)

    def _written(self, count: int, job: asyncio.Future[None]) -> None:
        self._job = None
        error = job.exception()
        if error is not None:
            self.lost += count
        if error is not None and not self._failing:
            log.error("journal %s: frames are lost, check the disk: %s", self._path, error)
        if error is None and self._failing:
            log.warning("journal %s: works again, %d frames were lost", self._path, self.lost)
        self._failing = error is not None
        if len(self._waiting) >= BATCH_MAX:
            self._flush()
        elif self._waiting and self._timer is None:
            self._timer = self._loop.call_later(FLUSH_S, self._flush)

    async def _flushed(self) -> None:
        """Wait until all that was recorded before now is written or lost."""
        recorded = self._seq
        while self._job is not None or (self._waiting and self._waiting[0].seq <= recorded):
            self._flush()
            if self._job is not None:
                await asyncio.wait([self._job])

    def _end_threads(self) -> None:
        for thread in self._threads:
            thread.shutdown(wait=True)


_PROMISED: type[ports.Journal] = FrameJournal
