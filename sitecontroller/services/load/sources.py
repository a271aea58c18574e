"""Owner of the site limits: set, replaced, withdrawn, ended by themselves, kept over restarts.

Load management is told of every change and keeps the smallest; here is what people and other
systems see of them. They are limits that *we* keep; those that stations report are in
`external_limits`.
"""

import asyncio
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sitecontroller.dlm.fallbacks import fallbacks_a
from sitecontroller.domain.commands import Command, CommandResult, CommandState
from sitecontroller.domain.digital_input import InputKind
from sitecontroller.domain.errors import Conflict, FieldError, InvalidInput, NotFound
from sitecontroller.domain.events import SiteLimitChanged
from sitecontroller.domain.limit_source import (
    GroupsQuery,
    GroupView,
    SetSiteLimit,
    SiteLimit,
    SiteLimitQuery,
    SiteLimitsQuery,
    SiteLimitView,
    WithdrawSiteLimit,
    faults_of,
)
from sitecontroller.domain.queries import Query
from sitecontroller.domain.topology import PHASE_NAMES, PHASES, UNKNOWN_PHASES, Evse
from sitecontroller.domain.views import Page
from sitecontroller.services.desk import Answerer, Desk, Handler
from sitecontroller.services.load.limits import StandingLimit
from sitecontroller.services.shelf import Shelf

LIMITS_MAX = 100
"""In force at a time."""

log = logging.getLogger(__name__)

_ID = re.compile(r"[A-Za-z0-9_.-]{1,40}")


@dataclass(frozen=True, slots=True)
class _Standing:
    """`ends` ends it; None: it has no end."""

    standing: StandingLimit
    ends: asyncio.Task[None] | None

    @property
    def limit(self) -> SiteLimit:
        return self.standing.limit


