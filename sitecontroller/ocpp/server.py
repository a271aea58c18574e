"""The port for stations: handshake, log-in, one session per station, and a clean end.

Every failed log-in gets the same answer after the same time. A second connection for a station is
let in only when the first one is dead (Q08), and each connection has a generation. Sessions and
dialects do the talking; whom to let in is decided by the stations' service.
"""

import asyncio
import contextlib
import http
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from websockets.asyncio.server import Server, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from sitecontroller.config import OcppSettings
from sitecontroller.domain.errors import StoreUnavailable
from sitecontroller.domain.ids import fold, is_station_id
from sitecontroller.domain.security import Login, PeerCertificate
from sitecontroller.domain.station import OcppVersion
from sitecontroller.domain.topology import ChargingStation
from sitecontroller.ocpp import handshake
from sitecontroller.ocpp.connection import StationConnection, WebSocketWire, plain_response
from sitecontroller.ocpp.door import Door, DoorLimits, Ticket
from sitecontroller.ocpp.link import Dialect, LinkTraits
from sitecontroller.ocpp.pace import Pace
from sitecontroller.ocpp.secure import Handshakes, PortAuthority
from sitecontroller.ocpp.session import Session
from sitecontroller.ports import Clock, Journal, StationLink
from sitecontroller.services.conformance import Conformance
from sitecontroller.services.stations import LoginVerdict

log = logging.getLogger(__name__)
library_log = logging.getLogger(f"{__name__}.websockets")
library_log.setLevel(logging.CRITICAL)  # it logs a line for each connection and each bad request

OPEN_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 2.0
STOP_TIMEOUT_S = 4.0
MESSAGE_BYTES_MAX = 2 * 1024 * 1024
REFUSAL_S = 0.5
"""Every failed log-in is answered this long after its request."""
PONG_OF_THE_FIRST_S = 3.0
"""How long the older of two connections may take to prove that it lives (Q08)."""
UNKNOWN_STATIONS_MAX = 50
BACKLOG = 512
REALM = "OCPP"

DialectFactory = Callable[[Session, ChargingStation | None, OcppVersion], Dialect]


class Stations(Protocol):
    """What the port needs of the stations' service."""

    def find(self, station_id: str) -> ChargingStation | None: ...
    async def authenticate(self, login: Login) -> LoginVerdict: ...
    def tls_failed(self, address: str, reason: str) -> None: ...
    async def connected(self, link: StationLink, address: str) -> None: ...
    def disconnected(self, link: StationLink) -> None: ...
    def heard(self, station_id: str) -> None: ...
    async def warn(self, station_id: str, warning: str) -> None: ...
    def duplicate_refused(self, station_id: str, address: str) -> None: ...


@dataclass(frozen=True, slots=True)
class _Admitted:
    """What a handshake came to."""

    station_id: str
    station: ChargingStation | None
    agreement: handshake.Agreement


