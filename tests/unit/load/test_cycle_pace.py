"""When load management looks again: soon after something happened, at once when a fuse is over."""

import asyncio

from sitecontroller.services.load.pace import CYCLE_S, CYCLE_S_MIN, CyclePace
from sitecontroller.simulation.virtual_time import VirtualLoop
from tests.support import run_bounded
from tests.unit.load.site import LoopClock


def pause_s(*asks: tuple[float, bool]) -> float:
    """How long after a cycle the next begins when some are asked for so many s after it, for an
    overload or not."""

    async def story() -> float:
        loop = asyncio.get_running_loop()
        clock = LoopClock()
        pace = CyclePace(clock)
        began_s = clock.monotonic_s()
        for after_s, overloaded in asks:
            loop.call_later(after_s, lambda overloaded=overloaded: pace.ask(overloaded=overloaded))
        await pace.rest()
        await pace.due()
        return round(clock.monotonic_s() - began_s, 3)

    return run_bounded(story(), loop_factory=VirtualLoop)


def test_a_second_is_the_longest_without_a_cycle() -> None:
    assert pause_s() == CYCLE_S_MIN + CYCLE_S


def test_what_happens_soon_after_a_cycle_waits_for_the_pause() -> None:
    assert pause_s((0.05, False)) == CYCLE_S_MIN


def test_what_happens_later_is_answered_at_once() -> None:
    assert pause_s((0.6, False)) == 0.6


def test_an_overloaded_fuse_waits_for_no_pause() -> None:
    assert pause_s((0.03, False), (0.05, True)) == 0.05
