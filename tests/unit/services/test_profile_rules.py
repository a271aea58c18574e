"""What profiles of people may not be, so that no EVSE draws more than load management counts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sitecontroller.domain.errors import InvalidInput
from sitecontroller.domain.smart import (
    ProfileKind,
    ProfilePurpose,
    Recurrency,
    SchedulePeriod,
    SetChargingProfile,
)
from sitecontroller.domain.topology import ChargingStation, Evse, LimitUnit, Supply
from sitecontroller.services.profile_rules import check_profile

STATION = ChargingStation(
    "CP-01",
    (
        Evse("CP-01", 1, "main", fallback_a=8.0, current_a_max=32.0),
        Evse("CP-01", 2, "main", fallback_a=16.0, current_a_max=32.0),
    ),
)


def draft(**changed: Any) -> SetChargingProfile:
    now = datetime.now(UTC)
    wanted: dict[str, Any] = {
        "station_id": "CP-01",
        "evse_id": 1,
        "profile_id": 1000,
        "purpose": ProfilePurpose.TX_DEFAULT,
        "stack_level": 1,
        "unit": LimitUnit.A,
        "periods": (SchedulePeriod(0, 6.0, 3),),
        "valid_from": now,
        "valid_to": now + timedelta(hours=1),
        "duration_s": 3600,
    }
    return SetChargingProfile(**{**wanted, **changed})


FAULTY = [
    ({"profile_id": 12}, "profile_id"),
    ({"purpose": ProfilePurpose.TX}, "purpose"),
    ({"purpose": ProfilePurpose.LOCAL_GENERATION}, "purpose"),
    ({"stack_level": 0}, "stack_level"),
    ({"evse_id": 7}, "evse_id"),
    ({"purpose": ProfilePurpose.STATION_MAXIMUM}, "evse_id"),
    ({"periods": ()}, "periods"),
    ({"periods": (SchedulePeriod(10, 6.0),)}, "periods"),
    ({"periods": (SchedulePeriod(0, 6.0), SchedulePeriod(0, 7.0))}, "periods"),
    ({"periods": (SchedulePeriod(0, 8.1),)}, "periods"),
    ({"periods": (SchedulePeriod(0, 6.0, limit_l2=9.0),)}, "periods"),
    ({"periods": (SchedulePeriod(0, 3.0),)}, "periods"),
    ({"periods": (SchedulePeriod(0, -1.0),)}, "periods"),
    ({"periods": (SchedulePeriod(0),)}, "periods"),
    ({"unit": LimitUnit.W, "periods": (SchedulePeriod(0, 1841.0),)}, "periods"),
    ({"duration_s": 0}, "duration_s"),
    ({"kind": ProfileKind.DYNAMIC}, "kind"),
    ({"kind": ProfileKind.RECURRING}, "recurrency"),
    ({"kind": ProfileKind.RELATIVE, "start_at": datetime.now(UTC)}, "start_at"),
    ({"valid_to": datetime(2020, 1, 1, tzinfo=UTC)}, "valid_to"),
    ({"soc_percent": 80}, "soc_limit"),
    ({"soc_percent": 80, "soc_limit": 32.0}, "periods"),
    ({"purpose": ProfilePurpose.PRIORITY}, "duration_s"),
]


@pytest.mark.parametrize(("changed", "field"), FAULTY)
def test_a_profile_that_could_let_more_flow_is_refused_by_its_field(
    changed: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_profile(draft(**changed), STATION)
    assert field in {fault.field for fault in refused.value.errors}


ALLOWED = [
    {},
    {"evse_id": 0, "periods": (SchedulePeriod(0, 8.0),)},
    {"evse_id": 2, "periods": (SchedulePeriod(0, 16.0), SchedulePeriod(60, 0.0))},
    {"unit": LimitUnit.W, "periods": (SchedulePeriod(0, 1840.0),)},
    {
        "evse_id": 0,
        "purpose": ProfilePurpose.STATION_MAXIMUM,
        "periods": (SchedulePeriod(0, 64.0),),
    },
    {"kind": ProfileKind.RECURRING, "recurrency": Recurrency.WEEKLY},
    {"kind": ProfileKind.RELATIVE, "valid_from": None, "valid_to": None},
    {"purpose": ProfilePurpose.PRIORITY, "duration_s": None},
]


@pytest.mark.parametrize("changed", ALLOWED)
def test_a_profile_that_only_lowers_is_allowed(changed: dict[str, Any]) -> None:
    check_profile(draft(**changed), STATION)


def test_a_dc_outlet_is_limited_in_watts() -> None:
    """10 A at a car of 900 V are 14 A of each grid phase."""
    fast = replace(STATION.evses[0], supply=Supply.DC, limit_unit=LimitUnit.W)
    with pytest.raises(InvalidInput) as refused:
        check_profile(draft(), replace(STATION, evses=(fast,)))
    assert [fault.field for fault in refused.value.errors] == ["unit"]


def test_all_evses_are_held_to_the_lowest_fallback() -> None:
    with pytest.raises(InvalidInput):
        check_profile(draft(evse_id=0, periods=(SchedulePeriod(0, 16.0),)), STATION)
