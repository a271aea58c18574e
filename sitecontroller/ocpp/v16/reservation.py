"""Reservations at a 1.6 station."""

from typing import Any

from sitecontroller.domain.reservation import NOT_UNSPECIFIED, DropReservation, ReserveNow
from sitecontroller.ocpp.block import Answer, Block
from sitecontroller.ocpp.commands import Priority
from sitecontroller.ocpp.v16.words import CARD_CHARACTERS_MAX
from sitecontroller.ocpp.values import group
from sitecontroller.ports import CallAnswer

ANY_CONNECTOR = "ReserveConnectorZeroSupported"


async def _reserve(dialect: Any, request: ReserveNow) -> CallAnswer:
    """Connector 0 only where the station says that it knows what that means (1.6 5.13)."""
    if request.connector_type is not None and request.evse_id is None:
        return CallAnswer(False, NOT_UNSPECIFIED, {})
    if request.evse_id is None and not await _takes_any(dialect):
        return CallAnswer(False, NOT_UNSPECIFIED, {})
    payload: Answer = {
        "connectorId": request.evse_id or 0,
        "expiryDate": dialect.stamp(request.ends_at),
        "idTag": dialect.sendable(request.id_token),
        "reservationId": request.number,
    }
    if parent := group(request.parent_id_token, CARD_CHARACTERS_MAX):
        payload["parentIdTag"] = parent
    answer: CallAnswer = await dialect.say("ReserveNow", payload)
    return answer


async def _takes_any(dialect: Any) -> bool:
    found = await dialect.read_settings((ANY_CONNECTOR,))
    said = next((s.value for n, s in found.items() if n.casefold() == ANY_CONNECTOR.casefold()), "")
    return (said or "").casefold() == "true"


async def _drop(dialect: Any, request: DropReservation) -> CallAnswer:
    priority = Priority.HOUSEKEEPING if request.unasked else Priority.ATTENDANT
    payload = {"reservationId": request.number}
    answer: CallAnswer = await dialect.say("CancelReservation", payload, priority=priority)
    return answer


BLOCK = Block(requests={ReserveNow: _reserve, DropReservation: _drop})
