"""A simulated station's charging profiles: which one leads, when, and what it means in amperes."""

from datetime import timedelta
from typing import Any

import pytest

from sitecontroller.domain.topology import Evse, PhaseMap
from sitecontroller.simulation.profiles import ProfileRefused, ProfileStore, parse_profile
from sitecontroller.wire import parse_instant

NOON = parse_instant("2025-03-03T12:00:00Z")
SINCE = NOON - timedelta(minutes=10)
EVSE = Evse("CP-1", 1, "main")
SINGLE = Evse("CP-1", 1, "main", phase_map=PhaseMap.parse("L2"))


def store_of(*profiles: dict[str, Any]) -> ProfileStore:
    store = ProfileStore(strict_stack=False)
    for number, changes in enumerate(profiles, start=1):
        store.put(stored(number, **changes))
    return store


def stored(
    number: int,
    limit: float | list[tuple[int, float]] = 10.0,
    *,
    purpose: str = "TxDefaultProfile",
    level: int = 0,
    kind: str = "Absolute",
    evse_id: int = 1,
    unit: str = "A",
    start: str | None = "2025-03-03T11:00:00Z",
    duration: int | None = None,
    phases: int | None = None,
    **body: Any,
) -> Any:
    steps = limit if isinstance(limit, list) else [(0, limit)]
    periods = [
        {"startPeriod": s, "limit": v, **({"numberPhases": phases} if phases else {})}
        for s, v in steps
    ]
    schedule: dict[str, Any] = {"chargingRateUnit": unit, "chargingSchedulePeriod": periods}
    if start is not None:
        schedule["startSchedule"] = start
    if duration is not None:
        schedule["duration"] = duration
    body |= {
        "stackLevel": level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": kind,
    }
    return parse_profile(body, schedule, evse_id, number)


DEFAULT, TX = {"limit": 10.0}, {"limit": 8.0, "purpose": "TxProfile"}
CASES = [
    ("no profile: all the EVSE has", [], 32),
    ("a default holds", [DEFAULT], 10),
    ("the higher stack level leads", [DEFAULT, {"limit": 20.0, "level": 1}], 20),
    ("a transaction's own beats the default", [DEFAULT, TX], 8),
    (
        "the station's maximum caps all",
        [{"limit": 7.0, "purpose": "ChargePointMaxProfile", "evse_id": 0}, DEFAULT],
        7,
    ),
    ("an ended duration gives way", [DEFAULT, {"limit": 20.0, "level": 1, "duration": 3600}], 10),
    ("a running duration holds", [DEFAULT, {"limit": 20.0, "level": 1, "duration": 3601}], 20),
    (
        "validTo ends a profile",
        [DEFAULT, {"limit": 20.0, "level": 1, "validTo": "2025-03-03T12:00:00Z"}],
        10,
    ),
    (
        "validFrom begins one",
        [DEFAULT, {"limit": 20.0, "level": 1, "validFrom": "2025-03-03T12:00:01Z"}],
        10,
    ),
    (
        "a start ahead doesn't hold yet",
        [DEFAULT, {"limit": 20.0, "level": 1, "start": "2025-03-03T12:00:01Z"}],
        10,
    ),
    ("the period in force counts", [{"limit": [(0, 6.0), (3000, 9.0), (3700, 16.0)]}], 9),
    (
        "relative counts from the start of charging",
        [{"limit": [(0, 6.0), (601, 9.0)], "kind": "Relative"}],
        6,
    ),
    ("EVSE n goes before EVSE 0", [{"limit": 20.0, "evse_id": 0}, DEFAULT], 10),
    ("EVSE 0 holds for all", [{"limit": 20.0, "evse_id": 0}], 20),
    ("another EVSE's doesn't count", [{"limit": 9.0, "evse_id": 2}], 32),
    (
        "daily comes back",
        [
            {
                "limit": [(0, 6.0), (3600, 12.0)],
                "kind": "Recurring",
                "recurrencyKind": "Daily",
                "start": "2025-03-01T11:00:00Z",
            }
        ],
        12,
    ),
    ("watts over three phases", [{"limit": 6900.0, "unit": "W"}], 10),
    ("watts over the phases named", [{"limit": 6900.0, "unit": "W", "phases": 1}], 30),
]


@pytest.mark.parametrize(
    ("profiles", "expected_a"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_the_leading_profile(profiles: list[dict[str, Any]], expected_a: float) -> None:
    assert store_of(*profiles).limit_a(EVSE, NOON, charging_since=SINCE) == expected_a


def test_a_tx_profile_without_a_transaction_says_nothing() -> None:
    assert store_of(DEFAULT, TX).limit_a(EVSE, NOON) == 10


def test_watts_at_a_single_phase_evse_flow_through_one_conductor() -> None:
    store = store_of({"limit": 2300.0, "unit": "W"})
    assert store.limit_a(SINGLE, NOON, charging_since=SINCE) == 10


def test_a_profile_replaces_the_one_in_its_place() -> None:
    store = store_of(DEFAULT, {"limit": 14.0})
    assert store.limit_a(EVSE, NOON) == 14
    assert len(list(store)) == 1


def test_clearing_drops_what_fits_everything_given() -> None:
    store = store_of(DEFAULT, {"limit": 14.0, "level": 1}, {"limit": 9.0, "evse_id": 2})
    assert store.clear(evse_id=1, purpose="TxDefaultProfile", stack_level=1) == 1
    assert store.clear(evse_id=1, stack_level=1) == 0
    assert store.limit_a(EVSE, NOON) == 10


def test_a_composite_schedule_changes_where_leases_end() -> None:
    store = store_of({"limit": 6.0}, {"limit": 16.0, "level": 1, "duration": 3600 + 150})
    assert store.composite(EVSE, NOON, 300, SINCE) == [(0, 16.0), (150, 6.0)]


@pytest.mark.parametrize(
    "changes",
    [
        {"level": 99},
        {"limit": -1.0},
        {"limit": [(10, 6.0)]},
        {"limit": [(0, 6.0), (0, 7.0)]},
        {"purpose": "TxProfile", "evse_id": 0},
        {"purpose": "ChargePointMaxProfile", "evse_id": 1},
        {"purpose": "ChargingStationExternalConstraints"},
        {"kind": "Recurring"},
        {"start": "yesterday"},
    ],
)
def test_a_profile_that_makes_no_sense_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ProfileRefused):
        stored(1, **changes)
