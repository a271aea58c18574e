"""Charging from the roof in a closed loop: clouds, a battery, one phase, a silent meter."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

import pytest

from sitecontroller.config import LoadSettings
from sitecontroller.config.surplus import SurplusSettings
from sitecontroller.dlm.surplus import SurplusMode
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.topology import NOMINAL_V, Group, Meter
from tests.unit.load.site import STEP_S, Site, car, evse, key, main_circuit, play, topology

CAR_A = 16.0
MINIMUM_W = 6 * NOMINAL_V * 3
CHANGE_EVERY_S = 5


@dataclass
class Battery:
    """Takes what would be exported and gives what would be imported, up to `power_w`, one step
    late, as batteries do that see the grid's meter alone."""

    power_w: float = 0.0
    flow_w: float = 0.0
    """Charging is positive."""

    def follow(self, grid_w: float) -> None:
        self.flow_w = min(self.power_w, max(-self.power_w, self.flow_w - grid_w))


@dataclass
class Roof:
    """A site below a roof; `left_w` is what it delivers less what the building takes."""

    site: Site
    left_w: float = 0.0
    battery: Battery = field(default_factory=Battery)
    car_wh: float = 0.0
    """What cars took."""
    grid_wh: float = 0.0
    """What was imported while they did."""

    async def advance(self, seconds: float, left_w: float | None = None) -> None:
        for _ in range(round(seconds / CHANGE_EVERY_S)):
            self.left_w = self.left_w if left_w is None else left_w
            flow_a = (self.battery.flow_w - self.left_w) / 3 / NOMINAL_V
            self.site.base_a = {"main": (flow_a,) * 3}
            await self.site.advance(CHANGE_EVERY_S, self.note)
            self.battery.follow(self.grid_w)
            self.tell_meters()

    @property
    def grid_w(self) -> float:
        volts = self.site.plant.voltage_v
        flows = zip(self.site.total_a("main"), volts, strict=True)
        return sum(current_a * voltage_v for current_a, voltage_v in flows)

    def tell_meters(self) -> None:
        flows_w = {"bat": self.battery.flow_w, "pv": -max(0.0, self.left_w) - 500.0}
        for meter_id, flow_w in flows_w.items():
            if self.site.meters_alive.get(meter_id):
                reading = MeterReading(self.site.clock.now(), power_w=flow_w)
                self.site.metering.meter_measured(meter_id, reading)

    def note(self) -> None:
        drawn_w = sum(outlet.power_w for outlet in self.site.plant.outlets.values())
        self.car_wh += drawn_w * STEP_S / 3600
        self.grid_wh += min(drawn_w, max(0.0, drawn_w - self.left_w)) * STEP_S / 3600

    @property
    def told_a(self) -> float:
        return self.site.told_a(1)

    def reason(self) -> str:
        view = self.site.load.limit_view(key(1))
        assert view is not None
        return view.reason


def below_a_roof(
    story: Callable[[Roof], object],
    *,
    cars: int = 1,
    phase_count: int = 3,
    fallback_a: float = 0.0,
    battery_w: float = 0.0,
    start_after_s: float = 60.0,
    stop_after_s: float = 120.0,
    **surplus: object,
) -> None:
    """Tell a story; cars stand there from the start and would take 16 A."""

    async def told() -> None:
        phases = "L1L2L3" if phase_count == 3 else "L2"
        evses = [evse(n, phases=phases, fallback_a=fallback_a) for n in range(1, cars + 1)]
        park = topology(main_circuit(worst_base_a=5.0), evses=evses)
        group = Group("pv", "Solar bays", tuple(each.key for each in evses))
        meters = {
            name: Meter(name, name, "SDM630", "tcp://127.0.0.1:2")
            for name in ("bat", "pv")
            if name in surplus.values()
        }
        park = replace(park, groups={"pv": group}, meters={**park.meters, **meters})
        terms = SurplusSettings(
            "pv",
            "main",
            start_after_s=start_after_s,
            stop_after_s=stop_after_s,
            **surplus,  # type: ignore[arg-type]
        )
        settings = LoadSettings(surplus=terms)
        site = Site(park, settings=settings, earlier_leases_s=0.0)
        roof = Roof(site, battery=Battery(battery_w))
        site.start()
        site.connect()
        await roof.advance(10, 0.0)
        for number in range(1, cars + 1):
            site.charge(key(number), car(CAR_A, phase_count=phase_count))
        await story(roof)  # type: ignore[misc]
        await site.kill()

    play(told())


def test_a_car_waits_for_the_sun_follows_it_and_says_so() -> None:
    async def story(roof: Roof) -> None:
        await roof.advance(120, 2_000.0)
        assert roof.told_a == 0
        assert "PV surplus" in roof.reason()
        await roof.advance(290, 8_000.0)
        assert roof.told_a == 0, "not for a gap between two clouds"
        await roof.advance(240)
        assert 10 < roof.told_a <= 8_000 / 690
        assert "PV surplus at Solar bays" in roof.reason()
        surplus = roof.site.load.circuit_view("main").surplus
        assert surplus is not None
        assert (surplus.group_id, surplus.charging) == ("pv", 1)
        assert surplus.available_w == pytest.approx(8_000, abs=200)
        roof.grid_wh = 0.0
        await roof.advance(120)
        assert roof.grid_wh < 3, "in steady sun nothing comes from the grid"
        assert -0.1 * 8_000 < roof.grid_w <= 0, "and hardly anything goes there"

    below_a_roof(story, start_after_s=300)


