"""Writes settings of stations: a snapshot's, another station's, or those a person names.

Only what differs and may be written is sent; afterwards it is read back, since an "Accepted" is no
proof. What the station was set to before is kept as a snapshot.
"""

import asyncio
import logging
from collections.abc import Sequence

from sitecontroller.domain.commands import CommandResult, CommandState
from sitecontroller.domain.device import (
    Cause,
    CopySettings,
    Outcome,
    ReadDevice,
    RestoreSnapshot,
    SetVariables,
    Variable,
    WriteVariables,
    WrittenVariable,
)
from sitecontroller.domain.device_rules import (
    Held,
    WritingPlan,
    held,
    is_taken,
    outcome_of,
    writing_plan,
)
from sitecontroller.domain.errors import (
    Conflict,
    FieldError,
    InvalidInput,
    OperatingError,
    StationOffline,
)
from sitecontroller.ports import StationLink
from sitecontroller.services.desk import Desk
from sitecontroller.services.device_due import DueSettings
from sitecontroller.services.device_readings import DeviceReadings, Told
from sitecontroller.wire import to_json

log = logging.getLogger(__name__)

VALUES_MAX = 100
NAME_CHARACTERS_MAX = 255
VALUE_CHARACTERS_MAX = 2500
NAMED_MAX = 3
"""Settings that a reason names."""

_FAILED = (Outcome.REFUSED, Outcome.UNANSWERED)


class DeviceWriting:
    """Brings stations' settings to what they should be; one change of a station at a time."""

    def __init__(self, desk: Desk, readings: DeviceReadings, due: DueSettings) -> None:
        self._desk = desk
        self._readings = readings
        self._writing: dict[str, asyncio.Lock] = {}
        self._due = due

    async def restore(self, command: RestoreSnapshot, command_id: str) -> CommandResult:
        """Write what a snapshot says. Raises NotFound, Conflict, InvalidInput, …"""
        wanted = await self._readings.snapshot(command.station_id, command.snapshot_key)
        _check_names(command.names, wanted)
        return await self._bring_to(command.station_id, wanted, command.names, command_id)

    async def copy(self, command: CopySettings, command_id: str) -> CommandResult:
        """Write what another station says or, while that is away, what it said last."""
        source, target = command.from_station, command.to_station
        for station_id in (source, target):
            self._desk.known(station_id)
        if source == target:
            raise InvalidInput(
                "a charger can't be set like itself",
                errors=(FieldError("from_station", "is another one than to_station"),),
            )
        self._desk.link(target)
        wanted = await self._source(source)
        _check_names(command.names, wanted)
        return await self._bring_to(target, wanted, command.names, command_id)

    async def set(self, command: SetVariables, command_id: str) -> CommandResult:
        """Write what a person names, whatever it is now."""
        _check_values(command.values)
        station_id = command.station_id
        _check_limits(self._desk.link(station_id), tuple(command.values))
        async with self._alone(station_id):
            before = held((await self._readings.now(station_id, tuple(command.values))).values())
            known = {name.casefold(): value.value for name, value in before.items()}
            plan = WritingPlan(
                command.values, {name: known.get(name.casefold()) for name in command.values}, ()
            )
            rows = await self._write(station_id, plan)
        return _result(command_id, rows, {})

    async def _source(self, station_id: str) -> Told:
        try:
            return await self._readings.ask(station_id, ReadDevice())
        except StationOffline:
            newest = await self._readings.newest(station_id)
            if newest is None:
                raise
            return await self._readings.snapshot(station_id, newest.key)

    async def _bring_to(
        self, station_id: str, wanted: Told, names: tuple[str, ...], command_id: str
    ) -> CommandResult:
        async with self._alone(station_id):
            now = await self._readings.ask(station_id, ReadDevice())
            _check_kinship(wanted, now)
            is_limit = self._desk.link(station_id).is_limit
            plan = writing_plan(wanted.variables, await self._whole(now, wanted), names, is_limit)
            kept = ""
            if plan.values:
                label = f"before {wanted.about.label or wanted.about.at.strftime('%Y-%m-%d %H:%M')}"
                kept = (await self._readings.keep(now, Cause.BEFORE_WRITING, label[:80])).key
            rows = [*await self._write(station_id, plan), *plan.left]
        return _result(command_id, rows, {"snapshot_key": kept} if kept else {})

    async def _whole(self, now: Told, wanted: Told) -> tuple[Variable, ...]:
        """What the station says now; where its list has holes, what is wanted is asked for."""
        if now.about.complete:
            return now.variables
        known = {variable.name.casefold() for variable in now.variables}
        missing = [v.name for v in wanted.variables if v.name.casefold() not in known]
        found = await self._readings.now(now.about.station_id, missing[:VALUES_MAX])
        return (*now.variables, *found.values())

    async def _write(self, station_id: str, plan: WritingPlan) -> list[WrittenVariable]:
        if not plan.values:
            return []
        request = WriteVariables(tuple(plan.values.items()))
        answer = await self._desk.link(station_id).ask(request)
        statuses: dict[str, str] = answer.body["statuses"]
        taken = [name for name, status in statuses.items() if is_taken(status)]
        after: dict[str, Held] = {}
        try:
            found = await self._readings.now(station_id, taken)
            after = {name.casefold(): value for name, value in held(found.values()).items()}
        except OperatingError as error:
            log.warning("%s: settings not read back: %s", station_id, error.detail)
        rows = [
            outcome_of(
                name, plan.before.get(name), value, statuses[name], after.get(name.casefold())
            )
            for name, value in plan.values.items()
        ]
        await self._due.note(station_id, rows)
        log.info(
            "%s: settings written taken=%d of=%d held=%d",
            station_id,
            len(taken),
            len(rows),
            sum(row.outcome is Outcome.HELD for row in rows),
        )
        return rows

    def _alone(self, station_id: str) -> asyncio.Lock:
        lock = self._writing.setdefault(station_id, asyncio.Lock())
        if lock.locked():
            raise Conflict(
                f"the settings of {station_id} are being changed already",
                remedy="Wait until that is done, then try again",
            )
        return lock


