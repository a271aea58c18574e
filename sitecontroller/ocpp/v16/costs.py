"""Running costs and prices shown by a 1.6 station: California pricing by DataTransfer.

The messages are those of the Open Charge Alliance's application note for California pricing
(vendor `org.openchargealliance.costmsg`). Only stations that say they show prices are sent any.
"""

import json
from datetime import datetime
from typing import Any

from sitecontroller.domain.costs import SessionCost, TellCost, TellPrice
from sitecontroller.domain.errors import Unsupported
from sitecontroller.domain.tariff import Tariff, TariffDimension
from sitecontroller.ocpp.block import Answer, Block
from sitecontroller.ocpp.commands import Priority
from sitecontroller.ocpp.v16.words import transaction_number
from sitecontroller.ports import CallAnswer

VENDOR = "org.openchargealliance.costmsg"
SHOWS_COSTS = "CustomDisplayCostAndPrice"
"""The setting by which a station says that it shows prices."""
_NAMES = {
    TariffDimension.ENERGY: "kWhPrice",
    TariffDimension.FLAT: "flatFee",
    TariffDimension.TIME: "hourPrice",
}


async def _tell_cost(dialect: Any, request: TellCost) -> CallAnswer:
    message = "FinalCost" if request.final else "RunningCost"
    body = _final(request.cost) if request.final else _running(dialect, request.cost)
    return await _transfer(dialect, message, body)


async def _tell_price(dialect: Any, request: TellPrice) -> CallAnswer:
    card = dialect.sendable(request.id_token)
    return await _transfer(dialect, "SetUserPrice", {"idToken": card, "priceText": request.text})


async def _transfer(dialect: Any, message: str, body: Answer) -> CallAnswer:
    known = dialect.found_settings.get(SHOWS_COSTS)
    if known is None or (known.value or "").strip().casefold() != "true":
        raise Unsupported(
            f"{dialect.station_id} does not show prices",
            remedy=f"Set {SHOWS_COSTS} to true where the charger has it",
        )
    payload = {"vendorId": VENDOR, "messageId": message, "data": json.dumps(body)}
    answer: CallAnswer = await dialect.say("DataTransfer", payload, priority=Priority.HOUSEKEEPING)
    return answer


def _running(dialect: Any, cost: SessionCost) -> Answer:
    body: Answer = {
        "transactionId": transaction_number(cost.station_transaction_id),
        "timestamp": dialect.stamp(cost.at),
        "cost": float(cost.total.amount),
        "state": "Charging" if cost.charging else "Idle",
        "chargingPrice": _price(cost.tariff),
    }
    if cost.meter_wh is not None:
        body["meterValue"] = int(cost.meter_wh)
    return body


def _final(cost: SessionCost) -> Answer:
    total = cost.total.rounded()
    return {
        "transactionId": transaction_number(cost.station_transaction_id),
        "cost": float(total.amount),
        "priceText": f"{total.amount} {total.currency}",
    }


def _price(tariff: Tariff) -> Answer:
    return {
        _NAMES[part.dimension]: float(part.price)
        for part in tariff.components
        if part.dimension in _NAMES
    }


async def _from_station(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    """ConnectorUnplugged: nothing costs after a session here, so nothing follows from it."""
    known = payload.get("messageId") == "ConnectorUnplugged"
    return {"status": "Accepted" if known else "UnknownMessageId"}


BLOCK = Block(
    requests={TellCost: _tell_cost, TellPrice: _tell_price},
    transfers={VENDOR: _from_station},
)
