"""Reaction: a meter's register shows the overload; how long until every limit was written?

Real controller, real Modbus, real WebSockets. The stations are instant and live in a process of
their own, so that only our side is on the clock; a third of them charges on each phase. Counted
from the published meter sample (the poll period comes on top in the field) to the last station's
last byte received.
"""

import asyncio
import base64
import json
import math
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from sitecontroller.app import Site, build
from sitecontroller.clock import SystemClock
from sitecontroller.config import SiteConfig, parse_config
from sitecontroller.domain.authorization import IdTokenType, TokenRecord
from sitecontroller.domain.events import Event, MeterMeasured
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.topology import PHASE_NAMES
from sitecontroller.seed import Seed, plant
from sitecontroller.simulation.meter import VirtualMeter
from tests.support import eventually, unused_port

SIZES = (10, 100, 500, 1000)
ROUNDS = 3
PASSWORD = "0123456789abcdef0123456789abcdef01234567"
EACH_A = 6.0
BASE_A = 20.0
SAMPLE_S = 3.0
READY_WITHIN_S = 300.0
WRITTEN_WITHIN_S = 20.0


def station_ids(count: int) -> list[str]:
    return [f"CP-{number:03}" for number in range(1, count + 1)]


# the stations' process


def stations_main(url: str, count: int, pipe: Connection) -> None:
    """Connect, start a session each, answer at once; tell when limits were received."""
    asyncio.run(_stations(url, count, pipe))


async def _stations(url: str, count: int, pipe: Connection) -> None:
    heard: dict[str, tuple[float, float]] = {}
    tasks = [asyncio.create_task(_station(url, name, heard)) for name in station_ids(count)]
    loop = asyncio.get_running_loop()
    while True:
        question = await loop.run_in_executor(None, pipe.recv)
        if question == "stop":
            break
        limits = dict(heard)
        pipe.send({name: limits[name] for name in limits})
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _station(url: str, name: str, heard: dict[str, tuple[float, float]]) -> None:
    login = base64.b64encode(f"{name}:{PASSWORD}".encode()).decode()
    async with connect(
        f"{url}/{name}",
        subprotocols=["ocpp1.6"],  # type: ignore[list-item]
        additional_headers={"Authorization": f"Basic {login}"},
        ping_interval=None,
        compression=None,
        open_timeout=60,
    ) as socket:
        await _say(socket, "BootNotification", chargePointVendor="B", chargePointModel="Instant")
        await _say(
            socket, "StatusNotification", connectorId=1, errorCode="NoError", status="Preparing"
        )
        await _say(
            socket, "StartTransaction", connectorId=1, idTag=f"T{name}", meterStart=0,
            timestamp=_now(),
        )  # fmt: skip
        meters = asyncio.create_task(_meter_values(socket, name, heard))
        try:
            async for text in socket:
                await _answer(socket, text, name, heard)
        finally:
            meters.cancel()


async def _answer(
    socket: ClientConnection, text: Any, name: str, heard: dict[str, tuple[float, float]]
) -> None:
    received_s = time.monotonic()
    frame = json.loads(text)
    if frame[0] != 2:
        return
    answer: dict[str, Any] = {"status": "Accepted"}
    if frame[2] == "GetConfiguration":
        answer = {"configurationKey": [], "unknownKey": []}
    elif frame[2] == "SetChargingProfile":
        profile = frame[3]["csChargingProfiles"]
        if profile["chargingProfilePurpose"] != "ChargePointMaxProfile" and profile["stackLevel"]:
            limit = profile["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"]
            heard[name] = (float(limit), received_s)
    elif frame[2] == "ClearChargingProfile":
        heard[name] = (0.0, received_s)
    await socket.send(json.dumps([3, frame[1], answer]))


async def _meter_values(
    socket: ClientConnection, name: str, heard: dict[str, tuple[float, float]]
) -> None:
    energy_wh = 0
    while True:
        await asyncio.sleep(SAMPLE_S)
        current_a = EACH_A if heard.get(name, (0.0, 0.0))[0] >= EACH_A else 0.0
        energy_wh += int(current_a)
        sampled = [
            {"value": f"{current_a}", "measurand": "Current.Import", "unit": "A", "phase": "L1"}
        ]
        sampled.append({"value": str(energy_wh), "measurand": "Energy.Active.Import.Register"})
        await _say(
            socket,
            "MeterValues",
            connectorId=1,
            meterValue=[{"timestamp": _now(), "sampledValue": sampled}],
        )


async def _say(socket: ClientConnection, action: str, **payload: Any) -> None:
    await socket.send(json.dumps([2, f"{time.monotonic_ns()}", action, payload]))


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


# our side


