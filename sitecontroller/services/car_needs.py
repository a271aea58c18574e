"""What cars ask for and say they will draw (ISO 15118): kept for each EVSE, answered, handed on.

Load management limits a session with or without this; its departure and energy count there as far
as people said nothing else (`load.needs`).
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace

from sitecontroller.domain.commands import Command
from sitecontroller.domain.events import ChargingNeedsTold, Event, TransactionChanged
from sitecontroller.domain.queries import Query
from sitecontroller.domain.smart import (
    ChargingNeeds,
    ChargingNeedsQuery,
    EnergyTransfer,
    EvSchedule,
    EvSchedulesQuery,
    NeedsVerdict,
)
from sitecontroller.domain.topology import NOMINAL_V, EvseKey, LimitUnit
from sitecontroller.domain.views import Page
from sitecontroller.services.desk import Answerer, Desk, Handler
from sitecontroller.services.shelf import Shelf

LOOKS, LOOK_EVERY_S = 10, 0.2
TOLERANCE_A = 0.5
"""A schedule in whole amperes or hundreds of watts is no excess."""

log = logging.getLogger(__name__)


class CarNeeds:
    """One row of each kind for an EVSE: its present car, or the last."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._shelf = Shelf(desk.store, "charging-needs", ChargingNeeds)
        self._schedules = Shelf(desk.store, "ev-schedule", EvSchedule)
        self._present: dict[EvseKey, ChargingNeeds] = {}
        self._allowed: dict[str, tuple[EnergyTransfer, ...]] = {}
        """By transaction."""
        self.handlers: Mapping[type[Command], Handler] = {}
        self.answerers: Mapping[type[Query], Answerer] = {
            ChargingNeedsQuery: self._needs_page,
            EvSchedulesQuery: self._schedules_page,
        }

    async def load(self) -> None:
        """Take up the needs of cars whose sessions still run."""
        running = {transaction.key for transaction in self._desk.transactions.running()}
        for needs in await self._shelf.all(open_only=True):
            if needs.transaction_key in running:
                self._present[needs.key] = needs
        self._desk.publisher.subscribe(self._on_event, TransactionChanged)

    def needs(self, key: EvseKey) -> ChargingNeeds | None:
        """What the car that charges here asked for; None: nothing, or nobody charges."""
        return self._present.get(key)

    def allowed(self, transaction_key: str, transfers: tuple[EnergyTransfer, ...]) -> None:
        """A session may use these from now on."""
        self._allowed[transaction_key] = transfers

    async def told(self, needs: ChargingNeeds) -> NeedsVerdict:
        """A car says what it needs; what it can count on.

        A schedule follows where load management steers the session: its limit is the schedule.
        """
        transaction = self._desk.transactions.active(needs.key)
        verdict = NeedsVerdict.NO_SCHEDULE
        if transaction is not None:
            allowed = self._allowed.get(transaction.key)
            if allowed is not None and needs.requested_transfer not in allowed:
                verdict = NeedsVerdict.NOT_ALLOWED
            elif await self._is_steered(needs.key):
                verdict = NeedsVerdict.SCHEDULE_FOLLOWS
        key = None if transaction is None else transaction.key
        energy_wh = None if transaction is None else transaction.energy_wh
        delivered_wh = None if energy_wh is None else float(energy_wh)
        kept = replace(needs, transaction_key=key, verdict=verdict, delivered_wh=delivered_wh)
        is_open = transaction is not None
        if self._desk.config.topology.evse(needs.key) is not None:
            at = needs.received_at
            await self._shelf.put(str(needs.key), kept, at, needs.station_id, open=is_open)
            if is_open:
                self._present[needs.key] = kept
                self._desk.publisher.publish(ChargingNeedsTold(kept))
        return verdict

    async def _is_steered(self, key: EvseKey) -> bool:
        """Whether load management tells the session here its limit; one that has just begun is
        known to it within a cycle."""
        for _ in range(LOOKS):
            if self._desk.load.told_a(key) is not None:
                return True
            await asyncio.sleep(LOOK_EVERY_S)
        return False

    def tell_limit(self, key: EvseKey) -> None:
        """The session's limit is to be sent (again): the schedule that was promised (K15.FR.07)."""
        self._desk.load.tell_again(key)

    async def scheduled(self, told: EvSchedule) -> bool:
        """A car says what it will draw: whether that is within its limit (K15.FR.11)."""
        limit_a = self._desk.load.told_a(told.key)
        most_a = self._most_a(told)
        within = limit_a is None or most_a is None or most_a <= limit_a + TOLERANCE_A
        if not within:
            log.warning("%s: the car plans %.1f A, allowed %.1f A", told.key, most_a, limit_a)
        kept = replace(told, accepted=within)
        if self._desk.config.topology.evse(told.key) is not None:
            await self._schedules.put(str(told.key), kept, told.received_at, told.station_id)
        return within

    def _most_a(self, told: EvSchedule) -> float | None:
        """The largest current of a schedule, per phase of the grid."""
        evse = self._desk.config.topology.evse(told.key)
        most = told.schedule.most
        if most is None or evse is None or told.schedule.unit is LimitUnit.A:
            return most
        return most / (NOMINAL_V * evse.phase_count * evse.efficiency)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, TransactionChanged) and event.ended:
            transaction = event.transaction
            self._allowed.pop(transaction.key, None)
            present = self._present.get(EvseKey(transaction.station_id, transaction.evse_id))
            if present is not None and present.transaction_key == transaction.key:
                del self._present[present.key]

    async def _needs_page(self, query: ChargingNeedsQuery) -> Page[ChargingNeeds]:
        self._desk.known(query.station_id)
        return await self._shelf.page(query.limit, query.cursor, query.station_id)

    async def _schedules_page(self, query: EvSchedulesQuery) -> Page[EvSchedule]:
        self._desk.known(query.station_id)
        return await self._schedules.page(query.limit, query.cursor, query.station_id)
