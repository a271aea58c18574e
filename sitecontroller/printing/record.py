"""The record of commissioning as paper: every check, who did it and when, what was seen.

In English, as its findings are. Runs in the process pool, like a receipt.
"""

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from sitecontroller.domain.commissioning import (
    Check,
    CheckKind,
    CheckState,
    CommissioningRecord,
)
from sitecontroller.printing.layout import Block, Heading, Item, Pair, Rule, Sentence
from sitecontroller.printing.pdf import paper

HEADINGS = {
    CheckKind.METER: "Meters: can it be true what they show?",
    CheckKind.FALLBACKS: "Fallbacks: within the fuses without the controller",
    CheckKind.PHASES: "Phases: the conductors that each charger sits on",
    CheckKind.LEASE: "Leases: a limit ends by itself",
    CheckKind.LIMITS: "Limits: a car follows 6, 16 and 0 A",
}
STATES = {
    CheckState.TO_DO: "to do",
    CheckState.RUNNING: "running",
    CheckState.PASSED: "passed",
    CheckState.FAILED: "FAILED",
    CheckState.UNDECIDED: "not decided",
    CheckState.SKIPPED: "left out",
}
NO_LEASE = "no lease"
INSTANT = "%Y-%m-%d %H:%M"
SIGNATURE = "_" * 40


def record_pdf(record: CommissioningRecord) -> bytes:
    """The record on paper."""
    title = f"Commissioning of {record.site_name}"
    return paper(title, record_blocks(record), record.issued_at)


def record_blocks(record: CommissioningRecord) -> Iterator[Block]:
    """The whole record from top to bottom."""
    zone = ZoneInfo(record.time_zone)
    yield Heading(f"Commissioning: {record.site_name}")
    yield Pair("Site", record.site_id)
    yield Pair("As of", f"{_local(record.issued_at, zone)} ({record.time_zone})")
    done = "complete" if record.view.is_complete else "not complete"
    yield Pair("Commissioning is", done, bold=True)
    for kind in CheckKind:
        checks = [check for check in record.view.checks if check.kind is kind]
        if checks:
            yield Rule()
            yield Sentence(HEADINGS[kind], bold=True)
        for check in checks:
            yield from _check(check, zone)
    yield Rule()
    yield Sentence("Without the controller, by site.toml as it is now:", bold=True)
    yield from (Item(line) for line in record.fallbacks)
    yield Rule()
    yield Pair("Place, date", SIGNATURE)
    yield Pair("Name, signature", SIGNATURE)


def _check(check: Check, zone: ZoneInfo) -> Iterator[Block]:
    subject = f"{check.firmware}, at {check.subject}" if check.firmware else check.subject
    yield Pair(subject, state_words(check), bold=True)
    if check.done_by:
        times = [_local(at, zone) for at in (check.began_at, check.ended_at) if at is not None]
        yield Item(f"{check.done_by}, {' to '.join(times)}")
    yield from (Item(finding) for finding in check.findings)
    yield from (Item(f"Write: {line}") for line in check.write)


def state_words(check: Check) -> str:
    """How far it is; a charger without leases is no failure."""
    if check.kind is CheckKind.LEASE and check.state is CheckState.FAILED:
        return NO_LEASE
    return STATES[check.state]


def _local(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime(INSTANT)
