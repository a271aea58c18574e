"""OCPP 2.1: 2.0.1 and what came with 2.1.

Stations of 2.1 will be partial for years: what one lacks is found out message by message and done
without (`StationDialect.supports`).
"""

from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

from sitecontroller.domain.authorization import IdToken, IdTokenType
from sitecontroller.domain.errors import CallRefused, OperatingError
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.station import OcppVersion
from sitecontroller.ocpp import profiles
from sitecontroller.ocpp.block import Answer, Inbound, merged
from sitecontroller.ocpp.commands import Priority
from sitecontroller.ocpp.dialect import NOT_THERE
from sitecontroller.ocpp.ladder import Rung, Way
from sitecontroller.ocpp.measurands import with_meant_signs
from sitecontroller.ocpp.profiles import START_IN_PAST, ChargingProfile, Kind, Purpose
from sitecontroller.ocpp.setup import SetUpPlan
from sitecontroller.ocpp.v2x import (
    certificates,
    device,
    grid,
    smart21,
    streams,
    swap,
    tariffs,
)
from sitecontroller.ocpp.v2x.dynamic import DynamicLimits
from sitecontroller.ocpp.v2x.schedules import flattened
from sitecontroller.ocpp.v2x.smart21 import ev_state
from sitecontroller.ocpp.v2x.station import BLOCKS, Station201
from sitecontroller.ocpp.v2x.write_pace import (
    RATE_LIMIT_EXCEEDED,
    WritePace,
    positive,
    reason_code,
)
from sitecontroller.ocpp.values import integer, number, table, text
from sitecontroller.ports import CallAnswer, ChargingLimit, LimitSuperseded

BLOCKS_OF_21 = (
    smart21.BLOCK,
    streams.BLOCK,
    grid.BLOCK,
    swap.BLOCK,
    tariffs.BLOCK,
    certificates.BLOCK_21,
)

_TOKEN_TYPES = {
    **{kind.value.casefold(): kind for kind in IdTokenType},
    "evccid": IdTokenType.MAC_ADDRESS,
}
UPDATE_RATE_LIMIT = "SmartChargingCtrlr.UpdateRateLimit"
KEEPS_TX_PROFILES = "SmartChargingCtrlr.ChargingProfilePersistence@TxProfile"
HIGHEST_EXTERNAL_ID = "SmartChargingCtrlr.MaxExternalConstraintsId"
INVALID_PROFILE_ID = "InvalidProfileId"


