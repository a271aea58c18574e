"""Alarms: raised once, counted when they come again, kept until someone has seen them."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from sitecontroller.domain.alarm import ALARMS, Alarm
from sitecontroller.domain.errors import NotFound
from sitecontroller.domain.events import AlarmChanged, Event
from sitecontroller.publisher import Publisher
from sitecontroller.services.alarms import AlarmService
from sitecontroller.services.background import Background
from sitecontroller.storage.store import Store

KEY = "meter-stale:grid"


class HandClock:
    def __init__(self) -> None:
        self.passed_s = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.passed_s)

    def monotonic_s(self) -> float:
        return self.passed_s


@pytest.fixture
def scene(run, tmp_path):
    """`scene(play)` runs `await play(alarms, told, restarted)`; `alarms.clock` is moved by hand."""

    async def staged(play):
        clock = HandClock()
        store = await Store.open(tmp_path / "site.db", clock)
        background = Background()
        told: list[Event] = []
        publisher = Publisher()
        publisher.subscribe(told.append)
        alarms = AlarmService(store, clock, publisher, background)
        alarms.clock, alarms.store = clock, store

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


def test_the_log_ends_an_alarms_sentence_once(scene, caplog):
    async def play(alarms, told, restarted):
        alarms.raise_(
            "firmware-failed", "CP-01", station="CP-01", result="Failed: the file was not there."
        )
        assert "Failed: the file was not there. Do: " in caplog.text

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


def test_an_alarm_that_ends_while_it_is_acknowledged_is_gone(scene):
    async def play(alarms, told, restarted):
        alarms.raise_("meter-stale", "grid")
        seen = asyncio.create_task(alarms.acknowledge(KEY, "Keller"))
        await asyncio.sleep(0)
        alarms.clear("meter-stale", "grid")
        await seen
        assert alarms.open() == ()
        again = await restarted()
        assert again.open() == ()

    scene(play)


def test_an_alarm_that_comes_again_while_it_is_acknowledged_wants_to_be_seen_anew(scene):
    async def play(alarms, told, restarted):
        alarms.raise_("meter-stale", "grid")
        seen = asyncio.create_task(alarms.acknowledge(KEY, "Keller"))
        await asyncio.sleep(0)
        alarms.clear("meter-stale", "grid")
        alarms.clock.passed_s = 1
        alarms.raise_("meter-stale", "grid")
        await seen
        (alarm,) = alarms.open()
        assert alarm.active
        assert alarm.acknowledged_at is None

    scene(play)


def test_what_was_acknowledged_right_after_it_was_raised_stays_acknowledged(scene):
    async def play(alarms, told, restarted):
        alarms.raise_("meter-stale", "grid")
        await alarms.acknowledge(KEY, "Keller")
        again = await restarted()
        assert [alarm.acknowledged_by for alarm in again.open()] == ["Keller"]

    scene(play)


def test_an_alarm_that_came_twice_leaves_nothing_behind(scene):
    async def play(alarms, told, restarted):
        for passed_s in (0, 1):
            alarms.clock.passed_s = passed_s
            alarms.raise_("meter-stale", "grid")
            alarms.clear("meter-stale", "grid")
        await alarms.acknowledge(KEY, "Keller")
        again = await restarted()
        assert again.open() == ()

    scene(play)


EVENTS = [code for code, row in sorted(ALARMS.items()) if row.until_acknowledged]
FADING = [code for code, row in sorted(ALARMS.items()) if row.ends_after_s is not None]


def test_events_and_what_nobody_reports_the_end_of_are_marked():
    seen = {"transaction-review", "remote-start-unanswered", "receipt-differs", "station-notice"}
    assert seen <= set(EVENTS)
    assert {"duplicate-station", "component-restarted", "login-refused"} == set(FADING)


@pytest.mark.parametrize("code", EVENTS)
def test_acknowledging_an_event_ends_it(scene, code):
    async def play(alarms, told, restarted):
        alarms.raise_(code, "CP-01/1")
        await alarms.acknowledge(f"{code}:CP-01/1", "Keller")
        assert alarms.open() == ()
        again = await restarted()
        assert again.open() == ()

    scene(play)


@pytest.mark.parametrize("code", FADING)
def test_an_alarm_nobody_reports_the_end_of_is_over_when_it_has_not_come_again(scene, code):
    async def play(alarms, told, restarted):
        lasts_s = ALARMS[code].ends_after_s
        alarms.raise_(code, "subject")
        alarms.clock.passed_s = lasts_s - 1
        alarms.raise_(code, "subject")
        alarms.clock.passed_s = 2 * lasts_s - 2
        alarms.end_old()
        assert [alarm.active for alarm in alarms.open()] == [True]
        alarms.clock.passed_s = 2 * lasts_s - 1
        alarms.end_old()
        assert [alarm.active for alarm in alarms.open()] == [False]

    scene(play)


@pytest.mark.parametrize("code", FADING)
def test_after_a_restart_its_time_counts_anew(scene, code):
    async def play(alarms, told, restarted):
        alarms.raise_(code, "subject")
        alarms.clock.passed_s = 10 * ALARMS[code].ends_after_s
        again = await restarted()
        again.end_old()
        assert [alarm.active for alarm in again.open()] == [True]
        alarms.clock.passed_s += ALARMS[code].ends_after_s
        again.end_old()
        assert [alarm.active for alarm in again.open()] == [False]

    scene(play)


def test_a_start_copes_with_alarms_of_another_version(scene):
    async def play(alarms, told, restarted):
        at = alarms.clock.now()
        seen = Alarm("transaction-review:1", "transaction-review", "1", at, acknowledged_at=at)
        unknown = Alarm("from-the-future:1", "from-the-future", "1", at)
        for alarm in (seen, unknown):
            await alarms.store.commit(lambda tx, row=alarm: tx.put_alarm(row))
        again = await restarted()
        assert again.open() == ()

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
