"""What a plan costs, and in words what it leaves unmet; the same for every solver."""

from collections.abc import Sequence
from datetime import UTC
from operator import add, mul
from typing import NamedTuple

from sitecontroller.planning.problem import Plan, PlannedCharge, Problem, Solver, Stay

UNMET_WH = 1.0
"""What is missing beyond this isn't a rounding."""
FULL_W = 1.0
"""A circuit with less room than this has none."""

Powers = Sequence[Sequence[float]]
"""W per stay and interval."""


class Figures(NamedTuple):
    """What `Plan` says in numbers."""

    site_w: tuple[float, ...]
    peak_w: float
    energy_cost: float
    demand_cost: float
    penalty: float

    @property
    def objective(self) -> float:
        """What a plan is judged by: the less, the better."""
        return self.energy_cost + self.demand_cost + self.penalty


def costed(problem: Problem, power_w: Powers, solver: Solver, why: str = "") -> Plan:
    """The plan that these powers are."""
    presence = [problem.presence(stay) for stay in problem.stays]
    charges = tuple(_charge(problem, number, power_w, part) for number, part in enumerate(presence))
    figures = weighed(problem, presence, power_w)
    return Plan(charges, *figures, solver=solver, why=why)


def weighed(problem: Problem, presence: Powers, power_w: Powers) -> Figures:
    """What these powers cost; `presence` is `Problem.presence` of each stay."""
    cars_w = [0.0] * problem.intervals
    penalty = 0.0
    for stay, part, power in zip(problem.stays, presence, power_w, strict=True):
        average_w = list(map(mul, power, part))
        cars_w = list(map(add, cars_w, average_w))
        missing_wh = max(0.0, stay.energy_need_wh - sum(average_w) * problem.interval_h)
        penalty += penalty_per_kwh(problem, stay) * missing_wh / 1000.0
    site_w = tuple(map(add, problem.expected_base_w, cars_w))
    peak_w = max(map(add, problem.root.base_w, cars_w))
    more_kw = max(0.0, peak_w - problem.sunk_peak_w) / 1000.0
    return Figures(
        site_w,
        peak_w,
        energy_cost=_bill(problem, site_w) - _bill(problem, problem.expected_base_w),
        demand_cost=problem.demand_charge_per_kw * more_kw,
        penalty=penalty,
    )


def penalty_per_kwh(problem: Problem, stay: Stay) -> float:
    """What a kWh that this car misses weighs."""
    return problem.unmet_penalty_per_kwh[stay.demand_class]


def _bill(problem: Problem, site_w: Sequence[float]) -> float:
    """Of the site's energy, what is fed in taken off."""
    prices = zip(site_w, problem.import_per_kwh, problem.export_per_kwh, strict=True)
    per_hour = sum(w * (bought if w > 0 else sold) for w, bought, sold in prices) / 1000.0
    return per_hour * problem.interval_h


def _charge(problem: Problem, number: int, power_w: Powers, part: Sequence[float]) -> PlannedCharge:
    stay, power = problem.stays[number], tuple(power_w[number])
    got_wh = sum(w * there for w, there in zip(power, part, strict=True)) * problem.interval_h
    missing_wh = max(0.0, stay.energy_need_wh - got_wh)
    words = ""
    if missing_wh > UNMET_WH:
        leaves = (
            ""
            if stay.departs_at is None
            else f" by {stay.departs_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        )
        words = (
            f"{stay.key} misses {missing_wh / 1000:.1f} of {stay.energy_need_wh / 1000:.1f} kWh"
            f"{leaves}: {_reason(problem, number, power_w, part)}"
        )
    return PlannedCharge(stay, power, missing_wh, words)


def _reason(problem: Problem, number: int, power_w: Powers, part: Sequence[float]) -> str:
    stay = problem.stays[number]
    short = ""
    if stay.power_w_max * problem.interval_h * sum(part) < stay.energy_need_wh - UNMET_WH:
        short = f"its time at {stay.power_w_max / 1000:.1f} kW is too short"
    full: set[str] = set()
    for interval, there in enumerate(part):
        if there > 0 and power_w[number][interval] < stay.power_w_max - FULL_W:
            blocking = _full_circuits(problem, number, interval, power_w)
            if not blocking:
                return short or "more would cost more than it is worth (demand charge, price)"
            full.update(blocking)
    crowded = f"no more room on {', '.join(sorted(full))}" if full else ""
    return " and ".join(filter(None, (short, crowded)))


def _full_circuits(problem: Problem, number: int, interval: int, power_w: Powers) -> list[str]:
    """The circuits on its way that can't give it more (or its minimum) in this interval."""
    stay, own_w = problem.stays[number], power_w[number][interval]
    full = []
    for circuit in problem.path(stay):
        drawn_w = sum(
            power[interval]
            for other, power in zip(problem.stays, power_w, strict=True)
            if circuit in problem.path(other)
        )
        room_w = circuit.room_w(interval)
        if room_w - drawn_w < FULL_W or room_w - drawn_w + own_w < stay.power_w_min:
            full.append(circuit.circuit_id)
    return full
