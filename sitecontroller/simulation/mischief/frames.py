"""Stations whose frames are wrong: fields, types, ids, sizes, answers.

Functions of the joint `payload` take (station, payload, action), of `frame` (station, frame,
action); those of `second` send raw frames now and then.
"""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING, Any

import orjson

from sitecontroller.ocpp.frames import CALL, CALLRESULT, CALLRESULTERROR, CallFault
from sitecontroller.simulation.uplink import Payload

if TYPE_CHECKING:
    from sitecontroller.simulation.station import SimulatedStation

EVERY_S = 15
HUGE_BYTES = 300 * 1024
DEEP_LEVELS = 100_000
SLOW_S = 20.0
LONG_ID_CHARS = 80
WITH_TIMES = ("StatusNotification", "StartTransaction", "StopTransaction", "TransactionEvent")

GARBAGE = (
    b"no JSON at all",
    b"{}",
    b"[]",
    b"null",
    b"[2]",
    b'[2,"g-1"]',
    b'[2,"g-2","Heartbeat"]',
    b'[2,"g-3","Heartbeat",null]',
    b'[2,"g-4","Heartbeat",[]]',
    b'[2,"g-5",42,{}]',
    b'[9,"g-6",{}]',
    b'["2","g-7","Heartbeat",{}]',
    b'[2,"g-8","Heartbeat",{"a":12345678901234567890}]',
    b"[3]",
    b'[4,"g-9"]',
    b'[2,"g-10","Heartbeat",{}',
)


class Numbers:
    """Counts what was sent, so that frames differ."""

    def __init__(self) -> None:
        self.next = count(1)
        self.second = 0


# Fields


def extra_fields(station: SimulatedStation, payload: Payload, action: str) -> Payload:
    """Fields of the maker's own, outermost and inside."""
    return {
        **{key: _with_extra(value) for key, value in payload.items()},
        "vendorExtension": {"build": 4711, "beta": True},
    }


def _with_extra(value: Any) -> Any:
    return {**value, "vendorField": "x"} if isinstance(value, dict) else value


def overlong_fields(station: SimulatedStation, payload: Payload, action: str) -> Payload:
    """Texts longer than the schema allows."""
    bent = dict(payload)
    if action == "BootNotification":
        box = bent.get("chargingStation")
        names = ("vendorName", "model", "serialNumber", "firmwareVersion")
        if box is not None:
            bent["chargingStation"] = {**box, **{n: f"{box.get(n, '')}{'x' * 60}" for n in names}}
        for name in ("chargePointModel", "chargePointVendor", "chargePointSerialNumber"):
            if name in bent:
                bent[name] = f"{bent[name]} {'x' * 60}"
    elif action == "StatusNotification" and "errorCode" in bent:
        bent |= {"info": "i" * 200, "vendorErrorCode": "e" * 200, "vendorId": "v" * 400}
    return bent


def wrong_types(station: SimulatedStation, payload: Payload, action: str) -> Payload:
    """Numbers as text and text as numbers."""
    bent: Payload = {key: _swapped(value) for key, value in payload.items()}
    for name in ("idTag", "idToken"):  # a card's digits are its name
        if name in payload:
            bent[name] = payload[name]
    return bent


def _swapped(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, dict):
        return {key: _swapped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_swapped(item) for item in value]
    if isinstance(value, str) and value.replace(".", "", 1).isdigit() and len(value) < 12:
        return float(value) if "." in value else int(value)
    return value


def unknown_words(station: SimulatedStation, payload: Payload, action: str) -> Payload:
    """Words that no list of the specification has, and known ones in another case."""
    bent = dict(payload)
    if action == "StatusNotification" and "errorCode" in bent:
        bent |= {"errorCode": "E-42 (see manual)", "status": str(bent["status"]).upper()}
    if action == "StopTransaction":
        bent["reason"] = "BecauseWeCan"
    if action == "TransactionEvent":
        bent["triggerReason"] = "MoonPhase"
    return bent


def nulls(station: SimulatedStation, payload: Payload, action: str) -> Payload:
    """null wherever there is nothing to say."""
    return {**payload, "info": None, "vendorId": None, "customData": None}


def duplicate_keys(station: SimulatedStation, frame: bytes, action: str) -> bytes:
    """A key twice, the wrong value first."""
    if action not in WITH_TIMES:
        return frame
    return frame.replace(b",{", b',{"timestamp":"not a time",', 1)


def control_characters(station: SimulatedStation, payload: Payload, action: str) -> Payload:
    """NULs and other control characters around a card's number."""
    bent = dict(payload)
    if isinstance(bent.get("idTag"), str):
        bent["idTag"] = f"\x02{bent['idTag']}\x00\x03"
    token = bent.get("idToken")
    if isinstance(token, dict):
        bent["idToken"] = {**token, "idToken": f"\x02{token['idToken']}\x00"}
    return bent


