"""Who was limited when, and by what: changes of limits, kept for people to look back.

A cycle only notes; a task writes once a minute, all in one commit. Small changes for the same
reason don't count, and of more than two within a minute the lowest and the last are kept, so that
a restless building doesn't fill the disk.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from sitecontroller.domain.commands import Command
from sitecontroller.domain.errors import FieldError, InvalidInput, StoreUnavailable
from sitecontroller.domain.events import Event, LimitsChanged
from sitecontroller.domain.limit_history import LimitChange, LimitHistoryQuery
from sitecontroller.domain.queries import Query
from sitecontroller.domain.topology import EvseKey
from sitecontroller.domain.views import LimitView, Page
from sitecontroller.ports import UnitOfWork
from sitecontroller.services.desk import Answerer, Desk, Handler

WRITE_EVERY_S = 60.0
KEPT_FOR = timedelta(days=30)
KEPT_MAX = 1_000_000
"""Changes; some 110 MB."""
CHANGE_A_MIN = 1.0

log = logging.getLogger(__name__)


class LimitHistory:
    """The last minute in memory, what came before in the database."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._known: dict[EvseKey, LimitView] = {}
        self._unwritten: dict[EvseKey, list[tuple[datetime, LimitView]]] = {}
        self.handlers: Mapping[type[Command], Handler] = {}
        self.answerers: Mapping[type[Query], Answerer] = {LimitHistoryQuery: self._page}

    async def load(self) -> None:
        """Begin to watch."""
        self._desk.publisher.subscribe(self._note, LimitsChanged)
        self._desk.background.spawn(self._write_on(), "the history of limits", patient=True)

    def _note(self, event: Event) -> None:
        """Part of every cycle: it costs a comparison for each EVSE that changed."""
        assert isinstance(event, LimitsChanged), "it asked for nothing else"
        now = self._desk.clock.now()
        for key in event.evse_keys:
            view = self._desk.load.limit_view(key)
            if view is None:
                continue
            known = self._known.get(key)
            if known is None or _differs(known, view):
                self._known[key] = view
                waiting = self._unwritten.setdefault(key, [])
                if len(waiting) > 1:
                    first, second = waiting
                    waiting.remove(first if second[1].current_a <= first[1].current_a else second)
                waiting.append((now, view))

    async def _write_on(self) -> None:
        try:
            while True:
                await asyncio.sleep(WRITE_EVERY_S)
                await self._write()
        finally:
            await self._write()

    async def _write(self) -> None:
        unwritten, self._unwritten = self._unwritten, {}
        noted = ((key, *each) for key, waiting in unwritten.items() for each in waiting)
        changes = sorted((_change(*each) for each in noted), key=lambda change: change.at)
        try:
            await self._desk.store.commit(_write, changes, self._desk.clock.now() - KEPT_FOR)
        except StoreUnavailable as error:
            log.warning("history of limits: %d changes lost: %s", len(changes), error.detail)

    async def _page(self, query: LimitHistoryQuery) -> Page[LimitChange]:
        """What isn't written yet is, first: the newest is what people ask for."""
        evse = None if query.evse is None else _key(query.evse)
        if self._unwritten:
            await self._write()
        return await self._desk.store.read(
            lambda tx: tx.limit_page(query.limit, query.cursor, evse, query.since, query.until)
        )


def _write(tx: UnitOfWork, changes: list[LimitChange], oldest: datetime) -> None:
    tx.add_limit_changes(changes)
    tx.drop_limit_changes(oldest, KEPT_MAX)


def _change(key: EvseKey, at: datetime, view: LimitView) -> LimitChange:
    why = _why(view.reason)
    return LimitChange(at, key.station_id, key.evse_id, view.current_a, view.bound_by, why)


def _differs(known: LimitView, view: LimitView) -> bool:
    return (
        abs(view.current_a - known.current_a) >= CHANGE_A_MIN
        or (view.current_a == 0) != (known.current_a == 0)
        or view.bound_by != known.bound_by
        or (view.reason != known.reason and _why(view.reason) != _why(known.reason))
    )


def _why(reason: str) -> str:
    """A reason without the currents before its first colon."""
    return reason.partition(": ")[2] or reason


def _key(text: str) -> EvseKey:
    try:
        return EvseKey.parse(text)
    except ValueError:
        raise InvalidInput(
            f"'{text}' names no EVSE",
            remedy="Write the charger's id and the outlet's number, as CP-01/1",
            errors=(FieldError("evse", "is like CP-01/1"),),
        ) from None
