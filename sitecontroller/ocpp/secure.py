"""TLS on the stations' port: told from plain HTTP by its first byte, begun at a pace.

A handshake costs the loop a millisecond or two. When 250 stations come back at once they are taken
a few at a time, addresses in turn, so that load management gets its turns and one address that
floods the port holds nobody else up.
"""

import asyncio
import ssl
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Protocol

from sitecontroller.domain.security import PeerCertificate
from sitecontroller.ocpp.connection import StationConnection
from sitecontroller.ocpp.door import Door

STARTS_PER_TICK = 4
TICK_S = 0.01
"""400 handshakes a second at most. Measured (1.3 ms of CPU each): 250 stations are back in 3 s, and
the loop is late by no more than with plain connections."""


class PortAuthority(Protocol):
    """What the port needs of the site's certificates; `pki.LocalAuthority` is the real one."""

    def context(self) -> ssl.SSLContext | None:
        """For the next handshake; None: none can be made now."""

    def peer(self, der: bytes) -> PeerCertificate:
        """What a station showed. Raises ValueError."""


class Handshakes:
    """Those that wait and those under way. `failed`: (address, why), told on the loop."""

    def __init__(
        self,
        authority: PortAuthority,
        door: Door,
        failed: Callable[[str, str], None],
    ) -> None:
        self._authority = authority
        self._door = door
        self._failed = failed
        self._waiting: OrderedDict[str, deque[tuple[StationConnection, bytes]]] = OrderedDict()
        self._under_way: set[asyncio.Task[None]] = set()
        self._tick: asyncio.TimerHandle | None = None

    def begin(self, connection: StationConnection, first: bytes) -> bool:
        """Take a connection whose other end began TLS; False: drop it."""
        if self._authority.context() is None or not self._door.may_begin_tls(connection.address):
            return False
        self._waiting.setdefault(connection.address, deque()).append((connection, first))
        if self._tick is None:
            self._start_some()
        return True

    async def stop(self) -> None:
        """End those under way."""
        if self._tick is not None:
            self._tick.cancel()
        self._waiting.clear()
        for task in tuple(self._under_way):
            task.cancel()
        await asyncio.gather(*tuple(self._under_way), return_exceptions=True)

    def _start_some(self) -> None:
        for _ in range(min(STARTS_PER_TICK, sum(map(len, self._waiting.values())))):
            address, queue = self._waiting.popitem(last=False)
            connection, first = queue.popleft()
            if queue:
                self._waiting[address] = queue
            task = asyncio.get_running_loop().create_task(self._upgrade(connection, first))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        self._tick = asyncio.get_running_loop().call_later(TICK_S, self._next_tick)

    def _next_tick(self) -> None:
        self._tick = None
        if self._waiting:
            self._start_some()

    async def _upgrade(self, connection: StationConnection, first: bytes) -> None:
        context = self._authority.context()
        if context is None:
            connection.transport.abort()
            return
        try:
            await connection.upgrade(first, context)
        except ssl.SSLError as error:
            reason = (error.reason or str(error)).casefold().replace("_", " ")
            self._failed(connection.address, reason)
        except OSError as error:
            silent = isinstance(error, ConnectionAbortedError)
            why = "the other end said nothing" if silent else "the other end closed the connection"
            self._failed(connection.address, why)
