"""FTP for stations, by pyftpdlib in a thread of its own: a tree that has nothing in it.

A station logs in with its ticket (user `job`, password the token), which opens any path, or as
anybody and names the token in the path. It can bring or fetch that ticket's file and see nothing:
folders are empty, everything else does not exist. Active and passive mode; with a certificate TLS
too, asked for (AUTH TLS) or from the first byte (ftps://).
"""

import contextlib
import errno
import logging
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from pyftpdlib.exceptions import AuthenticationFailed
from pyftpdlib.filesystems import AbstractedFS
from pyftpdlib.handlers import DTPHandler, FTPHandler, TLS_DTPHandler, TLS_FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer

from sitecontroller.domain.files import TransferScheme
from sitecontroller.domain.security import TLS_CIPHERS
from sitecontroller.fileserver.intake import Intake, Upload
from sitecontroller.fileserver.tickets import TOKEN, Ticket

log = logging.getLogger(__name__)

USER = "job"
ANONYMOUS = frozenset({"anonymous", "ftp"})
CONNECTIONS_MAX = 64
CONNECTIONS_PER_ADDRESS_MAX = 16
COMMAND_WITHIN_S = 120
PIECE_WITHIN_S = 60
LOGINS_MAX = 3
TURN_S = 0.5
JOIN_S = 5.0


class FtpDoor:
    """Serves on a socket that is bound already."""

    def __init__(
        self,
        intake: Intake,
        listener: socket.socket,
        passive_ports: range | None,
        public_address: str | None,
        *,
        tls_files: tuple[Path, ...] = (),
        tls_at_once: bool = False,
    ) -> None:
        settings = {
            "authorizer": _Tickets(intake),
            "intake": intake,
            "passive_ports": passive_ports,
            "masquerade_address": public_address,
            "scheme": TransferScheme.FTPS if tls_at_once else TransferScheme.FTP,
        }
        base: Any = _PlainHandler
        self._tls: Any = None
        if tls_files:
            base = _TlsHandler
            self._tls = SSL.Context(SSL.TLS_SERVER_METHOD)
            self._tls.set_min_proto_version(SSL.TLS1_2_VERSION)
            self._tls.set_cipher_list(TLS_CIPHERS.encode())
            self.renew(tls_files)
            settings |= {"ssl_context": self._tls, "tls_at_once": tls_at_once}
        self._loop = IOLoop()
        self._server = FTPServer(listener, type("Handler", (base,), settings), self._loop)
        # One place of the loop's map is the listener's own.
        self._server.max_cons = CONNECTIONS_MAX
        self._server.max_cons_per_ip = CONNECTIONS_PER_ADDRESS_MAX
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ftp")

    def start(self) -> None:
        """Begin to accept."""
        self._thread.start()

    def renew(self, tls_files: tuple[Path, ...]) -> None:
        """Show the certificates of files with key and chain from now on."""
        for file in tls_files if self._tls is not None else ():
            self._tls.use_certificate_chain_file(str(file))
            self._tls.use_privatekey_file(str(file))
            self._tls.check_privatekey()

    def stop(self) -> None:
        """Cut everyone off; blocks for a moment."""
        self._stopping.set()
        with contextlib.suppress(OSError):  # a knock wakes it up
            host, port = self._server.address
            local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
            socket.create_connection((local, port), JOIN_S).close()
        self._thread.join(JOIN_S)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._loop.loop(TURN_S, blocking=False)
            except Exception:
                log.exception("file server: ftp goes on after a fault")
                self._stopping.wait(TURN_S)
        self._server.close_all()


