"""Watches the sources of limits that site.toml names: what each said, whether it is still heard.

What they say comes from `signals/` (an edge) through the methods of `ports.SignalListener`; what
holds because of it goes to `LimitSources`. How long what holds is decided by `domain.lpc`.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from math import inf
from zoneinfo import ZoneInfo

from sitecontroller.config import LimitSourceSettings
from sitecontroller.domain.commands import Command
from sitecontroller.domain.errors import StoreUnavailable
from sitecontroller.domain.limit_signal import (
    SAID_MAX,
    LimitSourcesQuery,
    LimitSourceView,
    Said,
    SaidLimit,
    SourceMemory,
)
from sitecontroller.domain.limit_source import SiteLimit
from sitecontroller.domain.lpc import CONTROLLED, Control, ControlState, LimitValue, Spell
from sitecontroller.domain.queries import Query
from sitecontroller.domain.topology import UNKNOWN_PHASES
from sitecontroller.domain.views import Page
from sitecontroller.services.desk import Answerer, Desk, Handler
from sitecontroller.services.load.sources import LimitSources
from sitecontroller.services.shelf import Shelf

TICK_S = 1.0
"""How late an end, or silence, may be noticed."""

log = logging.getLogger(__name__)


class _Watched:
    """One source as it stands."""

    def __init__(self, settings: LimitSourceSettings, control: Control, began_at: datetime) -> None:
        self.settings = settings
        self.control = control
        self.state_since = began_at
        self.said: tuple[SaidLimit, ...] = ()
        self.stored: tuple[SaidLimit, ...] = ()
        self.last_contact_at: datetime | None = None
        self.fault: str | None = None
        self.limit: SiteLimit | None = None

    @property
    def source_id(self) -> str:
        return self.settings.source_id


class LimitSignals:
    """Owner of what the sources said."""

    def __init__(self, desk: Desk, limits: LimitSources) -> None:
        self._desk = desk
        self._limits = limits
        self._time_zone = ZoneInfo(desk.config.time_zone)
        self._shelf = Shelf(desk.store, "limit-source", SourceMemory)
        self._watched: dict[str, _Watched] = {}
        self._news = asyncio.Event()
        self.handlers: Mapping[type[Command], Handler] = {}
        self.answerers: Mapping[type[Query], Answerer] = {LimitSourcesQuery: self._page}

    async def load(self) -> None:
        """Every source begins in *init*: what it said before and its failsafe limit hold."""
        now = self._desk.clock.now()
        for settings in self._desk.config.limit_sources:
            control = Control.start(settings.terms, self._desk.clock.monotonic_s())
            self._watched[settings.source_id] = _Watched(settings, control, now)
        for memory in await self._shelf.all():
            watched = self._watched.get(memory.source_id)
            if watched is None:
                await self._shelf.drop(memory.source_id)
                continue
            watched.said = watched.stored = memory.said
            watched.control = replace(watched.control, spells=self._spells(memory.said))
        for watched in self._watched.values():
            self._bring_to_now(watched)

    async def run(self) -> None:
        """Notice ends and silence, and store what was said, until cancelled."""
        while True:
            self._news.clear()
            for watched in self._watched.values():
                self._bring_to_now(watched)
                if watched.said != watched.stored:
                    await self._store(watched)
            # not wait_for: in Python 3.11 it loses a cancellation that comes with the news
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._news.wait()

    async def _store(self, watched: _Watched) -> None:
        said, source_id = watched.said, watched.source_id
        memory = SourceMemory(source_id, said)
        with contextlib.suppress(StoreUnavailable):  # it holds all the same; tried again
            await self._shelf.put(source_id, memory, self._desk.clock.now())
            watched.stored = said

    # what the edge tells

    def told(self, source_id: str, said: Said, *, heartbeat: bool = True) -> None:
        """All that a source wants limited from now on; nothing: unlimited."""
        assert len(said) <= SAID_MAX, f"{source_id} says {len(said)} limits at once"
        watched = self._watched[source_id]
        self._heard(watched)
        spells = self._spells(said)
        now_s = self._desk.clock.monotonic_s()
        watched.control = watched.control.told(spells, now_s, heartbeat=heartbeat)
        if tuple(said) != watched.said:
            watched.said = tuple(said)
            self._news.set()
        self._bring_to_now(watched)

    def recalled(self, source_id: str, said: Said) -> None:
        """What a source said once, nobody knows when: it holds beside what is known."""
        watched = self._watched[source_id]
        now_s = self._desk.clock.monotonic_s()
        watched.control = watched.control.recalled(self._spells(said), now_s)
        self._bring_to_now(watched)

    def alive(self, source_id: str) -> None:
        """A heartbeat that says nothing else."""
        watched = self._watched[source_id]
        self._heard(watched)
        watched.control = watched.control.heartbeat(self._desk.clock.monotonic_s())
        self._bring_to_now(watched)

    def failed(self, source_id: str, why: str) -> None:
        """It wasn't reached, or what it says can't be a limit: nothing changes but time."""
        watched = self._watched[source_id]
        if watched.fault is None:
            log.warning("limit source %s: %s", source_id, why)
        watched.fault = why
        self._bring_to_now(watched)

    def lost(self, source_id: str, why: str) -> None:
        """It is known to be gone."""
        watched = self._watched[source_id]
        watched.control = watched.control.lost(self._desk.clock.monotonic_s())
        self.failed(source_id, why)

    def _heard(self, watched: _Watched) -> None:
        watched.last_contact_at = self._desk.clock.now()
        if watched.fault is not None:
            log.info("limit source %s: is understood again", watched.source_id)
            watched.fault = None

    def _spells(self, said: Iterable[SaidLimit]) -> tuple[Spell, ...]:
        """On the monotonic clock, so that a step of the wall clock ends nothing."""
        now, now_s = self._desk.clock.now(), self._desk.clock.monotonic_s()

        def at_s(at: datetime | None, otherwise: float) -> float:
            return otherwise if at is None else now_s + (at - now).total_seconds()

        return tuple(
            Spell(each.value, at_s(each.starts_at, -inf), at_s(each.ends_at, inf)) for each in said
        )

    # what holds because of it

    def _bring_to_now(self, watched: _Watched) -> None:
        now_s = self._desk.clock.monotonic_s()
        before, watched.control = watched.control.state, watched.control.passed(now_s)
        state = watched.control.state
        if state is not before:
            watched.state_since = self._desk.clock.now()
        spells = watched.control.in_force(now_s)
        limit = self._limit(watched, spells, now_s) if spells else None
        if limit is None and watched.limit is not None:
            self._limits.let_go(watched.source_id)
        elif limit is not None and _alike(limit, watched.limit):
            limit = watched.limit
        elif limit is not None:
            limit = replace(limit, since=self._desk.clock.now())
            self._limits.keep(limit)
        watched.limit = limit
        self._tell_silence(watched, now_s)

    def _limit(self, watched: _Watched, spells: tuple[Spell, ...], now_s: float) -> SiteLimit:
        settings, control, now = watched.settings, watched.control, self._desk.clock.now()
        smallest = _smallest(spell.value for spell in spells)
        ends_s = min(spell.ends_s for spell in spells)
        known = watched.limit
        current_a = smallest.current_a
        return SiteLimit(
            limit_id=settings.source_id,
            source=settings.source,
            set_by=f"limit source '{settings.source_id}'",
            since=now if known is None else known.since,
            until=None if ends_s == inf else now + timedelta(seconds=ends_s - now_s),
            circuit_id=settings.circuit_id,
            group_id=settings.group_id,
            current_a=UNKNOWN_PHASES if current_a is None else (current_a,) * 3,
            power_w=smallest.power_w,
            reason=_REASONS.get(control.state, ""),
            voltage_v=settings.voltage_v,
        )

    def _tell_silence(self, watched: _Watched, now_s: float) -> None:
        control, alarms = watched.control, self._desk.alarms
        if control.state in CONTROLLED:
            alarms.clear("limit-source-silent", watched.source_id)
        elif (
            control.state is not ControlState.INIT
            or now_s - control.since_s >= watched.settings.terms.heartbeat_s
        ):
            limit = watched.limit
            alarms.raise_(
                "limit-source-silent",
                watched.source_id,
                source=watched.source_id,
                reason=watched.fault or "it says nothing",
                holds="nothing" if limit is None else _amount(limit),
            )

    # what is shown

    async def _page(self, query: LimitSourcesQuery) -> Page[LimitSourceView]:
        return Page(tuple(self._view(watched) for watched in self._watched.values()), None)

    def _view(self, watched: _Watched) -> LimitSourceView:
        settings, limit = watched.settings, watched.limit
        current_a = None if limit is None else limit.current_a[0]
        return LimitSourceView(
            source_id=settings.source_id,
            kind=settings.kind,
            source=settings.source,
            circuit_id=settings.circuit_id,
            group_id=settings.group_id,
            state=watched.control.state,
            state_since=watched.state_since,
            last_contact_at=watched.last_contact_at,
            says=self._words(watched),
            power_w=None if limit is None else limit.power_w,
            current_a=current_a,
            until=None if limit is None else limit.until,
            fault=watched.fault,
        )

    def _words(self, watched: _Watched) -> str:
        """What it said last, and what holds instead where it is silent."""
        limit = watched.limit
        if limit is None:
            return "no limit"
        now = self._desk.clock.now()
        until = limit.words(now, self._time_zone).partition("' ")[2]
        return " ".join(part for part in (_amount(limit), until, limit.reason) if part)


_REASONS = {
    ControlState.INIT: "until it is heard after the start of the controller",
    ControlState.FAILSAFE: "it is silent",
}


def _smallest(values: Iterable[LimitValue]) -> LimitValue:
    known = tuple(values)
    return LimitValue(
        min((each.power_w for each in known if each.power_w is not None), default=None),
        min((each.current_a for each in known if each.current_a is not None), default=None),
    )


def _amount(limit: SiteLimit) -> str:
    current_a = limit.current_a[0]
    values = [
        None if limit.power_w is None else f"{limit.power_w:g} W",
        None if current_a is None else f"{current_a:g} A",
    ]
    return " and ".join(value for value in values if value)


def _alike(limit: SiteLimit, known: SiteLimit | None) -> bool:
    """The same but for the rounding of its end: told again it would be no news."""
    if known is None or (limit.until is None) is not (known.until is None):
        return False
    if limit.until is not None and known.until is not None:
        moved_s = abs((limit.until - known.until).total_seconds())
        return moved_s < TICK_S and replace(limit, until=known.until) == known
    return limit == known
