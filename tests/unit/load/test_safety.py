"""S1 to S6: what holds when meters, stations, the network or the controller fail."""

import asyncio
from dataclasses import replace

from sitecontroller.config import LoadSettings
from sitecontroller.domain.authorization import AuthorizationStatus
from sitecontroller.domain.topology import Circuit
from tests.unit.load.site import (
    Behaviour,
    Site,
    car,
    evse,
    key,
    main_circuit,
    play,
    topology,
)

LEASE_S = 300.0


def two_cars(limit_a: float = 40.0, *, fallback_a: float = 0.0, **more: object) -> Site:
    """Two three-phase EVSEs behind one fuse."""
    return Site(
        topology(
            main_circuit(limit_a, worst_base_a=20.0, margin_a=1.0),
            evses=[evse(1, fallback_a=fallback_a), evse(2, fallback_a=fallback_a)],
        ),
        **more,  # type: ignore[arg-type]
    )


async def both_charge(site: Site, seconds: float = 90) -> None:
    await site.settle()
    for number in (1, 2):
        site.charge(key(number), car())
    await site.advance(seconds)


# S1


def test_room_is_given_on_only_when_the_other_has_proven_that_it_left_it() -> None:
    async def story() -> None:
        site = two_cars(behaviour={"CP-01": Behaviour(latency_s=3.0)})
        async with site:
            await site.settle()
            site.charge(key(1), car(latency_s=5.0))
            await site.advance(90)
            assert site.told_a(1) == 32
            site.charge(key(2), car(latency_s=0.5))
            worst = 0.0

            def look() -> None:
                nonlocal worst
                worst = max(worst, site.exposure_a(1) + site.exposure_a(2))

            await site.advance(8, look)
            assert site.told_a(1) < 20
            assert site.exposure_a(1) == 32
            assert site.told_a(2) < 8
            await site.advance(60, look)
            assert site.drawn_a(2) > 18
            assert worst <= 39

    play(story())


def test_the_first_set_point_after_a_start_comes_at_once_and_does_not_overshoot() -> None:
    async def story() -> None:
        site = two_cars()
        async with site:
            await site.settle()
            began_s = site.now_s
            site.charge(key(1), car(latency_s=0.5))
            highest = 0.0

            def look() -> None:
                nonlocal highest
                highest = max(highest, site.drawn_a(1) - site.told_a(1))

            await site.advance(60, look)
            assert site.stations["CP-01"].limits()[0][0] - began_s <= 0.5
            assert highest <= 0.1

    play(story())


def test_a_session_on_a_refused_card_is_given_nothing() -> None:
    async def story() -> None:
        site = two_cars()
        async with site:
            await site.settle()
            site.plug(key(1), car(latency_s=0.5))
            site.begin(key(1), AuthorizationStatus.INVALID)
            site.charge(key(2), car(latency_s=0.5))
            await site.advance(60)
            assert site.drawn_a(1) == 0
            assert site.drawn_a(2) > 20
            view = site.load.limit_view(key(1))
            assert view is not None
            assert view.reason == "0 A: its card was refused"

    play(story())


def test_an_idle_station_takes_no_room() -> None:
    async def story() -> None:
        site = two_cars(fallback_a=6.0)
        async with site:
            await site.settle()
            assert site.exposure_a(1) == 0
            site.plug(key(1), car())
            await site.advance(2)
            assert site.exposure_a(1) == 6

    play(story())


def test_room_is_made_before_a_start_is_accepted() -> None:
    async def story() -> None:
        site = two_cars(fallback_a=6.0)
        async with site:
            await site.settle()
            site.charge(key(1), car())
            await site.advance(90)
            site.step_base("main", (7.0, 7.0, 7.0))
            await site.advance(60)
            assert max(site.total_a("main")) > 37
            site.plug(key(2), car(latency_s=0.5))
            answered = asyncio.create_task(site.load.make_room("CP-02", 1))
            await site.advance(9)
            await answered
            site.begin(key(2))
            await site.advance(60)
            assert site.judge.verdict().peak <= 1.0
            assert site.drawn_a(2) > 10

    play(story())


