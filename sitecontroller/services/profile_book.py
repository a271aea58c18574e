"""Which charging profiles stations hold: read back, shown with those of other systems, set, taken
out. Limits themselves are load management's.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from sitecontroller.domain.commands import Command, CommandResult, CommandState
from sitecontroller.domain.errors import Conflict, FieldError, InvalidInput, Unsupported
from sitecontroller.domain.queries import Query
from sitecontroller.domain.smart import (
    FOREIGN_PROFILE_ID_MIN,
    ChargingProfilesQuery,
    ClearChargingProfiles,
    ClearProfiles,
    GetProfiles,
    GetSchedule,
    HeldProfile,
    ProfilePurpose,
    ProfilesView,
    PutProfile,
    ReadChargingProfiles,
    ReadSchedule,
    SetChargingProfile,
    UseDynamicLimits,
)
from sitecontroller.domain.station import OcppVersion
from sitecontroller.services.desk import Answerer, Desk, Handler, result_of
from sitecontroller.services.profile_rules import check_profile
from sitecontroller.services.shelf import Shelf
from sitecontroller.wire import to_json

PROFILES_MAX = 100
"""Of one station."""
DURATION_S_MAX = 7 * 86_400
PULL_S_MAX = 3600


class ProfileBook:
    """Commands and questions about profiles; `dynamic_pull_s` tells who gets dynamic ones."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._shelf = Shelf(desk.store, "charging-profiles", ProfilesView)
        self.handlers: Mapping[type[Command], Handler] = {
            ReadChargingProfiles: self._read,
            SetChargingProfile: self._set,
            ClearChargingProfiles: self._clear,
            ReadSchedule: self._read_schedule,
            UseDynamicLimits: self._use_dynamic,
        }
        self.answerers: Mapping[type[Query], Answerer] = {ChargingProfilesQuery: self._view}

    async def told(self, station_id: str, profiles: tuple[HeldProfile, ...]) -> None:
        """A station tells some of its profiles unasked."""
        await self._keep(station_id, profiles, complete=None)

    async def dynamic_pull_s(self, station_id: str) -> int | None:
        """How often a station may ask for its limit; 0: never; None: it gets plain profiles."""
        found = await self._desk.stations.remembered(_dynamic_key(station_id))
        return found if isinstance(found, int) else None

    async def _read(self, command: ReadChargingProfiles, command_id: str) -> CommandResult:
        link = self._desk.link(command.station_id)
        criteria = (
            command.evse_id,
            command.purpose,
            command.stack_level,
            command.sources,
            command.profile_ids,
        )
        if len(command.sources) > 4:
            raise InvalidInput("Too many sources", errors=(FieldError("sources", "are 4 or less"),))
        answer = await link.ask(GetProfiles(*criteria))
        if not answer.accepted:
            return result_of(command_id, answer)
        held: tuple[HeldProfile, ...] = answer.body["profiles"]
        complete: bool = answer.body["complete"]
        is_all = criteria == (None, None, None, (), ())
        view = await self._keep(command.station_id, held, complete=complete if is_all else None)
        shown = replace(view, profiles=held[:PROFILES_MAX], complete=complete)
        return CommandResult(command_id, CommandState.EFFECTIVE, None, to_json(self._marked(shown)))

    async def _keep(
        self, station_id: str, held: tuple[HeldProfile, ...], *, complete: bool | None
    ) -> ProfilesView:
        """`complete` None: these are some of them, and the others stay."""
        now = self._desk.clock.now()
        if complete is None:
            known = await self._shelf.get(station_id) or ProfilesView(station_id, complete=False)
            told = {(each.evse_id, each.profile_id) for each in held}
            others = (p for p in known.profiles if (p.evse_id, p.profile_id) not in told)
            held, complete = (*held, *others), known.complete
        view = ProfilesView(station_id, held[:PROFILES_MAX], now, complete)
        await self._shelf.put(station_id, view, now, station_id)
        return view

    async def _view(self, query: ChargingProfilesQuery) -> ProfilesView:
        self._desk.known(query.station_id)
        kept = await self._shelf.get(query.station_id)
        return self._marked(kept or ProfilesView(query.station_id, complete=False))

    def _marked(self, view: ProfilesView) -> ProfilesView:
        """With what is out of date by now."""
        running = {
            transaction.station_transaction_id
            for transaction in self._desk.transactions.running()
            if transaction.station_id == view.station_id
        }
        now = self._desk.clock.now()
        marked = (replace(p, stale=_is_stale(p, running, now)) for p in view.profiles)
        return replace(view, profiles=tuple(marked))

    async def _set(self, command: SetChargingProfile, command_id: str) -> CommandResult:
        link = self._desk.link(command.station_id)
        station = self._desk.config.topology.stations.get(command.station_id)
        if station is None:
            raise Conflict(
                f"{command.station_id} is not in site.toml yet",
                remedy="Enter it with its EVSEs; what it may draw isn't known without",
            )
        check_profile(command, station)
        needs_21 = command.purpose is ProfilePurpose.PRIORITY or _has_fields_of_21(command)
        if needs_21 and link.version is not OcppVersion.V21:
            raise Conflict(
                f"{command.station_id} speaks OCPP {link.version}, which has no such profiles",
                remedy="Leave out what is of OCPP 2.1",
            )
        return result_of(command_id, await link.ask(PutProfile(command)), show=True)

    async def _clear(self, command: ClearChargingProfiles, command_id: str) -> CommandResult:
        """Load management's own stay: without them an EVSE is unlimited."""
        faults = []
        if command.profile_id is not None:
            known = await self._shelf.get(command.station_id)
            ours = {each.profile_id for each in known.profiles if each.ours} if known else set()
            if 0 <= command.profile_id < FOREIGN_PROFILE_ID_MIN or command.profile_id in ours:
                faults.append(FieldError("profile_id", "is one of load management's, which stay"))
        elif command.purpose is None and command.stack_level is None:
            faults.append(FieldError("stack_level", "must be named, or purpose or profile_id"))
        elif not command.stack_level and command.purpose is not ProfilePurpose.PRIORITY:
            faults.append(FieldError("stack_level", "must be 1 or more; 0 is load management's"))
        if command.purpose in (ProfilePurpose.EXTERNAL, ProfilePurpose.LOCAL_GENERATION):
            faults.append(FieldError("purpose", "can only be ended by who set it (K10.FR.06)"))
        if faults:
            raise InvalidInput("These profiles can't be taken out", errors=tuple(faults))
        request = ClearProfiles(
            command.profile_id, command.evse_id, command.purpose, command.stack_level
        )
        answer = await self._desk.link(command.station_id).ask(request)
        return result_of(command_id, answer)

    async def _read_schedule(self, command: ReadSchedule, command_id: str) -> CommandResult:
        if not 1 <= command.duration_s <= DURATION_S_MAX:
            raise InvalidInput(
                "A schedule is asked for over 1 s to 7 days",
                errors=(FieldError("duration_s", f"is 1 to {DURATION_S_MAX}"),),
            )
        request = GetSchedule(command.evse_id, command.duration_s, command.unit)
        answer = await self._desk.link(command.station_id).ask(request)
        if not answer.accepted:
            return result_of(command_id, answer)
        body = {"schedule": to_json(answer.body["schedule"])}
        return CommandResult(command_id, CommandState.EFFECTIVE, None, body)

    async def _use_dynamic(self, command: UseDynamicLimits, command_id: str) -> CommandResult:
        """From the next limit on; what a station refuses is told plainly all the same."""
        self._desk.known(command.station_id)
        version = self._desk.stations.version(command.station_id)
        if command.enabled and version not in (OcppVersion.V21, None):
            raise Unsupported(
                f"{command.station_id} speaks OCPP {version}, which has no dynamic profiles",
                remedy="Leave it with plain limits; OCPP 2.1 has dynamic ones",
            )
        if not 0 <= command.pull_every_s <= PULL_S_MAX:
            raise InvalidInput(
                "A station asks for its limit once in 1 s to 1 h, or never",
                errors=(FieldError("pull_every_s", f"is 0 to {PULL_S_MAX}"),),
            )
        value = command.pull_every_s if command.enabled else None
        await self._desk.stations.remember(_dynamic_key(command.station_id), value)
        return CommandResult(command_id, CommandState.ACCEPTED)


def _is_stale(profile: HeldProfile, running: set[str], now: datetime) -> bool:
    if profile.valid_to is not None and profile.valid_to <= now:
        return True
    if profile.purpose != ProfilePurpose.TX:
        return False
    return profile.transaction_id is not None and profile.transaction_id not in running


def _has_fields_of_21(command: SetChargingProfile) -> bool:
    said = (command.random_delay_s, command.soc_percent, command.offline_s_max)
    of_periods = any(
        value is not None
        for period in command.periods
        for value in (period.limit_l2, period.limit_l3, period.operation_mode)
    )
    return command.local_time or of_periods or any(value is not None for value in said)


def _dynamic_key(station_id: str) -> str:
    return f"dynamic-limits/{station_id}"
