"""The services that look after stations, one for each block of OCPP beyond the core."""

from dataclasses import dataclass, fields

from sitecontroller.domain.commands import Command
from sitecontroller.domain.queries import Query
from sitecontroller.services.availability import Availability
from sitecontroller.services.commissioning.service import Commissioning
from sitecontroller.services.conformance import ConformanceBook
from sitecontroller.services.costs import Costs
from sitecontroller.services.customers import Customers
from sitecontroller.services.desk import Answerer, BlockService, Desk, Handler
from sitecontroller.services.device_models import DeviceModels
from sitecontroller.services.displays import Displays
from sitecontroller.services.emergency import Emergency
from sitecontroller.services.faults import Faults
from sitecontroller.services.files import Files
from sitecontroller.services.inputs import Inputs
from sitecontroller.services.load.demand_book import DemandBook
from sitecontroller.services.load.history import LimitHistory
from sitecontroller.services.load.needs import NeedsBook
from sitecontroller.services.load.proofs import LimitProofs
from sitecontroller.services.load.signals import LimitSignals
from sitecontroller.services.load.sources import LimitSources
from sitecontroller.services.local_lists import LocalLists
from sitecontroller.services.monitoring import Monitoring
from sitecontroller.services.planning.planner import Planning
from sitecontroller.services.reservations import Reservations
from sitecontroller.services.security import Security
from sitecontroller.services.smart import SmartCharging
from sitecontroller.services.transaction_check import TransactionCheck


@dataclass(frozen=True, slots=True)
class Blocks:
    """Each service once."""

    emergency: Emergency
    inputs: Inputs
    files: Files
    security: Security
    local_lists: LocalLists
    reservations: Reservations
    device_models: DeviceModels
    availability: Availability
    monitoring: Monitoring
    customers: Customers
    displays: Displays
    faults: Faults
    smart: SmartCharging
    needs: NeedsBook
    limit_history: LimitHistory
    limit_sources: LimitSources
    commissioning: Commissioning
    limit_proofs: LimitProofs
    demand_book: DemandBook
    limit_signals: LimitSignals
    costs: Costs
    conformance: ConformanceBook
    transaction_check: TransactionCheck
    planning: Planning

    def services(self) -> tuple[BlockService, ...]:
        """All of them."""
        return tuple(getattr(self, field.name) for field in fields(self))

    def handlers(self) -> dict[type[Command], Handler]:
        """Who carries out which command."""
        return {kind: step for each in self.services() for kind, step in each.handlers.items()}

    def answerers(self) -> dict[type[Query], Answerer]:
        """Who answers which question."""
        return {kind: step for each in self.services() for kind, step in each.answerers.items()}


async def make_blocks(desk: Desk) -> Blocks:
    """Make them and let them take up what the database knows."""
    limit_sources = LimitSources(desk)
    emergency = Emergency(desk)
    smart = SmartCharging(desk)
    blocks = Blocks(
        emergency=emergency,
        inputs=Inputs(desk, emergency, limit_sources),
        files=Files(desk),
        security=Security(desk),
        local_lists=LocalLists(desk),
        reservations=Reservations(desk),
        device_models=DeviceModels(desk),
        availability=Availability(desk),
        monitoring=Monitoring(desk),
        customers=Customers(desk),
        displays=Displays(desk),
        faults=Faults(desk),
        smart=smart,
        needs=NeedsBook(desk, smart.needs.needs),
        limit_history=LimitHistory(desk),
        demand_book=DemandBook(desk),
        limit_sources=limit_sources,
        limit_proofs=LimitProofs(desk, limit_sources),
        limit_signals=LimitSignals(desk, limit_sources),
        commissioning=Commissioning(desk),
        costs=Costs(desk),
        conformance=ConformanceBook(desk),
        transaction_check=TransactionCheck(desk),
        planning=Planning(desk),
    )
    for service in blocks.services():
        await service.load()
    return blocks
