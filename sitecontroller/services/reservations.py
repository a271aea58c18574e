"""Reservations of EVSEs: made by people, kept by us, held by stations while their time runs.

One that begins later is kept here and told to its station then. A station that restarted, or shows
its EVSE as free again, is told anew. What a station can't hold by itself (any EVSE, on 1.6) is put
on one EVSE. Our own answers to cards keep a reserved EVSE too (`reservation_rows`).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sitecontroller.domain.authorization import TokenRecord
from sitecontroller.domain.commands import Command, CommandResult, CommandState
from sitecontroller.domain.errors import Conflict, FieldError, InvalidInput, NotFound
from sitecontroller.domain.ids import new_ulid
from sitecontroller.domain.queries import Query
from sitecontroller.domain.reservation import (
    CancelReservation,
    Reservation,
    ReservationQuery,
    ReservationsQuery,
    ReservationState,
    ReservationView,
    ReserveEvse,
    in_the_way,
)
from sitecontroller.domain.views import Page
from sitecontroller.services.desk import Answerer, Desk, Handler
from sitecontroller.services.reservation_book import ReservationBook
from sitecontroller.services.reservation_keeping import ReservationKeeping

AHEAD_MAX = timedelta(days=30)
LENGTH_MAX = timedelta(days=2)
PER_STATION_MAX = 50

State = ReservationState


class Reservations:
    """What people ask of reservations."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._book = ReservationBook(desk)
        self._keeping = ReservationKeeping(desk, self._book)
        self.handlers: Mapping[type[Command], Handler] = {
            ReserveEvse: self._reserve,
            CancelReservation: self._cancel,
        }
        self.answerers: Mapping[type[Query], Answerer] = {
            ReservationsQuery: self._page,
            ReservationQuery: self._view,
        }

    async def load(self) -> None:
        """Take up what is open, and keep it from now on."""
        await self._book.load()
        self._keeping.begin()

    async def updated(self, station_id: str, number: int, status: str) -> None:
        """A ReservationStatusUpdate of a 2.x station."""
        await self._keeping.updated(station_id, number, status)

    # commands

    async def _reserve(self, command: ReserveEvse, command_id: str) -> CommandResult:
        self._desk.known(command.station_id)
        async with self._keeping.lock(command.station_id):
            return await self._make(command, command_id)

    async def _make(self, command: ReserveEvse, command_id: str) -> CommandResult:
        now = self._desk.clock.now()
        wish = await self._wish(command, now)
        begins = wish.starts_at <= now
        outlets = self._book.outlets(wish.station_id)
        against = in_the_way(wish, self._book.open(wish.station_id), outlets, now=begins)
        if against is not None:
            raise Conflict(against, remedy="Choose another EVSE, or another time")
        answer = {"reservation_key": wish.key}
        if not begins:
            await self._book.put(wish)
            reason = f"it is told to the charger at {wish.starts_at:%Y-%m-%d %H:%M} UTC"
            return CommandResult(command_id, CommandState.EFFECTIVE, reason, answer)
        link = self._desk.link(wish.station_id)
        held = await self._keeping.hold(link, wish, command_id)
        if held.state is State.HELD:
            return CommandResult(command_id, CommandState.ACCEPTED, None, answer)
        if held.state is State.REFUSED:
            held = await self._keeping.refuse(held)
        return CommandResult(command_id, CommandState.REJECTED, held.reason, answer)

    async def _cancel(self, command: CancelReservation, command_id: str) -> CommandResult:
        """In turn: what the station takes at this very moment is dropped too."""
        station_id = (await self._known(command.reservation_key)).station_id
        async with self._keeping.lock(station_id):
            return await self._give_up(command.reservation_key, command_id)

    async def _give_up(self, key: str, command_id: str) -> CommandResult:
        known = await self._known(key)
        if not known.open:
            raise Conflict(
                f"this reservation is over: {known.state.value}", remedy="Nothing is left to cancel"
            )
        cancelled = await self._book.end(known, State.CANCELLED)
        self._keeping.settle_alarms(cancelled)
        if cancelled.at_station and not await self._keeping.drop(cancelled):
            reason = "the charger is told as soon as it answers"
            return CommandResult(command_id, CommandState.ACCEPTED, reason)
        return CommandResult(command_id, CommandState.EFFECTIVE)

    async def _wish(self, command: ReserveEvse, now: datetime) -> Reservation:
        """The reservation that is asked for, checked field by field."""
        starts_at = command.starts_at or now
        self._check_times(starts_at, command.ends_at, now)
        starts_at = max(starts_at, now)
        outlets = self._book.outlets(command.station_id)
        if command.evse_id is not None and command.connector_type is not None:
            raise _invalid("connector_type", "leave it out where an EVSE is named")
        if not any(o.fits(command.evse_id, command.connector_type) for o in outlets):
            field = "evse_id" if command.evse_id is not None else "connector_type"
            raise _invalid(field, f"{command.station_id} has no such EVSE")
        if sum(item.open for item in self._book.open(command.station_id)) >= PER_STATION_MAX:
            raise Conflict(f"{command.station_id} has {PER_STATION_MAX} reservations already")
        card = await self._card(command.id_token, starts_at)
        return Reservation(
            key=new_ulid(now),
            number=await self._book.next_number(),
            station_id=command.station_id,
            id_token=card.id_token,
            type=card.type,
            starts_at=starts_at,
            ends_at=command.ends_at,
            made_at=now,
            evse_id=command.evse_id,
            connector_type=command.connector_type,
            parent_id_token=command.parent_id_token or card.parent_id_token,
        )

    def _check_times(self, starts_at: datetime, ends_at: datetime, now: datetime) -> None:
        for name, at in (("starts_at", starts_at), ("ends_at", ends_at)):
            if at.tzinfo is None:
                raise _invalid(name, "names its time zone, as in 2026-03-01T12:00:00Z")
        if ends_at <= max(starts_at, now):
            raise _invalid("ends_at", "must lie after the start and after now")
        if starts_at - now > AHEAD_MAX:
            raise _invalid("starts_at", f"must lie at most {AHEAD_MAX.days} days ahead")
        if ends_at - max(starts_at, now) > LENGTH_MAX:
            raise _invalid("ends_at", f"must lie at most {LENGTH_MAX.days} days after the start")

    async def _card(self, id_token: str, at: datetime) -> TokenRecord:
        record = await self._desk.store.read(lambda tx: tx.token(id_token))
        if record is None:
            raise _invalid("id_token", "is no card of this site")
        if record.blocked or (record.expires_at is not None and record.expires_at <= at):
            reason = "is blocked" if record.blocked else "has expired by then"
            raise _invalid("id_token", f"{reason}: it could not charge")
        return record

    # questions

    async def _page(self, query: ReservationsQuery) -> Page[ReservationView]:
        return await self._book.page(query.limit, query.cursor, query.station_id)

    async def _view(self, query: ReservationQuery) -> ReservationView:
        return self._book.view(await self._known(query.reservation_key))

    async def _known(self, key: str) -> Reservation:
        found = await self._book.find(key)
        if found is None:
            raise NotFound(f"no reservation '{key}'", remedy="GET /v1/reservations lists them")
        return found


def _invalid(field: str, message: str) -> InvalidInput:
    return InvalidInput(
        f"The reservation can't be made: {field} {message}",
        remedy=f"Change {field} and ask again",
        errors=(FieldError(field, message),),
    )
