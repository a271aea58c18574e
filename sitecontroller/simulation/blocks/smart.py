"""Charging profiles over the wire (2.x block K): set, clear, report, composite, the car's needs.

2.1 adds dynamic schedules and priority charging. What a profile means stands in `profiles`.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from sitecontroller.domain.station import OcppVersion
from sitecontroller.domain.topology import NOMINAL_V, Supply
from sitecontroller.simulation.blocks.block import Block, accepted, refused
from sitecontroller.simulation.cars import Car
from sitecontroller.simulation.control import EvseControl, Transaction
from sitecontroller.simulation.profiles import (
    DYNAMIC,
    PRIORITY,
    TX,
    ProfileRefused,
    StoredProfile,
    in_unit,
    lowest,
    parse_profile,
)
from sitecontroller.simulation.settings import Setting
from sitecontroller.simulation.uplink import Payload
from sitecontroller.wire import format_instant

if TYPE_CHECKING:
    from sitecontroller.simulation.station import SimulatedStation

DC_VOLTAGE_MAX = 500
SCHEDULE_TUPLES = 24


class Pulls:
    """When a dynamic profile next asks for its limit, by profile; monotonic."""

    def __init__(self) -> None:
        self.due_s: dict[int, float] = {}


def profile_of(body: dict[str, Any], evse_id: int) -> StoredProfile:
    """A ChargingProfileType."""
    return parse_profile(body, body["chargingSchedule"][0], evse_id, body["id"])


def _set_profile(station: SimulatedStation, payload: Payload) -> Payload:
    evse_id = payload["evseId"]
    try:
        profile = profile_of(payload["chargingProfile"], evse_id)
        if evse_id not in (0, *station.controls):
            raise ProfileRefused(f"no EVSE {evse_id}")
        if profile.purpose == TX and (
            profile.transaction_id is None
            or station.charging_control(profile.transaction_id) is not station.controls[evse_id]
        ):
            raise ProfileRefused("no such transaction")  # K01.FR.33
        station.keep_profile(profile)
    except ProfileRefused as reason:
        return refused(str(reason), code="InvalidProfile")
    if profile.purpose == TX:
        _tell_schedule(station, station.controls[evse_id], profile)
    return accepted()


def _clear_profile(station: SimulatedStation, payload: Payload) -> Payload:
    criteria = payload.get("chargingProfileCriteria", {})
    gone = station.clear_profiles(
        profile_id=payload.get("chargingProfileId"),
        evse_id=criteria.get("evseId"),
        purpose=criteria.get("chargingProfilePurpose"),
        stack_level=criteria.get("stackLevel"),
    )
    return {"status": "Accepted" if gone else "Unknown"}


def _composite(station: SimulatedStation, payload: Payload) -> Payload:
    control = station.controls.get(payload["evseId"])
    if control is None:
        return refused("no such EVSE", code="UnknownEvse")
    at, duration_s = station.now(), payload["duration"]
    unit = payload.get("chargingRateUnit") or control.evse.limit_unit.value
    since = station.charging_since(control)
    steps = station.profiles.composite(control.evse, at, duration_s, since)
    return {
        "status": "Accepted",
        "schedule": {
            "evseId": control.evse.evse_id,
            "duration": duration_s,
            "scheduleStart": format_instant(at),
            "chargingRateUnit": unit,
            "chargingSchedulePeriod": [
                {"startPeriod": start_s, "limit": in_unit(limit_a, unit, control.evse)}
                for start_s, limit_a in steps
            ],
        },
    }


def _get_profiles(station: SimulatedStation, payload: Payload) -> Payload:
    """One report an EVSE (K09)."""
    asked = payload["chargingProfile"]
    found: dict[int, list[StoredProfile]] = {}
    for profile in station.profiles:
        if (
            payload.get("evseId") in (None, profile.evse_id)
            and asked.get("chargingProfilePurpose") in (None, profile.purpose)
            and asked.get("stackLevel") in (None, profile.stack_level)
            and profile.profile_id in asked.get("chargingProfileId", (profile.profile_id,))
            and "CSO" in asked.get("chargingLimitSource", ("CSO",))
        ):
            found.setdefault(profile.evse_id, []).append(profile)
    if not found:
        return {"status": "NoProfiles"}
    for number, (evse_id, profiles) in enumerate(found.items(), start=1):
        report = {
            "requestId": payload["requestId"],
            "chargingLimitSource": "CSO",
            "evseId": evse_id,
            "tbc": number < len(found),
            "chargingProfile": [profile.body for profile in profiles],
        }
        station.after_answer(partial(station.say, "ReportChargingProfiles", report))
    return accepted()


# The car's needs


def _started(station: SimulatedStation, control: EvseControl, transaction: Transaction) -> None:
    """A car with a departure time tells its needs as ISO 15118 has them (K15)."""
    car = control.outlet.car
    if car is not None and car.departs_in_s is not None:
        payload = {
            "evseId": control.evse.evse_id,
            "maxScheduleTuples": SCHEDULE_TUPLES,
            "chargingNeeds": needs_of(station, control, car, car.departs_in_s),
        }
        station.say("NotifyEVChargingNeeds", payload)


def needs_of(
    station: SimulatedStation, control: EvseControl, car: Car, departs_in_s: float
) -> dict[str, Any]:
    """A ChargingNeedsType, in whole units as 2.0.1 wants them."""
    model = car.model
    wanted_wh = round((1 - car.soc) * model.battery_wh)
    departs = station.now() + timedelta(seconds=departs_in_s)
    if control.evse.supply is Supply.DC:
        return {
            "requestedEnergyTransfer": "DC",
            "departureTime": station.stamp(departs),
            "dcChargingParameters": {
                "evMaxCurrent": round(model.current_a_max),
                "evMaxVoltage": DC_VOLTAGE_MAX,
                "energyAmount": wanted_wh,
                "stateOfCharge": round(car.soc * 100),
                "evEnergyCapacity": round(model.battery_wh),
            },
        }
    if model.discharge_a_max > 0 and station.dialect.VERSION is OcppVersion.V21:
        each_w = NOMINAL_V * min(model.phase_count, control.evse.phase_count)
        return {
            "requestedEnergyTransfer": "AC_BPT",
            "departureTime": station.stamp(departs),
            "v2xChargingParameters": {
                "maxChargePower": model.current_a_max * each_w,
                "maxDischargePower": model.discharge_a_max * each_w,
                "evTargetEnergyRequest": wanted_wh,
            },
        }
    words = {1: "AC_single_phase", 2: "AC_two_phase", 3: "AC_three_phase"}
    return {
        "requestedEnergyTransfer": words[min(model.phase_count, control.evse.phase_count)],
        "departureTime": station.stamp(departs),
        "acChargingParameters": {
            "energyAmount": wanted_wh,
            "evMinCurrent": round(model.current_a_min),
            "evMaxCurrent": round(model.current_a_max),
            "evMaxVoltage": round(NOMINAL_V * 3**0.5),
        },
    }


def _tell_schedule(station: SimulatedStation, control: EvseControl, profile: StoredProfile) -> None:
    """What such a car makes of the CSMS's schedule: it takes it as it is (K17)."""
    car = control.outlet.car
    if car is None or car.departs_in_s is None:
        return
    payload = {
        "timeBase": station.stamp(),
        "evseId": control.evse.evse_id,
        "chargingSchedule": profile.body["chargingSchedule"][0],
    }
    station.after_answer(partial(station.say, "NotifyEVChargingSchedule", payload))


