"""What a simulated 2.1 station answers to grid services (blocks Q and R) and battery swaps (S).

Controls of distributed energy resources are kept, listed and cleared as the specification has them.
No car here feeds back: signals for it are refused with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from sitecontroller.simulation.blocks.block import Block, accepted, refused
from sitecontroller.simulation.settings import FLAG, Setting
from sitecontroller.simulation.uplink import Payload

if TYPE_CHECKING:
    from sitecontroller.simulation.station import SimulatedStation

CONTROLS_MAX = 24
SUPPORTED = ("EnterService", "Gradients", "LimitMaxDischarge", "FixedVar", "FreqDroop", "VoltWatt")
_FIELDS = {
    "EnterService": ("enterService", "enterService"),
    "Gradients": ("gradient", "gradient"),
    "LimitMaxDischarge": ("limitMaxDischarge", "limitMaxDischarge"),
    "FixedVar": ("fixedVar", "fixedVar"),
    "FreqDroop": ("freqDroop", "freqDroop"),
}
"""By type: where its content stands in a request and, within its list, in a report."""
_WITHOUT_DEFAULT = ("EnterService", "Gradients")
"""A report says of these neither default nor superseded."""


class Controls:
    """By their id, in the order they came."""

    def __init__(self) -> None:
        self.kept: dict[str, Payload] = {}
        self.superseded: set[str] = set()


def _set(station: SimulatedStation, payload: Payload) -> Payload:
    controls, kind = station.part(Controls), payload["controlType"]
    if kind not in SUPPORTED:
        return {"status": "NotSupported"}
    if _content(payload) is None:
        return refused("the control's own field is missing", code="MissingParam")
    if payload["controlId"] not in controls.kept and len(controls.kept) >= CONTROLS_MAX:
        return refused("no room for another control", code="OutOfStorage")
    priority = _priority(payload)
    older = [
        identity
        for identity, known in controls.kept.items()
        if identity != payload["controlId"]
        and known["controlType"] == kind
        and known["isDefault"] == payload["isDefault"]
        and identity not in controls.superseded
        and _priority(known) >= priority
    ]
    controls.kept[payload["controlId"]] = payload
    controls.superseded |= set(older)
    return {"status": "Accepted", **({"supersededIds": older} if older else {})}


def _content(payload: Payload) -> Any:
    name = _FIELDS.get(payload["controlType"], ("curve", "curve"))[0]
    return payload.get(name)


def _priority(payload: Payload) -> int:
    return int(_content(payload)["priority"])


def _chosen(station: SimulatedStation, payload: Payload) -> list[Payload]:
    return [
        known
        for identity, known in station.part(Controls).kept.items()
        if payload.get("controlId") in (None, identity)
        and payload.get("controlType") in (None, known["controlType"])
        and payload.get("isDefault") in (None, known["isDefault"])
    ]


def _get(station: SimulatedStation, payload: Payload) -> Payload:
    found = _chosen(station, payload)
    if not found:
        return {"status": "NotFound"}
    for number, known in enumerate(found, start=1):
        report = {
            "requestId": payload["requestId"],
            "tbc": number < len(found),
            **_reported(station, known),
        }
        station.after_answer(partial(station.say, "ReportDERControl", report))
    return accepted()


def _reported(station: SimulatedStation, known: Payload) -> Payload:
    kind, identity = known["controlType"], known["controlId"]
    name, inner = _FIELDS.get(kind, ("curve", "curve"))
    entry: dict[str, Any] = {"id": identity, inner: _content(known)}
    if kind not in _WITHOUT_DEFAULT:
        entry["isDefault"] = known["isDefault"]
        entry["isSuperseded"] = identity in station.part(Controls).superseded
    if name == "curve":
        entry["curveType"] = kind
    return {name: [entry]}


def _clear(station: SimulatedStation, payload: Payload) -> Payload:
    found = _chosen(station, payload)
    for known in found:
        del station.part(Controls).kept[known["controlId"]]
        station.part(Controls).superseded.discard(known["controlId"])
    return {"status": "Accepted" if found else "NotFound"}


def grid_fault(station: SimulatedStation, kind: str = "LowInputPower", *, over: bool) -> None:
    """The grid is out of bounds, or within them again (R06)."""
    payload = {
        "controlType": "FreqDroop",
        "gridEventFault": kind,
        "alarmEnded": over,
        "timestamp": station.stamp(),
    }
    station.say("NotifyDERAlarm", payload)


def _afrr_signal(station: SimulatedStation, payload: Payload) -> Payload:
    return refused("no car here takes part in frequency control", code="UnsupportedRequest")


def _allowed_energy_transfer(station: SimulatedStation, payload: Payload) -> Payload:
    if station.charging_control(payload["transactionId"]) is None:
        return refused("no such transaction", code="TxNotFound")
    return accepted()


def _request_battery_swap(station: SimulatedStation, payload: Payload) -> Payload:
    return refused("there are no batteries to swap here", code="UnsupportedRequest")


def _settings(station: SimulatedStation) -> Iterable[Setting]:
    yield Setting("V2XChargingCtrlr.Available", "false", FLAG, writable=False)
    yield Setting("V2XChargingCtrlr.Enabled", "false", FLAG, writable=False)
    modes = ",".join(SUPPORTED)
    yield Setting("ACDERCtrlr.ModesSupported", modes, writable=False, data_type="MemberList")
    yield Setting("ACDERCtrlr.Enabled", "true", FLAG, writable=False)


BLOCK = Block(
    answers={
        "SetDERControl": _set,
        "GetDERControl": _get,
        "ClearDERControl": _clear,
        "AFRRSignal": _afrr_signal,
        "NotifyAllowedEnergyTransfer": _allowed_energy_transfer,
        "RequestBatterySwap": _request_battery_swap,
    },
    settings=_settings,
)
