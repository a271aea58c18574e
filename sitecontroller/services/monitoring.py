"""Variable monitors of 2.x stations: what is watched for, and what stations told.

A station that has monitoring gets a few monitors of ours once, remembered with its model so that
no box is asked again for what its kind does not take. Its events go to `station_events`.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sitecontroller.domain.commands import Command, CommandResult, CommandState
from sitecontroller.domain.errors import (
    FieldError,
    InvalidInput,
    OperatingError,
    Unsupported,
)
from sitecontroller.domain.events import Event, StationReady
from sitecontroller.domain.monitoring import (
    SEVERITY_MAX,
    ChooseMonitoringBase,
    ChooseMonitoringLevel,
    ClearMonitors,
    ClearVariableMonitoring,
    GetMonitoringReport,
    Monitor,
    MonitoringAbility,
    MonitoringBase,
    MonitorOrigin,
    MonitorOutcome,
    MonitorsQuery,
    MonitorType,
    ReportMonitors,
    SetMonitoringBase,
    SetMonitoringLevel,
    SetMonitors,
    SetVariableMonitoring,
    StationEvent,
    StationEventsQuery,
    StationMonitors,
)
from sitecontroller.domain.queries import Query
from sitecontroller.domain.station import OcppVersion
from sitecontroller.domain.views import Page
from sitecontroller.ports import StationLink
from sitecontroller.services.desk import Answerer, Desk, Handler, result_of
from sitecontroller.services.shelf import Shelf
from sitecontroller.services.station_events import StationEvents
from sitecontroller.wire import to_json

log = logging.getLogger(__name__)

PREPARE_AFTER_S = 20.0
"""The set-up of the station goes first."""
MONITORS_MAX = 100
"""Of one command."""
HOT_C = 75.0
"""Where the electronics of a usual box begin to suffer."""
DEFAULTS_VERSION = 1
"""Changed with the list below: it is then set anew."""
REFUSED_FOR_GOOD = ("UnknownComponent", "UnknownVariable", "UnsupportedMonitorType", "Rejected")


class Monitoring:
    """Monitors and events of the site's 2.x stations."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._shelf = Shelf(desk.store, "station-monitors", StationMonitors)
        self._known: dict[str, StationMonitors] = {}
        self._events = StationEvents(desk)
        self._preparing: set[tuple[str, int]] = set()
        """Connections, by station and generation."""
        self._parts: dict[str, int] = {}
        """The number of the next part of an event message, where more was announced."""
        self.handlers: Mapping[type[Command], Handler] = {
            SetVariableMonitoring: self._set,
            ClearVariableMonitoring: self._clear,
            GetMonitoringReport: self._report,
            SetMonitoringBase: self._set_base,
            SetMonitoringLevel: self._set_level,
        }
        self.answerers: Mapping[type[Query], Answerer] = {
            MonitorsQuery: self._monitors,
            StationEventsQuery: self._history,
        }

    async def load(self) -> None:
        """Take up what the database knows."""
        for known in await self._shelf.all():
            self._known[known.station_id] = known
        self._desk.publisher.subscribe(self._on_event, StationReady)

    async def happened(
        self, station_id: str, events: Sequence[StationEvent], *, part: int = 0, more: bool = False
    ) -> None:
        """A station told of events; `part` counts from 0 while `more` follow."""
        expected = self._parts.pop(station_id, 0)
        if part not in (0, expected):
            log.warning("%s: part %d of its events did not come", station_id, expected + 1)
        if more:
            self._parts[station_id] = part + 1
        if self._desk.stations.state(station_id) is not None:
            await self._events.take([self._with_severity(event) for event in events])

    def _with_severity(self, event: StationEvent) -> StationEvent:
        """2.0.1 leaves it to the monitor that saw the event."""
        if event.severity is not None or event.monitor_id is None:
            return event
        monitor = self._monitor(event.station_id, event.monitor_id)
        return event if monitor is None else replace(event, severity=monitor.severity)

    # commands

    async def _set(self, command: SetVariableMonitoring, command_id: str) -> CommandResult:
        _check_monitors(command.monitors)
        link = self._desk.link(command.station_id)
        answer = await link.ask(SetMonitors(command.monitors))
        outcomes: list[MonitorOutcome] = answer.body["outcomes"]
        await self._note_set(command.station_id, command.monitors, outcomes)
        result = result_of(command_id, answer)
        return replace(result, answer={"outcomes": to_json(outcomes)})

    async def _clear(self, command: ClearVariableMonitoring, command_id: str) -> CommandResult:
        if not 1 <= len(command.monitor_ids) <= MONITORS_MAX:
            raise _invalid("monitor_ids", f"names 1 to {MONITORS_MAX} monitors")
        link = self._desk.link(command.station_id)
        answer = await link.ask(ClearMonitors(command.monitor_ids))
        outcomes: list[MonitorOutcome] = answer.body["outcomes"]
        gone = [o.monitor_id for o in outcomes if o.status in ("Accepted", "NotFound")]
        known = self._of(command.station_id)
        left = tuple(each for each in known.monitors if each.monitor_id not in gone)
        await self._keep(replace(known, monitors=left))
        self._events.forget_monitors(command.station_id, gone=[n for n in gone if n is not None])
        result = result_of(command_id, answer)
        return replace(result, answer={"outcomes": to_json(outcomes)})

    async def _report(self, command: GetMonitoringReport, command_id: str) -> CommandResult:
        link = self._desk.link(command.station_id)
        answer = await link.ask(ReportMonitors(command.criteria, command.variables))
        if not answer.accepted:
            return result_of(command_id, answer)
        monitors: tuple[Monitor, ...] = answer.body["monitors"]
        complete: bool = answer.body["complete"]
        everything = not (command.criteria or command.variables)
        await self._note_report(command.station_id, monitors, whole=everything and complete)
        told = {"monitors": to_json(monitors), "complete": complete}
        return CommandResult(command_id, CommandState.ACCEPTED, None, told)

    async def _set_base(self, command: SetMonitoringBase, command_id: str) -> CommandResult:
        link = self._desk.link(command.station_id)
        answer = await link.ask(ChooseMonitoringBase(command.base))
        if answer.accepted and command.base is not MonitoringBase.ALL:
            known = self._of(command.station_id)
            kept = tuple(m for m in known.monitors if m.origin is MonitorOrigin.HARD_WIRED_MONITOR)
            await self._keep(replace(known, monitors=kept))
        return result_of(command_id, answer)

    async def _set_level(self, command: SetMonitoringLevel, command_id: str) -> CommandResult:
        if not 0 <= command.severity <= SEVERITY_MAX:
            raise _invalid("severity", f"is 0 (worst) to {SEVERITY_MAX}")
        link = self._desk.link(command.station_id)
        return result_of(command_id, await link.ask(ChooseMonitoringLevel(command.severity)))

    # questions

    async def _monitors(self, query: MonitorsQuery) -> StationMonitors:
        self._desk.known(query.station_id)
        return self._of(query.station_id)

    async def _history(self, query: StationEventsQuery) -> Page[StationEvent]:
        return await self._events.page(query.limit, query.cursor, query.station_id)

    # what is known of a station's monitors

    def _of(self, station_id: str) -> StationMonitors:
        return self._known.get(station_id) or StationMonitors(station_id)

    def _monitor(self, station_id: str, monitor_id: int) -> Monitor | None:
        monitors = self._of(station_id).monitors
        return next((each for each in monitors if each.monitor_id == monitor_id), None)

    async def _keep(self, known: StationMonitors) -> None:
        self._known[known.station_id] = known
        now = self._desk.clock.now()
        await self._shelf.put(known.station_id, known, now, known.station_id)

    async def _note_set(
        self, station_id: str, wanted: Sequence[Monitor], outcomes: Sequence[MonitorOutcome]
    ) -> None:
        known = self._of(station_id)
        new = {
            outcome.monitor_id: replace(
                monitor, monitor_id=outcome.monitor_id, origin=MonitorOrigin.CUSTOM
            )
            for monitor, outcome in zip(wanted, outcomes, strict=False)
            if outcome.accepted and outcome.monitor_id is not None
        }
        if new:
            others = tuple(each for each in known.monitors if each.monitor_id not in new)
            await self._keep(replace(known, monitors=(*others, *new.values())))

    async def _note_report(
        self, station_id: str, monitors: tuple[Monitor, ...], *, whole: bool
    ) -> None:
        """A report of all monitors replaces what was known; their numbers may be new ones."""
        if whole:
            now = self._desk.clock.now()
            await self._keep(StationMonitors(station_id, now, monitors))
            numbers = [each.monitor_id for each in monitors if each.monitor_id is not None]
            self._events.forget_monitors(station_id, left=numbers)
            return
        known = self._of(station_id)
        told = {each.monitor_id for each in monitors}
        others = tuple(each for each in known.monitors if each.monitor_id not in told)
        await self._keep(replace(known, monitors=(*others, *monitors)))

    # our own monitors, after a boot

    def _on_event(self, event: Event) -> None:
        if not isinstance(event, StationReady):
            return
        link = self._desk.stations.link(event.station_id)
        if link is None or link.version is OcppVersion.V16:
            return
        connection = (link.station_id, link.generation)
        if connection not in self._preparing:
            self._preparing.add(connection)
            work = self._prepare(link, rebooted=event.rebooted)
            name = f"monitors of {link.station_id}"
            self._desk.background.spawn(work, name, patient=True)

    async def _prepare(self, link: StationLink, *, rebooted: bool) -> None:
        station_id = link.station_id
        try:
            await asyncio.sleep(PREPARE_AFTER_S)
            if self._desk.stations.link(station_id) is not link:
                return
            if not (await link.ask(MonitoringAbility())).accepted:
                return
            await self._set_defaults(link)
            if rebooted or self._of(station_id).reported_at is None:
                await self._ask_again(link)
        except Unsupported:
            log.info("%s: has no monitoring", station_id)
        except OperatingError as error:
            log.info("%s: its monitors are left as they are: %s", station_id, error.detail)
        finally:
            self._preparing.discard((station_id, link.generation))

    async def _set_defaults(self, link: StationLink) -> None:
        state = self._desk.stations.state(link.station_id)
        boot = state.record.boot if state is not None else None
        if state is None or boot is None:
            return
        model = "/".join((boot.vendor, boot.model, boot.firmware_version or "")).casefold()
        ours = {"model": model, "version": DEFAULTS_VERSION}
        if await self._desk.stations.remembered(f"monitors/{link.station_id}") == ours:
            return
        refused_key = f"monitors-refused/{model}"
        refused: list[str] = await self._desk.stations.remembered(refused_key) or []
        wanted = tuple(
            monitor
            for monitor in default_monitors(tuple(state.evses))
            if _kind(monitor) not in refused
        )
        if wanted:
            answer = await link.ask(SetMonitors(wanted, unasked=True))
            outcomes: list[MonitorOutcome] = answer.body["outcomes"]
            await self._note_set(link.station_id, wanted, outcomes)
            found = {
                _kind(monitor)
                for monitor, outcome in zip(wanted, outcomes, strict=False)
                if outcome.status in REFUSED_FOR_GOOD
            }
            await self._desk.stations.remember(refused_key, sorted({*refused, *found}))
        await self._desk.stations.remember(f"monitors/{link.station_id}", ours)

    async def _ask_again(self, link: StationLink) -> None:
        """After a restart a station may have given its monitors other numbers (N04.FR.19)."""
        answer = await link.ask(ReportMonitors(unasked=True))
        if answer.accepted:
            monitors: tuple[Monitor, ...] = answer.body["monitors"]
            whole: bool = answer.body["complete"]
            await self._note_report(link.station_id, monitors, whole=whole)


