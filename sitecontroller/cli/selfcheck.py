"""`selfcheck`: one line per check, and what to do where one fails."""

import argparse
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator

from sitecontroller import event_loop
from sitecontroller.cli import certificates
from sitecontroller.cli.doors import doors
from sitecontroller.cli.finding import Finding
from sitecontroller.cli.options import Commands, add_config
from sitecontroller.cli.sites import config_path
from sitecontroller.client import ControllerClient
from sitecontroller.config import SiteConfig, load_config
from sitecontroller.dlm.fallbacks import prove_fallbacks
from sitecontroller.domain.errors import ControllerError, ControllerUnreachable
from sitecontroller.modbus.show import known_models

DISK_FREE_MIN = 500 * 1024 * 1024


def add_selfcheck(commands: Commands) -> None:
    """Its options and help."""
    command = commands.add_parser(
        "selfcheck",
        help="check this PC, the configuration and the running controller",
        description="Check one thing after the other and say what to do where one fails. Exit "
        "status 0 when all is well.",
    )
    add_config(command)
    command.set_defaults(work=check)


def check(options: argparse.Namespace) -> int:
    """Run every check; exit status 1 when one is not well."""
    findings = []
    for finding in _findings(options):
        findings.append(finding)
        print(f"{'ok  ' if finding.well else 'FAIL'}  {finding.name}: {finding.detail}")
        if finding.remedy:
            print(f"      what to do: {finding.remedy}")
    return 0 if all(finding.well for finding in findings) else 1


def _findings(options: argparse.Namespace) -> Iterator[Finding]:
    yield _tried("python", lambda: sys.version.split()[0])
    yield _tried("sqlite", lambda: sqlite3.sqlite_version)
    try:
        config = load_config(config_path(options))
    except ControllerError as error:
        yield Finding("configuration", False, error.detail, error.remedy)
        return
    topology = config.topology
    yield Finding(
        "configuration",
        True,
        f"{len(topology.circuits)} circuits, {len(topology.stations)} chargers, "
        f"{len(topology.meters)} meters",
    )
    yield _tried("fallbacks", lambda: "; ".join(prove_fallbacks(topology)) or "nothing to prove")
    yield _meters(config)
    yield _disk(config)
    yield certificates.files(config.state_dir)
    yield from event_loop.run(_running(config))


def _tried(name: str, work: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, work())
    except ControllerError as error:
        return Finding(name, False, error.detail, error.remedy)


def _meters(config: SiteConfig) -> Finding:
    unknown = [
        meter.model
        for meter in config.topology.meters.values()
        if meter.model not in known_models()
    ]
    if unknown:
        known = ", ".join(sorted(known_models()))
        return Finding("meter models", False, f"unknown: {', '.join(unknown)}", f"use: {known}")
    return Finding("meter models", True, "all known")


def _disk(config: SiteConfig) -> Finding:
    config.state_dir.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(config.state_dir).free
    well = free >= DISK_FREE_MIN
    return Finding("disk", well, f"{free // 2**20} MiB free", "" if well else "make room")


async def _running(config: SiteConfig) -> list[Finding]:
    """The running controller: alive, and its doors closed to those without a key."""
    try:
        client = ControllerClient.from_state_dir(config.state_dir)
        health = await client.health()
        site = await client.site()
        tried = await doors(client, site.ocpp_url)
        await client.close()
    except ControllerUnreachable as error:
        return [Finding("controller", True, f"not running ({error.detail})")]
    except ControllerError as error:
        return [Finding("controller", False, error.detail, error.remedy)]
    return [
        Finding("controller", True, f"runs, version {health.get('version', '?')}"),
        *tried,
        Finding(
            "commissioning mode",
            site.commissioning_until is None,
            "off" if site.commissioning_until is None else f"on until {site.commissioning_until}",
            "" if site.commissioning_until is None else "restart without --commissioning when done",
        ),
    ]
