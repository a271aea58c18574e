"""What somebody who writes or imports a tariff should know before drivers are charged by it."""

from collections.abc import Iterable
from decimal import Decimal

from sitecontroller.domain.tariff import (
    PriceComponent,
    Restriction,
    Tariff,
    TariffDimension,
    TariffElement,
)

AFIR_POWER_KW = Decimal(50)
"""From here on a price per kWh is a must, and only an occupancy fee per minute may come on top
(Regulation (EU) 2023/1804, article 5(4))."""

_ENERGY = TariffDimension.ENERGY


def warnings(
    tariff: Tariff,
    *,
    power_kw_max: Decimal | None = None,
    ad_hoc: bool = True,
    signed_readings_only: bool = False,
) -> tuple[str, ...]:
    """In sentences. `power_kw_max`: of the strongest outlet it is for (None: unknown); `ad_hoc`:
    drivers without a contract pay by it; `signed_readings_only`: only energy between signed
    readings may be billed."""
    strong = power_kw_max is not None and power_kw_max >= AFIR_POWER_KW
    return (
        *(_afir(tariff) if ad_hoc and strong else ()),
        *_steps(tariff),
        *_empty_times(tariff),
        *_never_reached(tariff),
        *_taxes(tariff),
        *(_signed(tariff) if signed_readings_only else ()),
    )


def _afir(tariff: Tariff) -> Iterable[str]:
    parts = _parts(tariff)
    if not any(part.dimension is _ENERGY and part.price for part in parts):
        yield "At 50 kW and more drivers without a contract must be offered a price per kWh."
    names = {TariffDimension.FLAT: "session fee", TariffDimension.TIME: "price for charging time"}
    for dimension, name in names.items():
        if any(part.dimension is dimension and part.price for part in parts):
            yield (
                f"At 50 kW and more a {name} isn't allowed for drivers without a contract: only a "
                "price per kWh, and one per minute for staying after charging."
            )
    if tariff.min_price is not None:
        yield (
            "At 50 kW and more a least price isn't allowed for drivers without a contract: it "
            "makes small amounts dearer than their price per kWh."
        )


def _steps(tariff: Tariff) -> Iterable[str]:
    for number, part in _numbered(tariff):
        if part.step_size > 1 and part.dimension is not TariffDimension.FLAT:
            unit = "Wh" if part.dimension is _ENERGY else "s"
            yield (
                f"elements[{number}]: {part.dimension} is rounded up to steps of {part.step_size} "
                f"{unit}; drivers pay for what they didn't get. Use 1."
            )


def _empty_times(tariff: Tariff) -> Iterable[str]:
    for number, element in enumerate(tariff.all_elements):
        rule = element.restriction
        if rule is None:
            continue
        if rule.start_time == rule.end_time and rule.start_time not in (None, "00:00"):
            yield (
                f"elements[{number}] never holds: it ends at {rule.end_time}, when it begins. "
                "Leave both out for the whole day."
            )
        for name, least, end in _bounds(rule):
            if least is not None and end is not None and least >= end:
                yield f"elements[{number}] never holds: its least {name} is not below its most."


def _bounds(
    rule: Restriction,
) -> tuple[tuple[str, Decimal | int | None, Decimal | int | None], ...]:
    return (
        ("energy", rule.min_kwh, rule.max_kwh),
        ("current", rule.min_current_a, rule.max_current_a),
        ("power", rule.min_power_kw, rule.max_power_kw),
        ("duration", rule.min_duration_s, rule.max_duration_s),
    )


def _never_reached(tariff: Tariff) -> Iterable[str]:
    held: set[TariffDimension] = set()
    for number, element in enumerate(tariff.all_elements):
        reserved = element.restriction is not None and element.restriction.reservation is not None
        for part in element.components:
            if part.dimension in held and not reserved:
                yield (
                    f"elements[{number}]: {part.dimension} is never used: an element before it "
                    "prices it always."
                )
            if reserved and part.dimension in (_ENERGY, TariffDimension.PARKING_TIME):
                yield (
                    f"elements[{number}]: {part.dimension} is never used: a reservation has a fee "
                    "and a price for time only."
                )
        if element.restriction is None:
            held |= {part.dimension for part in element.components}


def _taxes(tariff: Tariff) -> Iterable[str]:
    priced = [part for part in _parts(tariff) if part.price]
    named = [part for part in priced if part.vat_percent is not None]
    if tariff.taxes_apply and named and len(named) < len(priced):
        yield "Some prices name no VAT: they are billed without any. Write 0 where 0 % is meant."


def _signed(tariff: Tariff) -> Iterable[str]:
    """One price for all energy needs the readings at begin and end alone."""
    for number, element in enumerate(tariff.all_elements):
        if _energy_at_a_price(element) and element.restriction is not None:
            yield (
                f"elements[{number}]: its price per kWh begins or ends within a session, and there "
                "is no signed reading of that moment: it can't be billed where only signed "
                "readings count."
            )


def _energy_at_a_price(element: TariffElement) -> bool:
    return any(part.dimension is _ENERGY for part in element.components)


def _parts(tariff: Tariff) -> list[PriceComponent]:
    return [part for _, part in _numbered(tariff)]


def _numbered(tariff: Tariff) -> Iterable[tuple[int, PriceComponent]]:
    for number, element in enumerate(tariff.all_elements):
        for part in element.components:
            yield number, part
