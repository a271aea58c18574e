"""Named ways to share what is there; the name is shown to people.

A policy says who comes first, and whether those who may charge share by weight (with twice the
weight a car gets twice the current, as far as circuits, station and car allow) or take turns: the
first all it can use, then the next.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sitecontroller.dlm.admission import order_of, plug_in_order
from sitecontroller.dlm.departures import by_laxity
from sitecontroller.dlm.room import Room
from sitecontroller.dlm.snapshot import EQUAL_SHARE, Demand

Order = Callable[[Sequence[Demand], Room, float], list[Demand]]
"""Demands, room and volts to the order in which they are served."""


@dataclass(frozen=True, slots=True)
class Policy:
    """`order` must not depend on the order it is given."""

    order: Order
    in_turn: bool


def _by_admission(demands: Sequence[Demand], _: Room, voltage_v: float) -> list[Demand]:
    return sorted(demands, key=lambda demand: order_of(demand, voltage_v))


def _by_plug_in(demands: Sequence[Demand], _room: Room, _voltage_v: float) -> list[Demand]:
    return sorted(demands, key=lambda demand: (demand.demand_class, *plug_in_order(demand)))


POLICIES = {
    EQUAL_SHARE: Policy(_by_admission, in_turn=False),
    "first come": Policy(_by_plug_in, in_turn=True),
    "laxity": Policy(by_laxity, in_turn=True),
}
"""Everybody the same by weight; by time of plug-in; by how urgent the departure is."""
