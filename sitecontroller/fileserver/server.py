"""The file server as the controller uses it: a depot, tickets, and doors in their own threads.

A port of 0 is any free one; the one it got is taken again at the next start where it can be, so
that a station under way still finds us after a restart. Nothing here holds the controller's loop.
"""

import asyncio
import contextlib
import json
import logging
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, urlsplit

from OpenSSL import SSL

from sitecontroller.config import FileSettings
from sitecontroller.domain.errors import (
    ConfigurationError,
    FieldError,
    InvalidInput,
    NotFound,
    OperatingError,
)
from sitecontroller.domain.files import TransferScheme, clean_name, host_in_url
from sitecontroller.domain.security import TLS_CIPHERS
from sitecontroller.fileserver.addresses import address_towards
from sitecontroller.fileserver.depot import Depot, NoRoom, TooLarge
from sitecontroller.fileserver.ftp import USER, FtpDoor
from sitecontroller.fileserver.http import HttpDoor
from sitecontroller.fileserver.intake import Intake
from sitecontroller.fileserver.tickets import Tickets
from sitecontroller.ports import Clock, FileEvent, StoredFile

log = logging.getLogger(__name__)

CHUNK_BYTES = 256 * 1024
STOP_WITHIN_S = 5.0
MEBIBYTE = 1024 * 1024


