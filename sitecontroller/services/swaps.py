"""Battery swaps: begun for known cards, and every battery that came or went."""

from collections.abc import Mapping

from sitecontroller.domain.authorization import authorize
from sitecontroller.domain.commands import Command, CommandResult, CommandState
from sitecontroller.domain.errors import Conflict
from sitecontroller.domain.events import BatterySwapped
from sitecontroller.domain.ids import new_ulid
from sitecontroller.domain.queries import Query
from sitecontroller.domain.swap import (
    BatterySwap,
    BatterySwapsQuery,
    BeginBatterySwap,
    RequestBatterySwap,
)
from sitecontroller.domain.views import Page
from sitecontroller.services.desk import Answerer, Desk, Handler
from sitecontroller.services.effect import Effect
from sitecontroller.services.shelf import Shelf

SWAPS_KEPT = 5000
BATTERY_WITHIN_S = 120.0
"""How long a driver may take to give the first battery."""


class BatterySwaps:
    """Rows are never replaced: each event is one."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._shelf = Shelf(desk.store, "battery-swap", BatterySwap)
        self._request_id = int(desk.clock.now().timestamp()) & 0x3FFFFFFF
        self.handlers: Mapping[type[Command], Handler] = {RequestBatterySwap: self._request}
        self.answerers: Mapping[type[Query], Answerer] = {BatterySwapsQuery: self._page}

    async def swapped(self, swap: BatterySwap) -> None:
        """A battery was given back, taken, or left (S03)."""
        key = new_ulid(swap.received_at)
        await self._shelf.put(key, swap, swap.received_at, swap.station_id)
        await self._shelf.trim(SWAPS_KEPT)
        self._desk.publisher.publish(BatterySwapped(swap))

    async def _request(self, command: RequestBatterySwap, command_id: str) -> CommandResult:
        """S02.FR.03: only for who may; effective with the first battery given."""
        link = self._desk.link(command.station_id)
        token = await self._desk.store.read(lambda tx: tx.token(command.id_token))
        verdict = authorize(token, self._desk.clock.now(), 0)
        if token is None or not verdict.accepted:
            raise Conflict(
                f"card {command.id_token} may not swap: {verdict.status.value}",
                remedy="Enter the card, or choose another one",
            )
        self._request_id += 1
        request = BeginBatterySwap(self._request_id, token.id_token, token.type)
        with Effect(
            self._desk.publisher,
            lambda event: (
                (event.swap.station_id, event.swap.request_id)
                == (command.station_id, request.request_id)
            ),
            BatterySwapped,
        ) as effect:
            answer = await link.ask(request)
            if not answer.accepted:
                info = answer.body.get("statusInfo")
                code = info.get("reasonCode") if isinstance(info, dict) else None
                return CommandResult(
                    command_id, CommandState.REJECTED, f"{code or answer.status}"[:100]
                )
            if await effect.shows(BATTERY_WITHIN_S):
                return CommandResult(command_id, CommandState.EFFECTIVE)
        reason = f"no battery was given within {BATTERY_WITHIN_S:.0f} s"
        return CommandResult(command_id, CommandState.INEFFECTIVE, reason)

    async def _page(self, query: BatterySwapsQuery) -> Page[BatterySwap]:
        self._desk.known(query.station_id)
        return await self._shelf.page(query.limit, query.cursor, query.station_id)
