"""What planning saves on made-up weeks: cost of energy and the highest quarter hour, against
charging at once.

A week of a garage with 20 EVSEs of 22 kW behind 160 A, quarter hour by quarter hour, with the
product's own parts: forecast, problem, plan, ceilings, allocator. Prices, building and cars are
made up from a seed; the forecast was learned from eight other weeks of the same building, and knows
nothing of this one. Cars take what they are given at once, without taper, and leave when they said.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import cos, pi
from zoneinfo import ZoneInfo

from sitecontroller.config import PlanningSettings
from sitecontroller.dlm import CircuitState, Demand, Snapshot, allocate
from sitecontroller.dlm.advice import Advice
from sitecontroller.domain.topology import NOMINAL_V, EvseKey
from sitecontroller.planning import Forecast, Plan, Problem, by_rule, learn, plan
from sitecontroller.services.planning.ceilings import ceilings_of
from sitecontroller.services.planning.outlook import look_ahead
from sitecontroller.services.planning.prices import Price

ZONE = ZoneInfo("Europe/Berlin")
START = datetime(2026, 9, 13, 22, tzinfo=UTC)
"""Monday, midnight in Berlin."""
DAYS, LEARNED_WEEKS = 7, 8
EVSES = 20
FUSE_A = 160.0
QUARTER = timedelta(minutes=15)
QUARTER_S = 900.0
DAY_QUARTERS = 96
HORIZON = 96
MONTHLY_PER_KW = 8.0
PUBLISHED_AT_H = 13

Planner = Callable[[Problem], Plan]


@dataclass(slots=True)
class Car:
    """A stay in quarter hours from `START`."""

    key: EvseKey
    arrives: int
    departs: int
    need_wh: float
    limit_a: float = 0.0


@dataclass(slots=True)
class Outcome:
    """Of the week; costs are the cars' part of the bill for energy."""

    energy_kwh: float = 0.0
    energy_cost: float = 0.0
    peak_kw: float = 0.0
    missed_kwh: float = 0.0
    short: int = 0
    over_fuse: int = 0


def run() -> dict[str, float]:
    """Cost in ct/kWh, the highest quarter hour in kW, the bill with the demand charge, what cars
    missed."""
    garage = Garage(seed=1)
    base_peak_kw = max(garage.base_w[: garage.count]) / 1000
    figures = {"cars": float(len(garage.cars)), "building alone, kW": base_peak_kw}
    for charge in (0.0, MONTHLY_PER_KW):
        for name, planner in PLANNERS.items():
            if planner is None and charge:
                continue
            found = garage.play(planner, charge)
            assert not found.over_fuse, "the fuse held"
            peak_cost = MONTHLY_PER_KW * max(0.0, found.peak_kw - base_peak_kw)
            way = f"{name}, {charge:g} per kW" if planner else name
            figures |= {
                f"{way}: ct/kWh": 100 * found.energy_cost / found.energy_kwh,
                f"{way}: peak kW": found.peak_kw,
                f"{way}: energy and peak": found.energy_cost + peak_cost,
                f"{way}: missed kWh": found.missed_kwh,
                f"{way}: cars short": float(found.short),
            }
    return figures


def _solved(problem: Problem) -> Plan:
    return plan(problem, time_limit_s=10.0)


PLANNERS: dict[str, Planner | None] = {
    "at once": None,
    "plan, HiGHS": _solved,
    "plan, rule": lambda problem: by_rule(problem, "asked for"),
}


