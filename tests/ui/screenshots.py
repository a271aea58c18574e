"""Every screen as a PNG, light and dark, in both sizes: `python -m tests.ui.screenshots --out DIR`.

The pictures are of a real controller on a demo site of its own (made in a temporary folder, ports
chosen freely, simulated chargers), taken once cars charge. `--fake` takes them of the tests' fake
controller instead, with 0, 1, 12, 60 and 500 chargers; that needs seconds instead of minutes.
"""

import argparse
import asyncio
import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import qasync  # type: ignore[import-untyped]
from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QApplication

from sitecontroller.client import ControllerClient
from sitecontroller.domain.commands import TriggerMessage
from sitecontroller.domain.device import TakeSnapshot
from sitecontroller.domain.files import GetLog
from sitecontroller.domain.local_list import SyncLocalList
from sitecontroller.domain.reservation import ReserveEvse
from tests.support import eventually
from tests.ui import site
from tests.ui.fake_client import FakeClient, FakeClock
from ui import theme
from ui.api import Connect
from ui.app import Console, Target
from ui.clock import Clock, SystemClock
from ui.shortcuts import Action
from ui.theme import Scheme
from ui.views.service import ServiceScreen

SIZES = ((1366, 768), (1920, 1080))
SCHEMES = (Scheme.LIGHT, Scheme.DARK)
SCREENS = (
    Action.OVERVIEW, Action.SESSIONS, Action.LOAD, Action.ALARMS, Action.SERVICE,
    Action.DIAGNOSTICS, Action.HELP, "station",
)  # fmt: skip
SETTLE_S = 0.4
START_WITHIN_S = 40.0
CARS = 2
CHART_S = 90.0


@asynccontextmanager
async def client_for_demo() -> AsyncIterator[Connect]:
    """A running demo site: its keeper is started here and stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="screenshots-") as folder:
        directory = Path(folder) / "demo"
        _run("init", "--demo", str(directory))
        _choose_ports(directory)
        log = (Path(folder) / "keeper.log").open("wb")
        keeper = subprocess.Popen(
            [sys.executable, "-m", "sitecontroller", "run", "--headless",
             "--config", str(directory / "site.toml")],
            stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            yield lambda: ControllerClient.from_state_dir(directory / "state")
        finally:
            keeper.terminate()
            await asyncio.get_running_loop().run_in_executor(None, keeper.wait)
            log.close()


async def photograph(console: Console, out: Path, name: str, screens: Sequence[str]) -> None:
    """Write these screens in both sizes and themes."""
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    for scheme in SCHEMES:
        theme.activate(app, scheme)
        for width, height in SIZES:
            console.window.resize(width, height)
            for screen in screens:
                _show(console, screen)
                await asyncio.sleep(SETTLE_S)
                file = out / f"{screen}{name}-{scheme}-{width}.png"
                console.window.grab().save(str(file))


async def photograph_service(console: Console, out: Path) -> None:
    """Each subject of the service screen, once."""
    console.window.go(Action.SERVICE)
    console.window.resize(*SIZES[0])
    screen = console.window.findChild(ServiceScreen)
    for row in range(screen.subjects.count()):
        screen.subjects.setCurrentRow(row)
        if screen.page.needs_station:
            screen.open("CP-01")
            screen.entered()
        await asyncio.sleep(SETTLE_S)
        console.window.grab().save(str(out / f"service-page-{screen.page.name}.png"))


async def technician_at_work(connect: Connect) -> None:
    """So that the service screen has something to show."""
    tomorrow = datetime.now(UTC) + timedelta(hours=20)
    client = connect()
    try:
        card = (await client.tokens()).items[-1].id_token
        for command in (
            TakeSnapshot("CP-01"),
            TakeSnapshot("CP-03"),
            ReserveEvse("CP-07", card, tomorrow, 1),
            SyncLocalList("CP-08"),
            TriggerMessage("CP-02", "StatusNotification"),
            GetLog("CP-09"),
        ):
            await client.execute(command)
    finally:
        await client.close()


async def of_the_demo(out: Path) -> None:
    """Pictures of a real controller, the last ones after it was stopped."""
    async with contextlib.AsyncExitStack() as stack:
        connect = await stack.enter_async_context(client_for_demo())
        async with _console(connect, SystemClock()) as console:
            await eventually(lambda: console.picture.live, START_WITHIN_S)
            await eventually(lambda: _charging(console) >= CARS, 2 * START_WITHIN_S)
            await technician_at_work(connect)
            await asyncio.sleep(CHART_S)
            await photograph(console, out, "", SCREENS)
            await photograph_service(console, out)
            await stack.aclose()
            await eventually(lambda: not console.picture.live, START_WITHIN_S)
            await photograph(console, out, "-lost", (Action.OVERVIEW,))


async def of_the_fake(out: Path) -> None:
    """Pictures of the tests' site in several sizes, of a new charger and of a lost controller."""
    for stations in (0, 1, 12, 60, 500):
        client = FakeClient(site.a_site(stations))
        async with _console(_always(client), FakeClock()) as console:
            await eventually(lambda console=console: console.picture.live)
            await photograph(console, out, f"-{stations}", SCREENS if stations else SCREENS[:-1])
    newcomer = FakeClient(site.with_new_station(site.a_site()))
    async with _console(_always(newcomer), FakeClock()) as console:
        await eventually(lambda: console.picture.live)
        await photograph(console, out, "-new", (Action.OVERVIEW,))
    client, clock = FakeClient(site.a_site()), FakeClock()
    async with _console(_always(client), clock) as console:
        await eventually(lambda: console.picture.live)
        client.drop()
        await eventually(lambda: not console.picture.live)
        clock.at += timedelta(seconds=95)
        await photograph(console, out, "-lost", (Action.OVERVIEW, "station"))