def test_a_station_never_heard_of_counts_until_earlier_leases_are_over() -> None:
    async def story() -> None:
        site = two_cars(fallback_a=6.0)
        async with site:
            site.connect("CP-01")
            await site.advance(30)
            assert site.exposure_a(2) == 32
            await site.advance(site.settings.longest_lease_s)
            assert site.exposure_a(2) == 6

    play(story())


# S3


def test_when_the_controller_dies_cars_fall_to_their_fallback_for_ever() -> None:
    async def story() -> None:
        site = two_cars(fallback_a=6.0)
        async with site:
            await both_charge(site)
            assert site.drawn_a(1) > 15
            await site.kill()
            await site.advance(LEASE_S + 12)
            for number in (1, 2):
                assert site.drawn_a(number) <= 6
            await site.advance(1200, lambda: check(site))

    def check(site: Site) -> None:
        assert site.drawn_a(1) + site.drawn_a(2) <= 12

    play(story())


def test_a_station_that_lost_the_network_counts_until_its_lease_has_run_out() -> None:
    async def story() -> None:
        site = two_cars()
        async with site:
            await both_charge(site)
            told_a = site.told_a(1)
            site.disconnect("CP-01")
            await site.advance(100)
            assert site.exposure_a(1) == told_a
            assert site.told_a(2) < 39 - told_a + 0.1
            await site.advance(LEASE_S + 30)
            assert site.exposure_a(1) == 0
            assert site.told_a(2) > 30

    play(story())


def test_leases_are_renewed_when_a_fifth_of_them_is_left() -> None:
    async def story() -> None:
        site = two_cars()
        async with site:
            await both_charge(site, 1000)
            sent_s = [at for at, _ in site.stations["CP-01"].limits()]
            gaps = [
                later - earlier for earlier, later in zip(sent_s[-4:], sent_s[-3:], strict=False)
            ]
            assert all(239 <= gap <= 242 for gap in gaps)
            assert site.load.profile_writes(key(1)) == len(sent_s)

    play(story())


def test_a_limit_no_higher_than_the_fallback_needs_no_lease() -> None:
    async def story() -> None:
        site = two_cars(13.5, fallback_a=6.0)
        async with site:
            await both_charge(site, 600)
            limits = [
                argument
                for _, name, argument in site.stations["CP-01"].calls
                if name == "set_limit"
            ]
            assert all(limit.lease_s is None for limit in limits if limit.current_a <= 6)
            assert len(limits) <= 4

    play(story())


def test_a_limit_is_taken_out_when_its_session_ends() -> None:
    async def story() -> None:
        site = two_cars()
        async with site:
            await both_charge(site)
            site.leave(key(1))
            await site.advance(3)
            assert site.stations["CP-01"].profiles[1].limit_a is None
            assert site.exposure_a(1) == 0

    play(story())


# S4


def test_a_late_meter_stops_every_increase() -> None:
    async def story() -> None:
        site = two_cars()
        async with site:
            await both_charge(site, 12)
            site.meters_alive["main"] = False
            await site.advance(3)
            before = [site.told_a(1), site.told_a(2)]
            await site.advance(6)
            assert [site.told_a(1), site.told_a(2)] == before
            assert site.load.fail_safe is None

    play(story())


def test_a_silent_meter_throttles_the_site_to_the_worst_base_load() -> None:
    async def story() -> None:
        site = two_cars()
        async with site:
            await both_charge(site)
            assert site.told_a(1) + site.told_a(2) > 35
            site.meters_alive["main"] = False
            await site.advance(14)
            assert site.told_a(1) + site.told_a(2) <= 19  # 40 − 1 − 20
            assert "worst base load" in (site.load.fail_safe or "")

    play(story())


def test_a_dead_meter_leaves_the_fallbacks_and_an_alarm() -> None:
    async def story() -> None:
        site = two_cars(fallback_a=6.0)
        async with site:
            await both_charge(site)
            site.meters_alive["main"] = False
            await site.advance(63)
            assert [site.told_a(1), site.told_a(2)] == [6, 6]
            assert ("meter-stale", "main") in site.alarms.standing
            assert "fallbacks only" in (site.load.fail_safe or "")
            view = site.load.limit_view(key(1))
            assert view is not None
            assert (view.bound_by, view.reason) == ("meter", "6 A: meter silent")
            site.meters_alive["main"] = True
            await site.advance(90)
            assert site.told_a(1) > 15
            assert ("meter-stale", "main") not in site.alarms.standing

    play(story())


