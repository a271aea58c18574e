"""What we say to a station alike in every version: limits, settings, availability, triggers.

A version brings its words: names of fields, payloads, and how it is asked for a message. Limits go
at safety priority with one key for each EVSE, so that a newer one takes the place of one waiting.
"""

from typing import Any, ClassVar

from sitecontroller.domain.topology import Evse, LimitUnit
from sitecontroller.ocpp import profiles
from sitecontroller.ocpp.commands import Priority
from sitecontroller.ocpp.dialect import Answer, StationDialect
from sitecontroller.ocpp.profiles import ChargingProfile, Purpose
from sitecontroller.ocpp.values import sendable_token, table
from sitecontroller.ports import CallAnswer, ChargingLimit, ScheduledLimit

COMPOSITE_DURATION_S = 900
ACCEPTED_OR_LATER = ("Accepted", "Scheduled")


class OutboundDialect(StationDialect):
    """A dialect's second half, as far as versions agree on it."""

    EVSE_FIELD: ClassVar[str]
    """How a request names its EVSE."""
    PROFILE_ID_FIELD: ClassVar[str]
    """How ClearChargingProfile names a profile."""
    COMPOSITE_FIELD: ClassVar[str]
    """Where a GetCompositeSchedule answer has its schedule."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._phases_sent: dict[int, int] = {}
        self._fallbacks: dict[int, tuple[float, int]] = {}
        """Current and number of phases last set, by EVSE."""

    # in a version's words

    async def _trigger(self, message: str, evse_id: int | None, priority: Priority) -> CallAnswer:
        raise NotImplementedError

    async def _write(self, name: str, value: str, priority: Priority) -> CallAnswer:
        raise NotImplementedError

    async def _change_availability(self, evse_id: int | None, *, operative: bool) -> CallAnswer:
        raise NotImplementedError

    def _profile_payload(self, evse_id: int, profile: ChargingProfile) -> Answer:
        raise NotImplementedError

    def _lease_purpose(self, limit: ChargingLimit) -> Purpose:
        raise NotImplementedError

    async def _is_flat(self) -> bool:
        """Whether the station takes profiles of stack level 0 only, so that a lease has to stand
        in the fallback's own profile (load-management.md, "Leases", c)."""
        return False

    # requests

    def _sendable(self, id_token: str) -> str:
        return sendable_token(
            id_token,
            characters=self._quirks.id_token_characters,
            length_max=self._quirks.id_token_length_max,
        )

    async def trigger(self, message: str, evse_id: int | None) -> CallAnswer:
        """Ask for a message by its 2.x name."""
        return await self._trigger(message, evse_id, Priority.ATTENDANT)

    async def _ask_for(self, message: str, evse_id: int | None) -> bool:
        return (await self._trigger(message, evse_id, Priority.HOUSEKEEPING)).accepted

    async def set_variable(self, name: str, value: str) -> CallAnswer:
        """One setting by its name."""
        return await self._write(name, value, Priority.ATTENDANT)

    async def write_setting(self, name: str, value: str) -> bool:
        """For set-up."""
        return (await self._write(name, value, Priority.HOUSEKEEPING)).accepted

    async def change_availability(self, evse_id: int | None, *, operative: bool) -> CallAnswer:
        """One EVSE or all; where the station refuses the whole, each by itself (Q55)."""
        answer = await self._change_availability(evse_id, operative=operative)
        if evse_id is not None or answer.accepted:
            return answer
        answers = [
            await self._change_availability(evse.evse_id, operative=operative)
            for evse in self._evses
        ]
        refused = [single for single in answers if not single.accepted]
        return (refused or answers or [answer])[0]

    # limits

    async def set_fallback(self, evse_id: int, current_a: float, phase_count: int) -> CallAnswer:
        """The permanent TxDefaultProfile at stack level 0."""
        self._fallbacks[evse_id] = (current_a, phase_count)
        profile = self._fallback(self._own_evse(evse_id), current_a)
        return await self._set_profile(evse_id, profile, f"fallback-{evse_id}")

    def _fallback(self, evse: Evse, current_a: float | None = None) -> ChargingProfile:
        """`current_a` None: what was last set, or stands in site.toml."""
        in_watts = evse.limit_unit is LimitUnit.W
        configured = (evse.fallback_a, 1 if in_watts else evse.phase_count)
        set_a, phase_count = self._fallbacks.get(evse.evse_id, configured)
        return profiles.fallback(
            evse,
            set_a if current_a is None else current_a,
            phase_count,
            station_now=self._station_now(),
            integer=self._quirks.integer_limits,
        )

    async def set_station_maximum(self, current_a: float) -> CallAnswer:
        """The station's maximum, on EVSE 0."""
        profile = profiles.station_maximum(
            self._evses,
            current_a,
            station_now=self._station_now(),
            integer=self._quirks.integer_limits,
        )
        return await self._set_profile(0, profile, "maximum")

    async def set_limit(self, limit: ChargingLimit) -> CallAnswer:
        """A limit for the running transaction, ending by the station's clock.

        A station with one stack level gets it in the place of its fallback, which follows it.
        """
        evse = self._own_evse(limit.evse_id)
        profile = profiles.lease(
            evse,
            limit.current_a,
            limit.phase_count,
            purpose=self._lease_purpose(limit),
            lease_s=limit.lease_s,
            station_now=self._station_now() if self.clock_offset_s is not None else None,
            transaction_id=limit.transaction_id,
            integer=self._quirks.integer_limits,
        )
        if await self._is_flat():
            profile = profiles.before(profile, self._fallback(evse, limit.fallback_a))
        self._phases_sent[evse.evse_id] = limit.phase_count
        return await self._set_profile(evse.evse_id, profile, f"limit-{evse.evse_id}")

    async def _set_profile(self, evse_id: int, profile: ChargingProfile, key: str) -> CallAnswer:
        payload = self._profile_payload(evse_id, profile)
        return await self._say("SetChargingProfile", payload, priority=Priority.SAFETY, key=key)

    async def clear_limit(self, evse_id: int) -> CallAnswer:
        """Unknown is an answer too: there was none."""
        if await self._is_flat():
            profile = self._fallback(self._own_evse(evse_id))
            return await self._set_profile(evse_id, profile, f"limit-{evse_id}")
        return await self._say(
            "ClearChargingProfile",
            {self.PROFILE_ID_FIELD: profiles.lease_id(evse_id)},
            accepted=("Accepted", "Unknown"),
            priority=Priority.SAFETY,
            key=f"limit-{evse_id}",
        )

    async def composite_limit(self, evse_id: int) -> ScheduledLimit:
        """What the station says it would let the EVSE draw now."""
        evse = self._own_evse(evse_id)
        answer = await self._say(
            "GetCompositeSchedule",
            {
                self.EVSE_FIELD: evse_id,
                "duration": COMPOSITE_DURATION_S,
                "chargingRateUnit": evse.limit_unit.value,
            },
            key=f"composite-{evse_id}",
        )
        schedule = table(answer.body.get(self.COMPOSITE_FIELD)) if answer.accepted else None
        return profiles.parse_composite(answer.body, schedule, evse, self._phases_sent.get(evse_id))
