"""Long work off the loop: PDFs and the like run in one spawned process, so that load management
keeps its pace. Bounded: beyond `WAITING_MAX` jobs new ones are refused.
"""

import asyncio
import functools
import multiprocessing
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import ParamSpec, TypeVar

from sitecontroller.domain.errors import OperatingError

P = ParamSpec("P")
R = TypeVar("R")

WAITING_MAX = 32


class ProcessWorkshop:
    """One worker process, started at the first job."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._waiting = 0

    async def run(self, fn: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run an importable function with picklable arguments. Raises OperatingError when full, or
        when the worker died: the next job gets a new one."""
        if self._waiting >= WAITING_MAX:
            raise OperatingError(
                f"{WAITING_MAX} documents are waiting already", remedy="Try again in a minute"
            )
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                1,
                multiprocessing.get_context("spawn"),
                initializer=signal.signal,  # a Ctrl-C in the terminal is for the controller
                initargs=(signal.SIGINT, signal.SIG_IGN),
            )
        self._waiting += 1
        pool = self._pool
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(pool, functools.partial(fn, *args, **kwargs))
        except BrokenProcessPool:
            if self._pool is pool:
                self._pool = None
            job = getattr(fn, "__name__", "a job")
            raise OperatingError(
                f"the process that makes documents and plans died of {job}",
                remedy="Try again; the log says more",
            ) from None
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Stop the worker; a job under way is given up."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
