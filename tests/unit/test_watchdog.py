"""The watchdog of the event loop names what holds it, and where."""

import asyncio
import gc
import threading
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest

from sitecontroller import watchdog
from sitecontroller.watchdog import CPU_S_MAX, SlowStep, Watchdog

LONG_S = 20 * CPU_S_MAX
WAIT_S = 0.3


@pytest.fixture(autouse=True)
def _quiet(monkeypatch) -> Iterator[None]:
    """Neither a collection of the tests' own garbage nor a busy machine is reported."""
    monkeypatch.setattr(watchdog, "WAIT_S_MAX", 60.0)
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def reports(run) -> Callable[[Callable[[], Awaitable[None]]], list[SlowStep]]:
    """`reports(story)`: what a watchdog says while `await story()` runs."""

    def watch(story: Callable[[], Awaitable[None]]) -> list[SlowStep]:
        heard: list[SlowStep] = []

        async def watched() -> None:
            with Watchdog(asyncio.get_running_loop(), heard.append):
                await asyncio.sleep(0)
                await asyncio.create_task(story())

        run(watched(), loop_factory=asyncio.new_event_loop)
        return heard

    return watch


def compute(seconds: float = LONG_S) -> None:
    ends_s = time.thread_time() + seconds
    while time.thread_time() < ends_s:
        pass


async def work() -> None:
    await asyncio.sleep(0)
    compute()


def test_a_task_that_computes_for_long_is_named_with_its_line(reports):
    (step,) = reports(work)
    assert step.culprit == "task work"
    assert step.cpu_s >= LONG_S
    assert "test_watchdog.py" in step.where
    assert "compute <" in step.where


def test_what_a_part_is_kept_going_by_does_not_hide_the_part(reports):
    async def keep() -> None:
        await part()

    async def part() -> None:
        compute()
        await asyncio.sleep(0)

    (step,) = reports(keep)
    assert step.culprit.endswith("keep > " + part.__qualname__)


def test_a_callback_is_named(reports):
    async def story() -> None:
        asyncio.get_running_loop().call_soon(compute)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    assert [step.culprit for step in reports(story)] == ["callback compute"]


def test_a_blocking_call_is_a_fault_though_it_computes_nothing(reports, monkeypatch):
    monkeypatch.setattr(watchdog, "WAIT_S_MAX", WAIT_S / 2)

    async def story() -> None:
        threading.Event().wait(WAIT_S)

    (step,) = reports(story)
    assert step.waited_s > WAIT_S / 2
    assert step.cpu_s < CPU_S_MAX


def test_the_share_of_garbage_collection_is_told(reports):
    async def story() -> None:
        compute()
        gc.collect()

    (step,) = reports(story)
    assert 0 < step.collecting_s < step.cpu_s - LONG_S


def test_short_steps_are_no_news(reports):
    async def story() -> None:
        for _ in range(1000):
            await asyncio.sleep(0)

    assert reports(story) == []


def test_the_same_again_is_no_news_but_much_worse_is(reports):
    async def story() -> None:
        for seconds in (LONG_S, LONG_S, 3 * LONG_S):
            compute(seconds)
            await asyncio.sleep(0)

    first, worse = reports(story)
    assert first.culprit == worse.culprit
    assert worse.cpu_s > 2 * first.cpu_s


def test_a_report_is_one_line_of_the_log(run, caplog):
    async def watched() -> None:
        with Watchdog(asyncio.get_running_loop()):
            await asyncio.create_task(work())

    run(watched(), loop_factory=asyncio.new_event_loop)
    (line,) = caplog.messages
    assert line.startswith("event loop: task work computed for ")
    assert "\n" not in line


def test_nothing_of_the_watch_remains(reports):
    before = asyncio.Handle._run
    threads = threading.active_count()
    reports(work)
    assert asyncio.Handle._run is before
    assert threading.active_count() == threads


def test_another_loop_is_none_of_its_business(run):
    heard: list[SlowStep] = []
    other = asyncio.new_event_loop()
    try:
        with Watchdog(other, heard.append):
            run(work(), loop_factory=asyncio.new_event_loop)
    finally:
        other.close()
    assert heard == []
