"""The running window of peak demand over restarts: kept twice a minute, taken up at start.

What flowed since it was kept last counts as much as the fuses let through: without it all of the
window before a start would.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from sitecontroller.dlm.demand_window import DemandWindow
from sitecontroller.domain.commands import Command
from sitecontroller.domain.queries import Query
from sitecontroller.services.desk import Answerer, Desk, Handler
from sitecontroller.services.load.demand import PeakDemand
from sitecontroller.services.shelf import Shelf

KEEP_EVERY_S = 30.0


class DemandBook:
    """One row per circuit and length of window."""

    handlers: Final[Mapping[type[Command], Handler]] = {}
    answerers: Final[Mapping[type[Query], Answerer]] = {}

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._shelf = Shelf(desk.store, "demand-window", DemandWindow)

    async def load(self) -> None:
        """Take up the window that was running; from now on keep what is counted."""
        demand = self._desk.load.peak_demand
        if demand is None:
            return
        kept = await self._shelf.get(demand.name)
        if kept is not None:
            demand.resume(kept)
        self._desk.background.spawn(self._keep(demand), "peak demand is kept", patient=True)

    async def _keep(self, demand: PeakDemand) -> None:
        while True:
            await asyncio.sleep(KEEP_EVERY_S)
            if demand.window is not None:
                await self._shelf.put(demand.name, demand.window, self._desk.clock.now())
