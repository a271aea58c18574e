"""How cars share over time: rotation, sleep, phases, steps, and what people are told of it."""

from collections.abc import Iterator
from itertools import pairwise

import pytest

from sitecontroller.domain.events import LimitsChanged
from sitecontroller.domain.topology import Circuit, EvseKey, LimitUnit
from sitecontroller.services.load.orders import Order
from tests.unit.load.site import Site, car, evse, key, main_circuit, play, topology

HOUR_S = 3600


def one_fuse(limit_a: float, count: int, *, worst_base_a: float = 5.0, **settings: object) -> Site:
    evses = [evse(number, **settings) for number in range(1, count + 1)]  # type: ignore[arg-type]
    return Site(
        topology(main_circuit(limit_a, worst_base_a=worst_base_a, margin_a=1.0), evses=evses)
    )


def test_three_cars_take_turns_on_room_for_two() -> None:
    async def story() -> None:
        site = one_fuse(15.0, 3)
        served = dict.fromkeys((1, 2, 3), 0.0)

        def look() -> None:
            for number in served:
                served[number] += 0.5 * (site.drawn_a(number) > 1)

        async with site:
            await site.settle()
            for number in served:
                site.charge(key(number), car())
            await site.advance(2 * HOUR_S, look)
            for station in site.stations.values():
                limits = [a for _, a in station.limits()]
                starts = sum(before == 0 < after for before, after in pairwise(limits))
                assert starts <= 8
        assert min(served.values()) >= 0.55 * 2 * HOUR_S

    play(story())


def test_a_car_that_sleeps_leaves_its_room_to_others() -> None:
    async def story() -> None:
        site = one_fuse(14.0, 2)
        async with site:
            await site.settle()
            site.charge(key(1), car(), soc=1.0)
            site.charge(key(2), car())
            await site.advance(300)
            assert site.told_a(2) >= 12
            assert site.told_a(1) == 0

    play(story())


def test_a_tapering_car_gives_back_what_it_does_not_take() -> None:
    async def story() -> None:
        site = one_fuse(41.0, 2)
        async with site:
            await site.settle()
            site.charge(key(1), car(9.0))
            site.charge(key(2), car(32.0))
            await site.advance(240)
            assert site.told_a(1) < 12
            assert site.drawn_a(2) > 27

    play(story())


def test_who_takes_all_it_needs_is_told_once_and_leaves_the_rest_to_others() -> None:
    """Its need, rounded down to whole amperes, is nearly what it takes: no sign that it wants
    more."""

    async def story() -> None:
        site = one_fuse(40.7, 2, step_a=1.0)
        async with site:
            await site.settle()
            site.charge(key(2), car(32.0))
            await site.advance(10)
            site.charge(key(1), car(12.4))
            await site.advance(240)
            told = len(site.stations["CP-01"].limits())
            await site.advance(600)
            assert site.told_a(1) == 14
            assert len(site.stations["CP-01"].limits()) <= told + 5, "renewals alone"

    play(story())


def test_single_phase_cars_on_other_phases_do_not_share() -> None:
    async def story() -> None:
        park = topology(
            main_circuit(33.0, worst_base_a=5.0, margin_a=0.0),
            evses=[evse(1, phases="L1L2L3"), evse(2, phases="L2L3L1")],
        )
        site = Site(park)
        async with site:
            await site.settle()
            for number in (1, 2):
                site.charge(key(number), car(phase_count=1))
            await site.advance(240)
            assert [site.told_a(1), site.told_a(2)] == [32, 32]

    play(story())


def test_integer_stations_are_told_whole_amperes() -> None:
    async def story() -> None:
        site = one_fuse(32.0, 3, step_a=1.0)
        site.base_a["main"] = (2.3, 4.7, 1.1)
        async with site:
            await site.settle()
            for number in (1, 2, 3):
                site.charge(key(number), car())
            await site.advance(120)
            told = [a for station in site.stations.values() for _, a in station.limits()]
            assert told
            assert all(a == int(a) for a in told)

    play(story())


