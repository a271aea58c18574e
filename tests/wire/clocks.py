"""A clock that runs as it should and can be put forward, so that nobody waits for hours."""

from datetime import datetime, timedelta

from sitecontroller.clock import SystemClock


class ForwardClock(SystemClock):
    """The machine's time and what was added by `forward`; wall and monotonic alike."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead_s = 0.0

    def forward(self, seconds: float) -> None:
        """So much later."""
        self.ahead_s += seconds

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.ahead_s)

    def monotonic_s(self) -> float:
        return super().monotonic_s() + self.ahead_s
