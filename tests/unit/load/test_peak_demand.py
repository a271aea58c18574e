"""The peak-demand target in a closed loop: no quarter hour above it, and most of it used."""

from collections import defaultdict
from dataclasses import dataclass, field

import pytest

from sitecontroller.config import LoadSettings
from sitecontroller.config.demand import DemandSettings, TargetWindow
from sitecontroller.domain.topology import PHASES
from tests.unit.load.site import START, STEP_S, Site, car, evse, key, main_circuit, play, topology

TARGET_W = 20_000.0
PERIOD_S = 300
"""Short, so that several can be seen; one test has a quarter hour."""
QUARTER_S = 900
CARS = 4
WORDS = "site limit 'peak demand' at Main"


def target(
    target_w: float | None = TARGET_W, *windows: TargetWindow, period_s: int = PERIOD_S
) -> LoadSettings:
    return LoadSettings(demand=DemandSettings("main", period_s, target_w, windows, "Europe/Berlin"))


@dataclass
class Metered:
    """A site and the energy that truly flowed in each of its windows, Wh."""

    site: Site
    period_s: int
    energy_wh: dict[int, float] = field(default_factory=lambda: defaultdict(float))

    def note(self) -> None:
        total_a, volts = self.site.total_a("main"), self.site.plant.voltage_v
        power_w = sum(total_a[phase] * volts[phase] for phase in PHASES)
        window = int(self.site.clock.now().timestamp() // self.period_s)
        self.energy_wh[window] += power_w * STEP_S / 3600

    async def advance(self, seconds: float) -> None:
        await self.site.advance(seconds, self.note)

    def mean_w(self, number: int) -> float:
        """Of the window of that number, counted from the start."""
        first = int(START.timestamp() // self.period_s)
        return self.energy_wh[first + number] * 3600 / self.period_s

    def reason(self) -> str:
        view = self.site.load.limit_view(key(1))
        assert view is not None
        return view.reason


async def charging_site(
    settings: LoadSettings,
    *,
    base_a: tuple[float, float, float] = (8.0, 8.0, 8.0),
    rotations: tuple[str, ...] = ("L1L2L3",) * CARS,
    fallback_a: float = 0.0,
) -> Metered:
    """Cars that take all they get; the first samples come at the beginning of a quarter hour."""
    evses = [
        evse(number, phases=phases, fallback_a=fallback_a)
        for number, phases in enumerate(rotations, start=1)
    ]
    park = topology(main_circuit(worst_base_a=30.0), evses=evses)
    site = Site(park, settings=settings, earlier_leases_s=0.0)
    site.base_a = {"main": base_a}
    site.start()
    assert settings.demand is not None
    metered = Metered(site, settings.demand.period_s)
    site.connect()
    await metered.advance(10)
    for number in range(1, len(rotations) + 1):
        site.charge(key(number), car())
    return metered


def test_no_quarter_hour_exceeds_the_target_and_most_of_it_is_used() -> None:
    async def story() -> None:
        metered = await charging_site(target(period_s=QUARTER_S))
        await metered.advance(2 * QUARTER_S - 10)
        for number in range(2):
            assert 0.9 * TARGET_W <= metered.mean_w(number) <= TARGET_W, number
        await metered.site.kill()

    play(story())


@pytest.mark.parametrize("at_s", [150, 285])
def test_a_step_of_the_base_load_is_given_back_within_its_quarter_hour(at_s: int) -> None:
    async def story() -> None:
        metered = await charging_site(target(), base_a=(4.0, 4.0, 4.0))
        await metered.advance(PERIOD_S + at_s - 10)
        metered.site.step_base("main", (16.0, 18.0, 14.0))
        await metered.advance(PERIOD_S - at_s)
        for number in range(2):
            assert 0.9 * TARGET_W <= metered.mean_w(number) <= TARGET_W, number
        await metered.site.kill()

    play(story())


@pytest.mark.parametrize("rotations", [("L1", "L1", "L1L2L3", "L2"), ("L1", "L1", "L1", "L1")])
def test_uneven_phases_keep_the_target_and_use_it(rotations: tuple[str, ...]) -> None:
    async def story() -> None:
        metered = await charging_site(
            target(12_000.0), base_a=(3.0, 12.0, 6.0), rotations=rotations
        )
        await metered.advance(2 * PERIOD_S - 10)
        for number in range(2):
            assert 0.9 * 12_000 <= metered.mean_w(number) <= 12_000, number
        await metered.site.kill()

    play(story())


def test_people_see_the_window_and_the_reason() -> None:
    async def story() -> None:
        metered = await charging_site(target())
        await metered.advance(200)
        circuit = metered.site.load.circuit_view("main")
        window = circuit.demand
        assert window is not None
        assert window.target_w == TARGET_W
        assert window.ends_at.minute == 5
        true_wh = metered.energy_wh[int(START.timestamp() // PERIOD_S)]
        assert window.energy_wh == pytest.approx(true_wh, rel=0.02)
        assert 0.9 * TARGET_W < window.expected_w <= TARGET_W
        assert window.allowed_w == pytest.approx(TARGET_W, rel=0.1)
        assert WORDS in metered.reason()
        assert circuit.limited_by is not None
        assert "site limit 'peak demand'" in circuit.limited_by
        assert metered.site.judge.verdict().excess_as == 0
        await metered.site.kill()

    play(story())


def test_a_target_above_the_fuse_changes_nothing() -> None:
    async def story() -> None:
        metered = await charging_site(target(100_000.0))
        await metered.advance(250)
        assert metered.site.load.circuit_view("main").limited_by is None
        assert max(metered.site.total_a("main")) > 55
        await metered.site.kill()

    play(story())


def test_a_start_in_the_middle_of_a_window_takes_the_time_before_for_the_worst() -> None:
    async def story() -> None:
        metered = await charging_site(target())
        await metered.advance(190)
        await metered.site.restart()
        metered.site.connect()
        await metered.advance(30)
        window = metered.site.load.circuit_view("main").demand
        assert window is not None
        assert window.energy_wh > 200 * 63 * 3 * 230 / 3600
        assert window.allowed_w == 0
        assert [metered.site.told_a(number) for number in range(1, CARS + 1)] == [0] * CARS
        await metered.advance(PERIOD_S - 230 + PERIOD_S)
        assert metered.mean_w(0) <= TARGET_W
        assert metered.mean_w(1) <= TARGET_W
        assert metered.mean_w(1) >= 0.8 * TARGET_W, "a car may have to rest first"
        await metered.site.kill()

    play(story())


def test_while_the_meter_is_dead_only_the_fallbacks_count_and_the_silence_at_its_worst() -> None:
    async def story() -> None:
        metered = await charging_site(target(), fallback_a=6.0)
        await metered.advance(200)
        told_a = [metered.site.told_a(number) for number in range(1, CARS + 1)]
        metered.site.meters_alive["main"] = False
        await metered.advance(30)
        for number, before_a in enumerate(told_a, start=1):
            assert metered.site.told_a(number) <= before_a, "nothing rises"
        assert metered.site.load.circuit_view("main").limited_by is None, "S4 alone decides"
        await metered.advance(40)
        assert max(metered.site.told_a(number) for number in range(1, CARS + 1)) < 7
        assert ("meter-stale", "main") in metered.site.alarms.standing
        metered.site.meters_alive["main"] = True
        await metered.advance(5)
        window = metered.site.load.circuit_view("main").demand
        assert window is not None
        assert window.energy_wh > 70 * 63 * 3 * 230 / 3600
        await metered.site.kill()

    play(story())


def test_a_window_of_the_season_counts_in_its_hours_alone() -> None:
    async def story() -> None:
        evening = TargetWindow(frozenset({1}), 9 * 60 + 5, 9 * 60 + 10, 10_000.0)
        metered = await charging_site(target(None, evening))
        await metered.advance(200)
        assert metered.site.load.circuit_view("main").demand is None
        assert metered.site.load.circuit_view("main").limited_by is None
        await metered.advance(2 * PERIOD_S - 210)
        assert metered.mean_w(0) > 20_000, "9:00 to 9:05 in Berlin"
        assert 0.9 * 10_000 <= metered.mean_w(1) <= 10_000
        await metered.advance(120)
        assert metered.site.load.circuit_view("main").limited_by is None
        await metered.site.kill()

    play(story())
