"""The only place of the console that asks the machine what time it is."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time for what is shown, monotonic time for waiting."""

    def now(self) -> datetime: ...
    def monotonic_s(self) -> float: ...


class SystemClock:
    """This machine's clocks."""

    def now(self) -> datetime:
        """UTC."""
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        """Seconds that no clock step touches."""
        return time.monotonic()
