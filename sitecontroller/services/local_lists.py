"""Local authorization lists, kept in step with what the site knows, by themselves.

A station is looked at after it has come, after cards have changed, and every night: a few at a
time, behind everything that people or load management want of it. What it took is kept over
restarts, so that only changes are sent; what it refuses is tried again ever more rarely, and a
model that has no list isn't asked again.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta
from zoneinfo import ZoneInfo

from sitecontroller.domain.authorization import AuthorizationStatus
from sitecontroller.domain.commands import Command, CommandResult, CommandState
from sitecontroller.domain.errors import NotFound, OperatingError
from sitecontroller.domain.events import CardRefused, Event, StationReady, TokensChanged
from sitecontroller.domain.local_list import (
    ClearAuthorizationCache,
    ClearCache,
    EmptyLocalList,
    ListState,
    LocalListQuery,
    LocalListsQuery,
    LocalListView,
    SyncLocalList,
)
from sitecontroller.domain.queries import Query
from sitecontroller.domain.views import Page
from sitecontroller.ports import StationLink
from sitecontroller.services.desk import Answerer, Desk, Handler, result_of
from sitecontroller.services.local_list_books import SeenCards
from sitecontroller.services.local_list_sync import ListSync

log = logging.getLogger(__name__)

AT_ONCE = 4
"""Stations that are brought in step at the same time."""
READY_AFTER_S = 20.0
"""After a station came: set-up goes first."""
LEFT_ALONE_S = 900.0
"""After a station was left alone, as it had answered nothing so far."""
CHANGED_AFTER_S = 5.0
"""After a card changed: others may follow."""
SPREAD_S = 0.5
"""Between two stations that the same cause calls for."""
NIGHT_HOUR = 3


class LocalLists:
    """When a station's list is looked at, and what people may ask of it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._seen = SeenCards(desk.store, desk.clock)
        self._sync = ListSync(desk, self._seen)
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._few_at_once = asyncio.Semaphore(AT_ONCE)
        self.handlers: Mapping[type[Command], Handler] = {
            SyncLocalList: self._sync_now,
            EmptyLocalList: self._empty,
            ClearAuthorizationCache: self._clear_cache,
        }
        self.answerers: Mapping[type[Query], Answerer] = {
            LocalListsQuery: self._views,
            LocalListQuery: self._view,
        }

    async def load(self) -> None:
        """Take up what was kept; from now on stations are looked at."""
        await self._sync.load()
        await self._seen.load()
        self._desk.publisher.subscribe(self._on_event, StationReady, TokensChanged, CardRefused)
        self._await_night()

    # commands and questions

    async def _sync_now(self, command: SyncLocalList, command_id: str) -> CommandResult:
        link = self._desk.link(command.station_id)
        kept, sent = await self._sync.sync(link, anew=command.anew)
        self._plan_retry(command.station_id)
        in_step = kept.state is ListState.IN_STEP
        answer = {"version": kept.version, "entries": len(kept.entries or ()), "sent": sent}
        state = CommandState.EFFECTIVE if in_step else CommandState.REJECTED
        return CommandResult(command_id, state, kept.reason, answer)

    async def _empty(self, command: EmptyLocalList, command_id: str) -> CommandResult:
        answer = await self._sync.empty(self._desk.link(command.station_id))
        return result_of(command_id, answer)

    async def _clear_cache(
        self, command: ClearAuthorizationCache, command_id: str
    ) -> CommandResult:
        answer = await self._desk.link(command.station_id).ask(ClearCache())
        return result_of(command_id, answer)

    async def _views(self, query: LocalListsQuery) -> Page[LocalListView]:
        lists = self._sync.lists
        station_ids = list(lists)
        start = station_ids.index(query.cursor) + 1 if query.cursor in lists else 0
        chosen = station_ids[start : start + query.limit]
        more = start + query.limit < len(station_ids)
        views = tuple(lists[station_id].view() for station_id in chosen)
        return Page(views, chosen[-1] if more and chosen else None)

    async def _view(self, query: LocalListQuery) -> LocalListView:
        kept = self._sync.lists.get(query.station_id)
        if kept is None:
            raise NotFound(
                f"no station '{query.station_id}'", remedy="GET /v1/local-lists has them all"
            )
        return kept.view()

    # when a station is looked at

    def _on_event(self, event: Event) -> None:
        match event:
            case StationReady(station_id):
                self._schedule(station_id, READY_AFTER_S)
            case TokensChanged():
                self._schedule_all(CHANGED_AFTER_S)
            case CardRefused(id_token=card, status=AuthorizationStatus.BLOCKED):
                if self._seen.note(card):
                    self._desk.background.spawn(self._seen.keep(card), "keep a blocked card")
                    self._schedule_all(CHANGED_AFTER_S)

    def _schedule_all(self, after_s: float) -> None:
        for number, station_id in enumerate(self._sync.lists):
            self._schedule(station_id, after_s + number * SPREAD_S)

    def _schedule(self, station_id: str, after_s: float) -> None:
        """Look at a station then, or sooner if that is planned already."""
        if station_id not in self._sync.lists:
            return
        loop = asyncio.get_running_loop()
        planned = self._timers.get(station_id)
        if planned is not None and planned.when() <= loop.time() + after_s:
            return
        if planned is not None:
            planned.cancel()
        self._timers[station_id] = loop.call_later(after_s, self._due, station_id)

    def _due(self, station_id: str) -> None:
        self._timers.pop(station_id, None)
        link = self._desk.stations.link(station_id)
        if link is None or self._sync.lists[station_id].state is ListState.OFF:
            return
        if not self._plan_retry(station_id):
            self._desk.background.spawn(
                self._sync_quietly(link), f"{station_id} local list", patient=True
            )

    def _plan_retry(self, station_id: str) -> bool:
        """Whether a station that refused is left alone for now; it is looked at again then."""
        retry_at = self._sync.lists[station_id].retry_at
        wait = timedelta(0) if retry_at is None else retry_at - self._desk.clock.now()
        if wait > timedelta(0):
            self._schedule(station_id, wait.total_seconds())
        return wait > timedelta(0)

    async def _sync_quietly(self, link: StationLink) -> None:
        if await self._sync.is_hopeless(link.station_id):
            return
        async with self._few_at_once:
            try:
                kept, _ = await self._sync.sync(link, unasked=True)
            except OperatingError as error:
                log.info("%s: local list: %s", link.station_id, error.detail)
            else:
                if kept.state is ListState.UNKNOWN:
                    self._schedule(link.station_id, LEFT_ALONE_S)
        self._plan_retry(link.station_id)

    def _await_night(self) -> None:
        now = self._desk.clock.now().astimezone(ZoneInfo(self._desk.config.time_zone))
        night = now.replace(hour=NIGHT_HOUR, minute=0, second=0, microsecond=0)
        if night <= now:
            night += timedelta(days=1)
        asyncio.get_running_loop().call_later((night - now).total_seconds(), self._night)

    def _night(self) -> None:
        self._schedule_all(0.0)
        self._await_night()
