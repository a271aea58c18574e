"""What a 2.x station still holds of its transactions (E14)."""

from typing import Any

from sitecontroller.domain.transaction_check import AskTransactionStatus
from sitecontroller.ocpp.block import Answer, Block
from sitecontroller.ocpp.commands import Priority
from sitecontroller.ports import CallAnswer


async def _ask(dialect: Any, request: AskTransactionStatus) -> CallAnswer:
    priority = Priority.HOUSEKEEPING if request.unasked else Priority.ATTENDANT
    payload: Answer = {}
    if request.station_transaction_id is not None:
        payload["transactionId"] = request.station_transaction_id
    answer = await dialect.say("GetTransactionStatus", payload, priority=priority)
    said = {
        "ongoing": _flag(answer.body.get("ongoingIndicator")),
        "queued": _flag(answer.body.get("messagesInQueue")),
    }
    return CallAnswer(True, "", said)


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


BLOCK = Block(requests={AskTransactionStatus: _ask})
