"""What stations are set to: snapshots, differences, restoring.

Each station is read once by itself, after its first boot and after a change of its firmware: long
after the boot, one station at a time, behind everything that people or load management want.
"""

import asyncio
import logging
from collections.abc import Mapping

from sitecontroller.domain.commands import Command, CommandResult, CommandState
from sitecontroller.domain.device import (
    NOW,
    Cause,
    CopySettings,
    DeviceSnapshot,
    Difference,
    DifferencesQuery,
    DifferencesView,
    ReadComponents,
    ReadDevice,
    RestoreSnapshot,
    SetNetworkProfile,
    SettingsQuery,
    SettingsView,
    SetVariables,
    SnapshotQuery,
    SnapshotsQuery,
    StationDifferencesQuery,
    TakeSnapshot,
    UseNetworkProfile,
)
from sitecontroller.domain.device_rules import differences, matches
from sitecontroller.domain.errors import (
    Conflict,
    NotFound,
    OperatingError,
    StationOffline,
    Unsupported,
)
from sitecontroller.domain.events import Event, StationReady
from sitecontroller.domain.queries import Query
from sitecontroller.domain.views import Page
from sitecontroller.services.desk import Answerer, Desk, Handler
from sitecontroller.services.device_due import DueSettings
from sitecontroller.services.device_network import DeviceNetwork
from sitecontroller.services.device_readings import DeviceReadings, Told, checked_label, page_of
from sitecontroller.services.device_writing import DeviceWriting
from sitecontroller.wire import to_json

log = logging.getLogger(__name__)

UNASKED_AFTER_S = 60.0
"""After a boot: set-up is long done by then."""


