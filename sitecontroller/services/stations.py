"""The stations: who may connect, who is connected, what they last said of themselves.

One owner of every station's live state. A connection has a generation: whatever an old one still
says or does can't touch the new one.
"""

import asyncio
import dataclasses
import logging
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sitecontroller.domain.events import (
    Event,
    StationChanged,
    StationConnected,
    StationDisconnected,
    StationReady,
    TransactionChanged,
)
from sitecontroller.domain.faults import FaultFound
from sitecontroller.domain.ids import fold
from sitecontroller.domain.security import Login
from sitecontroller.domain.station import (
    ConnectorStatus,
    OcppVersion,
    RegistrationStatus,
    StationBooted,
    StatusReported,
)
from sitecontroller.domain.topology import ChargingStation, EvseKey, Topology
from sitecontroller.domain.views import NewStationView
from sitecontroller.ports import Clock, StationLink, StationRecord, Store, UnitOfWork
from sitecontroller.publisher import Publisher
from sitecontroller.services.alarms import AlarmService
from sitecontroller.services.evse_state import (
    CONNECTORS_MAX,
    evse_states,
    told,
)
from sitecontroller.services.evse_state import (
    EvseState as EvseState,
)
from sitecontroller.services.fault_catalogue import fault_parameters, fault_reported
from sitecontroller.services.guard import Guard, Judgement, KnownProofs, by_password
from sitecontroller.services.new_stations import NewStations

log = logging.getLogger(__name__)

WARNINGS_MAX = 20
OFFLINE_ALARM_AFTER_S = 60.0
UNKNOWN_EVSE = "reports EVSEs that site.toml doesn't have; they are ignored"
UNKNOWN_CONNECTOR = (
    f"reports connectors other than 1 to {CONNECTORS_MAX} of an EVSE; they are ignored"
)


