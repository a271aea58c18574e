"""How much each car gives back while the building alone would exceed a peak-demand target.

Only what is missing is asked for, in whole amperes, and never more than may flow back at any place
on the way. Who hasn't shown yet what it was told counts as giving all of it, and nobody is raised
meanwhile. It lowers no limit's exposure: what a car gives is no room for another.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sitecontroller.domain.topology import NOMINAL_V, PHASES

STEP_A = 1.0
EPSILON = 1e-6
CHARGES_AT = 0.5
"""The part of its outlet's current that a car can count on when it charges again."""
UNKNOWN_NEED_S = 7200.0
"""Nobody said what a car needs: two hours at full current, as elsewhere."""
SOC_TO_BEGIN_PERCENT = 2.0
"""By so much it must be above its minimum before it begins, so that it doesn't flutter there."""


@dataclass(frozen=True, slots=True)
class Battery:
    """A car that may give back. `most_a` is per phase; `gives_a` the most it may be giving now;
    `proven` that its own meter showed so since it was told (`told_a`)."""

    name: str
    phases: tuple[int, ...]
    most_a: float
    told_a: float = 0.0
    gives_a: float = 0.0
    proven: bool = True


@dataclass(frozen=True, slots=True)
class Place:
    """A circuit with the names of the batteries below it. `spare_a`: by how much more may flow
    back on each phase than now; below 0 it is too much already, None: not known."""

    spare_a: tuple[float | None, float | None, float | None]
    below: frozenset[str]


@dataclass(frozen=True, slots=True)
class Stock:
    """What is known of a car's battery and its plans; None: nobody said."""

    soc_percent: float | None
    departs_in_s: float | None
    need_wh: float | None
    """Still needed, with what it gave back since."""
    full_w: float
    """What its outlet can give it."""


def may_give(
    stock: Stock, *, gives: bool, soc_percent_min: float, reserve_wh: float, ahead_s: float
) -> bool:
    """Whether it has something to give for another `ahead_s`: it stays above its minimum, and until
    it leaves it can take back what it needs and `reserve_wh` more."""
    if stock.soc_percent is None:
        return False
    above = 0.0 if gives else SOC_TO_BEGIN_PERCENT
    if stock.soc_percent <= soc_percent_min + above:
        return False
    if stock.departs_in_s is None:
        return True
    full_wh_s = stock.full_w / 3600
    need_wh = UNKNOWN_NEED_S * full_wh_s if stock.need_wh is None else stock.need_wh
    given_wh = ahead_s * full_wh_s
    regained_wh = max(0.0, stock.departs_in_s - ahead_s) * full_wh_s * CHARGES_AT
    return regained_wh >= need_wh + reserve_wh + given_wh


def shared_discharge(
    wanted_w: float, batteries: Sequence[Battery], places: Sequence[Place]
) -> Mapping[str, float]:
    """A per phase by name, 0 for who gives nothing: the same for all as far as they can, until
    `wanted_w` is covered at nominal voltage."""
    given_a = {battery.name: 0.0 for battery in batteries}
    if not math.isfinite(wanted_w) or wanted_w <= 0:
        return given_a
    by_name = {battery.name: battery for battery in batteries}
    rooms = [_rooms(place, by_name) for place in places]
    all_proven = all(battery.proven for battery in batteries)
    left_w = wanted_w
    open_ = [battery for battery in batteries if battery.phases]
    while open_ and left_w > EPSILON:
        battery = min(open_, key=lambda one: given_a[one.name])
        ceiling_a = battery.most_a if all_proven else min(battery.most_a, battery.told_a)
        mine = [
            room for place, room in zip(places, rooms, strict=True) if battery.name in place.below
        ]
        fits = all(room[phase] + EPSILON >= STEP_A for room in mine for phase in battery.phases)
        if not mine or not fits or given_a[battery.name] + STEP_A > ceiling_a + EPSILON:
            open_.remove(battery)
            continue
        given_a[battery.name] += STEP_A
        left_w -= STEP_A * NOMINAL_V * len(battery.phases)
        for room in mine:
            for phase in battery.phases:
                room[phase] -= STEP_A
    return given_a


def _rooms(place: Place, by_name: Mapping[str, Battery]) -> list[float]:
    """What may be given back below a place in all, by phase; nothing where it isn't known."""
    rooms = []
    for phase in PHASES:
        spare_a = place.spare_a[phase]
        given_a = sum(
            by_name[name].gives_a
            for name in place.below
            if name in by_name and phase in by_name[name].phases
        )
        rooms.append(0.0 if spare_a is None else max(0.0, spare_a + given_a))
    return rooms
