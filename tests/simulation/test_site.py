"""The demo site as a whole: its files, its drivers, its course, its process."""

import asyncio
import json
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from websockets.asyncio.server import ServerConnection, serve

from sitecontroller.clock import SystemClock
from sitecontroller.config import load_config
from sitecontroller.domain.errors import ConfigurationError
from sitecontroller.domain.station import OcppVersion
from sitecontroller.domain.topology import PHASES, Supply
from sitecontroller.payments.zvt.line import TerminalAddress, connect
from sitecontroller.simulation.__main__ import controller_url, keep_passwords
from sitecontroller.simulation.demo import DemoSite, init_site, make_demo_site
from sitecontroller.simulation.description import read_description
from sitecontroller.simulation.site import VirtualSite
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from tests.support import wait_until

Run = Callable[..., Any]


@pytest.fixture
def demo(tmp_path: Path) -> DemoSite:
    return make_demo_site(tmp_path / "demo", ocpp_port=0, api_port=0, meter_port=0)


@pytest.fixture
def run_fast(run: Run) -> Run:
    return lambda main, **options: run(main, loop_factory=VirtualLoop, **options)


async def _yes_man(connection: ServerConnection) -> None:
    """A CSMS of every version that agrees to everything."""
    numbers = iter(range(1, 1_000_000))
    async for frame in connection:
        _, message_id, action, payload = orjson.loads(frame)
        now = virtual_clock().now().isoformat()
        accepted = {"status": "Accepted"}
        answer: dict[str, Any] = {
            "BootNotification": {**accepted, "currentTime": now, "interval": 300},
            "Heartbeat": {"currentTime": now},
            "Authorize": {"idTagInfo" if "idTag" in payload else "idTokenInfo": accepted},
            "StartTransaction": {"transactionId": next(numbers), "idTagInfo": accepted},
        }.get(action, {})
        if action == "TransactionEvent" and "idToken" in payload:
            answer = {"idTokenInfo": accepted}
        await connection.send(orjson.dumps([3, message_id, answer]), text=True)


@asynccontextmanager
async def agreeable_csms() -> AsyncIterator[str]:
    protocols: Any = [f"ocpp{version}" for version in OcppVersion]
    async with serve(
        _yes_man, "127.0.0.1", 0, subprotocols=protocols, compression=None, close_timeout=1
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}/ocpp"


async def play(demo: DemoSite, seconds: float, seed: int = 1) -> list[tuple[float, ...]]:
    """The currents of the main fuse and the energy of every EVSE, once a second."""
    site = VirtualSite(demo.description, virtual_clock(), seed)
    trace: list[tuple[float, ...]] = []
    site.watchers.append(
        lambda: trace.append(
            (
                *site.plant.circuits["main"].current_a,
                *(outlet.energy_wh for outlet in site.plant.outlets.values()),
            )
        )
    )
    async with agreeable_csms() as url:
        running = asyncio.create_task(site.run(url))
        await asyncio.sleep(seconds)
        await site.stop()
        await running
    return trace


def test_the_demo_site_is_what_the_issue_asks_for(demo: DemoSite) -> None:
    config = load_config(demo.config_path)
    versions = [box.version for box in demo.description.boxes]
    evses = list(config.topology.evses())
    assert (config.site_id, config.name, config.demo) == ("DEMO", "Parkhaus Nord", True)
    assert list(config.topology.stations) == [f"CP-{n:02d}" for n in range(1, 13)]
    assert [versions.count(version) for version in OcppVersion] == [8, 3, 1]
    assert [evse.supply for evse in evses].count(Supply.DC) == 1
    assert {evse.phase_count for evse in evses} == {1, 3}
    assert len({str(evse.phase_map) for evse in evses}) >= 5
    assert config.topology == demo.description.topology


def test_the_demos_fallbacks_and_worst_base_load_stay_below_every_fuse(demo: DemoSite) -> None:
    topology = demo.description.topology
    for circuit in topology.circuits.values():
        below = [e for e in topology.evses() if circuit in topology.path(e.circuit_id)]
        for phase in PHASES:
            fallbacks_a = sum(e.fallback_a for e in below if phase in e.phase_map.site_phases)
            assert fallbacks_a + circuit.worst_base_a[phase] <= (
                circuit.limit_a[phase] - circuit.margin_a
            )


def test_every_station_of_the_demo_has_a_password_and_every_driver_a_card(demo: DemoSite) -> None:
    assert len(set(demo.passwords.values())) == 12
    assert all(len(password) == 32 for password in demo.passwords.values())
    assert len({token.id_token for token in demo.tokens}) >= 12
    assert all(len(t.id_token) <= 16 and t.id_token.isalnum() for t in demo.tokens)


