"""What a simulated 2.x station knows of a customer: told, and forgotten (N09, N10)."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from sitecontroller.domain.ids import fold
from sitecontroller.simulation.blocks.block import Block, accepted
from sitecontroller.simulation.blocks.local_list import LocalList
from sitecontroller.simulation.uplink import Payload

if TYPE_CHECKING:
    from sitecontroller.simulation.station import SimulatedStation

DATA_CHARS = 512


def _customer_information(station: SimulatedStation, payload: Payload) -> Payload:
    card = payload.get("idToken", {}).get("idToken")
    named = [
        key
        for key in ("idToken", "customerCertificate", "customerIdentifier")
        if payload.get(key) is not None
    ]
    if len(named) != 1:
        return {"status": "Invalid"}
    if not payload["report"] and not payload["clear"]:
        return accepted(False)
    text = _known(station, card)
    if payload["clear"] and card is not None:
        station.sessions.known_tokens.pop(fold(card), None)
    if payload["report"] or payload["clear"]:
        _report(station, payload["requestId"], text)
    return accepted()


def _known(station: SimulatedStation, card: str | None) -> str:
    """Nothing is an answer too: N09.FR.06 wants a report all the same."""
    if card is None:
        return ""
    found: dict[str, object] = {}
    cached = station.sessions.known_tokens.get(fold(card))
    listed = station.part(LocalList).find(card)
    if cached is not None:
        found["cache"] = {"accepted": cached.accepted, "group": cached.group}
    if listed is not None:
        found["localList"] = {"accepted": listed.accepted, "group": listed.group}
    charging = [c.evse.evse_id for c in station.controls.values() if _charges(c.transaction, card)]
    if charging:
        found["charging"] = charging
    return json.dumps({"idToken": card, **found}) if found else ""


def _charges(transaction: object, card: str) -> bool:
    return fold(getattr(transaction, "id_token", "")) == fold(card)


def _report(station: SimulatedStation, request_id: int, text: str) -> None:
    parts = [text[i : i + DATA_CHARS] for i in range(0, len(text), DATA_CHARS)] or [""]
    for number, part in enumerate(parts):
        report = {
            "requestId": request_id,
            "generatedAt": station.stamp(),
            "seqNo": number,
            "tbc": number < len(parts) - 1,
            "data": part,
        }
        station.after_answer(partial(station.say, "NotifyCustomerInformation", report))


BLOCK = Block(answers={"CustomerInformation": _customer_information})
