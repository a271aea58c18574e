"""How many CALLs are begun in one turn of the event loop."""

import asyncio

from sitecontroller.ocpp.pace import Pace
from tests.support import run_bounded


def test_of_many_calls_a_few_begin_in_each_turn_of_the_loop_in_their_order() -> None:
    assert run_bounded(_begun_by_turn(calls=5)) == [[0, 1], [2, 3], [4]]


def test_a_call_whose_session_ended_takes_no_turn_of_another() -> None:
    assert run_bounded(_begun_by_turn(calls=6, given_up=2)) == [[0, 1], [3, 4], [5]]


def test_after_a_rest_there_is_a_whole_turn_again() -> None:
    async def twice() -> list[list[int]]:
        pace = Pace(2)
        return [*await _begun(pace, 2), *await _begun(pace, 2)]

    assert run_bounded(twice()) == [[0, 1], [0, 1]]


async def _begun_by_turn(calls: int, given_up: int | None = None) -> list[list[int]]:
    return await _begun(Pace(2), calls, given_up)


async def _begun(pace: Pace, calls: int, given_up: int | None = None) -> list[list[int]]:
    begun: list[int] = []

    async def call(number: int) -> None:
        await pace.turn()
        begun.append(number)

    tasks = [asyncio.create_task(call(number)) for number in range(calls)]
    await asyncio.sleep(0)
    if given_up is not None:
        tasks[given_up].cancel()
    turns: list[list[int]] = []
    while not all(task.done() for task in tasks):
        turns.append(begun.copy())
        begun.clear()
        await asyncio.sleep(0)
    turns.append(begun)
    await asyncio.gather(*tasks, return_exceptions=True)
    return [turn for turn in turns if turn]
