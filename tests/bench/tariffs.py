"""What pricing a session takes: a usual tariff of 3 elements (a night price, a day price with a
session fee, an idle fee after four hours), sessions of 10 half-hour periods around the evening.

CPU time of one thread; the bill alone (exact amounts, rounded totals) and the whole `rate`, whose
decimals are stored and printed. The floor is the same sum without rules: energy × price, Decimal.
"""

import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from sitecontroller.domain.pricing.bill import bill_of
from sitecontroller.domain.rating import rate
from sitecontroller.domain.tariff import (
    PriceComponent,
    Restriction,
    Tariff,
    TariffDimension,
    TariffElement,
)
from sitecontroller.domain.usage import ChargingPeriod, PeriodState, Usage

SESSIONS, ROUNDS = 2000, 5
PERIODS, CHARGING = 10, 8
BEGIN_AT = datetime(2026, 1, 1, 16, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)
ZONE = ZoneInfo("Europe/Berlin")
VAT = Decimal(19)


def run() -> dict[str, float]:
    """Sessions a second on one core, median of five."""
    under = _tariff()
    sessions = [_usage(BEGIN_AT + timedelta(minutes=number)) for number in range(SESSIONS)]
    figures = {
        "sessions billed a second": _a_second(sessions, lambda usage: bill_of(under, usage)),
        "sessions priced a second (rate)": _a_second(sessions, lambda usage: rate(under, usage)),
        "energy × price a second": _a_second(sessions, _energy_times_price),
    }
    return {name: round(value, -2) for name, value in figures.items()}


def _a_second(sessions: list[Usage], work: Callable[[Usage], object]) -> float:
    found = []
    for _ in range(ROUNDS):
        began_s = time.thread_time()
        for usage in sessions:
            work(usage)
        found.append(len(sessions) / (time.thread_time() - began_s))
    return statistics.median(found)


def _energy_times_price(usage: Usage) -> Decimal:
    return sum((each.energy_kwh for each in usage.periods), Decimal(0)) * Decimal("0.49")


def _tariff() -> Tariff:
    def part(dimension: TariffDimension, price: str, step: int = 1) -> PriceComponent:
        return PriceComponent(dimension, Decimal(price), VAT, step)

    night = Restriction(start_time="22:00", end_time="06:00")
    return Tariff(
        "T", 1, "Day and night", "EUR", (), BEGIN_AT - timedelta(days=1),
        elements=(
            TariffElement((part(TariffDimension.ENERGY, "0.39"),), night),
            TariffElement((part(TariffDimension.ENERGY, "0.49"), part(TariffDimension.FLAT, "1"))),
            TariffElement(
                (part(TariffDimension.PARKING_TIME, "6", 60),), Restriction(min_duration_s=14_400)
            ),
        ),
    )  # fmt: skip


def _usage(begin_at: datetime) -> Usage:
    return Usage(
        tuple(
            ChargingPeriod(
                begin_at + number * HALF_HOUR,
                begin_at + (number + 1) * HALF_HOUR,
                PeriodState.CHARGING if number < CHARGING else PeriodState.PARKING,
                Decimal("3.217") if number < CHARGING else Decimal(0),
                Decimal(16),
                Decimal("6.4"),
            )
            for number in range(PERIODS)
        ),
        ZONE,
    )
