"""Limits that somebody else gave a station: an energy manager, the grid operator (K11 to K13).

They hold beside ours and the smaller wins, so nothing follows for load management; people are told
why a car gets less. One row for each station, EVSE and source; it stays when it is over.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from sitecontroller.domain.commands import Command
from sitecontroller.domain.queries import Query
from sitecontroller.domain.smart import ExternalLimit, ExternalLimitsQuery
from sitecontroller.domain.topology import EvseKey
from sitecontroller.domain.views import Page
from sitecontroller.services.desk import Answerer, Desk, Handler
from sitecontroller.services.shelf import Shelf

LIMITS_KEPT = 2000
LIMITS_OF_STATION_MAX = 50

log = logging.getLogger(__name__)

_SOURCES = {
    "EMS": "the building's energy management",
    "SO": "the grid operator",
    "CSO": "the operator",
    "OTHER": "another system",
}
"""OCPP's words for who limits, for people."""


class ExternalLimits:
    """What others allow, now and before."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._shelf = Shelf(desk.store, "external-limit", ExternalLimit)
        self._standing: dict[str, ExternalLimit] = {}
        self._full: set[str] = set()
        """Stations with too many, told once."""
        self.handlers: Mapping[type[Command], Handler] = {}
        self.answerers: Mapping[type[Query], Answerer] = {ExternalLimitsQuery: self._page}

    async def load(self) -> None:
        """Take up those that stood."""
        for limit in await self._shelf.all(open_only=True):
            self._standing[_key(limit)] = limit

    def standing(self, station_id: str) -> tuple[ExternalLimit, ...]:
        """What others allow a station now."""
        return tuple(each for each in self._standing.values() if each.station_id == station_id)

    async def limited(self, limit: ExternalLimit) -> None:
        """A station told of a limit; it replaces the one of the same source."""
        key = _key(limit)
        is_new = key not in self._standing
        if is_new and len(self.standing(limit.station_id)) >= LIMITS_OF_STATION_MAX:
            if limit.station_id not in self._full:
                self._full.add(limit.station_id)
                log.warning(
                    "%s: tells more than %d limits from outside, the others are left out",
                    limit.station_id,
                    LIMITS_OF_STATION_MAX,
                )
            return
        await self._shelf.put(key, limit, limit.received_at, limit.station_id, open=True)
        if is_new:
            await self._shelf.trim(LIMITS_KEPT)
        self._standing[key] = limit
        self._tell(limit.station_id, limit.evse_id)

    async def cleared(
        self, station_id: str, evse_id: int | None, source: str, at: datetime
    ) -> None:
        """A source's limits are over; without an EVSE all of that station's."""
        over = [
            limit
            for limit in self.standing(station_id)
            if limit.source.casefold() == source.casefold() and evse_id in (None, limit.evse_id)
        ]
        for limit in over:
            ended = replace(limit, cleared_at=at)
            await self._shelf.put(_key(limit), ended, at, station_id)
            del self._standing[_key(limit)]
            self._tell(station_id, limit.evse_id)

    def _tell(self, station_id: str, evse_id: int) -> None:
        """One alarm for a place, about the tightest of its limits."""
        place = str(EvseKey(station_id, evse_id)) if evse_id else station_id
        limits = [
            limit
            for limit in self.standing(station_id)
            if limit.evse_id == evse_id and not limit.local_generation
        ]
        if not limits:
            self._desk.alarms.clear("external-limit", place)
            return
        tightest = min(limits, key=lambda limit: _most(limit, float("inf")))
        source = _SOURCES.get(tightest.source.upper(), tightest.source)
        self._desk.alarms.raise_(
            "external-limit", place, place=place, source=source, limit=_words(tightest)
        )

    async def _page(self, query: ExternalLimitsQuery) -> Page[ExternalLimit]:
        if query.station_id is not None:
            self._desk.known(query.station_id)
        return await self._shelf.page(query.limit, query.cursor, query.station_id)


def _key(limit: ExternalLimit) -> str:
    kind = "generation" if limit.local_generation else "limit"
    return f"{limit.station_id}/{limit.evse_id}/{limit.source.casefold()}/{kind}"


def _most(limit: ExternalLimit, unknown: float) -> float:
    """What it allows first."""
    firsts = [schedule.periods[0].most for schedule in limit.schedules]
    return min((first for first in firsts if first is not None), default=unknown)


def _words(limit: ExternalLimit) -> str:
    most = _most(limit, -1.0)
    if most < 0:
        return "how much isn't said"
    critical = ", the grid is in trouble" if limit.grid_critical else ""
    return f"{most:g} {limit.schedules[0].unit.value}{critical}"
