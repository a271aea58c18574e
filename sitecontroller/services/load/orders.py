"""What a load-management cycle wants said to stations, and the tasks that say it.

A cycle never waits for a station: orders go into a mailbox per EVSE that keeps the newest limit
only, and one task per EVSE empties it. What became of each is told back; it is no evidence.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Protocol

from sitecontroller.domain.errors import CallRefused, OperatingError
from sitecontroller.domain.topology import EvseKey
from sitecontroller.ports import ChargingLimit, LimitSuperseded, ScheduledLimit, StationLink

TASKS_MAX = 5000
CLOSE_WITHIN_S = 2.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SetLimit:
    """Tell an EVSE its limit; `number` names it in the exposure."""

    key: EvseKey
    number: int
    limit: ChargingLimit


@dataclass(frozen=True, slots=True)
class ClearLimit:
    """Take a limit out of an EVSE whose session ended: its fallback holds for the next one."""

    key: EvseKey
    number: int


@dataclass(frozen=True, slots=True)
class AskEvidence:
    """Ask for a reading of what is drawn, for the composite schedule, or for both."""

    key: EvseKey
    reading: bool
    schedule: bool


@dataclass(frozen=True, slots=True)
class EndTransaction:
    """S6: end the session of an EVSE that doesn't obey; S7: or one that a breaker can't carry."""

    key: EvseKey
    station_transaction_id: str
    why: str = "it draws more than told"


@dataclass(frozen=True, slots=True)
class TakeOutOfService:
    """S6: its session goes on all the same."""

    key: EvseKey


@dataclass(frozen=True, slots=True)
class PushFallbacks:
    """S5: a station came (back); give it its permanent limits before anything else."""

    station_id: str


Order = SetLimit | ClearLimit | AskEvidence | EndTransaction | TakeOutOfService | PushFallbacks
LimitOrder = SetLimit | ClearLimit


class Outcome(StrEnum):
    """What came of a limit that was to be sent."""

    TAKEN = "taken"
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    NEVER_SENT = "never-sent"


class Listener(Protocol):
    """Who hears what became of orders."""

    def limit_answered(self, order: LimitOrder, outcome: Outcome) -> None: ...
    def schedule_answered(
        self, key: EvseKey, scheduled: ScheduledLimit, asked_s: float
    ) -> None: ...
    async def push_fallbacks(self, link: StationLink) -> None: ...


class Dispatcher:
    """Runs orders; `link` finds a station's connection, `monotonic_s` tells the time."""

    def __init__(
        self,
        link: Callable[[str], StationLink | None],
        monotonic_s: Callable[[], float],
        listener: Listener,
    ) -> None:
        self._link = link
        self._monotonic_s = monotonic_s
        self._listener = listener
        self._mailbox: dict[EvseKey, LimitOrder] = {}
        self._busy: set[EvseKey] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def dispatch(self, orders: tuple[Order, ...]) -> None:
        """Hand out the orders of a cycle; returns at once."""
        for order in orders:
            if isinstance(order, SetLimit | ClearLimit):
                self._post(order)
            else:
                self._spawn(self._perform(order), type(order).__name__)

    def waiting(self, key: EvseKey) -> LimitOrder | None:
        """The limit of an EVSE that hasn't left yet."""
        return self._mailbox.get(key)

    def take_back(self, key: EvseKey) -> None:
        """The limit that hasn't left yet shall not leave."""
        order = self._mailbox.pop(key, None)
        if order is not None:
            self._listener.limit_answered(order, Outcome.NEVER_SENT)

    async def close(self) -> None:
        """Stop what still waits for an answer."""
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=CLOSE_WITHIN_S)
        self._mailbox.clear()
        self._busy.clear()

    def _post(self, order: LimitOrder) -> None:
        replaced = self._mailbox.get(order.key)
        if replaced is not None:
            self._listener.limit_answered(replaced, Outcome.NEVER_SENT)
        self._mailbox[order.key] = order
        if order.key not in self._busy:
            self._busy.add(order.key)
            self._spawn(self._empty(order.key), f"limits of {order.key}")

    async def _empty(self, key: EvseKey) -> None:
        try:
            while (order := self._mailbox.pop(key, None)) is not None:
                link = self._link(key.station_id)
                if link is not None:
                    order = _as_can_be_told(order, link)
                outcome = Outcome.UNANSWERED
                try:
                    outcome = await self._send(order, link)
                    if link is not None:
                        order = _as_can_be_told(order, link)
                finally:
                    self._listener.limit_answered(order, outcome)
        finally:
            self._busy.discard(key)

    @staticmethod
    async def _send(order: LimitOrder, link: StationLink | None) -> Outcome:
        if link is None:
            return Outcome.NEVER_SENT
        try:
            if isinstance(order, SetLimit):
                answer = await link.set_limit(order.limit)
            else:
                answer = await link.clear_limit(order.key.evse_id)
        except LimitSuperseded:
            return Outcome.NEVER_SENT
        except CallRefused as error:
            log.warning("%s: limit refused: %s", order.key, error.detail)
            return Outcome.REFUSED
        except OperatingError as error:
            log.warning("%s: no answer to a limit: %s", order.key, error.detail)
            return Outcome.UNANSWERED
        return Outcome.TAKEN if answer.accepted else Outcome.REFUSED

    async def _perform(self, order: Order) -> None:
        station_id = order.station_id if isinstance(order, PushFallbacks) else order.key.station_id
        link = self._link(station_id)
        if link is None:
            return
        try:
            match order:
                case PushFallbacks():
                    await self._listener.push_fallbacks(link)
                case AskEvidence():
                    await self._ask(link, order)
                case EndTransaction(key, station_transaction_id, why):
                    log.warning("%s: ending its session: %s", key, why)
                    await link.stop(station_transaction_id)
                case TakeOutOfService(key):
                    log.warning("%s: taking it out of service: it goes on drawing", key)
                    await link.change_availability(key.evse_id, operative=False)
        except OperatingError as error:
            log.warning("%s: %s: %s", station_id, type(order).__name__, error.detail)

    async def _ask(self, link: StationLink, order: AskEvidence) -> None:
        if order.reading:
            with contextlib.suppress(OperatingError):
                await link.trigger("MeterValues", order.key.evse_id)
        if order.schedule:
            asked_s = self._monotonic_s()
            with contextlib.suppress(LimitSuperseded):  # a newer question will be answered
                scheduled = await link.composite_limit(order.key.evse_id)
                self._listener.schedule_answered(order.key, scheduled, asked_s)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        assert len(self._tasks) < TASKS_MAX, f"{TASKS_MAX} orders under way: {name} is too much"
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("%s: failed", task.get_name(), exc_info=task.exception())


def _as_can_be_told(order: LimitOrder, link: StationLink) -> LimitOrder:
    """Without the station's clock nothing ends by itself; the link may be another one by now, or
    have changed the way in which it tells limits."""
    if isinstance(order, ClearLimit):
        return order
    if link.clock_offset_s is not None and (link.holds_leases or order.limit.way is not None):
        return order
    return replace(order, limit=replace(order.limit, lease_s=None))
