"""Battery swap stations of 2.1 (block S): every slot counts as an EVSE."""

from datetime import datetime
from typing import Any

from sitecontroller.domain.swap import Battery, BatterySwap, BeginBatterySwap
from sitecontroller.ocpp.block import Answer, Block
from sitecontroller.ocpp.v2x.schedules import instant
from sitecontroller.ocpp.values import integer, number, rows, text
from sitecontroller.ports import CallAnswer

BATTERIES_MAX = 50


async def _swapped(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    token = dialect.token(payload)
    await dialect.services.blocks.smart.swaps.swapped(
        BatterySwap(
            station_id=dialect.station_id,
            request_id=integer(payload.get("requestId")) or 0,
            event=text(payload.get("eventType"), 50) or "",
            id_token="" if token is None else token.id_token,
            received_at=received_at,
            batteries=tuple(
                _battery(row) for row in rows(payload.get("batteryData"), BATTERIES_MAX)
            ),
        )
    )
    return {}


def _battery(row: Answer) -> Battery:
    return Battery(
        evse_id=max(0, integer(row.get("evseId")) or 0),
        serial_number=text(row.get("serialNumber"), 50) or "",
        soc_percent=number(row.get("soC")),
        soh_percent=number(row.get("soH")),
        produced_at=instant(row.get("productionDate")),
        vendor_info=text(row.get("vendorInfo"), 500),
    )


async def _begin(dialect: Any, request: BeginBatterySwap) -> CallAnswer:
    answer: CallAnswer = await dialect.say(
        "RequestBatterySwap",
        {
            "requestId": request.request_id,
            "idToken": {
                "idToken": dialect.sendable(request.id_token),
                "type": request.type.value,
            },
        },
    )
    return answer


BLOCK = Block(inbound={"BatterySwap": _swapped}, requests={BeginBatterySwap: _begin})
