"""Faults of the demo site over the real protocols: what dies must not cost a fuse."""

import asyncio

import pytest

from sitecontroller.domain.views import EvseActivity
from sitecontroller.simulation.cars import Car, CarModel
from sitecontroller.simulation.virtual_time import VirtualLoop
from tests.simulation.demo_site import DemoSite, demo_site
from tests.support import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

HUNGRY = CarModel("hungry", 90_000, 3, 32.0, latency_s=2.0, share=1.0)
BUSY = ("CP-01", "CP-04", "CP-07", "CP-10")
LEASE_S = 300.0
STOP_AND_SETTLE_S = 15.0


@pytest.fixture
def scene(run, tmp_path):
    """`scene(play)` runs `await play(demo)` on virtual time with four hungry cars charging."""

    async def staged(play):
        async with demo_site(tmp_path) as demo:
            await demo.connected()
            for station_id, card in zip(BUSY, demo.cards, strict=False):
                station = demo.virtual.stations[station_id]
                station.plug(1, Car(HUNGRY, 0.2))
                await eventually(lambda s=station, c=card: s.tap(1, c), within_s=60)
            await asyncio.sleep(120)
            await play(demo)

    return lambda play: run(staged(play), timeout_s=100, loop_factory=VirtualLoop)


def drawn_a(demo: DemoSite, station_id: str) -> float:
    return max(
        o.current_a for k, o in demo.virtual.plant.outlets.items() if k.station_id == station_id
    )


def fallback_a(demo: DemoSite, station_id: str) -> float:
    return demo.site.config.topology.stations[station_id].evses[0].fallback_a


def total_a(demo: DemoSite) -> float:
    return sum(drawn_a(demo, station_id) for station_id in BUSY)


def test_a_dead_meter_throttles_the_site_and_says_so(scene):
    async def play(demo: DemoSite) -> None:
        before_a = total_a(demo)
        await demo.virtual.meter.stop()
        await asyncio.sleep(60 + STOP_AND_SETTLE_S)
        for station_id in BUSY:
            assert drawn_a(demo, station_id) <= fallback_a(demo, station_id) + 0.1
        assert total_a(demo) < before_a
        assert demo.site.controller.alarm_view("meter-stale:grid") is not None
        assert demo.site.controller.site_view().fail_safe

    scene(play)


def test_the_site_takes_up_again_when_the_meter_comes_back(scene):
    async def play(demo: DemoSite) -> None:
        before_a = total_a(demo)
        await demo.virtual.meter.stop()
        await asyncio.sleep(90)
        await demo.virtual.meter.start(demo.virtual.description.meter_port)
        await eventually(lambda: total_a(demo) > 0.8 * before_a, within_s=600)
        assert demo.site.controller.site_view().fail_safe is None

    scene(play)


def test_without_the_controller_every_charger_is_at_its_safe_limit_within_a_lease(scene):
    async def play(demo: DemoSite) -> None:
        await demo.site.stop()
        await asyncio.sleep(LEASE_S + 12)
        for station_id in BUSY:
            assert drawn_a(demo, station_id) <= fallback_a(demo, station_id) + 0.1
        await asyncio.sleep(3600)
        for station_id in BUSY:
            assert drawn_a(demo, station_id) <= fallback_a(demo, station_id) + 0.1

    scene(play)


def test_a_station_that_loses_its_line_is_missed_and_keeps_its_session(scene):
    async def play(demo: DemoSite) -> None:
        station = demo.virtual.stations["CP-01"]
        transactions = demo.site.services.transactions
        (key,) = (t.key for t in transactions.running() if t.station_id == "CP-01")
        await station.uplink.hang_up(away_s=90)
        await asyncio.sleep(5)
        view = demo.site.controller.station_view("CP-01")
        assert view is not None
        assert view.evses[0].activity is EvseActivity.OFFLINE
        alarm = demo.site.services.alarms.get
        await eventually(lambda: alarm("station-offline:CP-01"), within_s=80)
        link = demo.site.services.stations.link
        await eventually(lambda: link("CP-01") is not None, within_s=180)
        missed = alarm("station-offline:CP-01")
        assert missed is not None
        assert not missed.active
        assert key in {t.key for t in transactions.running()}

    scene(play)
