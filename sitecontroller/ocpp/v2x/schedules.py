"""Charging schedules and profiles of 2.x as stations tell them, and as people want them set.

What can't be read is left out; nothing here raises for a station's payload.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from sitecontroller.domain.smart import (
    HeldProfile,
    ProfileKind,
    Schedule,
    SchedulePeriod,
    SetChargingProfile,
)
from sitecontroller.domain.topology import LimitUnit
from sitecontroller.ocpp.block import Answer
from sitecontroller.ocpp.profiles import START_IN_PAST
from sitecontroller.ocpp.times import format_time, read_instant
from sitecontroller.ocpp.values import integer, number, rows, table, text

PERIODS_KEPT = 24
"""Of one schedule: a day in hours."""
SCHEDULES_MAX = 3
PROFILES_MAX = 200
"""Of one report."""
OBJECT_BYTES_MAX = 16 * 1024
"""Of what is kept in OCPP's own words."""
YEARS = range(2000, 2200)
"""Beyond, a date is no date but a way to say never."""


def instant(raw: object) -> datetime | None:
    """A point in time, also in the future; None: not said, or no date."""
    at = read_instant(raw)
    return at if at is not None and at.year in YEARS else None


def as_it_came(raw: object) -> Answer | None:
    """An object in OCPP's own words; None: it isn't one, or is too large to be kept."""
    is_small = isinstance(raw, dict) and len(orjson.dumps(raw)) <= OBJECT_BYTES_MAX
    return table(raw) if is_small else None


def schedule_of(raw: object) -> Schedule | None:
    """One ChargingSchedule or CompositeSchedule; None: it has no periods."""
    said = table(raw)
    periods = tuple(
        period
        for row in rows(said.get("chargingSchedulePeriod"), PERIODS_KEPT)
        if (period := _period(row)) is not None
    )
    if not periods:
        return None
    in_watts = (text(said.get("chargingRateUnit")) or "").upper() == LimitUnit.W
    start = said.get("startSchedule") or said.get("scheduleStart")
    return Schedule(
        LimitUnit.W if in_watts else LimitUnit.A,
        periods,
        instant(start),
        integer(said.get("duration")),
    )


def schedules_of(raw: object) -> tuple[Schedule, ...]:
    """A list of them."""
    found = (schedule_of(row) for row in rows(raw, SCHEDULES_MAX))
    return tuple(schedule for schedule in found if schedule is not None)


def profiles_of(payload: Answer, own_ids: frozenset[int]) -> tuple[HeldProfile, ...]:
    """The profiles of one ReportChargingProfiles; `own_ids` are those load management sets."""
    evse_id = max(0, integer(payload.get("evseId")) or 0)
    source = text(payload.get("chargingLimitSource"), 20) or "CSO"
    return tuple(
        _profile(row, evse_id, source, own_ids)
        for row in rows(payload.get("chargingProfile"), PROFILES_MAX)
        if integer(row.get("id")) is not None
    )


def _profile(row: Answer, evse_id: int, source: str, own_ids: frozenset[int]) -> HeldProfile:
    profile_id = integer(row.get("id")) or 0
    return HeldProfile(
        evse_id=evse_id,
        profile_id=profile_id,
        source=source,
        purpose=text(row.get("chargingProfilePurpose"), 50) or "",
        kind=text(row.get("chargingProfileKind"), 50) or "",
        stack_level=integer(row.get("stackLevel")) or 0,
        schedules=schedules_of(row.get("chargingSchedule")),
        ours=profile_id in own_ids and source == "CSO",
        recurrency=text(row.get("recurrencyKind"), 20),
        valid_from=instant(row.get("validFrom")),
        valid_to=instant(row.get("validTo")),
        transaction_id=text(row.get("transactionId"), 36),
        offline_s_max=integer(row.get("maxOfflineDuration")),
    )


def _period(row: Answer) -> SchedulePeriod | None:
    start_s = integer(row.get("startPeriod"))
    if start_s is None:
        return None
    return SchedulePeriod(
        start_s=start_s,
        limit=number(row.get("limit")),
        phase_count=integer(row.get("numberPhases")),
        limit_l2=number(row.get("limit_L2")),
        limit_l3=number(row.get("limit_L3")),
        discharge_limit=number(row.get("dischargeLimit")),
        setpoint=number(row.get("setpoint")),
        operation_mode=text(row.get("operationMode"), 30),
    )


def flattened(schedule: object) -> Any:
    """A composite schedule with one limit for all phases, the largest: what may be drawn at most.

    2.1 may say a limit for each phase; in watts they add up.
    """
    said = table(schedule)
    in_watts = (text(said.get("chargingRateUnit")) or "").upper() == LimitUnit.W
    periods = [_flat(row, in_watts=in_watts) for row in rows(said.get(_PERIODS), 1024)]
    return {**said, _PERIODS: periods} if periods else schedule


_PERIODS = "chargingSchedulePeriod"


def _flat(row: Answer, *, in_watts: bool) -> Answer:
    others = [number(row.get(name)) for name in ("limit_L2", "limit_L3")]
    limits = [limit for limit in (number(row.get("limit")), *others) if limit is not None]
    if not limits or all(other is None for other in others):
        return row
    return {**row, "limit": max(limits) * (len(limits) if in_watts else 1)}


@dataclass(frozen=True, slots=True)
class Stamps:
    """How a station is told instants: `offset_s` is its clock less ours."""

    offset_s: float
    digits: int

    def of(self, at: datetime) -> str:
        """An instant of ours in the station's clock."""
        return format_time(at + timedelta(seconds=self.offset_s), self.digits)


def profile_body(wanted: SetChargingProfile, now: datetime, stamps: Stamps) -> Answer:
    """The ChargingProfile of a SetChargingProfileRequest; `now` by our clock."""
    schedule: Answer = {
        "id": wanted.profile_id,
        "chargingRateUnit": wanted.unit.value,
        _PERIODS: [_period_body(period) for period in wanted.periods],
    }
    if wanted.kind in (ProfileKind.ABSOLUTE, ProfileKind.RECURRING):  # K01.FR.40
        schedule["startSchedule"] = stamps.of(wanted.start_at or now - START_IN_PAST)
    if wanted.duration_s is not None:
        schedule["duration"] = wanted.duration_s
    if wanted.local_time:
        schedule["useLocalTime"] = True
    if wanted.random_delay_s is not None:
        schedule["randomizedDelay"] = wanted.random_delay_s
    if wanted.soc_percent is not None:
        schedule["limitAtSoC"] = {"soc": wanted.soc_percent, "limit": wanted.soc_limit}
    body: Answer = {
        "id": wanted.profile_id,
        "stackLevel": wanted.stack_level,
        "chargingProfilePurpose": wanted.purpose.value,
        "chargingProfileKind": wanted.kind.value,
        "chargingSchedule": [schedule],
    }
    if wanted.recurrency is not None:
        body["recurrencyKind"] = wanted.recurrency.value
    for name, at in (("validFrom", wanted.valid_from), ("validTo", wanted.valid_to)):
        if at is not None:
            body[name] = stamps.of(at)
    if wanted.offline_s_max is not None:
        body["maxOfflineDuration"] = wanted.offline_s_max
        body["invalidAfterOfflineDuration"] = True
    return body


def _period_body(period: SchedulePeriod) -> Answer:
    said = {
        "startPeriod": period.start_s,
        "limit": period.limit,
        "numberPhases": period.phase_count,
        "limit_L2": period.limit_l2,
        "limit_L3": period.limit_l3,
        "operationMode": period.operation_mode,
    }
    return {name: value for name, value in said.items() if value is not None}
