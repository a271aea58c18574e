"""What we say to a station alike in every version: limits, settings, availability, triggers.

A version brings its words: names of fields, payloads, and how it is asked for a message. Limits go
at safety priority with one key for each EVSE, so that a newer one takes the place of one waiting.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

from sitecontroller.domain.commissioning import lease_fact, limits_fact
from sitecontroller.domain.errors import CallRefused, Conflict
from sitecontroller.domain.ids import fold
from sitecontroller.domain.station import model_key
from sitecontroller.domain.topology import Evse, LimitUnit
from sitecontroller.ocpp import profiles
from sitecontroller.ocpp.block import Answer
from sitecontroller.ocpp.commands import Priority
from sitecontroller.ocpp.dialect import NOT_THERE, StationDialect
from sitecontroller.ocpp.ladder import Ladder, Rung, Way, lease_rungs, rungs
from sitecontroller.ocpp.profiles import ChargingProfile, Kind, Purpose
from sitecontroller.ocpp.values import rows, sendable_token, table
from sitecontroller.ocpp.variables import variable_name
from sitecontroller.ports import CallAnswer, ChargingLimit, ScheduledLimit

log = logging.getLogger(__name__)

COMPOSITE_DURATION_S = 900
SETS_LIMITS = ("SetChargingProfile", "UpdateDynamicSchedule")
SETTINGS_MAX = 100_000
"""More than a raw call can name."""
LEAVE_LIMITS = "Leave the limit to load management; site.toml has its fallback_a and current_a_max"
ACCEPTED_OR_LATER = ("Accepted", "Scheduled")
_PLACES = {Way.TX_DEFAULT: Purpose.TX_DEFAULT, Way.STATION_MAXIMUM: Purpose.STATION_MAXIMUM}
"""Where a higher stack level than ours would take a limit's place."""


