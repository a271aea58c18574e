"""Watts that may flow over all phases together, as amperes per phase: where cars can use them.

A limit on power alone says nothing of phases. Split in three it would leave most of itself unused
where few cars charge on one phase each, or where the building loads its phases unevenly.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sitecontroller.dlm.snapshot import Amperes
from sitecontroller.domain.topology import PHASES

NOTHING: Amperes = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Taker:
    """A car that would charge: the phases it uses, or may use, and what it can take of each."""

    phases: tuple[int, ...]
    minimum_a: float
    maximum_a: float

    def minimum_w(self, voltage_v: Amperes) -> float:
        """The least it charges with: 6 A × 230 V × phases of most cars."""
        return self.minimum_a * sum(voltage_v[phase] for phase in self.phases)


def affordable(takers: Iterable[Taker], power_w: float, voltage_v: Amperes) -> list[Taker]:
    """Those, in their order, whose minima fit together; one that doesn't keeps no later one out."""
    found: list[Taker] = []
    for taker in takers:
        minimum_w = taker.minimum_w(voltage_v)
        if minimum_w <= power_w:
            found.append(taker)
            power_w -= minimum_w
    return found


def shared_a(takers: Sequence[Taker], power_w: float, voltage_v: Amperes) -> Amperes:
    """What these take of each phase together: everybody's minimum, and of the rest the same for
    all, up to each one's maximum.

    Never more than `power_w` at these voltages; nothing where not even the minima fit.
    """
    rest_w = power_w - sum(taker.minimum_w(voltage_v) for taker in takers)
    if rest_w < 0:
        return NOTHING
    volts = [sum(voltage_v[phase] for phase in taker.phases) for taker in takers]
    room_a = [max(0.0, taker.maximum_a - taker.minimum_a) for taker in takers]
    more_a = [0.0] * len(takers)
    open_ = sorted(range(len(takers)), key=lambda number: room_a[number])
    open_volts = sum(volts)
    for place, number in enumerate(open_):
        each_a = rest_w / open_volts if open_volts > 0 else 0.0
        if room_a[number] >= each_a:
            for last in open_[place:]:
                more_a[last] = each_a
            break
        more_a[number] = room_a[number]
        rest_w -= room_a[number] * volts[number]
        open_volts -= volts[number]
    sums = list(NOTHING)
    for taker, extra_a in zip(takers, more_a, strict=True):
        for phase in taker.phases:
            sums[phase] += taker.minimum_a + extra_a
    return sums[0], sums[1], sums[2]


def power_of(current_a: Amperes, voltage_v: Amperes) -> float:
    """W, if all of it were active power: the most that it can be."""
    return sum(current_a[phase] * voltage_v[phase] for phase in PHASES)