class _Tickets:
    """Who may log in: whoever has a ticket, and anybody, who then needs one in the path."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    def validate_authentication(self, username: str, password: str, handler: Any) -> None:
        if username.casefold() in ANONYMOUS:
            return
        ticket = self._intake.tickets.known(password) if TOKEN.fullmatch(password) else None
        if username != USER or ticket is None:
            raise AuthenticationFailed
        handler.ticket = ticket

    def get_home_dir(self, username: str) -> str:
        return "/"

    def get_msg_login(self, username: str) -> str:
        return "Ready."

    def get_msg_quit(self, username: str) -> str:
        return "Bye."

    def get_perms(self, username: str) -> str:
        return "elrwf"

    def has_perm(self, username: str, perm: str, path: str | None = None) -> bool:
        return perm in "elrwf"

    def impersonate_user(self, username: str, password: str) -> None: ...
    def terminate_impersonation(self, username: str) -> None: ...


class _Incoming:
    """A file that is being brought, as pyftpdlib writes to it."""

    def __init__(self, upload: Upload, name: str) -> None:
        self.upload = upload
        self.name = name
        self.closed = False

    def write(self, data: bytes) -> None:
        self.upload.write(data)

    def close(self) -> None:
        self.closed = True
        self.upload.discard()


class _Outgoing:
    """A file that is being fetched, as pyftpdlib reads from it."""

    def __init__(self, ticket: Ticket, path: os.PathLike[str]) -> None:
        self.ticket = ticket
        self.name = ""
        self._file = open(path, "rb")  # noqa: SIM115
        self.whole = False

    @property
    def closed(self) -> bool:
        return self._file.closed

    def seek(self, position: int) -> None:
        self._file.seek(position)

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self.whole = not data
        self.ticket.moved_bytes = max(self.ticket.moved_bytes, self._file.tell())
        return data

    def close(self) -> None:
        self._file.close()


class _Tree(AbstractedFS):  # type: ignore[misc]
    """What a station sees: empty folders, and its ticket's file under any name."""

    def ftp2fs(self, ftppath: str) -> str:
        return str(self.ftpnorm(ftppath))

    def fs2ftp(self, fspath: str) -> str:
        return fspath

    def validpath(self, path: str) -> bool:
        return True

    def realpath(self, path: str) -> str:
        return path

    def open(self, filename: str, mode: str) -> Any:
        ticket = self._ticket(filename)
        intake: Intake = self.cmd_channel.intake
        if ticket is None or mode not in ("rb", "wb") or ticket.brings is not (mode == "wb"):
            raise _nothing()
        if intake.tickets.known(ticket.token) is None:
            raise _nothing()  # used up, or withdrawn, since it logged in
        if mode == "wb":
            return _Incoming(intake.begin(ticket), _last(filename))
        try:
            return _Outgoing(ticket, intake.depot.path(ticket.name))
        except OSError:
            raise _nothing() from None

    def chdir(self, path: str) -> None:
        if not self.isdir(path):
            raise _nothing()
        self.cwd = path

    def isdir(self, path: str) -> bool:
        return path == "/" or self._ticket(path) is not None

    def isfile(self, path: str) -> bool:
        return self._size(path) is not None

    def lexists(self, path: str) -> bool:
        return self.isfile(path)

    def getsize(self, path: str) -> int:
        size = self._size(path)
        if size is None:
            raise _nothing()
        return size

    def rename(self, src: str, dst: str) -> None:
        """A station may bring a file under one name and give it another."""
        if not self.isfile(src):
            raise _nothing()

    def listdir(self, path: str) -> list[str]:
        return []

    def _nothing(self, *_: Any, **__: Any) -> Any:
        raise _nothing()

    mkdir = rmdir = remove = chmod = utime = stat = lstat = getmtime = readlink = _nothing
    mkstemp = listdirinfo = format_mlsx = _nothing

    def _ticket(self, path: str) -> Ticket | None:
        own: Ticket | None = self.cmd_channel.ticket
        if own is not None:
            return own
        for part in path.split("/"):
            if TOKEN.fullmatch(part):
                found: Ticket | None = self.cmd_channel.intake.tickets.known(part)
                return found
        return None

    def _size(self, path: str) -> int | None:
        brought: int | None = self.cmd_channel.brought.get(_last(path))
        ticket = self._ticket(path)
        if brought is not None or ticket is None or ticket.brings:
            return brought
        with contextlib.suppress(OSError):
            size: int = self.cmd_channel.intake.depot.path(ticket.name).stat().st_size
            return size
        return None


class _Keeping:
    """A data connection: what came is kept before the station hears that it was."""

    timeout = PIECE_WITHIN_S
    broken = False
    settled = False
    file_obj: Any
    cmd_channel: Any
    receive: bool
    transfer_finished: bool

    def handle_close(self) -> None:
        # The end of a file is the end of its connection; a reset one is not an end. pyftpdlib
        # comes here out of the except block of the read that found it.
        self.broken = isinstance(sys.exc_info()[1], ConnectionError)
        super().handle_close()  # type: ignore[misc]

    def close(self) -> None:
        if self.transfer_finished and not self.settled:
            self.settled = True  # TLS comes here more than once
            self._settle(self.file_obj)
        super().close()  # type: ignore[misc]

    def _settle(self, file: Any) -> None:
        channel = self.cmd_channel
        if self.broken:
            self._resp = ("426 Connection lost.", _silent)
        elif self.receive and isinstance(file, _Incoming):
            try:
                kept = file.upload.finish(file.name, channel.scheme)
            except OSError:
                kept = False
            if kept:
                channel.brought[file.name] = file.upload.size_bytes
            else:
                self._resp = ("451 Not kept.", _silent)
        elif isinstance(file, _Outgoing) and file.whole:
            channel.intake.fetched(file.ticket, channel.scheme)


class _Line(_Keeping, DTPHandler):  # type: ignore[misc]
    """In the clear."""


class _TlsLine(_Keeping, TLS_DTPHandler):  # type: ignore[misc]
    """Under TLS where the station asked for it (PROT P)."""


def _silent(*_: Any, **__: Any) -> None:
    """Paths and passwords hold tokens: the library's own log lines are not written."""


class _Control:
    """One station's control connection."""

    intake: Intake
    scheme: TransferScheme
    ticket: Ticket | None = None
    abstracted_fs = _Tree
    banner = "Ready."
    timeout = COMMAND_WITHIN_S
    max_login_attempts = LOGINS_MAX
    auth_failed_timeout = 1
    use_sendfile = False
    log = logline = logerror = log_cmd = log_transfer = _silent

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.brought: dict[str, int] = {}
        """Names and sizes of what came over this connection."""
        super().__init__(*args, **kwargs)

    def respond(self, resp: str, logfun: Any = _silent) -> None:
        super().respond(resp, _silent)  # type: ignore[misc]

    def log_exception(self, instance: Any) -> None:
        """A fault of ours, or of the library; a traceback shows code, not values."""
        log.exception("file server: ftp failed")

    def ftp_REIN(self, line: str) -> None:
        self.ticket = None
        super().ftp_REIN(line)  # type: ignore[misc]


class _PlainHandler(_Control, FTPHandler):  # type: ignore[misc]
    """Without a certificate."""

    dtp_handler = _Line


class _TlsHandler(_Control, TLS_FTPHandler):  # type: ignore[misc]
    """With one: in the clear until the station asks for TLS, or under it from the first byte."""

    dtp_handler = _TlsLine
    tls_at_once = False

    def handle(self) -> None:
        if self.tls_at_once:
            self.secure_connection(self.ssl_context)
        else:
            super().handle()

    def handle_ssl_established(self) -> None:
        if self.tls_at_once:
            super().handle()


def _nothing() -> OSError:
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


def _last(path: str) -> str:
    name = path.rsplit("/", 1)[-1]
    return "" if TOKEN.fullmatch(name) else name
