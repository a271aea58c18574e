"""The `websockets` library as the server needs it: the raw head of a handshake, and a `Wire`.

The library answers a malformed request with silence and has no word in before a request is parsed;
here the head is read whole, bounded and checked first. All that depends on the library's inside is
in this module.
"""

import asyncio
import contextlib
import http
import socket
import ssl
from collections.abc import Callable
from typing import Any, Protocol, cast

from websockets import frames
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.frames import BINARY, CONT, TEXT, Frame
from websockets.http11 import Response
from websockets.protocol import CLOSED, OPEN, Event

from sitecontroller.ocpp.handshake import HEAD_BYTES_MAX, fault_of_head

END_OF_HEAD = b"\r\n\r\n"
EARLY_FRAMES_MAX = 16
"""That come before the session is ready for them."""
FRAGMENTS_MAX = 64
"""Of one message before they are joined: a million fragments of one byte cost no more."""
GOING_AWAY = 1001
FIN_TEXT = 0x81
MASKED = 0x80
MASK_BYTES = 4
apply_mask = frames.apply_mask  # type: ignore[attr-defined]  # the one in C where it was built
TLS_HANDSHAKE = b"\x16"
"""The first byte of TLS (RFC 8446, 5.1); no HTTP request begins with it."""
TLS_HANDSHAKE_S = 5.0
TLS_SHUTDOWN_S = 2.0
TCP_KEEP_ALIVE_S = 60
"""Finds a dead peer that neither pings nor polls reach, as before the first boot."""


class Gatehouse(Protocol):
    """What a connection asks before it has a request, and tells when it is over."""

    def opened(self, connection: "StationConnection") -> bool:
        """Whether this socket may stay."""

    def malformed(self, connection: "StationConnection", reason: str, head: bytes) -> bool:
        """What was sent is no HTTP request. Whether to answer at all."""

    @property
    def speaks_tls(self) -> bool:
        """Whether TLS is spoken here at all."""

    def secure(self, connection: "StationConnection", first: bytes) -> bool:
        """The other end began TLS with these bytes. Call `upgrade` soon; False: drop it."""

    def closed(self, connection: "StationConnection") -> None:
        """The socket is closed."""


