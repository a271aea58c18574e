"""`limit`: site limits at the running controller: listed, set, withdrawn."""

import argparse
import csv
import io
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sitecontroller.cli import sessions
from sitecontroller.cli.asking import print_answer
from sitecontroller.cli.options import Commands, add_config, duration, instant
from sitecontroller.client import ControllerClient
from sitecontroller.clock import SystemClock
from sitecontroller.domain.limit_proof import LimitProof, LimitProofsQuery
from sitecontroller.domain.limit_signal import LimitSourcesQuery, LimitSourceView
from sitecontroller.domain.limit_source import (
    LimitSource,
    SetSiteLimit,
    SiteLimitsQuery,
    SiteLimitView,
    WithdrawSiteLimit,
)
from sitecontroller.domain.topology import PHASE_NAMES
from sitecontroller.wire import to_json

PROOFS_EACH = 500
PROOFS_MAX = 50_000


def add_limit(commands: Commands) -> None:
    """Its options and help."""
    site_limits = commands.add_parser("limit", help="site limits: list them, set one, end one")
    actions = site_limits.add_subparsers(title="commands", metavar="COMMAND", required=True)
    show_ = actions.add_parser("list", help="those in force")
    add_config(show_)
    show_.set_defaults(work=show)
    change_ = actions.add_parser(
        "set",
        help="limit a circuit or a group of outlets, or replace a limit",
        description="Limit a circuit (all that flows there) or a group of outlets at the running "
        "controller. The smallest limit wins; none raises the fuse.",
    )
    add_config(change_)
    change_.add_argument("limit_id", metavar="ID", help="of your choice; the same one replaces")
    value = change_.add_mutually_exclusive_group(required=True)
    value.add_argument("--amps", type=float, metavar="20", help="on each phase")
    value.add_argument("--watts", type=float, metavar="11000", help="over all phases")
    place = change_.add_mutually_exclusive_group()
    place.add_argument("--circuit", metavar="ID", help="as in site.toml (default: the main one)")
    place.add_argument("--group", metavar="ID", help="as in site.toml")
    end = change_.add_mutually_exclusive_group()
    end.add_argument("--for", dest="lasts", type=duration, metavar="2h", help="at most 8h")
    end.add_argument("--until", type=instant, metavar="2026-03-01T18:00:00Z")
    sources_ = [source.value for source in LimitSource]
    change_.add_argument(
        "--source", choices=sources_, default="ATTENDANT", help="all but ATTENDANT need an end"
    )
    change_.add_argument("--reason", default="", help="for people")
    change_.set_defaults(work=change)
    by_themselves = actions.add_parser("sources", help="what sets limits by itself")
    add_config(by_themselves)
    by_themselves.set_defaults(work=sources)
    proofs_ = actions.add_parser("proofs", help="how the grid operator's limits were kept, as CSV")
    add_config(proofs_)
    proofs_.set_defaults(work=proofs)
    clear = actions.add_parser("clear", help="end a limit now")
    add_config(clear)
    clear.add_argument("limit_id", metavar="ID", help="as limit list shows it")
    clear.set_defaults(work=withdraw)
    sessions.add_history(actions)


def show(options: argparse.Namespace) -> int:
    """List those in force."""

    async def work(client: ControllerClient) -> list[str]:
        views = (await client.ask(SiteLimitsQuery())).items
        return [line for view in views for line in render(view)] or ["No site limit is in force."]

    return print_answer(options, work)


def change(options: argparse.Namespace) -> int:
    """Set or replace one; what it can't do is printed."""
    wanted = asked(options, SystemClock().now())

    async def work(client: ControllerClient) -> list[str]:
        result = await client.execute(wanted)
        return [f"{wanted.limit_id} is in force.", *([result.reason] if result.reason else ())]

    return print_answer(options, work)


def withdraw(options: argparse.Namespace) -> int:
    """End one now."""

    async def work(client: ControllerClient) -> list[str]:
        await client.execute(WithdrawSiteLimit(options.limit_id))
        return [f"{options.limit_id} is withdrawn."]

    return print_answer(options, work)


def sources(options: argparse.Namespace) -> int:
    """What sets limits by itself, and what it says now."""

    async def work(client: ControllerClient) -> list[str]:
        views = (await client.ask(LimitSourcesQuery())).items
        return [render_source(view) for view in views] or ["site.toml names no limit source."]

    return print_answer(options, work)


def proofs(options: argparse.Namespace) -> int:
    """How limits of the grid operator were kept, as CSV, newest first."""

    async def work(client: ControllerClient) -> list[str]:
        found: list[LimitProof] = []
        page = await client.ask(LimitProofsQuery(PROOFS_EACH))
        found += page.items
        while page.next is not None and len(found) < PROOFS_MAX:
            page = await client.ask(LimitProofsQuery(PROOFS_EACH, page.next))
            found += page.items
        return proofs_csv(found)

    return print_answer(options, work)


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


def render_source(view: LimitSourceView) -> str:
    """One source: what it is, whether it is heard, what it says."""
    seen = view.last_contact_at
    heard = "never heard" if seen is None else f"heard {seen:%Y-%m-%d %H:%M:%S}Z"
    place = view.group_id or view.circuit_id
    fault = f": {view.fault}" if view.fault else ""
    return f"{view.source_id}  {view.kind}  {place}  {view.state}  {view.says}  {heard}{fault}"


def proofs_csv(proofs: Sequence[LimitProof]) -> list[str]:
    """A line each under a line of names; what a spreadsheet would run as a formula is quoted."""
    names = [field.name for field in fields(LimitProof)]
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(names)
    for proof in proofs:
        row = to_json(proof)
        row["allowed_a"] = " ".join("-" if a is None else f"{a:.2f}" for a in proof.allowed_a)
        writer.writerow([_harmless(row[name]) for name in names])
    return table.getvalue().splitlines()


def _harmless(value: Any) -> Any:
    is_formula = isinstance(value, str) and value[:1] in tuple("=+-@\t\r")
    return f"'{value}" if is_formula else value
