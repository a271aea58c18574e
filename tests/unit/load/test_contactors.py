"""A contactor closes at most four times an hour, and only what may have closed it is counted."""

import pytest

from sitecontroller.domain.topology import Circuit
from tests.unit.load.site import Behaviour, Site, car, evse, key, play, topology

OUTAGE_S = 350.0
"""Longer than a lease and what is unknown of it."""


@pytest.mark.parametrize("outages", [1, 2, 3])
def test_a_network_that_comes_back_stops_no_car_for_having_started_too_often(outages: int) -> None:
    """While nobody knows what a station holds it might draw anything; that is no start."""

    async def story() -> None:
        site = Site(
            topology(
                Circuit("main", "Main", None, (40.0,) * 3, 1.0, None, (14.0,) * 3),
                evses=[evse(1, fallback_a=0.0), evse(2, fallback_a=6.0)],
                meters=(),
            ),
            behaviour={"CP-01": Behaviour(latency_s=2.0), "CP-02": Behaviour(latency_s=2.0)},
            earlier_leases_s=0.0,
        )
        async with site:
            await site.settle()
            site.charge(key(1), car())
            await site.advance(120)
            assert site.drawn_a(1) > 12
            for _ in range(outages):
                for station_id in ("CP-01", "CP-02"):
                    site.disconnect(station_id)
                await site.advance(OUTAGE_S)
                assert site.drawn_a(1) == 0
                site.connect()
                await site.advance(120)
                assert site.drawn_a(1) > 12

    play(story())
