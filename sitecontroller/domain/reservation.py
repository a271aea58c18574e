"""Reservations: an EVSE, one of a kind of EVSE, or any of a station, kept free for one card.

Values, what is said to stations, what people may ask; and, pure, what stands against a reservation
and which card it keeps out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sitecontroller.domain.authorization import IdTokenType
from sitecontroller.domain.commands import Command, StationRequest
from sitecontroller.domain.ids import fold, masked
from sitecontroller.domain.queries import Query
from sitecontroller.domain.station import ConnectorStatus

CONNECTORS = {
    "Type1": ("cType1",),
    "Type2": ("cType2", "sType2"),
    "CCS": ("cCCS1", "cCCS2"),
    "CHAdeMO": ("cG105",),
    "Tesla": ("cTesla",),
}
"""site.toml's words for connectors beside those of OCPP 2.0.1 ConnectorEnumType."""


class ReservationState(StrEnum):
    """How far a reservation got."""

    PLANNED = "planned"
    """Its time has not come, or the station can't hold it yet."""
    HELD = "held"
    """The station holds it."""
    USED = "used"
    CANCELLED = "cancelled"
    NO_SHOW = "no-show"
    """Its time ran out and nobody came."""
    NOT_CHARGED = "not-charged"
    """The card came, but no transaction began (2.1 NoTransaction)."""
    REMOVED = "removed"
    """The station gave it up: it has a fault, or was taken out of service."""
    REFUSED = "refused"
    """The station did not take it."""


OPEN_STATES = frozenset({ReservationState.PLANNED, ReservationState.HELD})


@dataclass(frozen=True, slots=True)
class Reservation:
    """One reservation. `evse_id` None: any of the station, or any with `connector_type` (an OCPP
    2.0.1 ConnectorEnumType). `number` is its id towards stations."""

    key: str
    number: int
    station_id: str
    id_token: str
    type: IdTokenType
    starts_at: datetime
    ends_at: datetime
    made_at: datetime
    evse_id: int | None = None
    connector_type: str | None = None
    parent_id_token: str | None = None
    state: ReservationState = ReservationState.PLANNED
    told_evse_id: int | None = None
    """Which EVSE the station was told to keep, where it can't keep any of several."""
    at_station: bool = False
    """Whether the station may still hold it."""
    shown: bool = False
    """Whether its EVSE has reported itself as reserved."""
    sent: int = 0
    """How often the station was told."""
    ended_at: datetime | None = None
    transaction_key: str | None = None
    reason: str | None = None

    @property
    def open(self) -> bool:
        """Whether it still keeps something free, or will."""
        return self.state in OPEN_STATES

    @property
    def place(self) -> int | None:
        """The one EVSE it stands for."""
        return self.evse_id if self.evse_id is not None else self.told_evse_id

    def is_for(self, id_token: str | None, parent_id_token: str | None) -> bool:
        """Whether this card, or one of its group, may use it (H03.FR.01, H03.FR.04)."""
        if id_token is not None and fold(id_token) == fold(self.id_token):
            return True
        if self.parent_id_token is None or parent_id_token is None:
            return False
        return fold(parent_id_token) == fold(self.parent_id_token)

    def holds_at(self, at: datetime) -> bool:
        """Whether its time has come and not run out."""
        return self.open and self.starts_at <= at < self.ends_at

    def view(self, no_shows: int) -> "ReservationView":
        """As people see it."""
        return ReservationView(
            reservation_key=self.key,
            station_id=self.station_id,
            evse_id=self.place,
            connector_type=self.connector_type,
            id_token=masked(self.id_token),
            state=self.state,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            made_at=self.made_at,
            ended_at=self.ended_at,
            transaction_key=self.transaction_key,
            reason=self.reason,
            no_shows=no_shows,
        )

    def overlaps(self, starts_at: datetime, ends_at: datetime) -> bool:
        """Whether it needs its place within that time."""
        return self.open and self.starts_at < ends_at and starts_at < self.ends_at


@dataclass(frozen=True, slots=True)
class Outlet:
    """An EVSE as a reservation sees it. `busy`: a car is there."""

    evse_id: int
    connector: str
    status: ConnectorStatus
    busy: bool = False

    def fits(self, evse_id: int | None, connector_type: str | None) -> bool:
        """Whether a reservation may end up here."""
        if evse_id is not None:
            return evse_id == self.evse_id
        return connector_type is None or connector_type in (
            self.connector,
            *CONNECTORS.get(self.connector, ()),
        )


# what is said to stations


@dataclass(frozen=True, slots=True)
class ReserveNow(StationRequest):
    """Hold it from now on; a known `number` is replaced (H01.FR.02)."""

    number: int
    id_token: str
    type: IdTokenType
    ends_at: datetime
    evse_id: int | None = None
    connector_type: str | None = None
    parent_id_token: str | None = None


