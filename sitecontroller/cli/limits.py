"""`limit`: site limits at the running controller: listed, set, withdrawn."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from sitecontroller.cli.sites import config_path
from sitecontroller.client import ControllerClient
from sitecontroller.clock import SystemClock
from sitecontroller.config import load_config
from sitecontroller.domain.limit_source import (
    LimitSource,
    SetSiteLimit,
    SiteLimitsQuery,
    SiteLimitView,
    WithdrawSiteLimit,
)
from sitecontroller.domain.topology import PHASE_NAMES


def show(options: argparse.Namespace) -> int:
    """List those in force."""

    async def work(client: ControllerClient) -> list[str]:
        views = (await client.ask(SiteLimitsQuery())).items
        return [line for view in views for line in render(view)] or ["No site limit is in force."]

    return _ask(options, work)


def change(options: argparse.Namespace) -> int:
    """Set or replace one; what it can't do is printed."""
    wanted = asked(options, SystemClock().now())

    async def work(client: ControllerClient) -> list[str]:
        result = await client.execute(wanted)
        return [f"{wanted.limit_id} is in force.", *([result.reason] if result.reason else ())]

    return _ask(options, work)


def withdraw(options: argparse.Namespace) -> int:
    """End one now."""

    async def work(client: ControllerClient) -> list[str]:
        await client.execute(WithdrawSiteLimit(options.limit_id))
        return [f"{options.limit_id} is withdrawn."]

    return _ask(options, work)


def asked(options: argparse.Namespace, now: datetime) -> SetSiteLimit:
    """What the options say."""
    amps: float | None = options.amps
    return SetSiteLimit(
        options.limit_id,
        LimitSource(options.source),
        options.circuit,
        options.group,
        None if amps is None else (amps, amps, amps),
        options.watts,
        now + options.lasts if options.lasts else options.until,
        options.reason,
        "command line",
    )


def render(view: SiteLimitView) -> list[str]:
    """One limit: where, how much, whose; then what it can't do."""
    limit = view.limit
    values = [
        f"{current_a:g} A {name}"
        for current_a, name in zip(limit.current_a, PHASE_NAMES, strict=True)
        if current_a is not None
    ]
    values += [] if limit.power_w is None else [f"{limit.power_w:g} W"]
    place = limit.group_id or limit.circuit_id
    reason = f": {limit.reason}" if limit.reason else ""
    line = f"{limit.limit_id}  {place}  {', '.join(values)}  {view.words}{reason}"
    return [line, *([f"  {view.warning}"] if view.warning else ())]


def _ask(
    options: argparse.Namespace, work: Callable[[ControllerClient], Awaitable[list[str]]]
) -> int:
    config = load_config(config_path(options))

    async def ask() -> list[str]:
        client = ControllerClient.from_state_dir(config.state_dir)
        try:
            return await work(client)
        finally:
            await client.close()

    print("\n".join(asyncio.run(ask())))
    return 0
