"""The optimum by another way: a dense programme over a bill per interval, solved by scipy.

Written from what `Plan` says of its figures, not from the planner's matrix: the bill of an
interval is the larger of its power at the import price and at the export price.
"""

from functools import reduce

import numpy as np
from scipy.optimize import linprog

from sitecontroller.planning import Problem


def least_objective(problem: Problem) -> float:
    """Energy, demand charge and penalties of the cheapest plan."""
    stays, count, hours = problem.stays, problem.intervals, problem.interval_h
    draw = np.arange(len(stays) * count).reshape(len(stays), count)
    missed = draw.size + np.arange(len(stays))
    bill = draw.size + len(stays) + np.arange(count)
    peak = draw.size + len(stays) + count
    presence = np.array([problem.presence(stay) for stay in stays])
    rows: list[tuple[dict[int, float], float]] = []

    for circuit in problem.circuits:
        members = [n for n, stay in enumerate(stays) if circuit in problem.path(stay)]
        for t in range(count):
            room = max(0.0, circuit.limit_w[t] - circuit.base_w[t])
            rows.append((dict.fromkeys(draw[members, t].tolist(), 1.0), room / 1e3))
    for t in range(count):
        cars = dict(zip(draw[:, t].tolist(), presence[:, t].tolist(), strict=True))
        bought = problem.import_per_kwh[t]
        base_kw = problem.expected_base_w[t] / 1e3
        for price in (bought, min(bought, problem.export_per_kwh[t])):
            terms = {column: price * hours * part for column, part in cars.items()}
            rows.append(({**terms, int(bill[t]): -1.0}, -price * hours * base_kw))
        sunk_kw = max(problem.peak_so_far_w, *problem.root.base_w) / 1e3
        rows.append(({**cars, peak: -1.0}, sunk_kw - problem.root.base_w[t] / 1e3))

    upper = np.zeros((len(rows), peak + 1))
    for number, (terms, _) in enumerate(rows):
        upper[number, list(terms)] = list(terms.values())
    equal = np.zeros((len(stays), peak + 1))
    for n in range(len(stays)):
        equal[n, draw[n]] = presence[n] * hours
        equal[n, missed[n]] = 1.0

    cost = np.zeros(peak + 1)
    cost[bill], cost[peak] = 1.0, problem.demand_charge_per_kw
    cost[missed] = [problem.unmet_penalty_per_kwh[stay.demand_class] for stay in stays]
    bounds = reduce(
        lambda found, stay: found + [(0.0, w / 1e3) for w in problem.ceilings_w(stay)], stays, []
    )
    bounds += [(0.0, None)] * len(stays) + [(None, None)] * count + [(0.0, None)]
    result = linprog(
        cost,
        A_ub=upper,
        b_ub=[bound for _, bound in rows],
        A_eq=equal,
        b_eq=[stay.energy_need_wh / 1e3 for stay in stays],
        bounds=bounds,
    )
    assert result.success, result.message
    idle = sum(
        w / 1e3 * hours * (bought if w > 0 else min(bought, sold))
        for w, bought, sold in zip(
            problem.expected_base_w, problem.import_per_kwh, problem.export_per_kwh, strict=True
        )
    )
    return float(result.fun) - idle
