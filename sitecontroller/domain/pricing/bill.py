"""An exact bill: what each price comes to, steps, limits, VAT by rate, and one rounding at the end.

Rounding rule: the exact sum of each VAT rate is rounded once, half up in either sign, to the
currency's minor unit, in the tariff's own kind of price (with or without VAT); the other kind
follows from it (EN 16931 BR-CO-17), and totals are the sums of the rates. Where a limit holds the
total is the limit, and the rates share it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import TypeAlias

from sitecontroller.domain.money import minor_digits
from sitecontroller.domain.pricing.plan import STEP_UNITS, UNITS, Exact, Part, Plan, plan_of
from sitecontroller.domain.pricing.walk import Volumes, walked
from sitecontroller.domain.tariff import PriceLimit, Tariff, TariffDimension
from sitecontroller.domain.usage import PeriodState, Usage

RATES_MAX = 1000
MIN_PRICE, MAX_PRICE = "MIN_PRICE", "MAX_PRICE"
"""What a line that raises or lowers a bill to its limit says instead of a dimension."""

_ENERGY, _TIME = TariffDimension.ENERGY, TariffDimension.TIME
_PARKING_TIME = TariffDimension.PARKING_TIME
_Rates: TypeAlias = "dict[Decimal | None, list[Exact]]"


@dataclass(frozen=True, slots=True)
class BillLine:
    """What one price comes to. A limit's line has a `dimension` MIN_PRICE or MAX_PRICE and no
    `part`. `sums` without and with VAT are multiples of 1 / `scale`, `billed` and `surplus` (what
    only a step added to it) of the dimension's unit."""

    dimension: str
    sums: tuple[Exact, Exact]
    scale: int
    vat_percent: Decimal | None
    part: Part | None = None
    billed: Exact = 1
    surplus: Exact = 0

    @property
    def net(self) -> Fraction:
        """Without VAT, exact."""
        return Fraction(self.sums[0]) / self.scale

    @property
    def gross(self) -> Fraction:
        """With VAT, exact."""
        return Fraction(self.sums[1]) / self.scale

    @property
    def volume(self) -> Fraction:
        """kWh, hours, or 1; with what a step added."""
        return Fraction(self.billed) / self.unit

    @property
    def step_surplus(self) -> Fraction:
        """What only a step added to the volume."""
        return Fraction(self.surplus) / self.unit

    @property
    def unit(self) -> int:
        """How many of `billed` make one of `volume`."""
        return 1 if self.part is None else UNITS[self.part.dimension]


@dataclass(frozen=True, slots=True)
class RateSum:
    """What one VAT rate comes to, in minor units."""

    vat_percent: Decimal | None
    net_minor: int
    gross_minor: int


@dataclass(frozen=True, slots=True)
class Bill:
    """`net` and `gross` are exact; None where the tariff doesn't say: no VAT is named, and prices
    are with (`net`) or without it (`gross`). `notes`: what the reader should know, in sentences."""

    lines: tuple[BillLine, ...]
    rates: tuple[RateSum, ...]
    net: Fraction | None
    gross: Fraction | None
    notes: tuple[str, ...]

    @property
    def net_minor(self) -> int:
        """The total without VAT, as far as one is named."""
        return sum(rate.net_minor for rate in self.rates)

    @property
    def gross_minor(self) -> int:
        """The total with VAT, as far as one is named."""
        return sum(rate.gross_minor for rate in self.rates)


