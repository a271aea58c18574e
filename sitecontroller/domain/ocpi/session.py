"""A session to be priced, as `sitecontroller price` and the API take it (docs/tariffs.md)."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sitecontroller.domain.ocpi.fields import Faults, Fields
from sitecontroller.domain.usage import ChargingPeriod, PeriodState, Usage

PERIODS_MAX = 100_000
LASTS_MAX = timedelta(days=400)
_PERIOD = (
    *("start", "end", "state", "energy_kwh", "current_a", "power_kw", "volume_hours"),
)  # fmt: skip


def usage_from_json(data: Any) -> Usage:
    """What SESSION.json says. Raises InvalidInput naming the fields."""
    faults = Faults()
    fields = Fields(data, "", faults)
    fields.only(("time_zone", "periods", "reservation_expired"))
    zone = _zone(fields)
    listed = fields.objects("periods", PERIODS_MAX, required=True)
    periods = tuple(period for each in listed if (period := _period(each)) is not None)
    expired = fields.truth("reservation_expired")
    if periods:
        began_at = min(period.start_at for period in periods)
        if max(period.end_at for period in periods) - began_at > LASTS_MAX:
            fields.fault("periods", f"last more than {LASTS_MAX.days} days")
    faults.check("the session")
    return Usage(periods, zone or ZoneInfo("UTC"), expired)


def _zone(fields: Fields) -> ZoneInfo | None:
    name = fields.text("time_zone", required=True)
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        fields.fault("time_zone", f"'{name}' isn't known: write one like Europe/Berlin")
        return None


def _period(fields: Fields) -> ChargingPeriod | None:
    fields.only(_PERIOD)
    start_at, end_at = fields.instant("start", required=True), fields.instant("end", required=True)
    state = fields.word("state", PeriodState, required=True)
    energy_kwh = fields.number("energy_kwh", least=0)
    current_a, power_kw = fields.number("current_a"), fields.number("power_kw")
    volume_hours = fields.number("volume_hours", least=0)
    if start_at is None or end_at is None or state is None:
        return None
    return ChargingPeriod(
        start_at, end_at, state, energy_kwh or Decimal(0), current_a, power_kw, volume_hours
    )
