"""Faulted stations that the controller may heal by itself: when it tries, and how often.

A fault whose row in the catalogue allows it is treated once, 30 s after it came; if that does not
help, it is a person's turn, and the alarm says what was tried. One treatment an hour and three a
day is a station's share; it is kept, so that a restart of the controller gives it no more.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from sitecontroller.domain.alarm import Alarm, AlarmPriority
from sitecontroller.domain.commands import Command
from sitecontroller.domain.events import AlarmChanged, Event, StationChanged, StationReady
from sitecontroller.domain.faults import (
    Fault,
    Healing,
    HealingsQuery,
    HealingState,
    HealingStep,
)
from sitecontroller.domain.ids import new_ulid
from sitecontroller.domain.queries import Query
from sitecontroller.domain.station import ConnectorStatus
from sitecontroller.domain.views import Page
from sitecontroller.services.desk import Answerer, Desk, Handler
from sitecontroller.services.fault_catalogue import NO_CODE, catalogue, fault_named, with_tries
from sitecontroller.services.healing import Treatment, told
from sitecontroller.services.shelf import Shelf

log = logging.getLogger(__name__)

SETTLE_S = 30.0
"""Many faults are over by themselves when the car is unplugged."""
PER_HOUR, PER_DAY = 1, 3
KEPT_MAX = 1000
FAULTED, EVENT = "station-faulted", "station-event"


class Faults:
    """Watches the alarms of faulted stations."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._shelf = Shelf(desk.store, "healing", Healing)
        self._of_station: dict[str, list[Healing]] = {}
        """The last day's, oldest first."""
        self._busy: set[str] = set()
        """Stations under treatment."""
        self._waiting: set[str] = set()
        """Alarms whose treatment is about to begin."""
        self._settled: dict[tuple[str, str], datetime] = {}
        """By alarm and fault, when the alarm was raised that needs no more thought."""
        self._before: dict[tuple[str, int], ConnectorStatus] = {}
        """What each EVSE said before it was faulted."""
        self.handlers: Mapping[type[Command], Handler] = {}
        self.answerers: Mapping[type[Query], Answerer] = {HealingsQuery: self._healings}

    async def load(self) -> None:
        """Take up what was tried; what a stop of the controller cut off is over. The catalogue is
        read now, so that no station's first fault waits for it."""
        catalogue()
        since = self._desk.clock.now() - timedelta(days=1)
        for healing in reversed(await self._shelf.all()):
            if healing.state is HealingState.UNDER_WAY:
                healing = replace(healing, state=HealingState.BROKEN_OFF)
                await self.keep(healing)
            if healing.began_at >= since or healing.out_of_service:
                self._note(healing)
        self._desk.publisher.subscribe(self._on_event, AlarmChanged, StationReady, StationChanged)

    # the record

    def may_begin(self, station_id: str) -> bool:
        """Whether the station's share of this hour and day is not used up.

        By the wall clock: it has to hold over restarts; a treatment in the future counts as now.
        """
        now = self._desk.clock.now()
        began = [healing.began_at for healing in self._of_station.get(station_id, ())]
        last_hour = [at for at in began if now - at < timedelta(hours=1)]
        last_day = [at for at in began if now - at < timedelta(days=1)]
        return len(last_hour) < PER_HOUR and len(last_day) < PER_DAY

    async def keep(self, healing: Healing) -> None:
        """Returns after the commit."""
        self._note(healing)
        still_open = healing.state is HealingState.UNDER_WAY or healing.out_of_service
        await self._shelf.put(
            healing.key, healing, healing.began_at, healing.station_id, open=still_open
        )
        await self._shelf.trim(KEPT_MAX)

    def _note(self, healing: Healing) -> None:
        since = self._desk.clock.now() - timedelta(days=1)
        others = [
            known
            for known in self._of_station.get(healing.station_id, ())
            if known.key != healing.key and (known.began_at >= since or known.out_of_service)
        ]
        self._of_station[healing.station_id] = sorted(
            (*others, healing), key=lambda known: known.began_at
        )

    async def _healings(self, query: HealingsQuery) -> Page[Healing]:
        return await self._shelf.page(query.limit, query.cursor, query.station_id)

    # what happens

    def _on_event(self, event: Event) -> None:
        if isinstance(event, AlarmChanged) and event.alarm.code == FAULTED:
            self._consider(event.alarm)
        elif isinstance(event, StationReady):
            self._consider_all(event.station_id)
            self._put_back(event.station_id)
        elif isinstance(event, StationChanged):
            self._look(event.station_id)

    def _look(self, station_id: str) -> None:
        state = self._desk.stations.state(station_id)
        for evse_id, evse in state.evses.items() if state is not None else ():
            if evse.connector_status is not ConnectorStatus.FAULTED:
                self._before[station_id, evse_id] = evse.connector_status

    def _consider_all(self, station_id: str) -> None:
        for alarm in self._desk.alarms.open():
            if alarm.code == FAULTED and _station_of(alarm) == station_id:
                self._consider(alarm)

    def _consider(self, alarm: Alarm) -> None:
        matter = (alarm.key, alarm.parameters.get("fault", ""))
        if not alarm.active:
            self._settled.pop(matter, None)
            return
        if not self._desk.config.ocpp.self_healing:
            return
        if alarm.key in self._waiting or self._settled.get(matter) == alarm.raised_at:
            return
        self._waiting.add(alarm.key)
        work = self._treat(alarm.key)
        self._desk.background.spawn(work, f"heal {alarm.subject}", patient=True)

    async def _treat(self, alarm_key: str) -> None:
        try:
            await asyncio.sleep(SETTLE_S)
        finally:
            self._waiting.discard(alarm_key)
        alarm = self._desk.alarms.get(alarm_key)
        if alarm is None or not alarm.active or _station_of(alarm) in self._busy:
            return
        station_id, evse_id = _station_of(alarm), _evse_of(alarm)
        fault = self._fault_of(alarm)
        steps = () if fault is None else self._steps(station_id, evse_id, fault)
        if fault is None or not steps:
            self._settle(alarm)
            return
        if not self.may_begin(station_id):
            self._settle(alarm)
            return
        if self._desk.stations.link(station_id) is None:
            return  # it is considered again when it comes back
        self._busy.add(station_id)
        self._waiting.add(alarm_key)
        try:
            await Treatment(self._desk, self, self._new(alarm, fault.name, evse_id), alarm_key).run(
                steps
            )
        finally:
            self._busy.discard(station_id)
            self._waiting.discard(alarm_key)
        standing = self._desk.alarms.get(alarm_key)
        if standing is not None and standing.active:
            self._settle(standing)
        self._consider_all(station_id)

    def _new(self, alarm: Alarm, fault: str, evse_id: int) -> Healing:
        now = self._desk.clock.now()
        said = alarm.parameters.get("said", "")
        return Healing(new_ulid(now), _station_of(alarm), evse_id, fault, said, now)

    def _settle(self, alarm: Alarm) -> None:
        """From here on it is a person's; he reads what was tried."""
        self._settled[alarm.key, alarm.parameters.get("fault", "")] = alarm.raised_at
        tried = told(
            tuple(
                healing
                for healing in self._of_station.get(_station_of(alarm), ())
                if healing.evse_id == _evse_of(alarm)
            )
        )
        if tried:
            parameters = with_tries(alarm.parameters, tried)
            self._desk.alarms.raise_(FAULTED, alarm.subject, **parameters)

    def _steps(self, station_id: str, evse_id: int, fault: Fault) -> tuple[HealingStep, ...]:
        """Those that make sense: an EVSE that a person or load management took out of service
        stays out of it."""
        before = self._before.get((station_id, evse_id))
        disobedient = self._desk.alarms.get(f"station-disobedient:{station_id}/{evse_id}")
        in_service = before in (ConnectorStatus.AVAILABLE, ConnectorStatus.OCCUPIED) and (
            disobedient is None or not disobedient.active
        )
        return tuple(
            step
            for step in fault.heal
            if step is HealingStep.RESET
            or (evse_id > 0 and (step is HealingStep.UNLOCK or in_service))
        )

    def _fault_of(self, alarm: Alarm) -> Fault | None:
        """A 2.x station tells the cause of a fault in its events, not with the status.

        None: nobody knows it, or a person has to look first.
        """
        name = alarm.parameters.get("fault", "")
        if name != NO_CODE:
            return fault_named(name)
        places = (alarm.subject, _station_of(alarm), f"{_station_of(alarm)}/0")
        causes = [
            fault_named(other.parameters.get("fault", ""))
            for other in self._desk.alarms.open()
            if other.code == EVENT and other.active and other.parameters.get("evse") in places
        ]
        grave = [c for c in causes if c is None or c.priority is AlarmPriority.HIGH]
        if any(cause is None or not cause.heal for cause in grave):
            return None
        return next((cause for cause in causes if cause is not None and cause.heal), None)

    def _put_back(self, station_id: str) -> None:
        for healing in self._of_station.get(station_id, ()):
            if healing.out_of_service and station_id not in self._busy:
                treatment = Treatment(self._desk, self, healing, "")
                self._desk.background.spawn(
                    treatment.put_back(), f"put {station_id} back", patient=True
                )


def _station_of(alarm: Alarm) -> str:
    return alarm.subject.rpartition("/")[0]


def _evse_of(alarm: Alarm) -> int:
    number = alarm.subject.rpartition("/")[2]
    return int(number) if number.isdecimal() else 0