class DeviceModels:
    """Commands and questions about what stations are set to."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._readings = DeviceReadings(desk)
        self._due_settings = DueSettings(desk, self._readings)
        writing = DeviceWriting(desk, self._readings, self._due_settings)
        network = DeviceNetwork(desk, self._readings)
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._one_at_a_time = asyncio.Lock()
        self.handlers: Mapping[type[Command], Handler] = {
            TakeSnapshot: self._take,
            RestoreSnapshot: writing.restore,
            CopySettings: writing.copy,
            SetVariables: writing.set,
            SetNetworkProfile: network.store,
            UseNetworkProfile: network.use,
        }
        self.answerers: Mapping[type[Query], Answerer] = {
            SnapshotsQuery: self._snapshots,
            SnapshotQuery: self._snapshot,
            SettingsQuery: self._settings,
            DifferencesQuery: self._differences,
            StationDifferencesQuery: self._station_differences,
        }

    async def load(self) -> None:
        """From now on stations that boot are read."""
        await self._due_settings.load()
        self._desk.publisher.subscribe(self._on_event, StationReady)

    # commands and questions

    async def _take(self, command: TakeSnapshot, command_id: str) -> CommandResult:
        label = checked_label(command.label)
        try:
            told = await self._readings.ask(command.station_id, ReadDevice())
        except Conflict as refusal:
            return CommandResult(command_id, CommandState.REJECTED, refusal.detail)
        snapshot = await self._readings.keep(told, Cause.ASKED, label)
        return CommandResult(
            command_id, CommandState.EFFECTIVE, snapshot.note or None, to_json(snapshot)
        )

    async def _snapshots(self, query: SnapshotsQuery) -> Page[DeviceSnapshot]:
        return await self._readings.page(query.station_id, query.limit, query.cursor)

    async def _snapshot(self, query: SnapshotQuery) -> SettingsView:
        told = await self._readings.snapshot(query.station_id, query.snapshot_key)
        return _view(told, query.q, query.limit, query.cursor)

    async def _settings(self, query: SettingsQuery) -> SettingsView:
        if query.cursor is not None:
            told = self._readings.last(query.station_id)
        elif query.criteria or query.names:
            request = ReadComponents(query.criteria, query.names)
            told = await self._readings.ask(query.station_id, request)
        else:
            told = await self._readings.ask(query.station_id, ReadDevice(query.base))
        return _view(told, query.q, query.limit, query.cursor)

    async def _differences(self, query: DifferencesQuery) -> DifferencesView:
        before = await self._side(query.station_id, query.before)
        if query.after == NOW and query.cursor is not None:
            after = self._readings.last(query.station_id)
        else:
            after = await self._side(query.station_id, query.after)
        return await _compared(before, after, query)

    async def _station_differences(self, query: StationDifferencesQuery) -> DifferencesView:
        ours = await self._side(query.station_id, "")
        theirs = await self._side(query.other_station_id, "")
        if _make(ours.about) != _make(theirs.about):
            raise Conflict(
                f"{query.station_id} and {query.other_station_id} are of different models",
                remedy="Compare chargers of the same vendor and model",
            )
        return await _compared(ours, theirs, query)

    async def _side(self, station_id: str, key: str) -> Told:
        """A snapshot by its key, the newest one, or what the station says now."""
        if key == NOW:
            return await self._readings.ask(station_id, ReadDevice())
        if not key:
            self._desk.known(station_id)
            newest = await self._readings.newest(station_id)
            if newest is None:
                raise NotFound(
                    f"no snapshot of {station_id} is kept",
                    remedy=f"POST /v1/stations/{station_id}/snapshots takes one",
                )
            key = newest.key
        return await self._readings.snapshot(station_id, key)

    # by itself

    def _on_event(self, event: Event) -> None:
        if not isinstance(event, StationReady):
            return
        earlier = self._timers.pop(event.station_id, None)
        if earlier is not None:
            earlier.cancel()
        loop = asyncio.get_running_loop()
        self._timers[event.station_id] = loop.call_later(
            UNASKED_AFTER_S, self._due, event.station_id, event.rebooted
        )

    def _due(self, station_id: str, rebooted: bool) -> None:
        self._timers.pop(station_id, None)
        if self._desk.stations.link(station_id) is not None:
            self._desk.background.spawn(
                self._read_unasked(station_id, rebooted), f"{station_id} snapshot"
            )

    async def _read_unasked(self, station_id: str, rebooted: bool) -> None:
        """Once for each make, model and firmware; what fails is tried at the next boot."""
        async with self._one_at_a_time:
            if rebooted:
                await self._due_settings.judge(station_id)
            state = self._desk.stations.state(station_id)
            if state is None or state.link is None or state.record.boot is None:
                return
            boot = state.record.boot
            now_is = f"{boot.vendor}/{boot.model}/{boot.firmware_version or ''}"
            fact = f"snapshot-of/{station_id}"
            known = await self._desk.stations.remembered(fact)
            if known == now_is:
                return
            try:
                told = await self._readings.unasked(station_id)
                if told is None:
                    return
                cause = Cause.FIRST_BOOT if known is None else Cause.NEW_FIRMWARE
                await self._readings.keep(told, cause)
            except Unsupported:
                log.info("%s: has no report of its settings", station_id)
            except StationOffline:
                return
            except OperatingError as error:
                log.warning("%s: its settings could not be read: %s", station_id, error.detail)
                return
            await self._desk.stations.remember(fact, now_is)


def _make(about: DeviceSnapshot) -> tuple[str, str]:
    return about.vendor.strip().casefold(), about.model.strip().casefold()


def _view(told: Told, q: str, limit: int, cursor: str | None) -> SettingsView:
    found = [variable for variable in told.variables if matches(variable.name, q)]
    shown, following = page_of(found, limit, cursor)
    about = told.about
    return SettingsView(
        about.station_id, about.at, about.complete, about.note, len(found), shown, following
    )


async def _compared(
    before: Told, after: Told, query: DifferencesQuery | StationDifferencesQuery
) -> DifferencesView:
    found: tuple[Difference, ...] = await asyncio.to_thread(
        differences, before.variables, after.variables, query.q, writable=query.writable
    )
    shown, following = page_of(found, query.limit, query.cursor)
    return DifferencesView(before.about, after.about, len(found), shown, following)
