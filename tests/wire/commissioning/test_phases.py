"""Phase checks: one car's limit goes down and up, and the meter says which conductors carry it."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.domain.commissioning import CheckKind, CheckState
from sitecontroller.domain.topology import EvseKey
from sitecontroller.simulation.plant import BuildingLoadDescription
from sitecontroller.simulation.virtual_time import VirtualLoop
from tests.wire.commissioning.site import CommissionedSite, commissioned_site

Story = Callable[[CommissionedSite], Awaitable[None]]
RESTLESS = BuildingLoadDescription("main", 0.0, 10.0, step_a_max=10.0, every_s=(4.0, 9.0))


@pytest.fixture
def play(run: Any, tmp_path: Path) -> Callable[..., None]:
    """`play(story)` runs `await story(site)` in virtual time with both chargers connected."""

    async def played(story: Story, settings: dict[str, Any]) -> None:
        stations = ("CP-02", "CP-03")
        async with commissioned_site(tmp_path, stations=stations, **settings) as site:
            await site.connected()
            await story(site)
            assert site.judge.verdict().excess_as == 0

    return lambda story, **settings: run(played(story, settings), loop_factory=VirtualLoop)


def test_a_charger_on_another_conductor_is_told_with_what_to_write(play: Any):
    async def story(site: CommissionedSite) -> None:
        await site.charge("CP-02")
        await site.charge("CP-03", phases=1)
        check = await site.check(CheckKind.PHASES, "CP-03/1")
        assert check.state is CheckState.FAILED, check.findings
        assert "Its L1 sits on the site's L2, not on L1" in check.findings
        assert check.write == ('station CP-03, EVSE 1: phases = "L2L3L1"   # was "L1L2L3"',)

    play(story, wired={"CP-03": "L2L3L1"})


def test_a_charger_wired_as_written_passes(play: Any):
    async def story(site: CommissionedSite) -> None:
        await site.charge("CP-03", phases=1)
        check = await site.check(CheckKind.PHASES, "CP-03/1")
        assert check.state is CheckState.PASSED, check.findings
        assert "as in site.toml" in check.findings[1]
        assert check.write == ()
        outlet = site.virtual.plant.outlets[EvseKey("CP-03", 1)]
        load = site.site.services.load
        assert load.limit_view(outlet.evse.key) is not None

    play(story)


def test_a_car_on_three_phases_shows_no_order(play: Any):
    async def story(site: CommissionedSite) -> None:
        await site.charge("CP-03")
        check = await site.check(CheckKind.PHASES, "CP-03/1")
        assert check.state is CheckState.UNDECIDED, check.findings
        assert "a car on one phase only" in check.findings[-1]

    play(story, wired={"CP-03": "L2L3L1"})


def test_beside_a_restless_building_it_says_so_instead_of_guessing(play: Any):
    async def story(site: CommissionedSite) -> None:
        await site.charge("CP-03", phases=1, most_a=11.0)
        check = await site.check(CheckKind.PHASES, "CP-03/1")
        assert check.state is CheckState.UNDECIDED, check.findings
        assert check.write == ()

    play(story, load=RESTLESS)
