"""A plan as people and other systems see it."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from sitecontroller.domain.money import Money
from sitecontroller.domain.planning import PlannedSession, PlanView
from sitecontroller.domain.topology import NOMINAL_V
from sitecontroller.planning import Plan, PlannedCharge
from sitecontroller.services.planning.outlook import Outlook


def plan_view(
    outlook: Outlook,
    plan: Plan,
    made_at: datetime,
    peak_so_far_w: int | None,
    state: str,
    currency: str,
) -> PlanView:
    """All of it; costs are estimates, rounded."""
    problem = outlook.problem
    return PlanView(
        state,
        made_at,
        plan.solver.value,
        plan.why,
        problem.start_at,
        tuple(float(price.per_kwh) for price in outlook.prices),
        tuple(price.known for price in outlook.prices),
        tuple(map(round, problem.expected_base_w)),
        tuple(None if q is None else round(q.low) for q in outlook.base),
        tuple(None if q is None else round(q.high) for q in outlook.base),
        tuple(map(round, plan.site_w)),
        round(plan.peak_w),
        peak_so_far_w,
        _money(plan.energy_cost, currency),
        _money(plan.demand_cost, currency),
        tuple(_session(outlook, charge, currency) for charge in plan.charges),
    )


def _session(outlook: Outlook, charge: PlannedCharge, currency: str) -> PlannedSession:
    stay, problem = charge.stay, outlook.problem
    energy_wh = _energy_wh(charge.power_w, problem.presence(stay), problem.interval_h)
    prices = (float(price.per_kwh) for price in outlook.prices)
    cost = sum(wh / 1000.0 * price for wh, price in zip(energy_wh, prices, strict=True))
    per_a = NOMINAL_V * outlook.phase_counts[stay.key]
    return PlannedSession(
        stay.key.station_id,
        stay.key.evse_id,
        outlook.departs.get(stay.key),
        round(stay.energy_need_wh),
        tuple(map(round, charge.power_w)),
        tuple(round(w / per_a, 1) for w in charge.power_w),
        _money(cost, currency),
        round(charge.unmet_wh),
        charge.unmet,
    )


def _energy_wh(power_w: Sequence[float], part: Sequence[float], hours: float) -> list[float]:
    return [w * there * hours for w, there in zip(power_w, part, strict=True)]


def _money(amount: float, currency: str) -> Money:
    return Money(Decimal(str(amount)), currency).rounded()
