"""A 2.x station that plays the specification's cases: one line for each thing it says."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.support import eventually
from tests.wire.charger import Charger
from tests.wire.site import CARDS, TestSite, boot201, instant

CARD = {"idToken": CARDS[0], "type": "ISO14443"}


class Station:
    """EVSE 1 of a connected station; events are numbered by themselves."""

    def __init__(self, charger: Charger, transaction_id: str = "TC-1") -> None:
        self.charger = charger
        self.transaction_id = transaction_id
        self._sequence = 0

    async def status(self, word: str, **rest: Any) -> None:
        """A StatusNotification of EVSE 1."""
        await self.charger.call(
            "StatusNotification",
            {
                "timestamp": instant(),
                "connectorStatus": word,
                "evseId": 1,
                "connectorId": 1,
                **rest,
            },
        )

    async def event(
        self, kind: str, trigger: str, info: dict[str, Any] | None = None, **rest: Any
    ) -> dict[str, Any]:
        """A TransactionEvent on EVSE 1; the answer. `rest` may set `evse=None`."""
        payload = {
            "eventType": kind,
            "timestamp": instant(),
            "triggerReason": trigger,
            "seqNo": self._sequence,
            "transactionInfo": {"transactionId": self.transaction_id, **(info or {})},
            "evse": {"id": 1, "connectorId": 1},
            **rest,
        }
        self._sequence += 1
        return await self.charger.call(
            "TransactionEvent",
            {name: value for name, value in payload.items() if value is not None},
        )

    async def authorize(self, id_token: dict[str, Any] | None = None) -> str:
        """An Authorize; the status."""
        answer = await self.charger.call("Authorize", {"idToken": id_token or CARD})
        return str(answer["idTokenInfo"]["status"])


def samples(energy_wh: float, context: str = "Sample.Periodic", **rest: Any) -> list[Any]:
    """A meter value with the register."""
    sampled = {"value": energy_wh, "context": context, **rest}
    return [{"timestamp": instant(), "sampledValue": [sampled]}]


@asynccontextmanager
async def station_at(site: TestSite, version: str) -> AsyncIterator[Station]:
    """A booted station that may be sent calls."""
    async with site.charger(version=version) as charger:
        await boot201(charger)
        await eventually(lambda: site.site.services.stations.link("CP-01") is not None)
        yield Station(charger)
