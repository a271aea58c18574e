"""Room for a session that is about to begin: its fallback is kept free before its card is accepted.

A station may give a car its fallback from the moment we accept its card (S1).
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from sitecontroller.dlm.fallbacks import fallbacks_a
from sitecontroller.dlm.room import EPSILON_A
from sitecontroller.domain.topology import EvseKey
from sitecontroller.ports import Clock
from sitecontroller.services.load.circuits import CircuitControl, Circuits
from sitecontroller.services.load.evse import EvseControl
from sitecontroller.services.load.limits import GroupControl
from sitecontroller.services.load.pace import CYCLE_S_MIN

ROOM_WITHIN_S = 20.0
"""How long a card's answer may wait for room; stations give up after 30 s and more."""
PRIORITY_ROOM_WITHIN_S = 45.0
"""How long a session waits for priority: a decrease and the reading that proves it."""

log = logging.getLogger(__name__)


class StartRoom:
    """`below`: the EVSEs under each circuit; `ask_for_cycle` wakes load management."""

    def __init__(
        self,
        controls: Mapping[EvseKey, EvseControl],
        circuits: Circuits,
        below: Mapping[str, Sequence[EvseControl]],
        groups: Sequence[GroupControl],
        clock: Clock,
        ask_for_cycle: Callable[[], None],
    ) -> None:
        self._controls = controls
        self._circuits = circuits
        self._below = below
        self._groups = groups
        self._clock = clock
        self._ask_for_cycle = ask_for_cycle

    async def make(self, station_id: str, evse_id: int | None) -> bool:
        """Keep the fallback free and wait until it provably is; False: not in time, or a site limit
        leaves less than that however much the others give up.

        Without an EVSE all that could start are meant, those with a car first.
        """
        now_s = self._clock.monotonic_s()
        idle = [
            control
            for control in self._controls.values()
            if control.evse.station_id == station_id
            and evse_id in (None, control.evse.evse_id)
            and control.transaction is None
            and control.evse.fallback_a > 0
        ]
        plugged = [control for control in idle if control.plugged_since_s is not None]
        starting = plugged or idle
        for control in starting:
            control.keep_free(now_s)
        return not self._waits_in_vain(starting) and await self.proven(starting)

    async def proven(
        self, starting: Sequence[EvseControl], within_s: float = ROOM_WITHIN_S
    ) -> bool:
        """Wait until all that may flow fits above these; False: not in time."""
        now_s = self._clock.monotonic_s()
        circuits = {
            circuit.circuit.circuit_id: circuit
            for control in starting
            for circuit in self._circuits.up(control.evse.circuit_id)
        }
        keys = {control.key for control in starting}
        groups = [group for group in self._groups if keys.intersection(group.group.members)]
        while not (
            all(self._has_room(circuit) for circuit in circuits.values())
            and all(group.has_room(self._clock.monotonic_s()) for group in groups)
        ):
            if self._clock.monotonic_s() - now_s >= within_s:
                names = ", ".join(str(control.key) for control in starting)
                log.warning("%s: room for it is not proven in %.0f s", names, within_s)
                return False
            self._ask_for_cycle()
            await asyncio.sleep(CYCLE_S_MIN)
        return True

    def _waits_in_vain(self, starting: Sequence[EvseControl]) -> bool:
        """A card's answer isn't kept back for room that only the end of a site limit can bring."""
        limited = (c for c in self._circuits.by_id.values() if c.is_limited)
        for circuit in limited:
            below = {control.key for control in self._below[circuit.circuit.circuit_id]}
            needs_a = fallbacks_a(c.evse for c in starting if c.key in below)
            needs = zip(needs_a, circuit.base_a, circuit.cap_a, strict=True)
            if any(0 < need_a > cap_a - (base_a or 0.0) for need_a, base_a, cap_a in needs):
                return True
        for group in self._groups:
            needs_a = fallbacks_a(c.evse for c in starting if c.key in group.group.members)
            if any(n > limit.current_a for n, limit in zip(needs_a, group.held, strict=True)):
                return True
        return False

    def _has_room(self, circuit: CircuitControl) -> bool:
        """Whether the last known base load and all that may flow fit under the cap."""
        now_s, cap_a = self._clock.monotonic_s(), circuit.cap_a
        below = self._below[circuit.circuit.circuit_id]
        return all(
            base_a is not None
            and base_a + sum(c.exposure_a(now_s) for c in below if phase in c.phases.phases)
            <= cap_a[phase] + EPSILON_A
            for phase, base_a in enumerate(circuit.base_a)
        )
