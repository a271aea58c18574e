"""S5: a station that comes (back) gets its permanent limits before anything else.

Until it has taken them, each of its EVSEs counts at its maximum. Afterwards its composite schedule
says what is in force, so that limits left over from before a restart stop being unknown.
"""

import logging
from collections.abc import Callable, Iterable, Mapping

from sitecontroller.domain.errors import OperatingError
from sitecontroller.domain.topology import ChargingStation, Evse, EvseKey, LimitUnit, Supply
from sitecontroller.ports import CallAnswer, LimitSuperseded, ScheduledLimit, StationLink
from sitecontroller.services.alarms import AlarmService
from sitecontroller.services.load.circuits import Circuits
from sitecontroller.services.load.evse import EvseControl, Timing

RETRY_S = 60.0

log = logging.getLogger(__name__)


class Fallbacks:
    """Which stations have their permanent limits; pushes those that don't."""

    def __init__(
        self,
        stations: Mapping[str, ChargingStation],
        controls: Mapping[EvseKey, EvseControl],
        alarms: AlarmService,
        monotonic_s: Callable[[], float],
        reaction_s: float,
    ) -> None:
        self._stations = stations
        self._controls = controls
        self._alarms = alarms
        self._monotonic_s = monotonic_s
        self._reaction_s = reaction_s
        self._generation: dict[str, int] = {}
        self._retry_s: dict[str, float] = {}

    def forget(self, station_id: str) -> None:
        """It restarted or its connection ended: what it holds is to be asked again."""
        self._generation.pop(station_id, None)

    def are_due(self, link: StationLink, now_s: float) -> bool:
        """Whether the station is to be pushed its limits now; its fallback is in doubt then."""
        station_id = link.station_id
        is_new = self._generation.get(station_id) != link.generation
        if not is_new and now_s < self._retry_s.get(station_id, float("inf")):
            return False
        self._generation[station_id] = link.generation
        self._retry_s.pop(station_id, None)
        for evse in self._stations[station_id].evses:
            control = self._controls[evse.key]
            if is_new or not control.fallback_confirmed:
                control.doubt_fallback(now_s)
        return True

    async def push(self, link: StationLink) -> None:
        """The station's maximum, then for each EVSE its fallback, then a look at what holds."""
        evses = self._stations[link.station_id].evses
        generation = link.generation
        try:
            await link.set_station_maximum(sum(evse.current_a_max for evse in evses))
        except (OperatingError, LimitSuperseded) as error:
            log.warning("%s: its maximum was not taken: %s", link.station_id, error)
        for evse in evses:
            confirmed = await self._push_evse(link, evse)
            if self._generation.get(link.station_id) != generation:
                return
            if confirmed:
                control = self._controls[evse.key]
                control.confirm_fallback(self._monotonic_s(), self._reaction_s)
                self._alarms.clear("fallback-unproven", str(evse.key))
                await self._look(link, evse)
            else:
                self._retry_s[link.station_id] = self._monotonic_s() + RETRY_S
                self._alarms.raise_("fallback-unproven", str(evse.key), evse=str(evse.key))

    async def _push_evse(self, link: StationLink, evse: Evse) -> bool:
        in_watts = evse.limit_unit is LimitUnit.W and evse.supply is Supply.AC
        try:
            answer: CallAnswer = await link.set_fallback(
                evse.evse_id, evse.fallback_a, 1 if in_watts else evse.phase_count
            )
        except (OperatingError, LimitSuperseded) as error:
            log.warning("%s: its fallback was not taken: %s", evse.key, error)
            return False
        if not answer.accepted:
            log.warning("%s: its fallback was refused: %s", evse.key, answer.status)
        return answer.accepted

    async def _look(self, link: StationLink, evse: Evse) -> None:
        """Clear what an ended session left, then read back what holds."""
        control = self._controls[evse.key]
        try:
            if control.transaction is None:
                await link.clear_limit(evse.evse_id)
            asked_s = self._monotonic_s()
            scheduled = await link.composite_limit(evse.evse_id)
        except (OperatingError, LimitSuperseded) as error:
            log.info("%s: tells no composite schedule: %s", evse.key, error)
            return
        self.read_back(control, scheduled, asked_s)

    def read_back(self, control: EvseControl, scheduled: ScheduledLimit, asked_s: float) -> None:
        """Take a composite schedule as evidence of what is in force.

        While a car charges only of a model and firmware whose schedules were true in the limit
        test, for some tell what they were told. It lowers an exposure, never raises it. Of an EVSE
        without a session, of which no meter can tell anything, it proves the fallback and no more:
        some stations then name their maximum.
        """
        current_a = scheduled.current_a
        if current_a is None or current_a > control.exposure.most_a(asked_s):
            return
        if control.transaction is None:
            if current_a > control.evse.fallback_a:
                return
        elif not scheduled.proven:
            return
        control.exposure = control.exposure.scheduled(current_a, asked_s)


def may_start(
    circuits: Circuits,
    controls: Iterable[EvseControl],
    timing: Timing,
    began_s: float,
    now_s: float,
) -> bool:
    """S5: nothing is allocated before every meter has spoken (or counts as silent) and, where
    sessions run already, their cars' currents are known: leases of before keep them safe.

    A circuit above its limit ends the wait.
    """
    if any(None in circuit.base_a for circuit in circuits.by_id.values()):
        return False
    if now_s - began_s >= timing.stale_s:
        return True
    if any(circuit.is_overloaded for circuit in circuits.by_id.values()):
        return True
    return all(
        control.transaction is None or not control.online or control.draw is not None
        for control in controls
    )