def limit_from_outside(station: SimulatedStation, limit_a: float | None) -> None:
    """Somebody else limits this station, such as the grid's operator; None: no more (K12, K13)."""
    station.external_limit_a = limit_a
    station.obey_all()
    if limit_a is None:
        station.say("ClearedChargingLimit", {"chargingLimitSource": "SO"})
        return
    limit = {"chargingLimitSource": "SO", "isGridCritical": True}
    schedule = {
        "id": 1,
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit_a}],
    }
    station.say("NotifyChargingLimit", {"chargingLimit": limit, "chargingSchedule": [schedule]})


# What 2.1 adds


def _update_dynamic(station: SimulatedStation, payload: Payload) -> Payload:
    profile = _dynamic(station, payload["chargingProfileId"])
    if profile is None:
        return refused("no such dynamic profile", code="InvalidProfileId")
    _renew(station, profile, payload["scheduleUpdate"])
    return accepted()


def _dynamic(station: SimulatedStation, profile_id: int) -> StoredProfile | None:
    for profile in station.profiles:
        if profile.profile_id == profile_id and profile.kind == DYNAMIC:
            found: StoredProfile = profile
            return found
    return None


def _renew(station: SimulatedStation, profile: StoredProfile, update: dict[str, Any]) -> None:
    station.profiles.put(profile.updated(lowest(update)))
    station.obey_all()


def _pull(station: SimulatedStation) -> None:
    """Ask for the limits that the CSMS wants to be asked for (K28.FR.09)."""
    due, now_s = station.part(Pulls).due_s, station.clock.monotonic_s()
    for profile in station.profiles:
        if profile.update_every_s:
            since_s = due.setdefault(profile.profile_id, now_s + profile.update_every_s)
            if now_s >= since_s:
                due[profile.profile_id] = now_s + profile.update_every_s
                station.spawn(_pull_one(station, profile.profile_id))


async def _pull_one(station: SimulatedStation, profile_id: int) -> None:
    answer = await station.uplink.ask(
        "PullDynamicScheduleUpdate", {"chargingProfileId": profile_id}
    )
    profile = _dynamic(station, profile_id)
    if answer is not None and profile is not None and "scheduleUpdate" in answer:
        _renew(station, profile, answer["scheduleUpdate"])


def _use_priority(station: SimulatedStation, payload: Payload) -> Payload:
    control = station.charging_control(payload["transactionId"])
    if control is None or control.transaction is None:
        return refused("no such transaction", code="TxNotFound")
    if not any(profile.purpose == PRIORITY for profile in station.profiles):
        return {"status": "NoProfile"}
    control.transaction.priority = payload["activate"]
    station.obey_all()
    return accepted()


def press_priority(station: SimulatedStation, evse_id: int, *, activate: bool = True) -> bool:
    """The driver asks for priority at the station (K22); False where there is no such thing."""
    transaction = station.controls[evse_id].transaction
    if transaction is None or not any(p.purpose == PRIORITY for p in station.profiles):
        return False
    transaction.priority = activate
    station.obey_all()
    payload = {"transactionId": transaction.transaction_id, "activated": activate}
    station.say("NotifyPriorityCharging", payload)
    return True


def _count(station: SimulatedStation) -> list[Setting]:
    def count() -> str:
        return str(len(tuple(station.profiles)))

    name = "SmartChargingCtrlr.Entries@ChargingProfiles"
    return [Setting(name, "", r"\d+", writable=False, live=count)]


BLOCK_201 = Block(
    answers={
        "SetChargingProfile": _set_profile,
        "ClearChargingProfile": _clear_profile,
        "GetCompositeSchedule": _composite,
        "GetChargingProfiles": _get_profiles,
    },
    hooks={"started": _started},
    settings=_count,
)
BLOCK_21 = Block(
    answers={"UpdateDynamicSchedule": _update_dynamic, "UsePriorityCharging": _use_priority},
    hooks={"second": _pull},
)