def test_the_virtual_sites_file_is_for_its_owner_and_reads_back(demo: DemoSite) -> None:
    assert stat.S_IMODE(demo.description_path.stat().st_mode) == 0o600
    assert read_description(demo.description_path.parent) == demo.description


def test_a_password_given_to_a_station_outlives_a_power_cut(run, demo: DemoSite) -> None:
    folder = demo.description_path.parent

    async def main() -> None:
        virtual = VirtualSite(read_description(folder), virtual_clock())
        keep_passwords(folder, virtual)
        assert read_description(folder) == demo.description
        virtual.stations["CP-08"].uplink.password = "a new one"
        keep_passwords(folder, virtual)
        again = VirtualSite(read_description(folder), virtual_clock())
        assert again.stations["CP-08"].uplink.password == "a new one"
        assert stat.S_IMODE(demo.description_path.stat().st_mode) == 0o600

    run(main(), loop_factory=VirtualLoop)


def test_a_site_is_never_overwritten(demo: DemoSite) -> None:
    with pytest.raises(ConfigurationError, match="there already"):
        make_demo_site(demo.config_path.parent)
    with pytest.raises(ConfigurationError, match="there already"):
        init_site(demo.config_path.parent)


def test_the_demo_has_a_card_terminal_where_its_file_says(run: Run, tmp_path: Path) -> None:
    made = make_demo_site(tmp_path / "demo", ocpp_port=0, api_port=0)
    terminal = load_config(made.config_path).till.terminal
    assert terminal is not None

    async def main() -> None:
        site = VirtualSite(made.description, SystemClock(), drivers=False)
        await site.start_terminal()
        line = await connect(TerminalAddress.parse(terminal.url))
        line.close()
        await site.stop()

    run(main())


def test_a_new_sites_file_is_valid_as_it_stands(tmp_path: Path) -> None:
    config = load_config(init_site(tmp_path / "new"))
    assert len(config.topology.circuits) == 1
    assert not config.topology.stations


def test_two_cars_charge_within_seconds(run_fast: Run, demo: DemoSite) -> None:
    trace = run_fast(play(demo, 19))
    charging = [i for i in range(3, 15) if trace[-1][i] - trace[0][i] > 1]
    assert len(charging) == 2


def test_cars_come_and_go_in_half_an_hour(run_fast: Run, demo: DemoSite) -> None:
    trace = run_fast(play(demo, 1800))
    energies_wh = [trace[-1][i] - trace[0][i] for i in range(3, 15)]
    assert sum(energy_wh > 100 for energy_wh in energies_wh) >= 9
    assert max(energies_wh) < 22_500 / 2
    pairs = zip(demo.description.boxes, energies_wh, strict=True)
    charged = {box.version for box, energy_wh in pairs if energy_wh > 100}
    assert charged == set(OcppVersion)


def test_one_seed_is_one_course_over_the_real_protocols(run_fast: Run, demo: DemoSite) -> None:
    """The message ids differ in nothing either; only passwords are made anew."""
    first, again, other = (run_fast(play(demo, 300, seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("ws://127.0.0.1:9000/ocpp", "ws://127.0.0.1:9000/ocpp"),
        ("ws://0.0.0.0:9000/ocpp/", "ws://127.0.0.1:9000/ocpp"),
        ("ws://0.0.0.0:9000", "ws://127.0.0.1:9000/ocpp"),
        ("ws://[::]:9000/", "ws://[::1]:9000/ocpp"),
        ("nonsense", None),
    ],
)
def test_the_controllers_own_file_says_where_to_connect(
    demo: DemoSite, told: str, expected: str | None
) -> None:
    folder = demo.config_path.parent
    assert controller_url(folder, demo.description) is None
    (folder / "state").mkdir()
    (folder / "state/controller.json").write_text(json.dumps({"pid": 1, "ocpp_url": told}))
    assert controller_url(folder, demo.description) == expected


@pytest.mark.alone
def test_the_process_ends_cleanly_when_told_to(demo: DemoSite) -> None:
    folder = demo.config_path.parent
    (folder / "virtual-site.json").unlink()
    from sitecontroller.simulation.description import write_description

    write_description(folder, replace(demo.description, meter_port=0))
    (folder / "state").mkdir()
    told = json.dumps({"pid": 1, "api_url": "", "ocpp_url": "ws://127.0.0.1:1/ocpp"})
    (folder / "state/controller.json").write_text(told)
    command = [sys.executable, "-m", "sitecontroller.simulation", "--site", str(folder)]
    log = folder / "log"
    with log.open("w") as stderr:
        process = subprocess.Popen(command, stderr=stderr)
        try:
            wait_until(lambda: "12 stations connect" in log.read_text(), within_s=30)
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    assert "Traceback" not in log.read_text()
