"""A tariff made ready for pricing: for each dimension its prices in the order in which they are
tried, and every value at which another one may begin to hold.

Times are whole µs, energies whole nano-kWh, both fractions where that isn't exact.
"""

import math
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal
from fractions import Fraction
from typing import NamedTuple, TypeAlias

from sitecontroller.domain.tariff import (
    DayOfWeek,
    PriceComponent,
    ReservationRestriction,
    Restriction,
    Tariff,
    TariffDimension,
)

Exact: TypeAlias = int | Fraction

DAY_US = 86_400_000_000
HOUR_US = 3_600_000_000
SECOND_US = 1_000_000
KWH = 10**9
WH = 10**6
EPOCH_DAY = date(1970, 1, 1).toordinal()
EPOCH_WEEKDAY = 3
"""1 January 1970 was a Thursday; Monday is 0."""

UNITS = {
    TariffDimension.ENERGY: KWH,
    TariffDimension.FLAT: 1,
    TariffDimension.PARKING_TIME: HOUR_US,
    TariffDimension.TIME: HOUR_US,
}
STEP_UNITS = {
    TariffDimension.ENERGY: WH,
    TariffDimension.PARKING_TIME: SECOND_US,
    TariffDimension.TIME: SECOND_US,
}
PLANS_MAX = 64

_WIDE = Context(prec=100)
_WEEKDAYS = {day: number for number, day in enumerate(DayOfWeek)}


