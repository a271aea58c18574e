"""From the cycle's last snapshot, prices and forecasts to the problem that a plan solves.

Cars whose departure nobody told are planned to charge at once, so that room is kept for them, or,
where the settings say so, within `STAY_S` of their plug-in.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sitecontroller.config import PlanningSettings
from sitecontroller.dlm.admission import minimum_of
from sitecontroller.dlm.departures import STAY_S, ceiling_of, charge_s
from sitecontroller.dlm.snapshot import CircuitState, Demand, Snapshot
from sitecontroller.domain.topology import NOMINAL_V, EvseKey
from sitecontroller.planning import CircuitRoom, Problem, Quantiles, Stay
from sitecontroller.planning.problem import UNMET_PENALTY_PER_KWH
from sitecontroller.services.planning.prices import Price
from sitecontroller.services.planning.series import QUARTER_S, quarter_of

EARLIER_S = 2700.0
"""Plans have a car ready so long before it leaves: for taper, errors of forecasts, and so that it
keeps more to spare than `dlm.advice.SLACK_S` as long as the plan comes true."""
PEAK_PRICE_PER_KW = 1.0
"""What counts where the peak alone is to be low and no demand charge is set."""
PENALTY_HOURS = 8.0
"""A kWh that a car misses weighs so many kW of peak at least: no car leaves short for it."""

SAME_DEPARTURE = timedelta(seconds=60)
SAME_WH = 200.0

Predict = Callable[[str, datetime, int], list[Quantiles | None]]
"""(circuit, start, quarter hours) → what it draws besides EVSEs, W."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """A problem and what it was made of. `base` is the forecast of the grid connection; `leaves`:
    when cars are taken to leave that didn't say so and yet wait; `departs` as drivers said."""

    problem: Problem
    prices: tuple[Price, ...]
    base: tuple[Quantiles | None, ...]
    leaves: Mapping[EvseKey, datetime]
    departs: Mapping[EvseKey, datetime]
    phase_counts: Mapping[EvseKey, int]


class Wish(NamedTuple):
    """When a driver means to leave and what the car needs till then; None: nobody said."""

    departs_at: datetime | None
    need_wh: float | None


SILENT = Wish(None, None)


def wishes_of(snapshot: Snapshot, now: datetime) -> dict[EvseKey, Wish]:
    """What all cars want now."""
    return {
        demand.key: Wish(
            None if demand.departs_in_s is None else now + timedelta(seconds=demand.departs_in_s),
            demand.energy_need_wh,
        )
        for demand in snapshot.demands
    }


def are_new(before: Mapping[EvseKey, Wish], now: Mapping[EvseKey, Wish]) -> bool:
    """Whether somebody said a departure, another one or none any more, or needs more than before:
    that a need falls while a car charges is no news."""
    for key, wish in now.items():
        known = before.get(key, SILENT)
        before_at, now_at = known.departs_at, wish.departs_at
        if before_at is None or now_at is None:
            if before_at is not now_at:
                return True
        elif abs(now_at - before_at) > SAME_DEPARTURE:
            return True
        if wish.need_wh is not None and wish.need_wh > (known.need_wh or 0.0) + SAME_WH:
            return True
    return False


