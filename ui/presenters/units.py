"""Values as people read them: always with their unit, unknown as a dash, never a bare number."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sitecontroller.domain.money import Money, minor_digits
from sitecontroller.domain.topology import PHASE_NAMES, PerPhase
from ui.i18n.texts import number, translate

NBSP = "\N{NO-BREAK SPACE}"
UNKNOWN = "\N{EN DASH}"
_SIGNS = {"EUR": "€", "GBP": "£", "USD": "$"}
_KW = 1000.0
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400


def power(power_w: float | None) -> str:
    """Watts as kW: one decimal below 100 kW."""
    if power_w is None:
        return UNKNOWN
    kilowatts = power_w / _KW
    return f"{number(kilowatts, 1 if abs(kilowatts) < 100 else 0)}{NBSP}kW"


def energy(energy_wh: float | None, digits: int = 1) -> str:
    """Watt-hours as kWh."""
    if energy_wh is None:
        return UNKNOWN
    return f"{number(energy_wh / _KW, digits)}{NBSP}kWh"


def current(current_a: float | None, digits: int = 0) -> str:
    """Amperes."""
    return UNKNOWN if current_a is None else f"{number(current_a, digits)}{NBSP}A"


def limit(current_a: float | None) -> str:
    """A limit in amperes: a decimal only where it has one."""
    if current_a is None:
        return UNKNOWN
    return current(current_a, 0 if abs(current_a - round(current_a)) < 0.05 else 1)


def voltage(voltage_v: float | None) -> str:
    """Volts."""
    return UNKNOWN if voltage_v is None else f"{number(voltage_v)}{NBSP}V"


def percent(value: float | None) -> str:
    """A percentage."""
    return UNKNOWN if value is None else f"{number(value)}{NBSP}%"


def milliseconds(value_ms: float | None) -> str:
    """A latency."""
    if value_ms is None:
        return ""
    return f"{number(value_ms, 1 if value_ms < 10 else 0)}{NBSP}ms"


def rating(limit_a: PerPhase) -> str:
    """A fuse's rating: "3 × 63 A", or phase by phase where they differ."""
    if len(set(limit_a)) == 1:
        return f"3{NBSP}×{NBSP}{limit(limit_a[0])}"
    return " / ".join(limit(value) for value in limit_a)


def per_phase(current_a: PerPhase, digits: int = 0) -> str:
    """All known phases: "L1 31 A · L2 28 A"; a dash when none is."""
    known = [
        f"{name}{NBSP}{current(value, digits)}"
        for name, value in zip(PHASE_NAMES, current_a, strict=True)
        if value is not None
    ]
    return " · ".join(known) or UNKNOWN


def money(value: Money | None) -> str:
    """An amount to its minor unit, the sign behind it."""
    if value is None:
        return UNKNOWN
    amount = value.rounded().amount
    text = number(float(amount), minor_digits(value.currency))
    return f"{text}{NBSP}{_SIGNS.get(value.currency, value.currency)}"


def span(seconds: float) -> str:
    """A length of time in its two largest units."""
    whole = max(0, int(seconds))
    if whole < _MINUTE_S:
        return f"{whole}{NBSP}s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S}{NBSP}min"
    if whole < _DAY_S:
        return f"{whole // _HOUR_S}{NBSP}h{NBSP}{whole % _HOUR_S // _MINUTE_S:02d}{NBSP}min"
    return f"{whole // _DAY_S}{NBSP}d{NBSP}{whole % _DAY_S // _HOUR_S}{NBSP}h"


def age(at: datetime | None, now: datetime) -> str:
    """How old a value is: "4 s old"; "never measured" without one."""
    if at is None:
        return translate("Units", "never measured")
    return translate("Units", "{age} old").format(age=span((now - at).total_seconds()))


def clock_time(at: datetime | None, zone: str, *, seconds: bool = False) -> str:
    """The site's local time of day."""
    if at is None:
        return UNKNOWN
    return at.astimezone(zone_of(zone)).strftime("%H:%M:%S" if seconds else "%H:%M")


def moment(at: datetime | None, zone: str, now: datetime, *, seconds: bool = False) -> str:
    """Local time of day, with the date when it is not today's."""
    if at is None:
        return UNKNOWN
    local, today = at.astimezone(zone_of(zone)), now.astimezone(zone_of(zone)).date()
    time_of_day = local.strftime("%H:%M:%S" if seconds else "%H:%M")
    if local.date() == today:
        return time_of_day
    day = f"{local.day}{NBSP}{month(local.month)}"
    if local.date() < today - timedelta(days=300):
        day += f"{NBSP}{local.year}"
    return f"{day}{NBSP}{time_of_day}"


def date_and_time(at: datetime, zone: str) -> str:
    """The top bar's clock: weekday, date, time of day."""
    local = at.astimezone(zone_of(zone))
    return f"{weekday(local.weekday())} {local.day}{NBSP}{month(local.month)}  {local:%H:%M:%S}"


def month(number_of_month: int) -> str:
    """A month's short name."""
    names = (
        translate("Units", "Jan"), translate("Units", "Feb"), translate("Units", "Mar"),
        translate("Units", "Apr"), translate("Units", "May"), translate("Units", "Jun"),
        translate("Units", "Jul"), translate("Units", "Aug"), translate("Units", "Sep"),
        translate("Units", "Oct"), translate("Units", "Nov"), translate("Units", "Dec"),
    )  # fmt: skip
    return names[number_of_month - 1]


def weekday(day: int) -> str:
    """A weekday's short name, Monday is 0."""
    names = (
        translate("Units", "Mon"), translate("Units", "Tue"), translate("Units", "Wed"),
        translate("Units", "Thu"), translate("Units", "Fri"), translate("Units", "Sat"),
        translate("Units", "Sun"),
    )  # fmt: skip
    return names[day]


def zone_of(name: str) -> ZoneInfo:
    """The zone, UTC where this machine doesn't know it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
