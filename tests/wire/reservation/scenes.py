"""What the reservation tests share: a site whose clock can be put forward, and one reservation."""

from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from sitecontroller.domain.authorization import IdTokenType, TokenRecord
from sitecontroller.domain.commands import CommandResult, CommandState
from sitecontroller.domain.reservation import (
    ReservationQuery,
    ReservationsQuery,
    ReservationState,
    ReservationView,
    ReserveEvse,
)
from tests.support import eventually
from tests.wire.charger import Charger
from tests.wire.clocks import ForwardClock
from tests.wire.site import TestSite, boot16, boot201, instant, running_site

HOUR_S = 3600.0
FAMILY = ("FAM00001", "FAM00002")
"""Two cards of one group."""


class Scene:
    """One running site, one charger, and shortcuts."""

    def __init__(self, site: TestSite, charger: Charger, clock: ForwardClock) -> None:
        self.site, self.charger, self.clock = site, charger, clock
        self.controller = site.site.controller

    def after(self, seconds: float) -> datetime:
        return self.clock.now() + timedelta(seconds=seconds)

    async def reserve(self, card: str = "CARD0001", **fields: Any) -> CommandResult:
        fields.setdefault("ends_at", self.after(HOUR_S))
        if "connector_type" not in fields:
            fields.setdefault("evse_id", 1)
        return await self.controller.execute(ReserveEvse("CP-01", card, **fields))

    async def reserved(self, card: str = "CARD0001", **fields: Any) -> str:
        """The key of a reservation that was taken."""
        result = await self.reserve(card, **fields)
        assert result.state in (CommandState.ACCEPTED, CommandState.EFFECTIVE), result
        assert result.answer is not None
        return str(result.answer["reservation_key"])

    async def view(self, key: str) -> ReservationView:
        return await self.controller.query(ReservationQuery(key))

    async def views(self) -> tuple[ReservationView, ...]:
        return (await self.controller.query(ReservationsQuery())).items

    async def becomes(self, key: str, state: ReservationState) -> ReservationView:
        async def is_so() -> bool:
            return (await self.view(key)).state is state

        await eventually(is_so)
        return await self.view(key)

    async def status(self, evse_id: int, status: str) -> None:
        if self.charger.version == "1.6":
            payload = {"connectorId": evse_id, "errorCode": "NoError", "status": status}
        else:
            payload = {
                "timestamp": instant(),
                "connectorStatus": status,
                "evseId": evse_id,
                "connectorId": 1,
            }
        await self.charger.call("StatusNotification", payload)

    def alarm(self, code: str, key: str) -> Any:
        return self.controller.alarm_view(f"{code}:{key}")


@asynccontextmanager
async def staged(directory, version: str, *, planted: bool = False, **ocpp: Any):
    """A scene with a booted charger of two EVSEs."""
    clock = ForwardClock()
    async with running_site(directory, clock=clock, planted=planted, **ocpp) as site:
        for card in FAMILY if not planted else ():
            record = TokenRecord(card, IdTokenType.ISO14443, parent_id_token="FAMILY")
            await site.site.controller.put_token(record)
        async with site.charger(version=version) as charger:
            await (boot16 if version == "1.6" else boot201)(charger)
            yield Scene(site, charger, clock)
