"""How a limit of the grid operator was kept, from its coming to its end: over the real wire."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.client import ControllerClient
from sitecontroller.domain.limit_proof import KEPT_FOR, LimitProof, LimitProofsQuery
from sitecontroller.domain.limit_source import LimitSource, WithdrawSiteLimit
from sitecontroller.ports import UnitOfWork
from sitecontroller.services.load.proofs import KIND
from sitecontroller.services.shelf import Shelf
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from tests.wire.limits.box import box_at
from tests.wire.limits.test_site_limits import EARLIER_LEASES_S, limited, site_and_client
from tests.wire.signals.web import web
from tests.wire.site import TestSite


@pytest.fixture
def play(run: Any, tmp_path: Path) -> Callable[..., None]:
    """`play(story, **source)` runs `await story(site, client, answers)`; what the URL of the source
    says is `answers[-1]`, at first nothing that limits."""

    async def played(story: Any, leases_s: float, source: dict[str, Any]) -> None:
        answers: list[Any] = [{"dimmed": False}]
        async with web(lambda asked: answers[-1]) as served:
            settings = {"id": "dso", "kind": "http", "url": served.url, "poll_s": 5, **source}
            more = {
                "groups": [{"id": "boxes", "evses": ["CP-01/1"]}],
                "limit_sources": [settings],
            }
            async with site_and_client(tmp_path, sections=more) as (site, client):
                await asyncio.sleep(leases_s)
                await story(site, client, answers)

    def playing(story: Any, *, leases_s: float = EARLIER_LEASES_S, **source: Any) -> None:
        run(played(story, leases_s, source), loop_factory=VirtualLoop)

    return playing


async def newest(client: ControllerClient) -> LimitProof:
    page = await client.ask(LimitProofsQuery())
    found: LimitProof = page.items[0]
    return found


def test_a_limit_is_received_commanded_measured_and_over(play: Any) -> None:
    async def story(site: TestSite, client: ControllerClient, answers: Any) -> None:
        async with box_at(site, car_a=63) as box:
            await box.begin()
            await asyncio.sleep(120)
            assert (await client.ask(LimitProofsQuery())).items == ()
            answers.append({"dimmed": True})
            await asyncio.sleep(60)
            kept = await newest(client)
            assert (kept.limit_id, kept.group_id, kept.power_w) == ("dso", "boxes", 9_000)
            assert kept.commanded_at is not None
            assert kept.below_at is not None
            assert kept.below_w is not None
            assert kept.below_w <= 9_000
            assert kept.received_at <= kept.commanded_at <= kept.below_at
            assert kept.below_at - kept.received_at < timedelta(seconds=15)
            assert kept.ended_at is None
            answers.append({"dimmed": False})
            await asyncio.sleep(10)
            over = await newest(client)
            assert over.proof_key == kept.proof_key
            assert over.ended_at is not None
            assert over.above_s == 0

    play(story, group="boxes", dimmed_w=9_000)


def test_one_dimmed_outlet_keeps_its_six_amperes(play: Any) -> None:
    async def story(site: TestSite, client: ControllerClient, answers: Any) -> None:
        async with box_at(site, car_a=63) as box:
            await box.begin()
            await asyncio.sleep(120)
            answers.append({"dimmed": True})
            await asyncio.sleep(120)
            assert box.limits[-1] == pytest.approx(6.0)
            assert box.drawn_a == pytest.approx(6.0)
            kept = await newest(client)
            assert kept.power_w == pytest.approx(4_200)
            assert kept.below_at is not None

    play(story, group="boxes", minimum_w_each=4200)


def test_a_car_that_disobeys_is_no_proof(play: Any) -> None:
    async def story(site: TestSite, client: ControllerClient, answers: Any) -> None:
        async with box_at(site, car_a=32) as box:
            await box.begin()
            await asyncio.sleep(120)
            box.obeys = lambda purpose, level: False
            answers.append({"dimmed": True})
            await asyncio.sleep(10)
            kept = await newest(client)
            assert kept.commanded_at is not None
            assert kept.below_at is None

    play(story, group="boxes", dimmed_w=9_000)


def test_whoever_brings_a_limit_of_the_grid_operator_it_is_proven_and_others_are_not(
    play: Any,
) -> None:
    async def story(site: TestSite, client: ControllerClient, answers: Any) -> None:
        await client.execute(limited(600, limit_id="hq", source=LimitSource.HQ))
        await client.execute(limited(600, limit_id="hand"))
        await asyncio.sleep(5)
        assert (await newest(client)).limit_id == "hand"
        await client.execute(WithdrawSiteLimit("hand"))
        assert len((await client.ask(LimitProofsQuery())).items) == 1
        assert (await newest(client)).ended_at is not None

    play(story, leases_s=1, dimmed_w=9_000)


def test_proofs_outlive_a_restart_and_are_kept_for_two_years(run: Any, tmp_path: Path) -> None:
    async def story() -> None:
        async with site_and_client(tmp_path) as (site, client):
            await client.execute(limited(7200, limit_id="long"))
            await client.execute(limited(60, limit_id="short"))
            proofs = (await client.ask(LimitProofsQuery())).items
            keys = {proof.limit_id: proof.proof_key for proof in proofs}
            copy = replace(proofs[0], limit_id="copy", ended_at=proofs[0].received_at)
            await asyncio.sleep(2)
            shelf = Shelf(site.site.store, KIND, LimitProof)
            for key, age in (("OLD", KEPT_FOR * 1.01), ("YOUNG", KEPT_FOR * 0.99)):
                await shelf.put(key, copy, virtual_clock().now() - age)
        await asyncio.sleep(120)
        async with site_and_client(tmp_path, planted=True) as (site, client):
            await asyncio.sleep(2)
            by_id = {p.limit_id: p for p in (await client.ask(LimitProofsQuery())).items}
            assert by_id["short"].ended_at is not None

            def stored_keys(tx: UnitOfWork) -> set[str]:
                return {row.key for row in tx.all_kept(KIND)}

            stored = await site.site.store.read(stored_keys)
            assert "YOUNG" in stored
            assert "OLD" not in stored
            await client.execute(WithdrawSiteLimit("long"))
            found = (await client.ask(LimitProofsQuery())).items
            (long,) = [proof for proof in found if proof.limit_id == "long"]
            assert long.proof_key == keys["long"]
            assert long.ended_at is not None

    run(story(), loop_factory=VirtualLoop)
