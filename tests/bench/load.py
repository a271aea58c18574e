"""How long the allocator takes, and how that compares with a linear programme on the same site.

One site per size, wanting more than there is; a tenth of it waits and some cars need less than
they could get, so that admission, both fillings and the rounding all have work.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace

from sitecontroller.dlm import Snapshot, allocate
from tests.unit.dlm.oracle import lexicographic_max_min
from tests.unit.dlm.trees import Mix, random_snapshot

SIZES = {"54": (54, 4), "200x50": (200, 50), "1000x300": (1000, 100)}
"""EVSEs and circuits; a circuit has three constraints."""
ROUNDS = 31
SEED = 1


def run() -> dict[str, float]:
    """Medians in milliseconds, and by how much the allocator beats the programme at 54 EVSEs."""
    figures: dict[str, float] = {}
    for name, (evses, circuits) in SIZES.items():
        snapshot = site(evses, circuits)
        figures[f"allocate_{name}_ms"] = 1000 * median_s(lambda: allocate(snapshot), ROUNDS)  # noqa: B023
        leaving = replace(site(evses, circuits, departures=True), policy="laxity")
        figures[f"laxity_{name}_ms"] = 1000 * median_s(lambda: allocate(leaving), ROUNDS)  # noqa: B023
    small = site(*SIZES["54"])
    result = allocate(small)
    admitted = [d for d in small.demands if result[d.key].current_a > 0]
    figures["lp_54_ms"] = 1000 * median_s(lambda: lexicographic_max_min(small, admitted), 3)
    figures["lp_over_allocate_54"] = figures["lp_54_ms"] / figures["allocate_54_ms"]
    return figures


def site(evses: int, circuits: int, *, departures: bool = False) -> Snapshot:
    """A site of that size with half of what its cars could take."""
    mix = Mix(circuits=circuits, evses=evses, tightness=0.5)
    return random_snapshot(SEED, mix, departures=departures)


def median_s(work: Callable[[], object], rounds: int) -> float:
    """The median of that many runs."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)
