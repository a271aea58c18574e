"""Who charges at all when there isn't room for everybody's minimum.

A car gets at least its minimum or nothing. Order: class; then whoever can't wait if it is to leave
in time, then whoever runs for less than 15 min (contactors and drivers want rest), then whoever has
been waiting or running longer by credit, then who waits for less than 15 min; then plug-in time.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

from sitecontroller.dlm.departures import URGENT_S, laxity_s
from sitecontroller.dlm.room import EPSILON_A, Bundle
from sitecontroller.dlm.snapshot import Demand

RUN_S_MIN = 900.0
PAUSE_S_MIN = 900.0
STEP_SLACK = 1e-6
"""Of a step: what a division of floats may be short of a whole number."""
KINDS_MAX = 256
"""Pairs of minimum and step that are remembered."""

AdmissionOrder = tuple[int, int, float, float, str, int]
GUARANTEED = (-1, 0)
"""Before every class."""
URGENT, RUNS_SHORTLY, SETTLED, WAITS_SHORTLY = range(4)


def order_of(demand: Demand, voltage_v: float) -> AdmissionOrder:
    """The smaller is admitted first. Unique per EVSE, so that results don't depend on input order.

    Credit counts only once both sides had their 15 minutes.
    """
    rank = rank_of(demand, voltage_v)
    credit_s = demand.credit_s if rank == SETTLED else 0.0
    return (int(demand.demand_class), rank, -credit_s, *plug_in_order(demand))


def plug_in_order(demand: Demand) -> tuple[float, str, int]:
    """Who came first; unique per EVSE."""
    return demand.plugged_s, demand.key.station_id, demand.key.evse_id


def rank_of(demand: Demand, voltage_v: float) -> int:
    """What stands above credit; rest and rotation are soft: a departure goes before them."""
    if demand.departs_in_s is not None and laxity_s(demand, voltage_v) < URGENT_S:
        return URGENT
    settled_s = demand.settled_s
    if demand.limit_a > 0:
        return RUNS_SHORTLY if settled_s is not None and settled_s < RUN_S_MIN else SETTLED
    return SETTLED if settled_s is not None and settled_s >= PAUSE_S_MIN else WAITS_SHORTLY


def holds(demands: Sequence[Demand], voltage_v: float) -> list[tuple[int, int] | None]:
    """Per demand its place among those whose minimum is set aside first; None: it has none.

    Who charges and is urgent, or charges for less than 15 min, isn't stopped for one of its own
    class; it is for a higher class, all of which come before it, and whoever has a guaranteed
    current before those.
    """
    ranks = [rank_of(demand, voltage_v) for demand in demands]
    held = [d.limit_a > 0 and rank <= RUNS_SHORTLY for d, rank in zip(demands, ranks, strict=True)]
    lowest = max(
        (d.demand_class for d, is_held in zip(demands, held, strict=True) if is_held), default=0
    )
    return [
        GUARANTEED
        if demand.guaranteed_a > 0
        else (int(demand.demand_class), rank)
        if is_held or demand.demand_class < lowest
        else None
        for demand, rank, is_held in zip(demands, ranks, held, strict=True)
    ]


def minimum_of(demand: Demand) -> float:
    """The least it can charge with, on its own grid of steps."""
    return _whole_steps(demand.current_a_min, demand.step_a)


def on_step(current_a: float, step_a: float) -> float:
    """The next lower current that a station can be told."""
    return round(int(current_a / step_a + STEP_SLACK) * step_a, 6)


def up_to_step(current_a: float, step_a: float) -> float:
    """The next higher current that a station can be told."""
    return round(math.ceil(current_a / step_a - STEP_SLACK) * step_a, 6)


_whole_steps = lru_cache(maxsize=KINDS_MAX)(up_to_step)


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
