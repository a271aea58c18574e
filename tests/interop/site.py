"""A site of one foreign station: a real controller process, and a meter whose base load we set.

Limits come about as at a real site: the building takes so much of the fuse that load management can
leave the car only what the test wants. What the car draws, as the controller measures it, is added
to the meter.
"""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sitecontroller.clock import SystemClock
from sitecontroller.config import load_config
from sitecontroller.domain.authorization import IdTokenType, TokenRecord
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.topology import NOMINAL_V
from sitecontroller.seed import Seed, plant
from sitecontroller.simulation.meter import VirtualMeter
from tests.processes.demo import READY_WITHIN_S, STOP_WITHIN_S, Demo
from tests.support import run_bounded, unused_port, wait_until
from tests.wire.site import TARIFF

STATION = "FOREIGN-1"
PASSWORD = "s3cretS3cretS3cret16"
"""20 characters: the most that a 1.6 station may have to keep."""
CARD, OTHER_CARD = "C0FFEE01", "C0FFEE02"
FUSE_A, MARGIN_A, RESERVE_A = 40.0, 1.0, 0.5
STEP_A = 1.0
METER_MODEL = "eastron-sdm630"

SITE = """
[site]
id = "INTEROP"
name = "Interoperability"

[ocpp]
host = "127.0.0.1"
port = 0
sample_interval_s = 5

[api]
port = 0

[[meters]]
id = "grid"
model = "{model}"
url = "tcp://127.0.0.1:{meter_port}"

[[circuits]]
id = "main"
limit_a = {fuse}
margin_a = {margin}
meter = "grid"
worst_base_a = {fuse}

[[stations]]
id = "{station}"
circuit = "main"

[[stations.evses]]
current_a_max = 32
step_a = {step}
limit_unit = "{unit}"
"""


@dataclass(slots=True)
class InteropSite:
    """A running controller with one place for a station, and the building beside it."""

    demo: Demo
    frames: list[dict[str, Any]] = field(default_factory=list)
    base_a: float = 0.0
    car_a: float = 0.0

    @property
    def ocpp_url(self) -> str:
        """Where stations connect, without their id."""
        listening = self.demo.listening
        assert listening is not None
        return str(listening["ocpp_url"])

    def leave(self, current_a: float) -> None:
        """Let the building take all but this much of the fuse, per phase."""
        self.base_a = FUSE_A - MARGIN_A - RESERVE_A - current_a - STEP_A / 4

    def station(self) -> dict[str, Any]:
        """The station as the console shows it."""
        return dict(self.demo.get(f"/v1/stations/{STATION}"))

    def evse(self) -> dict[str, Any]:
        """Its only EVSE."""
        evse: dict[str, Any] = self.station()["evses"][0]
        return evse

    def transactions(self) -> list[dict[str, Any]]:
        """All of this site, newest first."""
        return list(self.demo.get("/v1/transactions")["items"])

    def running(self) -> dict[str, Any] | None:
        """The running one."""
        return next((row for row in self.transactions() if row["ended_at"] is None), None)

    def alarms(self) -> list[dict[str, Any]]:
        """Every alarm so far."""
        return list(self.demo.get("/v1/alarms")["items"])

    def collect(self) -> list[dict[str, Any]]:
        """All frames of this station so far, oldest first; also kept in `frames`."""
        rows: list[dict[str, Any]] = []
        path = f"/v1/journal?station_id={STATION}&limit=500"
        cursor = ""
        for _ in range(20):
            page = self.demo.get(path + cursor)
            rows += page["items"]
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"
        self.frames = sorted(rows, key=lambda row: int(row["seq"]))
        return self.frames

    def said(self, action: str, direction: str = "in") -> list[dict[str, Any]]:
        """The payloads of these CALLs, oldest first."""
        return [
            json.loads(row["text"])[3]
            for row in self.collect()
            if row["kind"] == "call" and row["action"] == action and row["direction"] == direction
        ]

    def reading(self) -> MeterReading:
        """What the meter at the fuse shows now; a voltage that stands still would be frozen."""
        now = datetime.now(UTC)
        voltage_v = NOMINAL_V + now.microsecond / 1_000_000
        current_a = self.base_a + self.car_a
        power_w = current_a * voltage_v
        return MeterReading(
            at=now,
            current_a=(current_a,) * 3,
            voltage_v=(voltage_v,) * 3,
            power_phase_w=(power_w,) * 3,
            power_w=3 * power_w,
            energy_import_wh=0.0,
            energy_export_wh=0.0,
            frequency_hz=50.0,
        )


@contextmanager
def running_interop_site(
    directory: Path, *, limit_unit: str, leave_a: float
) -> Iterator[InteropSite]:
    """`sitecontroller run --headless` with room for one station of one EVSE."""
    meter_port = unused_port()
    path = directory / "site.toml"
    path.write_text(
        SITE.format(
            model=METER_MODEL,
            meter_port=meter_port,
            fuse=FUSE_A,
            margin=MARGIN_A,
            station=STATION,
            step=STEP_A,
            unit=limit_unit,
        )
    )
    cards = tuple(TokenRecord(card, IdTokenType.ISO14443, card) for card in (CARD, OTHER_CARD))
    seed = Seed({STATION: PASSWORD}, cards, TARIFF)
    run_bounded(plant(load_config(path), SystemClock(), seed))
    command = [sys.executable, "-m", "sitecontroller", "run", "--headless", "--config", str(path)]
    with (directory / "controller.log").open("wb") as output:
        keeper = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        site = InteropSite(Demo(directory, keeper))
        site.leave(leave_a)
        try:
            with _metered(site, meter_port):
                wait_until(lambda: site.demo.get("/v1/health"), within_s=READY_WITHIN_S)
                yield site
        finally:
            keeper.terminate()
            try:
                keeper.wait(timeout=STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                keeper.kill()
                keeper.wait()


@contextmanager
def _metered(site: InteropSite, port: int) -> Iterator[None]:
    """The meter serves, and learns twice a second what the car draws, on a thread of its own."""
    ended = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_meter(site, port, ended)))
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=10)


async def _meter(site: InteropSite, port: int, ended: threading.Event) -> None:
    meter = VirtualMeter(METER_MODEL, site.reading)
    await meter.start(port)
    loop = asyncio.get_running_loop()
    while not ended.is_set():
        try:
            evse = await loop.run_in_executor(None, site.evse)
        except AssertionError:
            pass  # not up yet, or stopping
        else:
            site.car_a = max((value or 0.0) for value in evse["current_a"])
        await asyncio.sleep(0.5)
    await meter.stop()
