"""What tests share: waiting for a condition, and one way to run a coroutine.

`run_bounded` gives each coroutine an event loop of its own and leaves nothing behind: a task, a
socket or a thread that outlives the coroutine fails the test, and so does a coroutine that hangs.
"""

import asyncio
import inspect
import os
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from sitecontroller.event_loop import new_event_loop

Result = TypeVar("Result")
Condition = Callable[[], Any] | Callable[[], Awaitable[Any]]

POLL_S = 0.01
SETTLE_TURNS = 20  # of POLL_S: closing handshakes may end after the coroutine that asked for them
JOIN_S = 2.0


async def eventually(condition: Condition, within_s: float = 10) -> Any:
    """Wait until `condition` returns something true, and return that.

    An AssertionError in the condition means "not yet"; when time is up it is raised. Time is that
    of the running loop, so under virtual time the wait is virtual too.
    """
    clock = asyncio.get_running_loop().time
    ends = clock() + within_s
    while True:
        last = clock() >= ends
        try:
            value = condition()
            if inspect.isawaitable(value):
                value = await value
        except AssertionError:
            if last:
                raise
        else:
            if value:
                return value
            if last:
                raise AssertionError(f"not within {within_s} s: {_source(condition)}")
        await asyncio.sleep(POLL_S)


def wait_until(condition: Callable[[], Any], within_s: float = 10) -> Any:
    """`eventually` for a test without an event loop, such as one that starts a process."""
    ends = time.monotonic() + within_s
    pause = threading.Event()
    while True:
        last = time.monotonic() >= ends
        try:
            value = condition()
        except AssertionError:
            if last:
                raise
        else:
            if value:
                return value
            if last:
                raise AssertionError(f"not within {within_s} s: {_source(condition)}")
        pause.wait(POLL_S)


def run_bounded(
    main: Coroutine[Any, Any, Result],
    *,
    timeout_s: float = 30,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] = new_event_loop,
) -> Result:
    """Run `main` on a loop of its own; raise AssertionError if it hangs or leaves anything behind.

    The loop is the controller's own unless another is asked for. `timeout_s` is real time whatever
    clock the loop has.
    """
    threads = set(threading.enumerate())
    loop = loop_factory()
    sockets = open_sockets()
    own = len(loop.run_until_complete(_opened_since(sockets)))
    faults: list[str] = []
    loop.set_exception_handler(lambda _loop, context: faults.append(_fault(context)))
    try:
        asyncio.set_event_loop(loop)
        result = _run_to_end(loop, main, timeout_s)
        faults += loop.run_until_complete(_leftover_tasks(sockets, own))
    finally:
        _end_tasks(loop)
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        asyncio.set_event_loop(None)
        loop.close()
    faults += _leftover_threads(threads)
    faults += [f"{name} left open" for name in sorted(open_sockets() - sockets)]
    assert not faults, "\n".join(faults)
    return result


def unused_port() -> int:
    """A loopback port that was free just now, for a server whose port must be known beforehand."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def open_sockets() -> set[str]:
    """This process's sockets by their kernel name; empty where the system doesn't tell."""
    names = set()
    for descriptor in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else ():
        try:
            target = os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:
            continue  # the descriptor of the listing itself
        if target.startswith("socket:"):
            names.add(target)
    return names


def _run_to_end(
    loop: asyncio.AbstractEventLoop, main: Coroutine[Any, Any, Result], timeout_s: float
) -> Result:
    task = loop.create_task(main, name="the test")
    expired: list[str] = []

    def expire() -> None:
        expired.extend(map(repr, asyncio.all_tasks(loop)))
        task.cancel()

    alarm = threading.Timer(timeout_s, loop.call_soon_threadsafe, [expire])
    alarm.daemon = True
    alarm.start()
    try:
        return loop.run_until_complete(task)
    except asyncio.CancelledError:
        assert not expired, f"not done after {timeout_s} s; running:\n" + "\n".join(expired)
        raise
    finally:
        alarm.cancel()
        alarm.join()


async def _opened_since(sockets: set[str]) -> set[str]:
    """Of a loop that has nothing to do these are its own: uvloop's, which it has while it runs."""
    return open_sockets() - sockets


async def _leftover_tasks(sockets: set[str], own: int) -> list[str]:
    """What still runs after tasks and sockets, but for the loop's `own`, got a moment to finish."""
    mine = {asyncio.current_task()}
    for _ in range(SETTLE_TURNS):
        await asyncio.sleep(0)
        if asyncio.all_tasks() == mine and len(await _opened_since(sockets)) <= own:
            break
        await asyncio.sleep(POLL_S)
    return [f"task left running: {task!r}" for task in asyncio.all_tasks() - mine]


def _end_tasks(loop: asyncio.AbstractEventLoop) -> None:
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left, timeout=JOIN_S))


def _leftover_threads(before: set[threading.Thread]) -> list[str]:
    started = [thread for thread in threading.enumerate() if thread not in before]
    lasting = [thread for thread in started if not thread.daemon]
    for thread in lasting:
        thread.join(JOIN_S)
    return [f"thread left running: {thread!r}" for thread in lasting if thread.is_alive()]


def _fault(context: dict[str, Any]) -> str:
    return f"{context['message']}: {context.get('exception') or context.get('future')!r}"


def _source(condition: Callable[..., Any]) -> str:
    try:
        return inspect.getsource(condition).strip()
    except (OSError, TypeError):
        return repr(condition)
