"""The limit test, and what it lets count: a car follows, a schedule is believed or it isn't."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.domain.commissioning import CancelCheck, CheckKind, CheckState, StartCheck
from sitecontroller.domain.errors import Conflict, InvalidInput
from sitecontroller.simulation.virtual_time import VirtualLoop
from tests.support import eventually
from tests.wire.commissioning.site import CommissionedSite, commissioned_site

Story = Callable[[CommissionedSite], Awaitable[None]]


@pytest.fixture
def play(run: Any, tmp_path: Path) -> Callable[..., None]:
    """`play(story)` runs `await story(site)` in virtual time with the charger connected."""

    async def played(story: Story, settings: dict[str, Any]) -> None:
        async with commissioned_site(tmp_path, stations=("CP-02",), **settings) as site:
            await site.connected()
            await story(site)
            assert site.judge.verdict().excess_as == 0

    return lambda story, **settings: run(played(story, settings), loop_factory=VirtualLoop)


async def believed(site: CommissionedSite) -> bool:
    link = site.site.services.stations.link("CP-02")
    assert link is not None
    return (await link.composite_limit(1)).proven


def test_schedules_count_once_a_car_was_seen_to_follow_them(play: Any):
    async def story(site: CommissionedSite) -> None:
        await site.charge("CP-02")
        assert not await believed(site)
        check = await site.check(CheckKind.LIMITS, "CP-02/1")
        assert check.state is CheckState.PASSED, check.findings
        assert [line.split(":")[0] for line in check.findings[:3]] == [
            "told 6 A",
            "told 16 A",
            "told 0 A",
        ]
        assert await believed(site)

    play(story)


def test_a_charger_that_takes_6_a_for_a_pause_fails_and_isnt_believed(play: Any):
    async def story(site: CommissionedSite) -> None:
        await site.charge("CP-02")
        check = await site.check(CheckKind.LIMITS, "CP-02/1")
        assert check.state in (CheckState.FAILED, CheckState.UNDECIDED), check.findings
        assert "0 A" in check.findings[-1] or "No car charges" in check.findings[-1]
        assert not await believed(site)

    play(story, behaviour={"CP-02": "min-6-violator"})


def test_one_check_at_a_time_and_it_can_be_ended(play: Any):
    async def story(site: CommissionedSite) -> None:
        await site.charge("CP-02")
        begin = StartCheck(CheckKind.LIMITS, "Erika", "CP-02/1")
        await site.client.execute(begin)
        with pytest.raises(Conflict):
            await site.client.execute(begin)
        key = next(iter(site.virtual.plant.outlets))
        await eventually(lambda: site.site.services.load.told_a(key) == 6.0, within_s=120)
        await site.client.execute(CancelCheck())
        check = await site.ended(CheckKind.LIMITS)
        assert check.state is CheckState.UNDECIDED
        await eventually(lambda: (site.site.services.load.told_a(key) or 0) > 16, within_s=120)

    play(story)


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (StartCheck(CheckKind.PHASES, "Erika", "CP-99/1"), "subject"),
        (StartCheck(CheckKind.METER, "Erika", "none"), "subject"),
        (StartCheck(CheckKind.FALLBACKS, " "), "done_by"),
        (StartCheck(CheckKind.LEASE, "Erika", "CP-02/1", lease_s=5), "lease_s"),
    ],
)
def test_what_cant_be_checked_is_refused_with_its_field(play: Any, command: Any, field: str):
    async def story(site: CommissionedSite) -> None:
        with pytest.raises(InvalidInput) as caught:
            await site.client.execute(command)
        assert [fault.field for fault in caught.value.errors] == [field]

    play(story)
