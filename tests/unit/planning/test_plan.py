"""Plans: within every limit, as cheap as they can be, and said in words."""

import sys
from dataclasses import replace
from itertools import product

import pytest

from sitecontroller.dlm.snapshot import DemandClass
from sitecontroller.domain.topology import EvseKey
from sitecontroller.planning import CircuitRoom, Plan, Problem, Solver, Stay, plan
from sitecontroller.planning.cost import costed
from sitecontroller.planning.linear import HASTE_PER_KWH
from sitecontroller.planning.rule import by_rule
from tests.unit.planning.oracle import least_objective
from tests.unit.planning.problems import START_AT, at, random_problem

SEEDS = range(60)
ROUNDING = 1e-6
LIMIT_S = 5.0
HOUR_S = 3600.0


def haste(problem: Problem) -> float:
    """The most that the planner's wish to charge early may cost."""
    need_kwh = sum(stay.energy_need_wh for stay in problem.stays) / 1000
    return HASTE_PER_KWH * problem.intervals * need_kwh + ROUNDING


def solved(problem: Problem) -> Plan:
    found = plan(problem, time_limit_s=LIMIT_S)
    assert found.solver is Solver.HIGHS, found.why
    return found


def night(
    *stays: Stay,
    prices: tuple[float, ...],
    limit_w: float = 100e3,
    base_w: float = 0.0,
    sold: float = 0.0,
    demand_charge: float = 0.0,
    peak_so_far_w: float = 0.0,
) -> Problem:
    """One circuit, hours instead of quarter-hours."""
    count = len(prices)
    grid = CircuitRoom("grid", None, (limit_w,) * count, (base_w,) * count)
    return Problem(
        START_AT,
        stays,
        (grid,),
        (base_w,) * count,
        prices,
        (sold,) * count,
        interval_s=HOUR_S,
        demand_charge_per_kw=demand_charge,
        peak_so_far_w=peak_so_far_w,
    )


def car(number: int, need_wh: float, until_h: float | None = None, **more: object) -> Stay:
    stay = Stay(EvseKey(f"CP-{number}", 1), "grid", need_wh, 10e3)
    return replace(stay, departs_at=None if until_h is None else at(until_h), **more)


@pytest.fixture(params=[Solver.HIGHS, Solver.RULE])
def planner(request, monkeypatch):
    """Both ways to a plan, through the one function."""
    if request.param is Solver.RULE:
        monkeypatch.setitem(sys.modules, "highspy", None)

    def planned(problem: Problem) -> Plan:
        found = plan(problem, time_limit_s=LIMIT_S)
        assert found.solver is request.param
        return found

    return planned


def rounded(found: Plan) -> list[list[int]]:
    return [[round(w) for w in charge.power_w] for charge in found.charges]


def test_the_cheapest_hour_before_departure_is_taken(planner) -> None:
    found = planner(night(car(1, 10e3, until_h=3), prices=(0.3, 0.1, 0.2, 0.01)))
    assert rounded(found) == [[0, 10000, 0, 0]]
    assert found.energy_cost == pytest.approx(1.0)


def test_who_leaves_first_gets_the_hour_that_both_want(planner) -> None:
    problem = night(car(1, 10e3), car(2, 10e3, until_h=2), prices=(0.3, 0.1, 0.2), limit_w=10e3)
    assert rounded(planner(problem)) == [[0, 0, 10000], [0, 10000, 0]]


def test_of_hours_at_one_price_the_first_is_taken(planner) -> None:
    assert rounded(planner(night(car(1, 10e3), prices=(0.2,) * 4))) == [[10000, 0, 0, 0]]


def test_a_surplus_comes_before_a_cheap_hour(planner) -> None:
    problem = night(car(1, 4e3), prices=(0.2, 0.1, 0.3), sold=0.05)
    sunny = replace(problem, expected_base_w=(0.0, 0.0, -4e3))
    assert rounded(planner(sunny)) == [[0, 0, 4000]]
    assert planner(sunny).energy_cost == pytest.approx(4 * 0.05)


def test_a_demand_charge_spreads_what_would_make_a_peak(planner) -> None:
    problem = night(car(1, 10e3), prices=(0.3, 0.1), demand_charge=10.0)
    found = planner(problem)
    assert found.peak_w == pytest.approx(5e3, rel=0.01)
    assert found.demand_cost == pytest.approx(50.0, rel=0.01)


def test_a_peak_that_was_reached_already_costs_nothing(planner) -> None:
    problem = night(car(1, 10e3), prices=(0.3, 0.1), demand_charge=10.0, peak_so_far_w=10e3)
    found = planner(problem)
    assert rounded(found) == [[0, 10000]]
    assert found.demand_cost == 0


def test_the_higher_class_is_served_where_there_is_not_enough(planner) -> None:
    vip = car(2, 10e3, demand_class=DemandClass.VIP)
    found = planner(night(car(1, 10e3), vip, prices=(0.1,), limit_w=12e3))
    assert [round(charge.unmet_wh) for charge in found.charges] == [8000, 0]


