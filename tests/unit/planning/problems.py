"""Random problems for the planner: a grid connection with two feeders, cars, prices, sun."""

import random
from datetime import UTC, datetime, timedelta

from sitecontroller.dlm.snapshot import DemandClass
from sitecontroller.domain.topology import EvseKey
from sitecontroller.planning import CircuitRoom, Problem, Stay

START_AT = datetime(2026, 11, 22, 18, tzinfo=UTC)
FEEDERS = ("north", "south")


def at(hours: float) -> datetime:
    """So many hours after the start of the horizon."""
    return START_AT + timedelta(hours=hours)


def random_problem(seed: int, *, minimum_w: float = 0.0) -> Problem:
    """The same seed gives the same problem; every third one has a demand charge."""
    rng = random.Random(seed)
    intervals = rng.randrange(8, 25)
    base_w = [rng.uniform(-8e3, 10e3) for _ in range(intervals)]
    stays = tuple(_stay(rng, number, intervals, minimum_w) for number in range(rng.randrange(2, 8)))
    careful_w = tuple(max(0.0, w) + 1e3 for w in base_w)
    return Problem(
        START_AT,
        stays,
        (
            CircuitRoom("grid", None, (rng.uniform(20e3, 40e3),) * intervals, careful_w),
            *(
                CircuitRoom(
                    feeder, "grid", (rng.uniform(8e3, 20e3),) * intervals, (0.0,) * intervals
                )
                for feeder in FEEDERS
            ),
        ),
        tuple(base_w),
        tuple(rng.uniform(-0.05, 0.5) for _ in range(intervals)),
        tuple(rng.uniform(-0.05, 0.1) for _ in range(intervals)),
        demand_charge_per_kw=rng.uniform(0.5, 10.0) if seed % 3 == 0 else 0.0,
        peak_so_far_w=rng.uniform(0.0, 20e3),
    )


def _stay(rng: random.Random, number: int, intervals: int, minimum_w: float) -> Stay:
    arrives_h = rng.uniform(0.0, intervals / 4 - 1.0)
    return Stay(
        EvseKey(f"CP-{number:02}", 1),
        rng.choice(FEEDERS),
        energy_need_wh=rng.uniform(1e3, 25e3),
        power_w_max=max(minimum_w, rng.choice((3680.0, 7360.0, 11040.0))),
        power_w_min=minimum_w,
        arrives_at=rng.choice((None, at(arrives_h))),
        departs_at=rng.choice((None, at(rng.uniform(arrives_h + 0.5, intervals / 4)))),
        demand_class=rng.choice(list(DemandClass)),
    )
