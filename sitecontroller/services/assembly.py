"""The services of one site, made in the order in which they need each other."""

from dataclasses import dataclass

from sitecontroller.config import SiteConfig
from sitecontroller.ports import Clock, Store
from sitecontroller.publisher import Publisher
from sitecontroller.services.alarms import AlarmService
from sitecontroller.services.authorization import AuthorizationService
from sitecontroller.services.background import Background
from sitecontroller.services.inbound import StationServices
from sitecontroller.services.load import LoadService
from sitecontroller.services.metering import MeteringService
from sitecontroller.services.stations import StationService
from sitecontroller.services.transactions import TransactionService


@dataclass(frozen=True, slots=True)
class SiteServices:
    """Each service once; nobody makes a second."""

    store: Store
    clock: Clock
    publisher: Publisher
    background: Background
    alarms: AlarmService
    stations: StationService
    authorization: AuthorizationService
    metering: MeteringService
    transactions: TransactionService
    load: LoadService
    inbound: StationServices


async def assemble(
    config: SiteConfig, store: Store, clock: Clock, background: Background, pepper: bytes
) -> SiteServices:
    """Make the services and let them take up what the database knows."""
    publisher = Publisher()
    alarms = AlarmService(store, clock, publisher, background)
    background.on_failure = lambda name: alarms.raise_("component-restarted", name, component=name)
    stations = StationService(
        config.topology,
        store,
        clock,
        publisher,
        alarms,
        pepper=pepper,
        heartbeat_interval_s=config.ocpp.heartbeat_interval_s,
    )
    metering = MeteringService(clock, publisher)
    transactions = TransactionService(
        config.topology, store, clock, publisher, stations, alarms, background
    )
    load = LoadService(
        config.topology,
        config.load,
        clock,
        publisher,
        stations,
        transactions,
        metering,
        alarms,
        sample_interval_s=config.ocpp.sample_interval_s,
    )
    authorization = AuthorizationService(store, clock, load.make_room)
    for service in (alarms, stations, transactions):
        await service.load()
    inbound = StationServices(stations, authorization, transactions, metering, clock, config.ocpp)
    return SiteServices(
        store,
        clock,
        publisher,
        background,
        alarms,
        stations,
        authorization,
        metering,
        transactions,
        load,
        inbound,
    )