class OutboundDialect(StationDialect):
    """A dialect's second half, as far as versions agree on it."""

    START: ClassVar[str]
    """How a start is asked for."""
    EVSE_FIELD: ClassVar[str]
    """How a request names its EVSE."""
    PROFILE_ID_FIELD: ClassVar[str]
    """How ClearChargingProfile names a profile."""
    COMPOSITE_FIELD: ClassVar[str]
    """Where a GetCompositeSchedule answer has its schedule."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._phases_sent: dict[int, int] = {}
        self._ladder: Ladder | None = None
        self._schedules_proven = False
        self._flat: set[int] = set()
        """EVSEs whose limit stands in the fallback's place, with nothing of ours above it."""
        self._fallbacks: dict[int, tuple[float, int]] = {}
        """Current and number of phases last set, by EVSE."""

    # in a version's words

    async def _trigger(self, message: str, evse_id: int | None, priority: Priority) -> CallAnswer:
        raise NotImplementedError

    async def _write(self, name: str, value: str, priority: Priority) -> CallAnswer:
        raise NotImplementedError

    async def _change_availability(
        self,
        evse_id: int | None,
        *,
        operative: bool,
        connector_id: int | None = None,
        priority: Priority = Priority.ATTENDANT,
    ) -> CallAnswer:
        raise NotImplementedError

    def _profile_payload(self, evse_id: int, profile: ChargingProfile) -> Answer:
        raise NotImplementedError

    async def _is_flat(self) -> bool:
        """Whether the station takes profiles of stack level 0 only, so that a lease has to stand
        in the fallback's own profile (load-management.md, "Leases", c)."""
        return False

    # requests

    def after_reply(self, callback: Callable[[], None]) -> None:
        """Run `callback` once the answer that is being made now has been written."""
        self._session.after_reply(callback)

    def sendable(self, id_token: str) -> str:
        return sendable_token(
            id_token,
            characters=self.quirks.id_token_characters,
            length_max=self.quirks.id_token_length_max,
        )

    async def trigger(self, message: str, evse_id: int | None) -> CallAnswer:
        """Ask for a message by its 2.x name."""
        return await self._trigger(message, evse_id, Priority.ATTENDANT)

    async def _ask_for(self, message: str, evse_id: int | None) -> bool:
        return (await self._trigger(message, evse_id, Priority.HOUSEKEEPING)).accepted

    async def set_variable(self, name: str, value: str) -> CallAnswer:
        """One setting by its name. Raises Conflict for what load management counts on."""
        if self.is_limit(name):
            raise Conflict(f"{self.station_id} is told its limits in {name}", remedy=LEAVE_LIMITS)
        return await self._write(name, value, Priority.ATTENDANT)

    def is_limit(self, name: str) -> bool:
        """Whether it is told its limits in this setting of the maker's (Q44)."""
        setting = self.quirks.limit_setting if self.evses else ""
        return bool(setting) and fold(name) == fold(setting)

    async def write_setting(self, name: str, value: str) -> bool:
        """For set-up."""
        return (await self._write(name, value, Priority.HOUSEKEEPING)).accepted

    async def change_availability(
        self,
        evse_id: int | None,
        *,
        operative: bool,
        connector_id: int | None = None,
        urgent: bool = False,
    ) -> CallAnswer:
        """One EVSE or all; where the station refuses the whole, each by itself (Q55)."""
        priority = Priority.EMERGENCY if urgent else Priority.ATTENDANT
        answer = await self._change_availability(
            evse_id, operative=operative, connector_id=connector_id, priority=priority
        )
        if evse_id is not None or answer.accepted:
            return answer
        answers = [
            await self._change_availability(evse.evse_id, operative=operative, priority=priority)
            for evse in self.evses
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
        set_a, phase_count = self._fallback_of(evse)
        return profiles.fallback(
            evse,
            set_a if current_a is None else current_a,
            phase_count,
            station_now=self._station_now(),
            integer=self.quirks.integer_limits,
        )

    def _fallback_of(self, evse: Evse) -> tuple[float, int]:
        """Current and number of phases last set, or those of site.toml."""
        in_watts = evse.limit_unit is LimitUnit.W
        configured = (evse.fallback_a, 1 if in_watts else evse.phase_count)
        return self._fallbacks.get(evse.evse_id, configured)

    async def set_station_maximum(self, current_a: float) -> CallAnswer:
        """The station's maximum, on EVSE 0. Where its only EVSE's limits stand there, the fallback
        does: no reconnect lets more flow."""
        if (await self._known_ladder()).rung.way is Way.STATION_MAXIMUM:
            return await self._set_profile(0, self._fallback_maximum(), "maximum")
        return await self._set_profile(0, self._station_maximum(current_a), "maximum")

    def _fallback_maximum(self) -> ChargingProfile:
        return self._station_maximum(*self._fallback_of(self.evses[0]))

    def _station_maximum(self, current_a: float, phase_count: int | None = None) -> ChargingProfile:
        return profiles.station_maximum(
            self.evses,
            current_a,
            phase_count,
            station_now=self._station_now(),
            integer=self.quirks.integer_limits,
        )

    @property
    def station_now(self) -> datetime:
        """By the station's clock."""
        return self._station_now()

    def own_profile_ids(self) -> frozenset[int]:
        """The numbers of load management's profiles in this station."""
        numbers = [profiles.STATION_MAXIMUM_ID]
        for evse in self.evses:
            numbers += [profiles.fallback_id(evse.evse_id), profiles.lease_id(evse.evse_id)]
        return frozenset(self.profile_id(number) for number in numbers)

    async def call(self, action: str, payload: Answer) -> Answer:
        """A technician's raw call; none that lets more flow than load management counts on."""
        instead = self._instead(action, payload)
        if self.evses and instead is not None:
            raise Conflict(
                f"{action} is not sent as it is: {self.station_id} is under load management",
                remedy=instead,
            )
        return await super().call(action, payload)

    def _instead(self, action: str, payload: Answer) -> str | None:
        """What to do instead of a raw call that load management can't count with; None: send it."""
        if action in SETS_LIMITS:
            return "Use charging profiles, which are checked"
        if action == self.START and "chargingProfile" in payload:
            return "Leave the profile out, or begin with a limit by POST …/start-limited"
        if action == "UsePriorityCharging" and payload.get("activate") is not False:
            return "Use POST …/priority-charging, which keeps room for it first"
        named = rows(payload.get("setVariableData"), SETTINGS_MAX)
        written = (payload.get("key"), *(variable_name(row) for row in named))
        if any(isinstance(name, str) and self.is_limit(name) for name in written):
            return LEAVE_LIMITS
        cleared = payload.get(self.PROFILE_ID_FIELD)
        is_foreign = isinstance(cleared, int) and cleared not in self.own_profile_ids()
        if action == "ClearChargingProfile" and not is_foreign:
            return "Name a profile that isn't load management's"
        return None

    def profile_id(self, number: int) -> int:
        """What one of our profiles is called in this station; `number` as in `profiles`."""
        return number

    def may_raise(self, evse_id: int) -> bool:
        """Whether it takes a higher limit now."""
        return True

    async def set_limit(self, limit: ChargingLimit) -> CallAnswer:
        """A limit for the running transaction, ending by the station's clock where that works.

        Refused in one way it is told in the next (Q44), each once; a lease test's in its own alone.
        """
        if limit.way is not None:
            return await self._told(limit, await self._rung_of(limit.way))
        ladder = await self._known_ladder()
        answer = await self._told(limit, ladder.rung)
        for _ in range(len(ladder) - 1):
            # One NotImplemented says it of every profile; a setting of the maker's may still help.
            knows_none = answer.status == "NotImplemented" and not self.quirks.limit_setting
            if answer.accepted or knows_none:
                return answer
            refused = ladder.rung
            rung = ladder.climb()
            log.info(
                "%s: refuses limits by %s, tried by %s", self.station_id, refused.name, rung.name
            )
            answer = await self._told(limit, rung)
        if not answer.accepted:
            ladder.climb()
        return answer

    async def _told(self, limit: ChargingLimit, rung: Rung) -> CallAnswer:
        """The limit in one way; an error that says "I have no such thing" is a refusal too."""
        try:
            return await self._tell(limit, rung)
        except CallRefused as refusal:
            if refusal.error_code in NOT_THERE:
                return CallAnswer(False, refusal.error_code, {})
            raise

    async def _tell(self, limit: ChargingLimit, rung: Rung) -> CallAnswer:
        evse = self._own_evse(limit.evse_id)
        self._phases_sent[evse.evse_id] = limit.phase_count
        if rung.way is Way.SETTING:
            return await self._write(
                self.quirks.limit_setting, str(int(limit.current_a)), Priority.SAFETY
            )
        if rung.way is Way.STATION_MAXIMUM:
            profile = self._station_maximum(limit.current_a, limit.phase_count)
            return await self._set_profile(0, profile, f"limit-{evse.evse_id}")
        in_tx = rung.way is Way.TX and limit.transaction_id is not None
        clock_known = self.clock_offset_s is not None and rung.kind is Kind.ABSOLUTE
        profile = profiles.lease(
            evse,
            limit.current_a,
            limit.phase_count,
            purpose=Purpose.TX if in_tx else Purpose.TX_DEFAULT,
            lease_s=limit.lease_s if rung.leases else None,
            station_now=self._station_now() if clock_known else None,
            transaction_id=limit.transaction_id,
            integer=self.quirks.integer_limits,
        )
        if not in_tx and (rung.way is Way.FLAT or await self._is_flat()):
            profile = profiles.before(profile, self._fallback(evse, limit.fallback_a))
        answer = await self._set_profile(evse.evse_id, profile, f"limit-{evse.evse_id}")
        if rung.way is not Way.FLAT:
            self._flat.discard(evse.evse_id)
        elif answer.accepted and evse.evse_id not in self._flat:
            await self._clear_lease(evse.evse_id, f"above-{evse.evse_id}")
            self._flat.add(evse.evse_id)
        return answer

    async def lease_ways(self) -> tuple[str, ...]:
        """By their names, in the order of a lease test."""
        return tuple(rung.name for rung in lease_rungs(self.version, is_flat=await self._is_flat()))

    async def _rung_of(self, name: str) -> Rung:
        ways = lease_rungs(self.version, is_flat=await self._is_flat())
        return next(rung for rung in ways if rung.name == name)

    async def learn_limits(self) -> None:
        """What was tested of this model and firmware counts from now on."""
        self._ladder = await self._remembered_ladder()

    async def limits_stand_in(self, purpose: str) -> bool:
        """Whether a profile of somebody else with this 2.x purpose would stand over our limits."""
        place = _PLACES.get((await self._known_ladder()).rung.way)
        return place is not None and place.value == purpose

    @property
    def holds_leases(self) -> bool:
        """Whether the way in use lets a limit end by itself."""
        return self._ladder is None or self._ladder.leases

    def limit_obeyed(self, evse_id: int) -> None:
        """Q44: remember the way for this model and firmware, once it was seen to work."""
        ladder = self._ladder
        if ladder is not None and ladder.worked():
            log.info("%s: limits by %s are obeyed", self.station_id, ladder.rung.name)
            kept = self.services.stations.remember(self._ladder_key, ladder.rung.name)
            self.background.spawn(kept, f"{self.station_id} way of limits")

    def limit_disobeyed(self, evse_id: int) -> None:
        """Q44: a way that a station of this model has obeyed is not given up for one car."""
        ladder = self._ladder
        if ladder is None or ladder.proven:
            return
        before, after = ladder.rung, ladder.climb()
        log.warning(
            "%s: does not obey limits by %s, tried by %s", self.station_id, before.name, after.name
        )

    async def _known_ladder(self) -> Ladder:
        if self._ladder is None:
            self._ladder = await self._remembered_ladder()
        return self._ladder

    async def _remembered_ladder(self) -> Ladder:
        stations, model = self.services.stations, model_key(self.boot)
        tested = await stations.remembered(lease_fact(model))
        self._schedules_proven = await stations.remembered(limits_fact(model)) is True
        ways = rungs(
            self.version,
            evse_count=len(self.evses),
            has_setting=bool(self.quirks.limit_setting),
            first_name=self.quirks.limits_by,
            tested=tested,
        )
        return Ladder(ways, await stations.remembered(self._ladder_key), tested)

    @property
    def _ladder_key(self) -> str:
        return f"limits-by/{model_key(self.boot)}"

    async def _set_profile(self, evse_id: int, profile: ChargingProfile, key: str) -> CallAnswer:
        payload = self._profile_payload(evse_id, profile)
        return await self.say("SetChargingProfile", payload, priority=Priority.SAFETY, key=key)

    async def clear_limit(self, evse_id: int) -> CallAnswer:
        """Unknown is an answer too: there was none. What the next car may draw is its fallback."""
        fallback_a, self._phases_sent[evse_id] = self._fallback_of(self._own_evse(evse_id))
        way = (await self._known_ladder()).rung.way
        if way is Way.SETTING:
            return await self._write(
                self.quirks.limit_setting, str(int(fallback_a)), Priority.SAFETY
            )
        if way is Way.STATION_MAXIMUM:
            return await self._set_profile(0, self._fallback_maximum(), f"limit-{evse_id}")
        if way is Way.FLAT or await self._is_flat():
            profile = self._fallback(self._own_evse(evse_id))
            return await self._set_profile(evse_id, profile, f"limit-{evse_id}")
        return await self._clear_lease(evse_id, f"limit-{evse_id}")

    async def _clear_lease(self, evse_id: int, key: str) -> CallAnswer:
        return await self.say(
            "ClearChargingProfile",
            {self.PROFILE_ID_FIELD: self.profile_id(profiles.lease_id(evse_id))},
            accepted=("Accepted", "Unknown"),
            priority=Priority.SAFETY,
            key=key,
        )

    def _composite(self, body: Answer) -> Any:
        return table(body.get(self.COMPOSITE_FIELD))

    async def composite_limit(self, evse_id: int) -> ScheduledLimit:
        """What the station says it would let the EVSE draw now."""
        evse = self._own_evse(evse_id)
        answer = await self.say(
            "GetCompositeSchedule",
            {
                self.EVSE_FIELD: evse_id,
                "duration": COMPOSITE_DURATION_S,
                "chargingRateUnit": evse.limit_unit.value,
            },
            key=f"composite-{evse_id}",
        )
        schedule = self._composite(answer.body) if answer.accepted else None
        said = profiles.parse_composite(answer.body, schedule, evse, self._phases_sent.get(evse_id))
        return replace(said, proven=self._schedules_proven)
