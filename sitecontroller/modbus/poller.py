"""Reads every meter of the site at its own period and tells the rest of the controller.

One task a meter; meters on one bus wait for each other there, buses run side by side. A failure is
logged once, and so is the recovery.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import Protocol

from sitecontroller.domain.errors import MeterFault, MeterTimeout
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.topology import Meter
from sitecontroller.modbus.bus import Bus
from sitecontroller.modbus.meter import BusMeter, connect_meters
from sitecontroller.ports import Clock

log = logging.getLogger(__name__)


class Listener(Protocol):
    """Who hears of samples and failures: the metering service."""

    def meter_measured(self, meter_id: str, reading: MeterReading) -> None: ...
    def meter_failed(self, meter_id: str, reason: str, since_s: float | None = None) -> None: ...


class MeterPoller:
    """Runs until cancelled; closes the buses then, and opens them again if run once more.

    `buses` by their line: those that others use too. ConfigurationError when a meter's model or
    address can't be used.
    """

    def __init__(
        self,
        meters: Iterable[Meter],
        clock: Clock,
        listener: Listener,
        buses: dict[str, Bus] | None = None,
    ) -> None:
        self._meters = connect_meters(meters, clock, buses)
        self._clock, self._listener = clock, listener
        self._failing: set[str] = set()

    async def run(self) -> None:
        """Poll all meters for ever; only a fault of our own ends it."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for meter in self._meters:
                    tasks.create_task(self._poll(meter), name=f"meter {meter.meter_id}")
                await asyncio.Event().wait()  # a site without meters has nothing to poll
        finally:
            for meter in self._meters:
                meter.close()

    async def _poll(self, meter: BusMeter) -> None:
        next_s = self._clock.monotonic_s()
        while True:
            await self._sample(meter)
            now_s = self._clock.monotonic_s()
            missed = max(0, int((now_s - next_s) / meter.period_s))
            next_s += (missed + 1) * meter.period_s
            await asyncio.sleep(max(0.0, next_s - now_s))

    async def _sample(self, meter: BusMeter) -> None:
        try:
            reading = await meter.read()
        except (MeterTimeout, MeterFault) as error:
            if meter.meter_id not in self._failing:
                self._failing.add(meter.meter_id)
                log.warning("meter %s: no usable sample: %s", meter.meter_id, error)
            since_s = error.since_s if isinstance(error, MeterFault) else None
            self._listener.meter_failed(meter.meter_id, str(error), since_s)
            return
        if meter.meter_id in self._failing:
            self._failing.discard(meter.meter_id)
            log.info("meter %s: samples are good again", meter.meter_id)
        self._listener.meter_measured(meter.meter_id, reading)