def bill_of(tariff: Tariff, usage: Usage, *, ended: bool = True) -> Bill:
    """The bill of a session, or of one that would end now: then (`ended` False) the least price
    doesn't hold yet."""
    plan = plan_of(tariff)
    session, reserved = walked(plan, usage)
    lines = [*_lines(plan, reserved), *_lines(plan, session)]
    rates: _Rates = {}
    for line in lines:
        total = rates.setdefault(line.vat_percent, [0, 0])
        total[0] += line.sums[0]
        total[1] += line.sums[1]
    totals = _Totals(plan, rates)
    if tariff.max_price is not None:
        lines += totals.hold(tariff.max_price, MAX_PRICE)
    happened = any(each.state is not PeriodState.RESERVATION for each in usage.periods)
    if tariff.min_price is not None and ended and happened:
        lines += totals.hold(tariff.min_price, MIN_PRICE)
    net, gross = totals.exact()
    notes = (*_notes(plan, usage), *sorted(session.unknown | reserved.unknown))
    return Bill(tuple(lines), totals.rounded(), net, gross, notes)


def round_half_up(value: Exact) -> int:
    """To a whole number; a half goes away from zero."""
    return half_up(value.numerator, value.denominator)


def half_up(numerator: int, denominator: int) -> int:
    """The quotient as a whole number; a half goes away from zero."""
    whole = (2 * abs(numerator) + denominator) // (2 * denominator)
    return whole if numerator >= 0 else -whole


def _lines(plan: Plan, volumes: Volumes) -> list[BillLine]:
    """In the order in which prices were first used."""
    stepped = {part.dimension: part for part in _stepped(volumes)}
    lines = []
    for part, volume in volumes.used.items():
        surplus = _surplus(volumes, part) if stepped.get(part.dimension) is part else 0
        billed = volume + surplus
        sums = part.net * billed, part.gross * billed
        name = part.dimension.value
        lines.append(BillLine(name, sums, plan.scale, part.vat_percent, part, billed, surplus))
    return lines


def _stepped(volumes: Volumes) -> list[Part]:
    """Whose step rounds a volume up: the last of ENERGY and the last of the last kind of time."""
    last = volumes.last
    return [
        part
        for part in (last.get(_ENERGY), last.get(_PARKING_TIME) or last.get(_TIME))
        if part is not None and part.component.step_size
    ]


def _surplus(volumes: Volumes, last: Part) -> Exact:
    """What is missing to whole steps of all that was priced of a dimension."""
    step = last.component.step_size * STEP_UNITS[last.dimension]
    priced = sum(v for part, v in volumes.used.items() if part.dimension is last.dimension)
    return -priced % step