class Station21(Station201):
    """One connected 2.1 station."""

    version = OcppVersion.V21
    blocks = merged((*BLOCKS, *BLOCKS_OF_21))
    group_characters_max = 255

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        monotonic_s = self.services.clock.monotonic_s
        self.dynamic = DynamicLimits(monotonic_s)
        self._pace = WritePace(monotonic_s)
        self._first_id = 0
        self._ends_offline = True
        """Whether it takes profiles that end when it is offline for long."""
        self._takes_no_setpoints = False

    # what it says

    def readings_of(
        self, meter_values: object, evse_id: int | None, received_at: datetime
    ) -> list[MeterReading]:
        """A car may feed in here."""
        found = super().readings_of(meter_values, evse_id, received_at)
        return [with_meant_signs(reading) for reading in found]

    async def _transaction_event_of_21(self, payload: Answer, received_at: datetime) -> Answer:
        """2.0.1's, and what 2.1 tells of the car beside."""
        answer = await self._transaction_event(payload, received_at)
        total = table(table(payload.get("costDetails")).get("totalCost"))
        own = number(table(total.get("total")).get("inclTax"))
        if own is not None and "totalCost" in answer:
            self.services.blocks.costs.counted(self.station_id, own, answer["totalCost"])
        at = self.time_of(payload.get("timestamp"), received_at).at
        state = ev_state(self.station_id, payload, at, self.evse_of)
        if state is not None:
            await self.services.blocks.smart.states.told(state)
        return answer

    core: ClassVar[dict[str, Inbound]] = {
        **Station201.core,
        "TransactionEvent": _transaction_event_of_21,
    }

    def token(self, payload: Answer) -> IdToken | None:
        """Types are free words in 2.1: a car's id is compared as a MAC address is, any other that
        2.0.1 doesn't know as what some server made."""
        said = table(payload.get("idToken"))
        kind = (text(said.get("type")) or "").casefold()
        word = _TOKEN_TYPES.get(kind, IdTokenType.CENTRAL)
        return super().token({**payload, "idToken": {**said, "type": word.value}})

    # limits

    def profile_id(self, number: int) -> int:
        """K01.FR.80: above the numbers that the station gives to limits from outside."""
        return number + self._first_id

    def may_raise(self, evse_id: int) -> bool:
        """Whether it takes a higher limit now."""
        return self._pace.may_raise(evse_id)

    def _profile_payload(self, evse_id: int, profile: ChargingProfile) -> Answer:
        """A lease ends when the station is offline for as long, whatever its clock says."""
        payload = super()._profile_payload(evse_id, profile)
        body = payload["chargingProfile"]
        body["id"] = self.profile_id(profile.profile_id)
        for schedule in body["chargingSchedule"]:
            schedule["id"] = body["id"]
        ends_s = profile.duration_s if profile.valid_to is not None else None
        if profile.setpoint is not None and profile.then is not None:
            body["chargingSchedule"][0]["chargingSchedulePeriod"][0] |= _given_back(
                profile.setpoint
            )
            ends_s = profile.then.start_s
        if ends_s is not None and self._ends_offline:
            body |= _offline_end(ends_s - int(START_IN_PAST.total_seconds()))
        return payload

    async def _set_profile(self, evse_id: int, profile: ChargingProfile, key: str) -> CallAnswer:
        """A station that refuses says why: what can be mended at once is sent again."""
        if profile.profile_id == profiles.lease_id(evse_id):
            self.dynamic.forget(evse_id)
        answer = await super()._set_profile(evse_id, profile, key)
        if not answer.accepted and await self._mended(answer, profile):
            answer = await super()._set_profile(evse_id, profile, key)
        if answer.accepted:
            self._pace.written(evse_id, profile.purpose)
        elif reason_code(answer.body) == RATE_LIMIT_EXCEEDED:
            wait_s = self._pace.refused(evse_id, answer.body)
            raise CallRefused(RATE_LIMIT_EXCEEDED, f"it takes the next profile in {wait_s:.0f} s")
        return answer

    async def _mended(self, answer: CallAnswer, profile: ChargingProfile) -> bool:
        """Whether a refused profile would look different now."""
        reason = reason_code(answer.body)
        if reason == RATE_LIMIT_EXCEEDED:
            return False
        if reason == INVALID_PROFILE_ID:
            return await self._find_first_id()
        could_offend, self._ends_offline = self._ends_offline, False
        ends = profile.valid_to is not None or profile.setpoint is not None
        if not could_offend or not ends:
            self._ends_offline = could_offend
            return False
        return True

    async def _find_first_id(self) -> bool:
        found = await device.get_variables(self, (HIGHEST_EXTERNAL_ID,), Priority.SAFETY)
        highest = integer(found[0].get("attributeValue")) if found else None
        if highest is None or highest <= self._first_id:
            return False
        self._first_id = highest
        return True

    async def set_limit(self, limit: ChargingLimit) -> CallAnswer:
        """With what the car shall give back; where that is refused, the limit alone."""
        answer = await self._tell_discharge(limit)
        if answer is not None and answer.accepted:
            return answer
        return await super().set_limit(replace(limit, discharge=None))

    async def _tell_discharge(self, limit: ChargingLimit) -> CallAnswer | None:
        """Q03: a central setpoint. None: it can't be told; nothing ends without its clock."""
        given, transaction_id = limit.discharge, limit.transaction_id
        if given is None or transaction_id is None or self.clock_offset_s is None:
            return None
        rung = (await self._known_ladder()).rung
        if rung.way is not Way.TX or rung.kind is not Kind.ABSOLUTE or self._takes_no_setpoints:
            return None
        assert limit.current_a == 0, "who gives back doesn't charge"
        profile = profiles.discharge(
            self._own_evse(limit.evse_id),
            given.current_a,
            limit.phase_count,
            lease_s=given.lease_s,
            station_now=self._station_now(),
            transaction_id=transaction_id,
        )
        self._phases_sent[limit.evse_id] = limit.phase_count
        try:
            answer = await self._set_profile(limit.evse_id, profile, f"limit-{limit.evse_id}")
        except CallRefused as refusal:
            if refusal.error_code == RATE_LIMIT_EXCEEDED:
                return None
            answer = CallAnswer(False, refusal.error_code, {})
        if not answer.accepted:
            self._takes_no_setpoints = True
            await self.services.stations.warn(
                self.station_id,
                "takes no setpoints: its cars give nothing back until it reconnects",
            )
        return answer

    async def _tell(self, limit: ChargingLimit, rung: Rung) -> CallAnswer:
        if rung.way is Way.TX and limit.transaction_id is not None and not self.dynamic.refused:
            pull_s = await self.services.blocks.smart.dynamic_pull_s(self.station_id)
            if pull_s is not None:
                answer = await self._tell_dynamically(limit, pull_s)
                if answer is not None and answer.accepted:
                    return answer
                self.dynamic.refused = True
                await self.services.stations.warn(
                    self.station_id, "takes no dynamic limits; it is told plain ones"
                )
        return await super()._tell(limit, rung)

    async def _tell_dynamically(self, limit: ChargingLimit, pull_s: int) -> CallAnswer | None:
        """None: it has no such messages."""
        try:
            return await self._put_dynamically(limit, pull_s)
        except CallRefused as refusal:
            if refusal.error_code not in NOT_THERE:
                raise
            return None

    async def _put_dynamically(self, limit: ChargingLimit, pull_s: int) -> CallAnswer:
        """K28: an update where the profile is there, else a new profile."""
        evse = self._own_evse(limit.evse_id)
        value = profiles.limit_value(
            evse, limit.current_a, limit.phase_count, integer=self.quirks.integer_limits
        )
        self._phases_sent[evse.evse_id] = limit.phase_count
        if self.dynamic.holds(limit):
            answer = await self._update(limit, value)
            if answer.accepted:
                self.dynamic.set(limit, evse.limit_unit, value)
                return answer
        self.dynamic.forget(limit.evse_id)  # who asks meanwhile is not told what held before
        payload = self._dynamic_payload(limit, pull_s)
        key = f"limit-{limit.evse_id}"
        answer = await self.say("SetChargingProfile", payload, priority=Priority.SAFETY, key=key)
        if answer.accepted:
            self.dynamic.set(limit, evse.limit_unit, value)
            self._pace.written(limit.evse_id, Purpose.TX)
        return answer

    async def _update(self, limit: ChargingLimit, value: float) -> CallAnswer:
        payload = {
            "chargingProfileId": self.profile_id(profiles.lease_id(limit.evse_id)),
            "scheduleUpdate": {"limit": value},
        }
        self.dynamic.sending(limit, value)
        try:
            return await self.say(
                "UpdateDynamicSchedule",
                payload,
                priority=Priority.SAFETY,
                key=f"limit-{limit.evse_id}",
            )
        except (OperatingError, LimitSuperseded):
            self.dynamic.failed(limit.evse_id)
            raise

    def _dynamic_payload(self, limit: ChargingLimit, pull_s: int) -> Answer:
        profile = profiles.lease(
            self._own_evse(limit.evse_id),
            limit.current_a,
            limit.phase_count,
            purpose=Purpose.TX,
            lease_s=None,
            station_now=None,
            transaction_id=limit.transaction_id,
            integer=self.quirks.integer_limits,
        )
        payload = self._profile_payload(limit.evse_id, replace(profile, duration_s=limit.lease_s))
        body = payload["chargingProfile"]
        body["chargingProfileKind"] = "Dynamic"
        if pull_s > 0:
            body["dynUpdateInterval"] = pull_s
        if limit.lease_s is not None and self._ends_offline:
            body |= _offline_end(limit.lease_s)
        return payload

    async def clear_limit(self, evse_id: int) -> CallAnswer:
        """Unknown is an answer too: there was none."""
        self.dynamic.forget(evse_id)
        return await super().clear_limit(evse_id)

    def _composite(self, body: Answer) -> Any:
        return flattened(super()._composite(body))

    # set-up

    def _plan(self) -> SetUpPlan:
        plan = super()._plan()
        return replace(plan, also_read=(*plan.also_read, UPDATE_RATE_LIMIT, KEEPS_TX_PROFILES))

    async def _check_settings(self) -> None:
        """What its profiles may ask of its flash."""
        await super()._check_settings()
        said = {name: setting.value for name, setting in self.found_settings.items()}
        self._pace.update_s = positive(said.get(UPDATE_RATE_LIMIT))
        self._pace.keeps_tx_profiles = (said.get(KEEPS_TX_PROFILES) or "").lower() == "true"


def _given_back(setpoint: float) -> Answer:
    """Of one period; below 0 is discharge: W of all phases together, or A of each."""
    return {
        "operationMode": "CentralSetpoint",
        "setpoint": setpoint,
        "dischargeLimit": setpoint,
    }


def _offline_end(after_s: int) -> Answer:
    return {"maxOfflineDuration": after_s, "invalidAfterOfflineDuration": True}