def site_config(directory: Path, count: int, meter_port: int) -> SiteConfig:
    """Room for everyone at the minimum, none for anyone once the base load has jumped."""
    limit_a = BASE_A + count * EACH_A / 3 * 1.5 + 50
    return parse_config(
        {
            "site": {"id": "BENCH"},
            "ocpp": {
                "host": "127.0.0.1",
                "port": 0,
                "sample_interval_s": int(SAMPLE_S),
                "security": {"tls": False},
            },
            "api": {"port": 0},
            "meters": [
                {
                    "id": "grid",
                    "model": "eastron-sdm630",
                    "url": f"tcp://127.0.0.1:{meter_port}",
                    "period_s": 1.0,
                }
            ],
            "circuits": [{"id": "main", "limit_a": limit_a, "meter": "grid"}],
            "stations": [
                {
                    "id": name,
                    "circuit": "main",
                    "evses": [{"current_a_max": EACH_A, "phases": PHASE_NAMES[number % 3]}],
                }
                for number, name in enumerate(station_ids(count))
            ],
        },
        base_dir=directory,
    )


async def measured(count: int) -> float:
    """Milliseconds from the sample to the last limit received."""
    with tempfile.TemporaryDirectory() as folder:
        clock, meter_port = SystemClock(), unused_port()
        config = site_config(Path(folder), count, meter_port)
        tokens = tuple(TokenRecord(f"T{name}", IdTokenType.ISO14443) for name in station_ids(count))
        await plant(config, clock, Seed(dict.fromkeys(station_ids(count), PASSWORD), tokens))
        flow = {"current_a": BASE_A}
        meter = VirtualMeter("eastron-sdm630", lambda: reading(clock.now(), flow["current_a"]))
        await meter.start(meter_port)
        site = await build(config, clock, serve_api=False)
        ours, theirs = multiprocessing.Pipe()
        child = multiprocessing.get_context("spawn").Process(
            target=stations_main,
            args=(f"ws://127.0.0.1:{site.ocpp_port}/ocpp", count, theirs),
            daemon=True,
        )
        child.start()
        try:
            return await _react(site, ours, flow, count)
        finally:
            ours.send("stop")
            await asyncio.get_running_loop().run_in_executor(None, child.join, 10)
            await site.stop()
            await meter.stop()


async def _react(site: Site, pipe: Connection, flow: dict[str, float], count: int) -> float:
    loop = asyncio.get_running_loop()

    def ask() -> dict[str, tuple[float, float]]:
        pipe.send("limits")
        told: dict[str, tuple[float, float]] = pipe.recv()
        return told

    async def everyone(has: Callable[[float], bool]) -> dict[str, tuple[float, float]] | None:
        limits = await loop.run_in_executor(None, ask)
        charging = sum(1 for limit, _ in limits.values() if has(limit))
        flow["current_a"] = flow["base_a"] + EACH_A * math.ceil(
            sum(1 for limit, _ in limits.values() if limit >= EACH_A) / 3
        )
        return limits if charging == count else None

    flow["base_a"] = BASE_A
    await eventually(lambda: everyone(lambda limit: limit >= EACH_A), within_s=READY_WITHIN_S)
    await asyncio.sleep(2 * SAMPLE_S)
    seen: list[float] = []
    limit_a = site.config.topology.root().limit_a[0]
    jump_a = limit_a * 1.05

    def look(event: Event) -> None:
        if isinstance(event, MeterMeasured) and not seen:
            current_a = event.reading.current_a[0]
            if current_a is not None and current_a > limit_a:
                seen.append(event.received_s)

    unsubscribe = site.services.publisher.subscribe(look)
    flow["base_a"] = jump_a
    flow["current_a"] = jump_a + EACH_A * count / 3
    await eventually(lambda: bool(seen), within_s=10)
    await asyncio.sleep(0.5)
    limits = await eventually(lambda: everyone(lambda limit: limit == 0), within_s=WRITTEN_WITHIN_S)
    unsubscribe()
    return (max(at_s for _, at_s in limits.values()) - seen[0]) * 1000


def reading(at: datetime, current_a: float) -> MeterReading:
    """What a meter shows at that current, the same on every phase."""
    return MeterReading(
        at,
        current_a=(current_a, current_a, current_a),
        voltage_v=(230.0, 231.0, 229.5),
        power_phase_w=(current_a * 230, current_a * 231, current_a * 229.5),
        power_w=current_a * 690.5,
        energy_import_wh=1000.0,
        frequency_hz=50.0,
    )


async def run() -> dict[str, float]:
    """Milliseconds by number of stations, the median of some runs."""
    return {
        f"{count} stations, ms": round(
            statistics.median([await measured(count) for _ in range(ROUNDS)]), 1
        )
        for count in SIZES
    }


if __name__ == "__main__":
    for title, value in asyncio.run(run()).items():
        print(f"{title}: {value}")
