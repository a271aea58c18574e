"""Lease tests: the way in which a limit ends by itself, found out and remembered per model."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.domain.commissioning import CheckKind, CheckState
from sitecontroller.domain.topology import EvseKey
from sitecontroller.simulation.virtual_time import VirtualLoop
from tests.wire.commissioning.site import CommissionedSite, commissioned_site

Story = Callable[[CommissionedSite], Awaitable[None]]


LEASE_S = 60


@pytest.fixture
def play(run: Any, tmp_path: Path) -> Callable[..., None]:
    """`play(story)` runs `await story(site)` in virtual time with all chargers connected."""

    async def played(story: Story, settings: dict[str, Any]) -> None:
        settings = {"stations": ("CP-02",), **settings}
        async with commissioned_site(tmp_path, **settings) as site:
            await site.connected()
            await story(site)
            assert site.judge.verdict().excess_as == 0

    return lambda story, **settings: run(played(story, settings), loop_factory=VirtualLoop)


async def facts(site: CommissionedSite) -> dict[str, Any]:
    found: dict[str, Any] = await site.site.store.read(lambda tx: tx.setting("station-facts"))
    return {k: v for k, v in found.items() if k.startswith("lease-test/")}


@pytest.mark.parametrize(
    ("station_id", "way"),
    [("CP-01", "tx-profile/Absolute"), ("CP-02", "tx-default-profile/Absolute")],
    ids=["2.0.1", "1.6"],
)
def test_a_lease_that_ends_is_remembered_for_the_model(play: Any, station_id: str, way: str):
    async def story(site: CommissionedSite) -> None:
        await site.charge(station_id)
        check = await site.check(CheckKind.LEASE, f"{station_id}/1", lease_s=LEASE_S)
        assert check.state is CheckState.PASSED, check.findings
        assert way in check.findings[0]
        assert way in (await facts(site)).values()
        await asyncio.sleep(90)
        outlet = site.virtual.plant.outlets[EvseKey(station_id, 1)]
        assert outlet.current_a > 12, "it charges on after the test"

    play(story, stations=(station_id,))


def test_a_charger_that_ignores_ends_gets_a_profile_of_two_periods(play: Any):
    async def story(site: CommissionedSite) -> None:
        await site.charge("CP-02")
        check = await site.check(CheckKind.LEASE, "CP-02/1", lease_s=LEASE_S)
        assert check.state is CheckState.PASSED, check.findings
        assert "still drew" in check.findings[0]
        assert list((await facts(site)).values()) == ["one-profile-of-two-periods/Absolute"]

    play(story, behaviour={"CP-02": "no-lease"})


def test_a_charger_whose_limits_never_end_is_counted_without_leases(play: Any):
    async def story(site: CommissionedSite) -> None:
        key = EvseKey("CP-02", 1)
        await site.charge("CP-02")
        check = await site.check(CheckKind.LEASE, "CP-02/1", lease_s=LEASE_S)
        assert check.state is CheckState.FAILED, check.findings
        assert "still drew" in check.findings[0]
        assert list((await facts(site)).values()) == ["none"]
        link = site.site.services.stations.link("CP-02")
        assert link is not None
        assert not link.holds_leases
        await asyncio.sleep(90)
        await site.virtual.stations["CP-02"].uplink.hang_up(900.0)
        await asyncio.sleep(400)
        drawn_a = site.virtual.plant.outlets[key].current_a
        view = site.site.services.load.limit_view(key)
        assert view is not None
        assert view.exposure_a >= drawn_a > 6

    play(story, behaviour={"CP-02": "endless-limits"})


def test_a_charger_that_refuses_level_1_gets_a_profile_of_two_periods(play: Any):
    async def story(site: CommissionedSite) -> None:
        await site.charge("CP-02")
        check = await site.check(CheckKind.LEASE, "CP-02/1", lease_s=LEASE_S)
        assert check.state is CheckState.PASSED, check.findings
        assert "refuses" in check.findings[0]
        assert "one-profile-of-two-periods/Absolute" in (await facts(site)).values()
        await asyncio.sleep(60)
        profiles = list(site.virtual.stations["CP-02"].profiles)
        leased = [p for p in profiles if len(p.periods) == 2]
        assert [(p.purpose, p.stack_level) for p in leased] == [("TxDefaultProfile", 0)]
        assert leased[0].periods[1].limit == 6.0

    play(story, behaviour={"CP-02": "hidden-flat-stack"}, fallback_a=6.0)


def test_a_lease_test_needs_a_car(play: Any):
    async def story(site: CommissionedSite) -> None:
        check = await site.check(CheckKind.LEASE, "CP-02/1", lease_s=LEASE_S)
        assert check.state is CheckState.UNDECIDED
        assert "plug one" in check.findings[0]
        assert await facts(site) == {}

    play(story)
