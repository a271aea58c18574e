"""What an EVSE's reading means on the site's phases: what it draws, and what a car gives back.

A minus sign is ambiguous. Where the station speaks of feeding in (`MeterReading.feeds_in`) it is
meant; else the meter may as well be mounted the wrong way round, and both readings of it are kept:
it counts as drawn, and as given back when bounds are asked for. What is given back is never room.
"""

from dataclasses import dataclass
from typing import NamedTuple

from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.topology import (
    NOMINAL_V,
    UNKNOWN_PHASES,
    Evse,
    PerPhase,
    Supply,
)


class GridCurrent(NamedTuple):
    """A per site phase; below 0 is what a car gives back."""

    current_a: PerPhase
    least_a: PerPhase
    """The least it can be: below `current_a` where a sign or a phase isn't certain."""


UNKNOWN_CURRENT = GridCurrent(UNKNOWN_PHASES, UNKNOWN_PHASES)


@dataclass(frozen=True, slots=True)
class Draw:
    """The last reading of an EVSE as the grid sees it, and when it came."""

    grid: GridCurrent
    received_s: float
    before: GridCurrent = UNKNOWN_CURRENT
    """The reading before it."""

    @property
    def drawn_a(self) -> PerPhase:
        """What it takes: 0 where a car gives back."""
        one, two, three = (None if a is None else max(0.0, a) for a in self.grid.current_a)
        return one, two, three

    @property
    def most_a(self) -> float | None:
        """The largest phase of what it takes; None where none is known."""
        return max((a for a in self.drawn_a if a is not None), default=None)


def grid_current(evse: Evse, reading: MeterReading) -> GridCurrent:
    """What a reading says; where its power alone tells of feeding in, any phase may carry that."""
    found = _by_phase(evse, reading)
    power_w, least_a = reading.power_w, found.least_a
    if not reading.feeds_in or power_w is None or power_w >= 0:
        return found
    if any(a is not None and a < 0 for a in least_a):
        return found
    wired = evse.phase_map.site_phases
    return found._replace(least_a=_on(wired, [power_w / NOMINAL_V] * len(wired)))


def _by_phase(evse: Evse, reading: MeterReading) -> GridCurrent:
    """What its phases say; for DC from the outlet's power and the losses."""
    wired = evse.phase_map.site_phases
    power_w, is_meant = reading.power_w, reading.feeds_in
    if evse.supply is Supply.DC:
        if power_w is None:
            return UNKNOWN_CURRENT
        losses = evse.efficiency if power_w >= 0 or not is_meant else 1 / evse.efficiency
        each_a = power_w / (losses * NOMINAL_V * len(wired))
        return _signed(wired, [each_a] * len(wired), is_meant=is_meant)
    if any(reading.current_a[phase] is not None for phase in wired):
        return _signed(wired, [reading.current_a[phase] for phase in wired], is_meant=is_meant)
    if any(reading.power_phase_w[phase] is not None for phase in wired):
        powers_w = [reading.power_phase_w[phase] for phase in wired]
        currents_a = [None if w is None else w / NOMINAL_V for w in powers_w]
        return _signed(wired, currents_a, is_meant=is_meant)
    if power_w is None or (len(wired) > 1 and power_w > 0):
        return UNKNOWN_CURRENT
    one_a = power_w / NOMINAL_V
    if power_w >= 0 or (is_meant and len(wired) == 1):
        return _signed(wired, [one_a] * len(wired), is_meant=True)
    # On which phases is not said: any of them may carry all.
    return GridCurrent(_on(wired, [0.0] * len(wired)), _on(wired, [one_a] * len(wired)))


def _signed(
    wired: tuple[int, ...], currents_a: list[float | None], *, is_meant: bool
) -> GridCurrent:
    least = _on(wired, currents_a)
    if is_meant:
        return GridCurrent(least, least)
    return GridCurrent(_on(wired, [None if a is None else abs(a) for a in currents_a]), least)


def _on(wired: tuple[int, ...], values: list[float | None]) -> PerPhase:
    result: list[float | None] = [None, None, None]
    for phase, value in zip(wired, values, strict=True):
        result[phase] = value
    return (result[0], result[1], result[2])
