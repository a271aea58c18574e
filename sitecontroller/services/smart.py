"""Smart charging beyond our limits: limits of others, needs of cars, V2X, the grid's wishes."""

from collections.abc import Mapping

from sitecontroller.domain.commands import Command
from sitecontroller.domain.queries import Query
from sitecontroller.domain.topology import EvseKey
from sitecontroller.services.car_needs import CarNeeds
from sitecontroller.services.desk import Answerer, Desk, Handler
from sitecontroller.services.ev_states import EvStates
from sitecontroller.services.external_limits import ExternalLimits
from sitecontroller.services.grid import GridControls
from sitecontroller.services.limited_starts import LimitedStarts
from sitecontroller.services.profile_book import ProfileBook
from sitecontroller.services.streams import EventStreams
from sitecontroller.services.swaps import BatterySwaps


class SmartCharging:
    """One service for each part, and what they carry out and can tell together."""

    def __init__(self, desk: Desk) -> None:
        self._load = desk.load
        self.profiles = ProfileBook(desk)
        self.limits = ExternalLimits(desk)
        self.needs = CarNeeds(desk)
        self.states = EvStates(desk, self.needs)
        self.streams = EventStreams(desk)
        self.grid = GridControls(desk)
        self.swaps = BatterySwaps(desk)
        self.starts = LimitedStarts(desk)
        parts = (
            self.profiles,
            self.limits,
            self.needs,
            self.states,
            self.streams,
            self.grid,
            self.swaps,
            self.starts,
        )
        self.handlers: Mapping[type[Command], Handler] = {
            kind: step for part in parts for kind, step in part.handlers.items()
        }
        self.answerers: Mapping[type[Query], Answerer] = {
            kind: step for part in parts for kind, step in part.answerers.items()
        }

    async def load(self) -> None:
        """Take up what the database knows."""
        for part in (self.limits, self.needs, self.states, self.streams):
            await part.load()

    async def dynamic_pull_s(self, station_id: str) -> int | None:
        """How often a station may ask for its limit; 0: never; None: it gets plain profiles."""
        return await self.profiles.dynamic_pull_s(station_id)

    async def pulled(self, key: EvseKey, lease_s: int) -> None:
        """A station asked for its limit itself, and its lease begins anew."""
        self._load.pulled(key, lease_s)
