"""Full garbage collections come when there is garbage, not whenever Python likes."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sitecontroller import garbage
from sitecontroller.garbage import LOOK_EVERY_S, collect_seldom
from sitecontroller.simulation.virtual_time import VirtualLoop
from tests.support import run_bounded

GROWTH_BLOCKS = 20_000


class Knot:
    """Two of these that hold each other are freed by a collection alone."""

    other: "Knot | None" = None


@pytest.fixture(autouse=True)
def _little_is_much(monkeypatch):
    monkeypatch.setattr(garbage, "GROWTH_BLOCKS", GROWTH_BLOCKS)


@asynccontextmanager
async def collecting() -> AsyncIterator[None]:
    task = asyncio.create_task(collect_seldom())
    await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def is_kept(pairs: int) -> bool:
    """Whether so much garbage, made between two looks, is still there after the second."""

    async def look() -> bool:
        async with collecting():
            gc.disable()  # only what `collect_seldom` itself asks for
            await asyncio.sleep(1.5 * LOOK_EVERY_S)
            knots = [Knot() for _ in range(2 * pairs)]
            for one, two in zip(knots[::2], knots[1::2], strict=True):
                one.other, two.other = two, one
            last = weakref.ref(knots[-1])
            del knots, one, two
            await asyncio.sleep(LOOK_EVERY_S)
            return last() is not None

    try:
        return run_bounded(look(), loop_factory=VirtualLoop)
    finally:
        gc.enable()


def test_much_garbage_is_collected():
    assert not is_kept(pairs=GROWTH_BLOCKS)


def test_for_little_garbage_nobody_is_held_up():
    assert is_kept(pairs=10)


def test_full_collections_of_pythons_own_accord_are_off_meanwhile():
    async def thresholds() -> tuple[int, int]:
        async with collecting():
            meanwhile = gc.get_threshold()[2]
        return meanwhile, gc.get_freeze_count()

    before = gc.get_threshold()
    assert run_bounded(thresholds(), loop_factory=VirtualLoop) == (garbage.NEVER, 0)
    assert gc.get_threshold() == before
