"""The most that could be delivered, by whoever knew all arrivals, departures and needs before.

One linear programme (scipy HiGHS) for each time in which the garage is never empty. Between two
events a car's power may be taken as constant without loss; there is no minimum of 6 A. So it is a
bound that no rule can pass.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_matrix

from tests.bench.garage import POWER_W_MAX, Session


def most_energy_wh(sessions: Sequence[Session], capacity_w: float) -> float:
    """Delivered energy of the best schedule in hindsight."""
    return sum(_most_wh(together, capacity_w) for together in _together(sessions))


def most_met(sessions: Sequence[Session], capacity_w: float) -> int:
    """No schedule meets more sessions: where one could be met in part, that part counts."""
    parts = sum(_most_wh(together, capacity_w, whole=True) for together in _together(sessions))
    return int(parts + 1e-6)


def _together(sessions: Sequence[Session]) -> Iterator[list[Session]]:
    group: list[Session] = []
    for session in sorted(sessions, key=lambda session: session.arrives_s):
        if group and session.arrives_s >= max(other.departs_s for other in group):
            yield group
            group = []
        group.append(session)
    if group:
        yield group


def _most_wh(sessions: Sequence[Session], capacity_w: float, *, whole: bool = False) -> float:
    """`whole`: count sessions, each by the share of its need, instead of energy."""
    times = sorted({t for session in sessions for t in (session.arrives_s, session.departs_s)})
    place = {time_s: number for number, time_s in enumerate(times)}
    hours = np.diff(times) / 3600
    car, slot = np.array(
        [
            (number, k)
            for number, session in enumerate(sessions)
            for k in range(place[session.arrives_s], place[session.departs_s])
        ]
    ).T
    columns = np.arange(len(car))
    usage = coo_matrix(
        (
            np.ones(2 * len(car)),
            (np.r_[car, len(sessions) + slot], np.r_[columns, columns]),
        )
    )
    need_wh = np.array([session.need_wh for session in sessions])
    answer = linprog(
        -1 / need_wh[car] if whole else -np.ones(len(car)),
        A_ub=usage.tocsr(),
        b_ub=np.r_[need_wh, capacity_w * hours],
        bounds=np.c_[np.zeros(len(car)), POWER_W_MAX * hours[slot]],
        method="highs",
    )
    assert answer.status == 0, answer.message
    return -float(answer.fun)