class Moment(NamedTuple):
    """What a restriction is about, at one instant; None: unknown. `day` counts from 1970-01-01,
    `time_us` from midnight, both local; `lasted_us` and `energy` from the start."""

    day: int
    time_us: int
    lasted_us: int
    energy: Exact
    current_a: Decimal | None
    power_kw: Decimal | None


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """A restriction as numbers. Lower bounds belong to it, upper ones don't."""

    time_us: tuple[int, int]
    days: tuple[int | None, int | None]
    weekdays: frozenset[int]
    energy: tuple[Exact | None, Exact | None]
    lasted_us: tuple[int | None, int | None]
    current_a: tuple[Decimal | None, Decimal | None]
    power_kw: tuple[Decimal | None, Decimal | None]
    local: bool
    counted: bool
    electric: bool

    def holds(self, moment: Moment) -> bool | None:
        """Whether it matches; None: all else does, but current or power isn't known."""
        if self.local and not self._holds_locally(moment):
            return False
        if self.counted and not (
            _within(moment.lasted_us, self.lasted_us) and _within(moment.energy, self.energy)
        ):
            return False
        return self._holds_electrically(moment) if self.electric else True

    def missing(self, moment: Moment) -> list[str]:
        """What would have to be known to tell whether it matches."""
        values = (
            ("current_a", moment.current_a, self.current_a),
            ("power_kw", moment.power_kw, self.power_kw),
        )
        return [name for name, value, b in values if value is None and b != (None, None)]

    def _holds_locally(self, moment: Moment) -> bool:
        begin_us, end_us = self.time_us
        if begin_us <= end_us:
            in_time = begin_us <= moment.time_us < end_us
        else:
            in_time = moment.time_us >= begin_us or moment.time_us < end_us
        if not in_time or not _within(moment.day, self.days):
            return False
        return not self.weekdays or (moment.day + EPOCH_WEEKDAY) % 7 in self.weekdays

    def _holds_electrically(self, moment: Moment) -> bool | None:
        known: bool | None = True
        for value, bounds in ((moment.current_a, self.current_a), (moment.power_kw, self.power_kw)):
            if bounds == (None, None):
                continue
            if value is None:
                known = None
            elif not _within(value, bounds):
                return False
        return known


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One price component in its element. `net` and `gross`: its price for one unit of volume, as
    a multiple of 1 / the plan's `scale`."""

    element: int
    component: PriceComponent
    match: Match | None
    vat_percent: Decimal | None
    net: int
    gross: int
    reservation: bool

    @property
    def dimension(self) -> TariffDimension:
        """What it prices."""
        return self.component.dimension


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """The prices of a session, or of a reservation, and where they may change."""

    parts: dict[TariffDimension, tuple[Part, ...]]
    local_us: tuple[int, ...]
    lasted_us: tuple[int, ...]
    energies: tuple[Exact, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A tariff ready for pricing. A tariff `names_vat` if any of its prices does. Amounts are whole
    multiples of 1 / `scale` as long as volumes are whole numbers."""

    tariff: Tariff
    session: Scope
    reserved: Scope
    expired: Scope
    names_vat: bool
    scale: int


def plan_of(tariff: Tariff) -> Plan:
    """Made once a tariff; the last `PLANS_MAX` are kept, each with its tariff."""
    known = _PLANS.get(id(tariff))
    if known is None:
        if len(_PLANS) >= PLANS_MAX:
            for oldest in list(_PLANS)[:1]:  # another thread may price, too
                _PLANS.pop(oldest, None)
        known = _PLANS[id(tariff)] = _planned(tariff)
    return known


_PLANS: dict[int, Plan] = {}
"""By identity, which holds as long as the plan keeps its tariff: a hash of all prices takes longer
than pricing."""


def scaled(value: Decimal, digits: int) -> Exact:
    """`value` × 10^`digits`, exactly."""
    shifted = value.scaleb(digits, _WIDE)
    whole = int(shifted)
    return whole if whole == shifted else Fraction(value) * 10**digits


def needs_times(tariff: Tariff) -> bool:
    """Whether a price takes more than the energy of a session to know."""
    return any(
        element.restriction is not None
        or part.dimension in (TariffDimension.TIME, TariffDimension.PARKING_TIME)
        for element in tariff.all_elements
        for part in element.components
    )


def _planned(tariff: Tariff) -> Plan:
    scale = _scale(tariff)
    parts = _parts(tariff, scale)
    session = [part for part, reservation in parts if reservation is None]
    reserved = [part for part, kind in parts if kind is ReservationRestriction.RESERVATION]
    expires = [part for part, kind in parts if kind is ReservationRestriction.RESERVATION_EXPIRES]
    return Plan(
        tariff,
        session=_scope(session),
        reserved=_scope(reserved),
        expired=_scope(expires + reserved),
        names_vat=any(part.component.vat_percent is not None for part, _ in parts),
        scale=scale,
    )


def _scale(tariff: Tariff) -> int:
    """The least one that makes all prices whole."""
    parts = (part for element in tariff.all_elements for part in element.components)
    return math.lcm(*(price.denominator for part in parts for price in _prices(tariff, part)))


def _parts(tariff: Tariff, scale: int) -> list[tuple[Part, ReservationRestriction | None]]:
    found = []
    for number, element in enumerate(tariff.all_elements):
        restriction = element.restriction
        reservation = None if restriction is None else restriction.reservation
        match = None if restriction is None else _match(restriction)
        for component in element.components:
            vat_percent = component.vat_percent if tariff.taxes_apply else None
            net, gross = (int(price * scale) for price in _prices(tariff, component))
            reserved = reservation is not None
            part = Part(number, component, match, vat_percent, net, gross, reserved)
            found.append((part, reservation))
    return found


def _prices(tariff: Tariff, component: PriceComponent) -> tuple[Fraction, Fraction]:
    """Of one unit of volume, without and with VAT."""
    vat_percent = component.vat_percent if tariff.taxes_apply else None
    price = Fraction(component.price) / UNITS[component.dimension]
    factor = Fraction(1) if vat_percent is None else 1 + Fraction(vat_percent) / 100
    net = price / factor if tariff.tax_included else price
    return net, net * factor


def _scope(parts: list[Part]) -> Scope:
    """What comes behind a price that always holds never does."""
    matches = [part.match for part in parts if part.match is not None]
    local_us = {bound for each in matches if each.local for bound in (0, *each.time_us)}
    lasted_us = {bound for each in matches for bound in each.lasted_us if bound}
    energies = {bound for each in matches for bound in each.energy if bound}
    return Scope(
        parts={dimension: _tried(parts, dimension) for dimension in TariffDimension},
        local_us=tuple(sorted({bound % DAY_US for bound in local_us})),
        lasted_us=tuple(sorted(lasted_us)),
        energies=tuple(sorted(energies)),
    )


def _tried(parts: list[Part], dimension: TariffDimension) -> tuple[Part, ...]:
    tried = []
    for part in parts:
        if part.dimension is dimension:
            tried.append(part)
            if part.match is None:
                break
    return tuple(tried)


def _match(restriction: Restriction) -> Match | None:
    begin_us = _time_us(restriction.start_time or "00:00")
    end_us = _time_us(restriction.end_time or "00:00") or DAY_US
    days = (_day(restriction.start_date), _day(restriction.end_date))
    current_a = restriction.min_current_a, restriction.max_current_a
    power_kw = restriction.min_power_kw, restriction.max_power_kw
    energy = _energy(restriction.min_kwh), _energy(restriction.max_kwh)
    lasted_us = _us(restriction.min_duration_s), _us(restriction.max_duration_s)
    match = Match(
        time_us=(begin_us, end_us),
        days=days,
        weekdays=frozenset(_WEEKDAYS[day] for day in restriction.days),
        energy=energy,
        lasted_us=lasted_us,
        current_a=current_a,
        power_kw=power_kw,
        local=(begin_us, end_us) != (0, DAY_US) or days != (None, None) or bool(restriction.days),
        counted=any(bound is not None for bound in (*energy, *lasted_us)),
        electric=any(bound is not None for bound in (*current_a, *power_kw)),
    )
    return match if match.local or match.counted or match.electric else None


def _time_us(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * HOUR_US + int(minutes) * 60 * SECOND_US


def _day(text: str | None) -> int | None:
    return None if text is None else date.fromisoformat(text).toordinal() - EPOCH_DAY


def _energy(kwh: Decimal | None) -> Exact | None:
    return None if kwh is None else scaled(kwh, 9)


def _us(seconds: int | None) -> int | None:
    return None if seconds is None else seconds * SECOND_US


def _within(value: Exact | Decimal, bounds: tuple[Exact | Decimal | None, ...]) -> bool:
    least, end = bounds
    return (least is None or value >= least) and (end is None or value < end)
