"""The virtual site as a process of its own: `python -m sitecontroller.simulation --site DIR`.

Waits for the controller to say where it listens, then plays the site until SIGTERM or SIGINT.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import signal
import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from sitecontroller.clock import SystemClock
from sitecontroller.domain.errors import ConfigurationError
from sitecontroller.simulation.description import (
    SiteDescription,
    read_description,
    write_description,
)
from sitecontroller.simulation.misbehaviour import misbehaving
from sitecontroller.simulation.site import VirtualSite

CONTROLLER_WAIT_S = 120.0
LOOK_S = 0.25
PASSWORDS_KEPT_EVERY_S = 1.0
OCPP_PATH = "/ocpp"
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}

log = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Run the virtual site; 0 after a clean stop, 1 when it can't run."""
    parser = argparse.ArgumentParser(
        prog="python -m sitecontroller.simulation",
        description="Plays the stations, cars and meter of a demo site over the real protocols.",
    )
    parser.add_argument(
        "--site", type=Path, required=True, metavar="DIR", help="folder of virtual-site.json"
    )
    parser.add_argument("--seed", type=int, help="another course of events than the file's")
    parser.add_argument("--misbehave", action="append", default=[], metavar="[STATION=]NAME,…")
    options = parser.parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    for chatty in ("sitecontroller.simulation.uplink", "pymodbus", "websockets"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        description = misbehaving(read_description(options.site), options.misbehave)
        asyncio.run(_play(options.site, description, options.seed))
    except ConfigurationError as error:
        log.error("virtual site: %s", error)
        return 1
    except OSError as error:
        log.error("virtual site: %s", error)
        return 1
    return 0


def controller_url(site: Path, description: SiteDescription) -> str | None:
    """Where the controller listens for stations, by its `controller.json`; None: not yet."""
    try:
        told = json.loads((site / description.state_dir / "controller.json").read_text("utf-8"))
        parts = urlsplit(str(told["ocpp_url"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if not parts.hostname:
        return None
    host = ANYWHERE.get(parts.hostname, parts.hostname)
    host = f"[{host}]" if ":" in host else host
    netloc = host if parts.port is None else f"{host}:{parts.port}"
    return urlunsplit((parts.scheme, netloc, parts.path.rstrip("/") or OCPP_PATH, "", ""))


async def _play(site: Path, description: SiteDescription, seed: int | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows: ends without ceremony
            loop.add_signal_handler(number, stop.set)
    virtual = VirtualSite(description, SystemClock(), seed)
    await virtual.start_meter()  # before the controller looks for it
    await virtual.start_terminal()
    log.info("virtual site: meter at 127.0.0.1:%s, waiting for the controller", virtual.meter_port)
    url = await _wait_for_controller(site, description, stop)
    if stop.is_set():
        await virtual.stop()
        return
    log.info("virtual site: %s stations connect to %s", len(virtual.stations), url)
    running = asyncio.create_task(virtual.run(lambda: controller_url(site, description) or url))
    while not running.done() and not stop.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PASSWORDS_KEPT_EVERY_S):
                await stop.wait()
        keep_passwords(site, virtual)
    await virtual.stop()
    await running


def keep_passwords(site: Path, virtual: VirtualSite) -> None:
    """Write down passwords that stations were given meanwhile: a box keeps its own over a power
    cut."""
    kept = read_description(site)
    boxes = tuple(
        replace(box, password=virtual.stations[box.station_id].uplink.password)
        for box in kept.boxes
    )
    if boxes != kept.boxes:
        write_description(site, replace(kept, boxes=boxes))


async def _wait_for_controller(
    site: Path, description: SiteDescription, stop: asyncio.Event
) -> str:
    loop = asyncio.get_running_loop()
    ends_s = loop.time() + CONTROLLER_WAIT_S
    while loop.time() < ends_s and not stop.is_set():
        if (url := controller_url(site, description)) is not None:
            return url
        await asyncio.sleep(LOOK_S)
    if stop.is_set():
        return ""
    raise ConfigurationError(
        f"no controller of {site} within {CONTROLLER_WAIT_S:.0f} s",
        remedy=f"Start it: sitecontroller run --config {site / 'site.toml'}",
    )


if __name__ == "__main__":
    raise SystemExit(main())
