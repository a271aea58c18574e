"""Site limits from the API to the charger and back: asked over HTTP, told over OCPP, drawn."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from sitecontroller.api.app import build_api
from sitecontroller.client import ControllerClient
from sitecontroller.domain.commands import CommandState
from sitecontroller.domain.errors import InvalidInput, NotFound
from sitecontroller.domain.events import SiteLimitChanged
from sitecontroller.domain.limit_source import (
    GroupsQuery,
    LimitSource,
    SetSiteLimit,
    SiteLimit,
    SiteLimitQuery,
    SiteLimitsQuery,
    WithdrawSiteLimit,
)
from sitecontroller.domain.topology import EvseKey
from sitecontroller.services.shelf import Shelf
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from tests.wire.limits.box import box_at
from tests.wire.site import TestSite, running_site

EARLIER_LEASES_S = 320.0
"""Until then limits of a controller that ran before may still hold in the stations."""
A_CYCLE_S = 1.5
ALL_PHASES_20 = (20.0, 20.0, 20.0)
NARROW = SetSiteLimit("14a", LimitSource.GRID_OPERATOR, current_a=ALL_PHASES_20, set_by="contact")
Story = Callable[[TestSite, ControllerClient], Awaitable[None]]


@contextlib.asynccontextmanager
async def site_and_client(
    directory: Path, *, planted: bool = False, **settings: Any
) -> AsyncIterator[tuple[TestSite, ControllerClient]]:
    """A whole site and a client of its API."""
    clock = virtual_clock()
    async with running_site(directory, clock=clock, planted=planted, **settings) as site:
        transport = httpx.ASGITransport(app=build_api(site.site.controller, "t", clock=clock))
        client = ControllerClient("http://127.0.0.1", "t", transport=transport)
        try:
            yield site, client
        finally:
            await client.close()


@pytest.fixture
def play(run: Any, tmp_path: Path) -> Callable[..., None]:
    """`play(story)` runs `await story(site, client)` in virtual time; the fuse has 63 A."""

    async def played(story: Story, settings: dict[str, Any]) -> None:
        async with site_and_client(tmp_path, **settings) as (site, client):
            await story(site, client)

    return lambda story, **settings: run(played(story, settings), loop_factory=VirtualLoop)


def in_s(seconds: float) -> datetime:
    return virtual_clock().now() + timedelta(seconds=seconds)


def limited(seconds: float | None = 60, **changes: Any) -> SetSiteLimit:
    """20 A by the grid operator for so long."""
    until = None if seconds is None else in_s(seconds)
    fields = {name: getattr(NARROW, name) for name in NARROW.__slots__}
    return SetSiteLimit(**{**fields, "until": until, **changes})


def why(site: TestSite) -> str:
    view = site.site.services.load.limit_view(EvseKey("CP-01", 1))
    assert view is not None
    return view.reason


@pytest.mark.parametrize("version", ["1.6", "2.1"])
def test_a_site_limit_reaches_the_charger_in_a_cycle_and_ends_by_itself(play: Any, version: str):
    async def story(site: TestSite, client: ControllerClient) -> None:
        await asyncio.sleep(EARLIER_LEASES_S)
        changes: list[SiteLimitChanged] = []
        site.site.services.publisher.subscribe(changes.append, SiteLimitChanged)
        async with box_at(site, version=version, car_a=63) as box:
            await box.begin()
            await asyncio.sleep(120)
            assert box.drawn_a > 50
            told = len(box.limits)
            result = await client.execute(limited(60))
            assert result.state is CommandState.ACCEPTED
            await asyncio.sleep(A_CYCLE_S)
            assert 17 < box.limits[-1] <= 20 - 1.26
            assert len(box.limits) > told
            assert box.drawn_a <= 20
            assert "site limit 'grid operator' until " in why(site)
            circuit = (await client.circuits())[0]
            assert circuit.limited_by is not None
            assert circuit.limited_by.startswith("20 A: site limit 'grid operator' until ")
            await asyncio.sleep(55)
            assert box.drawn_a <= 20
            await asyncio.sleep(60)
            assert box.drawn_a > 50
            assert (await client.circuits())[0].limited_by is None
            assert (await client.ask(SiteLimitsQuery())).items == ()
        assert [change.in_force for change in changes] == [True, False]

    play(story)


def test_the_smallest_of_several_wins_and_a_withdrawn_one_lets_go(play: Any):
    async def story(site: TestSite, client: ControllerClient) -> None:
        await asyncio.sleep(EARLIER_LEASES_S)
        async with box_at(site, car_a=63) as box:
            await box.begin()
            await asyncio.sleep(120)
            await client.execute(limited(3600))
            headquarters = limited(
                3600, limit_id="hq", source=LimitSource.HQ, current_a=(30.0, None, None)
            )
            await client.execute(headquarters)
            await asyncio.sleep(60)
            assert box.drawn_a <= 20
            await client.execute(WithdrawSiteLimit("14a"))
            await asyncio.sleep(60)
            assert 20 < box.drawn_a <= 30
            assert "Main fuse (L1: site limit 'headquarters' until " in why(site)
            with pytest.raises(NotFound):
                await client.execute(WithdrawSiteLimit("14a"))
            assert (await client.ask(SiteLimitQuery("hq"))).limit.current_a == (30.0, None, None)

    play(story)


def test_site_limits_outlive_a_restart_but_not_their_end(run: Any, tmp_path: Path):
    async def story() -> None:
        async with site_and_client(tmp_path) as (site, client):
            gone = SiteLimit("gone", LimitSource.HQ, "", in_s(0), in_s(3600), "attic")
            await Shelf(site.site.store, "site-limit", SiteLimit).put("gone", gone, gone.since)
            await client.execute(limited(3600))
            await client.execute(limited(30, limit_id="short"))
            await client.execute(limited(None, limit_id="desk", source=LimitSource.ATTENDANT))
        await asyncio.sleep(60)
        async with site_and_client(tmp_path, planted=True) as (site, client):
            kept = (await client.ask(SiteLimitsQuery())).items
            assert {view.limit.limit_id for view in kept} == {"14a", "desk"}
            await asyncio.sleep(EARLIER_LEASES_S)
            assert site.site.services.load.circuit_view("main").cap_a[0] == pytest.approx(18.74)

    run(story(), loop_factory=VirtualLoop)


def test_a_limit_below_the_fallbacks_is_set_and_says_what_it_cannot_do(play: Any):
    async def story(site: TestSite, client: ControllerClient) -> None:
        result = await client.execute(limited(60))
        assert result.state is CommandState.ACCEPTED
        assert result.reason is not None
        assert "together 24 A on L1 (limit 20 A), 24 A on L2 (limit 20 A)" in result.reason
        assert (await client.execute(limited(60, current_a=(24.0,) * 3))).reason is None

    play(story, fallback_a=6.0)


def test_a_limit_that_makes_no_sense_is_refused_by_its_fields(play: Any):
    async def story(_: TestSite, client: ControllerClient) -> None:
        senseless = limited(-5, limit_id="no blanks", circuit_id="attic")
        with pytest.raises(InvalidInput) as refusal:
            await client.execute(senseless)
        fields = [error.field for error in refusal.value.errors]
        assert fields == ["until", "limit_id", "circuit_id"]
        assert (await client.ask(SiteLimitsQuery())).items == ()

    play(story)


def test_a_group_is_shown_with_what_it_takes_and_what_limits_it(play: Any) -> None:
    async def story(site: TestSite, client: ControllerClient) -> None:
        (before,) = (await client.ask(GroupsQuery())).items
        assert (before.name, before.members) == ("Level 1", ("CP-01/1", "CP-01/2"))
        assert (before.cap_a, before.limited_by) == ((None, None, None), None)
        until = site.site.services.clock.now() + timedelta(hours=1)
        await client.execute(
            SetSiteLimit(
                "14a",
                LimitSource.GRID_OPERATOR,
                group_id="level-1",
                current_a=ALL_PHASES_20,
                until=until,
            )
        )
        await asyncio.sleep(A_CYCLE_S)
        (after,) = (await client.ask(GroupsQuery())).items
        assert after.cap_a == ALL_PHASES_20
        assert after.limited_by is not None
        assert "grid operator" in after.limited_by

    play(story, groups=[{"id": "level-1", "name": "Level 1", "evses": ["CP-01"]}])
