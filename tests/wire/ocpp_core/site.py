"""A server on port 0 with small fakes behind it, and clients that speak raw frames to it."""

import asyncio
import base64
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
import websockets
from websockets.asyncio.client import ClientConnection, connect

from sitecontroller.clock import SystemClock
from sitecontroller.config import OcppSettings
from sitecontroller.domain.ids import fold
from sitecontroller.domain.security import Login
from sitecontroller.domain.station import OcppVersion
from sitecontroller.domain.topology import ChargingStation
from sitecontroller.ocpp.commands import Priority
from sitecontroller.ocpp.door import DoorLimits
from sitecontroller.ocpp.frames import CallFault
from sitecontroller.ocpp.link import LinkTraits
from sitecontroller.ocpp.server import OcppServer
from sitecontroller.services.stations import LoginVerdict
from tests.support import eventually

PASSWORD = b"correct:horse"
NOW = "2025-11-21T08:00:00.000Z"
BOOT = {"chargePointVendor": "V", "chargePointModel": "M"}
START = {"connectorId": 1, "idTag": "ABC", "meterStart": 5, "timestamp": NOW}
STATUS = {"connectorId": 1, "status": "Available", "errorCode": "NoError"}
BOOT_ANSWER = {"status": "Accepted", "currentTime": NOW, "interval": 300}
ANSWERS: dict[str, dict[str, Any]] = {
    "BootNotification": BOOT_ANSWER,
    "Heartbeat": {"currentTime": NOW},
    "StartTransaction": {"transactionId": 7, "idTagInfo": {"status": "Accepted"}},
    "StopTransaction": {},
    "StatusNotification": {},
    "MeterValues": {},
    "Authorize": {"idTagInfo": {"status": "Accepted"}},
    "TransactionEvent": {},
}


class Stations:
    """The stations' service as the port sees it: `known` ids with one password."""

    def __init__(self, *station_ids: str) -> None:
        self.known = {fold(i): ChargingStation(i, ()) for i in station_ids}
        self.commissioning = False
        self.connections: list[Any] = []
        self.gone: list[int] = []
        self.warnings: list[tuple[str, str]] = []
        self.duplicates: list[tuple[str, str]] = []
        self.heard_of: list[str] = []

    def find(self, station_id: str) -> ChargingStation | None:
        return self.known.get(fold(station_id))

    async def authenticate(self, login: Login) -> LoginVerdict:
        if self.find(login.station_id) is not None and login.password == PASSWORD:
            return LoginVerdict.ACCEPTED
        return LoginVerdict.COMMISSIONING if self.commissioning else LoginVerdict.REFUSED

    async def connected(self, link: Any, address: str) -> None:
        self.connections.append(link)

    def disconnected(self, link: Any) -> None:
        self.gone.append(link.generation)

    def heard(self, station_id: str) -> None:
        self.heard_of.append(station_id)

    async def warn(self, station_id: str, warning: str) -> None:
        if (station_id, warning) not in self.warnings:
            self.warnings.append((station_id, warning))

    def tls_failed(self, address: str, reason: str) -> None:
        pass

    def duplicate_refused(self, station_id: str, address: str) -> None:
        self.duplicates.append((station_id, address))


class Dialect:
    """Answers from a table and remembers what it was asked."""

    def __init__(self, session: Any, station: ChargingStation | None, version: OcppVersion) -> None:
        self.session = session
        self.station = station
        self.version = version
        self.station_id = session.station_id
        self.generation = session.generation
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Any] = dict(ANSWERS)
        self.ready: list[bool] = []
        self.triggered: list[str] = []
        self.polls = 0
        self.is_closed = False

    async def answer(
        self, action: str, payload: dict[str, Any], received_at: datetime
    ) -> dict[str, Any]:
        self.asked.append((action, payload))
        if action == "BootNotification":
            self.session.boot_answered()
            self.session.after_reply(lambda: self.became_ready(rebooted=True))
        answer = self.answers.get(action)
        if answer is None:
            raise CallFault("NotSupported", "not from a station")
        if callable(answer):
            answer = await answer()
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    def count(self, action: str) -> int:
        return sum(name == action for name, _ in self.asked)

    async def poll(self) -> None:
        self.polls += 1
        await self.session.call("GetConfiguration", {"key": ["HeartbeatInterval"]}, deadline_s=0.2)

    async def trigger(self, message: str, evse_id: int | None) -> None:
        self.triggered.append(message)
        await self.session.call("TriggerMessage", {"requestedMessage": message})

    def booted(self) -> bool:
        return self.count("BootNotification") > 0

    def became_ready(self, *, rebooted: bool) -> None:
        self.ready.append(rebooted)

    async def closed(self) -> None:
        self.is_closed = True


@dataclass
class Journal:
    """Keeps all frames."""

    entries: list[tuple[str, str, str, str]] = field(default_factory=list)

    def record(self, station_id: str, direction: str, kind: str, text: str, **_rest: Any) -> None:
        self.entries.append((station_id, direction, kind, text))

    def texts(self, kind: str) -> list[str]:
        return [text for _, _, of_kind, text in self.entries if of_kind == kind]


