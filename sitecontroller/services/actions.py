"""What people ask of the site, carried out: one short function per command, each checked by its
effect where there is one.

A station's refusal is a value; only a missing answer is an error. A command that takes longer than
`ANSWER_WITHIN_S` is reported as sent; its outcome and effect follow as events.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sitecontroller.domain import commands
from sitecontroller.domain.commands import Command, CommandResult, CommandState
from sitecontroller.domain.errors import Conflict, ControllerError, NotFound, StationOffline
from sitecontroller.domain.events import CommandFinished
from sitecontroller.domain.ids import new_ulid
from sitecontroller.domain.transaction import Transaction
from sitecontroller.ports import CallAnswer, Clock, StationLink, Store, UnitOfWork
from sitecontroller.publisher import Publisher
from sitecontroller.services.alarms import AlarmService
from sitecontroller.services.background import Background
from sitecontroller.services.effect import Effect
from sitecontroller.services.onboarding import Onboarding
from sitecontroller.services.stations import StationService
from sitecontroller.services.transactions import TransactionService

log = logging.getLogger(__name__)

ANSWER_WITHIN_S = 10.0
EFFECT_WITHIN_S = 60.0
RESULTS_MAX = 1000

Handler = Callable[[Any, str], Awaitable[CommandResult]]


class ActionService:
    """Executes commands; `result` tells later what became of one."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        publisher: Publisher,
        background: Background,
        stations: StationService,
        transactions: TransactionService,
        alarms: AlarmService,
        onboarding: Onboarding,
        make_room: Callable[[str, int], Awaitable[object]],
    ) -> None:
        self._store = store
        self._clock = clock
        self._publisher = publisher
        self._background = background
        self._stations = stations
        self._transactions = transactions
        self._alarms = alarms
        self._onboarding = onboarding
        self._make_room = make_room
        self._results: OrderedDict[str, CommandResult] = OrderedDict()
        self._remote_start_id = int(clock.now().timestamp()) & 0x3FFFFFFF
        self._handlers: dict[type[Any], Handler] = {
            commands.StartTransaction: self._start,
            commands.StopTransaction: self._stop,
            commands.UnlockConnector: self._unlock,
            commands.ResetStation: self._reset,
            commands.ChangeAvailability: self._change_availability,
            commands.TriggerMessage: self._trigger,
            commands.GetVariables: self._get_variables,
            commands.SetVariable: self._set_variable,
            commands.CallStation: self._call,
            commands.AcceptStation: self._accept,
            commands.RejectStation: self._reject,
            commands.AcknowledgeAlarm: self._acknowledge,
        }

    async def execute(self, command: Command, idempotency_key: str | None = None) -> CommandResult:
        """Carry out a command, once per idempotency key (kept before acting, for 24 h).

        Raises StationOffline, NotFound, CallTimeout, CallRefused, … as `domain.errors` lists them.
        """
        command_id = new_ulid(self._clock.now())
        if idempotency_key is not None:
            known = await self._store.commit(
                _claim, f"command:{idempotency_key}", command_id, self._clock.now()
            )
            if known is not None:
                return self._results.get(known) or CommandResult(known, CommandState.SENT)
        self._keep(CommandResult(command_id, CommandState.SENT), tell=False)
        task = self._background.spawn(self._carry_out(command, command_id), f"command {command_id}")
        await asyncio.wait({task}, timeout=ANSWER_WITHIN_S)
        if not task.done():
            return self._results[command_id]
        outcome: CommandResult | ControllerError = task.result()
        if isinstance(outcome, ControllerError):
            raise outcome
        return outcome

    def result(self, command_id: str) -> CommandResult | None:
        """What became of a command; None when it isn't known (any more)."""
        return self._results.get(command_id)

    async def _carry_out(
        self, command: Command, command_id: str
    ) -> CommandResult | ControllerError:
        handler = self._handlers[type(command)]
        log.info("command %s: %s", command_id, type(command).__name__)
        try:
            result = await handler(command, command_id)
        except ControllerError as error:
            log.warning("command %s: %s", command_id, error.detail)
            self._keep(CommandResult(command_id, CommandState.FAILED, error.detail))
            return error
        self._keep(result)
        return result

    # one function per command

    async def _start(self, command: commands.StartTransaction, command_id: str) -> CommandResult:
        link = self._link(command.station_id)
        await self._make_room(command.station_id, command.evse_id)
        self._remote_start_id += 1
        subject = f"{command.station_id}/{command.evse_id}"
        with Effect(
            self._publisher,
            lambda event: (
                event.began
                and (event.transaction.station_id, event.transaction.evse_id)
                == (command.station_id, command.evse_id)
            ),
        ) as effect:
            answer = await link.start(
                command.evse_id, command.connector_id, command.id_token, self._remote_start_id
            )
            if answer.accepted:
                self._follow(
                    command_id,
                    effect.kept(),
                    lambda: self._alarms.raise_("remote-start-unanswered", subject, evse=subject),
                    lambda: self._alarms.clear("remote-start-unanswered", subject),
                )
        return _result(command_id, answer)

    async def _stop(self, command: commands.StopTransaction, command_id: str) -> CommandResult:
        transaction = await self._running(command.transaction_key)
        link = self._link(transaction.station_id)
        with Effect(
            self._publisher,
            lambda event: event.ended and event.transaction.key == transaction.key,
        ) as effect:
            answer = await link.stop(transaction.station_transaction_id)
            if answer.accepted:
                self._follow(command_id, effect.kept())
        return _result(command_id, answer)

    async def _unlock(self, command: commands.UnlockConnector, command_id: str) -> CommandResult:
        link = self._link(command.station_id)
        return _result(command_id, await link.unlock(command.evse_id, command.connector_id))

    async def _reset(self, command: commands.ResetStation, command_id: str) -> CommandResult:
        return _result(command_id, await self._link(command.station_id).reset(command.type))

    async def _change_availability(
        self, command: commands.ChangeAvailability, command_id: str
    ) -> CommandResult:
        link = self._link(command.station_id)
        answer = await link.change_availability(command.evse_id, operative=command.operative)
        return _result(command_id, answer)

    async def _trigger(self, command: commands.TriggerMessage, command_id: str) -> CommandResult:
        link = self._link(command.station_id)
        return _result(command_id, await link.trigger(command.message, command.evse_id))

    async def _get_variables(
        self, command: commands.GetVariables, command_id: str
    ) -> CommandResult:
        answer = await self._link(command.station_id).get_variables(command.names)
        return _result(command_id, answer, show=True)

    async def _set_variable(self, command: commands.SetVariable, command_id: str) -> CommandResult:
        answer = await self._link(command.station_id).set_variable(command.name, command.value)
        return _result(command_id, answer, show=True)

    async def _call(self, command: commands.CallStation, command_id: str) -> CommandResult:
        body = await self._link(command.station_id).call(command.action, command.payload)
        return CommandResult(command_id, CommandState.ACCEPTED, None, body)

    async def _accept(self, command: commands.AcceptStation, command_id: str) -> CommandResult:
        admission = await self._onboarding.admit(command)
        secret = None if admission.password is None else {"password": admission.password}
        return CommandResult(command_id, CommandState.ACCEPTED, admission.sentence, secret)

    async def _reject(self, command: commands.RejectStation, command_id: str) -> CommandResult:
        await self._onboarding.reject(command)
        return CommandResult(command_id, CommandState.EFFECTIVE)

    async def _acknowledge(
        self, command: commands.AcknowledgeAlarm, command_id: str
    ) -> CommandResult:
        await self._alarms.acknowledge(command.alarm_key, command.by)
        return CommandResult(command_id, CommandState.EFFECTIVE)

    # what they share

    def _link(self, station_id: str) -> StationLink:
        if self._stations.state(station_id) is None:
            raise NotFound(
                f"no station '{station_id}'", remedy="GET /v1/stations lists those of this site"
            )
        link = self._stations.link(station_id)
        if link is None:
            raise StationOffline(
                f"{station_id} is offline",
                remedy="Check the charger's power and network; limits hold without contact",
            )
        return link

    async def _running(self, key: str) -> Transaction:
        transaction = self._transactions.find(key) or await self._store.read(_transaction, key)
        if transaction is None:
            raise NotFound(f"no transaction '{key}'", remedy="GET /v1/transactions lists them")
        if not transaction.active:
            raise Conflict(f"transaction {key} has ended", remedy="Nothing is left to stop")
        return transaction

    def _follow(
        self,
        command_id: str,
        effect: Effect,
        on_none: Callable[[], None] = lambda: None,
        on_effect: Callable[[], None] = lambda: None,
    ) -> None:
        """Follow an accepted command until its effect shows or its time is up."""

        async def wait() -> None:
            if await effect.shows(EFFECT_WITHIN_S):
                self._keep(CommandResult(command_id, CommandState.EFFECTIVE))
                on_effect()
                return
            reason = f"nothing happened within {EFFECT_WITHIN_S:.0f} s"
            self._keep(CommandResult(command_id, CommandState.INEFFECTIVE, reason))
            on_none()

        self._background.spawn(wait(), f"effect of {command_id}")

    def _keep(self, result: CommandResult, *, tell: bool = True) -> None:
        known = self._results.get(result.command_id)
        if known is not None and known.state in (CommandState.EFFECTIVE, CommandState.INEFFECTIVE):
            return
        self._results[result.command_id] = result
        while len(self._results) > RESULTS_MAX:
            self._results.popitem(last=False)
        if tell:
            self._publisher.publish(CommandFinished(replace(result, answer=None)))


def _result(command_id: str, answer: CallAnswer, *, show: bool = False) -> CommandResult:
    state = CommandState.ACCEPTED if answer.accepted else CommandState.REJECTED
    return CommandResult(
        command_id,
        state,
        None if answer.accepted else answer.status,
        answer.body if show else None,
    )


def _claim(tx: UnitOfWork, key: str, command_id: str, at: datetime) -> str | None:
    known = tx.remembered(key)
    if known is not None:
        return str(known)
    tx.remember(key, command_id, at)
    return None


def _transaction(tx: UnitOfWork, key: str) -> Transaction | None:
    return tx.transaction(key)
