"""What a charging profile that people set must be like, so that load management stays safe.

Load management counts an EVSE at its last limit or at its fallback. A profile of people may
therefore lower what is drawn, and never let more flow than the fallback (load-management.md, S2).
"""

from collections.abc import Iterator

from sitecontroller.domain.errors import FieldError, InvalidInput
from sitecontroller.domain.smart import (
    FOREIGN_PROFILE_ID_MIN,
    ProfileKind,
    ProfilePurpose,
    SetChargingProfile,
)
from sitecontroller.domain.topology import (
    NOMINAL_V,
    ChargingStation,
    Evse,
    LimitUnit,
    Supply,
)

PERIODS_MAX = 1024
EPSILON = 1e-6
_MAY_BE_SET = {ProfilePurpose.STATION_MAXIMUM, ProfilePurpose.TX_DEFAULT, ProfilePurpose.PRIORITY}


def check_profile(wanted: SetChargingProfile, station: ChargingStation) -> None:
    """Raises InvalidInput with every fault that can be seen from here."""
    faults = tuple(_faults(wanted, station))
    if faults:
        raise InvalidInput(
            "This profile can't be set beside load management",
            remedy="Mend the fields named below",
            errors=faults,
        )


def _faults(wanted: SetChargingProfile, station: ChargingStation) -> Iterator[FieldError]:
    if wanted.profile_id < FOREIGN_PROFILE_ID_MIN:
        yield FieldError("profile_id", f"is {FOREIGN_PROFILE_ID_MIN} or more")
    if wanted.purpose not in _MAY_BE_SET:
        allowed = ", ".join(sorted(_MAY_BE_SET))
        yield FieldError("purpose", f"is one of {allowed}; the others are load management's")
    if wanted.stack_level < 1:
        yield FieldError("stack_level", "is 1 or more; level 0 is load management's")
    evses = _evses(wanted, station)
    if not evses:
        yield FieldError("evse_id", f"is 0 or an EVSE of {station.station_id}")
    elif wanted.purpose is ProfilePurpose.STATION_MAXIMUM and wanted.evse_id != 0:
        yield FieldError("evse_id", "is 0 for the station's maximum")
    yield from _schedule_faults(wanted)
    yield from _kind_faults(wanted)
    if evses:
        yield from _limit_faults(wanted, evses)


def _evses(wanted: SetChargingProfile, station: ChargingStation) -> tuple[Evse, ...]:
    return tuple(evse for evse in station.evses if wanted.evse_id in (0, evse.evse_id))


def _schedule_faults(wanted: SetChargingProfile) -> Iterator[FieldError]:
    starts = [period.start_s for period in wanted.periods]
    if not 1 <= len(starts) <= PERIODS_MAX:
        yield FieldError("periods", f"are 1 to {PERIODS_MAX}")
    elif starts[0] != 0 or starts != sorted(set(starts)):
        yield FieldError("periods", "begin at 0 and follow each other (K01.FR.31, FR.35)")
    if any(period.limit is None or period.limit < 0 for period in wanted.periods):
        yield FieldError("periods", "each have a limit of 0 or more")
    if wanted.duration_s is not None and wanted.duration_s <= 0:
        yield FieldError("duration_s", "is more than 0, or left out")
    if wanted.duration_s is not None and wanted.purpose is ProfilePurpose.PRIORITY:
        yield FieldError("duration_s", "is left out for priority charging (K01.FR.73)")
    if (wanted.soc_percent is None) != (wanted.soc_limit is None):
        yield FieldError("soc_limit", "and soc_percent are set together")


def _kind_faults(wanted: SetChargingProfile) -> Iterator[FieldError]:
    if wanted.kind is ProfileKind.DYNAMIC:
        yield FieldError("kind", "is not Dynamic: POST …/dynamic-limits does that")
    if (wanted.kind is ProfileKind.RECURRING) != (wanted.recurrency is not None):
        yield FieldError("recurrency", "is set for a Recurring profile, and only there")
    if wanted.kind is ProfileKind.RELATIVE and wanted.start_at is not None:
        yield FieldError("start_at", "is left out for a Relative profile (K01.FR.41)")
    is_maximum = wanted.purpose is ProfilePurpose.STATION_MAXIMUM
    if is_maximum and wanted.kind is ProfileKind.RELATIVE:
        yield FieldError("kind", "is not Relative for the station's maximum (K01.FR.38)")
    if wanted.valid_from and wanted.valid_to and wanted.valid_from >= wanted.valid_to:
        yield FieldError("valid_to", "is later than valid_from")


def _limit_faults(wanted: SetChargingProfile, evses: tuple[Evse, ...]) -> Iterator[FieldError]:
    dc = any(evse.supply is Supply.DC for evse in evses)
    if dc and wanted.unit is LimitUnit.A and wanted.purpose is not ProfilePurpose.STATION_MAXIMUM:
        yield FieldError("unit", "is W for a DC outlet: its amperes are not the grid's")
    limits = [limit for period in wanted.periods if (limit := period.most) is not None]
    most = max([*limits, wanted.soc_limit or 0.0], default=0.0)
    if wanted.purpose is ProfilePurpose.STATION_MAXIMUM:
        most_a = sum(evse.current_a_max for evse in evses)
        why = "the sum of its EVSEs' maximum"
    else:
        most_a = min(evse.fallback_a for evse in evses)
        why = "the fallback; raise it in site.toml to allow more"
    allowed = most_a * NOMINAL_V if wanted.unit is LimitUnit.W else most_a
    if most > allowed + EPSILON:
        yield FieldError("periods", f"allow at most {allowed:g} {wanted.unit.value}: {why}")
    if wanted.unit is LimitUnit.A and wanted.purpose is not ProfilePurpose.STATION_MAXIMUM:
        lowest_a = max(evse.current_a_min for evse in evses)
        if any(0 < limit < lowest_a for limit in limits):
            yield FieldError("periods", f"have limits of 0 or at least {lowest_a:g} A")
