"""The device model of a 2.x station: variables, reports, network profiles, one EVSE's restart
(block B).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sitecontroller.domain.device import (
    Apn,
    ReadComponents,
    ReadDevice,
    Reading,
    ReadVariables,
    ReportBase,
    ResetEvse,
    StoreNetworkProfile,
    Variable,
    Vpn,
    WriteVariables,
)
from sitecontroller.domain.device_rules import redacted
from sitecontroller.domain.errors import CallRefused, CallTimeout, StationOffline
from sitecontroller.domain.station import OcppVersion
from sitecontroller.ocpp.block import Answer, Block
from sitecontroller.ocpp.commands import Priority
from sitecontroller.ocpp.dialect import NOT_THERE
from sitecontroller.ocpp.values import integer, rows, text
from sitecontroller.ocpp.variables import (
    component_variable,
    in_parts,
    told_value,
    variable,
    variable_name,
)
from sitecontroller.ports import CallAnswer

ITEMS_WHERE_UNTOLD = 10
"""Variables in one message of a station that doesn't say how many it takes."""
TIMEOUTS_MAX = 2
ITEMS_TO_GET = "DeviceDataCtrlr.ItemsPerMessage@GetVariables"
ITEMS_TO_SET = "DeviceDataCtrlr.ItemsPerMessage@SetVariables"
ITEMS_TO_REPORT = "DeviceDataCtrlr.ItemsPerMessage@GetReport"
BYTES_TO_GET = "DeviceDataCtrlr.BytesPerMessage@GetVariables"
BYTES_TO_SET = "DeviceDataCtrlr.BytesPerMessage@SetVariables"
BYTES_TO_REPORT = "DeviceDataCtrlr.BytesPerMessage@GetReport"
LIMITS = (
    ITEMS_TO_GET, ITEMS_TO_SET, ITEMS_TO_REPORT, BYTES_TO_GET, BYTES_TO_SET, BYTES_TO_REPORT,
)  # fmt: skip
OCPP_VERSIONS = {OcppVersion.V201: "OCPP20", OcppVersion.V21: "OCPP21"}
"""What a network profile says, and stations ignore; 2.0.1 has no word of its own."""


async def get_variables(dialect: Any, names: Sequence[str], priority: Priority) -> list[Answer]:
    """Every result of GetVariables, asked in the parts the station takes.

    What it says of its own limits is kept, over connections too.
    """
    limits = await _limits(dialect)
    results: list[Answer] = []

    async def get(wanted: Sequence[Answer]) -> None:
        payload = {"getVariableData": list(wanted)}
        answer = await dialect.say("GetVariables", payload, priority=priority)
        results.extend(rows(answer.body.get("getVariableResult"), len(wanted)))

    wanted = [variable(name) for name in names]
    items_max = limits.get(ITEMS_TO_GET, ITEMS_WHERE_UNTOLD)
    await in_parts(wanted, items_max, limits.get(BYTES_TO_GET), get)
    told = {variable_name(result): result for result in results}
    found = {
        name: value
        for name in LIMITS
        if (value := integer(told.get(name, {}).get("attributeValue"))) is not None and value > 0
    }
    if not found.items() <= limits.items():
        await dialect.services.stations.remember(_limits_key(dialect), {**limits, **found})
    return results


async def _limits(dialect: Any) -> dict[str, int]:
    return await dialect.services.stations.remembered(_limits_key(dialect)) or {}


def _limits_key(dialect: Any) -> str:
    return f"message-limits/{dialect.station_id}"


async def report(
    dialect: Any, base: ReportBase, priority: Priority = Priority.ATTENDANT
) -> tuple[CallAnswer, Reading | None]:
    """GetBaseReport and its parts."""

    async def ask(request_id: int) -> CallAnswer:
        payload = {"requestId": request_id, "reportBase": base.value}
        answer: CallAnswer = await dialect.say(
            "GetBaseReport",
            payload,
            accepted=("Accepted", "EmptyResultSet"),
            priority=priority,
        )
        return answer

    answer, reading = await dialect.reports.ask(dialect, ask)
    return answer, Reading(()) if answer.status == "EmptyResultSet" else reading


