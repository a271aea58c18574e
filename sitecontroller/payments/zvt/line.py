"""The line to a terminal: TCP with plain APDUs, or RS232 with blocks, behind one interface.

A line that failed once is closed and never used again. What waits here has a bound: connecting,
T1 between two bytes, T2 for an ACK, repeats; T3 and T4 are the client's.
"""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

from pymodbus.transport.serialtransport import create_serial_connection

from sitecontroller.payments.zvt import framing
from sitecontroller.payments.zvt.apdu import Apdu, ApduBuffer, ZvtError, decode
from sitecontroller.payments.zvt.framing import ACK, NAK, Block, BlockReader, Signal

PORT = 20007
CONNECT_S = 5.0
T1_S = 0.2
T2_S = 5.0
REPEATS = 2
READ_BYTES = 4096
WAITING_MAX = 256
"""APDUs that were received and not fetched; a terminal sends one and waits for its answer."""
BAUD_RATES = (9600, 19200, 38400, 57600, 115200)


class LineBroken(Exception):
    """The line is gone: not reached, closed, silent, or speaking something else. In words."""


class Line(Protocol):
    """An open line."""

    async def send(self, apdu: Apdu) -> None:
        """Hand it to the other end. Raises LineBroken: it may or may not have arrived."""

    async def receive(self) -> Apdu:
        """The next one. Raises LineBroken."""

    @property
    def is_gone(self) -> bool:
        """Whether the other end is known to have closed it."""

    def close(self) -> None:
        """End it; what waits raises LineBroken."""


@dataclass(frozen=True, slots=True)
class TerminalAddress:
    """Where a terminal is: host and port, or a serial device and its speed."""

    url: str
    host: str = ""
    port: int = PORT
    device: str = ""
    baud_rate: int = 9600

    @classmethod
    def parse(cls, url: str) -> "TerminalAddress":
        """`tcp://HOST[:20007]` or `serial:/dev/ttyS0[?baudrate=115200]`. Raises ValueError."""
        parts = urlsplit(url)
        if parts.scheme == "tcp" and parts.hostname:
            return cls(url, host=parts.hostname, port=parts.port or PORT)
        if parts.scheme == "serial" and (device := parts.path or parts.netloc):
            settings = dict(parse_qsl(parts.query))
            baud_rate = int(settings.pop("baudrate", "9600"))
            if settings or baud_rate not in BAUD_RATES:
                raise ValueError(f"{url}: only ?baudrate= of {', '.join(map(str, BAUD_RATES))}")
            return cls(url, device=device, baud_rate=baud_rate)
        raise ValueError(f"'{url}' is no address; write tcp://HOST:20007 or serial:/dev/ttyUSB0")


async def connect(address: TerminalAddress, connect_s: float = CONNECT_S) -> Line:
    """An open line. Raises LineBroken."""
    try:
        async with asyncio.timeout(connect_s):
            if address.host:
                return TcpLine(*await asyncio.open_connection(address.host, address.port))
            return await SerialLine.open(address.device, address.baud_rate)
    except TimeoutError:
        raise LineBroken(f"{address.url} doesn't answer") from None
    except (OSError, ValueError) as error:
        raise LineBroken(f"{address.url}: {error}") from None


