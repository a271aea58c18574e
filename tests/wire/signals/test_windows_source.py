"""A tariff's window to the charger: by the site's clock, without anybody's help."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sitecontroller.domain.limit_signal import LimitSourcesQuery
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from tests.wire.limits.test_site_limits import EARLIER_LEASES_S, site_and_client

BERLIN = ZoneInfo("Europe/Berlin")


def test_a_window_limits_from_its_beginning_to_its_end(run: Any, tmp_path: Path) -> None:
    async def story() -> None:
        local = virtual_clock().now().astimezone(BERLIN).replace(second=0)
        opens, shuts = local + timedelta(minutes=10), local + timedelta(minutes=15)
        window = f"Mo-Su {opens:%H:%M}-{shuts:%H:%M}"
        source = {"id": "peak", "kind": "windows", "windows": [window], "dimmed_w": 15_180}
        more = {"limit_sources": [source]}
        async with site_and_client(tmp_path, sections=more) as (site, client):

            def cap_a() -> float | None:
                return site.site.services.load.circuit_view("main").cap_a[0]

            async def until(at: Any) -> None:
                await asyncio.sleep((at - virtual_clock().now()).total_seconds())

            await asyncio.sleep(EARLIER_LEASES_S)
            assert cap_a() == pytest.approx(61.74)
            await until(opens + timedelta(seconds=3))
            assert cap_a() == pytest.approx(18.74)
            (shown,) = (await client.ask(LimitSourcesQuery())).items
            assert (shown.state, shown.says) == ("limited", f"15180 W until {shuts:%H:%M}")
            await until(shuts - timedelta(seconds=1))
            assert cap_a() == pytest.approx(18.74)
            await until(shuts + timedelta(seconds=3))
            assert cap_a() == pytest.approx(61.74)

    run(story(), loop_factory=VirtualLoop)
