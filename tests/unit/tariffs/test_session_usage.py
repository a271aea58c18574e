"""What a session used, told from its readings, the station's words and our own pauses."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.session_usage import SessionFacts, SessionMark, usage_of
from sitecontroller.domain.station import ChargingState
from sitecontroller.domain.usage import PeriodState, Usage

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
EV, EVSE, CHARGING = (
    ChargingState.SUSPENDED_EV,
    ChargingState.SUSPENDED_EVSE,
    ChargingState.CHARGING,
)


def at(minute: float) -> datetime:
    return NOON + timedelta(minutes=minute)


def says(minute: float, state: ChargingState) -> SessionMark:
    return SessionMark(at(minute), at(minute), charging_state=state)


def pause(begin: float, end: float | None) -> list[SessionMark]:
    marks = [SessionMark(at(begin), at(begin), paused=True, reason="Main, L1")]
    return marks if end is None else [*marks, SessionMark(at(end), at(end), paused=False)]


def reading(minute: float, wh: float | None, power_w: float | None = None) -> MeterReading:
    return MeterReading(at(minute), energy_import_wh=wh, power_w=power_w)


def used(minutes: float, *facts: MeterReading | SessionMark, kwh: str = "10") -> Usage:
    """A session from noon on, of 10 kWh, whose register began at 1000 Wh."""
    readings = [each for each in facts if isinstance(each, MeterReading)]
    marks = [each for each in facts if isinstance(each, SessionMark)]
    energy_wh = Decimal(kwh) * 1000
    return usage_of(SessionFacts(NOON, at(minutes), Decimal(1000), energy_wh, readings, marks), UTC)


def minutes(usage: Usage) -> list[tuple[str, float]]:
    """How long each state lasted, in order."""
    found: list[tuple[str, float]] = []
    for period in usage.periods:
        lasted = (period.end_at - period.start_at).total_seconds() / 60
        if found and found[-1][0] == period.state.value:
            found[-1] = (period.state.value, found[-1][1] + lasted)
        elif lasted:
            found.append((period.state.value, lasted))
    return found


def energy(usage: Usage) -> Decimal:
    return sum((period.energy_kwh for period in usage.periods), Decimal(0))


def test_a_session_of_which_only_its_registers_are_known_charged():
    usage = used(60)
    assert minutes(usage) == [("CHARGING", 60)]
    assert energy(usage) == 10


def test_a_car_that_is_done_parks():
    assert minutes(used(90, says(0, CHARGING), says(60, EV))) == [("CHARGING", 60), ("PARKING", 30)]


@pytest.mark.parametrize("word", [CHARGING, EV, EVSE])
def test_while_we_give_less_than_it_needs_a_car_is_paused_whatever_its_station_says(word):
    usage = used(60, says(0, CHARGING), *pause(10, 40), says(11, word), says(40, CHARGING))
    assert minutes(usage) == [("CHARGING", 10), ("PAUSED", 30), ("CHARGING", 20)]


def test_a_car_has_ten_minutes_to_wake_after_a_pause():
    usage = used(90, says(0, CHARGING), *pause(10, 40), says(11, EV), says(46, CHARGING))
    assert minutes(usage) == [("CHARGING", 10), ("PAUSED", 36), ("CHARGING", 44)]


def test_a_car_that_never_wakes_parks_from_then_on():
    usage = used(120, says(0, CHARGING), *pause(10, 40), says(11, EV))
    assert minutes(usage) == [("CHARGING", 10), ("PAUSED", 40), ("PARKING", 70)]


def test_a_car_that_woke_and_stops_again_is_not_given_the_rest_of_its_ten_minutes():
    usage = used(60, says(0, CHARGING), *pause(10, 20), says(22, CHARGING), says(24, EV))
    assert minutes(usage) == [
        ("CHARGING", 10), ("PAUSED", 10), ("CHARGING", 4), ("PARKING", 36),
    ]  # fmt: skip


def test_a_car_whose_station_holds_it_back_never_parks():
    usage = used(120, says(0, CHARGING), *pause(10, 40), says(11, EVSE))
    assert minutes(usage) == [("CHARGING", 10), ("PAUSED", 110)]


def test_a_pause_that_lasts_to_the_end_is_paused_to_the_end():
    assert minutes(used(60, *pause(20, None))) == [("CHARGING", 20), ("PAUSED", 40)]


def test_each_pause_has_its_own_time_to_wake():
    marks = [says(0, CHARGING), says(11, EV), *pause(10, 20), *pause(25, 40)]
    assert minutes(used(80, *marks)) == [("CHARGING", 10), ("PAUSED", 40), ("PARKING", 30)]


def test_a_car_that_is_seen_to_take_nothing_parks_though_its_station_says_charging():
    readings = [reading(m, 1000 + min(m, 30) * 10_000 / 30, 20_000.0 if m < 30 else 0.0)
                for m in range(0, 61, 5)]  # fmt: skip
    assert minutes(used(60, says(0, CHARGING), *readings)) == [("CHARGING", 30), ("PARKING", 30)]


def test_a_coarse_register_alone_is_no_sign_that_a_car_takes_nothing():
    readings = [reading(m, 1000 + (m // 20) * 1000) for m in range(61)]
    assert minutes(used(60, says(0, CHARGING), *readings, kwh="3")) == [("CHARGING", 60)]


def test_a_car_that_goes_on_though_its_station_says_suspended_charges():
    readings = [reading(m, 1000 + m * 100) for m in range(0, 61, 10)]
    usage = used(60, says(0, EV), *readings, kwh="6")
    assert minutes(usage) == [("CHARGING", 60)]


def test_energy_is_the_sessions_whatever_odd_readings_say():
    odd = [reading(10, 2000), reading(20, 9_999_000), reading(30, 5000), reading(40, 100)]
    usage = used(60, *odd)
    assert energy(usage) == 10
    assert [p.energy_kwh for p in usage.periods if p.start_at == at(0)] == [Decimal(1)]


def test_a_register_that_began_anew_loses_nothing():
    readings = [reading(10, 3000), reading(20, 6000), reading(30, 500), reading(40, 2500)]
    usage = used(60, *readings, kwh="7")
    assert energy(usage) == 7


def test_a_session_without_length_keeps_its_energy():
    assert energy(used(0, reading(0, 4000), kwh="3")) == 3


split_minutes = st.lists(st.integers(1, 119), max_size=12, unique=True)


@given(split_minutes, st.sampled_from([None, 5, 15]))
def test_split_readings_change_nothing(splits: list[int], wakes: int | None):
    """Readings between two others, on the line between them, change neither states nor energy."""
    known = {0: 1000, 30: 6000, 60: 6000, 75: 6000, 90: 11_000, 120: 11_000}
    marks = [says(0, CHARGING), *pause(30, 60), says(30, EV)]
    marks += [] if wakes is None else [says(60 + wakes, CHARGING)]
    whole = [reading(m, wh) for m, wh in known.items()]
    more = [reading(m, _between(known, m)) for m in splits if m not in known]
    one, other = used(120, *marks, *whole), used(120, *marks, *whole, *more)
    assert minutes(one) == minutes(other)
    assert abs(_charged(one) - _charged(other)) < Decimal("1e-20")


def _between(known: dict[int, int], minute: int) -> float:
    before = max(m for m in known if m <= minute)
    after = min(m for m in known if m > minute)
    share = (minute - before) / (after - before)
    return known[before] + share * (known[after] - known[before])


def _charged(usage: Usage) -> Decimal:
    charging = (p for p in usage.periods if p.state is PeriodState.CHARGING)
    return sum((period.energy_kwh for period in charging), Decimal(0))