@asynccontextmanager
async def _console(connect: Connect, clock: Clock) -> AsyncIterator[Console]:
    with tempfile.TemporaryDirectory() as folder:
        settings = QSettings(str(Path(folder) / "console.ini"), QSettings.Format.IniFormat)
        console = Console(Target(connect, "the demo site"), settings, clock)
        console.window.show()
        console.start()
        try:
            yield console
        finally:
            console.window.close()
            await console.close()


def _show(console: Console, screen: str) -> None:
    if screen != "station":
        console.window.go(Action(screen))
        return
    console.window.go(Action.OVERVIEW)
    stations = console.picture.stations.values()
    busy = next((s for s in stations if any(e.transaction_key for e in s.evses)), None)
    console.window.open_station((busy or next(iter(stations))).station_id)


def _charging(console: Console) -> int:
    return console.picture.site.charging if console.picture.site is not None else 0


def _always(client: FakeClient) -> Callable[[], FakeClient]:
    def connect() -> FakeClient:
        client.raise_if_away()
        return client

    return connect


def _run(*arguments: str) -> None:
    command = [sys.executable, "-m", "sitecontroller", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60)


def _choose_ports(directory: Path) -> None:
    """Ports of the controller are free ones; the simulated meter gets one for both its ends."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        meter = probe.getsockname()[1]
    config = directory / "site.toml"
    text = re.sub(r"(?m)^port = \d+", "port = 0", config.read_text())
    config.write_text(text.replace(":5020", f":{meter}"))
    virtual = directory / "virtual-site.json"
    virtual.write_text(virtual.read_text().replace("5020", str(meter)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/screenshots"), metavar="DIR")
    parser.add_argument("--fake", action="store_true", help="of the tests' fake controller")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    app = QApplication([])
    app.setQuitOnLastWindowClosed(False)
    theme.install(app, Scheme.LIGHT)
    loop = qasync.QEventLoop(app)
    asyncio.set_event_loop(loop)
    with loop:
        work = of_the_fake(options.out) if options.fake else of_the_demo(options.out)
        loop.run_until_complete(work)
    print(f"{len(list(options.out.glob('*.png')))} pictures in {options.out}")


if __name__ == "__main__":
    main()
