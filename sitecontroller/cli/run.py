"""`run`, `serve` and `simulate`: the processes of a site on this PC."""

import argparse
import asyncio
import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sitecontroller import event_loop, logs
from sitecontroller.cli.sites import config_path, make_demo
from sitecontroller.clock import SystemClock
from sitecontroller.config import SiteConfig, load_config
from sitecontroller.domain.errors import Conflict
from sitecontroller.domain.views import CircuitView, SiteView
from sitecontroller.garbage import collect_seldom
from sitecontroller.keeper import RESTART_STATUS, Keeper
from sitecontroller.shutdown import ask_to_stop
from sitecontroller.simulation.description import read_description
from sitecontroller.simulation.misbehaviour import listed, misbehaving
from sitecontroller.watchdog import Watchdog
from sitecontroller.wire import format_instant

if TYPE_CHECKING:
    from sitecontroller.app import Site

STATUS_EVERY_S = 5.0
FAILED_STATUS = 70
FILES_MAX = 16_384
STOP_WITHIN_S = 5.0


def run(options: argparse.Namespace) -> int:
    """The controller under its keeper; with it the virtual site of a demo, and the console."""
    path = config_path(options)
    if options.config is None and not path.exists():
        make_demo(path.parent)
    config = load_config(path)
    misbehaviour = _misbehaviour(options, path)
    console = not options.headless and _has_screen()
    arguments = ["--config", str(path), "--log", options.log]
    until = commissioning_until(options)
    if until is not None:
        arguments += ["--commissioning-until", format_instant(until)]
    if not console:
        arguments.append("--status-lines")
        print(_how_to_see_more(config, path), flush=True)
    children: list[subprocess.Popen[bytes]] = []
    try:
        if config.demo:
            simulated = ("simulate", "--config", str(path), *misbehaviour)
            children.append(_start("sitecontroller", *simulated))
        if console:
            children.append(_start("ui", "--state-dir", str(config.state_dir)))
        return Keeper(
            arguments,
            lambda text: print(text, file=sys.stderr, flush=True),
            lambda child: end_cleanly(child, config.state_dir),
        ).run()
    finally:
        _stop(children)


def serve(options: argparse.Namespace) -> int:
    """The controller itself, until a stop is asked for."""
    path = config_path(options)
    config = load_config(path)
    _allow_many_sockets()
    logs.configure(as_json=options.log == "json", log_dir=config.state_dir / "log")
    try:
        return event_loop.run(_serve(config, path, options), watched=options.debug_loop)
    except OSError as error:
        raise Conflict(
            f"a port is taken: {error.strerror or error}",
            remedy="Stop the other program, or change ocpp.port or api.port in site.toml",
        ) from None


def end_cleanly(
    child: subprocess.Popen[bytes], state_dir: Path, platform: str = sys.platform
) -> None:
    """Ask a controller to stop; Windows has no signal that lets it close its sessions."""
    if platform != "win32" or not ask_to_stop(state_dir):
        child.terminate()


def commissioning_until(options: argparse.Namespace) -> datetime | None:
    """When the window for new chargers ends: the keeper hands the instant on at every restart."""
    if options.commissioning is not None:
        until: datetime = SystemClock().now() + options.commissioning
        return until
    until_option: datetime | None = getattr(options, "commissioning_until", None)
    return until_option


def _allow_many_sockets() -> None:
    """A site has hundreds of chargers; the usual soft limit of 1024 files is too low."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_MAX if hard == resource.RLIM_INFINITY else min(FILES_MAX, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _serve(config: SiteConfig, path: Path, options: argparse.Namespace) -> int:
    from sitecontroller.app import build  # heavy, and no other command needs it

    loop = asyncio.get_running_loop()
    collecting = loop.create_task(collect_seldom(), name="garbage collection")
    site = await build(
        config, SystemClock(), config_path=path, commissioning_until=commissioning_until(options)
    )
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(signal_number, site.stopped.set)
    printing = loop.create_task(_print_status(site)) if options.status_lines else None
    ends = (site.stopped, site.restart_asked, site.failed)
    waits = [loop.create_task(event.wait()) for event in ends]
    with Watchdog(loop) if options.debug_loop else contextlib.nullcontext():
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in (*waits, *([printing] if printing else ())):
            task.cancel()
        await site.stop()
    collecting.cancel()
    if site.failed.is_set():
        return FAILED_STATUS
    return RESTART_STATUS if site.restart_asked.is_set() else 0


def simulate(options: argparse.Namespace) -> int:
    """The virtual site, as a process of its own; or how its stations can misbehave."""
    from sitecontroller.simulation.__main__ import main as virtual_site

    if options.list_misbehaviours:
        print("\n".join(listed()))
        return 0
    path = config_path(options)
    misbehaviour = _misbehaviour(options, path)
    return virtual_site(["--site", str(path.parent), "--seed", str(options.seed), *misbehaviour])


def _misbehaviour(options: argparse.Namespace, path: Path) -> list[str]:
    """The options that tell the virtual site; ConfigurationError here, not in its process."""
    if options.misbehave:
        misbehaving(read_description(path.parent), options.misbehave)
    return [word for order in options.misbehave for word in ("--misbehave", order)]


def status_line(site: SiteView, main: CircuitView) -> str:
    """The site in one line: current per phase against the fuse, cars, energy."""
    phases = "  ".join(
        f"L{number} {'—' if current is None else f'{current:.0f}'}/{limit:.0f} A"
        for number, (current, limit) in enumerate(
            zip(main.current_a, main.limit_a, strict=True), start=1
        )
    )
    held = f"  HELD BACK: {site.fail_safe}" if site.fail_safe else ""
    power = "—" if site.power_w is None else f"{site.power_w / 1000:.1f}"
    return (
        f"{site.name}: {phases}  {power} kW  {site.charging} charging, {site.free} free, "
        f"{site.faulted} fault, {site.offline} offline  {site.energy_wh / 1000:.2f} kWh{held}"
    )


async def _print_status(site: "Site") -> None:
    root_id = site.config.topology.root().circuit_id
    while True:
        await asyncio.sleep(STATUS_EVERY_S)
        main = site.controller.circuit_view(root_id)
        assert main is not None, "the root is one of the site's circuits"
        print(status_line(site.controller.site_view(), main), flush=True)


def _how_to_see_more(config: SiteConfig, path: Path) -> str:
    return (
        f"{config.name}: no screen, so one line every {STATUS_EVERY_S:.0f} s. To see more:\n"
        f"  sitecontroller status --config {path}\n"
        f"  http://{config.api.host}:{config.api.port}/docs   the local API\n"
        f"  python -m ui --state-dir {config.state_dir}   the console, on a PC with a screen\n"
        "Ctrl-C stops."
    )


def _has_screen() -> bool:
    if importlib.util.find_spec("PySide6") is None:
        return False
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _start(module: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", module, *arguments])


def _stop(children: list[subprocess.Popen[bytes]]) -> None:
    for child in children:
        if child.poll() is None:
            child.terminate()
    for child in children:
        try:
            child.wait(timeout=STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            child.kill()
