"""OCPP messages/s and p99 against a bare `websockets` JSON echo in the same run, per version.

All servers are driven by one process over loopback with identical raw frames from 100 stations, so
that only the server's share differs. The floor parses and writes JSON and checks nothing. Ours is
the OCPP server with a dialect that looks answers up, on the event loop that the controller has
(beside it on asyncio's own, which the floor has); `stock` the `ocpp` package's own central system,
validating as it does. `durable` is ours with the store's writer behind it: a reading is in a
committed row, as it was said, before it is answered. `stored` takes it apart first and commits its
twelve values. `whole` is the controller as a site runs it, with its database on this disk.
"""

import asyncio
import base64
import contextlib
import functools
import importlib
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from ocpp.charge_point import camel_to_snake_case
from ocpp.routing import on
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from sitecontroller.clock import SystemClock
from sitecontroller.config import OcppSettings
from sitecontroller.domain.authorization import IdTokenType, TokenRecord
from sitecontroller.domain.ids import fold
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.station import OcppVersion
from sitecontroller.domain.topology import ChargingStation, Evse
from sitecontroller.event_loop import new_event_loop
from sitecontroller.ocpp.frames import CallFault
from sitecontroller.ocpp.measurands import read_meter_values
from sitecontroller.ocpp.server import OcppServer
from sitecontroller.ports import Kept, UnitOfWork
from sitecontroller.services.stations import LoginVerdict
from sitecontroller.storage import Store
from tests.bench.ocpp_mix import ANSWERS, CARD, Call, charging, mixed
from tests.unit.storage.examples import a_transaction
from tests.wire.site import PASSWORD, running_site

STATIONS = 100
CALLS_PER_STATION = 300
ROUNDS = 3
READINGS_PER_STATION = 60
STOCK_CALLS = 30
STARTS = ("StartTransaction", "TransactionEvent")


class Plan(NamedTuple):
    """What each station says."""

    version: str
    calls: int
    charging: bool = False


class Measured(NamedTuple):
    """Messages/s, 99th percentile of a round trip, the server's CPU seconds per call."""

    rate: float
    p99_s: float
    cpu_s: float


class _Stations:
    """Lets everyone in."""

    def __init__(self) -> None:
        self._station = {fold(f"CP{n:03}"): ChargingStation(f"CP{n:03}", ()) for n in range(2000)}

    def find(self, station_id: str) -> ChargingStation | None:
        return self._station.get(fold(station_id))

    async def authenticate(self, *_: Any) -> LoginVerdict:
        return LoginVerdict.ACCEPTED

    async def connected(self, *_: Any) -> None: ...
    def disconnected(self, *_: Any) -> None: ...
    def heard(self, station_id: str) -> None: ...
    async def warn(self, *_: Any) -> None: ...
    def duplicate_refused(self, *_: Any) -> None: ...


class _Dialect:
    """Answers from a table."""

    def __init__(self, session: Any, station: Any, version: OcppVersion) -> None:
        self._answers = ANSWERS[version.value]
        self.generation = session.generation
        self.station_id = session.station_id
        self.version = version

    async def answer(
        self, action: str, payload: dict[str, Any], received_at: datetime
    ) -> dict[str, Any]:
        answer = self._answers.get(action)
        if answer is None:
            raise CallFault("NotSupported")
        return answer

    async def poll(self) -> None: ...
    def booted(self) -> bool:
        return True

    def became_ready(self, *, rebooted: bool) -> None: ...
    async def trigger(self, *_: Any) -> None: ...
    async def closed(self) -> None: ...


class _Journal:
    """Takes every frame and keeps none."""

    def record(self, *_: Any, **__: Any) -> None: ...


Server = AbstractAsyncContextManager[int]
"""Running; its value is the port."""
LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class Runs(NamedTuple):
    """A server and the loop it runs on."""

    start: Callable[[str], Server]
    loop: LoopFactory = new_event_loop