class StationConnection(ServerConnection):
    """A socket from a station, from its first byte."""

    gatehouse: Gatehouse
    admitted: Any = None
    """Set by the server when the log-in succeeded."""
    secured = False
    """Whether TLS is spoken."""
    address = ""
    """The IP address at the other end."""
    certificate: bytes | None = None
    """What the other end showed in the TLS handshake, DER."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._early: list[bytes] = []
        self._fragments: list[bytes] = []
        self._on_frame: Callable[[bytes], None] = self._early.append
        self._on_lost: Callable[[], None] | None = None
        self._head: bytearray | None = bytearray()
        self._turned_away = False
        self._refused = False
        self._held: bytearray | None = None
        """What comes through TLS before its handshake has returned; None: no handshake runs."""
        self._lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket, unless there are too many."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by name
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if isinstance(peer, tuple) and peer else ""
        if not self.gatehouse.opened(self):
            self._turned_away = True
            self.transport.abort()
            return
        _keep_alive(self.transport)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Hold back the head until it is whole, then let the library read it."""
        if self._turned_away:
            return
        if self._head is None:
            if not self._refused:
                self._receive(data)
            return
        if self._held is not None:
            self._held += data
            return
        if not self._head and not self.secured and data.startswith(TLS_HANDSHAKE):
            self._begin_tls(data)
            return
        self._head += data
        end = self._head.find(END_OF_HEAD)
        if end < 0 and len(self._head) <= HEAD_BYTES_MAX:
            return
        received, self._head = bytes(self._head), None
        if end < 0 or end > HEAD_BYTES_MAX:
            self._refuse(http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "too long", received)
            return
        fault = fault_of_head(received[: end + len(END_OF_HEAD)])
        if fault is not None:
            self._refuse(http.HTTPStatus.BAD_REQUEST, fault, received)
            return
        super().data_received(received)

    def _receive(self, data: bytes) -> None:
        """Take the whole text frames at its start, nearly all there are: the library does the same
        for 9 µs more. The rest is the library's, as all is while its parser has something begun."""
        protocol = self.protocol
        if protocol.state is OPEN and protocol.current_size is None and not protocol.reader.buffer:
            while (payload := _text_bounds(data)) is not None:
                start, end = payload
                self._hand_on(apply_mask(data[start:end], data[start - MASK_BYTES : start]))
                data = data[end:]
        if data:
            super().data_received(data)

    def _begin_tls(self, first: bytes) -> None:
        if not self.gatehouse.speaks_tls:
            self._head = None
            self._refuse(http.HTTPStatus.BAD_REQUEST, "TLS is off here", first)
            return
        self._held = bytearray()
        self.transport.pause_reading()
        if not self.gatehouse.secure(self, first):
            self.transport.abort()

    async def upgrade(self, first: bytes, context: ssl.SSLContext) -> None:
        """Speak TLS from here on. Raises OSError (also ssl.SSLError) when it comes to nothing."""
        plain, loop = self.transport, asyncio.get_running_loop()
        if plain.is_closing():
            raise ConnectionResetError("closed before TLS began")
        handshake = loop.create_task(
            loop.start_tls(
                plain,
                self,
                context,
                server_side=True,
                ssl_handshake_timeout=TLS_HANDSHAKE_S,
                ssl_shutdown_timeout=TLS_SHUTDOWN_S,
            )
        )
        try:
            await asyncio.sleep(0)
            # `start_tls` has put its own protocol in place and asked to be connected: after that
            # it may be handed what was read before it came.
            loop.call_soon(_feed, plain.get_protocol(), first)
            secure = await handshake
            if secure is None or secure.is_closing():
                raise ConnectionResetError("closed during the TLS handshake")
        except BaseException:
            handshake.cancel()
            plain.abort()
            self.connection_lost(None)  # a handshake that is cut off tells nobody
            raise
        secure.set_write_buffer_limits(self.write_limit_high, self.write_limit_low)
        session = secure.get_extra_info("ssl_object")
        self.certificate = None if session is None else session.getpeercert(binary_form=True)
        self.transport, self.secured = secure, True
        held, self._held = self._held, None
        if held:
            self.data_received(bytes(held))

    def listen(self, on_frame: Callable[[bytes], None], on_lost: Callable[[], None]) -> None:
        """Hand each data frame on as it comes, without the library's queue: an answer to one of
        our calls is then never behind a CALL that waits for its commit, and 4 µs are saved."""
        early, self._early = self._early, []
        self._on_frame, self._on_lost = on_frame, on_lost
        self.transport.resume_reading()
        for frame in early:
            on_frame(frame)
        if self.protocol.state is CLOSED:
            on_lost()

    def process_event(self, event: Event) -> None:
        """Data frames go to the session, all else to the library."""
        if type(event) is not Frame or event.opcode not in (TEXT, BINARY, CONT):
            super().process_event(event)
        elif event.fin and not self._fragments:
            self._hand_on(bytes(event.data))
        else:
            self._gather(event)

    def _gather(self, fragment: Frame) -> None:
        """Put a message together; the library bounds its size."""
        self._fragments.append(bytes(fragment.data))
        if fragment.fin or len(self._fragments) >= FRAGMENTS_MAX:
            self._fragments = [b"".join(self._fragments)]
        if fragment.fin:
            self._hand_on(self._fragments.pop())

    def _hand_on(self, message: bytes) -> None:
        self._on_frame(message)
        if len(self._early) >= EARLY_FRAMES_MAX:
            self.transport.pause_reading()

    def eof_received(self) -> None:
        """The station half-closed its socket; during a TLS handshake that closes it."""
        if not self._turned_away and self._held is None:
            super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        if self._turned_away or self._lost:
            return
        self._lost = True
        super().connection_lost(exc)
        self.gatehouse.closed(self)
        if self._on_lost is not None:
            self._on_lost()

    def _refuse(self, status: http.HTTPStatus, reason: str, head: bytes) -> None:
        if not self.gatehouse.malformed(self, reason, head):
            self.transport.abort()
            return
        self._refused = True
        self.transport.write(plain_response(status, f"{reason}\n").serialize())
        # Half-closed and drained until the time for opening is over: to close at once would send a
        # reset while the rest of the request arrives, and the answer would be lost with it.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()  # TLS has no half


