"""What a session stands between: a dialect above, a WebSocket below, and how the link is kept.

`Dialect` is one version's two halves, `Wire` the little that is needed of a WebSocket library,
`LinkTraits` what one model wants done differently, `Liveness` the watch over a silent link.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sitecontroller.domain.errors import CallRefused, OperatingError
from sitecontroller.ocpp.commands import HOUSEKEEPING_GAP_S
from sitecontroller.ocpp.intake import Handling
from sitecontroller.ports import StationLink


class Dialect(StationLink, Protocol):
    """One version's two halves: answers what the station says, says what we have to say."""

    async def answer(
        self, action: str, payload: dict[str, Any], received_at: datetime
    ) -> dict[str, Any]:
        """The CALLRESULT's payload. Raises CallFault for a CALLERROR.

        Payloads of StartTransaction, StopTransaction, MeterValues and TransactionEvent come even
        when required fields are missing; all others have them. Words that the schema doesn't know
        and texts that are too long come as they are.
        """

    async def poll(self) -> None:
        """One cheap CALL that proves the link lives."""

    def booted(self) -> bool:
        """Whether a BootNotification has been answered on this connection."""

    def became_ready(self, *, rebooted: bool) -> None:
        """Our CALLs may go out from now on."""

    async def closed(self) -> None:
        """The connection is gone: end whatever still runs for it."""


class Wire(Protocol):
    """What a session needs of a WebSocket connection; the server makes it of its library's."""

    def listen(self, on_frame: Callable[[bytes], None], on_lost: Callable[[], None]) -> None:
        """From now on call `on_frame` for each data frame, also those that came before, and
        `on_lost` once when the connection has ended."""

    def pause(self) -> None:
        """Read no more frames until `resume`."""

    def resume(self) -> None:
        """Read on."""

    def send(self, frame: bytes) -> None:
        """Write a text frame; returns at once, does nothing on a connection that has ended."""

    @property
    def congested(self) -> bool:
        """Whether the station reads too slowly to be sent more than is urgent."""

    async def drain(self) -> None:
        """Wait while it does."""

    async def ping(self) -> bool:
        """Whether a pong came; False when the connection ends."""

    async def close(self, reason: str) -> None:
        """End with a close frame (1001)."""

    def abort(self) -> None:
        """Drop the TCP connection."""


@dataclass(frozen=True, slots=True)
class LinkTraits:
    """How one station wants its connection treated; facts of a model, kept as data."""

    ping_interval_s: float | None = 20.0
    """None: it drops connections that ping; an OCPP message every minute instead (Q09)."""
    answers_pings: bool = True
    """False: of two connections the newer one wins (Q08)."""
    reconnects_after_close: bool = True
    """False: after a close frame it stays away, so its TCP connection is just dropped (Q10)."""
    login_names: tuple[str, ...] = ()
    """User names of Basic auth beside the station's id (Q07)."""
    command_gap_s: float = HOUSEKEEPING_GAP_S
    requests: Handling = Handling.REPAIR
    """What is done with its messages that break their schema."""
    answers: Handling = Handling.REPAIR
    """The same for its answers to ours."""


class Liveness:
    """When the other end was last heard, and the questions asked when it is silent (Q09).

    Times are the loop's. `heard_s` is written for every frame.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._loop = asyncio.get_running_loop()
        self.heard_s = self._loop.time()

    @property
    def silent_s(self) -> float:
        """Seconds since the last sign of life."""
        return self._loop.time() - self.heard_s

    async def until_silent(self, ask: Callable[[], Awaitable[bool]], attempts: int) -> None:
        """Ask after each interval of silence; return when `attempts` in a row had no answer."""
        unanswered = 0
        while unanswered < attempts:
            rest_s = self._interval_s - self.silent_s
            if rest_s > 0:
                unanswered = 0
                await asyncio.sleep(rest_s)
            elif await ask():
                self.heard_s = self._loop.time()
            else:
                unanswered += 1


async def is_answered(call: Awaitable[object]) -> bool:
    """Whether the station answers, be it with a refusal."""
    try:
        await call
    except CallRefused:
        return True
    except OperatingError:
        return False
    return True
