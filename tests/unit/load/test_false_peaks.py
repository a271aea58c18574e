"""A meter shows ten times the truth for two seconds: that stops cars, but not for long."""

from dataclasses import replace

from tests.unit.load.site import Site, car, evse, key, main_circuit, play, topology

PEAK_A = 600.0


def test_a_false_peak_stops_a_car_for_two_minutes_at_most() -> None:
    async def story() -> None:
        site = Site(topology(main_circuit(63.0, worst_base_a=15.0), evses=[evse(1)]))
        async with site:
            await site.settle()
            site.charge(key(1), car())
            await site.advance(120)
            assert site.drawn_a(1) > 25
            truth = site.plant.reading("main", site.clock.now())
            for _ in range(2):
                false = replace(truth, at=site.clock.now(), current_a=(PEAK_A,) * 3)
                site.metering.meter_measured("main", false)
                await site.advance(0.5)
            await site.advance(15)
            assert site.drawn_a(1) == 0
            await site.advance(105)
            assert site.drawn_a(1) > 25

    play(story())
