"""`emergency`: the emergency stop at the running controller: looked at, triggered, released."""

import argparse

from sitecontroller.cli.asking import print_answer
from sitecontroller.client import ControllerClient
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

    return print_answer(options, work)


def trigger(options: argparse.Namespace) -> int:
    """Stop everything at once."""
    wanted = TriggerEmergency(options.name, options.reason)

    async def work(client: ControllerClient) -> list[str]:
        result = await client.execute(wanted)
        return ["The site is stopped.", *([result.reason] if result.reason else ())]

    return print_answer(options, work)


def release(options: argparse.Namespace) -> int:
    """Let charging go on."""
    wanted = ReleaseEmergency(options.name, options.reason)

    async def work(client: ControllerClient) -> list[str]:
        await client.execute(wanted)
        return [f"Released by {wanted.name}: chargers go back into service."]

    return print_answer(options, work)


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
