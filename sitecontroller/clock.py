"""The only place that asks the machine what time it is."""

import time
from datetime import UTC, datetime


class SystemClock:
    """Wall clock and monotonic clock of this machine."""

    def now(self) -> datetime:
        """UTC, for what is written down."""
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        """Seconds that no clock step touches, for leases, staleness, ramps and dwell."""
        return time.monotonic()
