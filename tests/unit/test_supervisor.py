"""A part of the site is started again however it fails, and stops when the site stops."""

import asyncio
import contextlib

import pytest

from sitecontroller import supervisor
from sitecontroller.supervisor import Supervisor
from tests.support import eventually


@pytest.fixture
def scene(run, monkeypatch):
    """`scene(play)` runs `await play(keep, told)`; parts start again at once."""
    monkeypatch.setattr(supervisor, "RESTART_AFTER_S", 0)
    monkeypatch.setattr(supervisor, "CANCEL_AGAIN_S", 0.01)

    async def staged(play, on_failure):
        told: list[str] = []

        def tell(name: str) -> None:
            told.append(name)
            on_failure(name)

        async with contextlib.AsyncExitStack() as parts:
            await play(Supervisor(parts, tell).keep, told)

    return lambda play, on_failure=lambda _: None: run(staged(play, on_failure))


class Part:
    """Fails at its first run as told, then goes on for ever."""

    def __init__(self, fail) -> None:
        self.runs = 0
        self._fail = fail

    async def run(self) -> None:
        self.runs += 1
        if self.runs == 1:
            await self._fail()
        await asyncio.Event().wait()


async def bug() -> None:
    raise ValueError("a bug")


async def lose_an_awaited_task() -> None:
    task = asyncio.ensure_future(asyncio.sleep(60))
    task.cancel()
    await task


@pytest.mark.parametrize("failure", [bug, lose_an_awaited_task])
def test_a_part_that_fails_is_started_again_and_told(scene, failure):
    async def play(keep, told):
        part = Part(failure)
        keep("meters", part.run)
        await eventually(lambda: part.runs == 2)
        assert told == ["meters"]

    scene(play)


def test_a_part_is_started_again_even_when_telling_of_it_fails(scene):
    def broken(name: str) -> None:
        raise RuntimeError("the database is gone")

    async def play(keep, told):
        part = Part(bug)
        keep("meters", part.run)
        await eventually(lambda: part.runs == 2)

    scene(play, broken)


def test_a_part_ends_with_the_site(scene):
    runs: list[Part] = []

    async def play(keep, told):
        part = Part(asyncio.Event().wait)
        runs.append(part)
        keep("meters", part.run)
        await eventually(lambda: part.runs == 1)

    scene(play)
    assert runs[0].runs == 1


def test_a_part_that_loses_its_cancellation_ends_with_the_site_too(scene):
    async def wait_deaf() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    async def play(keep, told):
        part = Part(wait_deaf)
        keep("meters", part.run)
        await eventually(lambda: part.runs == 1)

    scene(play)
