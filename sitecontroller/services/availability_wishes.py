"""What people want out of service, and what stations say of it."""

import logging
from collections.abc import Iterator

from sitecontroller.domain.availability import AvailabilityWish, Place
from sitecontroller.domain.station import ConnectorStatus
from sitecontroller.services.desk import Desk
from sitecontroller.services.shelf import Shelf

log = logging.getLogger(__name__)

_OUT = (ConnectorStatus.UNAVAILABLE, ConnectorStatus.FAULTED)
_FREE = (ConnectorStatus.AVAILABLE, ConnectorStatus.RESERVED)
_NOT_IN_SERVICE = (ConnectorStatus.UNAVAILABLE, ConnectorStatus.UNKNOWN)


class Wishes:
    """Wishes by place, stored before anybody acts on them."""

    def __init__(self, desk: Desk) -> None:
        self._stations = desk.stations
        self._shelf = Shelf(desk.store, "availability", AvailabilityWish)
        self._of: dict[str, dict[Place, AvailabilityWish]] = {}

    async def load(self) -> None:
        """Those about what site.toml no longer has are dropped."""
        for wish in await self._shelf.all():
            if self.exists(wish.place):
                self._of.setdefault(wish.place.station_id, {})[wish.place] = wish
            else:
                log.info("%s: no longer on the site, its being out of service ends", wish.place)
                await self._shelf.drop(str(wish.place))

    def exists(self, place: Place) -> bool:
        """Whether site.toml has it."""
        state = self._stations.state(place.station_id)
        return state is not None and place.evse_id in (None, *state.evses)

    def get(self, place: Place) -> AvailabilityWish | None:
        """The wish about exactly this place."""
        return self._of.get(place.station_id, {}).get(place)

    def of(self, station_id: str) -> tuple[AvailabilityWish, ...]:
        """All about one station and its parts."""
        return tuple(self._of.get(station_id, {}).values())

    def all(self) -> Iterator[AvailabilityWish]:
        """Of every station."""
        for station_id in tuple(self._of):
            yield from self.of(station_id)

    def within(self, place: Place) -> list[AvailabilityWish]:
        """Wishes that parts of a place are out of service."""
        return [
            wish
            for wish in self.of(place.station_id)
            if wish.place != place and not wish.operative and _contains(place, wish.place)
        ]

    def around(self, place: Place) -> AvailabilityWish | None:
        """A wish that something larger is out of service, which a place is part of."""
        for wish in self.of(place.station_id):
            if wish.place != place and not wish.operative and _contains(wish.place, place):
                return wish
        return None

    async def put(self, wish: AvailabilityWish) -> None:
        """Add it, or replace the one about the same place."""
        place = wish.place
        self._of.setdefault(place.station_id, {})[place] = wish
        await self._shelf.put(str(place), wish, wish.at, place.station_id, open=True)

    async def drop(self, place: Place) -> None:
        """It ends."""
        wishes = self._of.get(place.station_id, {})
        wishes.pop(place, None)
        if not wishes:
            self._of.pop(place.station_id, None)
        await self._shelf.drop(str(place))

    # what stations say

    def shows(self, place: Place, *, operative: bool) -> bool:
        """Whether the station says that a place is as it should be."""
        statuses = self.statuses(place, operative=operative)
        if operative:
            return not any(status in _NOT_IN_SERVICE for status in statuses)
        return bool(statuses) and all(status in _OUT for status in statuses)

    def contradicted(self, station_id: str, *, is_fresh: bool) -> list[AvailabilityWish]:
        """Wishes that the station's own words contradict. Fresh from its boot silence does, too:
        it has told what it has to tell, and it may have forgotten."""
        found = []
        for wish in self.of(station_id):
            statuses = self.statuses(wish.place, operative=wish.operative)
            if wish.operative:
                differs = is_fresh or ConnectorStatus.UNAVAILABLE in statuses
            elif is_fresh:
                differs = not all(status in _OUT for status in statuses)
            else:
                differs = any(status in _FREE for status in statuses)
            if differs:
                found.append(wish)
        return found

    def statuses(self, place: Place, *, operative: bool) -> list[ConnectorStatus]:
        """Of the connectors that a change of a place changes: when it is put back, parts that are
        out of service by themselves stay so (G03, note 1)."""
        state = self._stations.state(place.station_id)
        found: list[ConnectorStatus] = []
        for evse_id, evse in () if state is None else state.evses.items():
            for number, status in (evse.connectors or {1: ConnectorStatus.UNKNOWN}).items():
                part = Place(place.station_id, evse_id, number)
                if _contains(place, part) and not (operative and self._is_out_itself(place, part)):
                    found.append(status)
        return found

    def _is_out_itself(self, whole: Place, part: Place) -> bool:
        return any(_contains(wish.place, part) for wish in self.within(whole))


def _contains(whole: Place, part: Place) -> bool:
    return (
        whole.station_id == part.station_id
        and whole.evse_id in (None, part.evse_id)
        and whole.connector_id in (None, part.connector_id)
    )
