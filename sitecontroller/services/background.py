"""Tasks that nobody awaits: kept alive, named when they fail, finished at stop.

A failure here is our own fault: it is logged with its name and handed to `on_failure`, so that it
becomes an alarm instead of silence.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

log = logging.getLogger(__name__)

TASKS_MAX = 10_000


class Background:
    """A bounded set of running tasks."""

    def __init__(self, on_failure: Callable[[str], None] | None = None) -> None:
        self.on_failure = on_failure
        self._tasks: set[asyncio.Task[Any]] = set()
        self._patient: set[asyncio.Task[Any]] = set()

    def spawn(
        self, work: Coroutine[Any, Any, Any], name: str, *, patient: bool = False
    ) -> asyncio.Task[Any]:
        """Run `work` on its own; `name` is what the log calls it. `patient`: it mostly waits, and
        may be cancelled wherever it stands."""
        assert len(self._tasks) < TASKS_MAX, f"{TASKS_MAX} background tasks: {name} is too much"
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        if patient:
            self._patient.add(task)
        task.add_done_callback(self._finished)
        return task

    async def close(self, *, within_s: float) -> None:
        """Let what runs finish for `within_s` seconds, then cancel it; the patient at once."""
        for task in tuple(self._patient):
            task.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=within_s)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*tuple(self._tasks), return_exceptions=True)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        self._patient.discard(task)
        if task.cancelled() or task.exception() is None:
            return
        log.error("%s: failed", task.get_name(), exc_info=task.exception())
        if self.on_failure is not None:
            self.on_failure(task.get_name())