class Garage:
    """The same week for everybody."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        past = [
            (START - timedelta(weeks=LEARNED_WEEKS) + n * QUARTER)
            for n in range(LEARNED_WEEKS * 7 * DAY_QUARTERS)
        ]
        self.forecast: Forecast = learn([(at, building_w(at, rng)) for at in past], zone=ZONE)
        self.count = DAYS * DAY_QUARTERS
        self.base_w = [building_w(START + n * QUARTER, rng) for n in range(self.count + HORIZON)]
        self.prices = [per_kwh for day in range(DAYS + 3) for per_kwh in day_ahead(day, rng)]
        self.cars = tuple(arrivals(rng))

    def play(self, planner: Planner | None, charge_per_kw: float) -> Outcome:
        """The week under a planner; None: none."""
        cars = [replace(car) for car in self.cars]
        outcome, advice = Outcome(), Advice()
        settings = PlanningSettings(enabled=True, demand_charge_per_kw=charge_per_kw)
        for number in range(self.count):
            here = [car for car in cars if car.arrives <= number < car.departs and car.need_wh > 1]
            snapshot = self._snapshot(here, number)
            if planner is not None:
                self._advise(advice, planner, snapshot, number, settings, outcome.peak_kw * 1000)
            now_s = number * QUARTER_S
            followed = tuple(advice.followed(d, now_s, NOMINAL_V) for d in snapshot.demands)
            given = allocate(replace(snapshot, demands=followed))
            site_w = self.base_w[number]
            for car in here:
                car.limit_a = given[car.key].current_a
                drawn_w = min(car.limit_a * 3 * NOMINAL_V, car.need_wh * 4)
                car.need_wh -= drawn_w / 4
                site_w += drawn_w
                outcome.energy_kwh += drawn_w / 4000
                outcome.energy_cost += drawn_w / 4000 * self.prices[number]
            outcome.peak_kw = max(outcome.peak_kw, site_w / 1000)
            outcome.over_fuse += site_w > FUSE_A * 3 * NOMINAL_V
        left = [car.need_wh for car in cars if car.departs <= self.count]
        outcome.missed_kwh = sum(wh for wh in left if wh > 1) / 1000
        outcome.short = sum(wh > 100 for wh in left)
        return outcome

    def _snapshot(self, here: list[Car], number: int) -> Snapshot:
        base_a = self.base_w[number] / (3 * NOMINAL_V)
        circuit = CircuitState("main", "Main", None, (FUSE_A - 2.5,) * 3, (base_a,) * 3)
        demands = tuple(
            Demand(
                car.key,
                "main",
                limit_a=car.limit_a,
                plugged_s=car.arrives * QUARTER_S,
                departs_in_s=(car.departs - number) * QUARTER_S,
                energy_need_wh=car.need_wh,
            )
            for car in here
        )
        return Snapshot((circuit,), demands)

    def _advise(
        self,
        advice: Advice,
        planner: Planner,
        snapshot: Snapshot,
        number: int,
        settings: PlanningSettings,
        peak_w: float,
    ) -> None:
        now = START + number * QUARTER
        predict = lambda _, at, count: self.forecast.predict(at, count)  # noqa: E731
        outlook = look_ahead(snapshot, now, settings, self._known(number), predict, peak_w, {})
        assert outlook is not None, "the base load is known"
        made = planner(outlook.problem)
        now_s = number * QUARTER_S
        advice.replace(now_s, ceilings_of(outlook, made, now, now_s, ZONE), {})

    def _known(self, number: int) -> list[Price]:
        """Until midnight, or that of tomorrow once it is published; then as the day before."""
        today = number // DAY_QUARTERS
        published = number % DAY_QUARTERS >= PUBLISHED_AT_H * 4
        ends = (today + (2 if published else 1)) * DAY_QUARTERS
        prices = []
        for n in range(number, number + HORIZON):
            like = n if n < ends else n - DAY_QUARTERS
            prices.append(Price(Decimal(str(self.prices[like])), n < ends))
        return prices


def building_w(at: datetime, rng: random.Random) -> float:
    """Offices: 6 kW, by day up to 25 kW more, some noise."""
    local = at.astimezone(ZONE)
    hour = local.hour + local.minute / 60
    works = max(0.0, cos((hour - 13) / 9 * pi)) if local.weekday() < 5 and 8 < hour < 18 else 0.0
    return max(1000.0, 6000 + 25_000 * works + rng.gauss(0, 1500))


def day_ahead(day: int, rng: random.Random) -> list[float]:
    """Dear mornings and evenings, cheap nights and noons, and no two days alike."""
    level, sun = rng.uniform(0.06, 0.12), rng.uniform(0.0, 0.08)
    prices = []
    for hour in range(24):
        shape = 0.03 * cos((hour - 8) / 3 * pi / 2) if 5 <= hour <= 11 else 0.0
        shape += 0.05 * cos((hour - 19) / 3 * pi / 2) if 16 <= hour <= 22 else 0.0
        noon = sun * max(0.0, cos((hour - 13) / 4 * pi / 2)) if 9 <= hour <= 17 else 0.0
        prices += [round(level + shape - noon + rng.gauss(0, 0.004), 5)] * 4
    return prices


def arrivals(rng: random.Random) -> list[Car]:
    """Each EVSE has a car by day two days of five, and one over night two days of three."""
    cars = []
    for number in range(EVSES):
        key = EvseKey(f"CP-{number:02}", 1)
        for day in range(DAYS - 1):
            morning = day * DAY_QUARTERS
            if day % 7 < 5 and rng.random() < 0.4:
                begins = morning + rng.randrange(30, 40)
                cars.append(
                    Car(key, begins, morning + rng.randrange(60, 70), rng.uniform(4e3, 20e3))
                )
            if rng.random() < 0.66:
                begins = morning + rng.randrange(70, 80)
                ends = morning + DAY_QUARTERS + rng.randrange(25, 30)
                cars.append(Car(key, begins, ends, rng.uniform(8e3, 30e3)))
    return cars