@dataclass(frozen=True, slots=True)
class DropReservation(StationRequest):
    """CancelReservation. `unasked`: no person waits for it."""

    number: int
    unasked: bool = False


NOT_UNSPECIFIED = "NotUnspecified"
"""The answer's status of a station that can only keep a certain EVSE."""


# what people ask for


@dataclass(frozen=True, slots=True)
class ReserveEvse(Command):
    """Keep an EVSE free for a card until `ends_at`. `evse_id` None: any of the station, or any with
    `connector_type`. `starts_at` None: from now on.

    `parent_id_token` None: the card's own group.
    """

    station_id: str
    id_token: str
    ends_at: datetime
    evse_id: int | None = None
    connector_type: str | None = None
    starts_at: datetime | None = None
    parent_id_token: str | None = None


@dataclass(frozen=True, slots=True)
class CancelReservation(Command):
    """Give a reservation up."""

    reservation_key: str


@dataclass(frozen=True, slots=True)
class ReservationView:
    """One reservation as people see it; the card is masked."""

    reservation_key: str
    station_id: str
    evse_id: int | None
    connector_type: str | None
    id_token: str
    state: ReservationState
    starts_at: datetime
    ends_at: datetime
    made_at: datetime
    ended_at: datetime | None
    transaction_key: str | None
    reason: str | None
    no_shows: int
    """How often this card's reservations have run out unused."""


@dataclass(frozen=True, slots=True)
class ReservationsQuery(Query):
    """Reservations, the last made first; `station_id` None: of the whole site."""

    limit: int = 50
    cursor: str | None = None
    station_id: str | None = None


@dataclass(frozen=True, slots=True)
class ReservationQuery(Query):
    """One reservation."""

    reservation_key: str


def in_the_way(
    wish: Reservation, others: Iterable[Reservation], places: Sequence[Outlet], *, now: bool
) -> str | None:
    """What stands against a reservation, in words; None: nothing.

    `now`: it begins at once, so that what an EVSE does at this moment counts too.
    """
    fitting = [place for place in places if place.fits(wish.evse_id, wish.connector_type)]
    overlapping = [
        other
        for other in others
        if other.key != wish.key and other.overlaps(wish.starts_at, wish.ends_at)
    ]
    taken = {other.place: other for other in overlapping if other.place is not None}
    if wish.evse_id is not None and wish.evse_id in taken:
        other = taken[wish.evse_id]
        return (
            f"EVSE {wish.evse_id} is reserved for card {masked(other.id_token)} "
            f"from {other.starts_at:%H:%M} to {other.ends_at:%H:%M} UTC"
        )
    if now and (reason := _not_free(wish, fitting, taken.keys())) is not None:
        return reason
    left = [place for place in places if place.evse_id not in {*taken, wish.evse_id}]
    unplaced = [other for other in overlapping if other.place is None]
    if wish.evse_id is None:
        unplaced.append(wish)
    if not _have_room(unplaced, left):
        return "every EVSE that fits is reserved in that time"
    return None


def _have_room(reservations: Iterable[Reservation], places: Sequence[Outlet]) -> bool:
    """Whether each of them can have a place of its own; the choosiest chooses first."""
    free = list(places)
    for reservation in sorted(reservations, key=lambda item: item.connector_type is None):
        fitting = [place for place in free if place.fits(None, reservation.connector_type)]
        if not fitting:
            return False
        free.remove(fitting[0])
    return True


def _not_free(wish: Reservation, fitting: Sequence[Outlet], taken: Iterable[int]) -> str | None:
    """Why none of the EVSEs can be kept free from now on."""
    words = {
        place.evse_id: _state_words(place) for place in fitting if place.evse_id not in set(taken)
    }
    if not words or any(said is None for said in words.values()):
        return None
    return "; ".join(f"EVSE {evse_id} {said}" for evse_id, said in words.items())


def _state_words(place: Outlet) -> str | None:
    if place.busy or place.status is ConnectorStatus.OCCUPIED:
        return "has a car"
    if place.status is ConnectorStatus.FAULTED:
        return "has a fault"
    if place.status is ConnectorStatus.UNAVAILABLE:
        return "is out of service"
    return None


def keeps_out(
    reservations: Iterable[Reservation],
    places: Sequence[int],
    evse_id: int | None,
    card: tuple[str | None, str | None],
    at: datetime,
) -> Reservation | None:
    """The reservation for another card that forbids a start now; `card` is number and parent.

    `evse_id` None: the card may begin at any of `places`; it is kept out if all are another's.
    """
    holding = [item for item in reservations if item.holds_at(at)]
    others = [item for item in holding if not item.is_for(*card)]
    taken = {item.place: item for item in others if item.place is not None}
    if evse_id is not None:
        return taken.get(evse_id)
    if any(item.is_for(*card) for item in holding) or any(p not in taken for p in places):
        return None
    return next(iter(taken.values()), None)
