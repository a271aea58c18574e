"""Events of 2.x stations: told in words, kept as history, and made alarms where somebody must act.

An event that says something stands raises an alarm for its (station, variable, monitor), one that
says it is over clears it. What only informs goes into the history alone.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

from sitecontroller.domain.alarm import AlarmPriority
from sitecontroller.domain.faults import Fault, FaultFound, FaultSigns
from sitecontroller.domain.monitoring import (
    EventTrigger,
    MonitorOrigin,
    StationEvent,
    priority_of,
)
from sitecontroller.domain.views import Page
from sitecontroller.ports import UnitOfWork
from sitecontroller.services.desk import Desk
from sitecontroller.services.fault_catalogue import fault_told, known_fault
from sitecontroller.services.shelf import Shelf

log = logging.getLogger(__name__)

KEPT_MAX = 5000
TRIM_EVERY = 100
"""Events between two looks at how many are kept."""
EVENTS_AT_ONCE = 5
"""Looked up in one turn of the loop."""
ALARMS_MAX = 20
"""Standing ones of one station; what is wrong beyond that stands in its history."""
CAUSES_MAX = 200
"""Events of a station whose words are remembered for those they bring about."""
CAUSE_STEPS_MAX = 5
STATE, NOTICE = "station-event", "station-notice"

_SWITCHES = ("problem", "tripped", "overload", "fallback")
"""Variables whose "true" is a trouble whoever has them."""
_YES, _NO = ("true", "1"), ("false", "0")


class StationEvents:
    """The history, and the alarms that follow from it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._shelf = Shelf(desk.store, "station-event", StationEvent)
        self._since_trim = TRIM_EVERY
        self._recent: dict[str, OrderedDict[int, StationEvent]] = {}
        self._full: set[str] = set()
        """Stations that have all the alarms they may."""

    async def take(self, events: Sequence[StationEvent]) -> None:
        """Keep events in one commit, then tell of them."""
        if not events:
            return
        found, worded = [], []
        for number, event in enumerate(events):
            if number % EVENTS_AT_ONCE == 0:
                await asyncio.sleep(0)
            found.append(self._found(event))
            worded.append(self._worded(event, found[-1]))
        await self._desk.store.commit(self._keep, worded)
        self._since_trim += len(worded)
        if self._since_trim >= TRIM_EVERY:
            self._since_trim = 0
            await self._shelf.trim(KEPT_MAX)
        for number, event in enumerate(worded):
            if number % EVENTS_AT_ONCE == 0:
                await asyncio.sleep(0)
            self._alarm(event, found[number])

    async def page(
        self, limit: int, cursor: str | None, station_id: str | None
    ) -> Page[StationEvent]:
        """The history, newest first."""
        return await self._shelf.page(limit, cursor, station_id)

    def forget_monitors(
        self,
        station_id: str,
        *,
        gone: Sequence[int] = (),
        left: Sequence[int] | None = None,
    ) -> None:
        """Monitors are gone, so nobody will say that what they told is over (N07.FR.12): those in
        `gone`, or all but those that are `left`."""
        for alarm in self._desk.alarms.open():
            number = alarm.parameters.get("monitor", "")
            if alarm.code != STATE or not _is_of(alarm.subject, station_id) or not number:
                continue
            if int(number) in gone or (left is not None and int(number) not in left):
                self._desk.alarms.clear(STATE, alarm.subject)

    def _keep(self, tx: UnitOfWork, events: Sequence[StationEvent]) -> None:
        for event in events:
            self._shelf.put_within(tx, event.key, event, event.received_at, event.station_id)

    # words

    def _worded(self, event: StationEvent, found: FaultFound | None) -> StationEvent:
        words = found.words if found is not None else _plain(event)
        told = replace(event, words=words)
        recent = self._recent.setdefault(event.station_id, OrderedDict())
        recent[event.event_id] = told
        while len(recent) > CAUSES_MAX:
            recent.popitem(last=False)
        return told

    def _found(self, event: StationEvent) -> FaultFound | None:
        state = self._desk.stations.state(event.station_id)
        boot = state.record.boot if state is not None else None
        component, _, variable = event.variable.rpartition(".")
        signs = FaultSigns(
            vendor=boot.vendor if boot else "",
            model=boot.model if boot else "",
            vendor_code=event.tech_code,
            info=event.tech_info,
            component=component.partition("[")[0].partition("@")[0],
            variable=variable.partition("@")[0],
            value=event.value,
        )
        fault = known_fault(signs)
        return None if fault is None else fault_told(fault, signs)

    def _cause(self, event: StationEvent) -> str:
        """The words of the event at the root of this one; empty: it names none, or none we know."""
        recent = self._recent.get(event.station_id, OrderedDict())
        cause: StationEvent | None = None
        number = event.cause
        for _ in range(CAUSE_STEPS_MAX):
            earlier = recent.get(number) if number is not None else None
            if earlier is None or earlier.event_id == event.event_id:
                break
            cause, number = earlier, earlier.cause
        return "" if cause is None else cause.words

    # alarms

    def _alarm(self, event: StationEvent, found: FaultFound | None) -> None:
        if event.variable.endswith(".AvailabilityState"):
            return  # the EVSE's state, told by `station-faulted`
        if _is_over(event):
            self._clear(event)
            return
        priority = _priority(event, None if found is None else found.fault)
        if priority is None or not _stands(event, found is not None):
            return
        subject = _subject(event)
        code = STATE if _has_an_end(event) else NOTICE
        if not self._has_room(event.station_id, f"{code}:{subject}"):
            return
        cause = self._cause(event)
        parameters = {
            "evse": f"{event.station_id}/{event.evse_id}" if event.evse_id else event.station_id,
            "words": f"{event.words} (because of: {cause})" if cause else event.words,
            "said": " · ".join(filter(None, (event.variable, event.value, event.tech_code))),
            "monitor": "" if event.monitor_id is None else str(event.monitor_id),
            "priority": priority.value,
        }
        if found is not None:
            parameters |= {"fault": found.fault.name, "remedy": found.fault.remedy}
        self._desk.alarms.raise_(code, subject, **parameters)

    def _clear(self, event: StationEvent) -> None:
        """A station may forget to repeat the number or code with which it raised it."""
        subject = _subject(event)
        self._desk.alarms.clear(STATE, subject)
        if event.monitor_id is None and not event.tech_code:
            for alarm in self._desk.alarms.open():
                if alarm.code == STATE and alarm.subject.startswith(f"{subject}#"):
                    self._desk.alarms.clear(STATE, alarm.subject)

    def _has_room(self, station_id: str, key: str) -> bool:
        standing = [
            alarm
            for alarm in self._desk.alarms.open()
            if alarm.code in (STATE, NOTICE) and alarm.active and _is_of(alarm.subject, station_id)
        ]
        if len(standing) < ALARMS_MAX or any(alarm.key == key for alarm in standing):
            self._full.discard(station_id)
            return True
        if station_id not in self._full:
            self._full.add(station_id)
            log.warning("%s: tells of more than %d troubles at once", station_id, ALARMS_MAX)
        return False


