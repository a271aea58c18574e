"""`session`: whom a running session is for, what it needs, its boost, whether its car gives back;
`limit history`: who was limited when, and by what."""

import argparse
import re
from datetime import datetime, timedelta

from sitecontroller.cli.asking import print_answer
from sitecontroller.cli.ocpp import since
from sitecontroller.cli.options import Commands, add_config
from sitecontroller.client import ControllerClient
from sitecontroller.clock import SystemClock
from sitecontroller.domain.commands import Command
from sitecontroller.domain.errors import NotFound
from sitecontroller.domain.limit_history import LimitChange, LimitHistoryQuery
from sitecontroller.domain.session_needs import (
    AllowDischarge,
    BoostSession,
    EndBoost,
    EndDischarge,
    SessionNeedsQuery,
    SessionNeedsView,
    SetChargingNeeds,
)
from sitecontroller.domain.topology import ServiceClass
from sitecontroller.wire import parse_instant

HISTORY_EACH = 500
HISTORY_MAX = 100_000
"""Lines of one answer."""


def add_session(commands: Commands) -> None:
    """`session show`, `session needs`, `session boost` and `session discharge`."""
    sessions = commands.add_parser("session", help="a running session: its needs, its boost")
    actions = sessions.add_subparsers(title="commands", metavar="COMMAND", required=True)
    show_ = actions.add_parser("show", help="what load management goes by")
    needs_ = actions.add_parser(
        "needs",
        help="say when it leaves, what it needs, whom it is for",
        description="Say when a running session leaves, how much it still needs and whom it is "
        "for. What isn't said is as if nobody had; a boost stays.",
    )
    boost_ = actions.add_parser("boost", help="serve it before others for a time, or no longer")
    discharge_ = actions.add_parser(
        "discharge", help="let its car give back at times of peak demand, or no longer"
    )
    works = ((show_, show), (needs_, needs), (boost_, boost), (discharge_, discharge))
    for parser, work in works:
        add_config(parser)
        parser.add_argument("session", metavar="SESSION", help="its key, or an outlet as CP-01/1")
        parser.set_defaults(work=work)
    needs_.add_argument("--departure", type=later, metavar="2h", help="or 2026-03-01T18:00:00Z")
    needs_.add_argument("--kwh", type=float, metavar="20", help="that it still needs")
    needs_.add_argument("--class", dest="service_class", choices=list(ServiceClass))
    for parser in (boost_, discharge_):
        end = parser.add_mutually_exclusive_group(required=True)
        end.add_argument("--until", type=later, metavar="2h", help="or 2026-03-01T18:00:00Z")
        end.add_argument("--end", action="store_true", help="now")


def add_history(actions: Commands) -> None:
    """`limit history`."""
    parser = actions.add_parser(
        "history",
        help="who was limited when, and by what",
        description="What outlets were allowed and why, newest first; the last 30 days are kept.",
    )
    add_config(parser)
    parser.add_argument("--evse", metavar="CP-01/1", help="one outlet (default: all)")
    parser.add_argument("--since", type=since, metavar="12h", help="or 2026-03-01T12:00:00Z")
    parser.add_argument("--until", type=since, metavar="3h", help="ago, or 2026-03-01T15:00:00Z")
    parser.set_defaults(work=history)


def show(options: argparse.Namespace) -> int:
    """What load management goes by."""

    async def work(client: ControllerClient) -> list[str]:
        return render(await client.ask(SessionNeedsQuery(await _key(client, options.session))))

    return print_answer(options, work)


def needs(options: argparse.Namespace) -> int:
    """Say it, and print what counts now."""

    async def work(client: ControllerClient) -> list[str]:
        key = await _key(client, options.session)
        result = await client.execute(wanted_needs(key, options))
        lines = render(await client.ask(SessionNeedsQuery(key)))
        return [*lines, *([result.reason] if result.reason else ())]

    return print_answer(options, work)


