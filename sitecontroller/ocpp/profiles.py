"""Charging profiles: an EVSE's fallback, its lease, the station's own maximum, and their read-back.

A profile is built once in our words; `schedule_body` and `v201_payload` write what goes out, and
`v16` wraps the same schedule in its own words. A limit is 0 (pause) or at least the EVSE's
minimum, and never rounded up (Q46, Q47).
"""

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sitecontroller.domain.topology import NOMINAL_V, Evse, LimitUnit, Supply
from sitecontroller.ocpp.times import format_time
from sitecontroller.ports import ScheduledLimit

FALLBACK_STACK_LEVEL = 0
LEASE_STACK_LEVEL = 1
TX_STACK_LEVEL = 0
"""A TxProfile stands over every TxDefaultProfile, and some stations know level 0 only."""
START_IN_PAST = timedelta(minutes=1)
"""A start that is still ahead of the station's clock would not limit yet."""
CURRENT_A_MAX = 1000.0
PERIODS_MAX = 1024
EPSILON = 1e-6
"""Room for binary fractions: 16.3 A must not become 16.2."""

STATION_MAXIMUM_ID = 1


class Purpose(StrEnum):
    """OCPP 2.0.1 ChargingProfilePurposeEnumType, as far as we use it."""

    STATION_MAXIMUM = "ChargingStationMaxProfile"
    TX_DEFAULT = "TxDefaultProfile"
    TX = "TxProfile"


class Kind(StrEnum):
    """OCPP 2.0.1 ChargingProfileKindEnumType, as far as we use it."""

    ABSOLUTE = "Absolute"
    RELATIVE = "Relative"


@dataclass(frozen=True, slots=True)
class Period:
    """From `start_s` into the schedule on; `limit` in the schedule's unit."""

    start_s: int
    limit: float
    phase_count: int | None


@dataclass(frozen=True, slots=True)
class ChargingProfile:
    """One profile with one period, or two. Times are in the station's clock.

    `limit` is in `unit`; `phase_count` None leaves the number of phases out (DC).
    """

    profile_id: int
    purpose: Purpose
    stack_level: int
    kind: Kind
    limit: float
    unit: LimitUnit
    phase_count: int | None
    start_at: datetime | None = None
    duration_s: int | None = None
    valid_to: datetime | None = None
    transaction_id: str | None = None
    then: Period | None = None
    """What follows the limit, in the same unit."""
    setpoint: float | None = None
    """Below 0: what the car gives back until then, in the same unit (2.1)."""


def fallback_id(evse_id: int) -> int:
    """The id of an EVSE's permanent profile: always the same, so that a new one replaces it."""
    return evse_id * 10 + 1


def lease_id(evse_id: int) -> int:
    """The id of an EVSE's lease."""
    return evse_id * 10 + 2


def fallback(
    evse: Evse, current_a: float, phase_count: int, *, station_now: datetime, integer: bool = False
) -> ChargingProfile:
    """What an EVSE may draw for ever when nobody tells it anything: TxDefaultProfile, level 0."""
    return ChargingProfile(
        profile_id=fallback_id(evse.evse_id),
        purpose=Purpose.TX_DEFAULT,
        stack_level=FALLBACK_STACK_LEVEL,
        kind=Kind.ABSOLUTE,
        limit=limit_value(evse, current_a, phase_count, integer=integer),
        unit=evse.limit_unit,
        phase_count=_number_phases(evse, phase_count),
        start_at=station_now - START_IN_PAST,
    )


def station_maximum(
    evses: tuple[Evse, ...],
    current_a: float,
    sent_for: int | None = None,
    *,
    station_now: datetime,
    integer: bool = False,
) -> ChargingProfile:
    """What the box as a whole may draw per phase: permanent, on EVSE 0.

    `sent_for`: on how many phases watts flow for certain; all of them where it is no car's limit.
    """
    assert evses
    in_watts = all(evse.limit_unit is LimitUnit.W for evse in evses)
    phase_count = max(evse.phase_count for evse in evses)
    efficiency = max(evse.efficiency for evse in evses)
    power_w = current_a * NOMINAL_V * (sent_for or phase_count) * efficiency
    value = power_w if in_watts else current_a
    unit = LimitUnit.W if in_watts else LimitUnit.A
    is_dc = all(evse.supply is Supply.DC for evse in evses)
    return ChargingProfile(
        profile_id=STATION_MAXIMUM_ID,
        purpose=Purpose.STATION_MAXIMUM,
        stack_level=FALLBACK_STACK_LEVEL,
        kind=Kind.ABSOLUTE,
        limit=_rounded_down(value, unit, integer=integer),
        unit=unit,
        phase_count=None if is_dc else phase_count,
        start_at=station_now - START_IN_PAST,
    )