class TcpLine:
    """APDUs on a stream, as they are."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._buffer = ApduBuffer()
        self._waiting: list[Apdu] = []

    @property
    def is_gone(self) -> bool:
        """Whether the stream has ended."""
        return self._reader.at_eof() or self._writer.is_closing()

    async def send(self, apdu: Apdu) -> None:
        """Write it."""
        if self.is_gone:  # uvloop raises RuntimeError then
            raise LineBroken("the terminal closed the line")
        try:
            self._writer.write(apdu.encode())
            await self._writer.drain()
        except OSError as error:
            raise LineBroken(f"the terminal's line broke: {error}") from None

    async def receive(self) -> Apdu:
        """Read on until one is whole."""
        while not self._waiting:
            try:
                data = await self._reader.read(READ_BYTES)
            except OSError as error:
                raise LineBroken(f"the terminal's line broke: {error}") from None
            if not data:
                raise LineBroken("the terminal closed the line")
            self._waiting = self._buffer.feed(data)
        return self._waiting.pop(0)

    def close(self) -> None:
        """Close the socket."""
        with contextlib.suppress(OSError, RuntimeError):
            self._writer.close()


class SerialLine(asyncio.Protocol):
    """APDUs in blocks: each is acknowledged, and repeated at most `REPEATS` times."""

    def __init__(self, t1_s: float = T1_S, t2_s: float = T2_S) -> None:
        self._t1_s, self._t2_s = t1_s, t2_s
        self._reader = BlockReader()
        self._received: asyncio.Queue[Apdu | LineBroken] = asyncio.Queue(WAITING_MAX)
        self._acknowledged: asyncio.Future[bool] | None = None
        self._between_bytes: asyncio.TimerHandle | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._broken: LineBroken | None = None
        self._sending = asyncio.Lock()

    @classmethod
    async def open(cls, device: str, baud_rate: int) -> "SerialLine":
        """Open a device with 8 data bits, no parity, 2 stop bits. Raises OSError."""
        loop = asyncio.get_running_loop()
        line = cls()
        await create_serial_connection(
            loop, lambda: line, device, baudrate=baud_rate, bytesize=8, parity="N", stopbits=2
        )
        await asyncio.sleep(0)  # the transport sets itself up in this turn and tells in the next
        await asyncio.sleep(0)
        return line

    @property
    def is_gone(self) -> bool:
        """Whether the device is gone."""
        return self._transport is None

    async def send(self, apdu: Apdu) -> None:
        """Send a block until it is acknowledged."""
        block = framing.encode(apdu.encode())
        async with self._sending:
            for _ in range(1 + REPEATS):
                if await self._acknowledges(block):
                    return
        raise self._fail("the terminal doesn't acknowledge what is sent")

    async def receive(self) -> Apdu:
        """The next block that came whole."""
        found = await self._received.get()
        if isinstance(found, LineBroken):
            raise found
        return found

    def close(self) -> None:
        """Close the device."""
        self._stop_timer()
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The device is open."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """The device is gone."""
        self._transport = None
        self._fail(f"the terminal's serial line is gone: {exc}")

    def data_received(self, data: bytes) -> None:
        """What the device read."""
        self._stop_timer()
        for found in self._reader.feed(data):
            if isinstance(found, Block):
                self._take(found)
            elif found is Signal.BROKEN:
                self._write(NAK)
            elif self._acknowledged is not None and not self._acknowledged.done():
                self._acknowledged.set_result(found is Signal.ACK)
        if self._reader.is_partial:
            loop = asyncio.get_running_loop()
            self._between_bytes = loop.call_later(self._t1_s, self._give_up_block)

    async def _acknowledges(self, block: bytes) -> bool:
        self._acknowledged = asyncio.get_running_loop().create_future()
        self._write(block)
        try:
            async with asyncio.timeout(self._t2_s):
                return await self._acknowledged
        except TimeoutError:
            return False
        finally:
            self._acknowledged = None

    def _take(self, block: Block) -> None:
        try:
            apdu = decode(block.apdu)
        except ZvtError:
            self._write(NAK)
            return
        self._write(ACK)
        try:
            self._received.put_nowait(apdu)
        except asyncio.QueueFull:
            self._fail("the terminal sends without end")

    def _give_up_block(self) -> None:
        self._reader.reset()
        self._write(NAK)

    def _write(self, data: bytes) -> None:
        if self._transport is None:
            raise self._broken or LineBroken("the terminal's serial line is closed")
        self._transport.write(data)

    def _fail(self, why: str) -> LineBroken:
        self._broken = self._broken or LineBroken(why)
        while self._received.full():
            self._received.get_nowait()
        self._received.put_nowait(self._broken)
        if self._acknowledged is not None and not self._acknowledged.done():
            self._acknowledged.set_exception(self._broken)
        self.close()
        return self._broken

    def _stop_timer(self) -> None:
        if self._between_bytes is not None:
            self._between_bytes.cancel()
            self._between_bytes = None
