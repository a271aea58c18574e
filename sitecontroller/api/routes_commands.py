"""What people ask of the site: one route a command.

200 says what the station answered (a refusal is an answer), 202 that it has not answered within
10 s, 409 that it is offline. Outcome and effect follow on the live feed and at the command's id.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Response

from sitecontroller.api.encoding import json_response
from sitecontroller.api.schemas import (
    VARIABLES_MAX,
    AcceptBody,
    AcknowledgeBody,
    Action,
    AvailabilityBody,
    EvseId,
    IdempotencyKey,
    Key,
    RawPayload,
    ResetBody,
    ShortText,
    StartBody,
    StationId,
    Stopping,
    StrictRoute,
    TriggerBody,
    UnlockBody,
    VariableBody,
)
from sitecontroller.api.seam import Site, SiteController
from sitecontroller.domain.commands import (
    AcceptStation,
    AcknowledgeAlarm,
    CallStation,
    ChangeAvailability,
    Command,
    CommandResult,
    CommandState,
    GetVariables,
    RejectStation,
    ResetStation,
    SetVariable,
    StartTransaction,
    StopTransaction,
    TriggerMessage,
    UnlockConnector,
)
from sitecontroller.domain.errors import Conflict, NotFound

COMMAND_ID_HEADER = "Command-Id"
COMMAND_STATE_HEADER = "Command-State"
COMMAND: Any = {
    "response_model": CommandResult,
    "responses": {202: {"model": CommandResult, "description": "Sent; no answer yet"}},
    "tags": ["commands"],
}

router = APIRouter(prefix="/v1", route_class=StrictRoute)


@router.post("/stations/{station_id}/evses/{evse_id}/start", **COMMAND)
async def start(
    controller: Site,
    station_id: StationId,
    evse_id: EvseId,
    body: StartBody,
    key: IdempotencyKey = None,
) -> Response:
    """Begin charging on a token."""
    command = StartTransaction(station_id, evse_id, body.id_token, body.connector_id)
    return await send(controller, command, key)


@router.post("/transactions/{transaction_key}/stop", **COMMAND)
async def stop(controller: Site, transaction_key: Key, key: IdempotencyKey = None) -> Response:
    """End a running transaction."""
    return await send(controller, StopTransaction(transaction_key), key)


@router.post("/stations/{station_id}/evses/{evse_id}/unlock", **COMMAND)
async def unlock(
    controller: Site,
    station_id: StationId,
    evse_id: EvseId,
    body: UnlockBody | None = None,
    key: IdempotencyKey = None,
) -> Response:
    """Release the cable."""
    connector_id = (body or UnlockBody()).connector_id
    return await send(controller, UnlockConnector(station_id, evse_id, connector_id), key)


@router.post("/stations/{station_id}/evses/{evse_id}/availability", **COMMAND)
async def evse_availability(
    controller: Site,
    station_id: StationId,
    evse_id: EvseId,
    body: AvailabilityBody,
    key: IdempotencyKey = None,
) -> Response:
    """Take an EVSE out of service or back."""
    command = ChangeAvailability(
        station_id, evse_id, body.operative, body.connector_id, body.note, body.by
    )
    return await send(controller, command, key)


@router.post("/stations/{station_id}/availability", **COMMAND)
async def station_availability(
    controller: Site, station_id: StationId, body: AvailabilityBody, key: IdempotencyKey = None
) -> Response:
    """Take a whole station out of service or back."""
    command = ChangeAvailability(
        station_id, None, body.operative, body.connector_id, body.note, body.by
    )
    return await send(controller, command, key)


@router.post("/stations/{station_id}/reset", **COMMAND)
async def reset(
    controller: Site,
    station_id: StationId,
    body: ResetBody | None = None,
    key: IdempotencyKey = None,
) -> Response:
    """Restart a station."""
    asked = body or ResetBody()
    return await send(controller, ResetStation(station_id, asked.type, asked.evse_id), key)


@router.post("/stations/{station_id}/trigger", **COMMAND)
async def trigger(
    controller: Site, station_id: StationId, body: TriggerBody, key: IdempotencyKey = None
) -> Response:
    """Ask a station to send a message now."""
    command = TriggerMessage(station_id, body.message, body.evse_id)
    return await send(controller, command, key)


@router.post("/stations/{station_id}/accept", **COMMAND)
async def accept(
    controller: Site,
    station_id: StationId,
    body: AcceptBody | None = None,
    key: IdempotencyKey = None,
) -> Response:
    """Admit a new station (commissioning mode).

    Where `answer` holds a `password`, the charger did not take it: a person enters it there.
    """
    command = AcceptStation(station_id, (body or AcceptBody()).circuit_id)
    return await send(controller, command, key)


@router.post("/stations/{station_id}/reject", **COMMAND)
async def reject(controller: Site, station_id: StationId, key: IdempotencyKey = None) -> Response:
    """Turn a new station away until the commissioning window ends."""
    return await send(controller, RejectStation(station_id), key)


@router.get("/stations/{station_id}/variables", **COMMAND)
async def get_variables(
    controller: Site,
    station_id: StationId,
    name: Annotated[
        list[ShortText] | None,
        Query(max_length=VARIABLES_MAX, description='1.6 keys, or 2.x "Component.Variable"'),
    ] = None,
) -> Response:
    """Ask a station for settings; without a name for all (1.6). They come in `answer`."""
    return await send(controller, GetVariables(station_id, tuple(name or ())), None)


@router.put("/stations/{station_id}/variables", **COMMAND)
async def set_variable(
    controller: Site, station_id: StationId, body: VariableBody, key: IdempotencyKey = None
) -> Response:
    """Write one setting of a station."""
    return await send(controller, SetVariable(station_id, body.name, body.value), key)


@router.post("/alarms/{alarm_key:path}/acknowledge", **COMMAND)
async def acknowledge(
    controller: Site, alarm_key: Key, body: AcknowledgeBody, key: IdempotencyKey = None
) -> Response:
    """Say that a person has seen an alarm."""
    return await send(controller, AcknowledgeAlarm(alarm_key, body.by), key)


@router.post(
    "/stations/{station_id}/ocpp/{action}",
    response_model=dict[str, Any],
    responses={202: {"model": CommandResult, "description": "Sent; no answer yet"}},
    tags=["technicians"],
)
async def call(
    controller: Site,
    station_id: StationId,
    action: Action,
    payload: Annotated[RawPayload | None, Body()] = None,
    key: IdempotencyKey = None,
) -> Response:
    """Send a raw OCPP call; the station's answer comes back as it is.

    A CALLERROR is a problem 502 with `error_code`, `description` and `details`.
    """
    result = await controller.execute(
        CallStation(station_id, action, payload or {}), idempotency_key=key
    )
    headers = {COMMAND_ID_HEADER: result.command_id, COMMAND_STATE_HEADER: result.state}
    if result.answer is not None:
        return json_response(result.answer, headers=headers)
    if result.state is CommandState.SENT:
        return json_response(result, 202, headers)
    raise Conflict(result.reason or f"{action} was not answered", remedy="See /v1/journal")


@router.get("/commands/{command_id}", response_model=CommandResult, tags=["commands"])
async def command_result(controller: Site, command_id: Key) -> Response:
    """How far a command got."""
    result = controller.command_result(command_id)
    if result is None:
        raise NotFound("No command has this id", remedy="Commands are kept for 24 h")
    return json_response(result)


@router.post("/shutdown", status_code=202, response_model=Stopping, tags=["controller"])
async def shutdown(controller: Site) -> Response:
    """Stop the controller cleanly. Charging goes on; each station keeps its last limits."""
    controller.request_shutdown()
    return json_response({"state": "stopping"}, 202)


async def send(controller: SiteController, command: Command, key: str | None) -> Response:
    """Execute a command; its result as the answer of an endpoint."""
    result = await controller.execute(command, idempotency_key=key)
    headers: Mapping[str, str] = {COMMAND_ID_HEADER: result.command_id}
    return json_response(result, 202 if result.state is CommandState.SENT else 200, headers)
