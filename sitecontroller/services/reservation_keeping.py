"""What becomes of reservations over time: told to stations, told again, used, run out, lost.

Looked at every few seconds and whenever a station says something that concerns one.
"""

import asyncio
import dataclasses
import logging
from collections.abc import Coroutine
from typing import Any

from sitecontroller.domain.commands import CommandResult, CommandState
from sitecontroller.domain.errors import (
    CallRefused,
    ControllerError,
    InvalidInput,
    OperatingError,
    Unsupported,
)
from sitecontroller.domain.events import (
    CommandFinished,
    Event,
    StationChanged,
    StationReady,
    TransactionChanged,
)
from sitecontroller.domain.ids import masked
from sitecontroller.domain.reservation import (
    NOT_UNSPECIFIED,
    DropReservation,
    Reservation,
    ReservationState,
    ReserveNow,
    in_the_way,
)
from sitecontroller.domain.station import ConnectorStatus
from sitecontroller.domain.topology import EvseKey
from sitecontroller.domain.transaction import Transaction
from sitecontroller.ports import CallAnswer, StationLink
from sitecontroller.services.desk import Desk
from sitecontroller.services.effect import Effect
from sitecontroller.services.reservation_book import ReservationBook, is_over

log = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0
AGAIN_AFTER_S = 30.0
"""Between two attempts to have a station hold the same reservation."""
SENT_MAX = 20
"""Attempts for one reservation; a station that restarts all day gets no more."""
READY_AFTER_S = 5.0
"""After a boot the states of the EVSEs come first."""
FREE_FOR_S = 180.0
EFFECT_WITHIN_S = 60.0
NOT_SHOWN = f"the charger did not show it as reserved within {EFFECT_WITHIN_S:.0f} s"

State = ReservationState
REFUSALS = {
    "Occupied": "the EVSE has a car or is reserved already",
    "Faulted": "the EVSE has a fault",
    "Unavailable": "the EVSE is out of service",
    "Rejected": "the charger takes no reservations",
}
ENDS = {
    "expired": (State.NO_SHOW, None),
    "removed": (State.REMOVED, "the charger gave it up"),
    "notransaction": (State.NOT_CHARGED, "the card came, but no session began"),
}
_OUT_OF_SERVICE = {
    ConnectorStatus.FAULTED: "the EVSE has a fault",
    ConnectorStatus.UNAVAILABLE: "the EVSE went out of service",
}


