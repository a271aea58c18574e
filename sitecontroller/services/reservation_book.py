"""The book of reservations: those that matter now in memory, all of them in the database.

A change is committed before anybody hears of it.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sitecontroller.domain.events import ReservationChanged
from sitecontroller.domain.ids import fold
from sitecontroller.domain.reservation import Outlet, Reservation, ReservationState, ReservationView
from sitecontroller.domain.topology import EvseKey
from sitecontroller.domain.views import Page
from sitecontroller.ports import UnitOfWork
from sitecontroller.services.desk import Desk
from sitecontroller.services.reservation_rows import KIND, open_reservations, put_reservation
from sitecontroller.services.shelf import Shelf
from sitecontroller.wire import from_json

NO_SHOW_KIND = "reservation-no-show"
KEPT_MAX = 5_000
NUMBER_SETTING = "reservation-number"
NUMBER_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class NoShows:
    """How often a card's reservations ran out unused; folded."""

    id_token: str
    count: int


class ReservationBook:
    """Every reservation, and how often each card stayed away."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._shelf = Shelf(desk.store, KIND, Reservation)
        self._no_show_shelf = Shelf(desk.store, NO_SHOW_KIND, NoShows)
        self._open: dict[str, Reservation] = {}
        self._no_shows: dict[str, int] = {}

    async def load(self) -> None:
        """Take up what is open."""
        found = await self._desk.store.read(open_reservations)
        self._open = {item.key: item for item in reversed(found)}
        self._no_shows = {item.id_token: item.count for item in await self._no_show_shelf.all()}

    def open(self, station_id: str | None = None) -> tuple[Reservation, ...]:
        """Those about which something is still to be done, the first made first."""
        return tuple(item for item in self._open.values() if station_id in (None, item.station_id))

    async def find(self, key: str) -> Reservation | None:
        """Any reservation, however old."""
        return self._open.get(key) or await self._shelf.get(key)

    def by_number(self, station_id: str, number: int) -> Reservation | None:
        """An open one of a station, by its id towards it."""
        return next((item for item in self.open(station_id) if item.number == number), None)

    async def page(
        self, limit: int, cursor: str | None, station_id: str | None
    ) -> Page[ReservationView]:
        """The last made first."""
        page = await self._shelf.page(limit, cursor, station_id)
        return Page(tuple(self.view(item) for item in page.items), page.next)

    def view(self, reservation: Reservation) -> ReservationView:
        """As people see it."""
        return reservation.view(self._no_shows.get(fold(reservation.id_token), 0))

    async def next_number(self) -> int:
        """Never the same twice, as long as the site lives."""
        return await self._desk.store.commit(_next_number)

    async def put(self, reservation: Reservation) -> Reservation:
        """Commit one and tell of it; the row as it stands then.

        One that a transaction has used up meanwhile, or that is over, stays so.
        """
        stored = await self._desk.store.commit(_put_unless_over, reservation)
        self._take(stored)
        return stored

    async def end(
        self, reservation: Reservation, state: ReservationState, reason: str | None = None
    ) -> Reservation:
        """Close one, and count it if nobody came, in one commit."""
        now = self._desk.clock.now()
        over = dataclasses.replace(reservation, state=state, ended_at=now, reason=reason)
        ended, no_shows = await self._desk.store.commit(self._end, over, now)
        if no_shows is not None:
            self._no_shows[no_shows.id_token] = no_shows.count
        self._take(ended)
        await self._shelf.trim(KEPT_MAX)
        await self._no_show_shelf.trim(KEPT_MAX)
        return ended

    def _end(
        self, tx: UnitOfWork, over: Reservation, now: datetime
    ) -> tuple[Reservation, NoShows | None]:
        ended = _put_unless_over(tx, over)
        if ended.state is not ReservationState.NO_SHOW or ended.ended_at != now:
            return ended, None
        folded = fold(ended.id_token)
        row = tx.kept(NO_SHOW_KIND, folded)
        before = 0 if row is None else from_json(NoShows, row.body).count
        no_shows = NoShows(folded, before + 1)
        self._no_show_shelf.put_within(tx, folded, no_shows, now)
        return ended, no_shows

    async def refresh(self, station_id: str) -> None:
        """A transaction may have used one up, in its own commit."""
        for known in self.open(station_id):
            now = await self._shelf.get(known.key)
            if now is not None and now != known and self._open.get(known.key) is known:
                self._take(now)

    def outlets(self, station_id: str) -> Sequence[Outlet]:
        """A station's EVSEs as they are now."""
        state = self._desk.stations.state(station_id)
        if state is None:
            return ()
        return [
            Outlet(
                evse.evse_id,
                evse.connector_type,
                state.evses[evse.evse_id].connector_status,
                busy=self._desk.transactions.active(EvseKey(station_id, evse.evse_id)) is not None,
            )
            for evse in state.station.evses
        ]

    def _take(self, reservation: Reservation) -> None:
        if reservation.open or reservation.at_station:
            self._open[reservation.key] = reservation
        else:
            self._open.pop(reservation.key, None)
        self._desk.publisher.publish(ReservationChanged(self.view(reservation)))


def is_over(reservation: Reservation, at: datetime) -> bool:
    """Whether its time has run out by our clock."""
    return at >= reservation.ends_at


def _put_unless_over(tx: UnitOfWork, reservation: Reservation) -> Reservation:
    row = tx.kept(KIND, reservation.key)
    stored = None if row is None else from_json(Reservation, row.body)
    if stored is not None and not stored.open:
        if reservation.open:
            return stored
        reservation = dataclasses.replace(stored, at_station=reservation.at_station)
    put_reservation(tx, reservation)
    return reservation


def _next_number(tx: UnitOfWork) -> int:
    number = int(tx.setting(NUMBER_SETTING) or 0) % NUMBER_MAX + 1
    tx.put_setting(NUMBER_SETTING, number)
    return number