def nan_values(station: SimulatedStation, frame: bytes, action: str) -> bytes:
    """NaN where a sensor has nothing to say."""
    if b"Voltage" not in frame:
        return frame
    message = orjson.loads(frame)
    for value in message[3].get("meterValue", ()):
        for sample in value["sampledValue"]:
            if sample.get("measurand") == "Voltage":
                sample["value"] = float("nan")
    return json.dumps(message, separators=(",", ":")).encode()


# Ids


def numeric_ids(station: SimulatedStation, message_id: str) -> int:
    """1, 2, 3 …"""
    return next(station.part(Numbers).next)


def one_id(station: SimulatedStation, message_id: str) -> str:
    """The same for every message."""
    return "1"


def long_ids(station: SimulatedStation, message_id: str) -> str:
    """Longer than the 36 characters of the specification."""
    return message_id.ljust(LONG_ID_CHARS, "x")


# Frames that nobody asked for


def _now_and_then(station: SimulatedStation) -> int | None:
    """How often its turn has come, when it has."""
    numbers = station.part(Numbers)
    numbers.second += 1
    turn, rest = divmod(numbers.second, EVERY_S)
    return turn if rest == 0 else None


def garbage(station: SimulatedStation, value: Any) -> None:
    """Frames that are none."""
    turn = _now_and_then(station)
    if turn is not None:
        for frame in GARBAGE:
            station.spawn(station.uplink.write(frame))


def huge(station: SimulatedStation, value: Any) -> None:
    """A frame of 300 KiB."""
    turn = _now_and_then(station)
    if turn is not None:
        payload = {"vendorId": "huge", "data": "x" * HUGE_BYTES}
        frame = orjson.dumps([CALL, f"huge-{turn}", "DataTransfer", payload])
        station.spawn(station.uplink.write(frame))


def deep(station: SimulatedStation, value: Any) -> None:
    """A frame of 100,000 levels."""
    turn = _now_and_then(station)
    if turn is not None:
        inside = b"[" * DEEP_LEVELS + b"]" * DEEP_LEVELS
        frame = b'[2,"deep-%d","DataTransfer",{"vendorId":"x","data":%s}]' % (turn, inside)
        station.spawn(station.uplink.write(frame))


def unsolicited(station: SimulatedStation, value: Any) -> None:
    """Answers to questions that nobody asked."""
    turn = _now_and_then(station)
    if turn is not None:
        for kind in ([CALLRESULT, f"u-{turn}", {}], [4, f"u-{turn}", "GenericError", "", {}]):
            station.spawn(station.uplink.write(orjson.dumps(kind)))


def unknown_actions(station: SimulatedStation, value: Any) -> None:
    """Messages that no version has, and one that only a CSMS sends."""
    turn = _now_and_then(station)
    if turn is not None:
        for name in ("MakeCoffee", "ClearCache"):
            frame = orjson.dumps([CALL, f"{name}-{turn}", name, {"cups": turn}])
            station.spawn(station.uplink.write(frame))


def result_errors(station: SimulatedStation, value: Any, action: str, payload: Payload) -> None:
    """Complains of every answer it gets (2.1)."""
    number = next(station.part(Numbers).next)
    frame = [CALLRESULTERROR, f"e-{number}", "FormatViolation", f"your {action} is wrong", {}]
    station.spawn(station.uplink.write(orjson.dumps(frame)))


# Answers


def slow_answers(station: SimulatedStation, delay_s: float, action: str) -> float:
    """Every answer takes its time."""
    return SLOW_S


def slow_limits(station: SimulatedStation, delay_s: float, action: str) -> float:
    """Limits are answered late, all else at once."""
    return SLOW_S if action == "SetChargingProfile" else delay_s


def no_answers(station: SimulatedStation, delay_s: float, action: str) -> None:
    """No question gets an answer."""
    return


def refuses_all(station: SimulatedStation, answer: Any, action: str, payload: Payload) -> Payload:
    """A CALLERROR for everything."""
    raise CallFault("InternalError", "not today")


def odd_answers(station: SimulatedStation, reply: bytes, action: str) -> bytes:
    """Fields nobody knows in results, three elements in errors."""
    kind, message_id, *rest = orjson.loads(reply)
    if kind == CALLRESULT:
        return orjson.dumps([kind, message_id, {**rest[0], "extra": {"deep": [1]}}, "and more"])
    return orjson.dumps([kind, message_id, "E_SOMETHING"])


def no_fractions(
    station: SimulatedStation, answer: Any, action: str, payload: Payload
) -> Payload | None:
    """Times with fractions of a second are refused."""
    if _has_fraction(payload):
        raise CallFault("FormatViolation", "time stamps are without fractions")
    forced: Payload | None = answer
    return forced


def _has_fraction(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_fraction(item) for item in value.values())
    if isinstance(value, list):
        return any(_has_fraction(item) for item in value)
    return isinstance(value, str) and value.endswith("Z") and "T" in value and "." in value
