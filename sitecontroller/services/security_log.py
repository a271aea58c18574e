"""The list of security events: what stations report and what the controller itself notes.

What a station reports is stored before it gets its answer. The same thing again within ten minutes
is counted in its row, so that no flood fills the list; each station's rows and all of them are
bounded.
"""

import asyncio
import dataclasses
import logging
from collections import Counter, OrderedDict

from sitecontroller.domain.errors import StoreUnavailable
from sitecontroller.domain.ids import new_ulid
from sitecontroller.domain.security import (
    EventSource,
    SecurityEvent,
    SecurityEventsQuery,
    StationEventReported,
)
from sitecontroller.domain.security_words import OFTEN, words_of
from sitecontroller.domain.views import Page
from sitecontroller.services.desk import Desk
from sitecontroller.services.shelf import Shelf

log = logging.getLogger(__name__)

SAME_WITHIN_S = 600.0
OFTEN_WITHIN_S = 3600.0
EVENTS_MAX = 20_000
EVENTS_PER_STATION_MAX = 500
TRIMMED_EVERY = 50
RECENT_MAX = 2000
TYPE_CHARACTERS_MAX = 50
INFO_CHARACTERS_MAX = 255
REFUSED_OFTEN = 3
"""Refused log-ins of one station that are worth an alarm: one is a technician's slip."""
FLUSH_EVERY_S = 1.0

Key = tuple[str | None, EventSource, str]


class SecurityLog:
    """Notes, counts, and raises the alarms that follow."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._shelf = Shelf(desk.store, "security-event", SecurityEvent)
        self._recent: OrderedDict[Key, SecurityEvent] = OrderedDict()
        self._often: OrderedDict[Key, list[float]] = OrderedDict()
        self._unsaved: dict[str, SecurityEvent] = {}
        self._flushing = False
        self._since_trim: Counter[str | None] = Counter()

    async def reported(self, report: StationEventReported) -> None:
        """A station's SecurityEventNotification. Raises StoreUnavailable: it will come again."""
        words = words_of(report.type)
        event = self._counted(
            report.station_id,
            EventSource.STATION,
            report.type,
            report.info,
            critical=words is not None and words.priority is not None,
        )
        await self._store(event)
        if words is None or words.priority is None:
            return
        often = self._often_enough((report.station_id, EventSource.STATION, report.type))
        if words.ordinary and not often:
            return
        self._desk.alarms.raise_(
            "station-security",
            f"{report.station_id}/{report.type[:TYPE_CHARACTERS_MAX]}",
            station=report.station_id,
            event=words.text,
            remedy=words.remedy,
            priority=words.priority.value,
        )

    def note(self, station_id: str | None, what: str, details: str) -> None:
        """Something the controller saw; stored soon. Returns at once."""
        event = self._counted(station_id, EventSource.CONTROLLER, what, details, critical=False)
        log.warning("security %s: %s %s", station_id or "stations", what, details)
        self._unsaved[event.event_id] = event
        if not self._flushing:
            self._flushing = True
            self._desk.background.spawn(self._flush(), "store security events", patient=True)
        if station_id is not None and what in _REFUSALS and event.count >= _REFUSALS[what]:
            self._desk.alarms.raise_(
                "login-refused",
                station_id,
                station=station_id,
                reason=details,
                count=str(event.count),
            )

    async def page(self, query: SecurityEventsQuery) -> Page[SecurityEvent]:
        """Newest first, what was noted a moment ago among them."""
        await self._store_noted()
        return await self._shelf.page(query.limit, query.cursor, query.station_id)

    def _counted(
        self, station_id: str | None, source: EventSource, what: str, info: str, *, critical: bool
    ) -> SecurityEvent:
        """A new event, or the recent one once more."""
        now = self._desk.clock.now()
        key = (station_id, source, what)
        known = self._recent.pop(key, None)
        shown = info[:INFO_CHARACTERS_MAX]
        if known is not None and (now - known.at).total_seconds() < SAME_WITHIN_S:
            event = dataclasses.replace(known, last_at=now, count=known.count + 1, info=shown)
        else:
            event = SecurityEvent(
                new_ulid(now),
                now,
                now,
                what[:TYPE_CHARACTERS_MAX],
                source,
                station_id,
                shown,
                critical,
            )
        self._recent[key] = event
        while len(self._recent) > RECENT_MAX:
            self._recent.popitem(last=False)
        return event

    def _often_enough(self, key: Key) -> bool:
        now_s = self._desk.clock.monotonic_s()
        times = [t for t in self._often.pop(key, []) if now_s - t < OFTEN_WITHIN_S] + [now_s]
        self._often[key] = times[-OFTEN:]
        while len(self._often) > RECENT_MAX:
            self._often.popitem(last=False)
        return len(times) >= OFTEN

    async def _store(self, event: SecurityEvent) -> None:
        await self._shelf.put(event.event_id, event, event.at, event.station_id)
        if event.count > 1:
            return
        self._since_trim[event.station_id] += 1
        if self._since_trim[event.station_id] >= TRIMMED_EVERY:
            self._since_trim[event.station_id] = 0
            await self._shelf.trim(EVENTS_MAX)
            await self._trim_station(event.station_id)

    async def _trim_station(self, station_id: str | None) -> None:
        if station_id is None:
            return
        for old in (await self._shelf.all(station_id))[EVENTS_PER_STATION_MAX:]:
            await self._shelf.drop(old.event_id)

    async def _flush(self) -> None:
        """Store what was noted, at once; a flood of the same costs one commit a second."""
        try:
            while self._unsaved:
                await self._store_noted()
                await asyncio.sleep(FLUSH_EVERY_S)
        except StoreUnavailable as error:
            log.error("security events: not stored: %s", error)
        finally:
            self._flushing = False

    async def _store_noted(self) -> None:
        unsaved, self._unsaved = self._unsaved, {}
        for event in unsaved.values():
            await self._store(event)


_REFUSALS = {
    "LoginRefused": REFUSED_OFTEN,
    "ProfileDowngradeRefused": 1,
    "InvalidChargingStationCertificate": 1,
}
