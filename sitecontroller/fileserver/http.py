"""HTTP for stations: GET and HEAD (with Range) of what a ticket offers, PUT and POST of what one
expects. Whoever knows no valid ticket gets one and the same answer to everything.

Runs on a loop of its own in the file server's thread, so its disk work may block. h11 reads the
requests; every wait is bounded, and so is the number of connections, in total and by address.
"""

import asyncio
import contextlib
import re
import socket
import ssl
from collections import Counter
from dataclasses import dataclass
from typing import Any, BinaryIO
from urllib.parse import unquote

import h11

from sitecontroller.domain.files import TransferScheme
from sitecontroller.fileserver.depot import NoRoom, TooLarge
from sitecontroller.fileserver.intake import Intake, Upload
from sitecontroller.fileserver.multipart import BadForm, FormFile
from sitecontroller.fileserver.tickets import Ticket

CONNECTIONS_MAX = 64
CONNECTIONS_PER_ADDRESS_MAX = 16
REQUESTS_PER_CONNECTION_MAX = 100
HEAD_BYTES_MAX = 16 * 1024
HEAD_WITHIN_S = 10.0
"""From the first moment of a connection, or from the last answer, to a whole head."""
PIECE_WITHIN_S = 30.0
TRANSFER_WITHIN_S = 6 * 3600.0
SLOW_AFTER_S = 60.0
BYTES_PER_S_MIN = 100
"""On average, once a transfer has lasted `SLOW_AFTER_S`: slower ones only hold a place."""
CHUNK_BYTES = 64 * 1024
LINGER_S = 1.0

_TARGET = re.compile(r"(?:https?://[^/]*)?/+once/+([0-9a-f]{32})(?:/([^?#]*))?(?:[?#].*)?")
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")
_FILE_NAME = re.compile(r'filename="?([^";]{1,200})"?', re.IGNORECASE)