@dataclass
class Site:
    """A running server and what stands behind it."""

    server: OcppServer
    stations: Stations
    journal: Journal
    dialects: list[Dialect]
    port: int

    @property
    def dialect(self) -> Dialect:
        """Of the newest connection."""
        return self.dialects[-1]

    def connect(
        self,
        path: str = "/CP01",
        *,
        user: str = "CP01",
        password: bytes | None = PASSWORD,
        protocols: list[str] | None = None,
        **rest: Any,
    ) -> Any:
        """A websockets client; `async with site.connect() as station`."""
        headers = {} if password is None else {"Authorization": basic(user, password)}
        return connect(
            f"ws://127.0.0.1:{self.port}{path}",
            subprotocols=["ocpp1.6"] if protocols is None else protocols or None,
            additional_headers=headers,
            compression=None,
            ping_interval=None,
            **{"open_timeout": 8, "close_timeout": 1, "proxy": None, **rest},
        )

    async def raw(self, request: bytes, *, source: str = "127.0.0.1") -> bytes:
        """Send bytes over TCP from the address `source`; the HTTP answer, with its body if it is
        no WebSocket."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, local_addr=(source, 0)
        )
        try:
            writer.write(request)
            async with asyncio.timeout(8):
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    line = await reader.readline()
                    head += line
                    if not line:
                        return head
                if head.startswith(b"HTTP/1.1 101"):
                    return head
                return head + await reader.read()
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def basic(user: str, password: bytes) -> str:
    return "Basic " + base64.b64encode(user.encode() + b":" + password).decode()


def request(target: str = "/CP01", *, drop: str = "", **extra: str) -> bytes:
    """A handshake's bytes, less the header `drop`, with others put in."""
    headers = {
        "Host": "site",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": "ocpp1.6",
        "Authorization": basic("CP01", PASSWORD),
    }
    headers |= {name.replace("_", "-"): value for name, value in extra.items()}
    headers.pop(drop, None)
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


@contextlib.asynccontextmanager
async def running_site(
    *station_ids: str,
    config: OcppSettings | None = None,
    traits: Callable[[str], LinkTraits] | None = None,
    limits: DoorLimits | None = None,
    authority: Any = None,
) -> AsyncIterator[Site]:
    stations, journal, dialects = Stations(*(station_ids or ("CP01",))), Journal(), []

    def dialect_factory(session: Any, station: Any, version: OcppVersion) -> Any:
        dialects.append(Dialect(session, station, version))
        return dialects[-1]

    server = OcppServer(
        config or OcppSettings(host="127.0.0.1", port=0),
        stations,
        dialect_factory,
        journal,
        SystemClock(),
        traits=traits,
        limits=limits,
        authority=authority,
    )
    port = await server.start()
    try:
        yield Site(server, stations, journal, dialects, port)
    finally:
        await server.stop()


async def ask(station: ClientConnection, frame: Any) -> Any:
    """Send a frame (a list, or text as it is) and return the next one that comes."""
    await tell(station, frame)
    return await hear(station)


async def tell(station: ClientConnection, frame: Any) -> None:
    await station.send(frame if isinstance(frame, str | bytes) else orjson.dumps(frame).decode())


async def hear(station: ClientConnection, within_s: float = 5) -> Any:
    async with asyncio.timeout(within_s):
        return orjson.loads(await station.recv())


async def boot(station: ClientConnection) -> None:
    answer = await ask(station, [2, "boot", "BootNotification", BOOT])
    assert answer == [3, "boot", BOOT_ANSWER]


async def still_answers(station: ClientConnection) -> None:
    """The session lives: what was sent before got its answers, then this gets its own."""
    await tell(station, [2, "alive", "Heartbeat", {}])
    while (await hear(station))[1] != "alive":
        pass


async def silent(station: ClientConnection, for_s: float = 0.15) -> bool:
    """Whether nothing comes for a moment."""
    try:
        await hear(station, for_s)
    except TimeoutError:
        return True
    return False


async def refusal(attempt: Any) -> websockets.http11.Response:
    """The HTTP answer to a handshake that must fail."""
    try:
        station = await attempt
    except websockets.InvalidStatus as error:
        return error.response
    await station.close()
    raise AssertionError("the handshake succeeded")


@contextlib.asynccontextmanager
async def deaf_station(site):
    """A connection whose other end reads nothing and answers no ping."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(request())
    await reader.readuntil(b"\r\n\r\n")
    await eventually(lambda: site.dialects)
    try:
        yield
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def limit(session, amps, key="limit-1", **rest):
    """A call on its way: what a load-management cycle does each time."""
    payload = {
        "connectorId": 1,
        "csChargingProfiles": {
            "chargingProfileId": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Relative",
            "chargingSchedule": {
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": amps}],
            },
        },
    }
    call = session.call("SetChargingProfile", payload, priority=Priority.SAFETY, key=key, **rest)
    return asyncio.ensure_future(call)


def amps_of(frame):
    schedule = frame[3]["csChargingProfiles"]["chargingSchedule"]
    return schedule["chargingSchedulePeriod"][0]["limit"]


async def accept(station, frame):
    await tell(station, [3, frame[1], {"status": "Accepted"}])
