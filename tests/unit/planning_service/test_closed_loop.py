"""Cars that charge by plan, in virtual time: cheap hours, fuse, peak, and plans that fail."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from sitecontroller.domain.topology import Topology
from tests.unit.load.site import evse, main_circuit, play, topology
from tests.unit.planning_service.site import PlannedSite, planned_site

CHEAP_FROM_430 = (
    ("03:30", "04:30", "0.40"),
    ("04:30", "06:00", "0.10"),
    ("06:00", "12:00", "0.40"),
)
NEED_WH = 7000.0
"""Some 40 min at 11 kW."""
Story = Callable[[PlannedSite], Awaitable[None]]


def park(count: int = 1, limit_a: float = 63.0) -> Topology:
    evses = [evse(number) for number in range(1, count + 1)]
    return topology(main_circuit(limit_a, worst_base_a=0.0), evses=evses)


def quiet(_: datetime) -> float:
    return 3000.0


@pytest.fixture
def told(tmp_path: Path) -> Callable[..., None]:
    """`told(story, …)` plays `await story(site)` on a planned site; each has its own past."""

    async def playing(story: Story, there: Topology, settings: dict[str, Any]) -> None:
        async with planned_site(Path(mkdtemp(dir=tmp_path)), there, **settings) as site:
            await story(site)

    return lambda story, there=None, **settings: play(playing(story, there or park(), settings))


def test_a_car_charges_in_the_cheap_hours_and_leaves_full(told: Callable[..., None]) -> None:
    async def story(site: PlannedSite) -> None:
        site.arrive(1, NEED_WH, "07:00")
        await site.until("04:25")
        assert site.got(1) < 0.05
        assert site.why(1) == "0 A: plan, cheaper after 04:30"
        await site.until("06:00")
        assert site.got(1) > 0.99
        view = await site.plan()
        assert view.solver == "HiGHS"
        assert view.state == "followed"

    told(story, prices=CHEAP_FROM_430)


def test_a_car_whose_departure_nobody_told_charges_at_once(told: Callable[..., None]) -> None:
    async def story(site: PlannedSite) -> None:
        site.arrive(1, NEED_WH / 3, None)
        await site.until("04:27")
        assert site.got(1) > 0.99

    told(story, prices=CHEAP_FROM_430)


def test_where_the_site_wants_it_that_car_waits_too(told: Callable[..., None]) -> None:
    async def story(site: PlannedSite) -> None:
        site.arrive(1, NEED_WH, None)
        await site.until("04:25")
        assert site.got(1) < 0.05
        await site.until("05:30")
        assert site.got(1) > 0.99

    prices = (("04:00", "04:30", "0.40"), ("04:30", "12:00", "0.10"))
    told(story, prices=prices, without_departure=True)


def test_a_departure_that_is_moved_up_is_planned_for_at_once(told: Callable[..., None]) -> None:
    async def story(site: PlannedSite) -> None:
        site.arrive(1, NEED_WH, "07:00")
        await site.until("04:13")
        assert site.got(1) < 0.05
        site.say(1, NEED_WH, "05:00")
        await site.until("04:25")
        assert site.got(1) > 0.2

    told(story, prices=CHEAP_FROM_430)


@pytest.mark.parametrize("fault", ["fails", "is late"])
def test_where_the_solver_fails_the_rule_takes_over(told: Callable[..., None], fault: str) -> None:
    async def story(site: PlannedSite) -> None:
        if fault == "fails":
            site.workshop.breaks = {"plan"}
        else:
            site.workshop.late_s = {"plan": 1000.0}
        site.arrive(1, NEED_WH, "07:00")
        await site.until("04:25")
        assert site.got(1) < 0.15
        view = await site.plan()
        assert view.solver == "rule"
        assert ("broke" if fault == "fails" else "no answer within 45 s") in view.why
        await site.until("06:00")
        assert site.got(1) > 0.99

    told(story, prices=CHEAP_FROM_430)


def test_without_any_answer_the_last_plan_is_followed_for_30_min_and_no_longer(
    told: Callable[..., None],
) -> None:
    async def story(site: PlannedSite) -> None:
        site.arrive(1, NEED_WH, "12:00")
        await site.until("04:15")
        site.workshop.breaks = {"plan", "by_rule"}
        await site.until("04:40")
        assert site.got(1) < 0.05
        assert (await site.plan()).state == "followed"
        await site.until("04:55")
        assert (await site.plan()).state == "too old"
        assert site.got(1) > 0.05

    told(story, prices=(("04:00", "06:00", "0.40"), ("06:00", "12:00", "0.10")))


def test_with_a_wrong_forecast_the_fuse_holds(told: Callable[..., None]) -> None:
    """Weeks of a quiet building, and in this night's cheap hours a loud one."""

    async def story(site: PlannedSite) -> None:
        site.step_base("main", (4.0, 4.0, 4.0))
        for number in (1, 2, 3):
            site.arrive(number, NEED_WH, "08:00")
        await site.until("04:31")
        site.step_base("main", (40.0, 40.0, 40.0))
        await site.advance(30)
        over_a: list[float] = []
        await site.until("05:00", lambda: over_a.append(max(site.total_a("main")) - 63.0))
        assert max(over_a) <= 0
        assert max(site.total_a("main")) > 50
        assert (await site.plan()).base_high_w[0] == 3000

    told(story, park(3), prices=CHEAP_FROM_430, weeks=quiet)


def test_a_demand_charge_keeps_the_peak_low(told: Callable[..., None]) -> None:
    peaks_w: list[float] = []

    def until(clock: str) -> Story:
        async def story(site: PlannedSite) -> None:
            for number in (1, 2):
                site.arrive(number, NEED_WH, "06:45")
            await site.until(clock)
            assert min(site.got(number) for number in (1, 2)) > 0.99
            peaks_w.append(site.peak_w)

        return story

    told(until("05:20"), park(2), prices=CHEAP_FROM_430, weeks=quiet)
    told(until("06:05"), park(2), prices=CHEAP_FROM_430, weeks=quiet, demand_charge_per_kw=100.0)
    assert peaks_w[0] > 18_000
    assert peaks_w[1] < 0.7 * peaks_w[0]
