"""The real gate, sessions, dialects, services and database of a site, fed with frames in memory.

What is checked after every batch: no exception escaped, the sessions live, a valid neighbour is
answered rightly, and memory stays within its bound.
"""

import asyncio
import contextlib
import logging
import tempfile
import time
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import orjson

from sitecontroller.clock import SystemClock
from sitecontroller.domain.commands import Command
from sitecontroller.domain.errors import ControllerError, StoreUnavailable
from sitecontroller.domain.station import OcppVersion
from sitecontroller.ocpp.dialects import make_dialect
from sitecontroller.ocpp.link import LinkTraits
from sitecontroller.ocpp.session import Session
from sitecontroller.routes import COMMANDS
from sitecontroller.services.conformance import Conformance
from sitecontroller.storage.journal import FrameJournal
from tests.fuzz.afterwards import faults_of_api
from tests.fuzz.frames import Frames
from tests.fuzz.neighbour import Neighbour
from tests.fuzz.wire import MemoryWire
from tests.wire.site import TestSite, running_site

BATCH = 50
"""Frames between two looks; fewer than a session's inbox holds."""
ANSWER_S_MAX = 60.0
"""A lost answer, not a late one: how long the neighbour waited at most is told of each run."""
COMMAND_GAP_S = 0.01
WANTED_MAX = 4
"""Commands to the fuzzed station that wait for it at one time."""
ONE_FRAME_KEPT_OF = 50
OUR_CALL_BREAKS_ITS_SCHEMA = "This is no valid"
RSS_GROWTH_MIB_MAX = 200.0
QUICK_DISK = Path("/dev/shm")
FUZZED, NEIGHBOUR = "CP-01", "CP-02"
COMMANDS_OF_STATIONS = tuple(
    kind
    for kind in COMMANDS
    if {f.name for f in fields(kind) if f.default is f.default_factory is MISSING}
    <= {"station_id", "evse_id"}
)
"""Those that need no more than a station and an EVSE."""


class Escaped(logging.Handler):
    """Whatever is logged with a traceback, an exception that no one expected; and what wasn't
    stored."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def taken(self) -> list[str]:
        """What was found since the last look."""
        found, self.found = self.found, []
        return found

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            formatter = logging.Formatter()
            self.found.append(
                f"{record.getMessage()}\n{formatter.formatException(record.exc_info)}"
            )
        elif "not stored" in record.getMessage():
            self.found.append(record.getMessage())


class _SomeFrames:
    """Frames by the million are not kept; some are, so that the journal's page shows them."""

    def __init__(self, journal: FrameJournal) -> None:
        self._journal = journal
        self._number = 0

    def record(self, *frame: Any, **about: Any) -> None:
        self._number += 1
        if self._number % ONE_FRAME_KEPT_OF == 0:
            self._journal.record(*frame, **about)


