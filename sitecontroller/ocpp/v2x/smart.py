"""Smart charging of 2.x beyond our limits (block K): profiles read back and set, limits of others,
what cars need and what they say they will draw.
"""

from datetime import datetime
from typing import Any

from sitecontroller.domain.errors import Conflict
from sitecontroller.domain.smart import (
    ChargingNeeds,
    ClearProfiles,
    EvSchedule,
    ExternalLimit,
    GetProfiles,
    GetSchedule,
    NeedsVerdict,
    ProfilePurpose,
    PutProfile,
)
from sitecontroller.domain.station import OcppVersion
from sitecontroller.ocpp import profiles
from sitecontroller.ocpp.block import Answer, Block
from sitecontroller.ocpp.profiles import Purpose
from sitecontroller.ocpp.v2x.schedules import (
    Stamps,
    as_it_came,
    instant,
    profile_body,
    profiles_of,
    schedule_of,
    schedules_of,
)
from sitecontroller.ocpp.values import integer, number, table, text
from sitecontroller.ports import CallAnswer

TRANSFERS_MAX = 20
REPORT = "ReportChargingProfiles"


# from stations


async def _report_profiles(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    """Part of what we asked for; else news that the station tells unasked (K13.FR.03, K29)."""
    if not dialect.gatherings.take(REPORT, payload):
        await dialect.services.blocks.smart.profiles.told(
            dialect.station_id, profiles_of(payload, dialect.own_profile_ids())
        )
    return {}


async def _charging_limit(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    """K11, K12: the station tells what somebody else allows it."""
    said = table(payload.get("chargingLimit"))
    await dialect.services.blocks.smart.limits.limited(
        ExternalLimit(
            station_id=dialect.station_id,
            evse_id=max(0, integer(payload.get("evseId")) or 0),
            source=text(said.get("chargingLimitSource"), 20) or "Other",
            received_at=received_at,
            schedules=schedules_of(payload.get("chargingSchedule")),
            grid_critical=said.get("isGridCritical") is True,
            local_generation=said.get("isLocalGeneration") is True,
        )
    )
    return {}


async def _cleared_limit(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    await dialect.services.blocks.smart.limits.cleared(
        dialect.station_id,
        integer(payload.get("evseId")),
        text(payload.get("chargingLimitSource"), 20) or "Other",
        received_at,
    )
    return {}


async def _needs(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    """K15.FR.03, K18.FR.04: 2.1 tells "no schedule" and "not this kind of energy" apart."""
    needs = needs_of(dialect.station_id, payload, received_at)
    service = dialect.services.blocks.smart.needs
    verdict = await service.told(needs)
    if verdict is NeedsVerdict.SCHEDULE_FOLLOWS:
        dialect.after_reply(lambda: service.tell_limit(needs.key))
        return {"status": "Accepted"}
    if verdict is NeedsVerdict.NO_SCHEDULE and dialect.version is OcppVersion.V21:
        return {"status": "NoChargingProfile"}
    return {"status": "Rejected"}


async def _ev_schedule(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    """K15.FR.11 and FR.12: whether the car keeps to its limit."""
    evse_id = max(0, integer(payload.get("evseId")) or 0)
    schedule = schedule_of(payload.get("chargingSchedule"))
    if schedule is None:
        return {"status": "Rejected"}
    tolerance = payload.get("powerToleranceAcceptance")
    told = EvSchedule(
        station_id=dialect.station_id,
        evse_id=evse_id,
        received_at=received_at,
        base_at=instant(payload.get("timeBase")),
        schedule=schedule,
        selected_id=integer(payload.get("selectedChargingScheduleId")),
        tolerance_accepted=tolerance if isinstance(tolerance, bool) else None,
    )
    service = dialect.services.blocks.smart.needs
    if await service.scheduled(told):
        return {"status": "Accepted"}
    dialect.after_reply(lambda: service.tell_limit(told.key))
    return {"status": "Rejected"}


def needs_of(station_id: str, payload: Answer, received_at: datetime) -> ChargingNeeds:
    """NotifyEVChargingNeeds of ISO 15118-2 (AC, DC) and -20 (V2X), in one form."""
    said = table(payload.get("chargingNeeds"))
    ac, dc = table(said.get("acChargingParameters")), table(said.get("dcChargingParameters"))
    v2x = table(said.get("v2xChargingParameters"))
    one = {**ac, **dc, **v2x}
    transfers = said.get("availableEnergyTransfer")
    listed = transfers[:TRANSFERS_MAX] if isinstance(transfers, list) else []
    details: Answer = {
        name: kept
        for name in ("derChargingParameters", "evEnergyOffer")
        if (kept := as_it_came(said.get(name))) is not None
    }
    return ChargingNeeds(
        station_id=station_id,
        evse_id=max(0, integer(payload.get("evseId")) or 0),
        received_at=received_at,
        told_at=instant(payload.get("timestamp")),
        requested_transfer=text(said.get("requestedEnergyTransfer"), 30) or "",
        available_transfers=tuple(found for item in listed if (found := text(item, 30))),
        departure_at=instant(said.get("departureTime")),
        energy_wh=_first(one, "evTargetEnergyRequest", "energyAmount"),
        energy_wh_min=number(v2x.get("evMinEnergyRequest")),
        energy_wh_max=number(v2x.get("evMaxEnergyRequest")),
        current_a_min=_first(one, "minChargeCurrent", "evMinCurrent"),
        current_a_max=_first(one, "maxChargeCurrent", "evMaxCurrent"),
        voltage_v_max=_first(one, "maxVoltage", "evMaxVoltage"),
        power_w_min=_sum(v2x, "minChargePower"),
        power_w_max=_sum(v2x, "maxChargePower", number(dc.get("evMaxPower"))),
        discharge_power_w_max=_sum(v2x, "maxDischargePower"),
        discharge_current_a_max=number(v2x.get("maxDischargeCurrent")),
        capacity_wh=number(dc.get("evEnergyCapacity")),
        soc_percent=number(dc.get("stateOfCharge")),
        soc_target_percent=_first(one, "targetSoC", "fullSoC"),
        control_mode=text(said.get("controlMode"), 30),
        mobility_mode=text(said.get("mobilityNeedsMode"), 30),
        schedule_entries_max=integer(payload.get("maxScheduleTuples")),
        details=details,
    )


def _first(said: Answer, *names: str) -> float | None:
    return next((found for name in names if (found := number(said.get(name))) is not None), None)


def _sum(said: Answer, name: str, other: float | None = None) -> float | None:
    """Of three phases, where it is said for each."""
    phases = [number(said.get(each)) for each in (name, f"{name}_L2", f"{name}_L3")]
    known = [power for power in phases if power is not None]
    return sum(known) if known else other


# to stations


async def _get_profiles(dialect: Any, request: GetProfiles) -> CallAnswer:
    """K09.FR.03: without a filter everything our side may ask for is named by its sources."""
    criteria: Answer = {}
    if request.profile_ids:
        criteria["chargingProfileId"] = list(request.profile_ids)
    if request.purpose is not None:
        criteria["chargingProfilePurpose"] = request.purpose.value
    if request.stack_level is not None:
        criteria["stackLevel"] = request.stack_level
    if request.sources or not criteria:
        criteria["chargingLimitSource"] = list(request.sources or ("CSO", "EMS", "SO", "Other"))
    own_ids = dialect.own_profile_ids()

    async def say(request_id: int) -> CallAnswer:
        payload: Answer = {"requestId": request_id, "chargingProfile": criteria}
        if request.evse_id is not None:
            payload["evseId"] = request.evse_id
        answer: CallAnswer = await dialect.say(
            "GetChargingProfiles", payload, accepted=("Accepted", "NoProfiles")
        )
        return answer

    answer, gathered = await dialect.gatherings.ask(
        dialect, REPORT, lambda payload: list(profiles_of(payload, own_ids)), say
    )
    held = () if gathered is None else gathered.items
    complete = gathered is None or gathered.complete
    return CallAnswer(answer.accepted, answer.status, {"profiles": held, "complete": complete})


async def _put_profile(dialect: Any, request: PutProfile) -> CallAnswer:
    """Never where it would stand over the limits that load management counts on."""
    if await dialect.limits_stand_in(request.profile.purpose.value):
        raise Conflict(
            f"{dialect.station_id} is told its limits in profiles of this purpose",
            remedy="Leave the limit to load management; this charger obeys no other kind of it",
        )
    stamps = Stamps(dialect.clock_offset_s or 0.0, dialect.quirks.timestamp_digits)
    now = dialect.services.clock.now()
    payload = {
        "evseId": request.profile.evse_id,
        "chargingProfile": profile_body(request.profile, now, stamps),
    }
    answer: CallAnswer = await dialect.say("SetChargingProfile", payload)
    return answer


async def _clear_profiles(dialect: Any, request: ClearProfiles) -> CallAnswer:
    """K10.FR.02: an id, or what they have in common; never what load management counts on."""
    if await _are_ours(dialect, request):
        raise Conflict(
            f"Among these is what load management told {dialect.station_id}",
            remedy="Name one profile by its id",
        )
    if request.profile_id is not None:
        payload: Answer = {"chargingProfileId": request.profile_id}
    else:
        said = {
            "evseId": request.evse_id,
            "chargingProfilePurpose": request.purpose and request.purpose.value,
            "stackLevel": request.stack_level,
        }
        criteria = {name: value for name, value in said.items() if value is not None}
        payload = {"chargingProfileCriteria": criteria}
    answer: CallAnswer = await dialect.say("ClearChargingProfile", payload)
    return answer


async def _are_ours(dialect: Any, request: ClearProfiles) -> bool:
    if request.profile_id is not None:
        return request.profile_id in dialect.own_profile_ids()
    at_our_level = request.stack_level in (None, profiles.LEASE_STACK_LEVEL)
    of_our_kind = request.purpose in (None, ProfilePurpose.TX_DEFAULT)
    in_our_place: bool = await dialect.limits_stand_in(Purpose.TX_DEFAULT.value)
    return at_our_level and of_our_kind and in_our_place


async def _get_schedule(dialect: Any, request: GetSchedule) -> CallAnswer:
    payload: Answer = {"evseId": request.evse_id, "duration": request.duration_s}
    if request.unit is not None:
        payload["chargingRateUnit"] = request.unit.value
    answer = await dialect.say("GetCompositeSchedule", payload)
    schedule = schedule_of(answer.body.get("schedule"))
    return CallAnswer(answer.accepted, answer.status, {"schedule": schedule})


BLOCK = Block(
    inbound={
        "ReportChargingProfiles": _report_profiles,
        "NotifyChargingLimit": _charging_limit,
        "ClearedChargingLimit": _cleared_limit,
        "NotifyEVChargingNeeds": _needs,
        "NotifyEVChargingSchedule": _ev_schedule,
    },
    requests={
        GetProfiles: _get_profiles,
        PutProfile: _put_profile,
        ClearProfiles: _clear_profiles,
        GetSchedule: _get_schedule,
    },
)
