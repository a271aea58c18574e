"""A controller in memory for the console's tests: a small real implementation of `ControllerApi`.

`send` puts frames on the live feed, `commands` keeps what was executed, `answers` says what comes
of a command (a result or an error to raise).
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

from sitecontroller.domain.commands import Command, CommandResult, CommandState
from sitecontroller.domain.errors import ControllerError, ControllerUnreachable
from sitecontroller.domain.live import LiveFrame, SnapshotFrame
from sitecontroller.domain.queries import Query
from sitecontroller.domain.views import (
    AlarmView,
    JournalEntry,
    Page,
    PhaseSample,
    Snapshot,
    TransactionView,
)
from tests.ui import site
from tests.ui.looked_after import looked_after


class FakeClock:
    """A clock that stands until it is moved."""

    def __init__(self, at: datetime = site.NOW) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def monotonic_s(self) -> float:
        return self.at.timestamp()


class FakeClient:
    """One connection to a controller that has this snapshot."""

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        self.snapshot = snapshot or site.a_site()
        self.frames: asyncio.Queue[LiveFrame | ControllerError] = asyncio.Queue()
        self.commands: list[Command] = []
        self.answers: list[CommandResult | ControllerError] = []
        self.entries: Sequence[JournalEntry] = site.journal()
        main = self.snapshot.circuits["main"]
        self.samples = site.history(last=main.current_a, cap_a=main.cap_a[0] or 0.0)
        self.asked: list[tuple[Any, ...]] = []
        self.closed = 0
        self.away = False

    def raise_if_away(self) -> None:
        """What connecting does while the controller is down."""
        if self.away:
            raise ControllerUnreachable("connection refused")

    def send(self, frame: LiveFrame) -> None:
        """Put a frame on the feed."""
        self.frames.put_nowait(frame)

    def drop(self, reason: str = "connection refused") -> None:
        """End the connection and be away."""
        self.away = True
        self.frames.put_nowait(ControllerUnreachable(reason))

    async def health(self) -> dict[str, Any]:
        return {"status": "ok"}

    async def live(self) -> AsyncIterator[LiveFrame]:
        yield SnapshotFrame(1, self.snapshot.site.at, self.snapshot)
        while True:
            frame = await self.frames.get()
            if isinstance(frame, ControllerError):
                raise frame
            yield frame

    async def transactions(
        self, limit: int = 50, cursor: str | None = None, active: bool | None = None
    ) -> Page[TransactionView]:
        self.asked.append(("transactions", limit, cursor, active))
        wanted = [
            view
            for view in sorted(
                self.snapshot.transactions.values(), key=lambda v: v.started_at, reverse=True
            )
            if active is None or (view.state == "active") == active
        ]
        return Page(tuple(wanted[:limit]), None)

    async def alarms(self, limit: int = 50, cursor: str | None = None) -> Page[AlarmView]:
        return Page(tuple(self.snapshot.alarms.values())[:limit], None)

    async def journal(
        self,
        limit: int = 50,
        cursor: str | None = None,
        *,
        station_id: str | None = None,
        action: str | None = None,
        text: str | None = None,
    ) -> Page[JournalEntry]:
        self.asked.append(("journal", limit, cursor, station_id, action, text))
        found = [
            entry
            for entry in self.entries
            if (station_id is None or entry.station_id == station_id)
            and (action is None or entry.action == action)
            and (text is None or text.casefold() in entry.text.casefold())
            and (cursor is None or entry.seq < int(cursor))
        ]
        page = tuple(found[:limit])
        return Page(page, str(page[-1].seq) if len(found) > limit else None)

    async def ask(self, query: Query) -> Any:
        self.asked.append(("ask", query))
        return looked_after(query)

    async def phase_history(self) -> tuple[PhaseSample, ...]:
        return self.samples

    async def execute(self, command: Command) -> CommandResult:
        self.commands.append(command)
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, ControllerError):
            raise answer
        return answer or CommandResult(f"c{len(self.commands)}", CommandState.ACCEPTED)

    async def receipt_pdf(self, transaction_key: str) -> bytes:
        return b"%PDF-1.7 " + transaction_key.encode()

    async def close(self) -> None:
        self.closed += 1
