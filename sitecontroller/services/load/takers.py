"""What limits in watts need of the cycle: who would charge, and what a reading says in watts."""

from collections.abc import Iterable

from sitecontroller.dlm.admission import minimum_of, order_of
from sitecontroller.dlm.shares import Taker, power_of
from sitecontroller.dlm.snapshot import Amperes, Demand
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.topology import HIGHEST_V, NOMINAL_V

BELIEVABLE_V = NOMINAL_V / 2


def import_w(reading: MeterReading) -> float | None:
    """Active power that flows in, below 0 where it flows out; where the meter tells none the most
    that its currents can be, None where it tells neither."""
    if reading.power_w is not None:
        return reading.power_w
    one_a, two_a, three_a = reading.current_a
    if one_a is None or two_a is None or three_a is None:
        return None
    return power_of((abs(one_a), abs(two_a), abs(three_a)), voltages(reading))


def voltages(reading: MeterReading) -> Amperes:
    """Measured, per phase to neutral; where it isn't, the highest that EN 50160 allows."""
    one, two, three = (
        volts if volts is not None and volts > BELIEVABLE_V else HIGHEST_V
        for volts in reading.voltage_v
    )
    return one, two, three


def charging(demands: Iterable[Demand]) -> list[Demand]:
    """Who would charge and can be told so, in the order of admission."""
    found = [
        demand
        for demand in demands
        if demand.steerable
        and demand.wants
        and not demand.paused_by
        and (demand.may_start or demand.limit_a > 0)
    ]
    return sorted(found, key=lambda demand: order_of(demand, NOMINAL_V))


def taker_of(demand: Demand) -> Taker:
    """What it was seen to need counts, not what it might."""
    minimum_a, maximum_a = minimum_of(demand), demand.current_a_max
    if demand.need_a is not None:
        maximum_a = min(maximum_a, demand.need_a)
    return Taker(demand.phases, minimum_a, max(minimum_a, maximum_a))


def unsteered_a(demands: Iterable[Demand]) -> Amperes:
    """What those may draw that can't be told anything now, per phase."""
    sums = [0.0, 0.0, 0.0]
    for demand in demands:
        if not demand.steerable:
            for phase in demand.phases:
                sums[phase] += demand.exposure_a
    return sums[0], sums[1], sums[2]