class ReservationKeeping:
    """Keeps stations and the book in step."""

    def __init__(self, desk: Desk, book: ReservationBook) -> None:
        self._desk = desk
        self._book = book
        self._tried_s: dict[str, float] = {}
        self._lost: set[str] = set()
        """Keys of those that their station has to be told again."""
        self._free_s: dict[str, float] = {}
        """Since when the EVSE of one that it had shown is free again."""
        self._one_each: dict[str, asyncio.Lock] = {}

    def begin(self) -> None:
        """From now on."""
        self._desk.publisher.subscribe(
            self._on_event, StationReady, StationChanged, TransactionChanged
        )
        self._desk.background.spawn(self._watch(), "reservations", patient=True)

    def lock(self, station_id: str) -> asyncio.Lock:
        """What is done about a station's reservations is done one after the other."""
        return self._one_each.setdefault(station_id, asyncio.Lock())

    # with stations

    async def hold(
        self, link: StationLink, reservation: Reservation, command_id: str | None = None
    ) -> Reservation:
        """Have a station hold it from now on: the row afterwards, or refused and why, which is
        for the caller to keep.

        InvalidInput when the station can't be told this card's number.
        """
        self._tried_s[reservation.key] = self._desk.clock.monotonic_s()
        told = dataclasses.replace(reservation, sent=reservation.sent + 1)
        with Effect(
            self._desk.publisher, lambda event: self._shows(told, event), StationChanged
        ) as effect:
            try:
                told, answer = await self._say(link, told)
            except OperatingError as error:
                # It may have taken it all the same: it is told to drop it when it answers again.
                doubtful = not isinstance(error, Unsupported | CallRefused)
                return _refused(told, error.detail, at_station=doubtful)
            if not answer.accepted:
                reason = REFUSALS.get(answer.status, f"the charger says {answer.status}")
                return _refused(told, reason)
            if command_id is not None and told.place is not None:
                self._follow(effect.kept(), told, command_id)
        held = dataclasses.replace(told, state=State.HELD, at_station=True, reason=None)
        return await self._book.put(held)

    async def refuse(self, reservation: Reservation) -> Reservation:
        """Close one that its station did not take."""
        return await self._book.end(reservation, State.REFUSED, reservation.reason)

    async def drop(self, reservation: Reservation) -> bool:
        """Tell a station to give it up; False: it doesn't answer now, it is told later."""
        link = self._desk.stations.link(reservation.station_id)
        if link is None:
            return False
        try:
            await link.ask(DropReservation(reservation.number, unasked=not reservation.open))
        except OperatingError as error:
            log.info("%s: reservation not dropped: %s", reservation.station_id, error.detail)
            return False
        # Rejected says that the station knows of none, which is as good.
        await self._book.put(dataclasses.replace(reservation, at_station=False))
        return True

    async def updated(self, station_id: str, number: int, status: str) -> None:
        """The station's own word that one has ended."""
        known = self._book.by_number(station_id, number)
        ending = ENDS.get(status.casefold())
        if known is None or ending is None:
            log.info("%s: reservation %d: %s, not known here", station_id, number, status)
            return
        gone = dataclasses.replace(known, at_station=False)
        if not known.open:
            await self._book.put(gone)
            return
        state, reason = ending
        await self._close(gone, state, reason)

    async def _say(
        self, link: StationLink, reservation: Reservation
    ) -> tuple[Reservation, CallAnswer]:
        """As it is meant; where the station can't keep any of several, one EVSE."""
        request = ReserveNow(
            reservation.number,
            reservation.id_token,
            reservation.type,
            reservation.ends_at,
            reservation.place,
            reservation.connector_type if reservation.place is None else None,
            reservation.parent_id_token,
        )
        answer = await link.ask(request)
        if answer.accepted or reservation.place is not None:
            return reservation, answer
        if answer.status not in (NOT_UNSPECIFIED, "Rejected"):
            return reservation, answer
        evse_id = self._free_evse(reservation)
        if evse_id is None:
            return reservation, CallAnswer(False, "Occupied", {})
        placed = dataclasses.replace(reservation, told_evse_id=evse_id)
        request = dataclasses.replace(request, evse_id=evse_id, connector_type=None)
        return placed, await link.ask(request)

    def _free_evse(self, wish: Reservation) -> int | None:
        """One that fits and can be kept free from now on."""
        others = self._book.open(wish.station_id)
        outlets = self._book.outlets(wish.station_id)
        for outlet in outlets:
            placed = dataclasses.replace(wish, evse_id=outlet.evse_id, connector_type=None)
            fits = outlet.fits(wish.evse_id, wish.connector_type)
            if fits and in_the_way(placed, others, outlets, now=True) is None:
                return outlet.evse_id
        return None

    # over time

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.look()

    async def look(self) -> None:
        """What is due now; no station waits for another."""
        station_ids = dict.fromkeys(known.station_id for known in self._book.open())
        await asyncio.gather(*map(self._look_after, station_ids))

    async def _look_after(self, station_id: str) -> None:
        async with self.lock(station_id):
            for known in self._book.open(station_id):
                try:
                    await self._look_at(known)
                except ControllerError as error:
                    log.error("%s: reservation %s: %s", station_id, known.key, error.detail)

    async def _look_at(self, known: Reservation) -> None:
        now = self._desk.clock.now()
        link = self._desk.stations.link(known.station_id)
        if not known.open:
            if is_over(known, now):
                await self._book.put(dataclasses.replace(known, at_station=False))
            elif link is not None:
                await self.drop(known)
        elif is_over(known, now):
            await self._run_out(known)
        elif known.state is State.PLANNED and known.starts_at <= now:
            await self._begin(known, link)
        elif self._is_lost(known) and link is not None and self._may_try(known):
            self._lost.discard(known.key)
            self._free_s.pop(known.key, None)
            again = await self.hold(link, known)
            if again.state is State.REFUSED:
                await self._tell_lost(await self.refuse(again))

    async def _run_out(self, known: Reservation) -> None:
        """By our clock; a station whose clock is behind is told."""
        state = State.NO_SHOW if known.state is State.HELD else State.REFUSED
        reason = None if known.state is State.HELD else known.reason or "the charger was away"
        shows = self._status(known) is ConnectorStatus.RESERVED
        ended = await self._close(known, state, reason)
        if not (shows and await self.drop(ended)):
            await self._book.put(dataclasses.replace(ended, at_station=False))

    async def _begin(self, known: Reservation, link: StationLink | None) -> None:
        """Its time has come: it is told to the station as soon as that can hold it."""
        others = self._book.open(known.station_id)
        outlets = self._book.outlets(known.station_id)
        against = in_the_way(known, others, outlets, now=True)
        if link is None:
            against = "the charger is offline"
        if against is None and link is not None and self._may_try(known):
            try:
                held = await self.hold(link, known)
            except InvalidInput as error:
                held = dataclasses.replace(_refused(known, error.detail), sent=SENT_MAX)
            if held.state is not State.REFUSED:
                self.settle_alarms(held)
                return
            if is_over(held, self._desk.clock.now()) or held.sent >= SENT_MAX:
                await self._tell_lost(await self.refuse(held))
                return
            against = held.reason
            known = dataclasses.replace(held, state=State.PLANNED, reason=known.reason)
            await self._book.put(known)
        if against is not None and against != known.reason:
            await self._book.put(dataclasses.replace(known, reason=against))
            self._desk.alarms.raise_(
                "reservation-unmet",
                known.key,
                place=_place(known),
                card=masked(known.id_token),
                reason=against,
            )

    def _is_lost(self, known: Reservation) -> bool:
        """Its station restarted, or has shown its EVSE as free for longer than a driver takes from
        showing the card to plugging in."""
        free_s = self._free_s.get(known.key)
        now_s = self._desk.clock.monotonic_s()
        return known.key in self._lost or (free_s is not None and now_s - free_s > FREE_FOR_S)

    def _may_try(self, known: Reservation) -> bool:
        tried_s = self._tried_s.get(known.key)
        now_s = self._desk.clock.monotonic_s()
        waited = tried_s is None or now_s - tried_s >= AGAIN_AFTER_S
        return waited and known.sent < SENT_MAX

    async def _close(
        self, known: Reservation, state: ReservationState, reason: str | None
    ) -> Reservation:
        ended = await self._book.end(known, state, reason)
        self._tried_s.pop(known.key, None)
        self._lost.discard(known.key)
        self._free_s.pop(known.key, None)
        self.settle_alarms(ended)
        if state is State.REMOVED:
            await self._tell_lost(ended)
        log.info("%s: reservation %d: %s", known.station_id, known.number, state.value)
        return ended

    async def _tell_lost(self, ended: Reservation) -> None:
        self.settle_alarms(ended)
        self._desk.alarms.raise_(
            "reservation-lost",
            ended.key,
            place=_place(ended),
            card=masked(ended.id_token),
            reason=ended.reason or "the charger gave it up",
        )

    def settle_alarms(self, reservation: Reservation) -> None:
        """It waits for nothing any more."""
        self._desk.alarms.clear("reservation-unmet", reservation.key)

    # what stations show

    def _on_event(self, event: Event) -> None:
        match event:
            case StationReady(station_id) if event.rebooted:
                held = {known.key for known in self._held(station_id)}
                asyncio.get_running_loop().call_later(READY_AFTER_S, self._lose, station_id, held)
            case StationChanged(station_id):
                self._note_states(station_id)
            case TransactionChanged(transaction=transaction):
                if event.began or self._concerns(transaction):
                    self._spawn(self._after_transaction(transaction.station_id))

    def _concerns(self, transaction: Transaction) -> bool:
        card = None if transaction.id_token is None else transaction.id_token.id_token
        return any(
            known.open and known.is_for(card, transaction.parent_id_token)
            for known in self._book.open(transaction.station_id)
        )

    async def _after_transaction(self, station_id: str) -> None:
        before = self._book.open(station_id)
        await self._book.refresh(station_id)
        still = {known.key for known in self._book.open(station_id)}
        for known in before:
            if known.key not in still:
                self.settle_alarms(known)

    def _held(self, station_id: str) -> list[Reservation]:
        return [known for known in self._book.open(station_id) if known.state is State.HELD]

    def _lose(self, station_id: str, before: set[str]) -> None:
        """A station that restarted may have forgotten what it held (H01.FR.02: replaced if not);
        what it was told since, it knows."""
        lost = {known.key for known in self._held(station_id)} & before
        for key in lost:
            self._lost.add(key)
            self._tried_s.pop(key, None)
        if lost:
            self._spawn(self._look_after(station_id))

    def _note_states(self, station_id: str) -> None:
        link = self._desk.stations.link(station_id)
        for known in self._book.open(station_id):
            status = self._status(known)
            if known.state is not State.HELD or status is None or link is None:
                continue
            if status is ConnectorStatus.RESERVED and not known.shown:
                self._spawn(self._note_shown(known.key))
            elif status in _OUT_OF_SERVICE and known.shown:
                self._spawn(self._out_of_service(known.key, _OUT_OF_SERVICE[status]))
            if status is ConnectorStatus.AVAILABLE and known.shown:
                self._free_s.setdefault(known.key, self._desk.clock.monotonic_s())
            else:
                self._free_s.pop(known.key, None)

    async def _note_shown(self, key: str) -> None:
        known = await self._book.find(key)
        if known is not None and known.state is State.HELD and not known.shown:
            await self._book.put(dataclasses.replace(known, shown=True))

    async def _out_of_service(self, key: str, reason: str) -> None:
        """1.6 5.13: a reservation ends when its connector gets a fault or goes out of service."""
        known = await self._book.find(key)
        if known is not None and known.state is State.HELD:
            await self._close(dataclasses.replace(known, at_station=False), State.REMOVED, reason)

    def _status(self, known: Reservation) -> ConnectorStatus | None:
        if known.place is None:
            return None
        key = EvseKey(known.station_id, known.place)
        return self._desk.stations.evse_state(key).connector_status

    def _shows(self, reservation: Reservation, event: StationChanged) -> bool:
        if event.station_id != reservation.station_id:
            return False
        return self._status(reservation) is ConnectorStatus.RESERVED

    def _follow(self, effect: Effect, told: Reservation, command_id: str) -> None:
        async def wait() -> None:
            shown = self._status(told) is ConnectorStatus.RESERVED
            shown = await effect.shows(0.0 if shown else EFFECT_WITHIN_S) or shown
            state = CommandState.EFFECTIVE if shown else CommandState.INEFFECTIVE
            result = CommandResult(command_id, state, None if shown else NOT_SHOWN)
            self._desk.publisher.publish(CommandFinished(result))

        self._desk.background.spawn(wait(), f"effect of {command_id}", patient=True)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._desk.background.spawn(work, "reservations")


def _refused(told: Reservation, reason: str, *, at_station: bool = False) -> Reservation:
    return dataclasses.replace(told, state=State.REFUSED, at_station=at_station, reason=reason)


def _place(reservation: Reservation) -> str:
    if reservation.place is None:
        return reservation.station_id
    return f"{reservation.station_id}/{reservation.place}"
