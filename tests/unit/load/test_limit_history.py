"""The history of limits: what counts as a change, how many are kept, and when they are written."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sitecontroller.domain.errors import StoreUnavailable
from sitecontroller.domain.events import LimitsChanged
from sitecontroller.domain.limit_history import LimitChange
from sitecontroller.domain.topology import EvseKey
from sitecontroller.domain.views import LimitView
from sitecontroller.publisher import Publisher
from sitecontroller.services.background import Background
from sitecontroller.services.load.history import KEPT_FOR, KEPT_MAX, LimitHistory
from tests.unit.load.site import LoopClock, play

ONE = EvseKey("CP-01", 1)
MINUTE_S = 61.0


@dataclass
class Books:
    """A store that keeps changes, one list for each commit."""

    commits: list[list[LimitChange]] = field(default_factory=list)
    dropped: list[tuple[datetime, int]] = field(default_factory=list)
    fails: bool = False

    async def commit(self, fn: Any, *values: Any) -> Any:
        if self.fails:
            raise StoreUnavailable("the disk is full")
        return fn(self, *values)

    def add_limit_changes(self, changes: list[LimitChange]) -> None:
        if changes:
            self.commits.append(changes)

    def drop_limit_changes(self, before: datetime, most: int) -> int:
        self.dropped.append((before, most))
        return 0


@dataclass
class Desk:
    """As much of the desk as the history needs; `tell` is a cycle that shows a limit."""

    views: dict[EvseKey, LimitView] = field(default_factory=dict)
    store: Books = field(default_factory=Books)
    clock: LoopClock = field(default_factory=LoopClock)
    publisher: Publisher = field(default_factory=Publisher)
    background: Background = field(default_factory=Background)

    @property
    def load(self) -> "Desk":
        return self

    def limit_view(self, key: EvseKey) -> LimitView | None:
        return self.views.get(key)

    def tell(self, current_a: float, why: str = "Main, L1", bound_by: str = "main") -> None:
        self.views[ONE] = LimitView(current_a, f"{current_a:g} A: {why}", bound_by, 0.0)
        self.publisher.publish(LimitsChanged((ONE,), ()))

    def told(self) -> list[tuple[float, str]]:
        """All that was written."""
        return [(c.current_a, c.reason) for changes in self.store.commits for c in changes]


def watched(story: Any) -> None:
    async def watch() -> None:
        desk = Desk()
        await LimitHistory(desk).load()  # type: ignore[arg-type]
        try:
            await story(desk)
        finally:
            await desk.background.close(within_s=1)

    play(watch())


def test_a_change_is_another_ampere_or_another_reason() -> None:
    async def story(desk: Desk) -> None:
        for current_a, why in ((10, "Main"), (10.9, "Main"), (9.1, "Main"), (9.1, "Feeder")):
            desk.tell(current_a, why)
            await asyncio.sleep(MINUTE_S)
        desk.views[ONE] = LimitView(9.1, "9.1 A, rising to 16 A: Feeder", "main", 0.0)
        desk.publisher.publish(LimitsChanged((ONE,), ()))
        await asyncio.sleep(MINUTE_S)
        assert desk.told() == [(10, "Main"), (9.1, "Feeder")]

    watched(story)


def test_nothing_is_always_another_limit_than_little() -> None:
    async def story(desk: Desk) -> None:
        for current_a in (0.5, 0.0):
            desk.tell(current_a)
        await asyncio.sleep(MINUTE_S)
        assert [current_a for current_a, _ in desk.told()] == [0.5, 0]

    watched(story)


def test_of_a_restless_minute_the_lowest_and_the_last_are_kept_in_one_commit() -> None:
    async def story(desk: Desk) -> None:
        for current_a in (20, 12, 16, 8, 14, 18, 11):
            desk.tell(current_a)
            await asyncio.sleep(1)
        await asyncio.sleep(MINUTE_S)
        assert len(desk.store.commits) == 1
        assert desk.told() == [(8, "Main, L1"), (11, "Main, L1")]
        first, last = desk.store.commits[0]
        assert last.at - first.at == timedelta(seconds=3)

    watched(story)


def test_what_is_too_old_or_too_much_is_dropped_with_every_writing() -> None:
    async def story(desk: Desk) -> None:
        desk.tell(10)
        await asyncio.sleep(MINUTE_S)
        before, most = desk.store.dropped[-1]
        assert desk.clock.now() - before - KEPT_FOR < timedelta(seconds=2)
        assert most == KEPT_MAX

    watched(story)


def test_a_database_that_fails_ends_nothing() -> None:
    async def story(desk: Desk) -> None:
        desk.store.fails = True
        desk.tell(10)
        await asyncio.sleep(MINUTE_S)
        desk.store.fails = False
        desk.tell(12)
        await asyncio.sleep(MINUTE_S)
        assert desk.told() == [(12, "Main, L1")]

    watched(story)


def test_a_clean_stop_writes_the_last_minute() -> None:
    async def story() -> None:
        desk = Desk()
        await LimitHistory(desk).load()  # type: ignore[arg-type]
        await asyncio.sleep(0)
        desk.tell(10)
        await desk.background.close(within_s=1)
        assert desk.told() == [(10, "Main, L1")]

    play(story())