@asynccontextmanager
async def _floor(version: str) -> AsyncIterator[int]:
    """Bare `websockets` with the standard library's JSON: parse, look up, write."""
    answers = ANSWERS[version]

    async def echo(connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in connection:
                call = json.loads(message)
                await connection.send(json.dumps([3, call[1], answers[call[2]]]))

    async with serve(
        echo, "127.0.0.1", 0, compression=None, ping_interval=None, backlog=1000
    ) as server:
        yield next(iter(server.sockets)).getsockname()[1]


class _DurableDialect(_Dialect):
    """Answers a reading when a row with what was said is on disk."""

    def __init__(self, store: Store, *parts: Any) -> None:
        super().__init__(*parts)
        self._store = store

    async def answer(
        self, action: str, payload: dict[str, Any], received_at: datetime
    ) -> dict[str, Any]:
        if "meterValue" in payload:
            row = Kept("bench", self.station_id, received_at, payload, self.station_id)
            await self._store.commit(_note, row)
        return await super().answer(action, payload, received_at)


def _note(tx: UnitOfWork, row: Kept) -> None:
    tx.put_kept(row)


class _StoringDialect(_Dialect):
    """Keeps the readings, as the product keeps them, before they are answered."""

    def __init__(self, store: Store, *parts: Any) -> None:
        super().__init__(*parts)
        self._store = store
        self._evse = Evse(self.station_id, 1, "main")
        self._began = False

    async def answer(
        self, action: str, payload: dict[str, Any], received_at: datetime
    ) -> dict[str, Any]:
        values = payload.get("meterValue")
        readings = read_meter_values(values, self._evse, received_at, missing_zone=UTC)
        if action in STARTS and not self._began:
            self._began = True
            await self._store.commit(_begin, self.station_id)
        elif readings:
            await self._store.commit(_keep, self.station_id, readings)
        return await super().answer(action, payload, received_at)


def _begin(tx: UnitOfWork, key: str) -> None:
    tx.add_transaction(replace(a_transaction(key), station_id=key))


def _keep(tx: UnitOfWork, key: str, readings: list[MeterReading]) -> None:
    for reading in readings:
        tx.add_reading(key, reading)


@asynccontextmanager
async def _with_store(dialect: type[_Dialect], version: str) -> AsyncIterator[int]:
    with tempfile.TemporaryDirectory() as directory:
        store = await Store.open(Path(directory) / "site.db", SystemClock())
        try:
            async with _ours(version, functools.partial(dialect, store)) as port:
                yield port
        finally:
            await store.close()


@asynccontextmanager
async def _ours(version: str, dialect: Callable[..., Any] = _Dialect) -> AsyncIterator[int]:
    server = OcppServer(
        OcppSettings(host="127.0.0.1", port=0),
        _Stations(),
        lambda *parts: dialect(*parts),
        _Journal(),  # type: ignore[arg-type]
        SystemClock(),
    )
    try:
        yield await server.start()
    finally:
        await server.stop()


@asynccontextmanager
async def _stock(version: str) -> AsyncIterator[int]:
    """The `ocpp` package's own routing, validation and dataclasses."""
    package = importlib.import_module(f"ocpp.v{version.replace('.', '')}")

    def handler(action: str, answer: dict[str, Any]) -> Any:
        async def answered(_self: Any, **_: Any) -> Any:
            return getattr(package.call_result, action)(**camel_to_snake_case(answer))

        answered.__name__ = action  # by which the package finds it
        return on(action)(answered)

    handlers = {action: handler(action, answer) for action, answer in ANSWERS[version].items()}
    central = type("Central", (package.ChargePoint,), handlers)

    async def run(connection: ServerConnection) -> None:
        charger = central("CP", connection)
        with contextlib.suppress(ConnectionClosed):
            await charger.start()

    async with serve(run, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        yield next(iter(server.sockets)).getsockname()[1]


@asynccontextmanager
async def _whole(version: str) -> AsyncIterator[int]:
    names = [_name(number) for number in range(STATIONS)]
    with tempfile.TemporaryDirectory() as directory:
        async with running_site(Path(directory), stations=names) as site:
            await site.site.controller.put_token(TokenRecord(CARD, IdTokenType.ISO14443))
            yield site.site.ocpp_port


def _masked_frames(said: list[Call]) -> list[bytes]:
    """CALLs as WebSocket frames, made before the clock runs."""
    frames = []
    for number, (action, payload) in enumerate(said):
        text = orjson.dumps([2, str(number), action, payload])
        length = bytes([254]) + len(text).to_bytes(2, "big")
        head = bytes([0x81]) + (bytes([128 | len(text)]) if len(text) < 126 else length)
        frames.append(head + bytes(4) + text)  # a mask of zeros masks nothing
    return frames


class _Station(asyncio.Protocol):
    """Sends one CALL, waits for the answer, sends the next; notes how long each took."""

    def __init__(self, frames: list[bytes], latencies: list[float]) -> None:
        self._frames = iter(frames)
        self._latencies = latencies
        self._buffer = b""
        self._sent_s = 0.0
        self.upgraded = asyncio.get_running_loop().create_future()
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self.upgraded.done():
            if b"\r\n\r\n" in self._buffer:
                assert self._buffer.startswith(b"HTTP/1.1 101"), self._buffer
                self._buffer = b""
                self.upgraded.set_result(None)
            return
        while len(self._buffer) >= (size := self._frame_size()) > 0:
            head = 2 if self._buffer[1] < 126 else 4
            assert self._buffer[head : head + 2] == b"[3", self._buffer[:size]
            self._latencies.append(time.perf_counter() - self._sent_s)
            self._buffer = self._buffer[size:]
            self.send_next()

    def _frame_size(self) -> int:
        """Of the frame at the buffer's start; 0 while its head isn't whole."""
        if len(self._buffer) < 4:
            return 0
        short = self._buffer[1]
        return short + 2 if short < 126 else int.from_bytes(self._buffer[2:4], "big") + 4

    def say(self, frames: list[bytes]) -> None:
        """These now, one after the other."""
        self._frames = iter(frames)
        self.done = asyncio.get_running_loop().create_future()
        self.send_next()

    def send_next(self) -> None:
        frame = next(self._frames, None)
        if frame is None:
            self.done.set_result(None)
            return
        self._sent_s = time.perf_counter()
        self.transport.write(frame)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("closed by the server"))


async def _drive(pipe: Any, port: int, plan: Plan) -> tuple[float, float]:
    """Messages per second and the 99th percentile of a round trip in s."""
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    clients = []
    for number in range(STATIONS):
        said = (charging if plan.charging else mixed)(plan.version, number, plan.calls)
        frames = _masked_frames(said)
        _, client = await loop.create_connection(
            lambda f=frames: _Station(f, latencies), "127.0.0.1", port
        )
        client.transport.write(_handshake(_name(number), plan.version))
        await client.upgraded
        clients.append(client)
    pipe.send("connected")
    pipe.recv()
    began = time.perf_counter()
    for client in clients:
        client.send_next()
    await asyncio.gather(*(client.done for client in clients))
    took_s = time.perf_counter() - began
    for client in clients:
        client.transport.close()
    return STATIONS * plan.calls / took_s, statistics.quantiles(latencies, n=100)[98]


def _name(number: int) -> str:
    return f"CP{number:03}"


def _handshake(station_id: str, version: str) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    login = base64.b64encode(f"{station_id}:{PASSWORD}".encode()).decode()
    return (
        f"GET /{station_id} HTTP/1.1\r\nHost: site\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: Basic {login}\r\nSec-WebSocket-Protocol: ocpp{version}\r\n\r\n"
    ).encode()


def _drive_in_child(pipe: Any, port: int, plan: Plan) -> None:
    pipe.send(asyncio.run(_drive(pipe, port, plan)))


async def _measured(
    start: Callable[[str], Server], plan: Plan, look: Callable[[], None] = lambda: None
) -> Measured:
    """One server, here, its stations in a process of their own. `look` is called as they begin and
    when they have ended."""
    async with start(plan.version) as port:
        ours, theirs = multiprocessing.get_context("spawn").Pipe()
        child = multiprocessing.get_context("spawn").Process(
            target=_drive_in_child, args=(theirs, port, plan)
        )
        child.start()
        theirs.close()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, ours.recv)
        look()
        cpu_s = time.process_time()
        ours.send("go")
        rate, p99_s = await loop.run_in_executor(None, ours.recv)
        cpu_s = time.process_time() - cpu_s
        look()
        await loop.run_in_executor(None, child.join)
    return Measured(rate, p99_s, cpu_s / (STATIONS * plan.calls))


