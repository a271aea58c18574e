"""Stations of a scenario: they lose, double and delay calls, restart, disobey, keep wrong clocks.

What one would offer if it obeyed (`Profiles`) and what it truly offers (`offer_a`) are kept apart;
`excuses` remembers what the judge must know: since when load management couldn't have its way here.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from sitecontroller.domain.errors import CallTimeout, StationOffline
from sitecontroller.domain.topology import ChargingStation, EvseKey
from sitecontroller.ports import CallAnswer, ChargingLimit
from tests.plant.scenario import Mishap, StationTraits
from tests.unit.load.faulty import DEADLINE_S, FaultyStation, Said
from tests.unit.load.site import Behaviour, Profiles

if TYPE_CHECKING:
    from tests.plant.site import PlantSite

LATE_S = 8.0
SLOW_S = 8.0
BOOT_S = 5.0
"""The contactor stays open for so long after a restart."""


class PlantStation(FaultyStation):
    """One station. `stops`: it ends a session when told to."""

    def __init__(self, site: "PlantSite", station: ChargingStation, traits: StationTraits) -> None:
        behaviour = Behaviour(
            latency_s=traits.latency_s,
            sample_interval_s=site.sample_interval_s,
            tells_composite=traits.tells_composite,
        )
        super().__init__(site, station, behaviour)
        self.plant_site, self.traits = site, traits
        self.clock_offset_s = 0.0 if traits.clock_error_s is not None else None
        self.loss = 0.0
        self.is_deaf = False
        self.stops = True
        self.in_service = {evse.evse_id: True for evse in station.evses}
        self.share = 1.0
        self.delay_s = 0.0
        self.excuses: dict[str, float] = {}
        """By cause: until when it is to blame at most."""
        self.held: dict[int, Profiles] = {}
        """What it really goes by while it is deaf, by EVSE."""
        self.writes = 0
        self.decreases = 0

    def offer_a(self, evse_id: int, maximum_a: float, now_s: float) -> float:
        """What it truly offers now."""
        if not self.in_service[evse_id]:
            return 0.0
        profiles = self.held.get(evse_id, self.profiles[evse_id])
        offer_a = profiles.offer_a(maximum_a, now_s)
        return min(maximum_a, offer_a * self.share)

    def excuse(self, cause: str, until_s: float) -> None:
        """It can't be told, or doesn't obey, up to then."""
        self.excuses[cause] = max(until_s, self.excuses.get(cause, until_s))

    def begin(self, mishap: Mishap) -> None:
        """From now on."""
        match mishap.kind:
            case "disobeys":
                self.is_deaf, self.stops = True, mishap.amount > 0
                for evse_id, now in self.profiles.items():
                    self.held[evse_id] = Profiles(now.fallback_a, now.limit_a, now.limit_ends_s)
            case "draws-more":
                self.share = mishap.amount
            case "slow":
                self.delay_s = SLOW_S

    async def _answered(self, apply: Callable[[], Said]) -> Said:
        """A call on its way in, in its turn, perhaps twice, and its answer on the way back."""
        rng, now_s = self.random, self.site.now_s
        delay_s = self.traits.latency_s + self.delay_s
        if rng.random() < self.loss:
            delay_s += rng.uniform(0, LATE_S)
        if delay_s > self.traits.latency_s:
            self.excuse("late", now_s + delay_s)
        if rng.random() < self.loss / 2:
            self.excuse("lost", now_s + DEADLINE_S + 1)
            await asyncio.sleep(DEADLINE_S)
            raise CallTimeout(f"{self.station_id}: lost on its way in")
        loop, generation = asyncio.get_running_loop(), self.generation
        self.free_s = max(self.free_s, now_s + delay_s)
        answer: asyncio.Future[Said] = loop.create_future()

        def arrive() -> None:
            if self.connected and self.generation == generation:
                result = apply()
                if not answer.done():
                    answer.set_result(result)
            elif not answer.done():
                answer.set_exception(StationOffline(f"{self.station_id} is offline"))

        loop.call_later(self.free_s - now_s, arrive)
        if rng.random() < self.loss / 2:
            loop.call_later(self.free_s - now_s + 0.01, arrive)  # the same call once more
        try:
            result = await asyncio.wait_for(answer, DEADLINE_S)
        except TimeoutError:
            raise CallTimeout(f"{self.station_id}: late") from None
        if rng.random() < self.loss / 2:
            await asyncio.sleep(DEADLINE_S)
            raise CallTimeout(f"{self.station_id}: its answer was lost")
        return result

    async def set_limit(self, limit: ChargingLimit) -> CallAnswer:
        assert limit.current_a == 0 or limit.current_a >= 6, f"{limit} is in (0, 6)"
        asked_s, error_s = self.site.now_s, self.traits.clock_error_s
        leased = limit.lease_s is not None and error_s is not None
        ends_s = asked_s + (limit.lease_s or 0) + (error_s or 0.0) if leased else None

        def apply() -> CallAnswer:
            profiles = self.profiles[limit.evse_id]
            self.writes += 1
            if profiles.limit_a is not None and limit.current_a < profiles.limit_a:
                self.decreases += 1
            profiles.limit_a = limit.current_a * self._phase_share(limit)
            profiles.limit_ends_s = ends_s
            return self._done()

        return await self._answered(apply)

    async def clear_limit(self, evse_id: int) -> CallAnswer:
        def apply() -> CallAnswer:
            self.profiles[evse_id].limit_a = None
            return self._done()

        return await self._answered(apply)

    async def stop(self, station_transaction_id: str) -> CallAnswer:
        def apply() -> CallAnswer:
            if self.stops:
                self.plant_site.end_of(station_transaction_id)
            return self._done()

        return await self._answered(apply)

    async def change_availability(self, evse_id: int | None, *, operative: bool) -> CallAnswer:
        def apply() -> CallAnswer:
            for each in self.in_service:
                if evse_id in (None, each):
                    self.in_service[each] = operative
            return self._done()

        return await self._answered(apply)

    def restart(self) -> None:
        """Its memory is gone, and in some the limit too."""
        self.site.disconnect(self.station_id)
        if not self.traits.keeps_limit:
            for profiles in (*self.profiles.values(), *self.held.values()):
                profiles.limit_a = None
        self.plant_site.stay_dark(self.station_id, self.site.now_s + BOOT_S)

    def told_a(self, key: EvseKey, maximum_a: float) -> float:
        """What it would offer if it did as told."""
        return self.profiles[key.evse_id].offer_a(maximum_a, self.site.now_s)
