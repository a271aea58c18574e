"""The record: what was done, by whom and what was left out, over restarts and on paper."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.domain.commissioning import (
    CheckKind,
    CheckState,
    CommissioningQuery,
    CommissioningRecord,
    FallbackProposalQuery,
    SkipCheck,
)
from sitecontroller.domain.errors import InvalidInput
from sitecontroller.printing.layout import Item, Pair
from sitecontroller.printing.record import record_blocks, record_pdf
from sitecontroller.simulation.virtual_time import VirtualLoop
from tests.support import eventually
from tests.wire.commissioning.site import ELECTRICIAN, CommissionedSite, commissioned_site

ONE = ("CP-02",)


async def states(site: CommissionedSite) -> dict[str, CheckState]:
    view = await site.client.ask(CommissioningQuery())
    return {f"{check.kind} {check.subject}": check.state for check in view.checks}


def test_a_record_is_begun_continued_after_a_restart_and_printed(run: Any, tmp_path: Path):
    async def story() -> None:
        async with commissioned_site(tmp_path, stations=ONE) as site:
            await site.connected()
            assert set((await states(site)).values()) == {CheckState.TO_DO}
            meter = await site.check(CheckKind.METER)
            assert meter.state is CheckState.PASSED, meter.findings
            skip = SkipCheck(CheckKind.LIMITS, ELECTRICIAN, "no car at hand", "CP-02/1")
            await site.client.execute(skip)
            with pytest.raises(InvalidInput):
                await site.client.execute(replace(skip, reason=" "))
        async with commissioned_site(tmp_path, stations=ONE, planted=True) as site:
            await site.connected()
            proof = await site.check(CheckKind.FALLBACKS)
            assert proof.state is CheckState.PASSED
            assert await states(site) == {
                "METER grid": CheckState.PASSED,
                "FALLBACKS site": CheckState.PASSED,
                "PHASES CP-02/1": CheckState.TO_DO,
                "LEASE CP-02/1": CheckState.TO_DO,
                "LIMITS CP-02/1": CheckState.SKIPPED,
            }
            view = await site.client.ask(CommissioningQuery())
            assert not view.is_complete
            at = site.site.services.clock.now()
            record = CommissioningRecord("TEST", "Parkhaus", at, "Europe/Berlin", view, ("x",))
            texts = [b.text for b in record_blocks(record) if isinstance(b, Item)]
            assert "no car at hand" in texts
            assert any(text.startswith(f"{ELECTRICIAN}, 20") for text in texts)
            labels = {b.label: b.value for b in record_blocks(record) if isinstance(b, Pair)}
            assert labels["Virtual Wallbox 2 1.0.0, at CP-02/1"] == "left out"
            assert record_pdf(record).startswith(b"%PDF")

    run(story(), loop_factory=VirtualLoop)


def test_the_pdf_and_the_proposal_come_over_the_api(run: Any, tmp_path: Path):
    async def story() -> None:
        async with commissioned_site(tmp_path, stations=ONE) as site:
            await site.connected()
            assert (await site.client.commissioning_pdf()).startswith(b"%PDF")
            proposal = await site.client.ask(FallbackProposalQuery())
            assert proposal.write == ("station CP-02, EVSE 1: fallback_a = 6   # was 0",)

    run(story(), loop_factory=VirtualLoop)


def test_a_new_firmware_is_to_be_tested_again(run: Any, tmp_path: Path):
    async def story() -> None:
        async with commissioned_site(tmp_path, stations=ONE) as site:
            await site.connected()
            for kind in (CheckKind.LEASE, CheckKind.LIMITS):
                await site.client.execute(SkipCheck(kind, ELECTRICIAN, "no car", "CP-02/1"))
            station = site.virtual.stations["CP-02"]
            station.firmware_version = "2.0.0"
            await station.reboot("RemoteReset")
            alarms = site.site.services.alarms
            await eventually(
                lambda: any(a.code == "lease-untested" for a in alarms.open()), within_s=60
            )
            assert (await states(site))["LEASE CP-02/1"] is CheckState.TO_DO
            for kind in (CheckKind.LEASE, CheckKind.LIMITS):
                await site.client.execute(SkipCheck(kind, ELECTRICIAN, "no car", "CP-02/1"))
            assert not any(a.code == "lease-untested" and a.active for a in alarms.open())

    run(story(), loop_factory=VirtualLoop)
