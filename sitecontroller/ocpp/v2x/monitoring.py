"""Variable monitors, events and customer information of a 2.x station (block N)."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sitecontroller.domain.customer import AskCustomer
from sitecontroller.domain.monitoring import (
    SEVERITY_MAX,
    ChooseMonitoringBase,
    ChooseMonitoringLevel,
    ClearMonitors,
    EventTrigger,
    Monitor,
    MonitoringAbility,
    MonitorOrigin,
    MonitorOutcome,
    MonitorType,
    ReportMonitors,
    SetMonitors,
    StationEvent,
)
from sitecontroller.domain.station import ConnectorStatus, OcppVersion, StatusReported
from sitecontroller.ocpp.block import Answer, Block
from sitecontroller.ocpp.commands import Priority
from sitecontroller.ocpp.v2x import device
from sitecontroller.ocpp.v2x.gathering import Gathered, Gatherings
from sitecontroller.ocpp.values import integer, number, rows, table, text
from sitecontroller.ocpp.variables import component_variable, in_parts, told_value, variable
from sitecontroller.ocpp.variables import variable_name as name_of
from sitecontroller.ports import CallAnswer

EVENTS_MAX = 500
"""Of one message."""
EVENTS_AT_ONCE = 25
"""Read in one turn of the loop."""
MONITORS_OF_VARIABLE_MAX = 100
ITEMS_WHERE_UNTOLD = 10
ITEMS_TO_SET = "MonitoringCtrlr.ItemsPerMessage@SetVariableMonitoring"
ITEMS_TO_CLEAR = "MonitoringCtrlr.ItemsPerMessage@ClearVariableMonitoring"
BYTES_TO_SET = "MonitoringCtrlr.BytesPerMessage@SetVariableMonitoring"
BYTES_TO_CLEAR = "MonitoringCtrlr.BytesPerMessage@ClearVariableMonitoring"
AVAILABLE = "MonitoringCtrlr.Available"
SETTINGS = (AVAILABLE, ITEMS_TO_SET, ITEMS_TO_CLEAR)
"""Read along in the set-up; the rest is asked for when it is needed."""
CUSTOMER_CHARACTERS_MAX = 512
ONLY_IN_21 = (MonitorType.TARGET_DELTA, MonitorType.TARGET_DELTA_RELATIVE)
LATE_S = 300.0
"""A status as old as this was told for the record, not for the live picture."""

_TYPES = {kind.value.casefold(): kind for kind in MonitorType}
_TRIGGERS = {kind.value.casefold(): kind for kind in EventTrigger}
_ORIGINS = {kind.value.casefold(): kind for kind in MonitorOrigin}
_STATUSES = {status.value.casefold(): status for status in ConnectorStatus}


# what it says


async def _notify_event(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    """N07, N08. Each part holds whole events, so none waits for the next."""
    found = []
    for place, row in enumerate(rows(payload.get("eventData"), EVENTS_MAX)):
        if place % EVENTS_AT_ONCE == EVENTS_AT_ONCE - 1:
            await asyncio.sleep(0)
        event = _event(dialect, row, received_at)
        if event is not None:
            await _as_status(dialect, event)
            found.append(event)
    part = integer(payload.get("seqNo")) or 0
    more = payload.get("tbc") is True
    await dialect.services.blocks.monitoring.happened(
        dialect.station_id, found, part=part, more=more
    )
    return {}


def _event(dialect: Any, row: Answer, received_at: datetime) -> StationEvent | None:
    name = name_of({**row, "attributeType": None})
    event_id = integer(row.get("eventId"))
    if name is None or event_id is None:
        return None
    component = table(row.get("component"))
    cleared = row.get("cleared")
    severity = integer(row.get("severity"))
    stamp = row.get("timestamp")
    return StationEvent(
        key=f"{dialect.station_id}:{event_id}:{text(stamp, 40) or ''}",
        station_id=dialect.station_id,
        event_id=event_id,
        at=dialect.time_of(stamp, received_at).at,
        received_at=received_at,
        trigger=_TRIGGERS.get((text(row.get("trigger")) or "").casefold(), EventTrigger.ALERTING),
        variable=name,
        value=told_value(row.get("actualValue")) or "",
        cleared=cleared if isinstance(cleared, bool) else None,
        monitor_id=integer(row.get("variableMonitoringId")),
        severity=severity if severity in range(SEVERITY_MAX + 1) else None,
        origin=_ORIGINS.get((text(row.get("eventNotificationType")) or "").casefold()),
        tech_code=text(row.get("techCode")) or "",
        tech_info=text(row.get("techInfo"), 500) or "",
        cause=integer(row.get("cause")),
        station_transaction_id=text(row.get("transactionId"), 36),
        evse_id=integer(table(component.get("evse")).get("id")),
    )


async def _as_status(dialect: Any, event: StationEvent) -> None:
    """G01: a station may tell a connector's state as an event instead of a StatusNotification;
    2.1 prefers it so."""
    component, _, name = event.variable.rpartition(".")
    if name != "AvailabilityState" or not component.startswith("Connector["):
        return
    place = component.removeprefix("Connector[").removesuffix("]")
    evse_id, _, connector_id = place.partition("/")
    if (event.received_at - event.at).total_seconds() > LATE_S or not evse_id.isdecimal():
        return
    await dialect.services.stations.status_reported(
        StatusReported(
            station_id=dialect.station_id,
            evse_id=int(evse_id),
            connector_id=int(connector_id) if connector_id.isdecimal() else 1,
            status=_STATUSES.get(event.value.casefold(), ConnectorStatus.UNKNOWN),
            received_at=event.received_at,
            station_at=event.at,
        )
    )


async def _notify_monitoring_report(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    dialect.gatherings.take("NotifyMonitoringReport", payload)
    return {}


async def _notify_customer_information(
    dialect: Any, payload: Answer, received_at: datetime
) -> Answer:
    dialect.gatherings.take("NotifyCustomerInformation", payload)
    return {}


def _monitors(payload: Answer) -> list[Monitor]:
    return [
        monitor
        for row in rows(payload.get("monitor"), EVENTS_MAX)
        for each in rows(row.get("variableMonitoring"), MONITORS_OF_VARIABLE_MAX)
        if (monitor := _monitor(name_of({**row, "attributeType": None}), each)) is not None
    ]


def _monitor(name: str | None, row: Answer) -> Monitor | None:
    monitor_id = integer(row.get("id"))
    kind = _TYPES.get((text(row.get("type")) or "").casefold())
    if name is None or monitor_id is None or kind is None:
        return None
    severity = integer(row.get("severity"))
    return Monitor(
        variable=name,
        type=kind,
        value=number(row.get("value")) or 0.0,
        severity=severity if severity is not None and severity in range(SEVERITY_MAX + 1) else 5,
        only_in_transactions=row.get("transaction") is True,
        monitor_id=monitor_id,
        origin=_ORIGINS.get((text(row.get("eventNotificationType")) or "").casefold()),
    )


# what we say


async def _set_monitors(dialect: Any, request: SetMonitors) -> CallAnswer:
    """N04; what the version has no word for is not sent."""
    outcomes: dict[int, MonitorOutcome] = {}
    sendable = []
    for place, monitor in enumerate(request.monitors):
        if monitor.type in ONLY_IN_21 and dialect.version is OcppVersion.V201:
            outcomes[place] = MonitorOutcome(monitor.variable, "UnsupportedMonitorType")
        else:
            sendable.append((place, monitor))
    limits = await _limits(dialect, (ITEMS_TO_SET, BYTES_TO_SET), request.unasked)
    priority = _priority(request.unasked)
    places = iter([place for place, _ in sendable])

    async def send(part: Sequence[Answer]) -> None:
        answer = await dialect.say(
            "SetVariableMonitoring", {"setMonitoringData": list(part)}, priority=priority
        )
        results = rows(answer.body.get("setMonitoringResult"), len(part))
        for index, wanted in enumerate(part):
            place = next(places)
            result = results[index] if index < len(results) else {}
            outcomes[place] = _outcome(name_of(wanted) or "", result)

    await in_parts(
        [_monitoring_data(monitor) for _, monitor in sendable],
        limits.get(ITEMS_TO_SET, ITEMS_WHERE_UNTOLD),
        limits.get(BYTES_TO_SET),
        send,
    )
    return _summary([outcomes[place] for place in sorted(outcomes)])


def _monitoring_data(monitor: Monitor) -> Answer:
    data: Answer = {
        "value": monitor.value,
        "type": monitor.type.value,
        "severity": monitor.severity,
        **variable(monitor.variable),
    }
    if monitor.only_in_transactions:
        data["transaction"] = True
    if monitor.monitor_id is not None:
        data["id"] = monitor.monitor_id
    return data


async def _clear_monitors(dialect: Any, request: ClearMonitors) -> CallAnswer:
    """N06; never more ids in a message than the station takes (N06.FR.04)."""
    limits = await _limits(dialect, (ITEMS_TO_CLEAR, BYTES_TO_CLEAR), unasked=False)
    outcomes: list[MonitorOutcome] = []

    async def send(part: Sequence[int]) -> None:
        answer = await dialect.say("ClearVariableMonitoring", {"id": list(part)})
        told = {
            integer(row.get("id")): row
            for row in rows(answer.body.get("clearMonitoringResult"), len(part))
        }
        for monitor_id in part:
            outcome = _outcome("", {**told.get(monitor_id, {}), "id": monitor_id})
            outcomes.append(outcome)

    await in_parts(
        request.monitor_ids,
        limits.get(ITEMS_TO_CLEAR, ITEMS_WHERE_UNTOLD),
        limits.get(BYTES_TO_CLEAR),
        send,
    )
    return _summary(outcomes)


def _outcome(name: str, row: Answer) -> MonitorOutcome:
    info = table(row.get("statusInfo"))
    said = (text(info.get("reasonCode")), text(info.get("additionalInfo")))
    return MonitorOutcome(
        variable=name,
        status=text(row.get("status")) or "NoAnswer",
        monitor_id=integer(row.get("id")),
        reason=": ".join(part for part in said if part and part != "NoError"),
    )


def _summary(outcomes: list[MonitorOutcome]) -> CallAnswer:
    refused = [outcome.status for outcome in outcomes if not outcome.accepted]
    accepted = len(refused) < len(outcomes)
    return CallAnswer(accepted, refused[0] if refused else "Accepted", {"outcomes": outcomes})


async def _report_monitors(dialect: Any, request: ReportMonitors) -> CallAnswer:
    """N02."""
    limit = await _limits(dialect, (device.ITEMS_TO_REPORT,), unasked=True, read=False)
    most = limit.get(device.ITEMS_TO_REPORT, device.ITEMS_WHERE_UNTOLD)
    names = request.variables
    parts = [names[i : i + most] for i in range(0, len(names), most)] or [()]
    found: list[Monitor] = []
    complete, answer = True, CallAnswer(False, "", {})
    for part in parts:
        answer, gathered = await _one_report(dialect, request, part)
        if gathered is not None:
            found += gathered.items
            complete = complete and gathered.complete
        elif not answer.accepted:
            return answer
    return CallAnswer(True, answer.status, {"monitors": tuple(found), "complete": complete})


async def _one_report(
    dialect: Any, request: ReportMonitors, names: Sequence[str]
) -> tuple[CallAnswer, Gathered | None]:
    async def say(request_id: int) -> CallAnswer:
        payload: Answer = {"requestId": request_id}
        if request.criteria:
            payload["monitoringCriteria"] = [criterion.value for criterion in request.criteria]
        if names:
            payload["componentVariable"] = [component_variable(name) for name in names]
        answer: CallAnswer = await dialect.say(
            "GetMonitoringReport",
            payload,
            accepted=("Accepted", "EmptyResultSet"),
            priority=_priority(request.unasked),
        )
        return answer

    gatherings: Gatherings = dialect.gatherings
    return await gatherings.ask(dialect, "NotifyMonitoringReport", _monitors, say)


async def _set_base(dialect: Any, request: ChooseMonitoringBase) -> CallAnswer:
    """N03."""
    payload = {"monitoringBase": request.base.value}
    answer: CallAnswer = await dialect.say("SetMonitoringBase", payload)
    return answer


async def _set_level(dialect: Any, request: ChooseMonitoringLevel) -> CallAnswer:
    """N05."""
    answer: CallAnswer = await dialect.say("SetMonitoringLevel", {"severity": request.severity})
    return answer


async def _ability(dialect: Any, request: MonitoringAbility) -> CallAnswer:
    """By what set-up found: a station that has monitoring must tell ItemsPerMessage."""
    found = dialect.found_settings
    told = {name: found[name].value for name in SETTINGS if name in found}
    has_it = (told.get(AVAILABLE) or "true").casefold() == "true" and bool(told)
    return CallAnswer(has_it, "Accepted" if has_it else "NotSupported", {})


async def _ask_customer(dialect: Any, request: AskCustomer) -> CallAnswer:
    """N09, N10. Also a station that only clears tells once that it did (N10.FR.06)."""
    wanted = request.wanted

    async def say(request_id: int) -> CallAnswer:
        payload: Answer = {
            "requestId": request_id,
            "report": wanted.report,
            "clear": wanted.clear,
        }
        if wanted.id_token is not None:
            payload["idToken"] = {"idToken": wanted.id_token, "type": wanted.id_token_type.value}
        if wanted.customer_identifier is not None:
            payload["customerIdentifier"] = wanted.customer_identifier
        if wanted.certificate is not None:
            payload["customerCertificate"] = {
                "hashAlgorithm": wanted.certificate.hash_algorithm.value,
                "issuerNameHash": wanted.certificate.issuer_name_hash,
                "issuerKeyHash": wanted.certificate.issuer_key_hash,
                "serialNumber": wanted.certificate.serial_number,
            }
        answer: CallAnswer = await dialect.say("CustomerInformation", payload)
        return answer

    answer, gathered = await dialect.gatherings.ask(
        dialect, "NotifyCustomerInformation", _customer_text, say
    )
    if gathered is None:
        return CallAnswer(answer.accepted, answer.status, {"text": "", "complete": True})
    told = {"text": "".join(gathered.items), "complete": gathered.complete}
    return CallAnswer(True, answer.status, told)


def _customer_text(payload: Answer) -> list[str]:
    """Blanks and line ends are part of it."""
    data = payload.get("data")
    return [data[:CUSTOMER_CHARACTERS_MAX]] if isinstance(data, str) else []


async def _limits(
    dialect: Any, names: tuple[str, ...], unasked: bool, *, read: bool = True
) -> dict[str, int]:
    """What the station takes in one message, by what it told in set-up, else by asking it now."""
    told: dict[str | None, object] = {
        name: dialect.found_settings[name].value for name in names if name in dialect.found_settings
    }
    missing = tuple(name for name in names if name not in told)
    if missing and read:
        results = await device.get_variables(dialect, missing, _priority(unasked))
        told |= {name_of(row): row.get("attributeValue") for row in results}
    limits = {name: integer(told.get(name)) for name in names}
    return {name: limit for name, limit in limits.items() if limit is not None and limit > 0}


def _priority(unasked: bool) -> Priority:
    return Priority.HOUSEKEEPING if unasked else Priority.ATTENDANT


BLOCK = Block(
    inbound={
        "NotifyEvent": _notify_event,
        "NotifyMonitoringReport": _notify_monitoring_report,
        "NotifyCustomerInformation": _notify_customer_information,
    },
    requests={
        SetMonitors: _set_monitors,
        ClearMonitors: _clear_monitors,
        ReportMonitors: _report_monitors,
        ChooseMonitoringBase: _set_base,
        ChooseMonitoringLevel: _set_level,
        MonitoringAbility: _ability,
        AskCustomer: _ask_customer,
    },
)
