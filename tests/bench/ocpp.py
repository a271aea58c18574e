"""OCPP messages/s and p99 against a bare `websockets` JSON echo in the same run.

Both sides are driven by one process over loopback with identical raw frames from 100 stations, so
that only the server's share differs. The floor parses and writes JSON and checks nothing.
"""

import asyncio
import base64
import contextlib
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import orjson
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from sitecontroller.clock import SystemClock
from sitecontroller.config import OcppSettings
from sitecontroller.domain.ids import fold
from sitecontroller.domain.station import OcppVersion
from sitecontroller.domain.topology import ChargingStation
from sitecontroller.ocpp.frames import CallFault
from sitecontroller.ocpp.server import OcppServer
from sitecontroller.services.stations import LoginVerdict

STATIONS = 100
CALLS_PER_STATION = 300
ROUNDS = 3
NOW = "2025-11-21T08:00:00.000Z"

_SAMPLES = [
    {
        "value": f"{1000 + n}.5",
        "context": "Sample.Periodic",
        "measurand": measurand,
        "phase": f"L{n % 3 + 1}",
        "location": "Outlet",
        "unit": unit,
    }
    for n, (measurand, unit) in enumerate(
        [("Current.Import", "A")] * 3
        + [("Voltage", "V")] * 3
        + [("Power.Active.Import", "W")] * 3
        + [("Energy.Active.Import.Register", "Wh")] * 3
    )
]
MIX: list[tuple[str, dict[str, Any]]] = [
    ("Heartbeat", {}),
    ("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Charging"}),
    *[
        (
            "MeterValues",
            {
                "connectorId": 1,
                "transactionId": 7,
                "meterValue": [{"timestamp": NOW, "sampledValue": _SAMPLES}],
            },
        )
    ]
    * 3,
    ("Authorize", {"idTag": "04A1B2C3D4"}),
]
ANSWERS: dict[str, dict[str, Any]] = {
    "Heartbeat": {"currentTime": NOW},
    "StatusNotification": {},
    "MeterValues": {},
    "Authorize": {"idTagInfo": {"status": "Accepted"}},
}


class _Stations:
    """Lets everyone in."""

    def __init__(self) -> None:
        self._station = {fold(f"CP{n:03}"): ChargingStation(f"CP{n:03}", ()) for n in range(1000)}

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
        self.generation = session.generation
        self.station_id = session.station_id
        self.version = version

    async def answer(
        self, action: str, payload: dict[str, Any], received_at: datetime
    ) -> dict[str, Any]:
        answer = ANSWERS.get(action)
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


async def _floor() -> tuple[int, Callable[[], Awaitable[None]]]:
    """Bare `websockets` with the standard library's JSON: parse, look up, write."""

    async def echo(connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in connection:
                call = json.loads(message)
                await connection.send(json.dumps([3, call[1], ANSWERS[call[2]]]))

    server = await serve(echo, "127.0.0.1", 0, compression=None, ping_interval=None)

    async def stop() -> None:
        server.close()
        await server.wait_closed()

    return next(iter(server.sockets)).getsockname()[1], stop


async def _ours() -> tuple[int, Callable[[], Awaitable[None]]]:
    server = OcppServer(
        OcppSettings(host="127.0.0.1", port=0),
        _Stations(),
        lambda *parts: _Dialect(*parts),  # type: ignore[arg-type]
        _Journal(),  # type: ignore[arg-type]
        SystemClock(),
    )
    return await server.start(), server.stop


def _masked_frames(station: int, calls: int) -> list[bytes]:
    """A station's CALLs as WebSocket frames, made before the clock runs."""
    frames = []
    for number in range(calls):
        action, payload = MIX[(number + station) % len(MIX)]
        text = orjson.dumps([2, f"{station}-{number}", action, payload])
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
        size = self._buffer[1] + 2
        assert self._buffer[1] < 126, "an answer is longer than this client reads"
        if len(self._buffer) >= size:
            self._latencies.append(time.perf_counter() - self._sent_s)
            self._buffer = self._buffer[size:]
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


async def _drive(pipe: Any, port: int, stations: int, calls: int) -> tuple[float, float]:
    """Messages per second and the 99th percentile of a round trip in s."""
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    clients = []
    for number in range(stations):
        frames = _masked_frames(number, calls)
        _, client = await loop.create_connection(
            lambda f=frames: _Station(f, latencies), "127.0.0.1", port
        )
        client.transport.write(_handshake(f"CP{number:03}"))
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
    return stations * calls / took_s, statistics.quantiles(latencies, n=100)[98]


def _handshake(station_id: str) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET /{station_id} HTTP/1.1\r\nHost: site\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
    ).encode()


def _drive_in_child(pipe: Any, port: int, stations: int, calls: int) -> None:
    pipe.send(asyncio.run(_drive(pipe, port, stations, calls)))


async def _measured(
    start: Callable[[], Awaitable[tuple[int, Callable[[], Awaitable[None]]]]],
) -> tuple[float, float, float]:
    """(messages/s, p99 in s, server's CPU seconds per call) of one server, here, its stations in
    a process of their own."""
    port, stop = await start()
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    child = multiprocessing.get_context("spawn").Process(
        target=_drive_in_child, args=(theirs, port, STATIONS, CALLS_PER_STATION)
    )
    child.start()
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, ours.recv)
    cpu_s = time.process_time()
    ours.send("go")
    rate, p99_s = await loop.run_in_executor(None, ours.recv)
    cpu_s = time.process_time() - cpu_s
    await loop.run_in_executor(None, child.join)
    await stop()
    return rate, p99_s, cpu_s / (STATIONS * CALLS_PER_STATION)


async def run() -> dict[str, float]:
    """Best of `ROUNDS` for each side, taken in turns; ratios are ours over the floor's."""
    floor, ours = [], []
    for _ in range(ROUNDS):
        floor.append(await _measured(_floor))
        ours.append(await _measured(_ours))
    floor_rate, ours_rate = max(r for r, _, _ in floor), max(r for r, _, _ in ours)
    floor_p99, ours_p99 = min(p for _, p, _ in floor), min(p for _, p, _ in ours)
    floor_cpu, ours_cpu = min(c for _, _, c in floor), min(c for _, _, c in ours)
    return {
        "floor messages/s": round(floor_rate),
        "ours messages/s": round(ours_rate),
        "throughput of the floor": round(ours_rate / floor_rate, 2),
        "floor p99 ms": round(floor_p99 * 1000, 2),
        "ours p99 ms": round(ours_p99 * 1000, 2),
        "floor CPU µs a call": round(floor_cpu * 1e6, 1),
        "ours CPU µs a call": round(ours_cpu * 1e6, 1),
    }


if __name__ == "__main__":
    for name, value in asyncio.run(run()).items():
        print(f"{name}: {value}")
