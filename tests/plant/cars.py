"""Cars that sleep: as any other, but for the hours in which they take nothing."""

from sitecontroller.simulation.cars import Car
from tests.plant.scenario import Visit


class VisitingCar(Car):
    """A visit's car; it may sleep for a while, or for good after a pause."""

    def __init__(self, visit: Visit) -> None:
        super().__init__(visit.model, visit.soc)
        self.sleeps = visit.sleeps
        self.stays_asleep_after_s = visit.stays_asleep_after_s
        self._age_s = self._paused_s = 0.0
        self._is_gone = False

    @property
    def is_asleep(self) -> bool:
        """Whether it takes nothing now, whatever it is offered."""
        return self._is_gone or self.sleeps[0] <= self._age_s < self.sleeps[1]

    @property
    def woke_s(self) -> float | None:
        """For how long it has been awake again; None: it never slept, or still does."""
        awake_s = self._age_s - self.sleeps[1]
        return awake_s if self.sleeps[1] > 0 and awake_s >= 0 else None

    def wanted_a(self, current_a_max: float) -> float:
        return 0.0 if self.is_asleep else super().wanted_a(current_a_max)

    def follow(self, offer_a: float, current_a_max: float, dt_s: float) -> float:
        self._age_s += dt_s
        self._paused_s = self._paused_s + dt_s if offer_a == 0 else 0.0
        patience_s = self.stays_asleep_after_s
        if patience_s is not None and self._paused_s > patience_s:
            self._is_gone = True
        return super().follow(offer_a, current_a_max, dt_s)
