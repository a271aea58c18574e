"""The services of one site, made in the order in which they need each other."""

from dataclasses import dataclass

from sitecontroller.config import SiteConfig
from sitecontroller.ports import Clock, Store, Workshop
from sitecontroller.publisher import Publisher
from sitecontroller.services.alarms import AlarmService
from sitecontroller.services.authorization import AuthorizationService
from sitecontroller.services.background import Background
from sitecontroller.services.blocks import Blocks, make_blocks
from sitecontroller.services.desk import Desk
from sitecontroller.services.guard import Guard
from sitecontroller.services.inbound import StationServices
from sitecontroller.services.load.service import LoadService
from sitecontroller.services.metering import MeteringService
from sitecontroller.services.pauses import Pauses
from sitecontroller.services.running_prices import RunningPrices
from sitecontroller.services.stations import StationService
from sitecontroller.services.transactions import TransactionService
from sitecontroller.services.trust import Trust


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
    desk: Desk
    blocks: Blocks
    prices: RunningPrices


async def assemble(
    config: SiteConfig,
    store: Store,
    clock: Clock,
    background: Background,
    workshop: Workshop,
    pepper: bytes,
    trust: Trust,
) -> SiteServices:
    """Make the services and let them take up what the database knows."""
    publisher = Publisher()
    alarms = AlarmService(store, clock, publisher, background)
    background.on_failure = lambda name: alarms.raise_("component-restarted", name, component=name)
    stations = _stations(config, store, clock, publisher, alarms, pepper)
    metering = MeteringService(clock, publisher)
    transactions = TransactionService(
        config.topology,
        store,
        clock,
        publisher,
        stations,
        alarms,
        background,
        config.ocpp.offline,
    )
    load = _load(config, clock, publisher, stations, transactions, metering, alarms)
    authorization = AuthorizationService(config.topology, store, clock, publisher, load.make_room)
    prices = RunningPrices(config.topology, store, clock, publisher, background)
    pauses = Pauses(store, clock, publisher, background, stations, transactions, load)
    for service in (alarms, stations, transactions, pauses):
        await service.load()
    desk = Desk(
        config,
        store,
        clock,
        publisher,
        background,
        workshop,
        stations,
        transactions,
        alarms,
        load,
        trust,
        prices,
    )
    blocks = await make_blocks(desk)
    inbound = StationServices(
        stations, authorization, transactions, metering, clock, config.ocpp, blocks
    )
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
        desk,
        blocks,
        prices,
    )


def _stations(
    config: SiteConfig,
    store: Store,
    clock: Clock,
    publisher: Publisher,
    alarms: AlarmService,
    pepper: bytes,
) -> StationService:
    return StationService(
        config.topology,
        store,
        clock,
        publisher,
        alarms,
        pepper=pepper,
        heartbeat_interval_s=config.ocpp.heartbeat_interval_s,
        guard=Guard(
            store,
            clock,
            pepper=pepper,
            profile_min=config.ocpp.security.profile_min,
            profile_min_of={s.station_id: s.profile_min for s in config.topology.stations.values()},
        ),
    )


def _load(
    config: SiteConfig,
    clock: Clock,
    publisher: Publisher,
    stations: StationService,
    transactions: TransactionService,
    metering: MeteringService,
    alarms: AlarmService,
) -> LoadService:
    return LoadService(
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
