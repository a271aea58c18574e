"""Alarms: raised once, counted when they come again, kept until someone has seen them."""

from datetime import UTC, datetime

import pytest

from sitecontroller.domain.alarm import ALARMS
from sitecontroller.domain.errors import NotFound
from sitecontroller.domain.events import AlarmChanged, Event
from sitecontroller.publisher import Publisher
from sitecontroller.services.alarms import AlarmService
from sitecontroller.services.background import Background
from sitecontroller.storage.store import Store

KEY = "meter-stale:grid"


class FixedClock:
    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic_s(self) -> float:
        return 0.0


@pytest.fixture
def scene(run, tmp_path):
    """`scene(play)` runs `await play(alarms, told, restarted)`."""

    async def staged(play):
        clock = FixedClock()
        store = await Store.open(tmp_path / "site.db", clock)
        background = Background()
        told: list[Event] = []
        publisher = Publisher()
        publisher.subscribe(told.append)
        alarms = AlarmService(store, clock, publisher, background)

        async def restarted() -> AlarmService:
            await background.close(within_s=5)
            again = AlarmService(store, clock, Publisher(), background)
            await again.load()
            return again

        try:
            await play(alarms, told, restarted)
        finally:
            await background.close(within_s=5)
            await store.close()

    return lambda play: run(staged(play))


def test_a_standing_alarm_is_told_once(scene):
    async def play(alarms, told, restarted):
        for _ in range(3):
            alarms.raise_("meter-stale", "grid", meter="grid", age_s="60")
        assert len(told) == 1
        assert isinstance(told[0], AlarmChanged)

    scene(play)


def test_an_alarm_that_is_over_stays_until_it_was_seen(scene):
    async def play(alarms, told, restarted):
        alarms.raise_("meter-stale", "grid")
        alarms.clear("meter-stale", "grid")
        assert [alarm.active for alarm in alarms.open()] == [False]
        await alarms.acknowledge(KEY, "Keller")
        assert alarms.open() == ()

    scene(play)


def test_an_alarm_that_comes_again_counts_and_wants_to_be_seen_anew(scene):
    async def play(alarms, told, restarted):
        alarms.raise_("meter-stale", "grid")
        await alarms.acknowledge(KEY, "Keller")
        alarms.clear("meter-stale", "grid")
        alarms.raise_("meter-stale", "grid")
        alarms.clear("meter-stale", "grid")
        alarms.raise_("meter-stale", "grid")
        (alarm,) = alarms.open()
        assert alarm.count == 2
        assert alarm.acknowledged_at is None

    scene(play)


def test_alarms_survive_a_restart(scene):
    async def play(alarms, told, restarted):
        alarms.raise_("meter-stale", "grid", meter="grid")
        again = await restarted()
        (alarm,) = again.open()
        assert (alarm.key, alarm.parameters) == (KEY, {"meter": "grid"})

    scene(play)


def test_acknowledging_what_is_not_there_says_so(scene):
    async def play(alarms, told, restarted):
        with pytest.raises(NotFound):
            await alarms.acknowledge("meter-stale:grid", "Keller")

    scene(play)


@pytest.mark.parametrize("code", sorted(ALARMS))
def test_every_alarm_says_what_to_do(code):
    assert ALARMS[code].text
    assert ALARMS[code].remedy
