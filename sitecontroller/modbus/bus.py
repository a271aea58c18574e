"""One bus, one lock: requests to the meters on it go out one after the other.

A request that gets no proper answer is repeated on a clean line: TCP reconnects, a serial line is
given time to fall silent and what came is thrown away. Between frames RTU's silence is kept, and
before another unit the longer gap that some models need.
"""

import asyncio
from contextlib import suppress

from sitecontroller.domain.errors import MeterFault, MeterTimeout
from sitecontroller.modbus.address import BusAddress, Transport
from sitecontroller.modbus.connection import Connection, IllegalAddress
from sitecontroller.modbus.frames import Request
from sitecontroller.ports import Clock

TIMEOUT_S = 0.5
PROBE_TIMEOUT_S = 0.15
"""For a unit that may well not be there: its neighbours shall not wait for it."""
ATTEMPTS = 3
TURNAROUND_S = 0.1
REQUEST_BYTES = 8
FRAME_BYTES = 5
"""Unit, function, byte count and CRC around the registers of an answer."""
DRAIN_S = 0.05
"""How long a serial line is listened to after a failure, so that a late answer is not the next."""


class Bus:
    """What one address leads to. Connects when first asked and again after a failure."""

    def __init__(self, address: BusAddress, clock: Clock) -> None:
        self.address = address
        self._clock = clock
        self._lock = asyncio.Lock()
        self._connection: Connection | None = None
        self._clean = True
        self._unit_id: int | None = None
        self._quiet_since_s = clock.monotonic_s()

    async def read(
        self,
        request: Request,
        *,
        timeout_s: float = TIMEOUT_S,
        attempts: int = ATTEMPTS,
        unit_gap_s: float = 0.0,
    ) -> list[int]:
        """Registers or bits, after at most `attempts` × (connecting + `timeout_s`) on the line.

        Raises MeterTimeout, MeterFault, or IllegalAddress at once.
        """
        assert attempts >= 1
        async with self._lock:
            for _ in range(attempts - 1):
                with suppress(MeterTimeout, MeterFault):
                    return await self._ask(request, timeout_s, unit_gap_s)
            return await self._ask(request, timeout_s, unit_gap_s)

    async def connect(self) -> None:
        """Open the line, if it isn't. Raises MeterTimeout."""
        async with self._lock:
            await self._open(TIMEOUT_S)

    def close(self) -> None:
        """Close the line; a later read opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _ask(self, request: Request, timeout_s: float, unit_gap_s: float) -> list[int]:
        if not self._clean:
            await self._make_clean()
        connection = await self._open(timeout_s)
        await self._keep_silence(request.unit_id, unit_gap_s)
        self._clean = False
        try:
            registers = await connection.ask(request, max(timeout_s, self._fastest_s(request)))
        except IllegalAddress:
            self._clean = True  # an answer like another: the line is in order
            raise
        finally:
            self._quiet_since_s = self._clock.monotonic_s()
        self._clean = True
        return registers

    def _fastest_s(self, request: Request) -> float:
        """What a quick meter takes: a slow line needs more than the usual time-out."""
        characters = REQUEST_BYTES + FRAME_BYTES + request.answer_bytes
        return self.address.wire_s(characters) + TURNAROUND_S

    async def _open(self, timeout_s: float) -> Connection:
        if self._connection is None or not self._connection.is_open:
            self.close()
            self._connection = await Connection.open(self.address, timeout_s)
        return self._connection

    async def _make_clean(self) -> None:
        if self.address.transport is Transport.SERIAL:
            await asyncio.sleep(DRAIN_S)
        else:
            self.close()
        self._clean = True

    async def _keep_silence(self, unit_id: int, unit_gap_s: float) -> None:
        gap_s = self.address.silence_s
        if unit_id != self._unit_id and self._unit_id is not None:
            gap_s = max(gap_s, unit_gap_s)
        self._unit_id = unit_id
        wait_s = self._quiet_since_s + gap_s - self._clock.monotonic_s()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
