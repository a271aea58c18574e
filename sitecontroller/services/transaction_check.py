"""Sessions that a station may have ended unheard: asked for by people, and by ourselves after a
station was away.

A 2.x station can say that a session is over and that it has nothing more to tell of it: then no
stop will ever come, and the session is closed at once (Q32) instead of after a day.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime

from sitecontroller.domain.commands import Command, CommandResult, CommandState
from sitecontroller.domain.errors import Conflict, NotFound, OperatingError
from sitecontroller.domain.events import Event, StationReady
from sitecontroller.domain.queries import Query
from sitecontroller.domain.transaction import Transaction
from sitecontroller.domain.transaction_check import (
    AskTransactionStatus,
    CheckQueue,
    CheckTransaction,
)
from sitecontroller.ports import StationLink
from sitecontroller.services.desk import Answerer, Desk, Handler

log = logging.getLogger(__name__)

CHECK_AFTER_S = 30.0
"""After a station is back: it tells what it has kept first."""
SETTLE_S = 10.0
"""What it said of a session may have crossed its own word on the way."""


class TransactionCheck:
    """Whether running sessions still run."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.handlers: Mapping[type[Command], Handler] = {
            CheckTransaction: self._check_one,
            CheckQueue: self._check_queue,
        }
        self.answerers: Mapping[type[Query], Answerer] = {}

    async def load(self) -> None:
        """Nothing is kept; from now on stations that come back are asked."""
        self._desk.publisher.subscribe(self._on_event, StationReady)

    async def _check_one(self, command: CheckTransaction, command_id: str) -> CommandResult:
        transaction = self._desk.transactions.find(command.transaction_key)
        if transaction is None:
            raise NotFound(
                f"no running transaction '{command.transaction_key}'",
                remedy="GET /v1/transactions?active=true lists them",
            )
        if not transaction.active:
            raise Conflict(f"transaction {transaction.key} has ended")
        link = self._desk.link(transaction.station_id)
        said = (await link.ask(AskTransactionStatus(transaction.station_transaction_id))).body
        if not await self._close_if_over(transaction, said):
            return CommandResult(command_id, CommandState.ACCEPTED, None, said)
        reason = "it is over at the charger and was closed here"
        return CommandResult(command_id, CommandState.EFFECTIVE, reason, said)

    async def _check_queue(self, command: CheckQueue, command_id: str) -> CommandResult:
        answer = await self._desk.link(command.station_id).ask(AskTransactionStatus())
        return CommandResult(command_id, CommandState.ACCEPTED, None, answer.body)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, StationReady):
            loop = asyncio.get_running_loop()
            loop.call_later(CHECK_AFTER_S, self._due, event.station_id, event.at)

    def _due(self, station_id: str, back_at: datetime) -> None:
        link = self._desk.stations.link(station_id)
        if link is None or not link.supports(AskTransactionStatus):
            return
        work = self._check_all(link, back_at)
        self._desk.background.spawn(work, f"{station_id} running sessions", patient=True)

    async def _check_all(self, link: StationLink, back_at: datetime) -> None:
        """Those that ran before it was back; a doubtful one is asked for twice."""
        for transaction in self._left_behind(link.station_id, back_at):
            request = AskTransactionStatus(transaction.station_transaction_id, unasked=True)
            try:
                first = (await link.ask(request)).body
                if _is_over(first):
                    await asyncio.sleep(SETTLE_S)
                    await self._close_if_over(transaction, (await link.ask(request)).body)
            except OperatingError as error:
                log.info("%s: running sessions not asked for: %s", link.station_id, error.detail)
                return

    async def _close_if_over(self, transaction: Transaction, said: Mapping[str, object]) -> bool:
        if not _is_over(said):
            return False
        return await self._desk.transactions.close_lost(transaction.key)

    def _left_behind(self, station_id: str, back_at: datetime) -> list[Transaction]:
        """Running ones of which it has told nothing that happened since."""
        return [
            transaction
            for transaction in self._desk.transactions.running()
            if transaction.station_id == station_id
            and max(transaction.started_at, transaction.meter_last_at or back_at) <= back_at
        ]


def _is_over(said: Mapping[str, object]) -> bool:
    """E14.FR.01, E14.FR.03, E14.FR.05; a station that leaves one of them out has not said so."""
    return said.get("ongoing") is False and said.get("queued") is False
