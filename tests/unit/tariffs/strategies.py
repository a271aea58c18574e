"""Any tariff and any session, in figures that can be split without a remainder."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from sitecontroller.domain.tariff import (
    DayOfWeek,
    PausedTime,
    PriceComponent,
    PriceLimit,
    ReservationRestriction,
    Restriction,
    Tariff,
    TariffDimension,
    TariffElement,
)
from sitecontroller.domain.usage import ChargingPeriod, PeriodState, Usage

BEGIN_AT = datetime(2024, 3, 30, 20, 0, tzinfo=UTC)
"""The evening before clocks in Berlin go forward."""
VATS = (None, Decimal(0), Decimal(7), Decimal("5.5"), Decimal(19))

clock_times = st.sampled_from(["00:00", "01:30", "02:30", "06:00", "17:00", "22:00", "23:45"])
dates = st.sampled_from(["2024-03-30", "2024-03-31", "2024-04-01"])
prices = st.decimals(0, 20, places=3)
any_price = st.decimals(-5, 20, places=3)
dimensions = st.sampled_from(TariffDimension)
steps = st.sampled_from([0, 1, 60, 900])


def maybe(strategy: st.SearchStrategy) -> st.SearchStrategy:
    return st.none() | strategy


def components(
    price: st.SearchStrategy = any_price,
    dimension: st.SearchStrategy = dimensions,
    step: st.SearchStrategy = steps,
) -> st.SearchStrategy[PriceComponent]:
    return st.builds(PriceComponent, dimension, price, st.sampled_from(VATS), step)


restrictions = st.builds(
    Restriction,
    start_time=maybe(clock_times),
    end_time=maybe(clock_times),
    start_date=maybe(dates),
    end_date=maybe(dates),
    min_kwh=maybe(st.decimals(0, 30, places=3)),
    max_kwh=maybe(st.decimals(0, 60, places=3)),
    max_power_kw=maybe(st.sampled_from([Decimal(11), Decimal(50)])),
    min_duration_s=maybe(st.integers(0, 7200)),
    max_duration_s=maybe(st.integers(0, 20_000)),
    days=st.frozensets(st.sampled_from(DayOfWeek), max_size=4),
    reservation=maybe(st.sampled_from(ReservationRestriction)),
)
elements = st.builds(
    TariffElement,
    st.lists(components(), min_size=1, max_size=4).map(tuple),
    maybe(restrictions),
)
limits = st.builds(PriceLimit, maybe(prices), maybe(prices))
tariffs = st.builds(
    Tariff,
    tariff_id=st.just("T"),
    version=st.just(1),
    name=st.just("T"),
    currency=st.sampled_from(["EUR", "JPY", "BHD"]),
    components=st.lists(components(), max_size=3).map(tuple),
    valid_from=st.just(BEGIN_AT),
    tax_included=st.booleans(),
    elements=st.lists(elements, max_size=5).map(tuple),
    min_price=maybe(limits),
    max_price=maybe(limits),
    taxes_apply=st.booleans(),
    idle_grace_s=st.sampled_from([0, 900]),
    paused=st.sampled_from(PausedTime),
)


@st.composite
def usages(draw: st.DrawFn, zone: str = "Europe/Berlin") -> Usage:
    """Periods of whole tens of minutes and hundredths of a kWh, some with gaps between."""
    at, periods = BEGIN_AT, []
    for state in draw(st.lists(st.sampled_from(PeriodState), min_size=1, max_size=6)):
        at += timedelta(minutes=draw(st.sampled_from([0, 0, 0, 10])))
        end_at = at + timedelta(minutes=10 * draw(st.integers(1, 30)))
        flows = state is not PeriodState.RESERVATION
        power_kw = draw(maybe(st.sampled_from([Decimal(4), Decimal(22), Decimal(150)])))
        energy_kwh = draw(st.decimals(0, 40, places=2)) if flows else Decimal(0)
        hours = draw(st.sampled_from([None, None, Decimal("0.5")]))
        periods.append(
            ChargingPeriod(at, end_at, state, energy_kwh, None, power_kw, volume_hours=hours)
        )
        at = end_at
    reserved_only = all(each.state is PeriodState.RESERVATION for each in periods)
    expired = reserved_only and draw(st.booleans())
    return Usage(tuple(periods), ZoneInfo(zone), expired)