def _once(runs: Runs, plan: Plan) -> Measured:
    with asyncio.Runner(loop_factory=runs.loop) as runner:
        return runner.run(_measured(runs.start, plan))


def _best(servers: dict[str, Runs], plan: Plan, rounds: int = ROUNDS) -> dict[str, Measured]:
    """Best of `rounds` for each, taken in turns."""
    found: dict[str, list[Measured]] = {name: [] for name in servers}
    for _ in range(rounds):
        for name, runs in servers.items():
            found[name].append(_once(runs, plan))
    return {
        name: Measured(
            max(one.rate for one in all_),
            min(one.p99_s for one in all_),
            min(one.cpu_s for one in all_),
        )
        for name, all_ in found.items()
    }


FLOOR = Runs(_floor, asyncio.new_event_loop)


def run() -> dict[str, float]:
    """Ratios are to the floor of the same mix."""
    figures: dict[str, float] = {}
    for version in ANSWERS:
        figures |= {f"{version} {name}": value for name, value in _mix(version).items()}
        figures |= {f"{version} {name}": value for name, value in _readings(version).items()}
    return figures


def _mix(version: str) -> dict[str, float]:
    best = _best(
        {"floor": FLOOR, "ours": Runs(_ours), "asyncio": Runs(_ours, asyncio.new_event_loop)},
        Plan(version, CALLS_PER_STATION),
    )
    stock = _once(Runs(_stock, asyncio.new_event_loop), Plan(version, STOCK_CALLS))
    floor, ours, asyncio_ = best["floor"], best["ours"], best["asyncio"]
    return {
        "floor messages/s": round(floor.rate),
        "throughput of the floor": round(ours.rate / floor.rate, 2),
        "the same on asyncio's loop": round(asyncio_.rate / floor.rate, 2),
        "floor p99 ms": round(floor.p99_s * 1000, 2),
        "p99 ms": round(ours.p99_s * 1000, 2),
        "floor CPU µs a call": round(floor.cpu_s * 1e6, 1),
        "CPU µs a call": round(ours.cpu_s * 1e6, 1),
        "CPU µs a call on asyncio's loop": round(asyncio_.cpu_s * 1e6, 1),
        "throughput of the stock package": round(ours.rate / stock.rate, 1),
    }


def _readings(version: str) -> dict[str, float]:
    best = _best(
        {
            "floor": FLOOR,
            "durable": Runs(functools.partial(_with_store, _DurableDialect)),
            "stored": Runs(functools.partial(_with_store, _StoringDialect)),
            "whole": Runs(_whole),
        },
        Plan(version, READINGS_PER_STATION, charging=True),
    )
    floor = best.pop("floor")
    figures = {"readings: floor CPU µs a call": round(floor.cpu_s * 1e6, 1)}
    for name, one in best.items():
        figures |= {
            f"{name}, of the floor": round(one.rate / floor.rate, 2),
            f"{name} CPU µs a call": round(one.cpu_s * 1e6, 1),
            f"{name} p99 ms": round(one.p99_s * 1000, 2),
        }
    return figures


if __name__ == "__main__":
    for name, value in run().items():
        print(f"{name}: {value}")
