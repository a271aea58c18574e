"""What every version's dialect shares: identity, clock, live readings, set-up.

A dialect turns what a station says into one domain value and one service call, and the site's
wishes into the version's words. It keeps nothing that outlives the connection.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, ClassVar, Protocol

from sitecontroller.domain.authorization import IdToken
from sitecontroller.domain.commands import StationRequest
from sitecontroller.domain.errors import CallRefused, CallTimeout, StationOffline, Unsupported
from sitecontroller.domain.ids import fold
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.station import (
    ConnectorStatus,
    OcppVersion,
    RegistrationStatus,
    StationBooted,
    StationTime,
    StatusReported,
)
from sitecontroller.domain.topology import ChargingStation, Evse, LimitUnit
from sitecontroller.ocpp.block import Answer, Block, Inbound, Request
from sitecontroller.ocpp.commands import Priority
from sitecontroller.ocpp.frames import CallFault, actions
from sitecontroller.ocpp.measurands import (
    LIVE_CONTEXTS,
    RegisterCheck,
    read_meter_values,
)
from sitecontroller.ocpp.quirks import Quirks, model_key, quirks_of
from sitecontroller.ocpp.setup import PAUSE_S_MIN, TIMEOUTS_MAX, Setting, SetUp, SetUpPlan
from sitecontroller.ocpp.signed_transfer import take_signed
from sitecontroller.ocpp.times import StationClock, format_time, parse_station_time
from sitecontroller.ocpp.values import number, register_wh, text
from sitecontroller.ports import CallAnswer, StationLink
from sitecontroller.services.background import Background
from sitecontroller.services.inbound import StationServices

log = logging.getLogger(__name__)

SAFETY_DEADLINE_S = 10.0
HOUSEKEEPING_DEADLINE_S = 10.0
"""Short, because a station answers one call at a time: a limit waits behind it."""
REMOTE_START_S = 300.0
"""A start on the same card this long after our remote start is its answer."""
KNOWN_TRANSACTIONS_MAX = 200
NOT_THERE = ("NotImplemented", "NotSupported")
"""Error codes by which a station says that it lacks a message altogether."""

AC_MEASURANDS = (
    "Energy.Active.Import.Register",
    "Current.Import",
    "Power.Active.Import",
    "Voltage",
)
DC_MEASURANDS = ("Energy.Active.Import.Register", "Power.Active.Import", "SoC")


class RpcSession(Protocol):
    """What a dialect needs of its connection; `session.Session` is the real one."""

    @property
    def station_id(self) -> str: ...
    @property
    def generation(self) -> int: ...
    async def call(
        self,
        action: str,
        payload: dict[str, Any],
        *,
        priority: Priority = Priority.ATTENDANT,
        deadline_s: float = 30.0,
        key: str | None = None,
    ) -> dict[str, Any]: ...
    def note_faults(self, subject: str, *faults: str) -> None: ...
    def after_reply(self, callback: Callable[[], None]) -> None: ...
    def boot_answered(self) -> None: ...
    async def close(self, reason: str) -> None: ...


@dataclass(frozen=True, slots=True)
class _RemoteStart:
    remote_start_id: int
    token: str
    at_s: float


class StationDialect(StationLink):
    """One connected station, whatever it speaks. `station` None: not in site.toml."""

    version: OcppVersion
    core: ClassVar[dict[str, Inbound]]
    """What stations may say of the core, by action."""
    blocks: ClassVar[Block]
    """What else they may say, and what else they may be asked."""

    def __init__(
        self,
        session: RpcSession,
        station: ChargingStation | None,
        services: StationServices,
        *,
        time_zone: tzinfo = UTC,
    ) -> None:
        self._session = session
        self._station = station
        self.services = services
        self._time_zone = time_zone
        self.boot: StationBooted | None = None
        self._admitted = services.stations.admitted(self.station_id)
        self._ready = False
        self.quirks = Quirks()
        self._clock = StationClock(services.clock.monotonic_s)
        self._register_checks: dict[int, RegisterCheck] = {}
        self._statuses: dict[int, ConnectorStatus] = {}
        self._evse_of_transaction: dict[str, int] = {}
        self._remote_starts: dict[int, _RemoteStart] = {}
        self.background = Background()
        self._setting_up = False
        self._polling: asyncio.Task[None] | None = None
        self._lacking: set[type[StationRequest]] = set()
        self.found_settings: dict[str, Setting] = {}
        """What the station told of its settings during set-up."""

    # who it is

    @property
    def station_id(self) -> str:
        """The site's spelling of it, where the site knows it."""
        return self._session.station_id if self._station is None else self._station.station_id

    @property
    def generation(self) -> int:
        """Tells this connection from earlier ones."""
        return self._session.generation

    @property
    def clock_offset_s(self) -> float | None:
        """Station clock less ours; None until known to 20 s."""
        return self._clock.offset_s

    def booted(self) -> bool:
        """Whether a BootNotification has been answered on this connection."""
        return self.boot is not None

    # what it says

    async def answer(self, action: str, payload: Answer, received_at: datetime) -> Answer:
        """The CALLRESULT's payload for one CALL. CallFault where there is none."""
        step = self.core.get(action) or self.blocks.inbound.get(action)
        if step is None:
            raise self._untaken(action)
        if not self._admitted and action not in ("BootNotification", "Heartbeat"):
            raise CallFault("SecurityError", "this station is not admitted yet")
        return await step(self, payload, received_at)

    async def _heartbeat(self, payload: Answer, received_at: datetime) -> Answer:
        return {"currentTime": self._tell_time()}

    async def _data_transfer(self, payload: Answer, received_at: datetime) -> Answer:
        vendor = (text(payload.get("vendorId")) or "").casefold()
        step = self.blocks.transfers.get(vendor, take_signed)
        return await step(self, payload, received_at)

    def _untaken(self, action: str) -> CallFault:
        if action in actions(self.version):
            return CallFault("NotSupported", f"{action[:40]} is not taken from a station")
        return CallFault("NotImplemented", f"{action[:40]} is no action of OCPP {self.version}")

    async def _take_boot(self, boot: StationBooted) -> Answer:
        """Q12, Q13: calls may go out once this answer is written."""
        self.boot = boot
        self.quirks = quirks_of(boot, self.services.settings.quirks)
        verdict = await self.services.stations.booted(boot)
        accepted = verdict.status is RegistrationStatus.ACCEPTED
        self._admitted = accepted and self.services.stations.admitted(self.station_id)
        if verdict.status is not RegistrationStatus.REJECTED:
            self._session.boot_answered()
        if self._admitted:
            # After a restart a station comes anew: a later boot was asked for, unless it denies.
            rebooted = boot.reason != "Triggered" if boot.reason else not self._ready
            self._session.after_reply(lambda: self.became_ready(rebooted=rebooted))
        return {
            "currentTime": self._tell_time(),
            "interval": verdict.interval_s,
            "status": verdict.status.value,
        }

    def became_ready(self, *, rebooted: bool) -> None:
        """It may be sent calls from now on: after a boot, or when none came (Q12, Q13)."""
        if not self._admitted:
            return
        if rebooted or not self._ready:
            self._ready = True
            self.services.stations.ready(self, rebooted=rebooted)
        if not self._setting_up:
            self._setting_up = True
            self.background.spawn(self._set_up(), f"{self.station_id} set-up")

    async def closed(self) -> None:
        """The connection is gone: nothing of it goes on."""
        await self.background.close(within_s=0)

    def _tell_time(self) -> str:
        self._clock.told()
        return self.stamp(self.services.clock.now())

    # its EVSEs

    @property
    def evses(self) -> tuple[Evse, ...]:
        return () if self._station is None else self._station.evses

    def _evse(self, evse_id: int | None) -> Evse | None:
        return next((evse for evse in self.evses if evse.evse_id == evse_id), None)

    def _own_evse(self, evse_id: int) -> Evse:
        evse = self._evse(evse_id)
        assert evse is not None, f"{self.station_id} has no EVSE {evse_id} in site.toml"
        return evse

    def _only_evse_id(self) -> int | None:
        return self.evses[0].evse_id if len(self.evses) == 1 else None

    def _likeliest_evse_id(self) -> int:
        """Of a start that doesn't say where: the only EVSE, else one with a car, else the first."""
        for evse in self.evses:
            if self._statuses.get(evse.evse_id) is ConnectorStatus.OCCUPIED:
                return evse.evse_id
        return self.evses[0].evse_id if self.evses else 1

    def _note_transaction(self, transaction_id: str, evse_id: int) -> None:
        self._evse_of_transaction.pop(transaction_id, None)
        self._evse_of_transaction[transaction_id] = evse_id
        while len(self._evse_of_transaction) > KNOWN_TRANSACTIONS_MAX:
            del self._evse_of_transaction[next(iter(self._evse_of_transaction))]

    def evse_of(self, transaction_id: str | None) -> int | None:
        known = self._evse_of_transaction.get(transaction_id or "")
        return known if known is not None else self._only_evse_id()

    async def _report_status(self, report: StatusReported) -> None:
        self._statuses[report.evse_id] = report.status
        await self.services.stations.status_reported(report)
        await self.services.transactions.state_reported(report)

    # time and readings

    @property
    def _missing_zone(self) -> tzinfo:
        return self._time_zone if self.quirks.missing_zone_is_local else UTC

    def time_of(self, raw: object, received_at: datetime) -> StationTime:
        return parse_station_time(raw, received_at, missing_zone=self._missing_zone)

    def _fresh(self, raw: object, received_at: datetime) -> None:
        """A stamp that was made just before it was sent: what the station's clock says."""
        self._clock.heard(raw, received_at, missing_zone=self._missing_zone)

    def _station_now(self) -> datetime:
        """Now by the station's clock; by ours while that isn't known."""
        return self.services.clock.now() + timedelta(seconds=self.clock_offset_s or 0)

    def stamp(self, at: datetime) -> str:
        return format_time(at, self.quirks.timestamp_digits)

    def readings_of(
        self, meter_values: object, evse_id: int | None, received_at: datetime
    ) -> list[MeterReading]:
        return read_meter_values(
            meter_values,
            self._evse(evse_id),
            received_at,
            missing_zone=self._missing_zone,
            out_of_bounds=self._note_out_of_bounds,
        )

    def _register_wh(self, payload: Answer, name: str) -> float | None:
        """A register that stands in a message by itself, in Wh."""
        found = register_wh(payload.get(name))
        if found is None and number(payload.get(name)) is not None:
            self._note_out_of_bounds(name)
        return found

    def _note_out_of_bounds(self, name: str) -> None:
        """Left out, and counted as a repair is (Q22)."""
        self._session.note_faults("readings", f"{name} out of bounds")

    async def measured(
        self, evse_id: int | None, readings: list[MeterReading], received_at: datetime
    ) -> None:
        """The live view gets what flows now: no samples from offline hours (Q33, Q34)."""
        evse = self._evse(evse_id)
        if evse is None:
            return
        for reading in readings:
            time = StationTime(reading.at, reading.time_quality)
            if reading.context in LIVE_CONTEXTS and not self._clock.is_late(time, received_at):
                self.services.metering.evse_measured(evse.key, reading)
        check = self._register_checks.setdefault(evse.evse_id, RegisterCheck())
        for factor in filter(None, [check.suspect_factor(reading) for reading in readings]):
            unit, wrong = ("kWh", "Wh") if factor > 0 else ("Wh", "kWh")
            await self.services.stations.warn(
                self.station_id,
                f"EVSE {evse.evse_id}: its energy register looks like {unit} sent as {wrong}",
            )

    def card(self, token: IdToken | None) -> IdToken | None:
        """The card as the card says it: a model's suffix is cut off (Q23)."""
        if token is None:
            return None
        serial_number = self.boot.serial_number if self.boot is not None else None
        return IdToken(self.quirks.without_suffix(token.id_token, serial_number), token.type)

    # what we say

    def _note_remote_start(self, evse_id: int, remote_start_id: int, token: str) -> None:
        now_s = self.services.clock.monotonic_s()
        self._remote_starts[evse_id] = _RemoteStart(remote_start_id, fold(token), now_s)

    def _remote_start_of(self, evse_id: int, token: IdToken | None) -> int | None:
        """Which of our remote starts a start answers, where the version doesn't say (1.6)."""
        asked = self._remote_starts.get(evse_id)
        if asked is None or token is None or asked.token != fold(token.id_token):
            return None
        if self.services.clock.monotonic_s() - asked.at_s > REMOTE_START_S:
            return None
        return asked.remote_start_id

    async def ask(self, request: StationRequest) -> CallAnswer:
        """One request of a block. Unsupported when this version or this station has no such."""
        step = self._step_for(type(request))
        if step is None:
            raise self._unsupported(type(request))
        try:
            return await step(self, request)
        except CallRefused as refusal:
            if refusal.error_code not in NOT_THERE:
                raise
            self._lacking.add(type(request))
            raise self._unsupported(type(request)) from None

    def supports(self, kind: type[StationRequest]) -> bool:
        """Whether a request can be said in this version, and the station hasn't refused it as
        something it doesn't have."""
        return self._step_for(kind) is not None

    def _step_for(self, kind: type[StationRequest]) -> Request | None:
        return None if kind in self._lacking else self.blocks.requests.get(kind)

    def _unsupported(self, kind: type[StationRequest]) -> Unsupported:
        speaks = "" if kind in self.blocks.requests else f"speaks OCPP {self.version}, which "
        return Unsupported(
            f"{self.station_id} {speaks}has no {kind.__name__}",
            remedy="Do it at the charger, or look for firmware that has it or a newer OCPP",
        )

    async def say(
        self,
        action: str,
        payload: Answer,
        *,
        accepted: tuple[str, ...] = ("Accepted",),
        priority: Priority = Priority.ATTENDANT,
        key: str | None = None,
    ) -> CallAnswer:
        """One CALL; whether it was accepted, by the `status` of its answer."""
        body = await self._session.call(
            action, payload, priority=priority, deadline_s=self._deadline_s(priority), key=key
        )
        status = str(body.get("status", ""))
        return CallAnswer(status in accepted, status, body)

    async def call_with(
        self,
        action: str,
        payload: Answer,
        priority: Priority = Priority.ATTENDANT,
        *,
        key: str | None = None,
    ) -> Answer:
        """One CALL whose answer has no status; the answer."""
        return await self._session.call(
            action, payload, priority=priority, deadline_s=self._deadline_s(priority), key=key
        )

    def _deadline_s(self, priority: Priority) -> float:
        ours_s = self.services.settings.call_timeout_s
        if priority <= Priority.SAFETY:
            return min(SAFETY_DEADLINE_S, ours_s)
        if priority is Priority.HOUSEKEEPING:
            return min(HOUSEKEEPING_DEADLINE_S, ours_s)
        return ours_s

    async def call(self, action: str, payload: Answer) -> Answer:
        """A technician's raw call; the raw answer."""
        return await self._session.call(
            action, payload, deadline_s=self._deadline_s(Priority.ATTENDANT)
        )

    async def close(self, reason: str) -> None:
        """End the connection (1001)."""
        await self._session.close(reason)

    # set-up

    def _plan(self) -> SetUpPlan:
        raise NotImplementedError

    async def read_settings(self, names: tuple[str, ...]) -> dict[str, Setting]:
        """Settings at housekeeping priority, for set-up."""
        raise NotImplementedError

    async def write_setting(self, name: str, value: str) -> bool:
        """One setting at housekeeping priority, for set-up."""
        raise NotImplementedError

    async def _ask_for(self, message: str, evse_id: int | None) -> bool:
        """Trigger a message at housekeeping priority; whether it will come."""
        raise NotImplementedError

    async def _set_up(self) -> None:
        """Q13, Q14. A station that came without a boot doesn't tell its EVSEs' states by itself;
        it is told nothing before it has said who it is."""
        try:
            if self.boot is None:
                for evse in self.evses:
                    await asyncio.sleep(self._pause_s)
                    await self._ask_for("StatusNotification", evse.evse_id)
            if self.boot is not None:
                await asyncio.sleep(self._pause_s)
                await self._configure()
        except StationOffline:
            log.info("%s: set-up ended with the connection", self.station_id)
        except (CallRefused, CallTimeout) as refusal:
            log.info("%s: doesn't tell its state: %s", self.station_id, refusal.detail)
        finally:
            self._setting_up = False

    @property
    def _pause_s(self) -> float:
        return max(self.quirks.command_pause_s, PAUSE_S_MIN)

    async def _configure(self) -> None:
        set_up = SetUp(
            self.station_id,
            model_key(self.boot),
            self._plan(),
            self,
            self.services.stations,
            pause_s=self._pause_s,
        )
        await set_up.run()
        self.found_settings = set_up.found
        await self._check_settings()
        if set_up.interval_held is False and self._polling is None:
            self._polling = self.background.spawn(
                self._poll_meters(), f"{self.station_id} meter values"
            )

    async def _poll_meters(self) -> None:
        """A station that takes no sample interval is asked for each sample; load management
        needs one every few seconds (load-management.md, "Readings of the cars")."""
        timeouts = 0
        while timeouts < TIMEOUTS_MAX:
            await asyncio.sleep(self.services.settings.sample_interval_s)
            for evse in self.evses:
                try:
                    if not await self._ask_for("MeterValues", evse.evse_id):
                        return
                    timeouts = 0
                except CallTimeout:
                    timeouts += 1
                except (CallRefused, StationOffline):
                    return

    async def _check_settings(self) -> None:
        """Tell a technician where settings and site.toml contradict each other."""

    async def _check_units(self, allowed: frozenset[LimitUnit]) -> None:
        """Q48: a limit in a unit that the station doesn't know would be ignored."""
        for evse in self.evses:
            if allowed and evse.limit_unit not in allowed:
                units = " and ".join(sorted(unit.value for unit in allowed))
                await self.services.stations.warn(
                    self.station_id,
                    f"takes limits in {units}; set limit_unit of EVSE {evse.evse_id} to that",
                )

    def _measurands(self) -> tuple[str, ...]:
        """What the EVSEs are asked to measure."""
        kinds = {evse.supply.value for evse in self.evses}
        wanted = (AC_MEASURANDS if "AC" in kinds else ()) + (DC_MEASURANDS if "DC" in kinds else ())
        return tuple(dict.fromkeys(wanted))
