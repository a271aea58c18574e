"""The price of a session: one function for the running price, the receipt and the CDR.

How it comes about is `domain.pricing`'s; here it takes the form in which it is stored, shown and
printed: decimals, and amounts that lines, VAT and totals share so that they add up on paper.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from enum import StrEnum
from fractions import Fraction

from sitecontroller.domain.money import Money
from sitecontroller.domain.pricing.bill import MAX_PRICE, MIN_PRICE, Bill, bill_of
from sitecontroller.domain.pricing.plan import needs_times
from sitecontroller.domain.tariff import Tariff
from sitecontroller.domain.usage import ChargingPeriod, Usage

FRACTION_DIGITS = 20
"""To which a decimal is rounded that would never end, as a sixth of an hour."""
_LAST_PLACE = Decimal(1).scaleb(-FRACTION_DIGITS)
_QUOTIENTS, _PRODUCTS = Context(prec=60), Context(prec=240)
_ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)


class BillDimension(StrEnum):
    """What a line is for: OCPI's dimensions, and what a least or highest price adds or takes."""

    ENERGY = "ENERGY"
    FLAT = "FLAT"
    PARKING_TIME = "PARKING_TIME"
    TIME = "TIME"
    MIN_PRICE = MIN_PRICE
    MAX_PRICE = MAX_PRICE


@dataclass(frozen=True, slots=True)
class PriceLine:
    """One line of a bill: `volume` × `unit_price`; `amount` unrounded, with VAT where the tariff's
    prices have it.

    `volume` is kWh for ENERGY, hours for times, 1 for FLAT; `step_surplus` is the part of it that
    only a step added. `element` is the place of the price in the tariff, from 0; None: a limit.
    """

    dimension: BillDimension
    volume: Decimal
    unit_price: Decimal
    vat_percent: Decimal | None
    amount: Money
    step_surplus: Decimal = Decimal(0)
    element: int | None = None
    reservation: bool = False


@dataclass(frozen=True, slots=True)
class VatLine:
    """What one VAT rate comes to: `net` + `vat` = `gross`, all rounded. None: no VAT is named."""

    vat_percent: Decimal | None
    net: Money
    vat: Money
    gross: Money


@dataclass(frozen=True, slots=True)
class Price:
    """What a session costs. `total` includes VAT, as far as the tariff names any, and is rounded.

    `exact_net` and `exact_gross` are not; None: the tariff doesn't say. `notes`: what a reader of
    the bill should know.
    """

    lines: tuple[PriceLine, ...]
    vat_lines: tuple[VatLine, ...]
    total_net: Money
    total: Money
    exact_net: Decimal | None = None
    exact_gross: Decimal | None = None
    notes: tuple[str, ...] = ()
    paused_hours: Decimal = Decimal(0)
    """Time that costs nothing as the site held the car back, and why it did."""
    paused_reasons: tuple[str, ...] = ()


def rate(tariff: Tariff, usage: Usage | Decimal, *, ended: bool = True) -> Price:
    """Price what was used under `tariff`; if it hasn't `ended`, as if it ended now but without the
    least price.

    A bare number is the energy in Wh (never negative) of a session of which nothing else is
    known; only tariffs whose prices always hold can price that.
    """
    if isinstance(usage, Decimal):
        usage = _energy_alone(tariff, usage)
    bill = bill_of(tariff, usage, ended=ended)
    return Price(
        tuple(_lines(tariff, bill)),
        tuple(_vat_lines(tariff, bill)),
        Money.from_minor(bill.net_minor, tariff.currency),
        Money.from_minor(bill.gross_minor, tariff.currency),
        None if bill.net is None else decimal_of(bill.net),
        None if bill.gross is None else decimal_of(bill.gross),
        bill.notes,
    )


def decimal_of(value: int | Fraction, over: int = 1) -> Decimal:
    """`value` / `over`: exact where a decimal of 60 digits can be, else rounded to 20 places."""
    numerator, denominator = Decimal(value.numerator), Decimal(value.denominator * over)
    quotient = _QUOTIENTS.divide(numerator, denominator)
    if _PRODUCTS.multiply(quotient, denominator) == numerator:
        return quotient
    return quotient.quantize(_LAST_PLACE, ROUND_HALF_UP, _QUOTIENTS)


def _energy_alone(tariff: Tariff, energy_wh: Decimal) -> Usage:
    assert energy_wh >= 0, f"{energy_wh} Wh can't be sold"
    assert not needs_times(tariff), f"{tariff.tariff_id} can't be priced by energy alone"
    at = max(tariff.valid_from, _ANY_TIME)
    return Usage((ChargingPeriod(at, at, energy_kwh=energy_wh.scaleb(-3)),))


def _lines(tariff: Tariff, bill: Bill) -> Iterable[PriceLine]:
    for line in bill.lines:
        amount = decimal_of(line.sums[tariff.tax_included], line.scale)
        yield PriceLine(
            BillDimension(line.dimension),
            decimal_of(line.billed, line.unit),
            amount if line.part is None else line.part.component.price,
            line.vat_percent,
            Money(amount, tariff.currency),
            decimal_of(line.surplus, line.unit),
            None if line.part is None else line.part.element,
            line.part is not None and line.part.reservation,
        )


def _vat_lines(tariff: Tariff, bill: Bill) -> Iterable[VatLine]:
    for each in bill.rates:
        net = Money.from_minor(each.net_minor, tariff.currency)
        gross = Money.from_minor(each.gross_minor, tariff.currency)
        yield VatLine(each.vat_percent, net, gross - net, gross)
