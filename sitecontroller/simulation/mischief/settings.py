"""Stations that tell of their settings, files and firmware in ways of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sitecontroller.simulation.uplink import Payload

if TYPE_CHECKING:
    from sitecontroller.simulation.station import SimulatedStation

FLOOD = 60
FIRMWARE = ("FirmwareStatusNotification", "SignedFirmwareStatusNotification")
LOGS = ("DiagnosticsStatusNotification", "LogStatusNotification")
MEASURANDS = "MeterValuesSampledData"


class Counts:
    """What was told how often, and which setting was touched."""

    def __init__(self) -> None:
        self.told = 0
        self.touched = False


def odd_configuration(
    station: SimulatedStation, answer: Payload, action: str, payload: Payload
) -> Payload:
    """Values that are numbers, or missing; keys in another case (1.6)."""
    if action != "GetConfiguration":
        return answer
    return {**answer, "configurationKey": [_odd(i, k) for i, k in enumerate(_keys(answer))]}


def _keys(answer: Payload) -> list[dict[str, Any]]:
    keys: list[dict[str, Any]] = answer["configurationKey"]
    return keys


def _odd(number: int, key: dict[str, Any]) -> dict[str, Any]:
    value = key.get("value", "")
    if number % 4 == 0:
        return {"key": key["key"].lower(), "readonly": key["readonly"], "value": value}
    if number % 4 == 1 and value.isdigit():
        return {**key, "value": int(value)}
    if number % 4 == 2:
        return {"key": key["key"], "value": value}
    return {**key, "value": None} if value == "" else key


def reboots_on_measurands(
    station: SimulatedStation, value: Any, action: str, payload: Payload
) -> Payload | None:
    """Takes any list of measurands, and reboots when it is asked for that list (1.6)."""
    counts = station.part(Counts)
    if action == "ChangeConfiguration" and payload["key"] == MEASURANDS:
        counts.touched = True
        return {"status": "Accepted"}
    wants_it = action == "GetConfiguration" and MEASURANDS in (payload.get("key") or [MEASURANDS])
    if wants_it and counts.touched:
        station.after_answer(lambda: station.spawn(station.reboot("Watchdog")))
    forced: Payload | None = value
    return forced


def status_flood(station: SimulatedStation, value: Any, action: str, payload: Payload) -> None:
    """The same word on an upload sixty times."""
    counts = station.part(Counts)
    if action in LOGS and payload["status"] == "Uploading" and counts.told < FLOOD:
        counts.told += 1
        station.say(action, payload)


def silent_firmware(station: SimulatedStation, value: bool, action: str, payload: Any) -> bool:
    """Not a word on the firmware it installs."""
    return value or action in FIRMWARE


def firmware_fails(station: SimulatedStation, value: bool) -> bool:
    """The installation fails at its end."""
    return False


def posts(station: SimulatedStation, value: bool) -> bool:
    """Files go by POST, as a form."""
    return True
