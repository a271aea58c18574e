"""`emergency`: the emergency stop at the running controller: looked at, triggered, released."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable

from sitecontroller.cli.sites import config_path
from sitecontroller.client import ControllerClient
from sitecontroller.config import load_config
from sitecontroller.domain.emergency import (
    EmergencyQuery,
    EmergencyView,
    ReleaseEmergency,
    TriggerEmergency,
)


def show(options: argparse.Namespace) -> int:
    """Whether the site is stopped, and how far it is."""

    async def work(client: ControllerClient) -> list[str]:
        return render(await client.ask(EmergencyQuery()))

    return _ask(options, work)


def trigger(options: argparse.Namespace) -> int:
    """Stop everything at once."""
    wanted = TriggerEmergency(options.name, options.reason)

    async def work(client: ControllerClient) -> list[str]:
        result = await client.execute(wanted)
        return ["The site is stopped.", *([result.reason] if result.reason else ())]

    return _ask(options, work)


def release(options: argparse.Namespace) -> int:
    """Let charging go on."""
    wanted = ReleaseEmergency(options.name, options.reason)

    async def work(client: ControllerClient) -> list[str]:
        await client.execute(wanted)
        return [f"Released by {wanted.name}: chargers go back into service."]

    return _ask(options, work)


def render(view: EmergencyView) -> list[str]:
    """The state, then who is where, then what keeps it from being released."""
    contacts = [f"Not released before: {words}" for words in view.contacts_not_closed]
    if not view.active or view.since is None:
        return ["No emergency stop holds.", *contacts]
    reason = f": {view.reason}" if view.reason else ""
    lines = [f"STOPPED since {view.since:%Y-%m-%d %H:%M:%S} UTC by {view.triggered_by}{reason}"]
    for words, station_ids in (
        ("out of service", view.stopped),
        ("told, doesn't show it yet", view.waiting),
        ("no contact", view.offline),
    ):
        lines += [f"  {words}: {', '.join(station_ids)}"] if station_ids else []
    return [*lines, *contacts]


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