def lease(
    evse: Evse,
    current_a: float,
    phase_count: int,
    *,
    purpose: Purpose,
    lease_s: int | None,
    station_now: datetime | None,
    transaction_id: str | None,
    integer: bool = False,
) -> ChargingProfile:
    """A limit for the running transaction that ends `lease_s` from now by the station's clock.

    Without `lease_s`, or with the station's clock unknown (`station_now` None), it holds until it
    is replaced: a clock that isn't known can't end anything. A relative profile needs no clock.
    """
    assert purpose is not Purpose.TX or transaction_id
    leased = lease_s is not None and station_now is not None
    start_at = None if station_now is None else station_now - START_IN_PAST
    return ChargingProfile(
        profile_id=lease_id(evse.evse_id),
        purpose=purpose,
        stack_level=LEASE_STACK_LEVEL if purpose is Purpose.TX_DEFAULT else TX_STACK_LEVEL,
        kind=Kind.RELATIVE if start_at is None else Kind.ABSOLUTE,
        limit=limit_value(evse, current_a, phase_count, integer=integer),
        unit=evse.limit_unit,
        phase_count=_number_phases(evse, phase_count),
        start_at=start_at,
        duration_s=int(START_IN_PAST.total_seconds()) + lease_s if leased and lease_s else None,
        valid_to=(
            station_now + timedelta(seconds=lease_s) if leased and station_now and lease_s else None
        ),
        transaction_id=transaction_id if purpose is Purpose.TX else None,
    )


def before(limit: ChargingProfile, fallback: ChargingProfile) -> ChargingProfile:
    """`limit` in the place of the fallback, which follows it in the same profile when it ends.

    For stations of one stack level, where a second profile can't stand over the first
    (load-management.md, "Leases", c). Neither `duration` nor `valid_to`: with either the fallback
    would end too.
    """
    assert limit.unit is fallback.unit
    ends_s = limit.duration_s
    return replace(
        fallback,
        kind=limit.kind,
        limit=limit.limit,
        phase_count=limit.phase_count,
        start_at=limit.start_at,
        then=None if ends_s is None else Period(ends_s, fallback.limit, fallback.phase_count),
    )


def discharge(
    evse: Evse,
    current_a: float,
    phase_count: int,
    *,
    lease_s: int,
    station_now: datetime,
    transaction_id: str,
) -> ChargingProfile:
    """Give back so much for `lease_s` by the station's clock, then 0 until further notice.

    Never more than `current_a` on a grid phase: rounded down, and of watts one phase may give all.
    """
    assert 0 < current_a <= CURRENT_A_MAX, f"{current_a} A is no discharge"
    value = current_a
    if evse.limit_unit is LimitUnit.W:
        value = current_a * NOMINAL_V * phase_count * evse.efficiency
    value = _rounded_down(value, evse.limit_unit, integer=True)
    zero = lease(
        evse,
        0.0,
        phase_count,
        purpose=Purpose.TX,
        lease_s=None,
        station_now=station_now,
        transaction_id=transaction_id,
    )
    ends_s = int(START_IN_PAST.total_seconds()) + lease_s
    return replace(
        zero, setpoint=-value if value else None, then=Period(ends_s, 0, zero.phase_count)
    )


def limit_value(evse: Evse, current_a: float, phase_count: int, *, integer: bool = False) -> float:
    """`current_a` per grid phase in the EVSE's unit: 0.1 A or whole amperes, whole watts.

    Watts are those of the outlet over the phases *proven* in use (load-management.md, "Model").
    """
    assert 0 <= current_a <= CURRENT_A_MAX, f"{current_a} A is no limit"
    assert current_a < EPSILON or current_a >= evse.current_a_min - EPSILON, (
        f"{evse.key}: {current_a} A is between a pause and the minimum of {evse.current_a_min} A"
    )
    assert 1 <= phase_count <= 3
    if evse.limit_unit is LimitUnit.W:
        power_w = current_a * NOMINAL_V * phase_count * evse.efficiency
        return _rounded_down(power_w, LimitUnit.W, integer=True)
    value = _rounded_down(current_a, LimitUnit.A, integer=integer or evse.step_a >= 1)
    return value if value >= evse.current_a_min - EPSILON else 0