def test_under_a_cloud_it_takes_its_minimum_for_ten_minutes_and_then_stops() -> None:
    async def story(roof: Roof) -> None:
        await roof.advance(200, 8_000.0)
        await roof.advance(180, 1_000.0)
        assert roof.told_a == 6
        await roof.advance(400)
        assert roof.told_a == 6
        await roof.advance(240)
        assert roof.told_a == 0

    below_a_roof(story, stop_after_s=600)


def test_on_a_cloudy_day_most_of_the_surplus_goes_into_cars_with_few_starts() -> None:
    async def story(roof: Roof) -> None:
        random, usable_wh, starts, was_on = Random(1), 0.0, 0, False
        clear, next_s, seconds = True, 0.0, 0
        while seconds < 3600:
            if seconds >= next_s:
                clear = not clear
                level = random.uniform(0.7, 1.0) if clear else random.uniform(0.15, 0.5)
                next_s = seconds + random.uniform(120, 600)
            sun_w = 12_000 * math.sin(math.pi * (0.25 + seconds / 3600 / 2))
            await roof.advance(CHANGE_EVERY_S, sun_w * level - 600)
            if starts and roof.left_w >= MINIMUM_W:
                usable_wh += min(roof.left_w, CAR_A * NOMINAL_V * 3) * CHANGE_EVERY_S / 3600
            is_on = roof.site.drawn_a(1) > 0
            starts += is_on and not was_on
            was_on, seconds = is_on, seconds + CHANGE_EVERY_S
        assert roof.car_wh - roof.grid_wh >= 0.85 * usable_wh
        assert starts <= 3
        assert roof.site.load.profile_writes(key(1)) < 60

    below_a_roof(story, start_after_s=300, stop_after_s=600)


def test_a_car_on_one_phase_needs_a_third_of_the_sun() -> None:
    async def story(roof: Roof) -> None:
        await roof.advance(240, 2_300.0)
        assert 8 < roof.told_a <= 9
        assert roof.grid_w <= -230, "the reserve goes out"

    below_a_roof(story, phase_count=1, reserve_w=230.0)


def test_two_cars_share_and_the_second_waits_until_there_is_enough_for_both() -> None:
    async def story(roof: Roof) -> None:
        await roof.advance(330, 6_000.0)
        waiting_a, charging_a = sorted(roof.site.told_a(number) for number in (1, 2))
        assert waiting_a == 0
        assert 8 < charging_a <= 6_000 / 690
        await roof.advance(300, 11_000.0)
        both_a = [roof.site.told_a(number) for number in (1, 2)]
        assert min(both_a) > 7
        assert sum(both_a) <= 11_000 / 690

    below_a_roof(story, cars=2)


def test_a_battery_is_charged_first_and_never_discharged_into_cars() -> None:
    async def story(roof: Roof) -> None:
        await roof.advance(180, 3_000.0)
        assert roof.battery.flow_w == pytest.approx(3_000, abs=200)
        assert roof.told_a == 0
        await roof.advance(300, 9_500.0)
        assert roof.battery.flow_w > 2_500
        assert 6 <= roof.told_a <= (9_500 - 3_000) / 690
        await roof.advance(300, 0.0)
        assert roof.told_a == 0, "although the battery would give it"

    below_a_roof(story, battery_w=3_000.0, battery_meter_id="bat")


def test_cars_may_come_before_the_battery() -> None:
    async def story(roof: Roof) -> None:
        await roof.advance(360, 6_000.0)
        assert roof.told_a > 7.5
        assert roof.battery.flow_w < 600

    below_a_roof(story, battery_w=3_000.0, battery_meter_id="bat", battery_first=False)


@pytest.mark.parametrize("silent", ["main", "bat", "pv"])
def test_without_a_meter_nobody_knows_of_a_surplus_and_nobody_charges(silent: str) -> None:
    async def story(roof: Roof) -> None:
        await roof.advance(240, 9_500.0)
        assert roof.told_a >= 6
        roof.site.meters_alive[silent] = False
        await roof.advance(20)
        assert roof.told_a == 0
        await roof.advance(60)
        assert roof.told_a == 0, "nor with a fallback"

    below_a_roof(
        story,
        battery_w=1_000.0,
        battery_meter_id="bat",
        pv_meter_id="pv",
        fallback_a=6.0,
    )


def test_with_a_minimum_cars_always_charge() -> None:
    async def story(roof: Roof) -> None:
        await roof.advance(180, -2_000.0)
        assert roof.told_a == 6
        await roof.advance(300, 8_000.0)
        assert roof.told_a > 10

    below_a_roof(story, mode=SurplusMode.SURPLUS_AND_MINIMUM)