def _priority(event: StationEvent, fault: Fault | None) -> AlarmPriority | None:
    """The station's severity, or its monitor's; else what the catalogue thinks of it."""
    if event.severity is not None:
        return priority_of(event.severity)
    if fault is not None:
        return fault.priority
    return AlarmPriority.MEDIUM if event.trigger is EventTrigger.ALERTING else None


def _stands(event: StationEvent, is_known: bool) -> bool:
    """Whether it says that something is wrong, not only that something changed."""
    if event.trigger is EventTrigger.ALERTING:
        return True
    is_on = event.value.casefold() in _YES
    return is_on and (is_known or _name(event) in _SWITCHES)


def _is_over(event: StationEvent) -> bool:
    if event.cleared is not None:
        return event.cleared
    return event.value.casefold() in _NO and (_name(event) in (*_SWITCHES, "active"))


def _has_an_end(event: StationEvent) -> bool:
    """Whether the station will say when it is over; else it is an event that a person sees."""
    is_switch = event.value.casefold() in _YES
    notified = event.origin is MonitorOrigin.HARD_WIRED_NOTIFICATION and event.monitor_id is None
    return event.cleared is False or is_switch or not notified


def _plain(event: StationEvent) -> str:
    value = f" is {event.value[:60]}" if event.value else ""
    info = f" ({event.tech_info[:60]})" if event.tech_info else ""
    return f"{event.variable}{value}{info}"


def _name(event: StationEvent) -> str:
    return event.variable.rpartition(".")[2].partition("@")[0].casefold()


def _subject(event: StationEvent) -> str:
    """Unique for what is meant; after the only "/" its part below the station."""
    mark = event.tech_code if event.monitor_id is None else str(event.monitor_id)
    place = event.variable + (f"#{mark}" if mark else "")
    return f"{event.station_id}/{place.replace('/', ':')}"


def _is_of(subject: str, station_id: str) -> bool:
    return subject.rpartition("/")[0] == station_id
