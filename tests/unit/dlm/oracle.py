"""The independent judge: lexicographic max-min as a sequence of linear programmes (scipy HiGHS).

Each programme raises the common level of all demands not yet settled; a demand whose constraint
has a price (dual) is tight in every optimum and is settled there. Policies that take turns are
judged by one programme for each demand.
"""

import numpy as np
from scipy.optimize import linprog

from sitecontroller.dlm import Demand, Snapshot
from sitecontroller.dlm.departures import ceiling_of
from sitecontroller.domain.topology import PHASES, EvseKey

PRICE_MIN = 1e-7
ROUNDING_A = 1e-7
"""Room for what the first stage's answer is off by."""


Bounds = list[tuple[float, float]]


def lexicographic_max_min(snapshot: Snapshot, admitted: list[Demand]) -> dict[EvseKey, float]:
    """Currents of the admitted demands, none below its minimum; all others take nothing.

    First up to what each needs, then what is left up to each station's maximum.
    """
    needed = [(d.current_a_min, max(d.current_a_min, ceiling_of(d))) for d in admitted]
    first = _max_min(snapshot, admitted, needed)
    possible = [(first[d.key], max(first[d.key], d.current_a_max)) for d in admitted]
    return _max_min(snapshot, admitted, possible)


def in_turn(snapshot: Snapshot, admitted: list[Demand]) -> dict[EvseKey, float]:
    """A programme for each demand, in their order: the most it can have while nobody before it
    loses and everybody after it keeps its minimum. Once up to what each needs, then to its maximum.
    """
    if not admitted:
        return {}
    usage, free = _constraints(snapshot, admitted)
    least = [d.current_a_min for d in admitted]
    for most in ([ceiling_of(d) for d in admitted], [d.current_a_max for d in admitted]):
        for i in range(len(admitted)):
            answer = linprog(
                -np.eye(len(admitted))[i],
                A_ub=usage,
                b_ub=free + ROUNDING_A,
                bounds=[(a, max(a, most[i]) if j == i else a) for j, a in enumerate(least)],
                method="highs",
            )
            assert answer.status == 0, answer.message
            least[i] = -answer.fun
    return {demand.key: current for demand, current in zip(admitted, least, strict=True)}


def _max_min(snapshot: Snapshot, admitted: list[Demand], bounds: Bounds) -> dict[EvseKey, float]:
    count = len(admitted)
    usage, free = _constraints(snapshot, admitted)
    free += ROUNDING_A
    settled: dict[int, float] = {}
    while len(settled) < count:
        open_ = [i for i in range(count) if i not in settled]
        above_level = np.zeros((len(open_), count + 1))
        for row, i in enumerate(open_):
            above_level[row, i], above_level[row, count] = -1.0, admitted[i].weight
        answer = linprog(
            np.r_[np.zeros(count), -1.0],
            A_ub=np.vstack([np.c_[usage, np.zeros(len(usage))], above_level]),
            b_ub=np.r_[free, np.zeros(len(open_))],
            bounds=[(settled[i], settled[i]) if i in settled else bounds[i] for i in range(count)]
            + [(None, None)],
            method="highs",
        )
        assert answer.status == 0, answer.message
        level = -answer.fun
        prices = -answer.ineqlin.marginals[len(usage) :]
        priced = [i for i, price in zip(open_, prices, strict=True) if price > PRICE_MIN]
        assert priced, "an optimum without a price"
        for i in priced:
            settled[i] = min(max(level * admitted[i].weight, bounds[i][0]), bounds[i][1])
    return {admitted[i].key: current for i, current in settled.items()}


def _constraints(snapshot: Snapshot, admitted: list[Demand]) -> tuple[np.ndarray, np.ndarray]:
    parent_of = {c.circuit_id: c.parent_id for c in snapshot.circuits}
    above: dict[EvseKey, set[str]] = {}
    for demand in admitted:
        ids, current = set(), demand.circuit_id
        while current is not None:
            ids.add(current)
            current = parent_of[current]
        above[demand.key] = ids
    rows, free = [], []
    for circuit in snapshot.circuits:
        for phase in PHASES:
            rows.append(
                [float(circuit.circuit_id in above[d.key] and phase in d.phases) for d in admitted]
            )
            free.append(circuit.cap_a[phase] - (circuit.base_a[phase] or 0.0))
    for group in snapshot.groups:
        for phase in PHASES:
            rows.append([float(d.key in group.members and phase in d.phases) for d in admitted])
            free.append(group.cap_a[phase])
    return np.array(rows), np.array(free)
