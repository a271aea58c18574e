"""Costs told to a 2.x station while a session runs (I02). What it cost in the end stands in the
answer to its last event (I03).
"""

from typing import Any

from sitecontroller.domain.costs import TellCost
from sitecontroller.ocpp.block import Block
from sitecontroller.ocpp.commands import Priority
from sitecontroller.ports import CallAnswer


async def _tell_cost(dialect: Any, request: TellCost) -> CallAnswer:
    cost = request.cost
    body: dict[str, Any] = await dialect.call_with(
        "CostUpdated",
        {
            "totalCost": float(cost.total.rounded().amount),
            "transactionId": cost.station_transaction_id,
        },
        Priority.HOUSEKEEPING,
        key=f"cost-{cost.station_transaction_id}",
    )
    return CallAnswer(True, "Accepted", body)  # its answer has no status


BLOCK = Block(requests={TellCost: _tell_cost})
