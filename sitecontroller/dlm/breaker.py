"""When a circuit breaker or fuse may trip by overload: a thermal model of one pole (S7).

One body with one time constant is heated by the square of the current and trips at the heat of the
largest current that must never trip it. IEC 60898-1 (miniature circuit breakers, table 7): 1.13 ×
In doesn't trip within the conventional time (1 h up to 63 A, 2 h above), 1.45 × In does; 2.55 × In
trips after 1 s, within 60 s (120 s above 32 A). IEC 60269-1 (gG fuses from 16 A): 1.25 × In holds,
1.6 × In melts; at the gate of some 2.5 × In a fuse holds for 10 s. The time constants are chosen
on the quick side of these bands: a real breaker trips later than the model, hardly ever sooner.
What trips in a moment (a short circuit, from 3 × In with curve B) can't be prevented by anybody.
"""

import math
from dataclasses import dataclass

NEVER = math.inf


@dataclass(frozen=True, slots=True)
class Curve:
    """A kind of breaker, currents as multiples of its rating In.

    `holds` is never tripped by; from `instant` on it trips within 0.1 s (None: it has no magnet).
    """

    name: str
    holds: float
    instant: float | None
    time_constant_s: float

    @property
    def trip_heat(self) -> float:
        """Heat at which it trips; a current of In for ever gives 1."""
        return self.holds**2


CURVES = {
    curve.name: curve
    for curve in (
        Curve("B", 1.13, 3.0, 48.0),
        Curve("C", 1.13, 5.0, 48.0),
        Curve("D", 1.13, 10.0, 48.0),
        Curve("gG", 1.25, None, 36.0),
    )
}


def heated(curve: Curve, heat: float, ratio: float, seconds: float) -> float:
    """The heat after so long at a constant current of `ratio` × In."""
    assert seconds >= 0, f"time ran back by {-seconds} s"
    return ratio**2 + (heat - ratio**2) * math.exp(-seconds / curve.time_constant_s)


def trips_in_s(curve: Curve, heat: float, ratio: float) -> float:
    """How soon it may trip if the current stays at `ratio` × In; NEVER at what it holds."""
    if ratio <= curve.holds:
        return NEVER
    if heat >= curve.trip_heat or (curve.instant is not None and ratio >= curve.instant):
        return 0.0
    square = ratio**2
    return curve.time_constant_s * math.log((square - heat) / (square - curve.trip_heat))