def test_a_site_may_choose_to_stop_when_its_meter_is_dead() -> None:
    async def story() -> None:
        site = two_cars(fallback_a=6.0, settings=LoadSettings(fail_safe="stop"))
        async with site:
            await both_charge(site)
            site.meters_alive["main"] = False
            await site.advance(70)
            assert [site.drawn_a(1), site.drawn_a(2)] == [0, 0]

    play(story())


def test_a_dead_feeder_meter_holds_back_that_feeder_alone() -> None:
    async def story() -> None:
        park = topology(
            main_circuit(63.0, worst_base_a=0.0),
            Circuit("a", "Feeder A", "main", (32.0,) * 3, 1.0, "fa", (10.0,) * 3),
            evses=[evse(1, "a"), evse(2)],
            meters=("main", "fa"),
        )
        site = Site(park)
        async with site:
            await both_charge(site)
            site.meters_alive["fa"] = False
            await site.advance(70)
            assert site.told_a(1) == 0
            assert site.told_a(2) == 32
            assert site.load.circuit_view("a").fail_safe is not None
            assert site.load.circuit_view("main").fail_safe is None

    play(story())


# S5


def test_fallbacks_are_in_place_before_anything_is_allocated() -> None:
    async def story() -> None:
        site = two_cars()
        async with site:
            await both_charge(site, 10)
            names = [name for _, name, _ in site.stations["CP-01"].calls]
            assert names.index("set_fallback") < names.index("set_limit")

    play(story())


def test_without_a_first_meter_sample_nothing_is_allocated() -> None:
    async def story() -> None:
        site = two_cars()
        site.meters_alive["main"] = False
        async with site:
            await both_charge(site, 8)
            assert site.stations["CP-01"].limits() == []
            assert site.stations["CP-01"].profiles[1].fallback_a == 0
            await site.advance(100)
            assert all(a == 0 for _, a in site.stations["CP-01"].limits())

    play(story())


def test_a_restarted_controller_lets_running_cars_go_on() -> None:
    async def story() -> None:
        site = two_cars()
        async with site:
            await both_charge(site)
            await site.restart()
            site.connect()
            assert await lowest_draw_a(site, 120) > 15
            assert site.judge.verdict().excess_as == 0

    play(story())


def test_a_restarted_controller_waits_for_its_meter_before_it_judges() -> None:
    async def story() -> None:
        quick = {name: Behaviour(sample_interval_s=2.0) for name in ("CP-01", "CP-02")}
        site = two_cars(behaviour=quick)
        async with site:
            await both_charge(site)
            site.meters_alive["main"] = False
            await site.restart()
            site.connect()
            lowest_a = await lowest_draw_a(site, 7)
            site.meters_alive["main"] = True
            assert min(lowest_a, await lowest_draw_a(site, 60)) > 15

    play(story())


async def lowest_draw_a(site: Site, seconds: float) -> float:
    lowest_a = float("inf")

    def look() -> None:
        nonlocal lowest_a
        lowest_a = min(lowest_a, site.drawn_a(1), site.drawn_a(2))

    await site.advance(seconds, look)
    return lowest_a


def test_a_station_that_refuses_its_fallback_counts_at_its_maximum() -> None:
    async def story() -> None:
        site = two_cars(behaviour={"CP-01": Behaviour(takes_fallback=False)})
        async with site:
            await site.settle()
            assert site.exposure_a(1) == 32
            assert ("fallback-unproven", "CP-01/1") in site.alarms.standing
            site.charge(key(2), car())
            await site.advance(60)
            assert site.told_a(2) < 7
            site.stations["CP-01"].behaviour.takes_fallback = True
            await site.advance(120)
            assert site.exposure_a(1) == 0
            assert ("fallback-unproven", "CP-01/1") not in site.alarms.standing
            assert site.told_a(2) > 30

    play(story())


# S6