def _check_names(names: tuple[str, ...], wanted: Told) -> None:
    known = {name.casefold() for name in held(wanted.variables)}
    unknown = [name for name in names if name.casefold() not in known]
    if unknown:
        raise InvalidInput(
            f"the snapshot has no '{unknown[0]}'",
            remedy="Name settings as the snapshot does, or none for all",
            errors=tuple(FieldError("names", f"no '{name}'") for name in unknown[:NAMED_MAX]),
        )


def _check_values(values: dict[str, str]) -> None:
    errors = []
    if not 1 <= len(values) <= VALUES_MAX:
        errors.append(FieldError("values", f"1 to {VALUES_MAX} settings"))
    for name, value in values.items():
        if not name.strip() or len(name) > NAME_CHARACTERS_MAX:
            errors.append(FieldError("values", f"a name of 1 to {NAME_CHARACTERS_MAX} characters"))
        if len(value) > VALUE_CHARACTERS_MAX:
            errors.append(
                FieldError(f"values.{name[:50]}", f"at most {VALUE_CHARACTERS_MAX} characters")
            )
    if errors:
        raise InvalidInput(
            "these settings can't be written",
            remedy="Mend the fields named in `errors`",
            errors=tuple(errors[:10]),
        )


def _check_limits(link: StationLink, names: tuple[str, ...]) -> None:
    """Q44: what a person wrote there would let more flow than is counted on."""
    if any(link.is_limit(name) for name in names):
        raise Conflict(
            f"{link.station_id} is told its limits in one of these settings",
            remedy="Leave that one out: load management writes it",
        )


def _check_kinship(wanted: Told, now: Told) -> None:
    """Settings of another make, model or OCPP version say nothing about this station."""
    mine, theirs = now.about, wanted.about
    for word, one, other in (
        ("vendor", theirs.vendor, mine.vendor),
        ("model", theirs.model, mine.model),
        ("OCPP version", theirs.version, mine.version),
    ):
        if one.strip().casefold() != other.strip().casefold():
            raise Conflict(
                f"these settings are of {word} '{one}', {mine.station_id} has '{other}'",
                remedy="Take settings of a charger of the same vendor, model and OCPP version",
            )


def _result(
    command_id: str, rows: Sequence[WrittenVariable], more: dict[str, str]
) -> CommandResult:
    def of(*outcomes: Outcome) -> list[str]:
        return [row.name for row in rows if row.outcome in outcomes]

    tried = [row for row in rows if row.outcome not in (Outcome.LEFT, Outcome.READ_ONLY)]
    failed, unlike = of(*_FAILED), of(Outcome.NOT_HELD)
    said = [
        "" if tried else "nothing differs that could be written",
        _told("did not hold", unlike),
        _told("refused or not answered", failed),
        _told("no longer there", of(Outcome.MISSING)),
        _told("in effect after a restart of the charger", of(Outcome.AFTER_RESTART)),
        _told("could not be read back", of(Outcome.UNPROVEN)),
        _told("not written from here", of(Outcome.LEFT)),
        _told("can't be changed", of(Outcome.READ_ONLY)),
    ]
    state = CommandState.EFFECTIVE
    if tried and len(failed) == len(tried):
        state = CommandState.REJECTED
    elif failed or unlike or of(Outcome.MISSING):
        state = CommandState.INEFFECTIVE
    elif of(Outcome.AFTER_RESTART, Outcome.UNPROVEN):
        state = CommandState.ACCEPTED
    reason = "; ".join(filter(None, said)) or None
    return CommandResult(command_id, state, reason, {"rows": to_json(tuple(rows)), **more})


def _told(what: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    shown = ", ".join(names[:NAMED_MAX])
    more = f" and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else ""
    return f"{what}: {shown}{more}"
