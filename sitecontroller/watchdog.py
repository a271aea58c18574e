"""Names what holds the event loop: for `serve --debug-loop` and for tests, off otherwise.

A step is one callback, or one stretch of a task between two awaits. Its CPU time is measured, which
other processes hardly lengthen; time without CPU counts only when it is so long that the step must
have waited for something. A second thread looks where the loop is meanwhile, so that a report
carries the lines at fault and not only the task's name.
"""

import asyncio
import gc
import logging
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

CPU_S_MAX = 0.005
WAIT_S_MAX = 0.1
"""Without CPU: a blocking call, unless the machine has far too much to do."""
LOOK_EVERY_S = 0.002
SWITCH_EVERY_S = 0.001
"""How soon a thread that wants to run interrupts the loop's; Python's 5 ms would come too late."""
LINES_MAX = 8
INNERMOST_LINES = 3
CULPRITS_MAX = 200
WORSE_BY = 1.5
"""A culprit is reported again when it takes so many times as long as at its last report."""

_OURS = Path(__file__).parent
_HANDLES: Any = asyncio.Handle
"""asyncio runs every step through its `_run` and offers no other place to stand."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SlowStep:
    """A step that took too long. `collecting_s` of its CPU time was garbage collection.

    `where`: innermost line first, as of one look during the step; empty when nobody looked in time.
    """

    culprit: str
    cpu_s: float
    waited_s: float
    collecting_s: float
    where: str

    def __str__(self) -> str:
        return (
            f"{self.culprit} computed for {self.cpu_s * 1000:.1f} ms"
            f" waited_ms={self.waited_s * 1000:.1f} collecting_ms={self.collecting_s * 1000:.1f}"
            f" at={self.where or 'unknown'}"
        )


class Watchdog:
    """Watches one loop while entered, in the loop's own thread.

    `report` hears each culprit's first slow step and then those that are clearly worse; without it
    they are logged.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, report: Callable[[SlowStep], None] | None = None
    ) -> None:
        self.steps = 0
        self._loop = loop
        self._report = report or _log
        self._reported: dict[str, SlowStep] = {}
        self._thread_id = 0
        self._run_handle: Callable[[asyncio.Handle], None] = _HANDLES._run
        self._switch_every_s = 0.0
        self._began_s: float | None = None
        self._collecting_s = 0.0
        self._collection_began_s = 0.0
        self._seen = (0, "")
        self._ended = threading.Event()
        self._looker = threading.Thread(target=self._look, name="loop watchdog", daemon=True)

    def __enter__(self) -> "Watchdog":
        run_handle = self._run_handle

        def run(handle: Any) -> None:
            if handle._loop is self._loop:
                self._step(handle, run_handle)
            else:
                run_handle(handle)

        self._thread_id = threading.get_ident()
        self._switch_every_s = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_EVERY_S)
        gc.callbacks.append(self._collecting)
        self._looker.start()
        _HANDLES._run = run
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _HANDLES._run = self._run_handle
        self._ended.set()
        self._looker.join()
        gc.callbacks.remove(self._collecting)
        sys.setswitchinterval(self._switch_every_s)

    def _step(self, handle: Any, run_handle: Callable[[asyncio.Handle], None]) -> None:
        callback = handle._callback
        self.steps += 1
        self._collecting_s = 0.0
        self._began_s = began_s = time.perf_counter()
        cpu_began_s = time.thread_time()
        try:
            run_handle(handle)
        finally:
            cpu_s = time.thread_time() - cpu_began_s
            waited_s = max(0.0, time.perf_counter() - began_s - cpu_s)
            self._began_s = None
            if cpu_s > CPU_S_MAX or waited_s > WAIT_S_MAX:
                self._note(_name(callback), cpu_s, waited_s)

    def _note(self, culprit: str, cpu_s: float, waited_s: float) -> None:
        number, where = self._seen
        if number != self.steps:
            where = ""
        known = self._reported.get(culprit)
        if known is None:
            worse = len(self._reported) < CULPRITS_MAX
        else:
            worse = cpu_s > max(CPU_S_MAX, WORSE_BY * known.cpu_s) or (
                waited_s > max(WAIT_S_MAX, WORSE_BY * known.waited_s)
            )
        if worse:
            step = SlowStep(culprit, cpu_s, waited_s, self._collecting_s, where)
            self._reported[culprit] = step
            self._report(step)

    def _collecting(self, phase: str, _info: dict[str, int]) -> None:
        if threading.get_ident() != self._thread_id:
            return
        if phase == "start":
            self._collection_began_s = time.thread_time()
        else:
            self._collecting_s += time.thread_time() - self._collection_began_s

    def _look(self) -> None:
        """In the second thread: note where a step is that has used up half of its time."""
        while not self._ended.wait(LOOK_EVERY_S):
            number, began_s = self.steps, self._began_s
            if began_s is None or time.perf_counter() - began_s < CPU_S_MAX / 2:
                continue
            if self._seen[0] == number:
                continue
            frame = sys._current_frames().get(self._thread_id)
            if number == self.steps:
                self._seen = (number, _lines(frame))


def _log(step: SlowStep) -> None:
    log.warning("event loop: %s", step)


def _name(callback: Any) -> str:
    """The same for every task of a kind: a task's own name may carry an id."""
    task = getattr(callback, "__self__", None)
    if not isinstance(task, asyncio.Task):
        return f"callback {_qualname(getattr(callback, 'func', callback))}"
    coroutine = task.get_coro()
    inner = getattr(coroutine, "cr_await", None)
    if asyncio.iscoroutine(inner):
        return f"task {_qualname(coroutine)} > {_qualname(inner)}"
    return f"task {_qualname(coroutine)}"


def _qualname(called: Any) -> str:
    return str(getattr(called, "__qualname__", called))


def _lines(frame: FrameType | None) -> str:
    """The innermost lines, whoever's they are, then our own, outwards to where the step began."""
    lines: list[str] = []
    while frame is not None and frame.f_code is not Watchdog._step.__code__:
        file = Path(frame.f_code.co_filename)
        if len(lines) < INNERMOST_LINES or file.is_relative_to(_OURS):
            lines.append(f"{file.name}:{frame.f_lineno} {frame.f_code.co_name}")
        frame = frame.f_back
    return " < ".join(lines[:LINES_MAX])
