"""A plan in figures and one sentence: when the cars charge, at what price, and how sure that is."""

from dataclasses import dataclass
from datetime import datetime

from sitecontroller.domain.planning import PlanView
from ui.i18n.texts import translate
from ui.presenters import units
from ui.state import Picture


@dataclass(frozen=True, slots=True)
class Plan:
    """A value per quarter hour from `start_at`; prices in `currency` a kWh."""

    start_at: datetime
    zone: str
    currency: str
    site_w: tuple[float, ...]
    base_w: tuple[float, ...]
    prices: tuple[float, ...]
    known: tuple[bool, ...]
    spoken: str


def plan(view: PlanView, picture: Picture) -> Plan | None:
    """What is drawn; None when there is no plan to draw."""
    if view.start_at is None or not view.site_w or picture.site is None:
        return None
    length = min(len(view.site_w), len(view.base_w), len(view.price_per_kwh))
    if length == 0:
        return None
    return Plan(
        view.start_at,
        picture.zone,
        picture.site.currency,
        tuple(map(float, view.site_w[:length])),
        tuple(map(float, view.base_w[:length])),
        view.price_per_kwh[:length],
        view.price_known[:length],
        headline(view, picture),
    )


def headline(view: PlanView, picture: Picture) -> str:
    """The plan in a sentence, or why there is none."""
    table = {
        "off": translate("Plan", "Planning is off: site.toml has no [planning]."),
        "none yet": translate("Plan", "No plan yet: the first comes within a quarter of an hour."),
    }
    if view.state in table:
        return table[view.state]
    made = units.clock_time(view.made_at, picture.zone)
    followed = translate("Plan", "Followed, made {time}").format(time=made)
    if view.state != "followed":
        followed = translate("Plan", "Too old to be followed, made {time}").format(time=made)
    parts = [followed]
    cars = len(view.sessions)
    parts.append(
        translate("Plan", "{count} car").format(count=cars)
        if cars == 1
        else translate("Plan", "{count} cars").format(count=cars)
    )
    if view.energy_cost is not None:
        parts.append(translate("Plan", "energy {cost}").format(cost=units.money(view.energy_cost)))
    if view.peak_w is not None:
        parts.append(translate("Plan", "peak {power}").format(power=units.power(view.peak_w)))
    short = [s for s in view.sessions if s.unmet_wh > 0]
    if short:
        names = ", ".join(f"{s.station_id}/{s.evse_id}" for s in short[:3])
        parts.append(translate("Plan", "not in time: {names}").format(names=names))
    if view.why:
        parts.append(view.why)
    return " · ".join(parts)
