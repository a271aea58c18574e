"""Who charges at all when there isn't room for everybody's minimum.

A car gets at least its minimum or nothing. Order: class; then whoever runs for less than 15 min
(contactors and drivers want rest), then whoever has been waiting or running longer by credit, then
who waits for less than 15 min; then plug-in time.
"""

import math
from functools import lru_cache

from sitecontroller.dlm.room import EPSILON_A, Bundle
from sitecontroller.dlm.snapshot import Demand

RUN_S_MIN = 900.0
PAUSE_S_MIN = 900.0
STEP_SLACK = 1e-6
"""Of a step: what a division of floats may be short of a whole number."""
KINDS_MAX = 256
"""Pairs of minimum and step that are remembered."""

AdmissionOrder = tuple[int, int, float, float, str, int]


def order_of(demand: Demand) -> AdmissionOrder:
    """The smaller is admitted first. Unique per EVSE, so that results don't depend on input order.

    Credit counts only once both sides had their 15 minutes.
    """
    settled_s = demand.settled_s
    if demand.limit_a > 0:
        rank = 0 if settled_s is not None and settled_s < RUN_S_MIN else 1
    else:
        rank = 1 if settled_s is not None and settled_s >= PAUSE_S_MIN else 2
    credit_s = demand.credit_s if rank == 1 else 0.0
    key = demand.key
    return (
        int(demand.demand_class),
        rank,
        -credit_s,
        demand.plugged_s,
        key.station_id,
        key.evse_id,
    )


def minimum_of(demand: Demand) -> float:
    """The least it can charge with, on its own grid of steps."""
    return _whole_steps(demand.current_a_min, demand.step_a)


@lru_cache(maxsize=KINDS_MAX)
def _whole_steps(current_a: float, step_a: float) -> float:
    return round(math.ceil(current_a / step_a - STEP_SLACK) * step_a, 6)


def admit(
    count: int, minimum_a: list[float], bundles: list[Bundle], free_a: list[float]
) -> dict[int, int]:
    """Admit demands 0 … count−1 in their order at their minimum and take it from `free_a`.

    Returns for each refused demand the entry that had no room for it; `free_a` is changed. One
    that doesn't fit doesn't keep a later one out that does.
    """
    rest_a = free_a.copy()
    for bundle in bundles:
        sum_a = math.fsum(minimum_a[number] for number in bundle.members)
        for entry in bundle.entries:
            rest_a[entry] -= sum_a
    if all(rest_a[entry] >= -EPSILON_A for bundle in bundles for entry in bundle.entries):
        free_a[:] = rest_a
        return {}
    return _admit_one_by_one(count, minimum_a, bundles, free_a)


def _admit_one_by_one(
    count: int, minimum_a: list[float], bundles: list[Bundle], free_a: list[float]
) -> dict[int, int]:
    entries_of: list[tuple[int, ...]] = [()] * count
    for bundle in bundles:
        for number in bundle.members:
            entries_of[number] = bundle.entries
    refused: dict[int, int] = {}
    for number, entries in enumerate(entries_of):
        least_a = minimum_a[number] - EPSILON_A
        for entry in entries:
            if free_a[entry] < least_a:
                refused[number] = entry
                break
        else:
            for entry in entries:
                free_a[entry] -= minimum_a[number]
    return refused
