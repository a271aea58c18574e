"""One 2.x charger on a real site, and what smart-charging tests ask of both."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sitecontroller.domain.commands import Command, CommandResult
from sitecontroller.domain.transaction import Transaction
from sitecontroller.domain.views import AlarmView
from tests.support import eventually
from tests.wire.charger import Charger
from tests.wire.site import TestSite, instant

STATION = "CP-01"
FALLBACK_A = 8.0
CARD = {"idToken": "CARD0001", "type": "ISO14443"}


def event(
    kind: str, seq_no: int, wh: float | None = None, *, ago_s: float = 0, **more: Any
) -> dict[str, Any]:
    """A TransactionEvent of session T1 at EVSE 1."""
    at = instant(datetime.now(UTC) - timedelta(seconds=ago_s))
    info = {"transactionId": "T1", "chargingState": "Charging", **more.pop("info", {})}
    payload: dict[str, Any] = {
        "eventType": kind,
        "timestamp": at,
        "triggerReason": {"Started": "Authorized"}.get(kind, "MeterValuePeriodic"),
        "seqNo": seq_no,
        "transactionInfo": info,
        **more,
    }
    if kind == "Started":
        payload |= {
            "evse": {"id": 1, "connectorId": 1},
            "idToken": {**CARD, **more.get("idToken", {})},
        }
    if wh is not None:
        payload["meterValue"] = [{"timestamp": at, "sampledValue": [{"value": wh}]}]
    return payload


@dataclass
class Scene:
    """A site and a charger."""

    site: TestSite
    charger: Charger
    profiles: list[dict[str, Any]] = field(default_factory=list)
    """The payload of each SetChargingProfile it took, oldest first."""

    def take_profile(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.profiles.append(payload)
        return {"status": "Accepted"}

    async def do(self, command: Command) -> CommandResult:
        """Carry out a command."""
        return await self.site.site.controller.execute(command)

    async def ask(self, query: Any) -> Any:
        """Answer a question."""
        return await self.site.site.controller.query(query)

    def alarm(self, code: str) -> AlarmView | None:
        """The alarm that stands; None: none does."""
        controller = self.site.site.controller
        views = (controller.alarm_view(key) for key in controller.ids().alarms)
        return next(
            (v for v in views if v is not None and v.code == code and v.cleared_at is None), None
        )

    def limits(self) -> list[dict[str, Any]]:
        """The limits of the session so far."""
        return [
            payload["chargingProfile"]
            for payload in self.profiles
            if payload["chargingProfile"]["chargingProfilePurpose"] == "TxProfile"
        ]

    async def limit(self, after: int = 0) -> dict[str, Any]:
        """The session's next limit after so many."""
        return (await eventually(lambda: self.limits()[after:]))[0]

    async def transaction(self) -> Transaction:
        """The stored session."""
        return await self.site.row()