def test_no_more_is_paid_for_energy_than_it_is_worth(planner) -> None:
    found = planner(night(car(1, 15e3), prices=(10.5, 9.5)))
    assert rounded(found) == [[0, 10000]]
    assert found.charges[0].unmet_wh == pytest.approx(5e3)


def test_no_hour_is_used_that_cannot_give_the_minimum(planner) -> None:
    picky = car(1, 8e3, power_w_min=4e3)
    problem = night(picky, prices=(0.1, 0.2, 0.3))
    narrow = replace(problem, circuits=(replace(problem.root, limit_w=(3e3, 5e3, 5e3)),))
    assert rounded(planner(narrow)) == [[0, 5000, 3000]]


def test_an_arrival_within_an_interval_gives_the_rest_of_it(planner) -> None:
    late = car(1, 10e3, arrives_at=at(0.5))
    found = planner(night(late, prices=(0.1, 0.2)))
    assert rounded(found) == [[10000, 5000]]
    assert found.charges[0].unmet == ""
    assert found.site_w == pytest.approx((5e3, 5e3))


def test_a_stay_outside_the_horizon_gets_nothing(planner) -> None:
    found = planner(night(car(1, 10e3, arrives_at=at(5)), car(2, 0.0), prices=(0.1, 0.2)))
    assert rounded(found) == [[0, 0], [0, 0]]


def test_a_site_without_cars_has_a_plan(planner) -> None:
    found = planner(night(prices=(0.1, 0.2), base_w=3e3))
    assert (found.charges, found.peak_w, objective(found)) == ((), 3e3, 0.0)


UNMET = [
    (
        night(car(1, 25e3, until_h=2), prices=(0.1, 0.1, 0.1)),
        "5.0 of 25.0 kWh by 2026-11-22 20:00 UTC: its time at 10.0 kW is too short",
    ),
    (
        night(car(1, 10e3), prices=(0.1, 0.1), limit_w=3e3),
        "4.0 of 10.0 kWh: no more room on grid",
    ),
    (
        night(car(1, 30e3), prices=(0.1, 0.1), limit_w=3e3),
        "24.0 of 30.0 kWh: its time at 10.0 kW is too short and no more room on grid",
    ),
    (
        night(car(1, 8e3, power_w_min=4e3), prices=(0.1, 0.1), limit_w=3e3),
        "8.0 of 8.0 kWh: no more room on grid",
    ),
    (
        night(car(1, 10e3), prices=(0.1, 0.1), demand_charge=500.0),
        "10.0 of 10.0 kWh: more would cost more than it is worth (demand charge, price)",
    ),
]


@pytest.mark.parametrize(("problem", "words"), UNMET)
def test_what_is_missing_is_said_with_its_reason(planner, problem: Problem, words: str) -> None:
    (charge,) = planner(problem).charges
    assert charge.unmet == f"CP-1/1 misses {words}"


def test_export_that_pays_more_than_import_costs_is_no_money_machine(planner) -> None:
    problem = night(car(1, 10e3), prices=(-0.05, 0.1), sold=0.2)
    sunny = replace(problem, expected_base_w=(-4e3, 0.0))
    found = planner(sunny)
    assert rounded(found) == [[10000, 0]]
    assert found.energy_cost == pytest.approx(4 * 0.2 - 6 * 0.05), "priced as it is"


@pytest.mark.parametrize("minimum_w", [0.0, 4140.0])
def test_no_plan_passes_a_limit_or_gives_more_than_is_needed(planner, minimum_w: float) -> None:
    for seed in SEEDS:
        problem = random_problem(seed, minimum_w=minimum_w)
        found = planner(problem)
        for circuit in problem.circuits:
            below = [c for c in found.charges if circuit in problem.path(c.stay)]
            for i in range(problem.intervals):
                drawn_w = sum(charge.power_w[i] for charge in below)
                assert drawn_w <= circuit.room_w(i) + 0.01, f"seed {seed}, {circuit.circuit_id}"
        for charge in found.charges:
            presence = problem.presence(charge.stay)
            got_wh = sum(w * p for w, p in zip(charge.power_w, presence, strict=True)) / 4
            assert got_wh + charge.unmet_wh == pytest.approx(charge.stay.energy_need_wh, abs=0.2)
            assert all(0 <= w <= charge.stay.power_w_max + 0.01 for w in charge.power_w)
            absent = [w for w, p in zip(charge.power_w, presence, strict=True) if p == 0]
            assert not any(absent), f"seed {seed}: charges while it isn't there"


def test_a_plan_costs_what_an_independent_programme_finds() -> None:
    for seed in SEEDS:
        problem = random_problem(seed, minimum_w=4140.0 if seed % 2 else 0.0)
        least = least_objective(problem)
        assert decided(problem, solved(problem)) == pytest.approx(least, abs=haste(problem)), seed


def decided(problem: Problem, found: Plan) -> float:
    """The objective with what the plan decides by: an export price of at most the import's."""
    sold = tuple(map(min, problem.import_per_kwh, problem.export_per_kwh))
    powers = [charge.power_w for charge in found.charges]
    return objective(costed(replace(problem, export_per_kwh=sold), powers, found.solver))