def boost(options: argparse.Namespace) -> int:
    """Boost it, or end that, and print what counts now."""

    async def work(client: ControllerClient) -> list[str]:
        key = await _key(client, options.session)
        command: Command = EndBoost(key) if options.end else BoostSession(key, options.until)
        await client.execute(command)
        return render(await client.ask(SessionNeedsQuery(key)))

    return print_answer(options, work)


def discharge(options: argparse.Namespace) -> int:
    """Let it give back, or not, and print what counts now."""

    async def work(client: ControllerClient) -> list[str]:
        key = await _key(client, options.session)
        command: Command = EndDischarge(key) if options.end else AllowDischarge(key, options.until)
        await client.execute(command)
        return render(await client.ask(SessionNeedsQuery(key)))

    return print_answer(options, work)


def history(options: argparse.Namespace) -> int:
    """A line for each change."""

    async def work(client: ControllerClient) -> list[str]:
        changes: list[LimitChange] = []
        cursor: str | None = None
        while len(changes) < HISTORY_MAX:
            page = await client.ask(
                LimitHistoryQuery(HISTORY_EACH, cursor, options.evse, options.since, options.until)
            )
            changes += page.items
            cursor = page.next
            if cursor is None:
                break
        return [line_of(change) for change in changes] or ["No limit has changed in that time."]

    return print_answer(options, work)


def wanted_needs(key: str, options: argparse.Namespace) -> SetChargingNeeds:
    """What the options say."""
    return SetChargingNeeds(
        key,
        options.departure,
        None if options.kwh is None else options.kwh * 1000,
        None if options.service_class is None else ServiceClass(options.service_class),
    )


def render(view: SessionNeedsView) -> list[str]:
    """A line for each thing that is known, and who says so."""
    lines = [f"{view.transaction_key} at {view.station_id}/{view.evse_id}"]
    if view.boost_until is not None:
        lines.append(f"  boost until {view.boost_until:%Y-%m-%d %H:%M} UTC")
    lines.append(f"  class {view.service_class.value} ({view.class_from})")
    if view.departure_at is not None:
        lines.append(f"  leaves {view.departure_at:%Y-%m-%d %H:%M} UTC ({view.departure_from})")
    if view.energy_left_wh is not None:
        lines.append(f"  needs {view.energy_left_wh / 1000:.1f} kWh ({view.energy_from})")
    if view.discharge_until is not None:
        until = f"{view.discharge_until:%Y-%m-%d %H:%M} UTC"
        lines.append(f"  may give back until {until} ({view.discharge_from})")
    if view.guaranteed_a:
        lines.append(f"  {view.guaranteed_a:g} A guaranteed (outlet)")
    return lines


def line_of(change: LimitChange) -> str:
    """From when on, where, how much and why."""
    place = f"{change.station_id}/{change.evse_id}"
    return f"{change.at:%Y-%m-%dT%H:%M:%SZ}  {place}  {change.current_a:g} A: {change.reason}"


def later(text: str) -> datetime:
    """An instant, or how long from now: 90m, 2h, 1d."""
    if (match := re.fullmatch(r"(\d{1,4})([mhd])", text)) is not None:
        in_s = int(match[1]) * {"m": 60, "h": 3600, "d": 86_400}[match[2]]
        return SystemClock().now() + timedelta(seconds=in_s)
    try:
        return parse_instant(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"'{text}' is no time; write one as 90m, 2h, 1d or 2026-03-01T18:00:00Z"
        ) from None


async def _key(client: ControllerClient, session: str) -> str:
    """A session by its key, or the one that runs at an outlet."""
    station_id, is_outlet, evse_id = session.rpartition("/")
    if not is_outlet:
        return session
    running = (await client.transactions(limit=HISTORY_EACH, active=True)).items
    for each in running:
        if (each.station_id, str(each.evse_id)) == (station_id, evse_id):
            return each.key
    raise NotFound(f"no session runs at {session}", remedy="sitecontroller status shows them")
