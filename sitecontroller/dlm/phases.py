"""Which phases a car uses, learned from its readings.

A phase is active from 1 A. Until a car has drawn steadily for half a minute, and whenever a reading
leaves a phase out, it may use all phases its EVSE is wired to.
"""

from dataclasses import dataclass

from sitecontroller.domain.topology import PerPhase

ACTIVE_A = 1.0
STEADY_S = 30.0


@dataclass(slots=True)
class PhasesInUse:
    """One car's phases; make a new one for the next car."""

    wired: tuple[int, ...]
    learned: tuple[int, ...] | None = None
    _seen: tuple[int, ...] = ()
    _since_s: float = 0.0

    @property
    def phases(self) -> tuple[int, ...]:
        """Those in use, or all that may be."""
        return self.wired if self.learned is None else self.learned

    def observe(self, current_a: PerPhase, measured_s: float) -> None:
        """A reading on site phases."""
        values = [current_a[phase] for phase in self.wired]
        if None in values:
            self.learned, self._seen = None, ()
            return
        active = tuple(
            phase
            for phase, value in zip(self.wired, values, strict=True)
            if value is not None and value >= ACTIVE_A
        )
        if not active:
            return
        if self.learned is not None and not set(active) <= set(self.learned):
            self.learned = None
        if active != self._seen:
            self._seen, self._since_s = active, measured_s
        elif measured_s - self._since_s >= STEADY_S:
            self.learned = active
