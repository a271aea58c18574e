"""DER controls and frequency signals of a 2.1 station that can feed in (blocks Q and R)."""

from datetime import datetime
from typing import Any

from sitecontroller.domain.grid import (
    AfrrSignal,
    DerControl,
    DerControlType,
    DerEvent,
    DerEventKind,
    DropDerControls,
    GetDerControls,
    PutDerControl,
)
from sitecontroller.ocpp.block import Answer, Block
from sitecontroller.ocpp.v2x.schedules import as_it_came
from sitecontroller.ocpp.values import rows, text
from sitecontroller.ports import CallAnswer

CONTROLS_MAX = 24
"""Of one kind in one report, by the schema."""
ID_CHARACTERS_MAX = 36
REPORT = "ReportDERControl"

_REPORTED = {
    "curve": ("curve", None),
    "enterService": ("enterService", DerControlType.ENTER_SERVICE),
    "fixedPFAbsorb": ("fixedPF", DerControlType.FIXED_PF_ABSORB),
    "fixedPFInject": ("fixedPF", DerControlType.FIXED_PF_INJECT),
    "fixedVar": ("fixedVar", DerControlType.FIXED_VAR),
    "freqDroop": ("freqDroop", DerControlType.FREQ_DROOP),
    "gradient": ("gradient", DerControlType.GRADIENTS),
    "limitMaxDischarge": ("limitMaxDischarge", DerControlType.LIMIT_MAX_DISCHARGE),
}
"""Lists of a report → where the settings stand in their rows, and which type they are."""


async def _report(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    """Part of what we asked for; nothing is told unasked."""
    dialect.gatherings.take(REPORT, payload)
    return {}


def _controls(payload: Answer) -> list[DerControl]:
    found = []
    for name, (member, kind) in _REPORTED.items():
        for row in rows(payload.get(name), CONTROLS_MAX):
            control_id = text(row.get("id"), ID_CHARACTERS_MAX)
            said = kind.value if kind is not None else text(row.get("curveType"), 50)
            if control_id is not None and said is not None:
                default, superseded = row.get("isDefault"), row.get("isSuperseded")
                found.append(
                    DerControl(
                        control_id,
                        said,
                        default if isinstance(default, bool) else None,
                        superseded if isinstance(superseded, bool) else None,
                        as_it_came(row.get(member)) or {},
                    )
                )
    return found


async def _alarm(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    """R05: it deviates from its profile because of the grid, or no longer does."""
    ended = payload.get("alarmEnded") is True
    await dialect.services.blocks.smart.grid.happened(
        DerEvent(
            station_id=dialect.station_id,
            kind=DerEventKind.ALARM_ENDED if ended else DerEventKind.ALARM,
            at=dialect.time_of(payload.get("timestamp"), received_at).at,
            received_at=received_at,
            control_type=text(payload.get("controlType"), 50),
            fault=text(payload.get("gridEventFault"), 50),
            info=text(payload.get("extraInfo"), 200),
        )
    )
    return {}


async def _start_stop(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    """R04.FR.20 to FR.22: a scheduled control begins or ends."""
    started = payload.get("started") is True
    ids = payload.get("supersededIds")
    listed = ids[:CONTROLS_MAX] if isinstance(ids, list) else []
    await dialect.services.blocks.smart.grid.happened(
        DerEvent(
            station_id=dialect.station_id,
            kind=DerEventKind.STARTED if started else DerEventKind.STOPPED,
            at=dialect.time_of(payload.get("timestamp"), received_at).at,
            received_at=received_at,
            control_id=text(payload.get("controlId"), ID_CHARACTERS_MAX),
            superseded_ids=tuple(
                found for each in listed if (found := text(each, ID_CHARACTERS_MAX))
            ),
        )
    )
    return {}


async def _put(dialect: Any, request: PutDerControl) -> CallAnswer:
    answer: CallAnswer = await dialect.say(
        "SetDERControl",
        {
            "isDefault": request.is_default,
            "controlId": request.control_id,
            "controlType": request.control_type.value,
            request.control_type.member: request.settings,
        },
    )
    return answer


async def _get(dialect: Any, request: GetDerControls) -> CallAnswer:
    async def say(request_id: int) -> CallAnswer:
        payload: Answer = {"requestId": request_id, **_criteria(request)}
        if request.is_default is not None:
            payload["isDefault"] = request.is_default
        answer: CallAnswer = await dialect.say(
            "GetDERControl", payload, accepted=("Accepted", "NotFound")
        )
        return answer

    answer, gathered = await dialect.gatherings.ask(dialect, REPORT, _controls, say)
    held = () if gathered is None else gathered.items
    complete = gathered is None or gathered.complete
    return CallAnswer(answer.accepted, answer.status, {"controls": held, "complete": complete})


async def _drop(dialect: Any, request: DropDerControls) -> CallAnswer:
    payload: Answer = {"isDefault": request.is_default, **_criteria(request)}
    answer: CallAnswer = await dialect.say("ClearDERControl", payload)
    return answer


def _criteria(request: GetDerControls | DropDerControls) -> Answer:
    found: Answer = {}
    if request.control_type is not None:
        found["controlType"] = request.control_type.value
    if request.control_id is not None:
        found["controlId"] = request.control_id
    return found


async def _afrr(dialect: Any, request: AfrrSignal) -> CallAnswer:
    """Q08.FR.12: with the time at which it was received from outside."""
    payload = {
        "timestamp": dialect.stamp(dialect.services.clock.now()),
        "signal": request.signal,
    }
    answer: CallAnswer = await dialect.say("AFRRSignal", payload)
    return answer


BLOCK = Block(
    inbound={
        "ReportDERControl": _report,
        "NotifyDERAlarm": _alarm,
        "NotifyDERStartStop": _start_stop,
    },
    requests={
        PutDerControl: _put,
        GetDerControls: _get,
        DropDerControls: _drop,
        AfrrSignal: _afrr,
    },
)
