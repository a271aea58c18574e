"""What the services that look after stations work with, in one bundle, and what they all ask."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sitecontroller.config import SiteConfig
from sitecontroller.domain.commands import Command, CommandResult, CommandState
from sitecontroller.domain.errors import NotFound, StationOffline
from sitecontroller.domain.queries import Query
from sitecontroller.ports import CallAnswer, Clock, StationLink, Store, Workshop
from sitecontroller.publisher import Publisher
from sitecontroller.services.alarms import AlarmService
from sitecontroller.services.background import Background
from sitecontroller.services.load.service import LoadService
from sitecontroller.services.running_prices import RunningPrices
from sitecontroller.services.stations import StationService
from sitecontroller.services.transactions import TransactionService
from sitecontroller.services.trust import Trust

Handler = Callable[[Any, str], Awaitable[CommandResult]]
"""(command, its id) → what came of it."""
Answerer = Callable[[Any], Awaitable[Any]]
"""(question) → a view, or a page of them."""


@dataclass(frozen=True, slots=True)
class Desk:
    """One site's core services; whoever looks after stations is given it."""

    config: SiteConfig
    store: Store
    clock: Clock
    publisher: Publisher
    background: Background
    workshop: Workshop
    stations: StationService
    transactions: TransactionService
    alarms: AlarmService
    load: LoadService
    trust: Trust
    prices: RunningPrices

    def link(self, station_id: str) -> StationLink:
        """The way to say something to a station. Raises NotFound, StationOffline."""
        self.known(station_id)
        link = self.stations.link(station_id)
        if link is None:
            if self.stations.is_booting(station_id):
                raise StationOffline(
                    f"{station_id} is connected, but its boot isn't answered yet",
                    remedy="Try again in half a minute; till then it is told nothing",
                )
            raise StationOffline(
                f"{station_id} is offline",
                remedy="Check the charger's power and network; limits hold without contact",
            )
        return link

    def known(self, station_id: str) -> None:
        """Raises NotFound unless the site has this station."""
        if self.stations.state(station_id) is None:
            raise NotFound(
                f"no station '{station_id}'", remedy="GET /v1/stations lists those of this site"
            )


class BlockService(Protocol):
    """A service that looks after stations: what it carries out and what it can tell."""

    handlers: Mapping[type[Command], Handler]
    answerers: Mapping[type[Query], Answerer]

    async def load(self) -> None:
        """Take up what the database knows, before the first station connects."""


def result_of(command_id: str, answer: CallAnswer, *, show: bool = False) -> CommandResult:
    """A station's answer as a command's result; its refusal is a value, not an error."""
    state = CommandState.ACCEPTED if answer.accepted else CommandState.REJECTED
    return CommandResult(
        command_id,
        state,
        None if answer.accepted else answer.status,
        answer.body if show else None,
    )
