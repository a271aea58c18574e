"""What 2.1 stations tell of a session beside its energy, priority charging, and what kinds of
energy transfer a session may use.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace

from sitecontroller.domain.commands import Command, CommandResult, CommandState
from sitecontroller.domain.errors import Conflict, FieldError, InvalidInput, NotFound
from sitecontroller.domain.events import Event, PriorityChanged, TransactionChanged
from sitecontroller.domain.queries import Query
from sitecontroller.domain.smart import (
    AllowedTransfers,
    AllowEnergyTransfers,
    EvState,
    EvStatesQuery,
    PriorityCharging,
    UsePriorityCharging,
)
from sitecontroller.domain.topology import EvseKey
from sitecontroller.domain.transaction import Transaction
from sitecontroller.domain.views import Page
from sitecontroller.services.car_needs import CarNeeds
from sitecontroller.services.desk import Answerer, Desk, Handler, result_of
from sitecontroller.services.effect import Effect
from sitecontroller.services.shelf import Shelf

EFFECT_WITHIN_S = 30.0
STATES_HELD = 1000
STATES_KEPT = 5000
NO_ROOM = "the fuses have no room for its fallback now; try again later"


class EvStates:
    """One row for each session that told something."""

    def __init__(self, desk: Desk, needs: CarNeeds) -> None:
        self._desk = desk
        self._needs = needs
        self._shelf = Shelf(desk.store, "ev-state", EvState)
        self._last: OrderedDict[str, EvState] = OrderedDict()
        self.handlers: Mapping[type[Command], Handler] = {
            UsePriorityCharging: self._use_priority,
            AllowEnergyTransfers: self._allow,
        }
        self.answerers: Mapping[type[Query], Answerer] = {EvStatesQuery: self._page}

    async def load(self) -> None:
        """From now on ended sessions end their alarms; load management learns of those that charge
        with priority."""
        self._desk.publisher.subscribe(self._on_event, TransactionChanged)
        for transaction in self._desk.transactions.running():
            key = _key(transaction.station_id, transaction.station_transaction_id)
            state = await self._shelf.get(key)
            if state is not None and state.priority:
                self._prioritize(transaction, active=True)

    async def told(self, state: EvState) -> None:
        """News of a session, beside what is known; nothing is written where nothing changed."""
        key = _key(state.station_id, state.transaction_id)
        known = self._last.get(key) or await self._shelf.get(key)
        if known is not None:
            news = {name: value for name, value in state.news.items() if value is not None}
            state = replace(known, **news, at=max(state.at, known.at))
            if state.news == known.news:
                return
        await self._shelf.put(key, state, state.at, state.station_id)
        if known is None:
            await self._shelf.trim(STATES_KEPT)
        self._last[key] = state
        while len(self._last) > STATES_HELD:
            self._last.popitem(last=False)

    async def prioritized(self, state: EvState) -> None:
        """A session charges by its priority profile, or no longer (K21.FR.05, K22.FR.03)."""
        active = state.priority is True
        for transaction in self._desk.transactions.running():
            if _key(transaction.station_id, transaction.station_transaction_id) == _key(
                state.station_id, state.transaction_id
            ):
                self._prioritize(transaction, active=active)
        await self.told(state)
        if state.evse_id is not None:
            place = str(EvseKey(state.station_id, state.evse_id))
            if active:
                self._desk.alarms.raise_("priority-charging", place, evse=place)
            else:
                self._desk.alarms.clear("priority-charging", place)
        self._desk.publisher.publish(
            PriorityChanged(state.station_id, state.transaction_id, active)
        )

    async def _use_priority(self, command: UsePriorityCharging, command_id: str) -> CommandResult:
        """Effective when the station says that it charges so (NotifyPriorityCharging).

        Its profile may be as much as the fallback: that is kept free before it is asked.
        """
        transaction = self._running(command.transaction_key)
        link = self._desk.link(transaction.station_id)
        place = EvseKey(transaction.station_id, transaction.evse_id)
        if command.activate and self._desk.config.topology.evse(place) is not None:
            self._prioritize(transaction, active=True)
            if not await self._desk.load.room_is_proven(place):
                self._prioritize(transaction, active=False)
                return CommandResult(command_id, CommandState.INEFFECTIVE, NO_ROOM)
        with Effect(
            self._desk.publisher,
            lambda event: (
                (event.station_id, event.transaction_id, event.active)
                == (transaction.station_id, transaction.station_transaction_id, command.activate)
            ),
            PriorityChanged,
        ) as effect:
            request = PriorityCharging(transaction.station_transaction_id, command.activate)
            answer = await link.ask(request)
            if not answer.accepted:
                if command.activate:
                    self._prioritize(transaction, active=False)
                return _refused(command_id, answer.status)
            if await effect.shows(EFFECT_WITHIN_S):
                return CommandResult(command_id, CommandState.EFFECTIVE)
        reason = f"the charger didn't say so within {EFFECT_WITHIN_S:.0f} s"
        return CommandResult(command_id, CommandState.INEFFECTIVE, reason)

    async def _allow(self, command: AllowEnergyTransfers, command_id: str) -> CommandResult:
        """Q02.FR.05; what the car asks for later is judged by it."""
        if not command.transfers:
            raise InvalidInput(
                "At least one kind of energy transfer stays allowed",
                remedy="Stop the session to end it",
                errors=(FieldError("transfers", "has one or more"),),
            )
        transaction = self._running(command.transaction_key)
        request = AllowedTransfers(transaction.station_transaction_id, command.transfers)
        answer = await self._desk.link(transaction.station_id).ask(request)
        if answer.accepted:
            self._needs.allowed(transaction.key, command.transfers)
        return result_of(command_id, answer)

    def _prioritize(self, transaction: Transaction, *, active: bool) -> None:
        place = EvseKey(transaction.station_id, transaction.evse_id)
        self._desk.load.prioritize(place, transaction.station_transaction_id, active=active)

    def _running(self, key: str) -> Transaction:
        transaction = self._desk.transactions.find(key)
        if transaction is None:
            raise NotFound(f"no running session '{key}'", remedy="GET /v1/transactions lists them")
        if not transaction.active:
            raise Conflict(f"session {key} has ended", remedy="Nothing is left to do")
        return transaction

    def _on_event(self, event: Event) -> None:
        if isinstance(event, TransactionChanged) and event.ended:
            place = EvseKey(event.transaction.station_id, event.transaction.evse_id)
            self._desk.alarms.clear("priority-charging", str(place))

    async def _page(self, query: EvStatesQuery) -> Page[EvState]:
        self._desk.known(query.station_id)
        return await self._shelf.page(query.limit, query.cursor, query.station_id)


def _refused(command_id: str, status: str) -> CommandResult:
    words = {"NoProfile": "the charger has no priority profile; set one first"}
    return CommandResult(command_id, CommandState.REJECTED, words.get(status, status))


def _key(station_id: str, transaction_id: str) -> str:
    return f"{station_id}/{transaction_id}"
