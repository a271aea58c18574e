"""What the stations of tests/bench/ocpp.py say, and the least that answers them, per version."""

from datetime import UTC, datetime, timedelta
from typing import Any

CARD = "04A1B2C3D4"
Call = tuple[str, dict[str, Any]]
_SAMPLED = (
    [("Current.Import", "A")] * 3
    + [("Voltage", "V")] * 3
    + [("Power.Active.Import", "W")] * 3
    + [("Energy.Active.Import.Register", "Wh")] * 3
)


def _samples16(wh: float) -> list[dict[str, Any]]:
    return [
        {
            "value": f"{wh + n}.5",
            "context": "Sample.Periodic",
            "measurand": measurand,
            "phase": f"L{n % 3 + 1}",
            "location": "Outlet",
            "unit": unit,
        }
        for n, (measurand, unit) in enumerate(_SAMPLED)
    ]


def _samples2x(wh: float) -> list[dict[str, Any]]:
    return [
        {
            "value": wh + n + 0.5,
            "context": "Sample.Periodic",
            "measurand": measurand,
            "phase": f"L{n % 3 + 1}",
            "location": "Outlet",
            "unitOfMeasure": {"unit": unit},
        }
        for n, (measurand, unit) in enumerate(_SAMPLED)
    ]


def _at(number: int) -> str:
    at = datetime.now(UTC) + timedelta(milliseconds=10 * number)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _meter16(number: int, **more: Any) -> Call:
    value = {"timestamp": _at(number), "sampledValue": _samples16(1000 + number)}
    return "MeterValues", {"connectorId": 1, **more, "meterValue": [value]}


def _event2x(number: int, station: int, kind: str = "Updated", **more: Any) -> Call:
    return "TransactionEvent", {
        "eventType": kind,
        "timestamp": _at(number),
        "triggerReason": "MeterValuePeriodic",
        "seqNo": number,
        "transactionInfo": {"transactionId": f"bench-{station}", "chargingState": "Charging"},
        "evse": {"id": 1, "connectorId": 1},
        "meterValue": [{"timestamp": _at(number), "sampledValue": _samples2x(1000 + number)}],
        **more,
    }


def mixed(version: str, station: int, calls: int) -> list[Call]:
    """What a station says on a usual day: half of it readings of 12 samples."""
    if version == "1.6":
        status = {"connectorId": 1, "errorCode": "NoError", "status": "Charging"}
        readings = [_meter16(0, transactionId=7)] * 3
        card: dict[str, Any] = {"idTag": CARD}
    else:
        status = {
            "timestamp": _at(0), "connectorStatus": "Occupied", "evseId": 1, "connectorId": 1
        }  # fmt: skip
        readings = [_event2x(1, station)] * 3
        card = {"idToken": {"idToken": CARD, "type": "ISO14443"}}
    mix: list[Call] = [
        ("Heartbeat", {}),
        ("StatusNotification", status),
        *readings,
        ("Authorize", card),
    ]
    return [mix[(number + station) % len(mix)] for number in range(calls)]


def charging(version: str, station: int, calls: int) -> list[Call]:
    """One session and its readings; each has to be on disk before it is answered."""
    if version == "1.6":
        start = {"connectorId": 1, "idTag": CARD, "meterStart": 1000, "timestamp": _at(0)}
        return [("StartTransaction", start), *map(_meter16, range(1, calls))]
    card = {"idToken": {"idToken": CARD, "type": "ISO14443"}}
    return [
        _event2x(0, station, "Started", **card),
        *(_event2x(number, station) for number in range(1, calls)),
    ]


_ACCEPTED = {"status": "Accepted"}
ANSWERS: dict[str, dict[str, dict[str, Any]]] = {
    "1.6": {
        "Heartbeat": {"currentTime": "2025-11-21T08:00:00.000Z"},
        "StatusNotification": {},
        "MeterValues": {},
        "Authorize": {"idTagInfo": _ACCEPTED},
        "StartTransaction": {"transactionId": 1, "idTagInfo": _ACCEPTED},
    },
    "2.0.1": {
        "Heartbeat": {"currentTime": "2025-11-21T08:00:00.000Z"},
        "StatusNotification": {},
        "TransactionEvent": {},
        "Authorize": {"idTokenInfo": _ACCEPTED},
    },
}
