"""`commission`: checks of a newly wired site at the running controller, and their record."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from sitecontroller.cli.asking import answer
from sitecontroller.cli.options import Commands, add_config
from sitecontroller.client import ControllerClient
from sitecontroller.domain.commissioning import (
    CancelCheck,
    Check,
    CheckKind,
    CheckState,
    CommissioningQuery,
    CommissioningView,
    FallbackProposalQuery,
    SkipCheck,
    StartCheck,
)

LOOK_EVERY_S = 2.0
FAILED_STATUS = 3
KINDS = {
    "meter": CheckKind.METER,
    "fallbacks": CheckKind.FALLBACKS,
    "phases": CheckKind.PHASES,
    "lease": CheckKind.LEASE,
    "limits": CheckKind.LIMITS,
}

Work = Callable[[ControllerClient], Awaitable[int]]


def add_commission(commands: Commands) -> None:
    """Its options and help."""
    steps = commands.add_parser(
        "commission",
        help="check a newly wired site: meters, phases, leases, limits; its record",
        description="Checks of a newly wired site at the running controller, one at a time; "
        "docs/commissioning.md goes through them.",
    )
    actions = steps.add_subparsers(title="commands", metavar="COMMAND", required=True)
    show_ = actions.add_parser("show", help="what is done and what is left")
    add_config(show_)
    show_.set_defaults(work=show)
    check_ = actions.add_parser(
        "check",
        help="do one check, and wait for it",
        description="meter METER, fallbacks, phases CHARGER/EVSE, lease CHARGER/EVSE, limits "
        "CHARGER/EVSE. Exit status 0: passed, 3: not. Ctrl-C ends it.",
    )
    skip_ = actions.add_parser("skip", help="leave a check out; the record says why")
    for each in (check_, skip_):
        add_config(each)
        each.add_argument("kind", choices=tuple(KINDS))
        each.add_argument("subject", nargs="?", default="", metavar="SUBJECT")
        each.add_argument("--by", required=True, metavar="NAME", help="who does it")
    check_.add_argument(
        "--lease", type=int, default=120, metavar="S", help="of a lease test (60 to 300, 120)"
    )
    check_.set_defaults(work=check)
    skip_.add_argument("--reason", required=True, metavar="TEXT")
    skip_.set_defaults(work=skip)
    fallbacks_ = actions.add_parser("fallbacks", help="which EVSEs should keep a fallback")
    add_config(fallbacks_)
    fallbacks_.set_defaults(work=fallbacks)
    record_ = actions.add_parser("record", help="write the record as PDF")
    add_config(record_)
    record_.add_argument("file", type=Path, metavar="FILE.pdf")
    record_.set_defaults(work=record)


def show(options: argparse.Namespace) -> int:
    """What is done and what is left."""

    async def work(client: ControllerClient) -> int:
        view: CommissioningView = await client.ask(CommissioningQuery())
        print("\n".join(line for check in view.checks for line in render(check)))
        if view.running:
            print(f"Now: {view.running}")
        print("Commissioning is complete." if view.is_complete else "Not complete yet.")
        return 0

    return answer(options, work)


def check(options: argparse.Namespace) -> int:
    """Begin one and wait until it is done; Ctrl-C ends it."""
    kind = KINDS[options.kind]

    async def work(client: ControllerClient) -> int:
        command = StartCheck(kind, options.by, options.subject, options.lease)
        begun = await client.execute(command)
        print(f"{begun.reason} …", flush=True)
        try:
            done = await _result(client, kind, options.subject)
        except asyncio.CancelledError:
            await client.execute(CancelCheck())
            raise
        print("\n".join(render(done)))
        return 0 if done.state is CheckState.PASSED else FAILED_STATUS

    return answer(options, work)


def skip(options: argparse.Namespace) -> int:
    """Leave one out, with its reason in the record."""

    async def work(client: ControllerClient) -> int:
        command = SkipCheck(KINDS[options.kind], options.by, options.reason, options.subject)
        print(f"{(await client.execute(command)).reason}.")
        return 0

    return answer(options, work)


def fallbacks(options: argparse.Namespace) -> int:
    """Which EVSEs should keep a fallback, and the proof."""

    async def work(client: ControllerClient) -> int:
        proposal = await client.ask(FallbackProposalQuery())
        kept = [each for each in proposal.evses if each.proposed_a]
        print(f"{len(kept)} of {len(proposal.evses)} EVSEs can keep a fallback:")
        print("\n".join(f"  {e.station_id}/{e.evse_id}: {e.proposed_a:g} A" for e in kept))
        print("Then, without the controller:")
        print("\n".join(f"  {line}" for line in proposal.proof))
        if proposal.write:
            print("Write into site.toml:")
            print("\n".join(f"  {line}" for line in proposal.write))
        else:
            print("site.toml says so already.")
        return 0

    return answer(options, work)


def record(options: argparse.Namespace) -> int:
    """The record as a PDF file."""
    path: Path = options.file

    async def work(client: ControllerClient) -> int:
        pdf = await client.commissioning_pdf()
        await asyncio.to_thread(path.write_bytes, pdf)
        print(f"{path} is written.")
        return 0

    return answer(options, work)


def render(check: Check) -> Iterator[str]:
    """One check: what, how far, by whom; then what was seen and what to write."""
    state = check.state.lower().replace("_", " ")
    firmware = f" ({check.firmware})" if check.firmware else ""
    by = f", {check.done_by}" if check.done_by else ""
    when = f" {check.ended_at:%Y-%m-%d %H:%M} UTC" if check.ended_at else ""
    yield f"{check.kind.lower():10} {check.subject}{firmware}: {state}{by}{when}"
    yield from (f"           {finding}" for finding in check.findings)
    yield from (f"           write: {line}" for line in check.write)


async def _result(client: ControllerClient, kind: CheckKind, subject: str) -> Check:
    """The check once it has ended."""
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        view: CommissioningView = await client.ask(CommissioningQuery())
        if view.running is None:
            return _ended(view, kind, subject)


def _ended(view: CommissioningView, kind: CheckKind, subject: str) -> Check:
    """Of those of its kind the one of that subject; else the one that ended last."""
    checks = [check for check in view.checks if check.kind is kind and check.ended_at is not None]
    named = [check for check in checks if check.subject == subject]
    return max(named or checks, key=lambda check: str(check.ended_at))
