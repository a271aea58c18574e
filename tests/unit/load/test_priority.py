"""Sessions that charge by their station's priority profile (2.1), and room for what begins."""

import asyncio

import pytest

from tests.unit.load.site import Site, car, key, play
from tests.unit.load.test_safety import both_charge, two_cars

CAP_A = 39.0
FALLBACK_A = 10.0


async def with_little_for_the_second(site: Site) -> None:
    """The second car is held by people, so that all room is the first one's."""
    await both_charge(site)
    site.load.hold(key(2), "a test")
    await site.advance(60)
    assert site.told_a(2) == 0
    assert site.exposure_a(2) == 0
    assert site.exposure_a(1) > CAP_A - FALLBACK_A


def prioritize(site: Site, *, active: bool = True) -> None:
    transaction = site.active(key(2))
    assert transaction is not None
    number = transaction.station_transaction_id
    site.load.prioritize(key(2), number, active=active)


async def make_room(site: Site) -> None:
    prioritize(site)
    proof = asyncio.create_task(site.load.room_is_proven(key(2)))
    while not proof.done():
        await site.advance(1)
    assert proof.result()


def follow_priority(site: Site, current_a: float | None) -> None:
    site.stations["CP-02"].profiles[1].priority_a = current_a


def test_room_for_a_priority_profile_is_proven_before_it_is_used() -> None:
    """It let the fallback flow beside limits that had been given all the room."""

    async def story() -> None:
        site = two_cars(fallback_a=FALLBACK_A)
        async with site:
            await with_little_for_the_second(site)
            await make_room(site)
            assert site.exposure_a(1) + FALLBACK_A <= CAP_A
            follow_priority(site, FALLBACK_A)

            def look() -> None:
                assert site.drawn_a(1) + site.drawn_a(2) <= CAP_A
                assert site.exposure_a(1) + site.exposure_a(2) <= CAP_A

            await site.advance(120, look)
            assert site.drawn_a(2) == pytest.approx(FALLBACK_A)
            assert site.alarms.ever == set()

    play(story())


def test_a_session_whose_priority_is_over_obeys_again() -> None:
    async def story() -> None:
        site = two_cars(fallback_a=FALLBACK_A)
        async with site:
            await with_little_for_the_second(site)
            await make_room(site)
            follow_priority(site, FALLBACK_A)
            await site.advance(60)
            follow_priority(site, None)
            prioritize(site, active=False)
            await site.advance(90)
            assert site.drawn_a(2) == 0
            assert site.exposure_a(1) > CAP_A - FALLBACK_A

    play(story())


def test_no_limit_rises_into_room_that_was_taken_since_the_look() -> None:
    """A card accepted between a cycle's look and its decision had its room given away."""

    async def story() -> None:
        site = two_cars(fallback_a=FALLBACK_A)
        async with site:
            await site.settle()
            site.charge(key(1), car())
            second = site.load._controls[key(2)]
            for _ in range(60):
                steps = site.load.steps(site.now_s)
                next(steps)
                accepting = site.load.make_room("CP-02", 1)
                with pytest.raises(StopIteration) as accepted:
                    accepting.send(None)
                assert accepted.value.value is True
                for orders in steps:
                    site.load._dispatcher.dispatch(orders)
                assert site.exposure_a(1) + FALLBACK_A <= CAP_A
                accepting.close()
                second.kept_until_s = float("-inf")
                await site.advance(1)
                if site.exposure_a(1) + FALLBACK_A > CAP_A:
                    break
            else:
                pytest.fail("the first car never got the second one's room")

    play(story())