def test_a_disobedient_station_is_stopped_then_taken_out_of_service() -> None:
    async def story() -> None:
        site = two_cars(behaviour={"CP-01": Behaviour(stops=False)})
        async with site:
            await both_charge(site)
            site.stations["CP-01"].behaviour.obeys = False
            began_s = site.now_s
            site.step_base("main", (15.0, 15.0, 15.0))
            await site.advance(100)
            station = site.stations["CP-01"]
            stop_s = [at - began_s for at, name, _ in station.calls if name == "stop"]
            gone_s = [
                at - began_s for at, name, _ in station.calls if name == "change_availability"
            ]
            assert len(stop_s) == 1
            assert 15 <= stop_s[0] <= 50
            assert len(gone_s) == 1
            assert gone_s[0] > stop_s[0]
            assert ("station-disobedient", "CP-01/1") in site.alarms.standing
            assert max(site.total_a("main")) <= 40

    play(story())


def test_others_make_room_for_a_disobedient_station_at_once() -> None:
    async def story() -> None:
        site = two_cars(behaviour={"CP-01": Behaviour(stops=False)})
        async with site:
            await both_charge(site)
            site.stations["CP-01"].behaviour.obeys = False
            site.step_base("main", (15.0, 15.0, 15.0))
            await site.advance(18)
            assert max(site.total_a("main")) <= 40

    play(story())


def test_a_station_without_any_evidence_is_stopped() -> None:
    async def story() -> None:
        site = two_cars(behaviour={"CP-01": Behaviour(meters=False, tells_composite=False)})
        async with site:
            await both_charge(site)
            site.step_base("main", (15.0, 15.0, 15.0))
            await site.advance(70)
            assert "stop" in [name for _, name, _ in site.stations["CP-01"].calls]

    play(story())


def test_a_composite_schedule_is_evidence_where_readings_are_missing() -> None:
    async def story() -> None:
        site = two_cars(behaviour={"CP-01": Behaviour(meters=False)})
        async with site:
            await both_charge(site)
            site.step_base("main", (15.0, 15.0, 15.0))
            await site.advance(120)
            names = [name for _, name, _ in site.stations["CP-01"].calls]
            assert "stop" not in names
            assert site.exposure_a(1) == site.told_a(1)

    play(story())


def test_schedules_of_a_model_that_was_never_tested_prove_a_fallback_but_no_limit() -> None:
    async def story() -> None:
        untested = Behaviour(meters=False, schedules_proven=False)
        site = two_cars(fallback_a=6.0, behaviour={"CP-01": untested})
        async with site:
            await site.settle()
            site.plug(key(1), car())
            await site.advance(2)
            assert site.exposure_a(1) == 6
            site.charge(key(2), car())
            site.begin(key(1))
            await site.advance(90)
            before_a = site.exposure_a(1)
            site.step_base("main", (15.0, 15.0, 15.0))
            await site.advance(20)
            assert site.told_a(1) < before_a - 1
            assert site.exposure_a(1) == before_a

    play(story())


def test_a_station_that_answers_nothing_holds_up_nobody() -> None:
    async def story() -> None:
        site = two_cars(behaviour={"CP-01": Behaviour(answers=False)}, earlier_leases_s=0.0)
        async with site:
            await site.settle()
            site.charge(key(2), car())
            await site.advance(10)
            assert site.load.cycle_late_ms is not None
            assert site.load.cycle_late_ms < 100
            assert site.told_a(2) <= 6.5  # CP-01 counts at its maximum
            site.disconnect("CP-01")
            await site.advance(60)
            assert site.exposure_a(1) == 32  # nothing proves that it has a fallback

    play(story())


def test_a_refused_limit_is_tried_again_and_never_counted_as_taken() -> None:
    async def story() -> None:
        site = two_cars()
        async with site:
            await both_charge(site)
            station = site.stations["CP-01"]
            station.behaviour = replace(station.behaviour, answers=False)
            told_a = site.told_a(1)
            site.step_base("main", (15.0, 15.0, 15.0))
            await site.advance(20)
            assert site.exposure_a(1) >= told_a - 0.1
            station.behaviour = replace(station.behaviour, answers=True)
            await site.advance(60)
            assert site.exposure_a(1) < told_a
            assert max(site.total_a("main")) <= 40

    play(story())
