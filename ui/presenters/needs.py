"""What load management goes by for a car, in words, and what an attendant types about it."""

import re
from datetime import datetime, timedelta

from sitecontroller.domain.session_needs import SessionNeedsView
from sitecontroller.domain.topology import ServiceClass
from ui.i18n.texts import translate
from ui.presenters import units

_TIME = re.compile(r"([01]?\d|2[0-3])[:.]([0-5]\d)")


def class_words() -> dict[ServiceClass, str]:
    """The classes, the usual one first."""
    return {
        ServiceClass.NORMAL: translate("Needs", "usual"),
        ServiceClass.FLEET: translate("Needs", "fleet"),
        ServiceClass.VIP: translate("Needs", "first"),
    }


def summary(view: SessionNeedsView, zone: str, now: datetime) -> str:
    """What is known: "usual · leaves 17:30 (the car says) · needs 12 kWh"."""
    parts = [class_words()[view.service_class]]
    if view.boost_until is not None:
        until = units.moment(view.boost_until, zone, now)
        parts = [translate("Needs", "first until {time}").format(time=until)]
    if view.departure_at is not None:
        text = translate("Needs", "leaves {time}")
        if view.departure_from == "car":
            text = translate("Needs", "leaves {time}, the car says")
        parts.append(text.format(time=units.moment(view.departure_at, zone, now)))
    if view.energy_left_wh is not None:
        text = translate("Needs", "needs {energy}")
        if view.energy_from == "car":
            text = translate("Needs", "needs {energy}, the car says")
        parts.append(text.format(energy=units.energy(view.energy_left_wh)))
    if view.guaranteed_a > 0:
        text = translate("Needs", "{current} guaranteed here")
        parts.append(text.format(current=units.limit(view.guaranteed_a)))
    return " · ".join(parts)


def time_ahead(text: str, zone: str, now: datetime) -> datetime | None:
    """The next "17:30" on the site's clock; None when it is no time of day."""
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return None
    local = now.astimezone(units.zone_of(zone))
    at = local.replace(hour=int(match[1]), minute=int(match[2]), second=0, microsecond=0, fold=0)
    return at if at > local else at + timedelta(days=1)


def energy_wh(text: str) -> float | None:
    """Typed kWh, with point or comma; None when it is no number from 0 to 1000."""
    try:
        value = float(text.strip().replace(",", "."))
    except ValueError:
        return None
    return value * 1000 if 0 <= value <= 1000 else None
