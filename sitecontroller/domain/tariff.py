"""What charging costs: a tariff is a list of price components, frozen at the start of a
transaction and never edited; a new price is a new version.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

SITE_TARIFF_ID = "standard"


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


@dataclass(frozen=True, slots=True)
class TariffTerms:
    """A simple tariff as a person says it. `session_fee` 0: none; `currency` None: the site's."""

    name: str
    price_per_kwh: Decimal
    session_fee: Decimal = Decimal(0)
    vat_percent: Decimal = Decimal(0)
    tax_included: bool = True
    currency: str | None = None


def tariff_of(
    terms: TariffTerms, currency: str, valid_from: datetime, *, version: int = 1
) -> Tariff:
    """The site's one tariff on these terms."""
    components = [PriceComponent(TariffDimension.ENERGY, terms.price_per_kwh, terms.vat_percent)]
    if terms.session_fee:
        components.append(
            PriceComponent(TariffDimension.FLAT, terms.session_fee, terms.vat_percent)
        )
    return Tariff(
        tariff_id=SITE_TARIFF_ID,
        version=version,
        name=terms.name,
        currency=currency,
        components=tuple(components),
        valid_from=valid_from,
        tax_included=terms.tax_included,
    )
