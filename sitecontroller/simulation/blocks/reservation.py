"""Reservations at a simulated station: an EVSE, or any of them, is kept for a card until a time.

OCPP 1.6 chapter 5 (ReserveNow, CancelReservation), 2.x block H.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sitecontroller.domain.ids import fold
from sitecontroller.domain.station import ConnectorStatus
from sitecontroller.simulation.blocks.block import Block, accepted
from sitecontroller.simulation.control import EvseControl, Reservation
from sitecontroller.simulation.settings import FLAG, Setting
from sitecontroller.simulation.uplink import Payload

if TYPE_CHECKING:
    from sitecontroller.simulation.station import SimulatedStation


class Anywhere:
    """Reservations that name no EVSE, by their id."""

    def __init__(self) -> None:
        self.kept: dict[int, Reservation] = {}


def lets_in(
    station: SimulatedStation, control: EvseControl, id_token: str, group: str | None
) -> bool:
    """Whether a card may charge here now, as far as reservations go."""
    if control.reservation is not None:
        return _is_for(control.reservation, id_token, group)
    others = [
        reservation
        for reservation in station.part(Anywhere).kept.values()
        if not _is_for(reservation, id_token, group)
    ]
    free = [c for c in station.controls.values() if c.is_free and c.reservation is None]
    return len(free) > len(others)


def used(
    station: SimulatedStation, control: EvseControl, id_token: str, group: str | None
) -> int | None:
    """The reservation that a starting transaction takes up; it is gone with that."""
    own = control.reservation
    if own is not None and _is_for(own, id_token, group):
        control.reservation = None
        return own.reservation_id
    anywhere = station.part(Anywhere).kept
    for reservation in anywhere.values():
        if _is_for(reservation, id_token, group):
            del anywhere[reservation.reservation_id]
            return reservation.reservation_id
    return None


def _is_for(reservation: Reservation, id_token: str, group: str | None) -> bool:
    if fold(reservation.id_token) == fold(id_token):
        return True
    return reservation.group is not None and reservation.group == group


def _reserve_now_16(station: SimulatedStation, payload: Payload) -> Payload:
    evse_id = payload["connectorId"] or None
    if evse_id is None and not station.settings.flag("ReserveConnectorZeroSupported"):
        return {"status": "Rejected"}
    wanted = Reservation(
        payload["reservationId"],
        evse_id,
        payload["idTag"],
        payload.get("parentIdTag"),
        _instant(payload["expiryDate"]),
    )
    return {"status": _reserve(station, wanted)}


def _reserve_now_2x(station: SimulatedStation, payload: Payload) -> Payload:
    wanted = Reservation(
        payload["id"],
        payload.get("evseId"),
        payload["idToken"]["idToken"],
        payload.get("groupIdToken", {}).get("idToken"),
        _instant(payload["expiryDateTime"]),
    )
    return {"status": _reserve(station, wanted)}


def _reserve(station: SimulatedStation, wanted: Reservation) -> str:
    if wanted.expires_at <= station.now():
        return "Rejected"
    _cancel(station, wanted.reservation_id)  # the same id replaces (H01.FR.02)
    if wanted.evse_id is None:
        free = [c for c in station.controls.values() if _why_not(c) is None]
        if len(free) <= len(station.part(Anywhere).kept):
            return "Occupied"
        station.part(Anywhere).kept[wanted.reservation_id] = wanted
        return "Accepted"
    control = station.controls.get(wanted.evse_id)
    if control is None:
        return "Rejected"
    reason = _why_not(control)
    if reason is not None:
        return reason
    control.reservation = wanted
    station.after_answer(lambda: station.report(control))
    return "Accepted"


def _why_not(control: EvseControl) -> str | None:
    words = {
        ConnectorStatus.FAULTED: "Faulted",
        ConnectorStatus.UNAVAILABLE: "Unavailable",
        ConnectorStatus.OCCUPIED: "Occupied",
        ConnectorStatus.RESERVED: "Occupied",
    }
    return "Occupied" if control.waiting is not None else words.get(control.status)


def _cancel_reservation(station: SimulatedStation, payload: Payload) -> Payload:
    return accepted(_cancel(station, payload["reservationId"]))


def _cancel(station: SimulatedStation, reservation_id: int) -> bool:
    if station.part(Anywhere).kept.pop(reservation_id, None) is not None:
        return True
    for control in station.controls.values():
        held = control.reservation
        if held is not None and held.reservation_id == reservation_id:
            control.reservation = None
            station.after_answer(lambda control=control: station.report(control))  # type: ignore[misc]
            return True
    return False


def _watch(station: SimulatedStation) -> None:
    """End what is over; 2.x tells so (H04)."""
    now = station.now()
    anywhere = station.part(Anywhere).kept
    for reservation in [r for r in anywhere.values() if r.expires_at <= now]:
        del anywhere[reservation.reservation_id]
        _tell_end(station, reservation, "Expired")
    for control in station.controls.values():
        held = control.reservation
        if held is None:
            continue
        if held.expires_at <= now:
            control.reservation = None
            _tell_end(station, held, "Expired")
            station.report(control)
        elif control.fault is not None or not control.operative:
            control.reservation = None
            _tell_end(station, held, "Removed")


def _tell_end(station: SimulatedStation, reservation: Reservation, status: str) -> None:
    if station.dialect.VERSION.value != "1.6":
        number = reservation.reservation_id
        payload = {"reservationId": number, "reservationUpdateStatus": status}
        station.say("ReservationStatusUpdate", payload)


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _settings_16(station: SimulatedStation) -> Iterable[Setting]:
    yield Setting("ReserveConnectorZeroSupported", "true", FLAG, writable=False)


def _settings_2x(station: SimulatedStation) -> Iterable[Setting]:
    yield Setting("ReservationCtrlr.Available", "true", FLAG, writable=False)
    yield Setting("ReservationCtrlr.Enabled", "true", FLAG)
    yield Setting("ReservationCtrlr.NonEvseSpecific", "true", FLAG, writable=False)


BLOCK_16 = Block(
    answers={"ReserveNow": _reserve_now_16, "CancelReservation": _cancel_reservation},
    hooks={"second": _watch},
    settings=_settings_16,
)
BLOCK_2X = Block(
    answers={"ReserveNow": _reserve_now_2x, "CancelReservation": _cancel_reservation},
    hooks={"second": _watch},
    settings=_settings_2x,
)