class OcppServer:
    """One port for every version. `traits` tells how a station wants its connection treated."""

    def __init__(
        self,
        config: OcppSettings,
        stations: Stations,
        dialect_factory: DialectFactory,
        journal: Journal,
        clock: Clock,
        *,
        traits: Callable[[str], LinkTraits] | None = None,
        limits: DoorLimits | None = None,
        authority: PortAuthority | None = None,
        conformance: Callable[[str], Conformance] | None = None,
    ) -> None:
        self._config = config
        self._stations = stations
        self._dialect_factory = dialect_factory
        self._journal = journal
        self._clock = clock
        self._traits = traits or (lambda _: LinkTraits(ping_interval_s=config.ping_interval_s))
        self._door = Door(limits or DoorLimits(), clock.monotonic_s)
        self._authority = authority
        self._handshakes = (
            None if authority is None else Handshakes(authority, self._door, self._tls_failed)
        )
        self._server: Server | None = None
        self._opening: set[StationConnection] = set()
        self._arriving: dict[str, StationConnection] = {}
        self._sessions: dict[str, Session] = {}
        self._reports: dict[str, Conformance] = {}
        self._conformance = conformance or self._counted_here
        self._generation = 0
        self._pace = Pace()

    async def start(self, sock: socket.socket | None = None) -> int:
        """Listen on `sock`, or on the configured address; the bound port."""
        assert self._server is None, "the OCPP server was started twice"

        class Connection(StationConnection):
            gatehouse = self

        place = (
            {"host": self._config.host, "port": self._config.port, "backlog": BACKLOG}
            if sock is None
            else {"sock": sock}
        )
        self._server = await serve(
            self._serve,  # type: ignore[arg-type]
            process_request=self._admit,  # type: ignore[arg-type]
            select_subprotocol=_agreed_subprotocol,  # type: ignore[arg-type]
            create_connection=Connection,
            compression=None,
            server_header=None,
            open_timeout=OPEN_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
            ping_interval=None,
            max_size=MESSAGE_BYTES_MAX,
            logger=library_log,
            **place,
        )
        port: int = next(iter(self._server.sockets)).getsockname()[1]
        log.info("stations: listening host=%s port=%d", self._config.host, port)
        return port

    async def stop(self) -> None:
        """Close every connection (1001) and the port. Stations that would stay away after a
        close frame just lose their connection (Q10)."""
        if self._server is None:
            return
        server, self._server = self._server, None
        for session in tuple(self._sessions.values()):
            if not self._traits(session.station_id).reconnects_after_close:
                session.abort("the controller stops")
        for connection in tuple(self._opening):
            connection.transport.abort()
        if self._handshakes is not None:
            await self._handshakes.stop()
        server.close(code=1001, reason="the controller stops")
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await server.wait_closed()
        except TimeoutError:
            log.warning("stations: %d connections did not close in time", len(self._sessions))
            for session in tuple(self._sessions.values()):
                session.abort("the controller stops")

    def session(self, station_id: str) -> Session | None:
        """The session of a connected station."""
        return self._sessions.get(fold(station_id))

    def conformance(self, station_id: str) -> dict[str, int]:
        """What this station's messages broke, by plain sentence, since the controller started."""
        return self._conformance(station_id).report()

    # the gatehouse of a connection

    def opened(self, connection: StationConnection) -> bool:
        """Whether this socket may stay."""
        if not self._door.enter(connection.address):
            return False
        self._opening.add(connection)
        return True

    def malformed(self, connection: StationConnection, reason: str, head: bytes) -> bool:
        """Log what is no HTTP request (Q06), and say whether to answer."""
        if self._door.knock(connection.address) is None:
            return False
        line = head.partition(b"\r\n")[0][:200].decode(errors="backslashreplace")
        self._turned_away(connection.address, "", f"HTTP 400, {reason}: {line}")
        return True

    @property
    def speaks_tls(self) -> bool:
        """On the same port, where the site has certificates."""
        return self._handshakes is not None

    def secure(self, connection: StationConnection, first: bytes) -> bool:
        """The other end began TLS."""
        return self._handshakes is not None and self._handshakes.begin(connection, first)

    def _tls_failed(self, address: str, reason: str) -> None:
        self._turned_away(address, "", f"TLS: {reason}")
        self._stations.tls_failed(address, reason)

    def closed(self, connection: StationConnection) -> None:
        """Forget a socket that never became a session."""
        self._leave_opening(connection)

    # the handshake

    async def _admit(self, connection: StationConnection, request: Request) -> Response | None:
        """Let a station in (None: the library goes on), or answer it."""
        began_s = asyncio.get_running_loop().time()
        headers, address = request.headers, connection.address
        if "Sec-WebSocket-Key" not in headers or "Upgrade" not in headers:
            return None if self._door.knock(address) is not None else _TOO_OFTEN
        if "upgrade" not in ",".join(headers.get_all("Connection")).casefold():
            _set(headers, "Connection", "Upgrade")
        named = handshake.station_id_of(request.path)
        ticket = self._door.knock(address, named or "")
        if ticket is None:
            return _TOO_OFTEN
        if named is None:
            self._turned_away(address, "", f"HTTP 404, the path names no station: {request.path}")
            return plain_response(
                http.HTTPStatus.NOT_FOUND, "Write the station's id at the end of the path\n"
            )
        station, verdict = await self._login(named, request, connection)
        if verdict is LoginVerdict.REFUSED:
            self._turned_away(address, named, "HTTP 401, the log-in failed")
            await asyncio.sleep(began_s + REFUSAL_S - asyncio.get_running_loop().time())
            return _same_refusal()
        return await self._welcome(connection, request, station, named, ticket)

    async def _login(
        self, named: str, request: Request, connection: StationConnection
    ) -> tuple[ChargingStation | None, LoginVerdict]:
        station = self._stations.find(named)
        station_id = named if station is None else station.station_id
        password = handshake.password_for(
            handshake.credentials_of(request.headers.get_all("Authorization")),
            station_id,
            self._traits(station_id).login_names,
        )
        verdict = await self._stations.authenticate(
            Login(
                station_id,
                connection.address,
                password,
                connection.secured,
                self._peer(connection.certificate),
            )
        )
        if station is None and not self._may_be_new(named):
            verdict = LoginVerdict.REFUSED
        return station, verdict

    def _peer(self, shown: bytes | None) -> PeerCertificate | None:
        """A certificate that the handshake verified; one that can't be read counts as none."""
        if shown is None or self._authority is None:
            return None
        try:
            return self._authority.peer(shown)
        except ValueError:
            return None

    async def _welcome(
        self,
        connection: StationConnection,
        request: Request,
        station: ChargingStation | None,
        named: str,
        ticket: Ticket,
    ) -> Response | None:
        """The log-in is good: agree on a version, and see that there is one connection only."""
        station_id = named if station is None else station.station_id
        protocols = handshake.offered(request.headers.get_all("Sec-WebSocket-Protocol"))
        agreement = handshake.agree(
            protocols,
            pin=None if station is None else station.version_pin,
            without_protocol=self._config.allow_missing_subprotocol,
        )
        if agreement is None:
            spoken = ", ".join(protocols)[:100] or "none"
            self._turned_away(connection.address, station_id, f"HTTP 400, sub-protocol: {spoken}")
            return plain_response(
                http.HTTPStatus.BAD_REQUEST,
                "No common sub-protocol; offer one of "
                + ", ".join(f"ocpp{version}" for version in OcppVersion)
                + "\n",
            )
        _set(request.headers, "Sec-WebSocket-Protocol", agreement.answer)
        connection.admitted = _Admitted(station_id, station, agreement)
        if not await self._make_way(connection, station_id):
            connection.admitted = None
            self._turned_away(connection.address, station_id, "HTTP 409, it is connected already")
            return plain_response(http.HTTPStatus.CONFLICT, "This station is connected already\n")
        self._door.let_in(ticket, connection.address if connection.secured else None)
        return None

    async def _make_way(self, connection: StationConnection, station_id: str) -> bool:
        """End a dead connection of the same station; False: it lives, or another is arriving."""
        key = fold(station_id)
        if key in self._arriving:
            return False
        self._arriving[key] = connection
        first = self._sessions.get(key)
        if first is None:
            return True
        if self._traits(station_id).answers_pings and await first.answers_ping(PONG_OF_THE_FIRST_S):
            del self._arriving[key]
            self._stations.duplicate_refused(station_id, connection.address)
            return False
        first.abort("a newer connection of the same station took its place")
        log.info("%s: a newer connection replaces a dead one", station_id)
        return True

    def _may_be_new(self, station_id: str) -> bool:
        """Whether there is room for one more station that site.toml doesn't have."""
        unknown = sum(self._stations.find(s.station_id) is None for s in self._sessions.values())
        return is_station_id(station_id) and unknown < UNKNOWN_STATIONS_MAX

    def _turned_away(self, address: str, station_id: str, what: str) -> None:
        log.warning("%s: turned away address=%s %s", station_id[:48] or "stations", address, what)
        self._journal.record(station_id[:48], "in", "invalid", f"{address}: {what}")

    # the session

    async def _serve(self, connection: StationConnection) -> None:
        admitted: _Admitted = connection.admitted
        key = fold(admitted.station_id)
        session = self._new_session(connection, admitted)
        dialect = self._dialect_factory(session, admitted.station, session.version)
        self._sessions[key] = session
        self._leave_opening(connection)
        self._note(session, "connect", f"{connection.address} OCPP {session.version}")
        try:
            await self._stations.connected(dialect, connection.address)
            await self._warn_of(admitted)
            await session.run(dialect)
        finally:
            self._stations.disconnected(dialect)
            if self._sessions.get(key) is session:
                del self._sessions[key]
            self._note(session, "disconnect", f"{connection.close_code or 'lost'}")
            await session.settled()
            await dialect.closed()

    async def _warn_of(self, admitted: _Admitted) -> None:
        if admitted.agreement.answer is None:
            with contextlib.suppress(StoreUnavailable):  # it connects again
                await self._stations.warn(admitted.station_id, handshake.MISSING_SUBPROTOCOL)

    def _new_session(self, connection: StationConnection, admitted: _Admitted) -> Session:
        self._generation += 1
        return Session(
            WebSocketWire(connection),
            station_id=admitted.station_id,
            version=admitted.agreement.version,
            generation=self._generation,
            clock=self._clock,
            journal=self._journal,
            conformance=self._conformance(admitted.station_id),
            traits=self._traits(admitted.station_id),
            heard=self._stations.heard,
            pace=self._pace,
        )

    def _counted_here(self, station_id: str) -> Conformance:
        return self._reports.setdefault(fold(station_id), Conformance(self._clock.now))

    def _leave_opening(self, connection: StationConnection) -> None:
        if connection not in self._opening:
            return
        self._opening.discard(connection)
        self._door.leave(connection.address)
        if connection.admitted is not None:
            key = fold(connection.admitted.station_id)
            if self._arriving.get(key) is connection:
                del self._arriving[key]

    def _note(self, session: Session, kind: str, text: str) -> None:
        self._journal.record(session.station_id, "in", kind, text)


def _set(headers: Headers, name: str, value: str | None) -> None:
    """One header of that name, or none: assignment alone would add another."""
    if name in headers:
        del headers[name]
    if value is not None:
        headers[name] = value


def _agreed_subprotocol(
    connection: StationConnection, subprotocols: list[Subprotocol]
) -> Subprotocol | None:
    """The station's own spelling of what was agreed; the header itself was read leniently."""
    admitted: _Admitted | None = connection.admitted
    if admitted is None or admitted.agreement.answer is None:
        return None
    return Subprotocol(admitted.agreement.answer)


_TOO_OFTEN = plain_response(http.HTTPStatus.TOO_MANY_REQUESTS, "Too often\n", Retry_After="30")


def _same_refusal() -> Response:
    """What every failed log-in gets: the same status, headers and body, whatever the reason."""
    return plain_response(
        http.HTTPStatus.UNAUTHORIZED,
        "The log-in failed\n",
        WWW_Authenticate=f'Basic realm="{REALM}", charset="UTF-8"',
    )
