"""The reserve is for calm: where it alone would keep a car from ever charging there is none."""

import pytest

from sitecontroller.domain.topology import Circuit, LimitUnit
from tests.unit.load.site import Site, car, evse, key, main_circuit, play, topology


def feeder(limit_a: float, *, meter_id: str | None = "f", base_a: float = 0.0) -> Circuit:
    """1 A of its limit is margin."""
    return Circuit("f", "Feeder", "main", (limit_a,) * 3, 1.0, meter_id, (base_a,) * 3)


def behind(circuit: Circuit, *evses: object) -> Site:
    meters = ("main",) if circuit.meter_id is None else ("main", circuit.meter_id)
    return Site(topology(main_circuit(), circuit, evses=list(evses), meters=meters))  # type: ignore[arg-type]


async def charged(site: Site, *numbers: int, phase_count: int = 3) -> float:
    """Every car in turn charges for two minutes beside those before it: the most that flowed."""
    worst_a = 0.0

    def look() -> None:
        nonlocal worst_a
        worst_a = max(worst_a, *site.total_a("f"))

    await site.settle()
    for number in numbers:
        site.charge(key(number), car(phase_count=phase_count))
        await site.advance(120, look)
    return worst_a


SMALL = {"limit_unit": LimitUnit.W, "current_a_max": 16.0}
"""In watts, three phases of 16 A: all it has, or nothing, until the car's phases were seen."""


@pytest.mark.parametrize(
    "circuit", [feeder(17.0), feeder(22.0, meter_id=None, base_a=5.0)], ids=["metered", "assumed"]
)
@pytest.mark.parametrize("phase_count", [1, 3])
def test_a_station_that_takes_all_or_nothing_has_all_that_its_fuse_leaves(
    circuit: Circuit, phase_count: int
) -> None:
    async def story() -> None:
        site = behind(circuit, evse(1, "f", **SMALL))
        async with site:
            assert await charged(site, 1, phase_count=phase_count) <= 16.0
            assert site.drawn_a(1) > 15

    play(story())


def test_a_car_that_could_do_with_less_gives_way_to_a_ripple_and_goes_on() -> None:
    async def story() -> None:
        site = behind(feeder(17.0), evse(1, "f", **SMALL))
        async with site:
            await charged(site, 1)
            assert site.drawn_a(1) == 16
            site.step_base("f", (0.2, 0.2, 0.2))
            await site.advance(30)
            assert 15 < site.drawn_a(1) <= 15.8

    play(story())


def test_a_fuse_for_one_minimum_gives_one_minimum() -> None:
    async def story() -> None:
        site = behind(feeder(7.0), evse(1, "f"))
        async with site:
            assert await charged(site, 1) <= 6.0
            assert site.drawn_a(1) == 6

    play(story())


def test_what_a_fuse_does_not_leave_is_not_given() -> None:
    async def story() -> None:
        site = behind(feeder(16.9), evse(1, "f", **SMALL))
        async with site:
            assert await charged(site, 1) == 0

    play(story())


def test_two_do_not_share_the_reserve() -> None:
    async def story() -> None:
        site = behind(feeder(17.0), evse(1, "f", **SMALL), evse(2, "f", **SMALL))
        async with site:
            assert await charged(site, 1, 2) <= 16.0

    play(story())


def test_who_takes_all_or_nothing_stops_where_less_than_all_is_left() -> None:
    """A load on the feeder itself, and a car on one phase."""

    async def story() -> None:
        site = behind(feeder(17.0), evse(1, "f", **SMALL))
        async with site:
            await charged(site, 1, phase_count=1)
            assert site.drawn_a(1) == 16
            site.step_base("f", (0.2, 0.2, 0.2))
            await site.advance(30)
            assert site.drawn_a(1) == 0

    play(story())
