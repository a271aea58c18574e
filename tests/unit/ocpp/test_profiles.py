"""Charging profiles: limits never rounded up, never below the minimum, and ending in time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.domain.station import OcppVersion
from sitecontroller.domain.topology import Evse, LimitUnit, PhaseMap, Supply
from sitecontroller.ocpp import profiles
from sitecontroller.ocpp.frames import request_validator
from sitecontroller.ocpp.profiles import Kind, Purpose
from sitecontroller.simulation.profiles import ProfileStore, parse_profile

NOW = datetime(2025, 6, 1, 12, 0, tzinfo=UTC)
AC = Evse("CP-1", 1, "main")
WATTS = replace(AC, limit_unit=LimitUnit.W)
DC = Evse("CP-1", 1, "main", supply=Supply.DC, limit_unit=LimitUnit.W, efficiency=0.92)


@pytest.mark.parametrize(
    ("evse", "current_a", "phases", "limit"),
    [
        (AC, 16.25, 3, 16.2),
        (AC, 16.3, 3, 16.3),
        (AC, 16.0, 3, 16),
        (AC, 6.0, 1, 6),
        (AC, 0.0, 3, 0),
        (replace(AC, step_a=1.0), 16.9, 3, 16),
        (WATTS, 16.0, 3, 11_040),
        (WATTS, 16.0, 1, 3_680),
        (WATTS, 6.0, 1, 1_380),
        (DC, 16.0, 3, 10_156),
    ],
)
def test_q47_limits_are_rounded_down(
    evse: Evse, current_a: float, phases: int, limit: float
) -> None:
    assert profiles.limit_value(evse, current_a, phases) == limit


def test_q47_models_that_want_whole_amperes_get_them() -> None:
    assert profiles.limit_value(AC, 16.9, 3, integer=True) == 16


@given(st.floats(min_value=6, max_value=80))
def test_q47_no_limit_is_ever_above_what_was_granted(current_a: float) -> None:
    sent = profiles.limit_value(AC, current_a, 3)
    assert current_a - 0.1 - 1e-5 < sent <= current_a + 1e-5


@given(st.floats(min_value=0, max_value=80), st.floats(min_value=0.5, max_value=20), st.booleans())
def test_q46_no_limit_lies_between_a_pause_and_the_minimum(
    current_a: float, minimum_a: float, integer: bool
) -> None:
    evse = replace(AC, current_a_min=minimum_a)
    if 1e-6 <= current_a < minimum_a - 1e-6:
        with pytest.raises(AssertionError):
            profiles.limit_value(evse, current_a, 3, integer=integer)
        return
    sent = profiles.limit_value(evse, current_a, 3, integer=integer)
    assert sent == 0 or sent >= minimum_a - 1e-6


@given(st.integers(min_value=0, max_value=10_000))
def test_q47_every_tenth_passes_the_schema_of_1_6(tenths: int) -> None:
    limit = profiles._rounded_down(tenths / 10, LimitUnit.A, integer=False)
    assert limit == tenths / 10
    schema = {"type": "number", "multipleOf": 0.1}
    assert jsonschema_rs.validator_for(schema).is_valid(limit)


def leased(**changed: Any) -> profiles.ChargingProfile:
    terms: dict[str, Any] = {
        "purpose": Purpose.TX,
        "lease_s": 300,
        "station_now": NOW,
        "transaction_id": "T-1",
    } | changed
    return profiles.lease(AC, 16.0, 3, **terms)


def test_a_lease_ends_by_duration_and_by_valid_to() -> None:
    profile = leased()
    assert profile.start_at is not None
    assert profile.duration_s is not None
    assert profile.start_at + timedelta(seconds=profile.duration_s) == NOW + timedelta(seconds=300)
    assert profile.valid_to == NOW + timedelta(seconds=300)
    assert profile.kind is Kind.ABSOLUTE


def test_q47_a_lease_starts_a_minute_in_the_past() -> None:
    assert leased().start_at == NOW - timedelta(minutes=1)


def test_a_lease_of_2_x_belongs_to_its_transaction() -> None:
    assert leased().transaction_id == "T-1"
    assert leased(purpose=Purpose.TX_DEFAULT).transaction_id is None


def test_a_lease_of_1_6_stands_above_the_fallback() -> None:
    lease = leased(purpose=Purpose.TX_DEFAULT)
    fallback = profiles.fallback(AC, 6.0, 3, station_now=NOW)
    assert lease.stack_level > fallback.stack_level
    assert lease.profile_id != fallback.profile_id


def test_without_the_stations_clock_nothing_ends_by_it() -> None:
    profile = leased(station_now=None)
    assert profile.kind is Kind.RELATIVE
    assert (profile.start_at, profile.duration_s, profile.valid_to) == (None, None, None)


def test_a_fallback_is_for_ever() -> None:
    profile = profiles.fallback(AC, 6.0, 3, station_now=NOW)
    assert (profile.duration_s, profile.valid_to) == (None, None)
    assert (profile.purpose, profile.stack_level) == (Purpose.TX_DEFAULT, 0)


def test_a_new_profile_replaces_its_forerunner_and_no_other() -> None:
    ids = {profiles.STATION_MAXIMUM_ID}
    for evse_id in range(1, 100):
        ids |= {profiles.fallback_id(evse_id), profiles.lease_id(evse_id)}
    assert len(ids) == 1 + 2 * 99


def kept_by_a_flat_station(*sent: profiles.ChargingProfile) -> ProfileStore:
    """What a station of one stack level keeps of what it was sent, in the order sent."""
    store = ProfileStore(strict_stack=False)
    for profile in sent:
        assert profile.stack_level == 0
        body = {
            "stackLevel": profile.stack_level,
            "chargingProfilePurpose": profile.purpose.value,
            "chargingProfileKind": profile.kind.value,
            **({} if profile.valid_to is None else {"validTo": str(profile.valid_to)}),
        }
        schedule = profiles.schedule_body(profile, digits=3)
        store.put(parse_profile(body, schedule, 1, profile.profile_id))
    return store


@pytest.mark.parametrize("evse", [AC, WATTS, DC])
@pytest.mark.parametrize("fallback_a", [0.0, 6.0])
def test_q44_a_lease_in_the_fallbacks_place_returns_to_it_by_itself(
    evse: Evse, fallback_a: float
) -> None:
    fallback = profiles.fallback(evse, fallback_a, 3, station_now=NOW)
    terms: dict[str, Any] = {"lease_s": 300, "station_now": NOW, "transaction_id": None}
    lease = profiles.lease(evse, 16.0, 3, purpose=Purpose.TX_DEFAULT, **terms)
    store = kept_by_a_flat_station(fallback, profiles.before(lease, fallback))

    def allowed_a(passed: timedelta) -> float:
        return store.limit_a(evse, NOW + passed, charging_since=NOW - timedelta(hours=1))

    assert len(list(store)) == 1
    assert allowed_a(timedelta()) == pytest.approx(16, abs=0.1)
    assert allowed_a(timedelta(seconds=299)) == pytest.approx(16, abs=0.1)
    assert allowed_a(timedelta(seconds=300)) == pytest.approx(fallback_a, abs=0.1)
    assert allowed_a(timedelta(days=30)) == pytest.approx(fallback_a, abs=0.1)


def test_q44_a_limit_without_a_lease_in_the_fallbacks_place_holds_until_replaced() -> None:
    fallback = profiles.fallback(AC, 6.0, 3, station_now=NOW)
    limit = profiles.before(leased(station_now=None, purpose=Purpose.TX_DEFAULT), fallback)
    assert (limit.kind, limit.then, limit.start_at) == (Kind.RELATIVE, None, None)
    store = kept_by_a_flat_station(fallback, limit)
    later = NOW + timedelta(days=1)
    assert store.limit_a(AC, later, charging_since=NOW) == 16
    store = kept_by_a_flat_station(fallback, limit, fallback)
    assert store.limit_a(AC, later, charging_since=NOW) == 6


@pytest.mark.parametrize("digits", [0, 3])
@pytest.mark.parametrize("evse", [AC, WATTS, DC])
def test_profiles_fit_the_schema_of_2_0_1(evse: Evse, digits: int) -> None:
    for profile in (
        leased(),
        leased(station_now=None),
        profiles.fallback(evse, 0.0, 3, station_now=NOW),
        profiles.station_maximum((evse,), 32.0, station_now=NOW),
    ):
        payload = profiles.v201_payload(profile, 1, digits=digits)
        validator = request_validator(OcppVersion.V201, "SetChargingProfile")
        assert validator is not None
        validator.validate(payload)


def test_q52_the_number_of_phases_is_always_said_but_for_dc() -> None:
    body = profiles.schedule_body(profiles.fallback(AC, 6.0, 1, station_now=NOW), digits=3)
    assert body["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 6, "numberPhases": 1}]
    body = profiles.schedule_body(profiles.fallback(DC, 6.0, 3, station_now=NOW), digits=3)
    assert "numberPhases" not in body["chargingSchedulePeriod"][0]


def test_a_stations_maximum_in_watts_covers_all_its_phases() -> None:
    single = replace(WATTS, phase_map=PhaseMap((0,)))
    profile = profiles.station_maximum((WATTS, single), 32.0, station_now=NOW)
    assert (profile.limit, profile.unit) == (22_080, LimitUnit.W)


def test_q52_a_dc_stations_maximum_says_no_phases() -> None:
    profile = profiles.station_maximum((DC,), 100.0, station_now=NOW)
    assert (profile.limit, profile.phase_count) == (63_480, None)


@pytest.mark.parametrize(
    ("evse", "schedule", "current_a", "duration_s"),
    [
        (AC, {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10}]},
         10, None),
        (AC, {"duration": 600, "chargingRateUnit": "a",
              "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10.5}]}, 10.5, 600),
        (AC, {"duration": 600, "chargingRateUnit": "A",
              "chargingSchedulePeriod": [{"startPeriod": 240, "limit": 6},
                                         {"startPeriod": 0, "limit": 16}]}, 16, 240),
        (AC, {"chargingRateUnit": "W", "chargingSchedulePeriod":
              [{"startPeriod": 0, "limit": 11_040, "numberPhases": 3}]}, 16, None),
        (AC, {"chargingRateUnit": "W", "chargingSchedulePeriod":
              [{"startPeriod": 0, "limit": 11_040}]}, 48, None),
        (DC, {"chargingRateUnit": "W", "chargingSchedulePeriod":
              [{"startPeriod": 0, "limit": 10_156.8}]}, 16, None),
        (DC, {"chargingRateUnit": "A", "chargingSchedulePeriod":
              [{"startPeriod": 0, "limit": 10}]}, None, None),
        (AC, {"chargingRateUnit": "A", "chargingSchedulePeriod": []}, None, None),
        (AC, {"chargingRateUnit": "A", "chargingSchedulePeriod":
              [{"startPeriod": 60, "limit": 6}]}, None, None),
        (AC, {"chargingRateUnit": "A", "chargingSchedulePeriod":
              [{"startPeriod": 0, "limit": "6"}]}, None, None),
        (AC, {"chargingSchedulePeriod": "none"}, None, None),
        (AC, None, None, None),
    ],
)  # fmt: skip
def test_a_composite_schedule_says_what_holds_now(
    evse: Evse, schedule: object, current_a: float | None, duration_s: int | None
) -> None:
    found = profiles.parse_composite({}, schedule, evse)
    assert found.current_a == (None if current_a is None else pytest.approx(current_a))
    assert found.duration_s == duration_s


def test_watts_without_phases_count_for_those_the_limit_was_sent_for() -> None:
    periods = [{"startPeriod": 0, "limit": 11_040}]
    schedule = {"chargingRateUnit": "W", "chargingSchedulePeriod": periods}
    assert profiles.parse_composite({}, schedule, AC, 3).current_a == pytest.approx(16)


def test_watts_count_for_the_phases_they_were_sent_for_whatever_the_station_says() -> None:
    """A car on one phase may take all of them there: 1380 W are 6 A, not 2 A."""
    periods = [{"startPeriod": 0, "limit": 1_380, "numberPhases": 3}]
    schedule = {"chargingRateUnit": "W", "chargingSchedulePeriod": periods}
    for phase_count, current_a in ((None, 6.0), (1, 6.0), (3, 2.0)):
        found = profiles.parse_composite({}, schedule, WATTS, phase_count)
        assert found.current_a == pytest.approx(current_a)
