"""The seam to the machine: clocks, and processes for heavy work."""

from collections.abc import Callable
from datetime import datetime
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Clock(Protocol):
    """Wall time for what is written down, monotonic time for everything that runs out."""

    def now(self) -> datetime: ...
    def monotonic_s(self) -> float: ...


class Workshop(Protocol):
    """Long work off the loop: one process pool. `fn` must be importable, arguments picklable."""

    async def run(self, fn: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R: ...