def test_a_station_in_watts_is_trusted_with_one_phase_until_its_car_uses_three() -> None:
    async def story() -> None:
        site = one_fuse(40.0, 1, limit_unit=LimitUnit.W)
        async with site:
            await site.settle()
            site.charge(key(1), car())
            await site.advance(90)
            sent = [a for _, name, a in site.stations["CP-01"].calls if name == "set_limit"]
            assert sent[0].phase_count == 1
            assert sent[0].current_a >= 18  # 6 A on each of three phases
            assert sent[-1].phase_count == 3

    play(story())


@pytest.mark.parametrize("phase_count", [1, 3])
def test_a_small_station_in_watts_charges_with_all_it_has_until_the_phases_are_seen(
    phase_count: int,
) -> None:
    """6 A on each of three phases might be 18 A on one, were it not for the station's 16 A."""

    async def story() -> None:
        site = one_fuse(40.0, 1, limit_unit=LimitUnit.W, current_a_max=16.0)
        async with site:
            await site.settle()
            site.charge(key(1), car(phase_count=phase_count))
            await site.advance(15)
            sent = [a for _, name, a in site.stations["CP-01"].calls if name == "set_limit"]
            assert (sent[0].current_a, sent[0].phase_count) == (16, 3)
            assert site.exposure_a(1) == 16
            await site.advance(90)
            assert site.drawn_a(1) == 16

    play(story())


def test_each_limit_says_what_binds_it() -> None:
    async def story() -> None:
        park = topology(
            main_circuit(),
            Circuit("b", "Feeder B", "main", (17.0,) * 3, 1.0),
            evses=[evse(1, "b"), evse(2)],
        )
        site = Site(park)
        async with site:
            await site.settle()
            for number in (1, 2):
                site.charge(key(number), car())
            await site.advance(120)
            feeder, free = site.load.limit_view(key(1)), site.load.limit_view(key(2))
            assert feeder is not None
            assert free is not None
            assert (feeder.bound_by, feeder.reason) == ("b", "15.7 A: Feeder B, L1")
            assert (free.bound_by, free.reason) == ("station", "32 A: the station's maximum")
            assert site.load.limit_view(EvseKey("nobody", 1)) is None

    play(story())


def test_circuits_show_what_flows_and_what_is_left() -> None:
    async def story() -> None:
        site = one_fuse(63.0, 1)
        site.base_a["main"] = (10.0, 11.0, 12.0)
        async with site:
            await site.settle()
            site.charge(key(1), car(16.0))
            await site.advance(120)
            view = site.load.circuit_view("main")
            assert view.current_a == (26, 27, 28)
            assert view.base_a == (10, 11, 12)
            assert view.cap_a == (62, 62, 62)
            assert view.headroom_a == (36, 35, 34)
            assert not view.stale
            assert view.measured_at is not None

    play(story())


def test_the_chart_has_a_point_every_five_seconds_for_an_hour() -> None:
    async def story() -> None:
        site = one_fuse(63.0, 1)
        async with site:
            await site.settle()
            await site.advance(HOUR_S + 300)
            points = site.load.phase_history()
            assert 700 <= len(points) <= 720
            assert 4.5 <= (points[1].at - points[0].at).total_seconds() <= 6.5
            assert points[-1].cap_a == 62

    play(story())


def test_changes_are_told_to_whoever_listens() -> None:
    async def story() -> None:
        site = one_fuse(63.0, 1)
        told: list[LimitsChanged] = []
        site.publisher.subscribe(
            lambda event: told.append(event) if isinstance(event, LimitsChanged) else None
        )
        async with site:
            await site.settle()
            site.charge(key(1), car())
            await site.advance(5)
            assert any(key(1) in event.evse_keys for event in told)
            assert any("main" in event.circuit_ids for event in told)

    play(story())


def test_cycles_are_debounced() -> None:
    async def story() -> None:
        site = one_fuse(63.0, 1)
        cycles = 0
        real = site.load.steps

        def counted(now_s: float) -> Iterator[tuple[Order, ...]]:
            nonlocal cycles
            cycles += 1
            return real(now_s)

        site.load.steps = counted  # type: ignore[method-assign]
        async with site:
            await site.settle()
            before = cycles
            for _ in range(10):
                for _ in range(20):
                    site._sample_meters()
                await site.advance(0.5)
            assert 5 <= cycles - before <= 25

    play(story())
