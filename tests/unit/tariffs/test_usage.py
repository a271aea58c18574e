"""Periods from meter readings: nothing lost, nothing invented."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.domain.errors import InvalidInput
from sitecontroller.domain.usage import PeriodState, UsageReading, periods_of

NOON = datetime(2024, 1, 15, 12, 0, tzinfo=UTC)


def reading(minute: int, register_wh: str | None, state: str = "CHARGING") -> UsageReading:
    register = None if register_wh is None else Decimal(register_wh)
    return UsageReading(NOON + timedelta(minutes=minute), register, PeriodState(state))


def energies(*readings: UsageReading) -> list[str]:
    return [f"{period.energy_kwh:f}" for period in periods_of(readings)]


def test_between_two_readings_flows_what_the_register_rose_by() -> None:
    assert energies(reading(0, "1000"), reading(15, "3500"), reading(30, "3500")) == [
        "2.500", "0.000",
    ]  # fmt: skip


def test_a_reading_says_what_holds_from_then_on() -> None:
    periods = periods_of([reading(30, "1"), reading(0, "0"), reading(15, "1", "PARKING")])
    assert [period.state for period in periods] == [PeriodState.CHARGING, PeriodState.PARKING]


def test_where_the_register_was_not_read_energy_is_linear_between_its_neighbours() -> None:
    found = energies(reading(0, "0"), reading(10, None, "PAUSED"), reading(40, "4000"))
    assert found == ["1.000", "3.000"]


def test_before_the_first_and_after_the_last_register_nothing_is_known_to_flow() -> None:
    assert energies(reading(0, None), reading(10, "5"), reading(20, None)) == ["0", "0"]


@given(
    st.lists(st.none() | st.integers(0, 10**6), min_size=2, max_size=20).map(
        lambda found: [0, *found, 10**6 + 1]
    )
)
def test_all_that_the_register_rose_by_is_in_the_periods(registers: list[int | None]) -> None:
    rising = sorted(value for value in registers if value is not None)
    readings = [
        reading(minute, None if value is None else str(rising.pop(0)))
        for minute, value in enumerate(registers)
    ]
    total = sum((period.energy_kwh for period in periods_of(readings)), Decimal(0))
    assert abs(total - Decimal("1000.001")) < Decimal("1e-20")


def test_a_register_that_fell_is_no_energy() -> None:
    with pytest.raises(InvalidInput, match="the register fell from 5 to 4 Wh"):
        periods_of([reading(0, "5"), reading(10, "4")])
