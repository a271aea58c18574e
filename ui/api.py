"""What the console needs of a controller: the seam between its screens and the network.

`sitecontroller.client.ControllerClient` is the real one, the tests have a small one of their own.
"""

from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

from sitecontroller.domain.commands import Command, CommandResult
from sitecontroller.domain.live import LiveFrame
from sitecontroller.domain.queries import Query
from sitecontroller.domain.views import (
    AlarmView,
    JournalEntry,
    Page,
    PhaseSample,
    TransactionView,
)


class ControllerApi(Protocol):
    """One controller's API. Every call raises `ControllerUnreachable` when it does not answer."""

    async def health(self) -> dict[str, Any]: ...

    def live(self) -> AsyncIterator[LiveFrame]:
        """One connection's frames, a snapshot first; ends or raises when the connection does."""

    async def transactions(
        self, limit: int = 50, cursor: str | None = None, active: bool | None = None
    ) -> Page[TransactionView]: ...

    async def alarms(self, limit: int = 50, cursor: str | None = None) -> Page[AlarmView]: ...

    async def journal(
        self,
        limit: int = 50,
        cursor: str | None = None,
        *,
        station_id: str | None = None,
        action: str | None = None,
        text: str | None = None,
    ) -> Page[JournalEntry]: ...

    async def ask(self, query: Query) -> Any:
        """A question of the table of routes; its view, or a page of them."""

    async def phase_history(self) -> tuple[PhaseSample, ...]: ...

    async def execute(self, command: Command) -> CommandResult: ...

    async def receipt_pdf(self, transaction_key: str) -> bytes: ...

    async def close(self) -> None: ...


Connect = Callable[[], ControllerApi]
"""A fresh client; raises `ControllerUnreachable` when there is nothing to connect to."""
