"""What charging costs: elements of price components, tried in order, frozen at the start of a
transaction and never edited; a new price is a new version.

A superset of what OCPI 2.2.1 and 2.3.0 tariffs say. The simple tariff of most sites, a price per
kWh and a session fee, is one without elements: its `components` always hold.
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
    PARKING_TIME = "PARKING_TIME"
    TIME = "TIME"


class DayOfWeek(StrEnum):
    """OCPI DayOfWeek, Monday first."""

    MONDAY = "MONDAY"
    TUESDAY = "TUESDAY"
    WEDNESDAY = "WEDNESDAY"
    THURSDAY = "THURSDAY"
    FRIDAY = "FRIDAY"
    SATURDAY = "SATURDAY"
    SUNDAY = "SUNDAY"


class ReservationRestriction(StrEnum):
    """OCPI ReservationRestrictionType: any reservation, or one that no session followed."""

    RESERVATION = "RESERVATION"
    RESERVATION_EXPIRES = "RESERVATION_EXPIRES"


class TariffType(StrEnum):
    """OCPI TariffType: which sessions a tariff is for."""

    AD_HOC_PAYMENT = "AD_HOC_PAYMENT"
    PROFILE_CHEAP = "PROFILE_CHEAP"
    PROFILE_FAST = "PROFILE_FAST"
    PROFILE_GREEN = "PROFILE_GREEN"
    REGULAR = "REGULAR"


class PausedTime(StrEnum):
    """What time costs while the site itself gives a car less than it needs to charge."""

    FREE = "FREE"
    TIME = "TIME"
    PARKING_TIME = "PARKING_TIME"


@dataclass(frozen=True, slots=True)
class PriceComponent:
    """One price: per kWh (ENERGY), per hour (TIME, PARKING_TIME), once per session (FLAT).

    `vat_percent` as in 19; None: no VAT is named, which is not 0 %. `step_size` in Wh or s, 0: the
    volume is billed to its last digit.
    """

    dimension: TariffDimension
    price: Decimal
    vat_percent: Decimal | None
    step_size: int = 0


@dataclass(frozen=True, slots=True)
class Restriction:
    """When an element holds: all that is said must be so; None says nothing (OCPI
    TariffRestrictions).

    Times ("HH:MM") and dates ("YYYY-MM-DD") are local to the site. Starts and minima belong to
    it, ends and maxima don't; an end before the start wraps over midnight, "00:00" ends the day.
    Energy and duration count from the start of the charging session; for an element with
    `reservation`, from the start of the reservation. Currents are sums over the phases.
    """

    start_time: str | None = None
    end_time: str | None = None
    start_date: str | None = None
    end_date: str | None = None
    min_kwh: Decimal | None = None
    max_kwh: Decimal | None = None
    min_current_a: Decimal | None = None
    max_current_a: Decimal | None = None
    min_power_kw: Decimal | None = None
    max_power_kw: Decimal | None = None
    min_duration_s: int | None = None
    max_duration_s: int | None = None
    days: frozenset[DayOfWeek] = frozenset()
    reservation: ReservationRestriction | None = None


@dataclass(frozen=True, slots=True)
class TariffElement:
    """Prices that hold together while `restriction` matches; None: always, but in reservations."""

    components: tuple[PriceComponent, ...]
    restriction: Restriction | None = None


@dataclass(frozen=True, slots=True)
class PriceLimit:
    """The least or most a session costs, without and with VAT; each holds by itself."""

    net: Decimal | None
    gross: Decimal | None = None


@dataclass(frozen=True, slots=True)
class TariffText:
    """What drivers should read besides the prices; `language` as in "en"."""

    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Tariff:
    """One version of a tariff. `tax_included` says whether its prices contain VAT (OCPI 2.3.0).

    `elements` are tried in order, then `components`, which hold always: the first that matches and
    prices a dimension prices it. `taxes_apply` False: no tax at all, whatever components say.
    `idle_grace_s`: so long after charging ended PARKING_TIME is free. `valid_until` None: open.
    `tariff_type` None: for all sessions. `texts` and `url` explain it to drivers.
    """

    tariff_id: str
    version: int
    name: str
    currency: str
    components: tuple[PriceComponent, ...]
    valid_from: datetime
    tax_included: bool = True
    elements: tuple[TariffElement, ...] = ()
    min_price: PriceLimit | None = None
    max_price: PriceLimit | None = None
    taxes_apply: bool = True
    idle_grace_s: int = 0
    paused: PausedTime = PausedTime.FREE
    valid_until: datetime | None = None
    preauthorize_amount: Decimal | None = None
    tariff_type: TariffType | None = None
    texts: tuple[TariffText, ...] = ()
    url: str | None = None

    @property
    def all_elements(self) -> tuple[TariffElement, ...]:
        """In the order in which they are tried."""
        return (
            (*self.elements, TariffElement(self.components)) if self.components else self.elements
        )


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
