"""What a stored reading of 12 samples costs the whole controller, part by part.

CPU time of each thread by its own clock. On the loop's thread the parts are timed where they are
plain functions, less what they call of each other; what is left is the event loop, the WebSocket
library, the session and the coroutines between the parts.
"""

import asyncio
import contextlib
import functools
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from sitecontroller.event_loop import new_event_loop
from sitecontroller.ocpp import gate
from sitecontroller.ocpp.connection import WebSocketWire
from sitecontroller.ocpp.dialect import StationDialect
from sitecontroller.ocpp.intake import Intake
from sitecontroller.publisher import Publisher
from sitecontroller.services.metering import MeteringService
from sitecontroller.services.transactions import TransactionService
from sitecontroller.storage.journal import FrameJournal
from tests.bench import ocpp
from tests.bench.ocpp_mix import ANSWERS

READINGS = 60
LOOP = "thread of the loop"

PARTS: tuple[tuple[str, Any, str], ...] = (
    ("gate", gate, "read"),
    ("validation", Intake, "request"),
    ("dialect", StationDialect, "readings_of"),
    ("service", TransactionService, "_tell"),
    ("service", MeteringService, "evse_measured"),
    ("publish", Publisher, "publish"),
    ("journal", FrameJournal, "record"),
    ("journal", FrameJournal, "_flush"),
    ("write", WebSocketWire, "send"),
)


class _Parts:
    """CPU seconds by part, each without the parts called within it."""

    def __init__(self) -> None:
        self.spent_s: dict[str, float] = defaultdict(float)
        self.looks: list[dict[str, float]] = []
        self._inner_s = [0.0]

    def look(self) -> None:
        """Note what was spent until now."""
        self.looks.append({**_threads_s(), **self.spent_s})

    def timed(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """`work`, its time noted under `name`."""

        @functools.wraps(work)
        def call(*args: Any, **kwargs: Any) -> Any:
            self._inner_s.append(0.0)
            began_s = time.thread_time()
            try:
                return work(*args, **kwargs)
            finally:
                took_s = time.thread_time() - began_s
                self.spent_s[name] += took_s - self._inner_s.pop()
                self._inner_s[-1] += took_s

        return call


@contextlib.contextmanager
def _timed(parts: _Parts) -> Iterator[None]:
    before = [(owner, name, getattr(owner, name)) for _, owner, name in PARTS]
    for part, owner, name in PARTS:
        setattr(owner, name, parts.timed(part, getattr(owner, name)))
    try:
        yield
    finally:
        for owner, name, work in before:
            setattr(owner, name, work)


def run() -> dict[str, float]:
    """µs of CPU a reading."""
    figures: dict[str, float] = {}
    for version in ANSWERS:
        parts = _Parts()
        plan = ocpp.Plan(version, READINGS, charging=True)
        with _timed(parts), asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(ocpp._measured(ocpp._whole, plan, parts.look))
        began, ended = parts.looks
        spent = {name: ended[name] - began.get(name, 0.0) for name in ended}
        loop_s = spent.pop(LOOP)
        spent["the loop, WebSocket, session"] = loop_s - sum(map(spent.get, {p[0] for p in PARTS}))
        spent["all"] = sum(spent.values())
        calls = ocpp.STATIONS * READINGS
        figures |= {f"{version} {name}, µs": 1e6 * spent[name] / calls for name in sorted(spent)}
    return {name: round(value, 1) for name, value in figures.items()}


def _threads_s() -> dict[str, float]:
    """CPU seconds of each kind of thread."""
    spent: dict[str, float] = defaultdict(float)
    for thread in threading.enumerate():
        if thread is threading.main_thread():
            name = LOOP
        else:
            name = "thread " + thread.name.rpartition("_")[0].partition("-")[0]
        assert thread.ident is not None
        spent[name] += time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
    return spent


if __name__ == "__main__":
    for name, value in run().items():
        print(f"{name}: {value}")
