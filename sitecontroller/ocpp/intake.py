"""A station's payloads against their schema, taken in the way the site wants (Q22).

`repair`: mended as far as the meaning is plain, answered normally. `accept`: handed on as they
came. `strict`: answered with a CALLERROR. In every way what was wrong is counted, and messages that
carry energy or warn of something are never refused.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sitecontroller.domain.errors import CallRefused
from sitecontroller.ocpp.frames import Action, CallFault, violations
from sitecontroller.ocpp.repair import mend
from sitecontroller.services.conformance import Conformance

NEVER_REFUSED = frozenset(
    {"StartTransaction", "StopTransaction", "MeterValues", "TransactionEvent", "NotifyEvent"}
)
"""Energy, money and warnings: handed on whatever their schema says (Q22, Q26)."""


class Handling(StrEnum):
    """What is done with a payload that breaks its schema."""

    STRICT = "strict"
    REPAIR = "repair"
    ACCEPT = "accept"


@dataclass(frozen=True, slots=True)
class Intake:
    """How one station's requests and its answers to ours are taken."""

    conformance: Conformance
    requests: Handling = Handling.REPAIR
    answers: Handling = Handling.REPAIR

    def request(self, known: Action, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """The payload of a CALL to work with. CallFault where it is refused."""
        if known.request.is_valid(payload):
            return payload
        energy = action in NEVER_REFUSED
        mended = mend(known.request_schema, payload)
        self.conformance.note(action, *mended.violations)
        if self.requests is Handling.STRICT and not energy:
            found = "; ".join(violations(known.request, payload))
            raise CallFault("FormatViolation", found)
        if mended.missing and not energy:
            names = ", ".join(mended.missing)
            raise CallFault("OccurrenceConstraintViolation", f"Missing or not readable: {names}")
        return payload if self.requests is Handling.ACCEPT else mended.payload

    def answer(
        self, known: Action | None, action: str, payload: dict[str, Any]
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        """The payload of a CALLRESULT to work with, and what it lacks. CallRefused if strict."""
        if known is None or known.response is None or known.response.is_valid(payload):
            return payload, ()
        mended = mend(known.response_schema or {}, payload)
        self.conformance.note(f"answer to {action}", *mended.violations)
        if self.answers is Handling.STRICT:
            found = "; ".join(violations(known.response, payload))
            raise CallRefused("FormatViolation", f"the station's answer breaks its schema: {found}")
        return (payload if self.answers is Handling.ACCEPT else mended.payload), mended.missing
