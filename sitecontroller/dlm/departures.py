"""Who must charge now to leave in time: laxity, and what to do when not everybody can.

A car's laxity is its time left less the time it needs at its full current. Where there isn't
enough for all, current is scarce for a time: until then all there is finds takers, whatever is
done. What a car can still get later is best left for later, or that current finds nobody to take
it. So who has more laxity than the scarce time lasts comes later, and of the others only what they
need within it counts. What can't be delivered of that is taken off whoever needs most: few go
short, the others leave with what they asked for. The tightest circuit-phase on a car's way decides
whom it competes with.
"""

from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from sitecontroller.dlm.room import Room
from sitecontroller.dlm.snapshot import Demand
from sitecontroller.domain.topology import EvseKey

GRAIN_S = 300.0
"""Laxities and departures within this are alike: whoever charges goes on."""
READY_S = 75.0
"""So long before its departure a car is to have what it needs."""
URGENT_S = 900.0
"""With less laxity than this a pause of 15 min can't be made up."""
STAY_S = 4 * 3600.0
"""From now on, where nobody said; waiting shortens it by up to an hour."""
CHARGE_S = 2 * 3600.0
"""At full current, where nobody said how much a car needs."""
COUNTED_ON = 0.85
"""Of the current there is: the rest goes to cars that are still to come, when cars are chosen."""
SPARED_S = 600.0
"""So much of one car's charging may be lost after the scarce time when that is cut short."""
SHORTAGE_S = 1.0
"""What is missing beyond this isn't a rounding."""

NOW, IN_TIME, SHORT, LATER, SATED = range(5)
"""Leaves in time if served at once; or soon; goes short; can wait; needs nothing more."""

Place = tuple[int, float]
"""One of these, and seconds by which cars of the same are ordered."""
UrgencyOrder = tuple[int, int, float, float, float, float, str, int]


def laxity_s(demand: Demand, voltage_v: float) -> float:
    """How long it could wait and still leave with what it needs; below 0: no longer."""
    return stay_s(demand) - charge_s(demand, voltage_v)


def stay_s(demand: Demand) -> float:
    """Until it leaves; a departure in the past is none."""
    departs_in_s = demand.departs_in_s
    if departs_in_s is None or departs_in_s <= 0:
        return max(0.0, STAY_S - demand.credit_s)
    return departs_in_s


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


class Car(NamedTuple):
    """A demand and what follows from it, worked out once."""

    demand: Demand
    stays_s: float
    """Until it is to be ready."""
    needed_s: float
    ceiling_a: float

    @property
    def laxity_s(self) -> float:
        """How long it could wait."""
        return self.stays_s - self.needed_s

    @property
    def served_s(self) -> float:
        """At full current, as far as its stay allows."""
        return min(self.needed_s, self.stays_s)


def by_laxity(demands: Sequence[Demand], room: Room, voltage_v: float) -> list[Demand]:
    """Within each class first who leaves in time by charging now, then who can't, then who can
    wait until current isn't scarce, then who needs nothing more. Of equally urgent ones whoever
    charges goes on."""
    cars = [
        Car(
            demand,
            max(0.0, stay_s(demand) - READY_S),
            charge_s(demand, voltage_v),
            ceiling_of(demand),
        )
        for demand in demands
    ]
    places: dict[EvseKey, Place] = {}
    for rivals, capacity_a in _rivals(cars, room):
        until_s = scarce_until(rivals, capacity_a)
        places.update(triage(rivals, COUNTED_ON * capacity_a, until_s))

    def urgency(car: Car) -> UrgencyOrder:
        demand, stays_s, needed_s, _ = car
        if needed_s > 0:
            rank, order_s = places.get(demand.key) or (LATER, stays_s - needed_s)
        else:
            rank, order_s = SATED, stays_s
        return (
            int(demand.demand_class),
            rank,
            order_s // GRAIN_S,
            -demand.limit_a,
            stays_s,
            demand.plugged_s,
            demand.key.station_id,
            demand.key.evse_id,
        )

    return [car.demand for car in sorted(cars, key=urgency)]