class Target:
    """One fuzzed station, of which people want much, and a valid neighbour, both connected."""

    def __init__(self, site: TestSite, version: OcppVersion, frames: Frames) -> None:
        self._site = site
        self._version = version
        self._frames = frames
        self._number = 0
        self._wanted: set[asyncio.Future[Any]] = set()
        self.escaped: list[str] = []
        self.waited_s_max = 0.0
        """The longest that the neighbour waited for an answer."""
        self.wire = MemoryWire()
        self.neighbour = Neighbour(version)
        self._tasks: list[asyncio.Task[None]] = []
        self._dialects: list[Any] = []

    async def connect(self) -> None:
        """Both stations log in and boot; a car begins to charge at the neighbour."""
        for station_id, wire in ((FUZZED, self.wire), (NEIGHBOUR, self.neighbour.wire)):
            services = self._site.site.services
            session = Session(
                wire,  # type: ignore[arg-type]
                station_id=station_id,
                version=self._version,
                generation=1,
                clock=services.clock,
                journal=_SomeFrames(self._site.site.journal),  # type: ignore[arg-type]
                conformance=Conformance(services.clock.now),
                traits=LinkTraits(ping_interval_s=None, command_gap_s=COMMAND_GAP_S),
                heard=services.stations.heard,
            )
            station = services.stations.find(station_id)
            dialect = make_dialect(services.inbound, session, station, self._version)
            await services.stations.connected(dialect, "127.0.0.1")
            self._dialects.append(dialect)
            self._tasks.append(asyncio.create_task(session.run(dialect)))
            await asyncio.sleep(0)
            wire.on_frame(self.neighbour.boot())
        await self._answered("boot")
        self.neighbour.begin()
        await self._answered("begin", neighbour_only=True)

    async def feed(self, batch: list[bytes]) -> None:
        """A batch of frames, then a look at the neighbour. AssertionError when it suffered."""
        self._number += 1
        mark = f"alive-{self._number}"
        self._want_something()
        for raw in batch:
            self.wire.on_frame(raw)
        began_s = time.monotonic()
        self.wire.on_frame(orjson.dumps([2, mark, "Heartbeat", {}]))
        self.neighbour.go_on(mark)
        await self._answered(mark)
        self.waited_s_max = max(self.waited_s_max, self.neighbour.wire.sent_s - began_s)
        ended = self.wire.ended_because
        assert not ended, f"the fuzzed station's connection was ended: {ended}"
        self._answer_our_calls()
        self.neighbour.answer_our_calls()
        self.wire.sent.clear()

    async def faults_afterwards(self) -> list[str]:
        """What is wrong with the neighbour's session, and with what the API says of the site."""
        self.neighbour.end()
        await self._answered("end", neighbour_only=True)
        await self.close()  # what would ask a station says at once that it can't
        rows = [row for row in await self._site.rows() if row.station_id == NEIGHBOUR]
        return [*self.neighbour.faults(rows), *await faults_of_api(self._site.site)]

    async def close(self) -> None:
        """End both sessions, and what was wanted of the station."""
        for task in (*self._tasks, *self._wanted):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._wanted, return_exceptions=True)
        for dialect in self._dialects:
            self._site.site.services.stations.disconnected(dialect)
            await dialect.closed()

    def _want_something(self) -> None:
        """A command to the fuzzed station, so that it has something to answer."""
        if len(self._wanted) < WANTED_MAX:
            kind = self._frames.random.choice(COMMANDS_OF_STATIONS)
            given = {"station_id": FUZZED, "evse_id": self._frames.random.choice((1, 2))}
            wanted = {f.name: given[f.name] for f in fields(kind) if f.name in given}
            task = asyncio.ensure_future(self._execute(kind(**wanted)))
            self._wanted.add(task)
            task.add_done_callback(self._wanted.discard)

    async def _execute(self, command: Command) -> None:
        try:
            await self._site.site.controller.execute(command)
        except ControllerError as refusal:
            if isinstance(refusal, StoreUnavailable) or OUR_CALL_BREAKS_ITS_SCHEMA in str(refusal):
                self.escaped.append(f"{command}: {refusal}")
        except Exception:
            self.escaped.append(f"{command}\n{traceback.format_exc()}")

    async def _answered(self, mark: str, *, neighbour_only: bool = False) -> None:
        wires = (self.neighbour.wire,) if neighbour_only else (self.wire, self.neighbour.wire)
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                while any(wire.answer(mark) is None for wire in wires):
                    await asyncio.sleep(0.0005)
        except TimeoutError:
            raise AssertionError(f"no answer to {mark}") from None

    def _answer_our_calls(self) -> None:
        for frame in self.wire.sent:
            with contextlib.suppress(orjson.JSONDecodeError):
                kind, message_id, *rest = orjson.loads(frame)
                if kind == 2:
                    action, payload = rest
                    self._frames.hear(payload)
                    for answer in self._frames.answers(message_id, action):
                        self.wire.on_frame(answer)
                elif kind == 3:
                    self._frames.hear(rest[0])


@asynccontextmanager
async def target(version: OcppVersion, frames: Frames) -> AsyncIterator[Target]:
    """A whole site with its two stations, on a disk in memory where there is one."""
    quick = QUICK_DISK if QUICK_DISK.is_dir() else None
    with tempfile.TemporaryDirectory(dir=quick) as directory:
        async with running_site(Path(directory), clock=SystemClock()) as site:
            fed = Target(site, version, frames)
            await fed.connect()
            try:
                yield fed
            finally:
                await fed.close()


def rss_mib() -> float:
    """Resident memory of this process."""
    with contextlib.suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * 4096 / 2**20
    return 0.0
