"""Who must charge now to leave in time: laxity, and what to do when not everybody can.

A car's laxity is its time left less the time it needs at its full current. Serving the least laxity
first wastes almost nothing, but where there isn't enough for all, everybody leaves a little short.
So what can't be delivered in time is first taken off whoever needs most: few go short, the others
leave with what they asked for. The tightest circuit-phase on a car's way decides whom it competes
with.
"""

from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from sitecontroller.dlm.room import Room
from sitecontroller.dlm.snapshot import Demand
from sitecontroller.domain.topology import EvseKey

GRAIN_S = 600.0
"""No departure is known better than this, overdue ones neither; laxities within it are alike."""
URGENT_S = 900.0
"""With less laxity than this a pause of 15 min can't be made up."""
STAY_S = 4 * 3600.0
"""From now on, where nobody said; waiting shortens it by up to an hour."""
CHARGE_S = 2 * 3600.0
"""At full current, where nobody said how much a car needs."""
COUNTED_ON = 0.8
"""Of the current there is: the rest goes to cars that are still to come, when plans are made."""
SHORTAGE_S = 1.0
"""What is missing beyond this isn't a rounding."""

UrgencyOrder = tuple[int, int, float, float, float, float, str, int]


def laxity_s(demand: Demand, voltage_v: float) -> float:
    """How long it could wait and still leave with what it needs; below 0: no longer."""
    return stay_s(demand) - charge_s(demand, voltage_v)


def stay_s(demand: Demand) -> float:
    """Until it leaves, at least `GRAIN_S`."""
    departs_in_s = demand.departs_in_s
    if departs_in_s is None:
        departs_in_s = STAY_S - demand.credit_s
    return max(GRAIN_S, departs_in_s)


def charge_s(demand: Demand, voltage_v: float) -> float:
    """How long it needs at the most current it takes."""
    if demand.energy_need_wh is None:
        return CHARGE_S
    power_w = ceiling_of(demand) * voltage_v * len(demand.phases)
    return max(0.0, demand.energy_need_wh) * 3600.0 / power_w


def ceiling_of(demand: Demand) -> float:
    """The most a car needs: the station's maximum, or what it was seen to take."""
    if demand.need_a is None:
        return demand.current_a_max
    return min(demand.current_a_max, demand.need_a)


def by_laxity(demands: Sequence[Demand], room: Room, voltage_v: float) -> list[Demand]:
    """The most urgent first, within each class; then who can't be met any more, then who needs
    nothing more. Of equally urgent ones whoever charges goes on."""
    cars = [
        Car(demand, stay_s(demand), charge_s(demand, voltage_v), ceiling_of(demand))
        for demand in demands
    ]
    planned_s: dict[EvseKey, float] = {}
    for rivals, capacity_a in _rivals(cars, room):
        planned_s.update(plan(rivals, capacity_a))

    def urgency(car: Car) -> UrgencyOrder:
        demand, stays_s, needed_s, _ = car
        served_s = planned_s.get(demand.key, min(needed_s, stays_s))
        return (
            int(demand.demand_class),
            0 if served_s > 0 else 1 if needed_s > 0 else 2,
            (stays_s - (served_s or needed_s)) // GRAIN_S,
            -demand.limit_a,
            stays_s,
            demand.plugged_s,
            demand.key.station_id,
            demand.key.evse_id,
        )

    return [car.demand for car in sorted(cars, key=urgency)]


class Car(NamedTuple):
    """A demand and what follows from it, worked out once."""

    demand: Demand
    stays_s: float
    needed_s: float
    ceiling_a: float


def plan(rivals: Iterable[Car], capacity_a: float) -> dict[EvseKey, float]:
    """Per EVSE the time at full current that its car is to be served before it leaves.

    Departure by departure: where all that is due by then exceeds what `capacity_a` gives, the
    excess is taken off the lowest class, there off who goes short anyway, then off the largest.
    """
    cars = sorted(rivals, key=_departure)
    load_as: list[float] = []
    largest: list[tuple[int, bool, float, int]] = []
    due_as = 0.0
    for number, (demand, stays_s, needed_s, ceiling_a) in enumerate(cars):
        load_as.append(min(needed_s, stays_s) * ceiling_a)
        met = needed_s <= stays_s + SHORTAGE_S
        heappush(largest, (-int(demand.demand_class), met, -load_as[number], number))
        due_as += load_as[number]
        excess_as = due_as - capacity_a * stays_s
        while excess_as > 0 and largest:
            class_order, _, _, loser = heappop(largest)
            cut_as = min(load_as[loser], excess_as)
            excess_as -= cut_as
            due_as -= cut_as
            load_as[loser] -= cut_as
            if load_as[loser] > 0:
                heappush(largest, (class_order, False, -load_as[loser], loser))
    return {car.demand.key: load / car.ceiling_a for car, load in zip(cars, load_as, strict=True)}


def _departure(car: Car) -> tuple[float, str, int]:
    return car.stays_s, car.demand.key.station_id, car.demand.key.evse_id


def _rivals(cars: Iterable[Car], room: Room) -> list[tuple[list[Car], float]]:
    """Those who compete for an entry of the room that can't give all their full current.

    Each belongs to the tightest entry on its way, with its share of what that entry has.
    """
    eager = [
        (car, room.entries(car.demand))
        for car in cars
        if car.demand.wants and not car.demand.paused_by
    ]
    wanted_a = [0.0] * len(room.free_a)
    for car, entries in eager:
        for entry in entries:
            wanted_a[entry] += car.ceiling_a
    part = [
        max(0.0, free) / wanted if wanted > 0 else 1.0
        for free, wanted in zip(room.free_a, wanted_a, strict=True)
    ]
    rivals: dict[int, list[Car]] = {}
    for car, entries in eager:
        tightest = min(entries, key=part.__getitem__)
        if part[tightest] < 1.0:
            rivals.setdefault(tightest, []).append(car)
    return [
        (members, COUNTED_ON * part[entry] * sum(car.ceiling_a for car in members))
        for entry, members in rivals.items()
    ]
