"""What 2.1 added to smart charging: dynamic schedules, priority charging, energy transfers, and
what transaction events tell of the car (blocks E, K and Q).
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sitecontroller.domain.smart import (
    AllowedTransfers,
    EvState,
    PriorityCharging,
    TransactionLimits,
)
from sitecontroller.domain.topology import EvseKey
from sitecontroller.ocpp import profiles
from sitecontroller.ocpp.block import Answer, Block
from sitecontroller.ocpp.v2x.schedules import as_it_came
from sitecontroller.ocpp.values import integer, number, rows, table, text
from sitecontroller.ports import CallAnswer

ADDITIONAL_MAX = 10
EVCC_ID = "evccid"


async def _pull(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    """K28.FR.07, FR.12: what it was told last, and the lease begins anew."""
    wanted = integer(payload.get("chargingProfileId"))
    for evse in dialect.evses:
        if dialect.profile_id(profiles.lease_id(evse.evse_id)) != wanted:
            continue
        told = dialect.dynamic.pulled(evse.evse_id)
        if told is not None:
            if told.lease_s is not None:
                key = EvseKey(dialect.station_id, evse.evse_id)
                await dialect.services.blocks.smart.pulled(key, told.lease_s)
            return {"status": "Accepted", "scheduleUpdate": {"limit": told.least}}
    return {"status": "Rejected", "statusInfo": {"reasonCode": "InvalidProfile"}}


async def _priority(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    transaction_id = text(payload.get("transactionId"), 36)
    if transaction_id is not None:
        await dialect.services.blocks.smart.states.prioritized(
            EvState(
                dialect.station_id,
                transaction_id,
                dialect.evse_of(transaction_id),
                received_at,
                priority=payload.get("activated") is True,
            )
        )
    return {}


def ev_state(
    station_id: str,
    payload: Answer,
    at: datetime,
    evse_of: Callable[[str | None], int | None],
) -> EvState | None:
    """What 2.1 tells in a TransactionEvent; None: nothing of it."""
    info = table(payload.get("transactionInfo"))
    transaction_id = text(info.get("transactionId"), 36)
    if transaction_id is None:
        return None
    said = table(info.get("transactionLimit"))
    sleeps = payload.get("evseSleep")
    state = EvState(
        station_id=station_id,
        transaction_id=transaction_id,
        evse_id=integer(table(payload.get("evse")).get("id")) or evse_of(transaction_id),
        at=at,
        operation_mode=text(info.get("operationMode"), 30),
        evse_sleeps=sleeps if isinstance(sleeps, bool) else None,
        preconditioning=text(payload.get("preconditioningStatus"), 30),
        limits=TransactionLimits(
            number(said.get("maxCost")),
            number(said.get("maxEnergy")),
            integer(said.get("maxTime")),
            number(said.get("maxSoC")),
        )
        if said
        else None,
        evcc_id=_evcc_id(table(payload.get("idToken"))),
        station_costs=as_it_came(payload.get("costDetails")),
    )
    return state if state.tells_something else None


def _evcc_id(id_token: Answer) -> str | None:
    """Q01.FR.02: beside the card, or the card itself."""
    for row in rows(id_token.get("additionalInfo"), ADDITIONAL_MAX):
        if (text(row.get("type")) or "").casefold() == EVCC_ID:
            return text(row.get("additionalIdToken"))
    is_evcc = (text(id_token.get("type")) or "").casefold() == EVCC_ID
    return text(id_token.get("idToken")) if is_evcc else None


async def _use_priority(dialect: Any, request: PriorityCharging) -> CallAnswer:
    answer: CallAnswer = await dialect.say(
        "UsePriorityCharging",
        {"transactionId": request.transaction_id, "activate": request.activate},
    )
    return answer


async def _allow_transfers(dialect: Any, request: AllowedTransfers) -> CallAnswer:
    answer: CallAnswer = await dialect.say(
        "NotifyAllowedEnergyTransfer",
        {
            "transactionId": request.transaction_id,
            "allowedEnergyTransfer": [transfer.value for transfer in request.transfers],
        },
    )
    return answer


BLOCK = Block(
    inbound={
        "PullDynamicScheduleUpdate": _pull,
        "NotifyPriorityCharging": _priority,
    },
    requests={
        PriorityCharging: _use_priority,
        AllowedTransfers: _allow_transfers,
    },
)