class LimitSources:
    """All site limits in force, by id."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._time_zone = ZoneInfo(desk.config.time_zone)
        self._shelf = Shelf(desk.store, "site-limit", SiteLimit)
        self._standing: dict[str, _Standing] = {}
        self._by_themselves = frozenset(each.source_id for each in desk.config.limit_sources)
        self._of_contacts = frozenset(
            each.limit_id for each in desk.config.inputs if each.kind is InputKind.DIMMING
        )
        self._changing = asyncio.Lock()
        """Else an end could drop the row of the limit that has just replaced it."""
        self.handlers: Mapping[type[Command], Handler] = {
            SetSiteLimit: self._set_by_people,
            WithdrawSiteLimit: self._withdraw_by_people,
        }
        self.answerers: Mapping[type[Query], Answerer] = {
            SiteLimitsQuery: self._page,
            GroupsQuery: self._groups,
            SiteLimitQuery: self._one,
        }

    async def load(self) -> None:
        """Take up what stood; what ended meanwhile ends at once."""
        for limit in await self._shelf.all():
            if self._is_known(limit) and limit.limit_id not in self._by_themselves:
                self._stand(limit)
            else:
                log.warning("site limit %s: its place is gone or its id taken", limit.limit_id)
                await self._shelf.drop(limit.limit_id)
        self._tell_load()

    def standing(self, limit_id: str) -> SiteLimit | None:
        """The limit in force under that id."""
        known = self._standing.get(limit_id)
        return None if known is None else known.limit

    def keep(self, limit: SiteLimit) -> None:
        """A source of site.toml limits from now on, until it says otherwise; its `until` is for
        people. Nothing is stored here: whoever watches the source remembers it."""
        assert limit.limit_id in self._by_themselves, limit.limit_id
        known = self._standing.get(limit.limit_id)
        words = limit.words(self._desk.clock.now(), self._time_zone)
        self._standing[limit.limit_id] = _Standing(StandingLimit(limit, words, None), None)
        self._tell_load()
        if known is None or known.limit != limit:
            self._desk.publisher.publish(SiteLimitChanged(limit, in_force=True))
            log.info(
                "site limit %s: %s place=%s current_a=%s power_w=%s: %s",
                limit.limit_id,
                words,
                limit.group_id or limit.circuit_id,
                limit.current_a,
                limit.power_w,
                limit.reason,
            )

    def let_go(self, limit_id: str) -> None:
        """A source of site.toml limits nothing any more."""
        limit = self._forget(limit_id)
        if limit is not None:
            self._tell_load()
            self._desk.publisher.publish(SiteLimitChanged(limit, in_force=False))
            log.info("site limit %s: over", limit_id)

    async def set(self, command: SetSiteLimit) -> SiteLimitView:
        """Stored and in force. InvalidInput, Conflict, StoreUnavailable."""
        async with self._changing:
            limit = self._checked(command)
            self._refuse_one_too_many(limit.limit_id)
            await self._shelf.put(limit.limit_id, limit, limit.since)
            self._forget(limit.limit_id)
            self._stand(limit)
            self._tell_load()
        self._desk.publisher.publish(SiteLimitChanged(limit, in_force=True))
        view = self._view(self._standing[limit.limit_id])
        log.info(
            "site limit %s: set by %s: %s place=%s current_a=%s power_w=%s",
            limit.limit_id,
            limit.set_by,
            view.words,
            limit.group_id or limit.circuit_id,
            limit.current_a,
            limit.power_w,
        )
        return view

    async def withdraw(self, limit_id: str) -> None:
        """It limits nothing any more. NotFound, StoreUnavailable."""
        async with self._changing:
            self._known(limit_id)
            await self._end(limit_id, "withdrawn")

    async def _set_by_people(self, command: SetSiteLimit, command_id: str) -> CommandResult:
        self._refuse_what_is_a_source(command.limit_id)
        view = await self.set(command)
        return CommandResult(command_id, CommandState.ACCEPTED, view.warning)

    async def _withdraw_by_people(
        self, command: WithdrawSiteLimit, command_id: str
    ) -> CommandResult:
        self._refuse_what_is_a_source(command.limit_id)
        await self.withdraw(command.limit_id)
        return CommandResult(command_id, CommandState.ACCEPTED)

    def _refuse_one_too_many(self, limit_id: str) -> None:
        """Those of site.toml are few, and always have room."""
        of_site_toml = self._by_themselves | self._of_contacts
        if limit_id in self._standing.keys() | of_site_toml:
            return
        if len(self._standing.keys() - of_site_toml) >= LIMITS_MAX:
            raise Conflict(
                f"{LIMITS_MAX} site limits are in force already",
                remedy="Withdraw one, or replace one by using its id",
            )

    def _refuse_what_is_a_source(self, limit_id: str) -> None:
        for ids, table in (
            (self._by_themselves, "[[limit_sources]]"),
            (self._of_contacts, "[[inputs]]"),
        ):
            if limit_id in ids:
                raise Conflict(
                    f"'{limit_id}' is a source in site.toml: people can't change what it says",
                    remedy=f"Use another id, or change {table} on site",
                )

    def _stand(self, limit: SiteLimit) -> None:
        """From now on it counts, until its end comes."""
        now, now_s = self._desk.clock.now(), self._desk.clock.monotonic_s()
        words = limit.words(now, self._time_zone)
        ends_s, task = None, None
        if limit.until is not None:
            left_s = (limit.until - now).total_seconds()
            ends_s = now_s + left_s
            task = self._desk.background.spawn(
                self._end_later(limit.limit_id, left_s),
                f"end of site limit {limit.limit_id}",
                patient=True,
            )
        self._standing[limit.limit_id] = _Standing(StandingLimit(limit, words, ends_s), task)

    async def _end_later(self, limit_id: str, left_s: float) -> None:
        """Load management knows the end itself; here it is for people and for the next start."""
        await asyncio.sleep(left_s)
        async with self._changing:
            await self._end(limit_id, "over")

    async def _end(self, limit_id: str, why: str) -> None:
        await self._shelf.drop(limit_id)
        limit = self._forget(limit_id)
        self._tell_load()
        if limit is not None:
            self._desk.publisher.publish(SiteLimitChanged(limit, in_force=False))
            log.info("site limit %s: %s", limit_id, why)

    def _forget(self, limit_id: str) -> SiteLimit | None:
        known = self._standing.pop(limit_id, None)
        if known is None:
            return None
        if known.ends is not None and known.ends is not asyncio.current_task():
            known.ends.cancel()
        return known.limit

    def _tell_load(self) -> None:
        self._desk.load.limit_site([each.standing for each in self._standing.values()])

    # what is asked

    async def _page(self, query: SiteLimitsQuery) -> Page[SiteLimitView]:
        newest = sorted(self._standing.values(), key=lambda each: each.limit.since, reverse=True)
        return Page(tuple(self._view(each) for each in newest), None)

    async def _groups(self, query: GroupsQuery) -> Page[GroupView]:
        return Page(self._desk.load.group_views(), None)

    async def _one(self, query: SiteLimitQuery) -> SiteLimitView:
        return self._view(self._known(query.limit_id))

    def _known(self, limit_id: str) -> _Standing:
        known = self._standing.get(limit_id)
        if known is None:
            raise NotFound(f"no site limit '{limit_id}'", remedy="GET /v1/site-limits lists them")
        return known

    def _view(self, each: _Standing) -> SiteLimitView:
        return SiteLimitView(each.limit, each.standing.words, self._warning(each.limit))

    def _warning(self, limit: SiteLimit) -> str | None:
        """Fallbacks are what chargers keep without contact: a site limit below their sum (S2 is
        for fuses alone) holds only as long as all of them are online."""
        evses, phase_count = self._place(limit)
        texts = [
            f"{sum_a:g} A on {PHASE_NAMES[phase]} (limit {allowed_a:.4g} A)"
            for phase, sum_a, allowed_a in zip(
                PHASES, fallbacks_a(evses), limit.allowed_a(phase_count), strict=True
            )
            if allowed_a is not None and allowed_a < sum_a
        ]
        if not texts:
            return None
        return (
            "Chargers that lose contact, and cars that have just been started, may draw their "
            f"fallbacks, together {', '.join(texts)}"
        )

    # what is checked

    def _checked(self, command: SetSiteLimit) -> SiteLimit:
        now = self._desk.clock.now()
        root_id = self._desk.config.topology.root().circuit_id
        limit = SiteLimit(
            command.limit_id,
            command.source,
            command.set_by,
            now,
            command.until,
            (command.circuit_id or root_id) if command.group_id is None else None,
            command.group_id,
            command.current_a or UNKNOWN_PHASES,
            command.power_w,
            command.reason,
        )
        faults = [*faults_of(command, now)]
        if _ID.fullmatch(command.limit_id) is None:
            faults.append(FieldError("limit_id", "has 1 to 40 of A-Z a-z 0-9 _ . -"))
        if not self._is_known(limit):
            field = "circuit_id" if command.group_id is None else "group_id"
            faults.append(FieldError(field, "is none of site.toml"))
        if faults:
            raise InvalidInput(
                "; ".join(f"{fault.field} {fault.message}" for fault in faults),
                remedy="Mend the fields and send it again",
                errors=tuple(faults),
            )
        return limit

    def _is_known(self, limit: SiteLimit) -> bool:
        topology = self._desk.config.topology
        if limit.group_id is not None:
            return limit.group_id in topology.groups
        return limit.circuit_id in topology.circuits

    def _place(self, limit: SiteLimit) -> tuple[tuple[Evse, ...], int]:
        """The EVSEs that it is about and the phases that watts are spread over."""
        topology = self._desk.config.topology
        if limit.group_id is not None:
            return topology.members(limit.group_id), topology.phase_count(limit.group_id)
        assert limit.circuit_id is not None, "a limit has a place"
        return topology.below(limit.circuit_id), len(PHASES)
