"""Plug & Charge of a 1.6 station: messages of 2.0.1 as JSON text within DataTransfer.

The Open Charge Alliance's application note "ISO 15118 Plug & Charge with OCPP 1.6". The outer
status says whether the message was understood, the inner one what came of it.
"""

import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from sitecontroller.domain.authorization import Authorization, IdToken, IdTokenType
from sitecontroller.ocpp.block import Answer
from sitecontroller.ocpp.certificate_words import (
    certificate_status,
    contract_answer,
    contract_shown,
    sign_certificate,
    vehicle_certificate,
)
from sitecontroller.ocpp.values import table, text
from sitecontroller.ports import CallAnswer

VENDOR = "org.openchargealliance.iso15118pnc"
DATA_CHARACTERS_MAX = 64_000

Step = Callable[[Any, Answer, datetime], Awaitable[Answer]]


async def take(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    """A DataTransfer of that vendor."""
    step = _STEPS.get(text(payload.get("messageId")) or "")
    if step is None:
        return {"status": "UnknownMessageId"}
    inner = _inner(payload.get("data"))
    if inner is None:
        return {"status": "Rejected", "data": "the data is no JSON object"}
    answer = await step(dialect, inner, received_at)
    return {"status": "Accepted", "data": json.dumps(answer)}


async def say(
    dialect: Any, message: str, payload: Answer, accepted: tuple[str, ...] = ("Accepted",)
) -> CallAnswer:
    """One of them to the station; the inner answer's status counts."""
    outer = {"vendorId": VENDOR, "messageId": message, "data": json.dumps(payload)}
    answer: CallAnswer = await dialect.say("DataTransfer", outer)
    if not answer.accepted:
        return CallAnswer(False, answer.status, answer.body)
    inner = _inner(answer.body.get("data")) or {}
    status = text(inner.get("status")) or ""
    return CallAnswer(status in accepted, status, inner)


async def _authorize(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    shown = contract_shown(payload)
    if shown is None or not shown.emaid:
        return {"idTokenInfo": {"status": "Invalid"}, "certificateStatus": "NoCertificateAvailable"}
    token = IdToken(shown.emaid, IdTokenType.E_MAID)
    verdict, status = await contract_answer(dialect, shown, token)
    if not isinstance(verdict, Authorization):
        return {"idTokenInfo": {"status": verdict.value}, "certificateStatus": status}
    info: Answer = {"status": verdict.status.value}
    if verdict.expires_at is not None:
        info["cacheExpiryDateTime"] = dialect.stamp(verdict.expires_at)
    return {"idTokenInfo": info, "certificateStatus": status}


_STEPS: dict[str, Step] = {
    "Authorize": _authorize,
    "SignCertificate": sign_certificate,
    "Get15118EVCertificate": vehicle_certificate,
    "GetCertificateStatus": certificate_status,
}


def _inner(data: object) -> Answer | None:
    """The message within: JSON as text, or, of a lenient station, the object itself."""
    if isinstance(data, dict):
        return data
    if not isinstance(data, str) or len(data) > DATA_CHARACTERS_MAX:
        return None
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return table(found) if isinstance(found, dict) else None
