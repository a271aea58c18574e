"""Costly messages come few at a time, cheap ones in crowds, and all keep their turn."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from sitecontroller.ocpp import pace
from sitecontroller.ocpp.pace import CALLS_MAX, CALLS_MIN, Pace
from tests.support import run_bounded

CALLS = 400


def begun_per_turn(monkeypatch: pytest.MonkeyPatch, call_s: float) -> list[int]:
    """How many of CALLS calls that take so long each were begun between two turns of the loop."""
    now_s = 0.0
    turns: list[int] = []
    order: list[int] = []
    monkeypatch.setattr(pace.time, "perf_counter", lambda: now_s)

    async def call(number: int, turn: Callable[[], Awaitable[None]]) -> None:
        nonlocal now_s
        await turn()
        now_s += call_s
        turns[-1] += 1
        order.append(number)

    async def story() -> None:
        loop = asyncio.get_running_loop()
        one_pace = Pace()

        def next_turn() -> None:
            turns.append(0)
            if len(order) < CALLS:
                loop.call_soon(next_turn)

        next_turn()
        await asyncio.gather(*(call(number, one_pace.turn) for number in range(CALLS)))

    run_bounded(story())
    assert order == list(range(CALLS))
    return [count for count in turns if count]


def test_costly_calls_come_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert max(begun_per_turn(monkeypatch, 0.0005)) == CALLS_MIN


def test_cheap_calls_come_in_crowds_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = begun_per_turn(monkeypatch, 0.00001)
    assert max(counts) == CALLS_MAX
    assert len(counts) < CALLS / CALLS_MIN / 2