def scarce_until(rivals: Iterable[Car], capacity_a: float) -> float:
    """How long from now on `capacity_a` is taken whole by those who are here, whatever is done.

    No more can be delivered than all there is until an instant and what cars can take after it.
    The instant at which that is least ends the scarce time. Of instants that are nearly as bad the
    first counts (`SPARED_S`): whoever has more laxity than that may wait.
    """
    bends: list[tuple[float, float]] = []
    most_as = largest_a = 0.0
    for car in rivals:
        served_s = car.served_s
        if served_s > 0:
            most_as += served_s * car.ceiling_a
            largest_a = max(largest_a, car.ceiling_a)
            bends.append((car.stays_s - served_s, car.ceiling_a))
            bends.append((car.stays_s, -car.ceiling_a))
    curve = [(0.0, most_as)]
    missed_a = before_s = 0.0
    for at_s, ceiling_a in sorted(bends):
        most_as += (capacity_a - missed_a) * (at_s - before_s)
        missed_a += ceiling_a
        before_s = at_s
        curve.append((at_s, most_as))
    bound_as = min(most_as for _, most_as in curve) + SPARED_S * largest_a
    end = next(number for number, (_, most_as) in enumerate(curve) if most_as <= bound_as)
    if end == 0:
        return 0.0
    (before_s, before_as), (at_s, at_as) = curve[end - 1 : end + 1]
    return before_s + (at_s - before_s) * (before_as - bound_as) / (before_as - at_as)


def triage(rivals: Iterable[Car], capacity_a: float, until_s: float) -> dict[EvseKey, Place]:
    """The places of those who can't wait until the scarce time is over.

    Departure by departure: where all that is due by then exceeds what `capacity_a` gives, the
    excess is taken off the lowest class, there off who goes short anyway, then off the largest.
    Who gets all of its part is served by departure, or before that when it can't wait any more.
    """
    pressed = [car for car in rivals if car.needed_s > 0 and car.laxity_s < until_s]
    cars = sorted(pressed, key=lambda car: (min(car.stays_s, until_s), car.demand.key))
    part_s = [max(0.0, car.served_s - max(0.0, car.stays_s - until_s)) for car in cars]
    load_as: list[float] = []
    largest: list[tuple[int, bool, float, int]] = []
    due_as = 0.0
    for number, (demand, stays_s, needed_s, ceiling_a) in enumerate(cars):
        load_as.append(part_s[number] * ceiling_a)
        met = needed_s <= stays_s + SHORTAGE_S
        heappush(largest, (-int(demand.demand_class), met, -load_as[number], number))
        due_as += load_as[number]
        excess_as = due_as - capacity_a * min(stays_s, until_s)
        while excess_as > 0 and largest:
            class_order, _, _, loser = heappop(largest)
            cut_as = min(load_as[loser], excess_as)
            excess_as -= cut_as
            due_as -= cut_as
            load_as[loser] -= cut_as
            if load_as[loser] > 0:
                heappush(largest, (class_order, False, -load_as[loser], loser))
    return {
        car.demand.key: _place(car, part, whole=load > (part - SHORTAGE_S) * car.ceiling_a)
        for car, part, load in zip(cars, part_s, load_as, strict=True)
    }


def _place(car: Car, part_s: float, *, whole: bool) -> Place:
    """By departure, which stops cars least often, where there is time for that."""
    if not whole:
        return SHORT, car.laxity_s
    waits_s = car.stays_s - part_s
    return (NOW, waits_s) if waits_s < URGENT_S else (IN_TIME, car.stays_s)


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
        (members, part[entry] * sum(car.ceiling_a for car in members))
        for entry, members in rivals.items()
    ]
