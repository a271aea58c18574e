"""The async runner and the waiting functions keep what tests rely on."""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.event_loop import new_event_loop
from tests.support import eventually, run_bounded, wait_until

pytest_plugins = ["pytester"]
Run = Callable[..., Any]


async def answer(value: int) -> int:
    await asyncio.sleep(0)
    return value


def test_a_coroutine_gives_its_result(run: Run) -> None:
    assert run(answer(42)) == 42


def test_a_coroutine_raises_its_error(run: Run) -> None:
    async def fail() -> None:
        raise KeyError("meter")

    with pytest.raises(KeyError, match="meter"):
        run(fail())


async def leave_a_task() -> None:
    leave_a_task.task = asyncio.create_task(asyncio.sleep(3600), name="forgotten")  # type: ignore[attr-defined]


async def leave_a_socket() -> None:
    leave_a_socket.socket = socket.socket()  # type: ignore[attr-defined]


async def leave_an_error() -> None:
    asyncio.get_running_loop().call_soon(lambda: 1 / 0)
    await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("careless", "complaint"),
    [
        (leave_a_task, "task left running.*forgotten"),
        (leave_a_socket, "socket.*left open"),
        (leave_an_error, "ZeroDivisionError"),
    ],
)
def test_what_is_left_behind_fails(
    careless: Callable[[], Coroutine[Any, Any, None]], complaint: str
) -> None:
    with pytest.raises(AssertionError, match=complaint):
        run_bounded(careless())


@pytest.mark.parametrize("loop_factory", [new_event_loop, asyncio.new_event_loop])
def test_who_leaves_nothing_behind_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    def noted(delay_s: float) -> Coroutine[Any, Any, None]:
        pauses.append(delay_s)
        return sleep(delay_s)

    monkeypatch.setattr(asyncio, "sleep", noted)
    run_bounded(answer(42), loop_factory=loop_factory)
    assert set(pauses) == {0}


def test_a_thread_left_behind_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.JOIN_S", 0.01)
    done = threading.Event()

    async def leave_a_thread() -> None:
        threading.Thread(target=done.wait, name="forgotten").start()

    with pytest.raises(AssertionError, match=r"thread left running.*forgotten"):
        run_bounded(leave_a_thread())
    done.set()


def test_a_coroutine_that_hangs_fails() -> None:
    with pytest.raises(AssertionError, match=r"not done after 0\.05 s"):
        run_bounded(asyncio.sleep(3600), timeout_s=0.05)


def test_a_closing_connection_is_nothing_left_behind(run: Run) -> None:
    async def converse() -> bytes:
        async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"hello")
            writer.close()

        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        heard = await reader.read()
        writer.close()
        server.close()
        return heard

    assert run(converse()) == b"hello"


def test_eventually_returns_what_became_true(run: Run) -> None:
    seen: list[int] = []

    def third() -> int | None:
        seen.append(len(seen))
        return seen[2] if len(seen) > 2 else None

    assert run(eventually(third)) == 2


def test_eventually_waits_for_an_async_condition(run: Run) -> None:
    assert run(eventually(lambda: answer(7))) == 7


def test_eventually_says_what_never_held(run: Run) -> None:
    with pytest.raises(AssertionError, match=r"not within 0\.02 s: .*is_online"):
        run(eventually(lambda is_online=False: is_online, within_s=0.02))


def test_eventually_takes_an_assertion_for_not_yet(run: Run) -> None:
    def never() -> None:
        raise AssertionError("11 A, not 10 A")

    with pytest.raises(AssertionError, match="11 A"):
        run(eventually(never, within_s=0.02))


def test_a_wait_without_a_loop_ends_too() -> None:
    assert wait_until(lambda: 3) == 3
    with pytest.raises(AssertionError, match="not within"):
        wait_until(lambda: 0, within_s=0.02)


@pytest.mark.alone
@pytest.mark.parametrize(("mark", "outcome"), [("", 1), ("@pytest.mark.slow", 0)])
def test_a_slow_test_without_the_mark_fails_the_run(
    pytester: pytest.Pytester, mark: str, outcome: int
) -> None:
    rules = Path(__file__).with_name("conftest.py").read_text(encoding="utf-8")
    pytester.makeconftest(rules.replace("SLOW_S = 10.0", "SLOW_S = 0.05"))
    pytester.makeini("[pytest]\nmarkers = slow\npythonpath = " + str(Path(__file__).parents[1]))
    pytester.makepyfile(
        f"import pytest, threading\n{mark}\ndef test_a():\n    threading.Event().wait(0.1)\n"
    )
    ran = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    ran.assert_outcomes(passed=1)
    assert ran.ret == outcome
    assert ("SLOW" in ran.stdout.str()) == bool(outcome)
