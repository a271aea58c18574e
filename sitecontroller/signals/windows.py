"""A limit by the clock: weekly windows of site.toml, told ahead of time."""

import asyncio
from datetime import timedelta
from zoneinfo import ZoneInfo

from sitecontroller.config import WindowsSignal
from sitecontroller.domain.limit_signal import SaidLimit
from sitecontroller.domain.windows import coming
from sitecontroller.ports import Clock, SignalListener

AHEAD = timedelta(days=1)
EVERY_S = 1.0
"""A step of the wall clock moves the windows with it, within so long."""


class WindowsSource:
    """Tells for ever which windows are open and which come."""

    def __init__(
        self,
        source_id: str,
        signal: WindowsSignal,
        time_zone: ZoneInfo,
        clock: Clock,
        listener: SignalListener,
    ) -> None:
        self._source_id, self._signal, self._time_zone = source_id, signal, time_zone
        self._clock, self._listener = clock, listener

    async def run(self) -> None:
        """Until cancelled."""
        limit = self._signal.limit
        while True:
            spells = coming(self._signal.windows, self._clock.now(), self._time_zone, AHEAD)
            self._listener.told(
                self._source_id,
                [SaidLimit(limit.power_w, limit.current_a, *spell) for spell in sorted(spells)],
            )
            await asyncio.sleep(EVERY_S)
