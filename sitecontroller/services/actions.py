"""What people ask of the site, carried out: one short function per command, each checked by its
effect where there is one.

A station's refusal is a value; only a missing answer is an error. A command that takes longer than
`ANSWER_WITHIN_S` is reported as sent; its outcome and effect follow as events.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from sitecontroller.domain import commands
from sitecontroller.domain.commands import Command, CommandResult, CommandState, ResetType
from sitecontroller.domain.device import ResetEvse
from sitecontroller.domain.device_rules import in_words, same
from sitecontroller.domain.errors import Conflict, ControllerError, NotFound
from sitecontroller.domain.events import (
    CommandFinished,
    Event,
    EvseMeasured,
    LimitsChanged,
    StationReady,
    TransactionChanged,
)
from sitecontroller.domain.ids import new_ulid
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.topology import NOMINAL_V, EvseKey
from sitecontroller.domain.transaction import Transaction
from sitecontroller.ports import UnitOfWork
from sitecontroller.services.authorization import check_usable
from sitecontroller.services.command_log import CommandLog
from sitecontroller.services.desk import Desk, Handler, result_of
from sitecontroller.services.device_readings import DeviceReadings
from sitecontroller.services.effect import Effect
from sitecontroller.services.onboarding import Onboarding
from sitecontroller.services.tariff_choice import check_sellable

log = logging.getLogger(__name__)

ANSWER_WITHIN_S = 10.0
EFFECT_WITHIN_S = 60.0
BOOT_WITHIN_S = 300.0
IDLE_WITHIN_S = 24 * 3600.0
"""So long a restart may wait for the end of sessions."""
RESUME_WITHIN_S = 900.0
"""A contactor rests for ten minutes (docs/load-management.md)."""
PAUSED_A_MAX = 1.0
RESULTS_MAX = 1000
SETTLED = (CommandState.EFFECTIVE, CommandState.INEFFECTIVE)

LATER = "it restarts when the running sessions have ended"
STILL_BUSY = f"it has not restarted: a session still runs after {IDLE_WITHIN_S / 3600:.0f} h"
STICKS = "This charger takes no new session until the plug was drawn; a pause would keep this one"
"""Q54, said where a model has shown it."""


class Load(Protocol):
    """What commands need of load management."""

    async def make_room(self, station_id: str, evse_id: int | None = None) -> bool: ...
    def hold(self, key: EvseKey, paused_by: str) -> None: ...
    def told_a(self, key: EvseKey) -> float | None: ...


class ActionService:
    """Executes commands; `result` tells later what became of one. `check` raises what now stands
    against a command."""

    def __init__(
        self,
        desk: Desk,
        onboarding: Onboarding,
        load: Load,
        handlers: Mapping[type[Command], Handler] | None = None,
        check: Callable[[Command], None] = lambda command: None,
    ) -> None:
        self._store = desk.store
        self._clock = desk.clock
        self._publisher = desk.publisher
        self._background = desk.background
        self._transactions = desk.transactions
        self._alarms = desk.alarms
        self._link = desk.link
        self._onboarding = onboarding
        self._stations = desk.stations
        self._check = check
        self._load = load
        self._readings = DeviceReadings(desk)
        self.log = CommandLog()
        self._results: OrderedDict[str, CommandResult] = OrderedDict()
        self._remote_start_id = int(desk.clock.now().timestamp()) & 0x3FFFFFFF
        self._handlers: dict[type[Any], Handler] = {
            commands.StartTransaction: self._start,
            commands.StopTransaction: self._stop,
            commands.PauseCharging: self._pause,
            commands.ResumeCharging: self._resume,
            commands.UnlockConnector: self._unlock,
            commands.ResetStation: self._reset,
            commands.TriggerMessage: self._trigger,
            commands.GetVariables: self._get_variables,
            commands.SetVariable: self._set_variable,
            commands.CallStation: self._call,
            commands.AcceptStation: self._accept,
            commands.RejectStation: self._reject,
            commands.AcknowledgeAlarm: self._acknowledge,
            **(handlers or {}),
        }
        desk.publisher.subscribe(self._hear, CommandFinished)

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
        self.log.begin(command_id, command, self._clock.now())
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
            self._check(command)
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
        now = self._clock.now()
        await check_usable(self._store, command.id_token, now)
        await check_sellable(self._store, command.station_id, command.id_token, now)
        await self._load.make_room(command.station_id, command.evse_id)
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
        if not answer.accepted and self._is_finishing(command):
            return await self._stuck(command, command_id, subject)
        return result_of(command_id, answer)

    def _is_finishing(self, command: commands.StartTransaction) -> bool:
        state = self._stations.state(command.station_id)
        evse = None if state is None else state.evses.get(command.evse_id)
        return evse is not None and evse.finishing

    async def _stuck(
        self, command: commands.StartTransaction, command_id: str, subject: str
    ) -> CommandResult:
        """Q54: some stations take no start after a stop until the plug was drawn."""
        self._alarms.raise_("start-refused-after-stop", subject, evse=subject)
        await self._stations.remember(self._sticks(command.station_id), True)
        return CommandResult(
            command_id,
            CommandState.REJECTED,
            "It takes no new session after a stop: pull the plug and plug in again, or restart it",
        )

    def _sticks(self, station_id: str) -> str:
        """The name under which it is remembered that a model sticks after a stop."""
        state = self._stations.state(station_id)
        boot = None if state is None else state.record.boot
        return "sticks-after-stop/" + (f"{boot.vendor}/{boot.model}" if boot else station_id)

    async def _pause(self, command: commands.PauseCharging, command_id: str) -> CommandResult:
        """Its effect is a reading under a limit of 0 A."""
        transaction = await self._running(command.transaction_key)
        self._link(transaction.station_id)
        key = EvseKey(transaction.station_id, transaction.evse_id)
        stops = Effect(
            self._publisher,
            lambda event: (
                event.key == key and self._load.told_a(key) == 0 and _draws_nothing(event.reading)
            ),
            EvseMeasured,
        )
        self._load.hold(key, "an attendant")
        self._follow(command_id, stops, missing="no reading has shown that the car stopped")
        return CommandResult(command_id, CommandState.ACCEPTED)

    async def _resume(self, command: commands.ResumeCharging, command_id: str) -> CommandResult:
        """Its effect is a limit above 0 A; whether the car takes it is the car's affair."""
        transaction = await self._running(command.transaction_key)
        key = EvseKey(transaction.station_id, transaction.evse_id)
        self._load.hold(key, "")
        if self._load.told_a(key):
            return CommandResult(command_id, CommandState.EFFECTIVE)
        goes_on = Effect(
            self._publisher,
            lambda event: key in event.evse_keys and bool(self._load.told_a(key)),
            LimitsChanged,
        )
        missing = "load management had no room for it"
        self._follow(command_id, goes_on, within_s=RESUME_WITHIN_S, missing=missing)
        return CommandResult(command_id, CommandState.ACCEPTED)

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
                if await self._stations.remembered(self._sticks(transaction.station_id)):
                    return CommandResult(command_id, CommandState.ACCEPTED, STICKS)
        return result_of(command_id, answer)

    async def _unlock(self, command: commands.UnlockConnector, command_id: str) -> CommandResult:
        """The answer is the effect: it says that the cable is released."""
        link = self._link(command.station_id)
        result = result_of(command_id, await link.unlock(command.evse_id, command.connector_id))
        released = result.state is CommandState.ACCEPTED
        return replace(result, state=CommandState.EFFECTIVE) if released else result

    async def _reset(self, command: commands.ResetStation, command_id: str) -> CommandResult:
        """A station's effect is its boot; an EVSE tells of none."""
        link, station_id = self._link(command.station_id), command.station_id
        if command.evse_id is not None:
            answer = await link.ask(ResetEvse(command.evse_id, command.type))
            return _scheduled(result_of(command_id, answer), answer.status)
        with Effect(
            self._publisher,
            lambda event: event.station_id == station_id and event.rebooted,
            StationReady,
        ) as boots:
            answer = await link.reset(command.type)
            if answer.accepted:
                waits = command.type is ResetType.ON_IDLE and self._is_busy(station_id)
                self._follow(
                    command_id,
                    boots.kept(),
                    after=self._idle_or_booted(station_id) if waits else None,
                    within_s=BOOT_WITHIN_S,
                    missing="it has told of no restart",
                )
        return _scheduled(result_of(command_id, answer), answer.status)

    def _is_busy(self, station_id: str) -> bool:
        return any(each.station_id == station_id for each in self._transactions.running())

    def _idle_or_booted(self, station_id: str) -> Effect:
        """The end of a station's last session, or its boot before that."""
        return Effect(
            self._publisher,
            lambda event: (
                event.station_id == station_id and event.rebooted
                if isinstance(event, StationReady)
                else event.ended
                and event.transaction.station_id == station_id
                and not self._is_busy(station_id)
            ),
            StationReady,
            TransactionChanged,
        )

    async def _trigger(self, command: commands.TriggerMessage, command_id: str) -> CommandResult:
        link = self._link(command.station_id)
        return result_of(command_id, await link.trigger(command.message, command.evse_id))

    async def _get_variables(
        self, command: commands.GetVariables, command_id: str
    ) -> CommandResult:
        answer = await self._link(command.station_id).get_variables(command.names)
        return result_of(command_id, answer, show=True)

    async def _set_variable(self, command: commands.SetVariable, command_id: str) -> CommandResult:
        answer = await self._link(command.station_id).set_variable(command.name, command.value)
        words = None if answer.status == "Accepted" else in_words(answer.status)
        if answer.status == "Accepted":
            self._background.spawn(self._read_back(command, command_id), f"reads {command.name}")
        return replace(result_of(command_id, answer, show=True), reason=words)

    async def _read_back(self, command: commands.SetVariable, command_id: str) -> None:
        """The effect is the value as the station has it now; what is secret shows none."""
        try:
            found = await self._readings.now(command.station_id, (command.name,))
        except ControllerError as error:
            log.info("%s: %s not read back: %s", command.station_id, command.name, error.detail)
            return
        held = found.get(command.name.casefold())
        if held is None or held.secret or held.value is None:
            return
        if same(held.value, command.value):
            self._keep(CommandResult(command_id, CommandState.EFFECTIVE))
        else:
            reason = f"it was taken, but the charger still has {held.value!r}"
            self._keep(CommandResult(command_id, CommandState.INEFFECTIVE, reason))

    async def _call(self, command: commands.CallStation, command_id: str) -> CommandResult:
        link = self._link(command.station_id)
        if command.action.endswith("StartTransaction"):
            await self._load.make_room(command.station_id)
        body = await link.call(command.action, command.payload)
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
        *,
        after: Effect | None = None,
        within_s: float | None = None,
        missing: str = "nothing happened",
    ) -> None:
        """Follow an accepted command until its effect shows or its time is up, which counts from
        `after`; `within_s` None: `EFFECT_WITHIN_S`."""
        within_s = EFFECT_WITHIN_S if within_s is None else within_s

        async def wait() -> None:
            idle = after is None or await after.shows(IDLE_WITHIN_S)
            if await effect.shows(within_s if idle else 0):
                self._keep(CommandResult(command_id, CommandState.EFFECTIVE))
                on_effect()
                return
            reason = f"{missing} within {_time(within_s)}" if idle else STILL_BUSY
            self._keep(CommandResult(command_id, CommandState.INEFFECTIVE, reason))
            on_none()

        self._background.spawn(wait(), f"effect of {command_id}", patient=True)

    def _hear(self, event: Event) -> None:
        """Whoever carried a command out tells its effect when it shows."""
        if isinstance(event, CommandFinished):
            known = self._results.get(event.result.command_id)
            if known is not None and known.state not in (*SETTLED, event.result.state):
                self._results[known.command_id] = replace(event.result, answer=known.answer)
                self.log.note(event.result, self._clock.now())

    def _keep(self, result: CommandResult, *, tell: bool = True) -> None:
        known = self._results.get(result.command_id)
        if known is not None and known.state in SETTLED:
            return
        self._results[result.command_id] = result
        if result.state is not CommandState.SENT:
            self.log.note(result, self._clock.now())
        while len(self._results) > RESULTS_MAX:
            self._results.popitem(last=False)
        if tell:
            self._publisher.publish(CommandFinished(replace(result, answer=None)))


def _scheduled(result: CommandResult, status: str) -> CommandResult:
    return replace(result, reason=LATER) if status == "Scheduled" else result


def _time(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds > EFFECT_WITHIN_S else f"{seconds:.0f} s"


def _draws_nothing(reading: MeterReading) -> bool:
    known = [current_a for current_a in reading.current_a if current_a is not None]
    if not known and reading.power_w is not None:
        known = [reading.power_w / NOMINAL_V]
    return bool(known) and max(known) <= PAUSED_A_MAX


def _claim(tx: UnitOfWork, key: str, command_id: str, at: datetime) -> str | None:
    known = tx.remembered(key)
    if known is not None:
        return str(known)
    tx.remember(key, command_id, at)
    return None


def _transaction(tx: UnitOfWork, key: str) -> Transaction | None:
    return tx.transaction(key)
