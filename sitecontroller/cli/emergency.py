"""`emergency`: the emergency stop at the running controller: looked at, triggered, released."""

import argparse

from sitecontroller.cli.asking import print_answer
from sitecontroller.cli.options import Commands, add_config
from sitecontroller.client import ControllerClient
from sitecontroller.domain.emergency import (
    EmergencyQuery,
    EmergencyView,
    ReleaseEmergency,
    TriggerEmergency,
)


def add_emergency(commands: Commands) -> None:
    """Its options and help."""
    stop = commands.add_parser("emergency", help="the emergency stop: look, trigger, release")
    actions = stop.add_subparsers(title="commands", metavar="COMMAND", required=True)
    show_ = actions.add_parser("status", help="whether the site is stopped, and how far it is")
    add_config(show_)
    show_.set_defaults(work=show)
    trigger_ = actions.add_parser(
        "trigger",
        help="stop everything at once",
        description="Stop all charging at the running controller: 0 A, sessions ended, chargers "
        "out of service. It holds, over restarts too, until a named person releases it.",
    )
    release_ = actions.add_parser(
        "release",
        help="let charging go on",
        description="Release the emergency stop at the running controller. Refused while a contact "
        "is open. Sessions that were ended don't go on by themselves.",
    )
    for action, work in ((trigger_, trigger), (release_, release)):
        add_config(action)
        action.add_argument("--name", required=True, help="who you are; it is on record")
        action.add_argument("--reason", required=True, help="why; it is on record")
        action.set_defaults(work=work)


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
