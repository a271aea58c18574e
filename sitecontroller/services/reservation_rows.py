"""Reservations inside a unit of work with transactions: whom one keeps out, and who uses it up.

Plain functions on `tx`: no await, no clock.
"""

import dataclasses
from collections.abc import Sequence
from datetime import datetime

from sitecontroller.domain.authorization import Authorization, AuthorizationStatus, IdToken
from sitecontroller.domain.reservation import Reservation, ReservationState, keeps_out
from sitecontroller.domain.transaction import Transaction
from sitecontroller.ports import Kept, UnitOfWork
from sitecontroller.wire import from_json, to_json

KIND = "reservation"


def put_reservation(tx: UnitOfWork, reservation: Reservation) -> None:
    """Add or replace one; it counts as open while something is to be done about it."""
    is_open = reservation.open or reservation.at_station
    body = to_json(reservation)
    row = Kept(KIND, reservation.key, reservation.made_at, body, reservation.station_id, is_open)
    tx.put_kept(row)


def open_reservations(tx: UnitOfWork, station_id: str | None = None) -> list[Reservation]:
    """Those that keep something free or will, and those a station must still be told of."""
    rows = tx.all_kept(KIND, station_id, open_only=True)
    return [from_json(Reservation, row.body) for row in rows]


def unless_reserved(
    tx: UnitOfWork,
    authorization: Authorization,
    station_id: str,
    evse_id: int | None,
    id_token: IdToken,
    at: datetime,
    evse_ids: Sequence[int] = (),
) -> Authorization:
    """The same authorization, or a refusal where the place is kept for another card.

    `evse_id` None: the card may begin at any of `evse_ids`.
    """
    if not authorization.accepted:
        return authorization
    card = id_token.id_token, authorization.parent_id_token
    reservations = open_reservations(tx, station_id)
    if keeps_out(reservations, evse_ids, evse_id, card, at) is None:
        return authorization
    return dataclasses.replace(authorization, status=AuthorizationStatus.NOT_AT_THIS_TIME)


def use_reservation(tx: UnitOfWork, transaction: Transaction, number: int | None) -> None:
    """A transaction ends the reservation it stands for: by the station's word, else by its card
    and place (H03.FR.09)."""
    card = None if transaction.id_token is None else transaction.id_token.id_token
    for known in open_reservations(tx, transaction.station_id):
        if not known.open:
            continue
        by_card = (
            transaction.may_charge
            and known.holds_at(transaction.started_at)
            and known.is_for(card, transaction.parent_id_token)
            and known.place in (None, transaction.evse_id)
        )
        if known.number == number or (number is None and by_card):
            used = dataclasses.replace(
                known,
                state=ReservationState.USED,
                at_station=False,
                ended_at=transaction.started_at,
                transaction_key=transaction.key,
                reason=None,
            )
            put_reservation(tx, used)
            return
