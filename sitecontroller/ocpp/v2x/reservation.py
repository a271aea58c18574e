"""Reservations at a 2.x station (block H)."""

from datetime import datetime
from typing import Any

from sitecontroller.domain.authorization import IdTokenType
from sitecontroller.domain.reservation import DropReservation, ReserveNow
from sitecontroller.ocpp.block import Answer, Block
from sitecontroller.ocpp.commands import Priority
from sitecontroller.ocpp.values import group, integer, text
from sitecontroller.ports import CallAnswer


async def _reserve(dialect: Any, request: ReserveNow) -> CallAnswer:
    payload: Answer = {
        "id": request.number,
        "expiryDateTime": dialect.stamp(request.ends_at),
        "idToken": {
            "idToken": dialect.sendable(request.id_token),
            "type": request.type.value,
        },
    }
    if request.evse_id is not None:
        payload["evseId"] = request.evse_id
    elif request.connector_type is not None:
        payload["connectorType"] = request.connector_type
    if parent := group(request.parent_id_token, dialect.group_characters_max):
        payload["groupIdToken"] = {"idToken": parent, "type": IdTokenType.CENTRAL.value}
    answer: CallAnswer = await dialect.say("ReserveNow", payload)
    return answer


async def _drop(dialect: Any, request: DropReservation) -> CallAnswer:
    priority = Priority.HOUSEKEEPING if request.unasked else Priority.ATTENDANT
    payload = {"reservationId": request.number}
    answer: CallAnswer = await dialect.say("CancelReservation", payload, priority=priority)
    return answer


async def _status_update(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    """H01.FR.16, H04.FR.03; 2.1 has NoTransaction too."""
    number = integer(payload.get("reservationId"))
    said = text(payload.get("reservationUpdateStatus")) or ""
    if number is not None:
        await dialect.services.blocks.reservations.updated(dialect.station_id, number, said)
    return {}


BLOCK = Block(
    inbound={"ReservationStatusUpdate": _status_update},
    requests={ReserveNow: _reserve, DropReservation: _drop},
)