def _rounded_down(value: float, unit: LimitUnit, *, integer: bool) -> float:
    if integer or unit is LimitUnit.W:
        return math.floor(value + EPSILON)
    tenths = math.floor(value * 10 + EPSILON)
    return tenths // 10 if tenths % 10 == 0 else tenths / 10


def _number_phases(evse: Evse, phase_count: int) -> int | None:
    """OCPP 2.1 K: numberPhases is left out for a DC EVSE."""
    return None if evse.supply is Supply.DC else phase_count


def schedule_body(profile: ChargingProfile, *, digits: int) -> dict[str, Any]:
    """The schedule with its periods, the same in 1.6 and 2.x."""
    first = Period(0, profile.limit, profile.phase_count)
    periods = (first,) if profile.then is None else (first, profile.then)
    schedule: dict[str, Any] = {
        "chargingRateUnit": profile.unit.value,
        "chargingSchedulePeriod": [_period_body(period) for period in periods],
    }
    if profile.duration_s is not None:
        schedule["duration"] = profile.duration_s
    if profile.start_at is not None:
        schedule["startSchedule"] = format_time(profile.start_at, digits)
    return schedule


def _period_body(period: Period) -> dict[str, Any]:
    body: dict[str, Any] = {"startPeriod": period.start_s, "limit": period.limit}
    if period.phase_count is not None:
        body["numberPhases"] = period.phase_count
    return body


def v201_payload(profile: ChargingProfile, evse_id: int, *, digits: int) -> dict[str, Any]:
    """SetChargingProfileRequest of OCPP 2.0.1; `evse_id` 0 is the station."""
    body: dict[str, Any] = {
        "id": profile.profile_id,
        "stackLevel": profile.stack_level,
        "chargingProfilePurpose": profile.purpose.value,
        "chargingProfileKind": profile.kind.value,
        "chargingSchedule": [{"id": profile.profile_id, **schedule_body(profile, digits=digits)}],
    }
    if profile.valid_to is not None:
        body["validTo"] = format_time(profile.valid_to, digits)
    if profile.transaction_id is not None:
        body["transactionId"] = profile.transaction_id
    return {"evseId": evse_id, "chargingProfile": body}


def parse_composite(
    body: dict[str, Any], schedule: object, evse: Evse, phase_count: int | None = None
) -> ScheduledLimit:
    """What a composite schedule lets one grid phase draw now, and for how long.

    `schedule` is the part of the answer `body` that holds the periods; `phase_count` what the
    last limit was sent for. Watts without any number of phases count as one phase's: the larger
    current.
    """
    nothing = ScheduledLimit(None, None, body)
    if not isinstance(schedule, dict):
        return nothing
    periods = schedule.get("chargingSchedulePeriod")
    known = sorted(
        (period["startPeriod"], index)
        for index, period in enumerate(periods[:PERIODS_MAX] if isinstance(periods, list) else ())
        if isinstance(period, dict) and _is_number(period.get("startPeriod"))
    )
    if not known or known[0][0] > 0 or not isinstance(periods, list):
        return nothing
    period = periods[known[0][1]]
    limit = period.get("limit")
    if not _is_number(limit) or limit < 0:
        return nothing
    duration = known[1][0] if len(known) > 1 else schedule.get("duration")
    return ScheduledLimit(
        current_a=_current_a(
            limit, str(schedule.get("chargingRateUnit")), period, evse, phase_count
        ),
        duration_s=int(duration) if isinstance(duration, int | float) else None,
        body=body,
    )


def _current_a(
    limit: float, unit: str, period: dict[str, Any], evse: Evse, phase_count: int | None
) -> float | None:
    """None: amperes of a DC outlet are the car's and say nothing about the grid's."""
    if unit.strip().upper() != LimitUnit.W:
        return None if evse.supply is Supply.DC else float(limit)
    said = period.get("numberPhases")
    sent_for = phase_count or 1
    if evse.supply is Supply.DC:
        phases = evse.phase_count
    elif said not in (1, 2, 3):
        phases = sent_for
    else:  # of a limit in watts a car may take all on one phase, whatever the station says
        phases = min(said, sent_for) if evse.limit_unit is LimitUnit.W else said
    return limit / (NOMINAL_V * phases * evse.efficiency)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
