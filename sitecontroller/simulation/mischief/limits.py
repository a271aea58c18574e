"""Stations that do with charging limits what they like.

Joints: `profile` (station, profile) → the profile, None for "accepted and forgotten", or
ProfileRefused; `limit` (station, amperes, control); `asked` (station, None, action, payload).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sitecontroller.domain.station import OcppVersion
from sitecontroller.ocpp.frames import CallFault
from sitecontroller.simulation.control import EvseControl
from sitecontroller.simulation.profiles import (
    STATION_MAXIMUMS,
    TX,
    TX_DEFAULT,
    ProfileRefused,
    StoredProfile,
)
from sitecontroller.simulation.uplink import Payload

if TYPE_CHECKING:
    from sitecontroller.simulation.station import SimulatedStation

LEAST_A = 6.0

_UNITS = {
    OcppVersion.V16: "ChargingScheduleAllowedChargingRateUnit",
    OcppVersion.V201: "SmartChargingCtrlr.RateUnit",
    OcppVersion.V21: "SmartChargingCtrlr.RateUnit",
}
_STACKS = {
    OcppVersion.V16: "ChargeProfileMaxStackLevel",
    OcppVersion.V201: "SmartChargingCtrlr.ProfileStackLevel",
    OcppVersion.V21: "SmartChargingCtrlr.ProfileStackLevel",
}


class Asleep:
    """EVSEs whose car has been paused and won't wake."""

    def __init__(self) -> None:
        self.evses: set[int] = set()


def lies(station: SimulatedStation, profile: StoredProfile) -> None:
    """Accepted, and that was all."""
    return


def has_none(
    station: SimulatedStation, answer: Any, action: str, payload: Payload
) -> Payload | None:
    """It has no smart charging."""
    if action in ("SetChargingProfile", "ClearChargingProfile", "GetCompositeSchedule"):
        raise CallFault("NotSupported", "no smart charging here")
    forced: Payload | None = answer
    return forced


def never_below_6(station: SimulatedStation, limit_a: float, control: EvseControl) -> float:
    """A pause is 6 A to it."""
    return max(limit_a, LEAST_A) if control.transaction is not None else limit_a


def never_wakes(station: SimulatedStation, limit_a: float, control: EvseControl) -> float:
    """What was paused stays so until the plug was drawn."""
    asleep, evse_id = station.part(Asleep).evses, control.evse.evse_id
    if control.outlet.car is None:
        asleep.discard(evse_id)
    elif control.outlet.closed and limit_a < control.evse.current_a_min and control.limit_a > 0:
        asleep.add(evse_id)
    return 0.0 if evse_id in asleep else limit_a


def whole_amperes(station: SimulatedStation, profile: StoredProfile) -> StoredProfile:
    """16.5 is no limit to it."""
    if any(period.limit != int(period.limit) for period in profile.periods):
        raise ProfileRefused("a limit is a whole number")
    return profile


def watts_only(station: SimulatedStation, profile: StoredProfile) -> StoredProfile:
    """Amperes are refused."""
    if profile.unit != "W":
        raise ProfileRefused("limits are in watts")
    return profile


def says_watts(station: SimulatedStation, value: Any) -> None:
    """And its settings say so."""
    is_16 = station.version is OcppVersion.V16
    station.settings.put(_UNITS[station.version], "Power" if is_16 else "W")


def odd_unit(station: SimulatedStation, value: Any) -> None:
    """A spelling of its own for the unit."""
    station.settings.put(_UNITS[station.version], "amps; watts")


def one_level(station: SimulatedStation, profile: StoredProfile) -> StoredProfile:
    """It knows stack level 0 only."""
    if profile.stack_level > 0:
        raise ProfileRefused("only stack level 0")
    return profile


def says_one_level(station: SimulatedStation, value: Any) -> None:
    """And its settings say so."""
    station.settings.put(_STACKS[station.version], "0")


def only_default(station: SimulatedStation, profile: StoredProfile) -> StoredProfile:
    """Nothing but TxDefaultProfiles."""
    return _only(profile, (TX_DEFAULT,))


def only_tx(station: SimulatedStation, profile: StoredProfile) -> StoredProfile:
    """Nothing but TxProfiles."""
    return _only(profile, (TX,))


def only_maximum(station: SimulatedStation, profile: StoredProfile) -> StoredProfile:
    """Nothing but the station's maximum."""
    return _only(profile, STATION_MAXIMUMS)


def _only(profile: StoredProfile, purposes: tuple[str, ...]) -> StoredProfile:
    if profile.purpose not in purposes:
        raise ProfileRefused(f"only {', '.join(purposes)}")
    return profile


def no_lease(station: SimulatedStation, profile: StoredProfile) -> StoredProfile:
    """A limit never ends."""
    return replace(profile, duration_s=None, valid_to=None)


def endless(station: SimulatedStation, profile: StoredProfile) -> StoredProfile:
    """Nor is there anything but a first period."""
    return replace(no_lease(station, profile), periods=profile.periods[:1])