class LoginVerdict(StrEnum):
    """What a handshake came to; every refusal looks the same from outside."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    COMMISSIONING = "commissioning"
    """Unknown, let in to be accepted by a person."""


@dataclass(frozen=True, slots=True)
class BootAnswer:
    """What a BootNotification is answered with."""

    status: RegistrationStatus
    interval_s: int


@dataclass(slots=True)
class StationState:
    """Live state of one station; written by the service alone."""

    station: ChargingStation
    record: StationRecord
    link: StationLink | None = None
    ready: bool = False
    address: str | None = None
    since: datetime | None = None
    since_s: float | None = None
    """The same, monotonic."""
    last_seen_at: datetime | None = None
    faulted: str | None = None
    evses: dict[int, EvseState] = field(default_factory=dict)


class StationService:
    """Log-in, connections, boot and status of every station."""

    def __init__(
        self,
        topology: Topology,
        store: Store,
        clock: Clock,
        publisher: Publisher,
        alarms: AlarmService,
        *,
        pepper: bytes,
        heartbeat_interval_s: int,
        guard: Guard | None = None,
    ) -> None:
        self._topology = topology
        self._store = store
        self._clock = clock
        self._publisher = publisher
        self._alarms = alarms
        self.guard = guard or Guard(store, clock, pepper=pepper)
        self._heartbeat_interval_s = heartbeat_interval_s
        self._by_fold = {fold(station_id): station_id for station_id in topology.stations}
        self._states = {
            station.station_id: _unseen(station, StationRecord(station.station_id))
            for station in topology.stations.values()
        }
        publisher.subscribe(self._on_event, TransactionChanged)
        self._new = NewStations(store, clock, publisher)
        self._facts: dict[str, Any] = {}
        self.commissioning_until: datetime | None = None

    async def load(self) -> None:
        """Take up what the database knows of the stations."""
        records, facts = await self._store.read(_records_and_facts)
        self._facts = facts
        for record in records:
            state = self._states.get(record.station_id)
            if state is not None:
                state.record = record
                state.evses = evse_states(state.station, record)
        await self._new.load()
        await self.guard.load()
        self._forget_alarms_of_strangers()

    # what the edge asks and tells

    def find(self, station_id: str) -> ChargingStation | None:
        """The configured station of that id, blanks and case aside (Q02)."""
        known = self._by_fold.get(fold(station_id))
        return None if known is None else self._topology.stations[known]

    async def authenticate(self, login: Login) -> LoginVerdict:
        """Check a log-in. Takes the same work for known and unknown ids.

        A station that shows the password made for it is admitted, even when a crash kept us from
        noting that it took it.
        """
        station_id, station = login.station_id, self.find(login.station_id)
        record = None if station is None else self._states[station.station_id].record
        kept = None if record is None else record.password_hash
        candidate = None if station is None else self._new.candidate(station_id)
        boot = None if record is None else record.boot
        judgement = self.guard.judge(
            login,
            KnownProofs(
                station is not None, kept or candidate, None if boot is None else boot.serial_number
            ),
        )
        if judgement.accepted and record is not None:
            await self._note_password(record, candidate, judgement)
            await self.guard.let_in(login, judgement)
            return LoginVerdict.ACCEPTED
        waits = kept is None and self.commissioning and not self._new.rejected(station_id)
        if waits and self.guard.may_wait(login):
            return LoginVerdict.COMMISSIONING
        self.guard.turned_away(login, judgement)
        return LoginVerdict.REFUSED

    async def _note_password(
        self, record: StationRecord, candidate: str | None, judgement: Judgement
    ) -> None:
        """The station showed a password that was on its way to it: from now on it is the one."""
        if judgement.next_password_hash is not None:
            await self.admit(record.station_id, judgement.next_password_hash)
        elif record.password_hash is None and candidate is not None and by_password(judgement):
            await self.admit(record.station_id, candidate)

    def admitted(self, station_id: str) -> bool:
        """Whether it takes part: its place is in site.toml, and a password or a certificate is
        kept for it, or an exception holds."""
        state = self._states.get(station_id)
        return state is not None and (
            state.record.password_hash is not None or self.guard.needs_no_password(station_id)
        )

    async def connected(self, link: StationLink, address: str) -> None:
        """A station logged in; it may be sent calls only when `ready` has been called."""
        now = self._clock.now()
        state = self._states.get(link.station_id)
        if state is None or not self.admitted(link.station_id):
            self._new.knocked(link, address)
            return
        state.link, state.ready, state.address = link, False, address
        state.since = state.last_seen_at = now
        state.since_s = self._clock.monotonic_s()
        log.info("%s: connected address=%s ocpp=%s", link.station_id, address, link.version)
        self._publisher.publish(StationConnected(link.station_id, link.generation, now))
        self._publisher.publish(StationChanged(link.station_id))

    def disconnected(self, link: StationLink) -> None:
        """A connection ended; the close of an old generation changes nothing (Q08)."""
        if self._new.left(link):
            return
        state = self._states.get(link.station_id)
        if state is None or state.link is not link:
            return
        now = self._clock.now()
        state.link, state.ready, state.since = None, False, now
        state.since_s = self._clock.monotonic_s()
        state.evses = {
            evse_id: dataclasses.replace(evse, online=False)
            for evse_id, evse in state.evses.items()
        }
        log.warning("%s: connection lost", link.station_id)
        self._publisher.publish(StationDisconnected(link.station_id, link.generation, now))
        self._publisher.publish(StationChanged(link.station_id))

    def heard(self, station_id: str) -> None:
        """Any frame came in: the station lives."""
        state = self._states.get(station_id)
        if state is not None:
            state.last_seen_at = self._clock.now()

    async def warn(self, station_id: str, warning: str) -> None:
        """Something odd a technician should know; stored once per station."""
        state = self._states.get(station_id)
        if state is None or warning in state.record.warnings:
            return
        if len(state.record.warnings) >= WARNINGS_MAX:
            return
        log.warning("%s: %s", station_id, warning)
        await self._put(
            state,
            dataclasses.replace(state.record, warnings=(*state.record.warnings, warning)),
        )
        self._publisher.publish(StationChanged(station_id))

    def duplicate_refused(self, station_id: str, address: str) -> None:
        """A second device came with a living station's name and was turned away."""
        self._alarms.raise_("duplicate-station", station_id, station=station_id, address=address)
        self.guard.note(station_id, "DuplicateConnectionRefused", f"from {address}")

    def tls_failed(self, address: str, reason: str) -> None:
        """A TLS handshake came to nothing, so nobody knows whose it was."""
        self.guard.note(None, "TlsHandshakeFailed", f"{reason}; from {address}")

    async def booted(self, boot: StationBooted) -> BootAnswer:
        """A BootNotification: remember what it is; an unknown station waits for a person."""
        state = self._states.get(boot.station_id)
        if state is None or not self.admitted(boot.station_id):
            self._new.described(boot)
            return BootAnswer(RegistrationStatus.PENDING, 30)
        if _identity(state.record.boot) != _identity(boot):
            await self._put(state, dataclasses.replace(state.record, boot=boot))
        else:
            state.record = dataclasses.replace(state.record, boot=boot)
        if state.link is not None:
            await self.remember(_spoke(state), state.link.version.value)
        log.info(
            "%s: booted vendor=%r model=%r firmware=%r",
            boot.station_id,
            boot.vendor,
            boot.model,
            boot.firmware_version,
        )
        self._publisher.publish(StationChanged(boot.station_id))
        return BootAnswer(RegistrationStatus.ACCEPTED, self._heartbeat_interval_s)

    def ready(self, link: StationLink, *, rebooted: bool) -> None:
        """From now on the station may be sent calls (Q12)."""
        state = self._states.get(link.station_id)
        if state is None or state.link is not link:
            return
        state.ready = True
        state.evses = {
            evse_id: dataclasses.replace(evse, online=True) for evse_id, evse in state.evses.items()
        }
        self._alarms.clear("station-offline", link.station_id)
        self._publisher.publish(StationReady(link.station_id, self._clock.now(), rebooted))
        self._publisher.publish(StationChanged(link.station_id))

    async def status_reported(self, report: StatusReported) -> None:
        """A StatusNotification; EVSE 0 is the station as a whole and hides no connector (Q36).

        What site.toml can't have is not believed: no alarm, nothing stored but one warning.
        """
        state = self._states.get(report.station_id)
        if state is None:
            return
        found = fault_reported(report, state.record.boot)
        error = found.words if found is not None else None
        if report.evse_id == 0:
            state.faulted = error
            self._alarm_faults(report, found, faulted=report.status is ConnectorStatus.FAULTED)
        elif report.evse_id not in state.evses:
            await self.warn(report.station_id, UNKNOWN_EVSE)
            return
        elif not 1 <= report.connector_id <= CONNECTORS_MAX:
            await self.warn(report.station_id, UNKNOWN_CONNECTOR)
            return
        else:
            now = told(state.evses[report.evse_id], report, error, online=state.ready)
            state.evses[report.evse_id] = now
            await self._store_status(state)
            faulted = now.connector_status is ConnectorStatus.FAULTED
            self._alarm_faults(report, found, faulted=faulted)
        self._publisher.publish(StationChanged(report.station_id))

    async def remembered(self, name: str) -> Any:
        """A fact learned of a model and firmware, or None."""
        return self._facts.get(name)

    async def remember(self, name: str, value: Any) -> None:
        """Keep a fact of a model and firmware for the next time."""
        if self._facts.get(name) != value:
            self._facts = {**self._facts, name: value}
            await self._store.commit(_put_facts, self._facts)

    # what others in the controller ask

    @property
    def commissioning(self) -> bool:
        """Whether unknown stations may knock now."""
        until = self.commissioning_until
        return until is not None and self._clock.now() < until

    def link(self, station_id: str) -> StationLink | None:
        """The way to say something to a station; None when offline or not ready."""
        state = self._states.get(station_id)
        return state.link if state is not None and state.ready else None

    def is_booting(self, station_id: str) -> bool:
        """Whether it is connected but not to be told anything yet (its boot isn't answered)."""
        state = self._states.get(station_id)
        return state is not None and state.link is not None and not state.ready

    def state(self, station_id: str) -> StationState | None:
        """Live state of a station."""
        return self._states.get(station_id)

    def version(self, station_id: str) -> OcppVersion | None:
        """What a station speaks, or spoke when it last booted; None: not known."""
        state = self._states.get(station_id)
        if state is None:
            return None
        if state.link is not None:
            return state.link.version
        spoke = self._facts.get(_spoke(state))
        return None if spoke is None else OcppVersion(spoke)

    def states(self) -> tuple[StationState, ...]:
        """All of them, in the order of site.toml."""
        return tuple(self._states.values())

    def evse_state(self, key: EvseKey) -> EvseState:
        """What an EVSE last said."""
        return self._states[key.station_id].evses[key.evse_id]

    def new_stations(self) -> tuple[NewStationView, ...]:
        """Those that wait to be accepted."""
        return self._new.views()

    def new_link(self, station_id: str) -> StationLink | None:
        """The connection of a station that waits to be accepted."""
        return self._new.link(station_id)

    async def propose(self, station_id: str, password_hash: str) -> None:
        """Store the hash of a password that the station is about to be given: whatever happens
        then, it may log in with it."""
        await self._new.propose(station_id, password_hash)

    async def admit(self, station_id: str, password_hash: str) -> None:
        """It takes part from now on, with that password; a stranger once site.toml has it."""
        state = self._states.get(station_id)
        known = StationRecord(station_id) if state is None else state.record
        record = dataclasses.replace(known, password_hash=password_hash)
        if state is not None:
            state.record = record
        self._new.remove(station_id)
        await self._new.settle(record)
        await self.guard.accepted(station_id)

    async def reject(self, station_id: str) -> None:
        """Turn a waiting station away for the rest of the commissioning window."""
        link = self._new.link(station_id)
        if link is None:
            return
        await self._new.reject(station_id, self.commissioning_until or self._clock.now())
        log.info("%s: turned away until=%s", station_id, self.commissioning_until)
        await link.close("turned away")

    async def watch_silence(self) -> None:
        """Raise an alarm for each station that has been away too long; called every few seconds.

        When a switch dies hundreds are raised at once, so each lets others on the loop go between.
        """
        now_s = self._clock.monotonic_s()
        for state in tuple(self._states.values()):
            if state.link is not None or state.record.boot is None:
                continue
            if state.since is None or state.since_s is None:
                state.since, state.since_s = self._clock.now(), now_s
            if now_s - state.since_s >= OFFLINE_ALARM_AFTER_S:
                self._alarms.raise_(
                    "station-offline",
                    state.station.station_id,
                    station=state.station.station_id,
                    since=state.since.strftime("%H:%M UTC"),
                )
                await asyncio.sleep(0)

    def _on_event(self, event: Event) -> None:
        """A 2.x station doesn't say that the car of an ended transaction is still plugged."""
        if not isinstance(event, TransactionChanged):
            return
        transaction = event.transaction
        state = self._states.get(transaction.station_id)
        known = state.evses.get(transaction.evse_id) if state is not None else None
        if state is not None and known is not None and (event.began or event.ended):
            state.evses[transaction.evse_id] = dataclasses.replace(
                known, finishing=event.ended and known.plugged
            )

    def _alarm_faults(
        self, report: StatusReported, found: FaultFound | None, *, faulted: bool
    ) -> None:
        subject = f"{report.station_id}/{report.evse_id}"
        if not faulted:
            self._alarms.clear("station-faulted", subject)
        elif report.status is ConnectorStatus.FAULTED and found is not None:
            known = self._alarms.get(f"station-faulted:{subject}")
            standing = known if known is not None and known.active else None
            parameters = fault_parameters(subject, found, standing)
            self._alarms.raise_("station-faulted", subject, **parameters)

    def _forget_alarms_of_strangers(self) -> None:
        """What site.toml no longer has can't tell that it is well again."""
        evses = {
            f"{station_id}/{evse_id}"
            for station_id, state in self._states.items()
            for evse_id in (0, *state.evses)
        }
        known = {"station-faulted": evses, "station-offline": self._states.keys()}
        for alarm in self._alarms.open():
            if alarm.subject not in known.get(alarm.code, (alarm.subject,)):
                self._alarms.clear(alarm.code, alarm.subject)

    async def _store_status(self, state: StationState) -> None:
        statuses = {
            f"{evse_id}/{connector_id}": status.value
            for evse_id, evse in state.evses.items()
            for connector_id, status in evse.connectors.items()
        }
        if statuses != state.record.connector_status:
            await self._put(state, dataclasses.replace(state.record, connector_status=statuses))

    async def _put(self, state: StationState, record: StationRecord) -> None:
        state.record = record
        await self._store.commit(_put_record, record)


def _unseen(station: ChargingStation, record: StationRecord) -> StationState:
    return StationState(station, record, evses=evse_states(station, record))


def _spoke(state: StationState) -> str:
    """The name under which its version of OCPP is remembered."""
    return f"spoke/{state.station.station_id}"


def _identity(boot: StationBooted | None) -> tuple[str | None, ...] | None:
    if boot is None:
        return None
    return (boot.vendor, boot.model, boot.serial_number, boot.firmware_version)


def _records_and_facts(tx: UnitOfWork) -> tuple[tuple[StationRecord, ...], dict[str, Any]]:
    return tuple(tx.stations()), tx.setting("station-facts") or {}


def _put_record(tx: UnitOfWork, record: StationRecord) -> None:
    tx.put_station(record)


def _put_facts(tx: UnitOfWork, facts: dict[str, Any]) -> None:
    tx.put_setting("station-facts", facts)
