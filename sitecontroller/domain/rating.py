"""The price of a transaction: one function for the running price, the receipt and the CDR.

Rounding rule: each line is computed exactly; the sum of each VAT rate is rounded once in the
tariff's own kind of price (with or without VAT), the other kind follows from it, so that
lines, VAT and total always add up on paper.
"""

from dataclasses import dataclass
from decimal import Decimal

from sitecontroller.domain.money import Money
from sitecontroller.domain.tariff import Tariff, TariffDimension

_WH_PER_KWH = Decimal(1000)


@dataclass(frozen=True, slots=True)
class PriceLine:
    """One line of a bill. `volume` is kWh for ENERGY, 1 for FLAT; `amount` unrounded."""

    dimension: TariffDimension
    volume: Decimal
    unit_price: Decimal
    vat_percent: Decimal
    amount: Money


@dataclass(frozen=True, slots=True)
class VatLine:
    """What one VAT rate comes to: `net` + `vat` = `gross`, all rounded."""

    vat_percent: Decimal
    net: Money
    vat: Money
    gross: Money


@dataclass(frozen=True, slots=True)
class Price:
    """What a transaction costs. `total` includes VAT and is rounded."""

    lines: tuple[PriceLine, ...]
    vat_lines: tuple[VatLine, ...]
    total_net: Money
    total: Money


def rate(tariff: Tariff, energy_wh: Decimal) -> Price:
    """Price `energy_wh` (never negative) under `tariff`."""
    assert energy_wh >= 0, f"{energy_wh} Wh can't be sold"
    lines = tuple(
        PriceLine(
            component.dimension,
            volume := (
                energy_wh / _WH_PER_KWH
                if component.dimension is TariffDimension.ENERGY
                else Decimal(1)
            ),
            component.price,
            component.vat_percent,
            Money(volume * component.price, tariff.currency),
        )
        for component in tariff.components
    )
    rates = sorted({line.vat_percent for line in lines})
    vat_lines = tuple(_vat_line(tariff, rate_percent, lines) for rate_percent in rates)
    zero = Money(Decimal(0), tariff.currency)
    return Price(
        lines,
        vat_lines,
        sum((line.net for line in vat_lines), zero).rounded(),
        sum((line.gross for line in vat_lines), zero).rounded(),
    )


def _vat_line(tariff: Tariff, vat_percent: Decimal, lines: tuple[PriceLine, ...]) -> VatLine:
    exact = sum(
        (line.amount for line in lines if line.vat_percent == vat_percent),
        Money(Decimal(0), tariff.currency),
    )
    factor = 1 + vat_percent / 100
    if tariff.tax_included:
        gross = exact.rounded()
        net = Money(gross.amount / factor, tariff.currency).rounded()
    else:
        net = exact.rounded()
        gross = Money(net.amount * factor, tariff.currency).rounded()
    return VatLine(vat_percent, net, gross - net, gross)