class LanFileServer:
    """Files of and for stations on the LAN; fits `ports.FileServer`."""

    def __init__(
        self,
        settings: FileSettings,
        folder: Path,
        host: str,
        clock: Clock,
        tls_files: tuple[Path, ...] = (),
    ) -> None:
        """`tls_files`: key and chain of each kind, for https and ftps; without them these stay
        shut."""
        self._settings = settings
        self._tls_files = tls_files
        self._host = settings.host or host
        self._folder = folder
        self._quota_bytes = settings.quota_mb * MEBIBYTE
        self._depot = Depot(folder, self._quota_bytes)
        self._tickets = Tickets(clock)
        self._listener: Callable[[FileEvent], None] = lambda event: None
        self._loop = asyncio.get_running_loop()
        self._intake = Intake(self._depot, self._tickets, self._tell)
        self._doors: list[_HttpThread | FtpDoor] = []
        self._changing = threading.Lock()
        """Doors are opened and shut in threads."""
        self._stopped = False
        self.ports: dict[TransferScheme, int] = {}
        self._https: ssl.SSLContext | None = None
        self._tls_written_at: tuple[float, ...] = ()

    async def start(self) -> None:
        """Listen. Raises ConfigurationError when a port of site.toml can't be had."""
        listener = self._bind(TransferScheme.HTTP, self._settings.http_port)
        self._open(_HttpThread(HttpDoor(self._intake, listener)))
        if self._settings.ftp:
            self._open(self._ftp(TransferScheme.FTP, self._settings.ftp_port))
        await self.renew()
        self._tell_ports()

    async def stop(self) -> None:
        """Cut everyone off."""
        await asyncio.to_thread(self._shut)

    def _shut(self) -> None:
        with self._changing:
            self._stopped = True
            while self._doors:
                self._doors.pop().stop()

    def _open(self, door: "_HttpThread | FtpDoor") -> None:
        door.start()
        self._doors.append(door)

    def _open_secured(self) -> None:
        self._https = _tls_context(self._tls_files)
        listener = self._bind(TransferScheme.HTTPS, self._settings.https_port)
        self._open(_HttpThread(HttpDoor(self._intake, listener, self._https)))
        if self._settings.ftp:
            self._open(self._ftp(TransferScheme.FTPS, self._settings.ftps_port))

    def _ftp(self, scheme: TransferScheme, port: int) -> FtpDoor:
        tls = self._tls_files if all(file.exists() for file in self._tls_files) else ()
        return FtpDoor(
            self._intake,
            self._bind(scheme, port),
            self._settings.passive_ports,
            self._public_address(),
            tls_files=tls,
            tls_at_once=scheme is TransferScheme.FTPS,
        )

    # what the controller asks

    @property
    def schemes(self) -> tuple[TransferScheme, ...]:
        """The ways that are open, preferred first."""
        order = (
            TransferScheme.HTTP, TransferScheme.FTP, TransferScheme.HTTPS, TransferScheme.FTPS,
        )  # fmt: skip
        return tuple(scheme for scheme in order if scheme in self.ports)

    def tell(self, listener: Callable[[FileEvent], None]) -> None:
        """Who hears of files that came and went, on the loop."""
        self._listener = listener

    def offer(self, token: str, name: str, file_name: str) -> None:
        """Whoever knows the token may fetch a file, until it is withdrawn."""
        self._tickets.put(token, name, brings=False, file_name=file_name, size_max_bytes=0)

    def expect(self, token: str, name: str, size_max_bytes: int) -> None:
        """Whoever knows the token may bring one file, once."""
        self._tickets.put(token, name, brings=True, file_name="", size_max_bytes=size_max_bytes)

    def withdraw(self, token: str) -> None:
        """The token opens nothing any more."""
        self._tickets.withdraw(token)

    def moved_bytes(self, token: str) -> int:
        """How much went over so far."""
        ticket = self._tickets.known(token)
        return 0 if ticket is None else ticket.moved_bytes

    def url(self, token: str, scheme: TransferScheme, file_name: str, towards: str | None) -> str:
        """A URL under the address from which this PC reaches the station, or the public one."""
        path = f"/once/{token}/{quote(clean_name(file_name, ''))}"
        public = urlsplit(self._settings.public_url)
        if scheme is TransferScheme.HTTP and public.hostname:
            return self._settings.public_url.rstrip("/") + path
        host = host_in_url(public.hostname or address_towards(towards, self._host))
        user = f"{USER}:{token}@" if scheme in (TransferScheme.FTP, TransferScheme.FTPS) else ""
        return f"{scheme.value}://{user}{host}:{self.ports[scheme]}{path}"

    async def keep(
        self, name: str, chunks: AsyncIterator[bytes], size_max_bytes: int
    ) -> StoredFile:
        """Take a file in from our own side."""
        part = None
        try:
            part = await asyncio.to_thread(self._depot.part, name, size_max_bytes)
            async for chunk in chunks:
                await asyncio.to_thread(part.write, chunk)
            return await asyncio.to_thread(part.finish)
        except TooLarge as error:
            limit = f"at most {size_max_bytes // MEBIBYTE} MiB"
            raise InvalidInput(
                f"the file is too large: {limit}",
                remedy="Check that it is the right file; [files] in site.toml sets the limit",
                errors=(FieldError("body", limit),),
            ) from error
        except NoRoom as error:
            raise OperatingError(
                str(error), remedy="Remove old firmware, or raise quota_mb under [files]"
            ) from error
        except OSError as error:
            raise OperatingError(
                f"the file can't be kept: {error.strerror or error}", remedy="Check this PC's disk"
            ) from error
        finally:
            if part is not None:
                await asyncio.to_thread(part.discard)

    async def read(self, name: str) -> AsyncIterator[bytes]:
        """A file's bytes. Raises NotFound at the first step."""
        try:
            file: BinaryIO = await asyncio.to_thread(self._depot.path(name).open, "rb")
        except OSError:
            raise NotFound("the file is gone", remedy="Fetch it again") from None
        try:
            while piece := await asyncio.to_thread(file.read, CHUNK_BYTES):
                yield piece
        finally:
            file.close()

    def path(self, name: str) -> Path:
        """Where it lies, for the workshop."""
        return self._depot.path(name)

    async def remove(self, name: str) -> None:
        """Forget a file."""
        await asyncio.to_thread(self._depot.remove, name)

    async def names(self) -> frozenset[str]:
        """Of all files kept."""
        return await asyncio.to_thread(self._depot.names)

    async def renew(self) -> None:
        """Show a renewed certificate to those who come from now on; open https and ftps when
        there is a first one. Reading a certificate takes longer than the loop may be held."""
        await asyncio.to_thread(self._renew)

    def _renew(self) -> None:
        with self._changing:
            if not self._stopped:
                self._show_newest()

    def _show_newest(self) -> None:
        written_at = _written_at(self._tls_files)
        if written_at in ((), self._tls_written_at):
            return
        self._tls_written_at = written_at
        try:
            if self._https is None:
                self._open_secured()
                self._tell_ports()
                return
            for file in self._tls_files:
                self._https.load_cert_chain(file)
            for door in self._doors:
                if isinstance(door, FtpDoor):
                    door.renew(self._tls_files)
        except (OSError, SSL.Error, ConfigurationError) as error:
            log.warning("file server: no new certificate is shown: %s", error)
            return
        log.info("file server: a renewed certificate is shown")

    @property
    def fill(self) -> float:
        """How much of the quota is used."""
        return self._depot.used_bytes / self._quota_bytes

    # its own

    def _tell(self, event: FileEvent) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the next start finds the file
            self._loop.call_soon_threadsafe(lambda: self._listener(event))

    def _public_address(self) -> str | None:
        """For passive FTP behind a router; a name is left to the address it was reached by."""
        host = urlsplit(self._settings.public_url).hostname
        with contextlib.suppress(OSError):
            if host is not None:
                socket.inet_aton(host)
                return host
        return None

    def _bind(self, scheme: TransferScheme, port: int) -> socket.socket:
        """The port of site.toml; else the one of the last run, else any."""
        before = self._ports_before().get(scheme.value, 0)
        for wish in (port,) if port else (before, 0):
            try:
                family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
                listener = socket.create_server((self._host, wish), family=family, backlog=64)
            except OSError as error:
                fault = error
            else:
                self.ports[scheme] = listener.getsockname()[1]
                return listener
        key = f"files.{scheme.value}_port"
        raise ConfigurationError(
            f"{key}: {self._host}:{port} can't be had: {fault.strerror}",
            remedy="Write another port, or 0 for any free one",
            errors=(FieldError(key, "is taken or may not be used"),),
        )

    def _ports_before(self) -> dict[str, int]:
        try:
            ports = json.loads((self._folder / "ports.json").read_text(encoding="ascii"))
            return {name: int(port) for name, port in ports.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def _tell_ports(self) -> None:
        doors = " ".join(f"{scheme.value}={port}" for scheme, port in self.ports.items())
        log.info("file server: %s", doors)
        ports = {scheme.value: port for scheme, port in self.ports.items()}
        with contextlib.suppress(OSError):
            (self._folder / "ports.json").write_text(json.dumps(ports), encoding="ascii")


def _written_at(files: tuple[Path, ...]) -> tuple[float, ...]:
    """Of all; nothing while one of them is missing."""
    try:
        return tuple(file.stat().st_mtime for file in files)
    except OSError:
        return ()


def _tls_context(files: tuple[Path, ...]) -> ssl.SSLContext:
    """As on the stations' port, so that whoever can connect there can fetch its files here."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(TLS_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    for file in files:
        context.load_cert_chain(file)
    return context


class _HttpThread:
    """An event loop in a thread, for one HTTP door."""

    def __init__(self, door: HttpDoor) -> None:
        self._door = door
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="file server")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Blocks for a moment."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(STOP_WITHIN_S)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except Exception:
            log.exception("file server: http ended with a fault")
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        await self._door.start()
        try:
            await self._stopping.wait()
        finally:
            await self._door.stop()
