"""A whole virtual site that runs: plant, stations, meter and drivers, over the real protocols.

Under a real clock it is the other half of `make run`, under a virtual one of the half-hour test;
the controller can't tell. Same seed and same answers, same trace.
"""

import asyncio
import logging
from collections.abc import Callable
from random import Random

from sitecontroller.ports import Clock
from sitecontroller.simulation.description import SiteDescription
from sitecontroller.simulation.meter import VirtualMeter
from sitecontroller.simulation.plant import Plant
from sitecontroller.simulation.station import SimulatedStation
from sitecontroller.simulation.terminal import SimulatedTerminal
from sitecontroller.simulation.traffic import Traffic

STEP_S = 0.5
STEPS_PER_SECOND = round(1 / STEP_S)
BEHIND_S_MAX = 5.0
"""A machine that slept longer doesn't catch up: the cars slept too."""
CARD_PRESENTED_AFTER_S = 2.0

log = logging.getLogger(__name__)


class VirtualSite:
    """`start_meter`, then `run`; `stop` from anywhere. `watchers` are called every plant second.

    `drivers` off leaves every EVSE to the caller: `stations[id].plug(…)`, `.tap(…)`.
    """

    def __init__(
        self,
        description: SiteDescription,
        clock: Clock,
        seed: int | None = None,
        *,
        drivers: bool = True,
    ) -> None:
        seed = description.seed if seed is None else seed
        self.description = description
        self.plant = Plant(description.topology, description.loads, seed)
        self.stations: dict[str, SimulatedStation] = {
            station.station.station_id: SimulatedStation(
                station,
                self.plant.outlets,
                self.plant.voltage_v,
                clock,
                Random(f"station {seed} {station.station.station_id}"),
            )
            for station in description.stations()
        }
        meter = description.topology.meters[description.meter_id]
        circuit_id = description.meter_circuit_id
        self.meter = VirtualMeter(
            meter.model,
            lambda: self.plant.reading(circuit_id, clock.now()),
            unit_id=meter.unit_id,
        )
        self.meter_port: int | None = None
        self.terminal: SimulatedTerminal | None = None
        self.watchers: list[Callable[[], None]] = []
        self._traffic = Traffic(self.stations, description.cards, seed) if drivers else None
        self._clock = clock
        self._stopping = asyncio.Event()
        self._stopped = asyncio.Event()
        self._stopped.set()

    async def start_meter(self) -> int:
        """Serve the meter on the described port; the port."""
        self.meter_port = await self.meter.start(self.description.meter_port)
        return self.meter_port

    async def start_terminal(self) -> None:
        """Serve the card terminal, if the site has one. Every payment meets a good card."""
        port = self.description.terminal_port
        if port is not None and self.terminal is None:
            self.terminal = SimulatedTerminal(pause_s=CARD_PRESENTED_AFTER_S)
            await self.terminal.listen(port)

    async def run(self, url: str | Callable[[], str]) -> None:
        """Live until `stop` or cancellation. `url` is the OCPP endpoint without a station's id.

        A part that fails ends the run with its exception.
        """
        endpoint = url if callable(url) else lambda: url
        self._stopping.clear()
        self._stopped.clear()
        if self.meter_port is None:
            await self.start_meter()
        await self.start_terminal()
        parts = [
            asyncio.create_task(self._run_plant(), name="plant"),
            asyncio.create_task(self._stopping.wait(), name="stop of the virtual site"),
            *(
                asyncio.create_task(station.run(endpoint), name=station.station_id)
                for station in self.stations.values()
            ),
        ]
        if self._traffic is not None:
            parts.append(asyncio.create_task(self._traffic.run(), name="drivers"))
        try:
            ended, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            for part in ended:
                part.result()
        finally:
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
            await self._stop_devices()
            self._stopped.set()

    async def stop(self) -> None:
        """End the run; returns when everything is down."""
        self._stopping.set()
        await self._stopped.wait()
        await self._stop_devices()

    async def _stop_devices(self) -> None:
        await self.meter.stop()
        self.meter_port = None
        terminal, self.terminal = self.terminal, None
        if terminal is not None:
            await terminal.stop()

    async def _run_plant(self) -> None:
        began_s, steps = self._clock.monotonic_s(), 0
        while True:
            steps += 1
            ahead_s = began_s + steps * STEP_S - self._clock.monotonic_s()
            if ahead_s < -BEHIND_S_MAX:
                log.warning("virtual site: this machine slept for %.0f s", -ahead_s)
                began_s, steps = self._clock.monotonic_s(), 0
            await asyncio.sleep(max(0.0, ahead_s))
            self.plant.step(STEP_S)
            if steps % STEPS_PER_SECOND == 0:
                for watch in self.watchers:
                    watch()
