"""A station that takes no higher limit for a while (2.1, K01.FR.57), and one that asks itself."""

from sitecontroller.config import LoadSettings
from sitecontroller.dlm.exposure import Exposure, Sent
from sitecontroller.services.load.leases import WRITES_PER_DAY, renewed_after_s
from sitecontroller.services.load.state import LEASE_UNCERTAINTY_S
from tests.unit.load.site import car, key, play
from tests.unit.load.test_safety import both_charge, two_cars


def test_a_station_that_bears_no_write_is_raised_later_and_lowered_at_once() -> None:
    async def story() -> None:
        site = two_cars()
        async with site:
            await site.settle()
            station = site.stations["CP-01"]
            site.charge(key(1), car())
            await site.advance(15)
            station.takes_higher = False
            held_a = site.told_a(1)
            assert held_a > 0
            await site.advance(60)
            assert site.told_a(1) == held_a
            site.step_base("main", (33.0, 33.0, 33.0))
            await site.advance(4)
            assert site.told_a(1) < held_a
            site.step_base("main", (0.0, 0.0, 0.0))
            station.takes_higher = True
            await site.advance(60)
            assert site.told_a(1) > held_a

    play(story())


def test_a_lease_is_renewed_though_nothing_higher_is_taken() -> None:
    async def story() -> None:
        site = two_cars()
        async with site:
            await both_charge(site)
            station = site.stations["CP-01"]
            station.takes_higher = False
            told_a, sent = site.told_a(1), len(station.limits())
            await site.advance(250)
            assert len(station.limits()) > sent
            assert site.told_a(1) == told_a

    play(story())


def test_a_lease_leaves_time_for_a_renewal_that_is_lost_to_go_out_again() -> None:
    renewed_s = [renewed_after_s(lease_s) for lease_s in (120, 300, 600, 900)]
    assert renewed_s == [60, 240, 480, 720]


def test_a_limit_that_cannot_end_by_itself_is_told_once() -> None:
    async def story() -> None:
        site = two_cars()
        async with site:
            station = site.stations["CP-01"]
            station.clock_offset_s = None
            await both_charge(site)
            sent = len(station.limits())
            await site.advance(600)
            assert len(station.limits()) == sent
            station.clock_offset_s = 0.0
            await site.advance(3)
            assert len(station.limits()) == sent + 1
            assert station.profiles[1].limit_ends_s is not None

    play(story())


def test_who_has_spent_half_of_the_days_writes_gets_longer_leases() -> None:
    async def story() -> None:
        site = two_cars(settings=LoadSettings(lease_s_max=600))
        async with site:
            await both_charge(site)
            control, station = site.load._controls[key(1)], site.stations["CP-01"]
            control.writes_spent = WRITES_PER_DAY // 2
            await site.advance(250)
            sent = len(station.limits())
            assert control.lease_s == site.settings.lease_s_max
            await site.advance(380)
            assert len(station.limits()) == sent
            await site.advance(40)
            assert len(station.limits()) == sent + 1
            await site.kill()
            await site.advance(site.settings.lease_s_max + LEASE_UNCERTAINTY_S)
            assert station.profiles[1].offer_a(32.0, site.now_s) == 0

    play(story())


def test_a_limit_that_a_station_asked_for_holds_for_a_lease_from_then_on() -> None:
    async def story() -> None:
        site = two_cars()
        async with site:
            await both_charge(site)
            told_a = site.load.told_a(key(1))
            assert told_a == site.told_a(1)
            site.load.pulled(key(1), 300)
            ends_s = site.now_s + 300 + LEASE_UNCERTAINTY_S
            await site.kill()
            await site.advance(300)
            control = site.load._controls[key(1)]
            assert control.exposure.most_a(ends_s - 1) >= told_a
            assert control.exposure.most_a(ends_s + 1) == 0

    play(story())


def test_what_is_told_again_goes_out_though_nothing_changed() -> None:
    async def story() -> None:
        site = two_cars()
        async with site:
            await both_charge(site)
            sent = len(site.stations["CP-01"].limits())
            site.load.tell_again(key(1))
            await site.advance(2)
            assert len(site.stations["CP-01"].limits()) == sent + 1

    play(story())


def test_nobody_who_charges_nothing_is_told_anything() -> None:
    async def story() -> None:
        site = two_cars()
        async with site:
            await site.settle()
            assert site.load.told_a(key(1)) is None
            site.load.tell_again(key(1))
            await site.advance(3)
            assert site.stations["CP-01"].limits() == []

    play(story())


def test_an_extended_lease_is_never_shortened() -> None:
    exposure = Exposure(6.0, (Sent(1, 16.0, 0.0, ends_s=500.0), Sent(2, None, 1.0)))
    assert exposure.extended(400.0) == exposure
    longer = exposure.extended(600.0)
    assert [sent.ends_s for sent in longer.possible] == [600.0, None]


def test_a_day_of_writes_used_up_lets_nothing_rise_and_leases_go_on_until_the_next_day() -> None:
    async def story() -> None:
        site = two_cars()
        async with site:
            await both_charge(site)
            control, station = site.load._controls[key(1)], site.stations["CP-01"]
            site.leave(key(2))
            control.writes_spent = WRITES_PER_DAY
            told_a, sent = site.told_a(1), len(station.limits())
            await site.advance(250)
            assert site.told_a(1) == told_a
            assert len(station.limits()) > sent
            control.writes_day -= 1
            await site.advance(60)
            assert site.told_a(1) > told_a

    play(story())


def test_a_car_that_leaves_some_of_its_limit_is_raised_once_a_minute() -> None:
    async def story() -> None:
        site = two_cars()
        async with site:
            await site.settle()
            site.charge(key(1), car(10.0))
            await site.advance(25)
            sent = len(site.stations["CP-01"].limits())
            await site.advance(58)
            assert len(site.stations["CP-01"].limits()) <= sent + 1
            await site.advance(180)
            assert site.told_a(1) == 32

    play(story())


def test_a_decrease_spends_none_of_the_days_writes() -> None:
    async def story() -> None:
        site = two_cars()
        async with site:
            await both_charge(site)
            control = site.load._controls[key(1)]
            writes, spent, told_a = control.writes, control.writes_spent, site.told_a(1)
            site.step_base("main", (20.0, 20.0, 20.0))
            await site.advance(3)
            assert site.told_a(1) < told_a
            assert (control.writes, control.writes_spent) == (writes + 1, spent)

    play(story())
