"""S7: everything below a breaker is shed before it could trip, and only then."""

from dataclasses import replace

import pytest

from sitecontroller.dlm.breaker import CURVES, heated, trips_in_s
from tests.unit.load.site import Behaviour, Site, car, evse, key, main_circuit, play, topology

LIMIT_A = 40.0
NEAR = ("breaker-near-trip", "main")


def site_with(*, curve: str = "B") -> Site:
    """Two three-phase EVSEs behind a breaker of 40 A with a meter."""
    main = replace(main_circuit(LIMIT_A, worst_base_a=0.0, margin_a=1.0), curve=curve)
    return Site(topology(main, evses=[evse(1), evse(2)]))


class Breaker:
    """The judge: the model fed with what truly flows, every half second."""

    def __init__(self, site: Site) -> None:
        self.site, self.heat, self.tripped, self.last_s = site, 0.8, False, site.now_s

    def look(self) -> None:
        ratio = max(self.site.total_a("main")) / LIMIT_A
        self.heat = heated(CURVES["B"], self.heat, ratio, self.site.now_s - self.last_s)
        self.last_s = self.site.now_s
        self.tripped |= trips_in_s(CURVES["B"], self.heat, ratio) == 0


async def both_charge(site: Site) -> None:
    await site.settle()
    for number in (1, 2):
        site.charge(key(number), car())
    await site.advance(90)
    assert site.drawn_a(1) + site.drawn_a(2) > 35


def base(site: Site, current_a: float) -> None:
    site.step_base("main", (current_a, current_a, current_a))


def test_a_step_that_sharing_answers_in_time_sheds_nobody() -> None:
    async def story() -> None:
        async with site_with() as site:
            await both_charge(site)
            base(site, 0.5 * LIMIT_A)
            await site.advance(60)
            assert NEAR not in site.alarms.ever
            assert site.drawn_a(1) + site.drawn_a(2) > 10

    play(story())


def test_chargers_that_do_not_obey_are_stopped_before_the_breaker_trips() -> None:
    async def story() -> None:
        async with site_with() as site:
            await both_charge(site)
            for station in site.stations.values():
                station.behaviour = Behaviour(obeys=False)
            judge = Breaker(site)
            base(site, 0.6 * LIMIT_A)
            await site.advance(60, judge.look)
            assert NEAR in site.alarms.ever
            assert not judge.tripped
            assert site.drawn_a(1) == site.drawn_a(2) == 0

    play(story())


def test_charging_goes_on_when_the_breaker_has_cooled_down_and_not_before() -> None:
    async def story() -> None:
        async with site_with() as site:
            await both_charge(site)
            base(site, 1.3 * LIMIT_A)
            await site.advance(60)
            assert NEAR in site.alarms.standing
            assert site.told_a(1) == site.told_a(2) == 0
            view = site.load.limit_view(key(1))
            assert view is not None
            assert "near trip" in view.reason
            base(site, 0.3 * LIMIT_A)
            await site.advance(5)
            assert NEAR in site.alarms.standing
            assert site.told_a(1) == 0
            await site.advance(60)
            assert NEAR not in site.alarms.standing
            await site.advance(900)
            assert site.drawn_a(1) + site.drawn_a(2) > 20

    play(story())


@pytest.mark.parametrize(("curve", "sheds"), [("B", True), ("gG", False), ("none", False)])
def test_the_curve_decides(curve: str, sheds: bool) -> None:
    async def story() -> None:
        async with site_with(curve=curve) as site:
            await site.settle()
            base(site, 1.2 * LIMIT_A)
            await site.advance(300)
            assert (NEAR in site.alarms.ever) is sheds

    play(story())


def test_an_hour_at_1_12_times_the_rating_sheds_nobody() -> None:
    async def story() -> None:
        async with site_with() as site:
            await site.settle()
            base(site, 1.12 * LIMIT_A)
            await site.advance(3600)
            assert NEAR not in site.alarms.ever

    play(story())