def plain_response(status: http.HTTPStatus, text: str, **headers: str) -> Response:
    """An HTTP answer that is no WebSocket; the same bytes for the same arguments."""
    body = text.encode()
    fields = Headers(
        [
            ("Connection", "close"),
            ("Content-Length", str(len(body))),
            ("Content-Type", "text/plain; charset=utf-8"),
            *((name.replace("_", "-"), value) for name, value in headers.items()),
        ]
    )
    return Response(status.value, status.phrase, fields, body)


class WebSocketWire:
    """A `link.Wire` over the library's connection."""

    def __init__(self, connection: StationConnection) -> None:
        self._connection = connection
        self.listen = connection.listen

    def pause(self) -> None:
        """Read no more frames."""
        self._connection.transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        self._connection.transport.resume_reading()

    def send(self, frame: bytes) -> None:
        """Write a text frame without waiting. The library's `send` does the same in 5 µs more."""
        if self._connection.protocol.state is OPEN:
            self._connection.transport.write(_text_head(len(frame)) + frame)

    @property
    def congested(self) -> bool:
        """Whether more is unsent than the library's high-water mark."""
        return self._connection.paused

    async def drain(self) -> None:
        """Wait until less is unsent, or the connection ends."""
        with contextlib.suppress(OSError):
            await self._connection.drain()

    async def ping(self) -> bool:
        """Whether a pong came; False when the connection ends."""
        try:
            await (await self._connection.ping())
        except ConnectionClosed:
            return False
        return True

    async def close(self, reason: str) -> None:
        """Close with 1001, "going away"."""
        await self._connection.close(GOING_AWAY, reason[:120])

    def abort(self) -> None:
        """Drop the TCP connection."""
        self._connection.transport.abort()


def _feed(protocol: asyncio.BaseProtocol, received: bytes) -> None:
    """Hand bytes to a protocol that fills a buffer of its own, as TLS does in every event loop."""
    assert hasattr(protocol, "buffer_updated"), "start_tls left its place"
    tls = cast("asyncio.BufferedProtocol", protocol)
    while received:
        buffer = memoryview(tls.get_buffer(len(received)))
        size = min(len(buffer), len(received))
        buffer[:size] = received[:size]
        tls.buffer_updated(size)
        received = received[size:]


def _text_bounds(data: bytes) -> tuple[int, int] | None:
    """Where the payload of a whole, masked text frame at the start of `data` begins and ends, up to
    64 KiB; None where anything else stands there."""
    if len(data) < 2 + MASK_BYTES or data[0] != FIN_TEXT or data[1] < MASKED:
        return None
    size, start = data[1] - MASKED, 2 + MASK_BYTES
    if size == 126:
        size, start = int.from_bytes(data[2:4], "big"), start + 2
    elif size == 127:
        return None
    end = start + size
    return (start, end) if end <= len(data) else None


def _text_head(size: int) -> bytes:
    """The head of a whole, unmasked text frame (RFC 6455, 5.2)."""
    if size < 126:
        return bytes((FIN_TEXT, size))
    if size < 65536:
        return bytes((FIN_TEXT, 126)) + size.to_bytes(2, "big")
    return bytes((FIN_TEXT, 127)) + size.to_bytes(8, "big")


def _keep_alive(transport: asyncio.Transport) -> None:
    """Let the system find dead peers. Not every platform has all of these options."""
    sock = transport.get_extra_info("socket")
    if sock is None:
        return
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL"):
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), TCP_KEEP_ALIVE_S)
