"""What the stations' edge may call, in one bundle."""

from dataclasses import dataclass

from sitecontroller.config import OcppSettings
from sitecontroller.ports import Clock
from sitecontroller.services.authorization import AuthorizationService
from sitecontroller.services.blocks import Blocks
from sitecontroller.services.metering import MeteringService
from sitecontroller.services.stations import StationService
from sitecontroller.services.transactions import TransactionService


@dataclass(frozen=True, slots=True)
class StationServices:
    """Services for what stations say."""

    stations: StationService
    authorization: AuthorizationService
    transactions: TransactionService
    metering: MeteringService
    clock: Clock
    settings: OcppSettings
    blocks: Blocks
