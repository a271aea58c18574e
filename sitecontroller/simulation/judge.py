"""Judges load management from outside: by what truly flowed, not by what anyone reported.

Two figures of a run. Excess: ampere-seconds above a circuit-phase's limit, beyond what may pass
while the site reacts to a step of the building's load. Use: how far the limiting circuit-phase was
used of limit − margin, over all seconds in which a car could have taken more. "Nobody charges" is
as wrong as a blown fuse, so a run passes on both figures only.
"""

from dataclasses import dataclass

from sitecontroller.domain.topology import PHASES
from sitecontroller.simulation.plant import CircuitState, Outlet, Plant

BASE_STEP_ALLOWANCE_S = 12.0
"""Seconds in which excess after a rise of the building's load is allowed."""
SETTLING_S = 60.0
"""Seconds after a step, and after the start, that don't count for the use."""
HUNGRY_A = 1.0
"""A car that could draw this much more is one that "could take more"."""
EXCESS_A_MIN = 1e-6
USE_MIN = 0.90


@dataclass(frozen=True, slots=True)
class Verdict:
    """The figures of a run. `use` None: no car could ever have taken more."""

    excess_as: float
    """Ampere-seconds above a limit beyond the allowances; worst circuit-phases all summed."""
    allowed_as: float
    """Ampere-seconds above a limit within them."""
    peak: float
    """The greatest current of any circuit-phase over its limit; 1.0 is the limit."""
    use: float | None
    counted_s: float
    duration_s: float

    @property
    def passed(self) -> bool:
        """No excess, and the limiting circuit-phase used to 90 %."""
        return self.excess_as <= EXCESS_A_MIN and (self.use is None or self.use >= USE_MIN)

    def __str__(self) -> str:
        use = "no car could take more" if self.use is None else f"used to {self.use:.1%}"
        return (
            f"{self.duration_s / 60:.0f} min: {self.excess_as:.1f} A·s above a limit beyond the "
            f"allowances ({self.allowed_as:.1f} within, peak {self.peak:.0%} of a limit); "
            f"limiting circuit-phase {use} of limit − margin ({self.counted_s:.0f} s counted)"
        )


class Judge:
    """Call `observe` once a second of plant time; `verdict` when the run is over."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self._began_s = self._seen_s = plant.time_s
        self._excess_as = self._allowed_as = self._use_s = self._counted_s = self._peak = 0.0

    def observe(self) -> None:
        """Take what flows now for what flowed since the last look."""
        elapsed_s = self._plant.time_s - self._seen_s
        self._seen_s = self._plant.time_s
        for state in self._plant.circuits.values():
            self._weigh_excess(state, elapsed_s)
        use = self._limiting_use()
        if use is not None and not self._is_settling():
            self._use_s += use * elapsed_s
            self._counted_s += elapsed_s

    def verdict(self) -> Verdict:
        """The figures so far."""
        return Verdict(
            excess_as=self._excess_as,
            allowed_as=self._allowed_as,
            peak=self._peak,
            use=self._use_s / self._counted_s if self._counted_s else None,
            counted_s=self._counted_s,
            duration_s=self._seen_s - self._began_s,
        )

    def _weigh_excess(self, state: CircuitState, elapsed_s: float) -> None:
        for phase in PHASES:
            limit_a = state.circuit.limit_a[phase]
            current_a = state.current_a[phase]
            self._peak = max(self._peak, current_a / limit_a)
            excess_as = max(0.0, current_a - limit_a) * elapsed_s
            if self._seen_s - state.last_step_s[phase] <= BASE_STEP_ALLOWANCE_S:
                self._allowed_as += excess_as
            else:
                self._excess_as += excess_as

    def _limiting_use(self) -> float | None:
        """Use of the fullest circuit-phase above any hungry car; None when no car is hungry."""
        uses = [
            self._use(state, phase)
            for outlet in self._plant.outlets.values()
            if self._is_hungry(outlet)
            for state in self._plant.path(outlet.evse.circuit_id)
            for phase in outlet.phases_in_use
        ]
        return min(1.0, max(uses)) if uses else None

    @staticmethod
    def _is_hungry(outlet: Outlet) -> bool:
        return outlet.wanted_a - outlet.current_a >= HUNGRY_A

    @staticmethod
    def _use(state: CircuitState, phase: int) -> float:
        return state.current_a[phase] / (state.circuit.limit_a[phase] - state.circuit.margin_a)

    def _is_settling(self) -> bool:
        changed_s = max(state.last_change_s for state in self._plant.circuits.values())
        return self._seen_s - max(changed_s, self._began_s) <= SETTLING_S
