"""Stations that a person has not admitted yet: who waits, who was turned away, and the passwords on
their way.

Accepting one station restarts the controller, so what a person said of the others is stored: a
station turned away stays out until the commissioning window of that moment ends. A password made
for a station is stored before the station hears of it, so that no crash can lock a station out.
"""

import dataclasses
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sitecontroller.domain.events import StationChanged
from sitecontroller.domain.ids import fold
from sitecontroller.domain.station import StationBooted
from sitecontroller.domain.views import NewStationView
from sitecontroller.ports import Clock, StationLink, StationRecord, Store, UnitOfWork
from sitecontroller.publisher import Publisher
from sitecontroller.wire import from_json, to_json

log = logging.getLogger(__name__)

WAITING_MAX = 50
REJECTED_MAX = 200
CANDIDATES_MAX = 50
SETTING = "new-stations"


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is stored, by folded station id; the oldest entry goes when a bound is reached."""

    rejected_until: dict[str, datetime]
    candidates: dict[str, str]
    """Password hashes of stations that have not shown the password yet."""


class NewStations:
    """The waiting list; part of the station service."""

    def __init__(self, store: Store, clock: Clock, publisher: Publisher) -> None:
        self._store = store
        self._clock = clock
        self._publisher = publisher
        self._views: dict[str, NewStationView] = {}
        self._links: dict[str, StationLink] = {}
        self._kept = _Kept({}, {})

    async def load(self) -> None:
        """Take up what was stored."""
        self._kept = await self._store.read(_kept)

    def knocked(self, link: StationLink, address: str) -> None:
        """A station without a password connected; it waits, if there is room."""
        station_id = link.station_id
        if self.rejected(station_id):
            return
        if len(self._views) >= WAITING_MAX and station_id not in self._views:
            return
        self._links[station_id] = link
        self._views[station_id] = NewStationView(station_id, None, None, address, self._clock.now())
        log.info("%s: new station knocks address=%s", station_id, address)
        self._publisher.publish(StationChanged(station_id))

    def described(self, boot: StationBooted) -> None:
        """A waiting station told what it is."""
        known = self._views.get(boot.station_id)
        if known is not None:
            self._views[boot.station_id] = dataclasses.replace(
                known, vendor=boot.vendor, model=boot.model
            )
            self._publisher.publish(StationChanged(boot.station_id))

    def left(self, link: StationLink) -> bool:
        """A connection ended; False: it was not one that waits."""
        if self._links.get(link.station_id) is not link:
            return False
        self.remove(link.station_id)
        return True

    def remove(self, station_id: str) -> None:
        """Take a station off the list."""
        if self._links.pop(station_id, None) is not None:
            del self._views[station_id]
            self._publisher.publish(StationChanged(station_id))

    def views(self) -> tuple[NewStationView, ...]:
        """Those that wait."""
        return tuple(self._views.values())

    def link(self, station_id: str) -> StationLink | None:
        """The connection of one that waits."""
        return self._links.get(station_id)

    def rejected(self, station_id: str) -> bool:
        """Whether a person turned it away and the window of that moment is still open."""
        until = self._kept.rejected_until.get(fold(station_id))
        return until is not None and self._clock.now() < until

    def candidate(self, station_id: str) -> str | None:
        """The hash of a password that was made for it and that it has not shown yet."""
        return self._kept.candidates.get(fold(station_id))

    async def reject(self, station_id: str, until: datetime) -> None:
        """Turn it away until then; its connection is the caller's to close."""
        now = self._clock.now()
        still = {name: end for name, end in self._kept.rejected_until.items() if end > now}
        await self._keep(
            dataclasses.replace(
                self._kept,
                rejected_until=_bounded({**still, fold(station_id): until}, REJECTED_MAX),
            )
        )
        self.remove(station_id)

    async def propose(self, station_id: str, password_hash: str) -> None:
        """Store a password's hash before the station is told the password."""
        candidates = {**self._kept.candidates, fold(station_id): password_hash}
        await self._keep(
            dataclasses.replace(self._kept, candidates=_bounded(candidates, CANDIDATES_MAX))
        )

    async def settle(self, record: StationRecord) -> None:
        """Store a station's row, whose password is no longer on its way."""
        candidates = dict(self._kept.candidates)
        candidates.pop(fold(record.station_id), None)
        self._kept = dataclasses.replace(self._kept, candidates=candidates)
        await self._store.commit(_put_admitted, record, self._kept)

    async def _keep(self, kept: _Kept) -> None:
        self._kept = kept
        await self._store.commit(_put_kept, kept)


def _bounded(entries: dict[str, Any], most: int) -> dict[str, Any]:
    return dict(list(entries.items())[-most:])


def _kept(tx: UnitOfWork) -> _Kept:
    stored = tx.setting(SETTING)
    return _Kept({}, {}) if stored is None else from_json(_Kept, stored)


def _put_kept(tx: UnitOfWork, kept: _Kept) -> None:
    tx.put_setting(SETTING, to_json(kept))


def _put_admitted(tx: UnitOfWork, record: StationRecord, kept: _Kept) -> None:
    tx.put_station(record)
    _put_kept(tx, kept)
