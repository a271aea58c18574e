"""Cars as the grid sees them: how much they want, how fast they follow a limit, when they are full.

A car follows what its EVSE offers after a delay of its own, ramps instead of jumping, pauses below
its minimum, may take a little less than offered and tapers near a full battery. Pure.
"""

from collections import deque
from dataclasses import dataclass

AC_TAPER_FROM = 0.92
DC_TAPER_FROM = 0.75
TAPER_END_SHARE = 0.12
"""Of the greatest current, what a car still takes when it is all but full."""
RAMP_UP_A_PER_S = 4.0
RAMP_DOWN_A_PER_S = 25.0
OFFERS_MAX = 256
"""Offers a car can have on its way; the oldest is forgotten first."""


@dataclass(frozen=True, slots=True)
class CarModel:
    """What doesn't change. Currents are per phase, on the grid's side of the EVSE.

    `share` of the offer is what it takes; `latency_s` passes before it acts on a new one.
    """

    name: str
    battery_wh: float
    phase_count: int
    current_a_max: float
    latency_s: float
    current_a_min: float = 6.0
    share: float = 1.0
    taper_from: float = AC_TAPER_FROM
    discharge_a_max: float = 0.0
    """What it can give back; 0: it only charges."""


class Car:
    """One plugged car: its state of charge and the current it takes now."""

    def __init__(self, model: CarModel, soc: float, departs_in_s: float | None = None) -> None:
        assert 0 <= soc <= 1
        self.model = model
        self.soc = soc
        self.departs_in_s = departs_in_s
        """What it tells of its plans when plugged; None: a car that doesn't say."""
        self.current_a = 0.0
        self._obeyed_a = 0.0
        self._offers: deque[list[float]] = deque(maxlen=OFFERS_MAX)
        self._last_offer_a = 0.0

    @property
    def is_full(self) -> bool:
        """Whether it takes no more."""
        return self.soc >= 1.0

    def wanted_a(self, current_a_max: float) -> float:
        """What it would draw if nothing but the EVSE's `current_a_max` limited it."""
        if self.is_full:
            return 0.0
        wanted_a = min(self.model.current_a_max, current_a_max) * self.model.share
        if self.soc > self.model.taper_from:
            left = (1 - self.soc) / (1 - self.model.taper_from)
            taper = TAPER_END_SHARE + (1 - TAPER_END_SHARE) * left
            wanted_a = min(wanted_a, self.model.current_a_max * taper)
        return wanted_a

    def follow(self, offer_a: float, current_a_max: float, dt_s: float) -> float:
        """One time step under an offer; the current it takes at its end."""
        self._notice(offer_a, dt_s)
        if self._obeyed_a < self.model.current_a_min - 1e-6:
            target_a = 0.0
        else:
            target_a = min(self.wanted_a(current_a_max), self._obeyed_a * self.model.share)
        if target_a >= self.current_a:
            self.current_a = min(target_a, self.current_a + RAMP_UP_A_PER_S * dt_s)
        else:
            self.current_a = max(target_a, self.current_a - RAMP_DOWN_A_PER_S * dt_s)
        return self.current_a

    def give(self, asked_a: float, dt_s: float) -> float:
        """One time step of giving back; the current it takes at its end, below 0."""
        self._notice(0.0, dt_s)
        target_a = -min(asked_a, self.model.discharge_a_max) if self.soc > 0 else 0.0
        step_a = RAMP_DOWN_A_PER_S * dt_s
        self.current_a = max(target_a, self.current_a - step_a)
        return self.current_a

    def cut_off(self) -> None:
        """The contactor opened, or the plug was drawn."""
        self.current_a = self._obeyed_a = self._last_offer_a = 0.0
        self._offers.clear()

    def store(self, energy_wh: float) -> None:
        """Energy that reached the battery; below 0 what left it."""
        self.soc = min(1.0, max(0.0, self.soc + energy_wh / self.model.battery_wh))

    def _notice(self, offer_a: float, dt_s: float) -> None:
        for offer in self._offers:
            offer[0] -= dt_s
        if offer_a != self._last_offer_a:
            self._last_offer_a = offer_a
            self._offers.append([self.model.latency_s, offer_a])
        while self._offers and self._offers[0][0] <= 1e-9:
            self._obeyed_a = self._offers.popleft()[1]