class _Refused(Exception):
    """An answer with a status alone; the connection ends with it."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


class HttpDoor:
    """Serves on a socket that is bound already."""

    def __init__(
        self, intake: Intake, listener: socket.socket, tls: ssl.SSLContext | None = None
    ) -> None:
        self._intake = intake
        self._listener = listener
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._addresses: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Begin to accept."""
        handshake: dict[str, Any] = {}
        if self._tls is not None:
            handshake = {"ssl_handshake_timeout": HEAD_WITHIN_S, "ssl_shutdown_timeout": LINGER_S}
        self._server = await asyncio.start_server(
            self._accept,
            sock=self._listener,
            limit=HEAD_BYTES_MAX * 2,
            ssl=self._tls,
            **handshake,
        )

    async def stop(self) -> None:
        """Cut everyone off."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        address = str((writer.get_extra_info("peername") or ("?",))[0])
        full = len(self._tasks) >= CONNECTIONS_MAX
        try:
            if full or self._addresses[address] >= CONNECTIONS_PER_ADDRESS_MAX:
                return
            self._tasks.add(task)
            self._addresses[address] += 1
            try:
                scheme = TransferScheme.HTTP if self._tls is None else TransferScheme.HTTPS
                await _Conversation(self._intake, reader, writer, scheme).run()
            finally:
                self._tasks.discard(task)
                self._addresses[address] -= 1
                if not self._addresses[address]:
                    del self._addresses[address]
        except (OSError, TimeoutError, h11.ProtocolError, asyncio.CancelledError):
            pass  # the other end is gone, too slow, or speaks something else: it is let go
        finally:
            writer.close()
            with contextlib.suppress(OSError, TimeoutError, asyncio.CancelledError):
                async with asyncio.timeout(LINGER_S):
                    await writer.wait_closed()
            writer.transport.abort()


@dataclass(slots=True)
class _Pace:
    """Keeps a transfer from lasting for ever."""

    loop: asyncio.AbstractEventLoop
    began_s: float
    moved: int = 0

    def check(self, size: int) -> None:
        """Raises TimeoutError for one that is too slow."""
        self.moved += size
        lasted_s = self.loop.time() - self.began_s
        too_slow = lasted_s > SLOW_AFTER_S and self.moved < lasted_s * BYTES_PER_S_MIN
        if too_slow or lasted_s > TRANSFER_WITHIN_S:
            raise TimeoutError


class _Conversation:
    """One connection."""

    def __init__(
        self,
        intake: Intake,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        scheme: TransferScheme,
    ) -> None:
        self._intake = intake
        self._scheme = scheme
        self._reader = reader
        self._writer = writer
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
        self._loop = asyncio.get_running_loop()

    async def run(self) -> None:
        """Request after request, until one end has had enough."""
        for _ in range(REQUESTS_PER_CONNECTION_MAX):
            async with asyncio.timeout(HEAD_WITHIN_S):
                event = await self._event(HEAD_WITHIN_S)
            if not isinstance(event, h11.Request):
                return
            try:
                await self._answer(event)
            except _Refused as refusal:
                await self._say(refusal.status, close=True)
                await self._linger()
                return
            if self._h11.our_state is not h11.DONE or self._h11.their_state is not h11.DONE:
                return
            self._h11.start_next_cycle()

    async def _event(self, within_s: float) -> Any:
        while True:
            event = self._h11.next_event()
            if event is not h11.NEED_DATA:
                return event
            if self._h11.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=100, headers=[]))
            async with asyncio.timeout(within_s):
                data = await self._reader.read(CHUNK_BYTES)
            self._h11.receive_data(data)

    async def _answer(self, request: h11.Request) -> None:
        target = _TARGET.fullmatch(request.target.decode("latin-1"))
        brings = request.method in (b"PUT", b"POST")
        if target is None or request.method not in (b"GET", b"HEAD", b"PUT", b"POST"):
            raise _Refused(404)
        ticket = self._intake.tickets.find(target[1], brings=brings)
        if ticket is None:
            raise _Refused(404)
        if brings:
            await self._take(request, ticket, unquote(target[2] or ""))
            return
        if not isinstance(await self._event(PIECE_WITHIN_S), h11.EndOfMessage):
            raise _Refused(404)  # who asks for a file has no more to say
        await self._give(request, ticket)

    # what a station brings

    async def _take(self, request: h11.Request, ticket: Ticket, path_name: str) -> None:
        headers = {name: value.decode("latin-1") for name, value in request.headers}
        if b"content-range" in headers:
            raise _Refused(400)  # a piece alone would pass for the whole
        length = headers.get(b"content-length", "0")
        if int(length) > ticket.size_max_bytes:
            raise _Refused(413)
        try:
            upload = self._intake.begin(ticket)
        except NoRoom:
            raise _Refused(507) from None
        try:
            file_name = await self._receive(headers, upload)
            kept = upload.finish(file_name or path_name, self._scheme)
        except TooLarge:
            raise _Refused(413) from None
        except NoRoom:
            raise _Refused(507) from None
        except BadForm:
            raise _Refused(400) from None
        finally:
            upload.discard()
        if not kept:
            raise _Refused(400)
        await self._say(200)

    async def _receive(self, headers: dict[bytes, str], upload: Upload) -> str:
        """The body into the file; the name that it came under."""
        content_type = headers.get(b"content-type", "")
        form = None
        if content_type.lower().startswith("multipart/"):
            form = FormFile(content_type, upload.write)
        pace = _Pace(self._loop, self._loop.time())
        while True:
            event = await self._event(PIECE_WITHIN_S)
            if isinstance(event, h11.EndOfMessage):
                break
            if not isinstance(event, h11.Data):
                raise ConnectionResetError
            (upload.write if form is None else form.feed)(bytes(event.data))
            pace.check(len(event.data))
        if form is not None:
            if not form.whole:
                raise BadForm("cut off")
            return form.file_name
        named = _FILE_NAME.search(headers.get(b"content-disposition", ""))
        return named[1] if named else ""

    # what a station fetches

    async def _give(self, request: h11.Request, ticket: Ticket) -> None:
        try:
            file = self._intake.depot.path(ticket.name).open("rb")
        except OSError:
            raise _Refused(404) from None
        with file:
            size = file.seek(0, 2)
            asked = dict(request.headers).get(b"range")
            start, end = _span(asked, size)
            headers = [
                ("content-type", "application/octet-stream"),
                ("accept-ranges", "bytes"),
                ("content-length", str(end - start)),
            ]
            if start > 0 or end < size:
                headers.append(("content-range", f"bytes {start}-{end - 1}/{size}"))
            partial = len(headers) > 3
            await self._send(h11.Response(status_code=206 if partial else 200, headers=headers))
            if request.method == b"GET":
                await self._pour(file, start, end, ticket)
            await self._send(h11.EndOfMessage())
        if request.method == b"GET" and end == size:
            self._intake.fetched(ticket, self._scheme)

    async def _pour(self, file: BinaryIO, start: int, end: int, ticket: Ticket) -> None:
        pace = _Pace(self._loop, self._loop.time())
        file.seek(start)
        at = start
        while at < end:
            piece = file.read(min(CHUNK_BYTES, end - at))
            if not piece:
                raise ConnectionResetError
            await self._send(h11.Data(data=piece))
            at += len(piece)
            ticket.moved_bytes = max(ticket.moved_bytes, at)
            pace.check(len(piece))

    # words

    async def _say(self, status: int, *, close: bool = False) -> None:
        if self._h11.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        headers = [("content-length", "0")]
        if close:
            headers.append(("connection", "close"))
        await self._send(h11.Response(status_code=status, headers=headers))
        await self._send(h11.EndOfMessage())

    async def _send(self, event: Any) -> None:
        data = self._h11.send(event)
        if data:
            self._writer.write(data)
            async with asyncio.timeout(PIECE_WITHIN_S):
                await self._writer.drain()

    async def _linger(self) -> None:
        """Read on for a moment: closing on unread bytes would reset the answer away."""
        if self._writer.can_write_eof():
            self._writer.write_eof()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while await self._reader.read(CHUNK_BYTES):
                    pass


def _span(asked: bytes | None, size: int) -> tuple[int, int]:
    """What a Range header asks for; several ranges, or none that we can read, mean all."""
    found = _RANGE.fullmatch((asked or b"").decode("latin-1").replace(" ", ""))
    if found is None or not (found[1] or found[2]):
        return 0, size
    if not found[1]:
        return max(0, size - int(found[2])), size
    start = int(found[1])
    end = min(size, int(found[2]) + 1) if found[2] else size
    if start >= size or end <= start:
        raise _Refused(416)
    return start, end