def default_monitors(evse_ids: Sequence[int]) -> tuple[Monitor, ...]:
    """What every station that can is asked to tell: troubles, and heat."""
    places = ("ChargingStation", *(f"EVSE[{evse_id}]" for evse_id in evse_ids))
    return (
        *(Monitor(f"{place}.Problem", MonitorType.DELTA, 1.0, severity=3) for place in places),
        *(
            Monitor(f"{place}.Temperature", MonitorType.UPPER_THRESHOLD, HOT_C, severity=5)
            for place in places
        ),
    )


def _kind(monitor: Monitor) -> str:
    """The same for all EVSEs: what one of a model refuses, the others do too."""
    component, _, name = monitor.variable.rpartition(".")
    return f"{component.partition('[')[0]}.{name}/{monitor.type}"


def _check_monitors(monitors: Sequence[Monitor]) -> None:
    if not 1 <= len(monitors) <= MONITORS_MAX:
        raise _invalid("monitors", f"are 1 to {MONITORS_MAX}")
    for number, monitor in enumerate(monitors):
        place = f"monitors[{number}]"
        if not 0 <= monitor.severity <= SEVERITY_MAX:
            raise _invalid(f"{place}.severity", f"is 0 (worst) to {SEVERITY_MAX}")
        if monitor.type is MonitorType.DELTA and monitor.value < 0:
            raise _invalid(f"{place}.value", "a change is not negative (N04.FR.14)")
        if "Periodic" in monitor.type and monitor.value < 1:
            raise _invalid(f"{place}.value", "is seconds, at least 1")


def _invalid(field: str, message: str) -> InvalidInput:
    return InvalidInput(
        f"{field} {message}",
        remedy="Mend the field and send it again",
        errors=(FieldError(field, message),),
    )
