"""Peak demand and PV surplus over real wires: Modbus in, OCPP out, the API between."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.client import ControllerClient
from sitecontroller.config import parse_config
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.topology import EvseKey
from sitecontroller.simulation.meter import VirtualMeter
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from tests.wire.emergency.plant import EARLIER_LEASES_S, running
from tests.wire.limits.box import Box, box_at
from tests.wire.site import STATIONS, TestSite

PERIOD_S = 300
TARGET_W = 15_000.0
VOLTS = 230.0


class Wires:
    """What flows: the building, a battery, a car at its box; and the meters that see it."""

    def __init__(self) -> None:
        self.building_a = 3.0
        """Per phase; below 0 is what the roof delivers more."""
        self.battery_w = 0.0
        """Charging is positive."""
        self.box: Box | None = None
        self.grid = VirtualMeter("eastron-sdm630", self._grid)
        self.battery = VirtualMeter("eastron-sdm630", self._battery)

    @property
    def grid_a(self) -> float:
        drawn_a = self.box.drawn_a if self.box is not None else 0.0
        return self.building_a + drawn_a + self.battery_w / VOLTS / 3

    def _grid(self) -> MeterReading:
        return self._reading(self.grid_a)

    def _battery(self) -> MeterReading:
        return self._reading(self.battery_w / VOLTS / 3)

    def _reading(self, flow_a: float) -> MeterReading:
        now = virtual_clock().now()
        ripple_v = now.timestamp() % 7 / 100
        return MeterReading(
            at=now,
            current_a=(flow_a,) * 3,
            voltage_v=(VOLTS + ripple_v,) * 3,
            power_phase_w=(flow_a * VOLTS,) * 3,
            power_w=flow_a * VOLTS * 3,
            energy_import_wh=1000.0,
            energy_export_wh=0.0,
            frequency_hz=50.0,
        )


@dataclass
class Wired:
    """A running site with its wires and a client of its API."""

    site: TestSite
    wires: Wires
    client: ControllerClient

    def reason(self) -> str:
        view = self.site.site.services.load.limit_view(EvseKey("CP-01", 1))
        assert view is not None
        return view.reason


@contextlib.asynccontextmanager
async def wired_site(
    directory: Path, load: dict[str, Any], *, planted: bool = False
) -> AsyncIterator[Wired]:
    """Two Modbus meters, one of them on no circuit; a fuse of 63 A; chargers may connect."""
    wires = Wires()
    ports = [await wires.grid.start(0), await wires.battery.start(0)]
    config = parse_config(
        {
            "site": {"id": "TEST"},
            "ocpp": {"host": "127.0.0.1", "port": 0, "security": {"tls": False}},
            "api": {"port": 0},
            "meters": [
                {"id": name, "model": "eastron-sdm630", "url": f"tcp://127.0.0.1:{port}"}
                for name, port in zip(("grid", "battery"), ports, strict=True)
            ],
            "circuits": [{"id": "main", "name": "Main", "limit_a": 63, "meter": "grid"}],
            "stations": [
                {"id": name, "circuit": "main", "evses": [{"current_a_max": 63}] * 2}
                for name in STATIONS
            ],
            "groups": [{"id": "pv", "name": "Solar bays", "evses": ["CP-01"]}],
            "load": {"lease_s": 120, **load},
        },
        base_dir=directory,
    )
    try:
        async with running(config, planted=planted) as (site, client):
            yield Wired(site, wires, client)
    finally:
        await wires.grid.stop()
        await wires.battery.stop()


@pytest.fixture
def play(run: Any, tmp_path: Path) -> Callable[..., None]:
    """`play(story, load)` runs `await story(wired, box)` in virtual time, a hungry car plugged."""

    async def played(story: Callable[[Wired, Box], Awaitable[None]], load: dict[str, Any]) -> None:
        async with wired_site(tmp_path, load) as wired:
            await asyncio.sleep(EARLIER_LEASES_S)
            async with box_at(wired.site, car_a=63) as box:
                wired.wires.box = box
                await story(wired, box)

    return lambda story, load: run(played(story, load), loop_factory=VirtualLoop)


async def next_window() -> None:
    await asyncio.sleep(PERIOD_S - virtual_clock().now().timestamp() % PERIOD_S)


def test_a_window_of_peak_demand_is_kept_and_shown(play: Any):
    async def story(wired: Wired, box: Box) -> None:
        await box.begin()
        await next_window()
        energy_ws, stepped = 0.0, False
        for second in range(PERIOD_S):
            await asyncio.sleep(1)
            energy_ws += wired.wires.grid_a * VOLTS * 3
            if second == 200 and not stepped:
                circuit = (await wired.client.circuits())[0]
                assert circuit.demand is not None
                assert circuit.demand.target_w == TARGET_W
                assert circuit.demand.energy_wh == pytest.approx(energy_ws / 3600, rel=0.05)
                assert circuit.demand.expected_w <= TARGET_W
                assert circuit.limited_by is not None
                assert "site limit 'peak demand'" in circuit.limited_by
                assert "site limit 'peak demand' at Main" in wired.reason()
                wired.wires.building_a = 14.0
        assert 0.85 * TARGET_W <= energy_ws / PERIOD_S <= TARGET_W
        await wired.wires.grid.stop()
        await asyncio.sleep(80)
        assert box.limits[-1] == 0, "without its meter the site keeps its fallbacks (S4)"

    play(story, {"demand": {"target_w": TARGET_W, "period_s": PERIOD_S}})


def test_a_car_charges_from_the_roof_and_not_from_the_battery(play: Any):
    async def story(wired: Wired, box: Box) -> None:
        await box.begin()
        wired.wires.building_a = -12.0
        await asyncio.sleep(300)
        assert 11 <= box.drawn_a <= 12
        assert "PV surplus at Solar bays" in wired.reason()
        surplus = (await wired.client.circuits())[0].surplus
        assert surplus is not None
        assert surplus.available_w == pytest.approx(12 * VOLTS * 3, rel=0.05)
        wired.wires.building_a, wired.wires.battery_w = 0.0, -12.0 * VOLTS * 3
        await asyncio.sleep(240)
        assert box.drawn_a == 0, "the battery hides the cloud from the grid's meter"

    surplus = {"group": "pv", "battery_meter": "battery"}
    play(story, {"surplus": {**surplus, "start_after_s": 60, "stop_after_s": 60}})


def test_a_restart_goes_on_with_the_window_that_was_running(run: Any, tmp_path: Path):
    load = {"demand": {"target_w": TARGET_W, "period_s": PERIOD_S}}

    async def counted_wh(wired: Wired) -> float:
        demand = (await wired.client.circuits())[0].demand
        assert demand is not None
        return demand.energy_wh

    async def story() -> None:
        async with wired_site(tmp_path, load) as wired:
            await next_window()
            await asyncio.sleep(200)
            before_wh = await counted_wh(wired)
        async with wired_site(tmp_path, load, planted=True) as wired:
            await asyncio.sleep(5)
            unseen_wh = await counted_wh(wired) - before_wh
        assert 0 < unseen_wh < 40 * 63 * 3 * 253 / 3600, "half a minute at its worst, not all"

    run(story(), loop_factory=VirtualLoop)
