"""A station that comes back tells of its offline hours first: what is over needs no limit."""

from sitecontroller.services.load.evse import CATCH_UP_S
from tests.unit.load.site import Behaviour, Site, car, evse, key, main_circuit, play, topology

HOURS_S = 2 * 3600.0
FALLBACK_A = 6.0


def one_car(**more: object) -> Site:
    return Site(
        topology(
            main_circuit(40.0, worst_base_a=20.0, margin_a=1.0),
            evses=[evse(1, fallback_a=FALLBACK_A)],
        ),
        behaviour={"CP-01": Behaviour(**more)},  # type: ignore[arg-type]
    )


def said_since(site: Site, at: int) -> list[str]:
    return [name for _, name, _ in site.stations["CP-01"].calls[at:]]


def test_sessions_that_ended_while_the_station_was_offline_are_told_nothing() -> None:
    async def story() -> None:
        site = one_car(meters=False)
        async with site:
            await site.settle()
            before = len(site.stations["CP-01"].calls)
            for _ in range(4):
                site.begin(key(1), told_late_s=HOURS_S)
                await site.advance(2)
                site.end(key(1))
            await site.advance(5)
            assert said_since(site, before) == []

    play(story())


def test_until_it_is_clear_that_it_runs_its_fallback_is_kept_free() -> None:
    async def story() -> None:
        site = one_car(meters=False)
        async with site:
            await site.settle()
            site.begin(key(1), told_late_s=HOURS_S)
            await site.advance(CATCH_UP_S - 3)
            assert site.exposure_a(1) == FALLBACK_A
            assert site.stations["CP-01"].limits() == []
            await site.advance(6)
            assert site.stations["CP-01"].limits()

    play(story())


def test_one_that_still_runs_is_steered_from_its_first_reading_on() -> None:
    async def story() -> None:
        site = one_car(sample_interval_s=2.0)
        async with site:
            await site.settle()
            site.plug(key(1), car())
            site.begin(key(1), told_late_s=HOURS_S)
            await site.advance(6)
            assert site.told_a(1) > FALLBACK_A

    play(story())


def test_a_limit_of_before_that_may_still_hold_is_taken_out_when_it_ends() -> None:
    async def story() -> None:
        site = one_car()
        async with site:
            await site.settle()
            site.charge(key(1), car())
            await site.advance(60)
            assert site.told_a(1) > FALLBACK_A
            behaviour = site.stations["CP-01"].behaviour
            behaviour.meters = behaviour.answers = False
            site.end(key(1))
            site.begin(key(1), told_late_s=HOURS_S)
            await site.advance(3)
            behaviour.answers = True
            before = len(site.stations["CP-01"].calls)
            site.end(key(1))
            await site.advance(60)
            assert "clear_limit" in said_since(site, before)

    play(story())
