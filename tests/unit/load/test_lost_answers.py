"""What an answer that was lost, refused or overtaken leaves behind."""

import asyncio
from dataclasses import replace

from sitecontroller.domain.errors import CallTimeout
from sitecontroller.domain.topology import EvseKey
from sitecontroller.ports import CallAnswer, ChargingLimit, LimitSuperseded
from tests.unit.load.site import Behaviour, FakeStation, Site, car, key, play
from tests.unit.load.test_safety import both_charge, two_cars


def make_deaf(station: FakeStation) -> None:
    """Limits are lost on their way in; readings go on."""

    async def lost(limit: ChargingLimit) -> CallAnswer:
        station.calls.append((station.site.now_s, "set_limit", limit))
        await asyncio.sleep(10)
        raise CallTimeout("no answer")

    station.set_limit = lost  # type: ignore[method-assign]


def make_stubborn(station: FakeStation) -> None:
    """Limits are refused."""

    async def refuse(limit: ChargingLimit) -> CallAnswer:
        station.calls.append((station.site.now_s, "set_limit", limit))
        await asyncio.sleep(0.3)
        return CallAnswer(False, "Rejected", {})

    station.set_limit = refuse  # type: ignore[method-assign]


def test_a_car_that_draws_little_does_not_prove_a_limit_that_was_lost() -> None:
    async def story() -> None:
        site = two_cars()
        async with site:
            await site.settle()
            site.charge(key(1), car(12))
            await site.advance(120)
            assert site.told_a(1) > 20
            told_a = site.told_a(1)
            make_deaf(site.stations["CP-01"])
            site.step_base("main", (25.0, 25.0, 25.0))
            await site.advance(40)
            assert site.told_a(1) < 16
            assert site.exposure_a(1) >= told_a - 0.1

    play(story())


def test_who_refuses_every_decrease_makes_the_others_give_way_and_is_stopped() -> None:
    async def story() -> None:
        site = two_cars()
        async with site:
            await both_charge(site)
            make_stubborn(site.stations["CP-01"])
            site.step_base("main", (15.0, 15.0, 15.0))
            await site.advance(60)
            assert "stop" in [name for _, name, _ in site.stations["CP-01"].calls]
            assert site.judge.verdict().excess_as < 60

    play(story())


def test_a_refused_increase_holds_up_no_decrease() -> None:
    async def story() -> None:
        site = two_cars()
        async with site:
            await site.settle()
            site.charge(key(1), car())
            await site.advance(8)
            station = site.stations["CP-01"]
            limit_a = site.told_a(1)
            accept = station.set_limit
            make_stubborn(station)
            while station.limits()[-1][1] <= limit_a:
                await site.advance(0.5)
            await site.advance(1)
            station.set_limit = accept  # type: ignore[method-assign]
            stepped_s = site.now_s
            site.step_base("main", (31.0, 31.0, 31.0))
            await site.advance(4)
            lower = [at for at, a in station.limits() if a < limit_a and at >= stepped_s]
            assert lower
            assert lower[0] - stepped_s <= 2

    play(story())


def test_the_next_car_is_not_stopped_for_the_evidence_that_the_last_one_owed() -> None:
    async def story() -> None:
        site = two_cars(behaviour={"CP-01": Behaviour(tells_composite=False)})
        async with site:
            await both_charge(site)
            site.leave(key(1))
            await site.advance(100)
            site.charge(key(1), car())
            await site.advance(60)
            assert "stop" not in [name for _, name, _ in site.stations["CP-01"].calls]

    play(story())


def test_a_lost_decrease_is_repeated_to_a_car_that_draws_too_much() -> None:
    async def story() -> None:
        site = two_cars()
        async with site:
            await both_charge(site)
            station = site.stations["CP-01"]
            accept = station.set_limit
            make_deaf(station)
            site.step_base("main", (15.0, 15.0, 15.0))
            await site.advance(9)
            station.set_limit = accept  # type: ignore[method-assign]
            await site.advance(40)
            assert "stop" not in [name for _, name, _ in station.calls]
            assert site.drawn_a(1) < 15

    play(story())


def test_a_restarted_station_is_told_its_limit_again() -> None:
    async def story() -> None:
        site = two_cars(13.5, fallback_a=6.0, behaviour={"CP-01": Behaviour(tells_composite=False)})
        async with site:
            await both_charge(site)
            site.step_base("main", (6.0, 6.0, 6.0))
            await site.advance(60)
            paused = next(number for number in (1, 2) if site.told_a(number) == 0)
            station = site.stations[key(paused).station_id]
            site.disconnect(station.station_id)
            station.profiles[1].limit_a = None
            await site.advance(2)
            site.connect(station.station_id)
            await site.advance(8)
            assert station.profiles[1].limit_a == 0

    play(story())


def test_a_limit_sent_over_a_line_whose_clock_is_unknown_never_lapses() -> None:
    async def story() -> None:
        site = two_cars(behaviour={"CP-01": Behaviour(latency_s=2.0)})
        async with site:
            await both_charge(site)
            station = site.stations["CP-01"]
            told: list[ChargingLimit] = []
            accept = station.set_limit

            async def note(limit: ChargingLimit) -> CallAnswer:
                told.append(limit)
                return await accept(limit)

            station.set_limit = note  # type: ignore[method-assign]
            order = site.load._cycle._order

            def loses_clock(change, link, now_s):  # type: ignore[no-untyped-def]
                made = order(change, link, now_s)
                station.clock_offset_s = None
                return made

            site.load._cycle._order = loses_clock  # type: ignore[method-assign]
            await site.advance(250)
            assert told
            assert told[-1].lease_s is None
            site.disconnect("CP-01")
            await site.advance(400)
            assert site.exposure_a(1) > 15

    play(story())


def test_an_overtaken_clearing_leaves_the_other_evses_their_fallback() -> None:
    async def story() -> None:
        site = two_evse_station()
        async with site:
            station = site.stations["CP-01"]
            clear = station.clear_limit

            async def overtaken(evse_id: int) -> CallAnswer:
                if evse_id == 1:
                    raise LimitSuperseded("a newer limit")
                return await clear(evse_id)

            station.clear_limit = overtaken  # type: ignore[method-assign]
            await site.settle()
            assert station.profiles[2].fallback_a == 0
            view = site.load.limit_view(EvseKey("CP-01", 2))
            assert view is not None
            assert view.exposure_a == 0

    play(story())


def test_taking_a_limit_out_is_repeated_until_it_is_answered() -> None:
    async def story() -> None:
        site = two_cars()
        async with site:
            await both_charge(site)
            station = site.stations["CP-01"]
            clear, lost = station.clear_limit, [True]

            async def clear_limit(evse_id: int) -> CallAnswer:
                if lost:
                    lost.pop()
                    raise CallTimeout("no answer")
                return await clear(evse_id)

            station.clear_limit = clear_limit  # type: ignore[method-assign]
            site.leave(key(1))
            await site.advance(5)
            assert station.profiles[1].limit_a is None

    play(story())


def two_evse_station() -> Site:
    park = two_cars().topology
    station = park.stations["CP-01"]
    second = replace(station.evses[0], evse_id=2)
    stations = {**park.stations, "CP-01": replace(station, evses=(*station.evses, second))}
    return Site(replace(park, stations=stations))
