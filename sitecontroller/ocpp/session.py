"""One RPC session with one station over one WebSocket connection (signatures; body follows)."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from sitecontroller.domain.station import OcppVersion
from sitecontroller.ocpp.commands import Priority
from sitecontroller.ports import StationLink


class Dialect(StationLink, Protocol):
    """One version's two halves: answers what the station says, says what we have to say."""

    async def answer(
        self, action: str, payload: dict[str, Any], received_at: datetime
    ) -> dict[str, Any]:
        """The CALLRESULT's payload. Raises CallFault for a CALLERROR.

        Payloads of StartTransaction, StopTransaction, MeterValues and TransactionEvent come even
        when required fields are missing; all others fit their schema, but for enum values that
        the schema doesn't know.
        """

    async def poll(self) -> None:
        """One cheap CALL that proves the link lives."""

    def booted(self) -> bool:
        """Whether a BootNotification has been answered on this connection."""


class Session:
    """Calls in and out of one connection; `generation` tells it from earlier ones."""

    station_id: str
    version: OcppVersion
    generation: int

    async def call(
        self,
        action: str,
        payload: dict[str, Any],
        *,
        priority: Priority = Priority.ATTENDANT,
        deadline_s: float = 30.0,
        key: str | None = None,
    ) -> dict[str, Any]:
        """Send a CALL and return its CALLRESULT's payload.

        Raises CallRefused (CALLERROR), CallTimeout, ConnectionLost, or LimitSuperseded when a
        newer call with the same `key` took its place before it was sent.
        """
        raise NotImplementedError

    def after_reply(self, callback: Callable[[], None]) -> None:
        """Run `callback` once the reply that is being made now has been written."""
        raise NotImplementedError

    def boot_answered(self) -> None:
        """Let our CALLs go out once the reply that is being made now has been written (Q12)."""
        raise NotImplementedError

    async def close(self, reason: str) -> None:
        """End the connection (1001)."""
        raise NotImplementedError