def objective(found: Plan) -> float:
    return found.energy_cost + found.demand_cost + found.penalty


def test_no_plan_of_whole_steps_is_cheaper() -> None:
    """All of the 3^8 ways to give two cars nothing, half or all in four hours."""
    prices, levels = (0.3, 0.1, 0.2, -0.05), (0.0, 5e3, 10e3)
    problem = night(
        car(1, 15e3, until_h=3),
        car(2, 20e3, arrives_at=at(1)),
        prices=prices,
        limit_w=15e3,
    )
    everything = [
        costed(problem, (steps[:4], steps[4:]), Solver.RULE)
        for steps in product(levels, repeat=8)
        if all(a + b <= 15e3 for a, b in zip(steps[:4], steps[4:], strict=True))
        and steps[3] == 0 == steps[4]
        and sum(steps[:4]) <= 15e3
        and sum(steps[4:]) <= 20e3
    ]
    cheapest = min(objective(found) for found in everything)
    assert objective(solved(problem)) == pytest.approx(cheapest, abs=haste(problem))


def test_moving_a_quarter_hour_of_a_car_makes_no_plan_cheaper() -> None:
    moved = 0
    for seed in SEEDS[:20]:
        problem = random_problem(seed)
        found = solved(problem)
        best = decided(problem, found)
        powers = [list(charge.power_w) for charge in found.charges]
        for number, stay in enumerate(problem.stays):
            for giver, taker in product(range(problem.intervals), repeat=2):
                other = shifted(problem, powers, number, giver, taker)
                if other is None:
                    continue
                moved += 1
                cost = decided(problem, costed(problem, other, Solver.RULE))
                assert cost >= best - haste(problem), f"seed {seed}, {stay.key}, {giver}>{taker}"
    assert moved > 1000


def shifted(
    problem: Problem, powers: list[list[float]], number: int, giver: int, taker: int
) -> list[list[float]] | None:
    """The powers with up to 500 Wh of a car moved from one interval to another, if they may be."""
    stay = problem.stays[number]
    part = problem.presence(stay)
    if giver == taker or powers[number][giver] < 1.0 or part[taker] == 0:
        return None
    room_w = min(
        problem.ceilings_w(stay)[taker] - powers[number][taker],
        *(
            circuit.room_w(taker)
            - sum(
                power[taker]
                for other, power in zip(problem.stays, powers, strict=True)
                if circuit in problem.path(other)
            )
            for circuit in problem.path(stay)
        ),
    )
    moved = min(2000.0, powers[number][giver] * part[giver], room_w * part[taker])
    if moved < 1.0:
        return None
    changed = [list(power) for power in powers]
    changed[number][giver] -= moved / part[giver]
    changed[number][taker] += moved / part[taker]
    return changed


def test_the_rule_stays_near_the_optimum() -> None:
    """The bound that docs/load-management.md states."""
    more_missed, more_paid, worse = [], [], []
    for seed in range(100):
        problem = random_problem(seed)
        best, ruled = solved(problem), by_rule(problem, "")
        need_wh = sum(stay.energy_need_wh for stay in problem.stays)
        missed = [sum(charge.unmet_wh for charge in found.charges) for found in (best, ruled)]
        paid = [found.energy_cost + found.demand_cost for found in (best, ruled)]
        more_missed.append((missed[1] - missed[0]) / need_wh)
        more_paid.append((paid[1] - paid[0]) / need_wh * 1000)
        worse.append((objective(ruled) - objective(best)) / need_wh * 1000)
        assert decided(problem, ruled) >= decided(problem, best) - haste(problem)
    assert max(worse) < 2.0, "per kWh, with penalties of 10 to 100"
    assert max(more_missed) < 0.10
    assert sum(more_missed) / 100 < 0.02
    assert sum(more_paid) / 100 < 0.03


def test_who_went_short_by_the_rule_may_choose_first() -> None:
    """Here that delivers as much to each class as the programme does."""
    problem = random_problem(26)
    best, ruled = solved(problem), by_rule(problem, "")
    assert ruled.penalty == pytest.approx(best.penalty, rel=0.01)


def test_without_the_solver_the_rule_answers_and_says_so(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "highspy", None)
    found = plan(random_problem(1), time_limit_s=LIMIT_S)
    assert (found.solver, found.why) == (
        Solver.RULE,
        "HiGHS is not installed: pip install sitecontroller[planning]",
    )


def test_a_solver_without_an_answer_in_time_is_not_waited_for() -> None:
    found = plan(random_problem(1), time_limit_s=0.0)
    assert (found.solver, found.why) == (Solver.RULE, "HiGHS had no answer within 0 s")


def test_a_problem_that_does_not_fit_together_is_refused() -> None:
    problem = random_problem(1)
    with pytest.raises(AssertionError, match="one value per interval"):
        replace(problem, expected_base_w=problem.expected_base_w[1:])
    with pytest.raises(AssertionError, match="a number per interval"):
        replace(problem, import_per_kwh=(float("nan"),) * problem.intervals)
    with pytest.raises(AssertionError, match="hangs on a circuit"):
        replace(problem, stays=(replace(problem.stays[0], circuit_id="nowhere"),))