async def _notify_report(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    await dialect.reports.take(payload)
    return {}


async def _read_device(dialect: Any, request: ReadDevice) -> CallAnswer:
    """All of it; a station that has no full report tells what can be set (B07.FR.12)."""
    if request.unasked and not (dialect.quirks.probe_measurands and dialect.found_settings):
        return CallAnswer(False, "LeftAlone", {})
    priority = Priority.HOUSEKEEPING if request.unasked else Priority.ATTENDANT
    answer, reading = await report(dialect, request.base, priority)
    if answer.status == "NotSupported" and request.base is ReportBase.FULL:
        answer, reading = await report(dialect, ReportBase.CONFIGURATION, priority)
        note = "the charger reports only what can be set"
        reading = reading and Reading(reading.variables, reading.complete, reading.note or note)
    return CallAnswer(reading is not None, answer.status, {"reading": reading})


async def _read_components(dialect: Any, request: ReadComponents) -> CallAnswer:
    """GetReport (B08), in the parts the station takes (B08.FR.06)."""
    limits = await _limits(dialect)
    wanted = [component_variable(name) for name in request.names]
    criteria = [criterion.value for criterion in request.criteria]
    told: list[CallAnswer] = []
    readings: list[Reading] = []

    async def get(part: Sequence[Answer]) -> None:
        async def ask(request_id: int) -> CallAnswer:
            payload: Answer = {"requestId": request_id}
            if criteria:
                payload["componentCriteria"] = criteria
            if part:
                payload["componentVariable"] = list(part)
            answer: CallAnswer = await dialect.say("GetReport", payload)
            return answer

        answer, reading = await dialect.reports.ask(dialect, ask)
        told.append(answer)
        if reading is not None:
            readings.append(reading)

    if wanted:
        items_max = limits.get(ITEMS_TO_REPORT, ITEMS_WHERE_UNTOLD)
        await in_parts(wanted, items_max, limits.get(BYTES_TO_REPORT), get)
    else:
        await get(())
    refused = [a for a in told if not a.accepted and a.status != "EmptyResultSet"]
    if refused:
        return refused[0]
    whole = Reading(
        tuple(variable for reading in readings for variable in reading.variables),
        all(reading.complete for reading in readings),
        "; ".join(reading.note for reading in readings if reading.note),
    )
    return CallAnswer(True, told[-1].status, {"reading": whole})


async def _read_variables(dialect: Any, request: ReadVariables) -> CallAnswer:
    results = await get_variables(dialect, request.names, Priority.HOUSEKEEPING)
    found = []
    for result in results:
        name = variable_name(result)
        if name is not None and text(result.get("attributeStatus")) == "Accepted":
            value = told_value(result.get("attributeValue"))
            found.append(redacted(Variable(name, value)))
    return CallAnswer(True, "Accepted", {"reading": Reading(tuple(found))})


async def _write_variables(dialect: Any, request: WriteVariables) -> CallAnswer:
    """SetVariables in the parts the station takes (B05.FR.11); two time-outs or a lost
    connection end it.

    Where one value makes it refuse a whole message, the others are sent without it.
    """
    limits = await _limits(dialect)
    wanted = [{"attributeValue": value, **variable(name)} for name, value in request.values]
    names = [name for name, _ in request.values]
    by_fold = {
        (variable_name(item) or "").casefold(): name
        for item, name in zip(wanted, names, strict=True)
    }
    statuses = dict.fromkeys(names, "")
    timeouts = 0

    async def put(part: Sequence[Answer]) -> None:
        nonlocal timeouts
        if timeouts >= TIMEOUTS_MAX:
            return
        payload = {"setVariableData": list(part)}
        try:
            answer = await dialect.say("SetVariables", payload, priority=Priority.HOUSEKEEPING)
            results = rows(answer.body.get("setVariableResult"), len(part))
        except CallTimeout:
            timeouts += 1
            return
        except StationOffline:
            timeouts = TIMEOUTS_MAX
            return
        except CallRefused as refusal:
            if len(part) > 1 or not _is_about_a_value(refusal):
                raise
            results = [{**part[0], "attributeStatus": refusal.error_code}]
        for result in results:
            name = by_fold.get((variable_name(result) or "").casefold())
            if name is not None:
                statuses[name] = text(result.get("attributeStatus")) or ""

    items_max = limits.get(ITEMS_TO_SET, ITEMS_WHERE_UNTOLD)
    await in_parts(wanted, items_max, limits.get(BYTES_TO_SET), put, is_too_much=_is_about_a_value)
    return CallAnswer(True, "Accepted", {"statuses": statuses})


def _is_about_a_value(refusal: CallRefused) -> bool:
    return refusal.error_code not in NOT_THERE


async def _reset_evse(dialect: Any, request: ResetEvse) -> CallAnswer:
    payload = {"type": request.type.value, "evseId": request.evse_id}
    answer: CallAnswer = await dialect.say("Reset", payload, accepted=("Accepted", "Scheduled"))
    return answer


async def _store_network_profile(dialect: Any, request: StoreNetworkProfile) -> CallAnswer:
    wanted = request.wanted
    connection: Answer = {
        "ocppVersion": OCPP_VERSIONS[dialect.version],
        "ocppTransport": "JSON",
        "ocppCsmsUrl": wanted.csms_url,
        "messageTimeout": wanted.message_timeout_s,
        "securityProfile": wanted.security_profile,
        "ocppInterface": wanted.interface,
    }
    if wanted.apn is not None:
        connection["apn"] = _apn(wanted.apn)
    if wanted.vpn is not None:
        connection["vpn"] = _vpn(wanted.vpn)
    payload = {"configurationSlot": wanted.slot, "connectionData": connection}
    answer: CallAnswer = await dialect.say("SetNetworkProfile", payload)
    return answer


def _apn(apn: Apn) -> Answer:
    optional: Answer = {
        "apnUserName": apn.user_name or None,
        "apnPassword": apn.password or None,
        "simPin": apn.sim_pin,
        "preferredNetwork": apn.preferred_network or None,
        "useOnlyPreferredNetwork": apn.use_only_preferred_network or None,
    }
    said = {name: value for name, value in optional.items() if value is not None}
    return {"apn": apn.apn, "apnAuthentication": apn.authentication, **said}


def _vpn(vpn: Vpn) -> Answer:
    said: Answer = {
        "server": vpn.server,
        "user": vpn.user,
        "password": vpn.password,
        "key": vpn.key,
        "type": vpn.type,
    }
    return {**said, "group": vpn.group} if vpn.group else said


BLOCK = Block(
    inbound={"NotifyReport": _notify_report},
    requests={
        ReadDevice: _read_device,
        ReadComponents: _read_components,
        ReadVariables: _read_variables,
        WriteVariables: _write_variables,
        ResetEvse: _reset_evse,
        StoreNetworkProfile: _store_network_profile,
    },
)
