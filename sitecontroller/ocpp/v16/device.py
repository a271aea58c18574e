"""The configuration of a 1.6 station: its keys, read in parts and written one by one.

Stations differ in what they tell (Q16): values of any type or none, names in any case, lists cut at
GetConfigurationMaxKeys, no list at all without names.
"""

from collections.abc import Sequence
from typing import Any

from sitecontroller.domain.device import (
    Mutability,
    ReadDevice,
    Reading,
    ReadVariables,
    Variable,
    WriteVariables,
)
from sitecontroller.domain.device_rules import redacted
from sitecontroller.domain.errors import CallRefused, CallTimeout, StationOffline
from sitecontroller.ocpp.block import Answer, Block
from sitecontroller.ocpp.commands import Priority
from sitecontroller.ocpp.dialect import NOT_THERE
from sitecontroller.ocpp.v16.words import (
    KEYS_MAX,
    KEYS_PER_REQUEST,
    KEYS_PER_REQUEST_KEY,
    STANDARD_KEYS,
)
from sitecontroller.ocpp.values import integer, rows, text
from sitecontroller.ocpp.variables import in_parts, told_value
from sitecontroller.ports import CallAnswer

TIMEOUTS_MAX = 2


async def get_keys(dialect: Any, names: Sequence[str], priority: Priority) -> Answer:
    """Both lists of every answer; asked in parts where the station takes few keys (Q16).

    How many it takes is remembered, so that the next connection knows.
    """
    merged: Answer = {"configurationKey": [], "unknownKey": []}

    async def get(part: Sequence[str]) -> None:
        payload = {"key": list(part)} if part else {}
        answer = await dialect.say("GetConfiguration", payload, priority=priority)
        for name, found in merged.items():
            said = answer.body.get(name)
            found += said[:KEYS_MAX] if isinstance(said, list) else []

    if names:
        await in_parts(names, await _keys_max(dialect) or KEYS_PER_REQUEST, None, get)
    else:
        await get(())
    told = {variable.name.casefold(): variable.value for variable in _variables(merged)}
    most = integer(told.get(KEYS_PER_REQUEST_KEY.casefold()))
    if most is not None and most > 0:
        await dialect.services.stations.remember(_keys_max_key(dialect), most)
    return merged


async def _keys_max(dialect: Any) -> int | None:
    known: int | None = await dialect.services.stations.remembered(_keys_max_key(dialect))
    return known


def _keys_max_key(dialect: Any) -> str:
    return f"keys-per-request/{dialect.station_id}"


def _variables(body: Answer) -> list[Variable]:
    """The keys of an answer without what is secret; the first of a name counts."""
    found: dict[str, Variable] = {}
    for row in rows(body.get("configurationKey"), KEYS_MAX):
        key = text(row.get("key"))
        if key is None or key.casefold() in found:
            continue
        read_only = str(row.get("readonly", False)).strip().casefold() in ("true", "1")
        mutability = Mutability.READ_ONLY if read_only else Mutability.READ_WRITE
        variable = Variable(key, told_value(row.get("value")), mutability)
        found[key.casefold()] = redacted(variable)
    return list(found.values())


async def _read_device(dialect: Any, request: ReadDevice) -> CallAnswer:
    """All keys. One that tells no list, or a list as long as the most it takes, is asked for the
    keys of the specification by name."""
    if request.unasked and not (dialect.quirks.probe_measurands and dialect.found_settings):
        return CallAnswer(False, "LeftAlone", {})
    priority = Priority.HOUSEKEEPING if request.unasked else Priority.ATTENDANT
    try:
        listed = _variables(await get_keys(dialect, (), priority))
    except CallRefused as refusal:
        if refusal.error_code in NOT_THERE:
            raise
        listed = []
    if listed and len(listed) != await _keys_max(dialect):
        return CallAnswer(True, "Accepted", {"reading": Reading(tuple(listed))})
    known = {variable.name.casefold() for variable in listed}
    others = [key for key in STANDARD_KEYS if key.casefold() not in known]
    more = [
        variable
        for variable in _variables(await get_keys(dialect, others, priority))
        if variable.name.casefold() not in known
    ]
    note = "the charger tells no whole list: keys of its maker's own may be missing" if more else ""
    reading = Reading((*listed, *more), complete=not more, note=note)
    return CallAnswer(bool(reading.variables), "Accepted", {"reading": reading})


async def _read_variables(dialect: Any, request: ReadVariables) -> CallAnswer:
    body = await get_keys(dialect, request.names, Priority.HOUSEKEEPING)
    return CallAnswer(True, "Accepted", {"reading": Reading(tuple(_variables(body)))})


async def _write_variables(dialect: Any, request: WriteVariables) -> CallAnswer:
    """ChangeConfiguration for each, paced; two time-outs or a lost connection end it."""
    statuses = {name: "" for name, _ in request.values}
    timeouts = 0
    for name, value in request.values:
        try:
            answer = await dialect.say(
                "ChangeConfiguration", {"key": name, "value": value}, priority=Priority.HOUSEKEEPING
            )
            statuses[name] = answer.status
        except CallTimeout:
            timeouts += 1
            if timeouts >= TIMEOUTS_MAX:
                break
        except StationOffline:
            break
        except CallRefused as refusal:
            if refusal.error_code in NOT_THERE:
                raise
            statuses[name] = refusal.error_code
    return CallAnswer(True, "Accepted", {"statuses": statuses})


BLOCK = Block(
    requests={
        ReadDevice: _read_device,
        ReadVariables: _read_variables,
        WriteVariables: _write_variables,
    },
)
