"""Prices against a second, plain way to find them: minute by minute, with dates and times of the
standard library, where all that matters falls on whole minutes."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.domain.rating import rate
from sitecontroller.domain.tariff import (
    DayOfWeek,
    PriceComponent,
    Restriction,
    Tariff,
    TariffDimension,
    TariffElement,
)
from sitecontroller.domain.usage import ChargingPeriod, PeriodState, Usage

KWH_A_MINUTE = Decimal("0.1")
MINUTE = timedelta(minutes=1)
CLOCK_TIMES = ["00:00", "01:30", "02:00", "02:30", "03:00", "06:00", "22:00", "23:45"]
DATES = ["2024-03-30", "2024-03-31", "2024-04-01", "2024-10-27", "2024-10-28"]
STARTS = ["2024-03-30T19:07:00+00:00", "2024-10-26T18:31:00+00:00", "2024-06-01T10:00:00+00:00"]
ZONES = ["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "UTC"]

times = st.none() | st.sampled_from(CLOCK_TIMES)
dates = st.none() | st.sampled_from(DATES)
kwh = st.none() | st.integers(0, 600).map(lambda tenths: Decimal(tenths) / 10)
minutes = st.none() | st.integers(0, 900).map(lambda number: number * 60)
restrictions = st.builds(
    Restriction,
    start_time=times,
    end_time=times,
    start_date=dates,
    end_date=dates,
    min_kwh=kwh,
    max_kwh=kwh,
    min_duration_s=minutes,
    max_duration_s=minutes,
    days=st.frozensets(st.sampled_from(DayOfWeek), max_size=5),
)
elements = st.builds(
    TariffElement,
    st.lists(
        st.builds(
            PriceComponent,
            st.sampled_from(TariffDimension),
            st.just(Decimal(1)),
            st.none(),
            st.just(0),
        ),
        min_size=1,
        max_size=3,
    ).map(tuple),
    st.none() | restrictions,
)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    at = datetime.fromisoformat(draw(st.sampled_from(STARTS)))
    periods = []
    for state in draw(st.lists(st.sampled_from(["CHARGING", "PARKING", "PAUSED"]), min_size=1)):
        length = draw(st.integers(1, 400))
        energy_kwh = length * KWH_A_MINUTE if state == "CHARGING" else Decimal(0)
        end_at = at + length * MINUTE
        periods.append(ChargingPeriod(at, end_at, PeriodState(state), energy_kwh))
        at = end_at
    return Usage(tuple(periods[:4]), ZoneInfo(draw(st.sampled_from(ZONES))))


def matches(
    rule: Restriction | None, local: datetime, lasted: timedelta, energy_kwh: Decimal
) -> bool:
    if rule is None:
        return True
    clock, begin = local.time(), time.fromisoformat(rule.start_time or "00:00")
    end = time.fromisoformat(rule.end_time or "00:00")
    if end == time(0):
        in_time = clock >= begin
    elif end < begin:
        in_time = clock >= begin or clock < end
    else:
        in_time = begin <= clock < end
    day = local.date().isoformat()
    seconds = lasted.total_seconds()
    return (
        in_time
        and (rule.start_date is None or day >= rule.start_date)
        and (rule.end_date is None or day < rule.end_date)
        and (not rule.days or local.strftime("%A").upper() in rule.days)
        and (rule.min_kwh is None or energy_kwh >= rule.min_kwh)
        and (rule.max_kwh is None or energy_kwh < rule.max_kwh)
        and (rule.min_duration_s is None or seconds >= rule.min_duration_s)
        and (rule.max_duration_s is None or seconds < rule.max_duration_s)
    )


def minute_by_minute(elements: tuple[TariffElement, ...], usage: Usage) -> Counter[object]:
    """(element, dimension) → kWh, minutes, 1."""
    found: Counter[object] = Counter()
    began_at = usage.periods[0].start_at
    energy_kwh = Decimal(0)
    for period in usage.periods:
        at = period.start_at
        flows = period.energy_kwh > 0
        while at < period.end_at:
            used = {"FLAT": 1, "ENERGY": KWH_A_MINUTE if flows else 0}
            used["TIME"] = int(period.state == "CHARGING")
            used["PARKING_TIME"] = int(period.state == "PARKING")
            local = at.astimezone(usage.zone)
            for dimension, volume in used.items():
                if dimension == "FLAT" and any(kind == "FLAT" for _, kind in found):
                    continue
                first = next(
                    (
                        number
                        for number, element in enumerate(elements)
                        if any(part.dimension == dimension for part in element.components)
                        and matches(element.restriction, local, at - began_at, energy_kwh)
                    ),
                    None,
                )
                if first is not None and volume:
                    found[(first, dimension)] += volume
            energy_kwh += KWH_A_MINUTE if flows else 0
            at += MINUTE
    return found


@given(st.lists(elements, min_size=1, max_size=5).map(tuple), usages())
def test_a_price_is_that_of_its_minutes(priced: tuple[TariffElement, ...], usage: Usage) -> None:
    under = Tariff("T", 1, "T", "EUR", (), usage.periods[0].start_at, elements=priced)
    found = {
        (line.element, str(line.dimension)): round(
            line.volume * (60 if "TIME" in line.dimension else 1), 9
        )
        for line in rate(replace(under), usage).lines
    }
    assert found == minute_by_minute(priced, usage)
