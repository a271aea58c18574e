"""Tariffs and sessions as OCPI and `sitecontroller price` write them, in few words."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sitecontroller.domain.ocpi.cost import cost_json
from sitecontroller.domain.ocpi.reader import tariff_from_ocpi
from sitecontroller.domain.ocpi.session import usage_from_json

BERLIN = "Europe/Berlin"
Json = dict[str, Any]


def part(type_: str, price: str, vat: str | None = "10", step: int = 1) -> Json:
    """A price component; `vat` None: none is named."""
    component: Json = {"type": type_, "price": Decimal(price), "step_size": step}
    return component if vat is None else {**component, "vat": Decimal(vat)}


def element(*parts: Json, **restrictions: Any) -> Json:
    """Prices that hold together."""
    found: Json = {"price_components": list(parts)}
    return {**found, "restrictions": restrictions} if restrictions else found


def tariff(*elements: Json, currency: str = "EUR", **fields: Any) -> Json:
    """A tariff of OCPI 2.2.1, or of 2.3.0 with `tax_included`."""
    return {"id": "T", "currency": currency, "elements": list(elements), **fields}


def at(start: str, minutes: float, state: str = "CHARGING", **fields: Any) -> Json:
    """A period from an instant (UTC where it names no offset), so many minutes long."""
    start_at = datetime.fromisoformat(start if start[-6] in "+-" else f"{start}+00:00")
    end_at = start_at + timedelta(minutes=minutes)
    return {"start": start_at.isoformat(), "end": end_at.isoformat(), "state": state, **fields}


def session(*periods: Json, zone: str = "UTC", expired: bool = False) -> Json:
    """A session file's content."""
    return {"time_zone": zone, "periods": list(periods), "reservation_expired": expired}


def cost(of_tariff: Json, *periods: Json, zone: str = "UTC", expired: bool = False) -> Json:
    """What `sitecontroller price` prints."""
    usage = usage_from_json(session(*periods, zone=zone, expired=expired))
    return cost_json(tariff_from_ocpi(of_tariff), usage)


def exact(of_tariff: Json, *periods: Json, **options: Any) -> tuple[str | None, str | None]:
    """The unrounded total, without and with VAT."""
    found = cost(of_tariff, *periods, **options)["exact"]
    return found["excl_vat"], found["incl_vat"]


def paid(of_tariff: Json, *periods: Json, **options: Any) -> tuple[str | None, str | None]:
    """The rounded total, without and with VAT."""
    found = cost(of_tariff, *periods, **options)["total_cost"]
    return found["excl_vat"], found["incl_vat"]


def volumes(of_tariff: Json, *periods: Json, **options: Any) -> list[tuple[Any, ...]]:
    """(dimension, element, volume) of each line."""
    lines = cost(of_tariff, *periods, **options)["lines"]
    return [(line["dimension"], line["element"], line["volume"]) for line in lines]