class _Totals:
    """The sums of the VAT rates, exact and as they are paid, and the limits that hold them.

    Each is a pair: without VAT, with VAT. Where no rate has any, both are the same amount.
    """

    def __init__(self, plan: Plan, rates: _Rates) -> None:
        tariff = plan.tariff
        self._tax_included = tariff.tax_included
        self._taxed = plan.names_vat and tariff.taxes_apply
        names_tax = plan.names_vat or not tariff.taxes_apply
        self._knows = (names_tax or not tariff.tax_included, names_tax or tariff.tax_included)
        self._minor = 10 ** minor_digits(tariff.currency)
        self._scale = plan.scale
        self._first_vat = _first_vat(plan)
        self._exact = rates
        self._paid = {vat: self._as_paid(vat, *sums) for vat, sums in rates.items()}

    def exact(self) -> tuple[Fraction | None, Fraction | None]:
        """Without and with VAT; None where the tariff doesn't say."""
        net, gross = (self._sum(side) if self._knows[side] else None for side in (0, 1))
        return net, gross

    def rounded(self) -> tuple[RateSum, ...]:
        """By rate, no VAT first."""
        rates = sorted(self._paid, key=lambda vat: (vat is not None, vat or Decimal(0)))
        return tuple(RateSum(vat, *self._paid[vat]) for vat in rates)

    def hold(self, limit: PriceLimit, name: str) -> list[BillLine]:
        """Bring both totals, each by itself, to where the limit lets them; the lines that say so,
        one for each VAT rate."""
        changes: _Rates = {}
        for side, bound in enumerate((limit.net, limit.gross)):
            if bound is not None and self._knows[side]:
                for each in (side,) if self._taxed else (0, 1):
                    self._hold_side(each, Fraction(bound), name, changes)
        return [
            BillLine(name, (net, gross), self._scale, vat)
            for vat, (net, gross) in changes.items()
            if net or gross
        ]

    def _hold_side(self, side: int, bound: Fraction, name: str, changes: _Rates) -> None:
        exact = self._sum(side)
        if exact > bound if name == MAX_PRICE else exact < bound:
            self._change(side, exact, bound, changes)
        paid = sum(sums[side] for sums in self._paid.values())
        end = round_half_up(bound * self._minor)
        if self._sum(side) == bound or (paid > end if name == MAX_PRICE else paid < end):
            rates = list(self._exact)
            exact_minor = [Fraction(self._exact[vat][side]) * self._minor for vat in rates]
            shared = shares([amount / self._scale for amount in exact_minor], end)
            for vat, minor in zip(rates, shared, strict=True):
                self._paid[vat][side] = minor

    def _change(self, side: int, exact: Fraction, bound: Fraction, changes: _Rates) -> None:
        """Each rate bears its share; where nothing is to be shared, the tariff's first."""
        if not self._exact:
            self._exact[self._first_vat] = [0, 0]
            self._paid[self._first_vat] = [0, 0]
        for place, (vat, sums) in enumerate(self._exact.items()):
            whole = Fraction(0) if place else bound * self._scale
            changed = sums[side] * bound / exact if exact else whole
            change = changes.setdefault(vat, [0, 0])
            change[side] += changed - sums[side]
            sums[side] = changed

    def _as_paid(self, vat: Decimal | None, net: Exact, gross: Exact) -> list[int]:
        own = gross if self._tax_included else net
        own_minor = half_up(own.numerator * self._minor, own.denominator * self._scale)
        if vat is None:
            return [own_minor, own_minor]
        hundred, with_vat = _percentages(vat)
        if self._tax_included:
            return [half_up(own_minor * hundred, with_vat), own_minor]
        return [own_minor, half_up(own_minor * with_vat, hundred)]

    def _sum(self, side: int) -> Fraction:
        return Fraction(sum(sums[side] for sums in self._exact.values())) / self._scale


@lru_cache(RATES_MAX)
def _percentages(vat: Decimal) -> tuple[int, int]:
    """The ratio of an amount without VAT to one with it, in whole numbers."""
    factor = 1 + Fraction(vat) / 100
    return factor.denominator, factor.numerator


def shares(exact: Sequence[Fraction], total: int) -> list[int]:
    """Whole numbers near `exact` that sum to `total`: rounded down, and what is missing to the
    largest remainders."""
    if not exact:
        return []
    whole = [value.numerator // value.denominator for value in exact]
    each, missing = divmod(total - sum(whole), len(whole))
    order = sorted(range(len(whole)), key=lambda n: whole[n] - exact[n])
    return [value + each + (order.index(n) < missing) for n, value in enumerate(whole)]


def _first_vat(plan: Plan) -> Decimal | None:
    """The VAT of the first price that names one: of a least price for nothing."""
    if not plan.tariff.taxes_apply:
        return None
    parts = (part for element in plan.tariff.all_elements for part in element.components)
    return next((part.vat_percent for part in parts if part.vat_percent is not None), None)


def _notes(plan: Plan, usage: Usage) -> list[str]:
    notes = []
    tariff = plan.tariff
    if not tariff.taxes_apply and plan.names_vat:
        notes.append("no taxes apply to this tariff: the VAT that its prices name is not added")
    begin_at = min((each.start_at for each in usage.periods), default=tariff.valid_from)
    late = tariff.valid_until is not None and begin_at >= tariff.valid_until
    if begin_at < tariff.valid_from or late:
        notes.append("the session began outside the time in which this tariff is valid")
    if any(each.energy_kwh for each in usage.periods if each.state is PeriodState.RESERVATION):
        notes.append("energy in a reservation has no price: it is not billed")
    return notes
