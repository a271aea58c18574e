"""`limit`: site limits at the running controller: listed, set, withdrawn."""

import argparse
import csv
import io
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sitecontroller.cli.asking import print_answer
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
