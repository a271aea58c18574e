"""From a plan to what the cycle can follow: per EVSE the current of this and the next quarter hour.

A plan may give a car less than its minimum: then it is meant to charge for a part of the quarter
hour. Contactors can't do that without end, so of the cars that share such crumbs a few charge at
their minimum, those who have least time first, and the others wait.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sitecontroller.dlm.advice import AGE_S_MAX, Ceiling
from sitecontroller.domain.topology import NOMINAL_V, EvseKey
from sitecontroller.planning import Plan, Stay
from sitecontroller.services.planning.outlook import Outlook
from sitecontroller.services.planning.series import QUARTER_S

FULL_W = 50.0
"""This near to its most a car isn't held."""
STEPS_PER_A = 10
WORTH_HALVING = 0.5
"""Of a minimum: crumbs that add up to less start nobody."""


def ceilings_of(
    outlook: Outlook, plan: Plan, now: datetime, now_s: float, zone: ZoneInfo
) -> Mapping[EvseKey, tuple[Ceiling, ...]]:
    """For as long as a plan is followed."""
    problem = outlook.problem
    begun_s = now_s - (now - problem.start_at).total_seconds()
    shown = min(problem.intervals, int(AGE_S_MAX // QUARTER_S) + 1)
    ceilings: dict[EvseKey, list[Ceiling]] = {charge.stay.key: [] for charge in plan.charges}
    for interval in range(shown):
        start_s = begun_s + interval * QUARTER_S
        for number, power_w in enumerate(_whole(plan, interval)):
            stay = plan.charges[number].stay
            if power_w >= stay.power_w_max - FULL_W or _is_gone(outlook, stay, interval):
                continue
            current_a = power_w / (NOMINAL_V * outlook.phase_counts[stay.key])
            ceilings[stay.key].append(
                Ceiling(
                    start_s,
                    start_s + QUARTER_S,
                    int(current_a * STEPS_PER_A + 1e-6) / STEPS_PER_A,
                    reason(outlook, plan, number, interval, zone),
                )
            )
    return {key: tuple(each) for key, each in ceilings.items()}


def reason(outlook: Outlook, plan: Plan, number: int, interval: int, zone: ZoneInfo) -> str:
    """Why a car gets no more in that quarter hour, in words."""
    problem, power_w = outlook.problem, plan.charges[number].power_w
    for later in range(interval + 1, problem.intervals):
        is_more = power_w[later] > power_w[interval] + FULL_W
        if is_more and problem.import_per_kwh[later] < problem.import_per_kwh[interval]:
            at = (problem.start_at + timedelta(seconds=later * QUARTER_S)).astimezone(zone)
            return f"plan, cheaper after {at:%H:%M}"
    if problem.demand_charge_per_kw > 0:
        return "plan, keeps the peak low"
    return "plan"


def _whole(plan: Plan, interval: int) -> list[float]:
    """W per car in that quarter hour: 0 or at least its minimum."""
    power_w = [charge.power_w[interval] for charge in plan.charges]
    crumbs = [
        number
        for number, charge in enumerate(plan.charges)
        if 0 < power_w[number] < charge.stay.power_w_min
    ]
    left_w = sum(power_w[number] for number in crumbs)
    for number in sorted(crumbs, key=lambda each: _spare_h(plan.charges[each].stay)):
        minimum_w = plan.charges[number].stay.power_w_min
        power_w[number] = minimum_w if left_w >= WORTH_HALVING * minimum_w else 0.0
        left_w -= power_w[number]
    return power_w


def _spare_h(stay: Stay) -> float:
    assert stay.departs_at is not None, "the outlook gives every car an end"
    assert stay.arrives_at is not None, "the outlook plans for cars that are there"
    stays_h = (stay.departs_at - stay.arrives_at).total_seconds() / 3600.0
    return stays_h - stay.energy_need_wh / max(1.0, stay.power_w_max)


def _is_gone(outlook: Outlook, stay: Stay, interval: int) -> bool:
    """Whether the plan counts on it no more: then it has nothing to advise."""
    assert stay.departs_at is not None, "the outlook gives every car an end"
    start_at = outlook.problem.start_at + timedelta(seconds=interval * QUARTER_S)
    return start_at >= stay.departs_at
