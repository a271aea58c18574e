"""What charging costs: a tariff is a list of price components, frozen at the start of a
transaction and never edited; a new price is a new version.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class TariffDimension(StrEnum):
    """OCPI TariffDimensionType."""

    ENERGY = "ENERGY"
    FLAT = "FLAT"


@dataclass(frozen=True, slots=True)
class PriceComponent:
    """One price: per kWh for ENERGY, once per session for FLAT. `vat_percent` as in 19."""

    dimension: TariffDimension
    price: Decimal
    vat_percent: Decimal


@dataclass(frozen=True, slots=True)
class Tariff:
    """One version of a tariff. `tax_included` says whether its prices contain VAT (OCPI 2.3.0)."""

    tariff_id: str
    version: int
    name: str
    currency: str
    components: tuple[PriceComponent, ...]
    valid_from: datetime
    tax_included: bool = True
