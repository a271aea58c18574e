"""The terminal's ends of a line: TCP, and a serial line of the kernel's (a pty)."""

import asyncio
import contextlib
import os
import tty
from typing import Protocol

from sitecontroller.payments.zvt import framing
from sitecontroller.payments.zvt.apdu import Apdu, ApduBuffer, ZvtError, decode
from sitecontroller.payments.zvt.framing import ACK, NAK, Block, BlockReader, Signal

ACK_WAIT_S = 5.0
REPEATS = 2
READ_BYTES = 4096


class Hung(Exception):
    """The till is gone."""


class End(Protocol):
    """One connection, seen from the terminal."""

    async def send(self, apdu: Apdu) -> None: ...
    async def send_raw(self, data: bytes) -> None: ...
    async def receive(self) -> Apdu: ...
    def close(self) -> None: ...


class TcpEnd:
    """Plain APDUs."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._buffer = ApduBuffer()
        self._waiting: list[Apdu] = []

    async def send(self, apdu: Apdu) -> None:
        """Write it."""
        await self.send_raw(apdu.encode())

    async def send_raw(self, data: bytes) -> None:
        """Write bytes, whatever they are."""
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            raise Hung from error

    async def receive(self) -> Apdu:
        """The next one. Raises Hung."""
        while not self._waiting:
            try:
                data = await self._reader.read(READ_BYTES)
            except OSError as error:
                raise Hung from error
            if not data:
                raise Hung
            self._waiting = self._buffer.feed(data)
        return self._waiting.pop(0)

    def close(self) -> None:
        """Close the socket."""
        self._writer.close()


class PtyEnd:
    """Blocks on the master side of a pty; `device` is what the till opens.

    `turns_bytes` of the next blocks that come are answered with NAK, as a noisy line would.
    """

    def __init__(self) -> None:
        self._fd, self._other = os.openpty()
        tty.setraw(self._other)
        os.set_blocking(self._fd, False)
        self.device = os.ttyname(self._other)
        self.turns_bytes = 0
        self.blocks_received = 0
        self._reader = BlockReader()
        self._apdus: asyncio.Queue[Apdu] = asyncio.Queue()
        self._signals: asyncio.Queue[Signal] = asyncio.Queue()
        asyncio.get_running_loop().add_reader(self._fd, self._ready)

    async def send(self, apdu: Apdu) -> None:
        """Send until it is acknowledged. Raises Hung after the last repeat."""
        while not self._signals.empty():
            self._signals.get_nowait()
        for _ in range(1 + REPEATS):
            await self.send_raw(framing.encode(apdu.encode()))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ACK_WAIT_S):
                    if await self._signals.get() is Signal.ACK:
                        return
        raise Hung

    async def send_raw(self, data: bytes) -> None:
        """Write bytes, whatever they are."""
        with contextlib.suppress(OSError):
            os.write(self._fd, data)

    async def receive(self) -> Apdu:
        """The next one."""
        return await self._apdus.get()

    def close(self) -> None:
        """A serial line has nothing to close: what waits is forgotten."""
        while not self._apdus.empty():
            self._apdus.get_nowait()

    def end(self) -> None:
        """Take the device away."""
        asyncio.get_running_loop().remove_reader(self._fd)
        os.close(self._fd)
        os.close(self._other)

    def _ready(self) -> None:
        data = b""
        with contextlib.suppress(OSError):
            data = os.read(self._fd, READ_BYTES)
        for found in self._reader.feed(data):
            if not isinstance(found, Block):
                self._signals.put_nowait(found)
                continue
            self.blocks_received += 1
            if self.turns_bytes:
                self.turns_bytes -= 1
                os.write(self._fd, NAK)
                continue
            with contextlib.suppress(ZvtError):
                self._apdus.put_nowait(decode(found.apdu))
                os.write(self._fd, ACK)
