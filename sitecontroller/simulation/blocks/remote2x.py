"""The core requests of 2.x at a simulated station: start, stop, reset, availability, triggers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sitecontroller.simulation.blocks.block import Block, accepted, refused
from sitecontroller.simulation.blocks.smart import profile_of
from sitecontroller.simulation.control import EndReason, EvseControl
from sitecontroller.simulation.profiles import ProfileRefused
from sitecontroller.simulation.uplink import Payload

if TYPE_CHECKING:
    from sitecontroller.simulation.station import SimulatedStation

CONNECTOR_ID = 1


def _change_availability(station: SimulatedStation, payload: Payload) -> Payload:
    controls = _chosen(station, payload)
    if not controls:
        return refused("no such EVSE", code="UnknownEvse")
    operative = payload["operationalStatus"] == "Operative"
    return {"status": station.sessions.set_availability(controls, operative=operative)}


def _clear_cache(station: SimulatedStation, payload: Payload) -> Payload:
    if not station.settings.flag("AuthCacheCtrlr.Enabled"):
        return refused("there is no cache", code="NotEnabled")
    station.sessions.known_tokens.clear()
    return accepted()


def _get_transaction_status(station: SimulatedStation, payload: Payload) -> Payload:
    identity = payload.get("transactionId")
    queued = station.uplink.has_lasting()
    if identity is None:
        return {"messagesInQueue": queued}
    running = station.charging_control(identity) is not None
    return {"ongoingIndicator": running, "messagesInQueue": queued}


def _request_start_transaction(station: SimulatedStation, payload: Payload) -> Payload:
    controls = station.chosen(payload.get("evseId") or 0)
    control = next((c for c in controls if c.is_free), None)
    if control is None:
        return refused("no free EVSE", code="TxInProgress")
    profile = None
    if body := payload.get("chargingProfile"):
        try:
            profile = profile_of(body, control.evse.evse_id)
        except ProfileRefused as reason:
            return refused(str(reason), code="InvalidProfile")
    said = payload["idToken"]
    group = payload.get("groupIdToken", {}).get("idToken")
    started = station.sessions.remote_start(
        control,
        said["idToken"],
        payload["remoteStartId"],
        profile,
        group=group,
        token_type=said["type"],
    )
    return accepted() if started else refused("kept for another card", code="Occupied")


def _request_stop_transaction(station: SimulatedStation, payload: Payload) -> Payload:
    control = station.charging_control(payload["transactionId"])
    if control is None:
        return refused("no such transaction", code="TxNotFound")
    end = station.sessions.end_if
    station.after_answer(partial(end, control, control.transaction, EndReason.REMOTE))
    return accepted()


def _reset(station: SimulatedStation, payload: Payload) -> Payload:
    if "evseId" in payload:
        return _reset_evse(station, payload)
    charging = any(control.transaction for control in station.controls.values())
    if payload["type"] == "OnIdle" and charging:
        station.reset_when_idle()
        return {"status": "Scheduled"}
    station.reset(EndReason.SOFT_RESET)
    return accepted()


def _reset_evse(station: SimulatedStation, payload: Payload) -> Payload:
    """One EVSE alone restarts (B11.FR.08, B12.FR.07): its transaction ends, the line stays."""
    control = station.controls.get(payload["evseId"])
    if control is None:
        return refused("no such EVSE", code="UnknownEvse")
    if payload["type"] == "OnIdle" and control.transaction is not None:
        return refused("it is busy", code="TxInProgress")
    end = station.sessions.end_if
    station.after_answer(partial(end, control, control.transaction, EndReason.SOFT_RESET))
    return accepted()


def _unlock_connector(station: SimulatedStation, payload: Payload) -> Payload:
    control = station.controls.get(payload["evseId"])
    if control is None or payload["connectorId"] != CONNECTOR_ID:
        return {"status": "UnknownConnector"}
    if control.transaction is not None:
        return {"status": "OngoingAuthorizedTransaction"}
    return {"status": "Unlocked"}


def _trigger_message(station: SimulatedStation, payload: Payload) -> Payload:
    return station.dialect.trigger(payload["requestedMessage"], _chosen(station, payload))


def _chosen(station: SimulatedStation, payload: Payload) -> list[EvseControl]:
    """The EVSE of the request, or all without one; none for one it doesn't have."""
    return station.chosen(payload.get("evse", {}).get("id", 0))


BLOCK = Block(
    answers={
        "ChangeAvailability": _change_availability,
        "ClearCache": _clear_cache,
        "GetTransactionStatus": _get_transaction_status,
        "RequestStartTransaction": _request_start_transaction,
        "RequestStopTransaction": _request_stop_transaction,
        "Reset": _reset,
        "TriggerMessage": _trigger_message,
        "UnlockConnector": _unlock_connector,
    }
)
