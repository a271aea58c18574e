"""Circuits below which nobody may draw anything, whoever else allows it: an emergency stop (S10), a
breaker that is about to trip (S7).

Such a hold needs no meter and no allocation, and holds from the first moment of a run.
"""

from collections.abc import Callable, Iterable

from sitecontroller.dlm.limits import Limit
from sitecontroller.domain.topology import EvseKey
from sitecontroller.services.load.circuits import CircuitControl
from sitecontroller.services.load.evse import EvseControl


class Shedding:
    """Holds by who asked for them; `up` gives a circuit and all above it."""

    def __init__(self, up: Callable[[str], tuple[CircuitControl, ...]]) -> None:
        self._up = up
        self._held: dict[str, tuple[str, Limit]] = {}

    def __bool__(self) -> bool:
        return bool(self._held)

    def hold(self, by: str, circuit_id: str, words: str) -> None:
        """From now on all below that circuit are at 0 A; `words` tell people why."""
        self._held[by] = circuit_id, Limit(0.0, words, circuit_id)

    def let_go(self, by: str) -> None:
        """What else there is decides again; increases keep their pace."""
        self._held.pop(by, None)

    def targets(self, controls: Iterable[EvseControl]) -> dict[EvseKey, Limit]:
        """0 A for everyone with a session below, also for those whom sharing can't steer."""
        if not self._held:
            return {}
        return {
            control.key: limit
            for control in controls
            if control.online and control.transaction is not None
            for limit in [self._limit(control.evse.circuit_id)]
            if limit is not None
        }

    def _limit(self, circuit_id: str) -> Limit | None:
        above = {control.circuit.circuit_id for control in self._up(circuit_id)}
        return next((limit for place, limit in self._held.values() if place in above), None)