def look_ahead(
    snapshot: Snapshot,
    now: datetime,
    settings: PlanningSettings,
    prices: Sequence[Price],
    predict: Predict,
    peak_so_far_w: float,
    later_w: Mapping[str, Sequence[float]],
) -> Outlook | None:
    """None where a circuit's base load is unknown: there is nothing to plan with yet.

    A circuit's cap is taken to last, but for those in `later_w`, which has W by interval: what caps
    them now is for this quarter hour alone.
    """
    if any(None in circuit.base_a for circuit in snapshot.circuits):
        return None
    start_at = datetime.fromtimestamp(quarter_of(now) * QUARTER_S, UTC)
    count = len(prices)
    cars = [car for demand in snapshot.demands if (car := _car(demand, now, settings)) is not None]
    root_id = next(c.circuit_id for c in snapshot.circuits if c.parent_id is None)
    expected = {
        circuit.circuit_id: predict(circuit.circuit_id, start_at, count)
        for circuit in snapshot.circuits
    }
    present = {circuit.circuit_id: _present_w(circuit) for circuit in snapshot.circuits}
    rooms = tuple(
        CircuitRoom(
            circuit.circuit_id,
            circuit.parent_id,
            _limits_w(circuit, count, later_w.get(id_)),
            tuple(present[circuit.circuit_id] if q is None else q.high for q in expected[id_]),
        )
        for circuit in snapshot.circuits
        if (id_ := circuit.circuit_id)
    )
    by_peak = settings.target == "peak"
    charge = settings.demand_charge_per_kw or (PEAK_PRICE_PER_KW if by_peak else 0.0)
    weigh = PENALTY_HOURS * charge
    problem = Problem(
        start_at,
        tuple(car.stay for car in cars),
        rooms,
        tuple(present[root_id] if q is None else q.mid for q in expected[root_id]),
        tuple(0.0 if by_peak else float(price.per_kwh) for price in prices),
        (0.0 if by_peak else float(settings.feed_in),) * count,
        demand_charge_per_kw=charge,
        peak_so_far_w=0.0 if by_peak else peak_so_far_w,
        unmet_penalty_per_kwh={cls: w + weigh for cls, w in UNMET_PENALTY_PER_KWH.items()},
    )
    return Outlook(
        problem,
        tuple(prices),
        tuple(expected[root_id]),
        {car.stay.key: car.leaves_at for car in cars if car.leaves_at is not None},
        {car.stay.key: car.departs_at for car in cars if car.departs_at is not None},
        {car.stay.key: car.phase_count for car in cars},
    )


@dataclass(frozen=True, slots=True)
class _Car:
    stay: Stay
    phase_count: int
    departs_at: datetime | None
    leaves_at: datetime | None


def _car(demand: Demand, now: datetime, settings: PlanningSettings) -> _Car | None:
    """None for one that can't be steered, sleeps, is held by a person or needs nothing."""
    if not demand.steerable or not demand.wants or demand.paused_by:
        return None
    phase_count = len(demand.phases)
    minimum_w = minimum_of(demand) * NOMINAL_V * phase_count
    most_w = max(minimum_w, ceiling_of(demand) * NOMINAL_V * phase_count)
    needed_s = charge_s(demand, NOMINAL_V)
    need_wh = demand.energy_need_wh
    need_wh = most_w * needed_s / 3600.0 if need_wh is None else need_wh
    if need_wh <= 0:
        return None
    departs_at = leaves_at = None
    if demand.departs_in_s is not None:
        departs_at = now + timedelta(seconds=demand.departs_in_s)
        ready_s = max(demand.departs_in_s - EARLIER_S, min(needed_s, demand.departs_in_s))
    elif settings.without_departure:
        leaves_at = datetime.fromtimestamp(demand.plugged_s + STAY_S, UTC)
        ready_s = max((leaves_at - now).total_seconds() - EARLIER_S, needed_s)
    else:
        ready_s = needed_s
    stay = Stay(
        demand.key,
        demand.circuit_id,
        need_wh,
        most_w,
        minimum_w,
        arrives_at=now,
        departs_at=now + timedelta(seconds=max(0.0, ready_s)),
        demand_class=demand.demand_class,
    )
    return _Car(stay, phase_count, departs_at, leaves_at)


def _limits_w(
    circuit: CircuitState, count: int, later_w: Sequence[float] | None
) -> tuple[float, ...]:
    now_w = sum(circuit.cap_a) * NOMINAL_V
    return (now_w,) * count if later_w is None else (now_w, *later_w[1:])


def _present_w(circuit: CircuitState) -> float:
    return sum(a for a in circuit.base_a if a is not None) * NOMINAL_V
