"""Prices over HTTP, a departure from the console, a plan from the workshop, less over OCPP."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.client import ControllerClient
from sitecontroller.domain.commands import CommandState
from sitecontroller.domain.errors import InvalidInput
from sitecontroller.domain.planning import (
    ForecastQuery,
    PlanQuery,
    PricePeriod,
    PricesQuery,
    SetPrices,
)
from sitecontroller.domain.session_needs import SetChargingNeeds
from sitecontroller.domain.topology import EvseKey
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from tests.wire.limits.box import box_at
from tests.wire.limits.test_site_limits import EARLIER_LEASES_S, site_and_client
from tests.wire.site import TestSite

Story = Callable[[TestSite, ControllerClient], Awaitable[None]]
QUARTER = timedelta(minutes=15)
DEAR_QUARTERS, CHEAP_QUARTERS = 8, 8


@pytest.fixture
def play(run: Any, tmp_path: Path) -> Callable[..., None]:
    async def played(story: Story, planning: dict[str, Any]) -> None:
        sections = {"planning": planning}
        async with site_and_client(tmp_path, sections=sections) as (site, client):
            await story(site, client)

    return lambda story, **planning: run(played(story, planning), loop_factory=VirtualLoop)


def prices(per_kwh: list[str]) -> SetPrices:
    """From this quarter hour on."""
    now = virtual_clock().now()
    begins = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
    periods = (
        PricePeriod(begins + n * QUARTER, begins + (n + 1) * QUARTER, Decimal(price))
        for n, price in enumerate(per_kwh)
    )
    return SetPrices(tuple(periods), "EUR", "headquarters")


def test_a_car_that_leaves_later_waits_for_the_cheap_hours(play: Any) -> None:
    async def story(site: TestSite, client: ControllerClient) -> None:
        await asyncio.sleep(EARLIER_LEASES_S)
        given = prices(["0.40"] * DEAR_QUARTERS + ["0.10"] * CHEAP_QUARTERS)
        assert (await client.execute(given)).state is CommandState.ACCEPTED
        assert (await client.ask(PricesQuery())).periods == given.periods
        async with box_at(site) as box:
            await box.begin()
            await asyncio.sleep(60)
            assert box.drawn_a > 20, "nobody said when it leaves"
            (session,) = site.site.services.transactions.running()
            leaves_at = given.periods[-1].end_at
            await client.execute(SetChargingNeeds(session.key, leaves_at, 5000.0))
            await asyncio.sleep(30)
            assert box.drawn_a == 0
            limit = site.site.services.load.limit_view(EvseKey("CP-01", 1))
            assert limit is not None
            assert "plan, cheaper after " in limit.reason
            plan = await client.ask(PlanQuery())
            assert plan.state == "followed"
            assert plan.price_known[:16] == (True,) * 16
            (car,) = plan.sessions
            assert car.departs_at is not None
            assert abs(car.departs_at - leaves_at) < timedelta(seconds=2)
            assert set(car.power_w[:DEAR_QUARTERS]) == {0}
            assert sum(car.power_w) / 4 == pytest.approx(car.energy_need_wh, abs=10)

    play(story, enabled=True)


def test_prices_that_cannot_be_used_are_refused_by_field(play: Any) -> None:
    async def story(site: TestSite, client: ControllerClient) -> None:
        good = prices(["0.40"] * 4)
        gap = SetPrices((good.periods[0], good.periods[2]), "EUR")
        with pytest.raises(InvalidInput) as refused:
            await client.execute(gap)
        assert [fault.field for fault in refused.value.errors] == ["periods.1"]
        assert (await client.ask(PricesQuery())).periods == ()

    play(story, enabled=True)


def test_without_planning_the_api_says_that_it_is_off(play: Any) -> None:
    async def story(site: TestSite, client: ControllerClient) -> None:
        assert (await client.ask(PlanQuery())).state == "off"
        assert (await client.ask(ForecastQuery())).items == (), "no circuit has a meter"

    play(story)
