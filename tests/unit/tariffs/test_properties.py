"""What holds for every tariff and every session."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.domain.pricing.bill import bill_of
from sitecontroller.domain.rating import rate
from sitecontroller.domain.tariff import Restriction, Tariff, TariffDimension, TariffElement
from sitecontroller.domain.usage import ChargingPeriod, Usage
from tests.unit.tariffs.strategies import (
    BEGIN_AT,
    components,
    limits,
    maybe,
    prices,
    tariffs,
    usages,
)


def split(period: ChargingPeriod, parts: int) -> list[ChargingPeriod]:
    """Into equal parts, each with its share of energy and hours; parts divide without rest."""
    step = (period.end_at - period.start_at) / parts
    return [
        replace(
            period,
            start_at=period.start_at + n * step,
            end_at=period.start_at + (n + 1) * step,
            energy_kwh=period.energy_kwh / parts,
            volume_hours=None if period.volume_hours is None else period.volume_hours / parts,
        )
        for n in range(parts)
    ]


@given(tariffs, usages(), st.randoms(use_true_random=False))
def test_however_periods_are_split_and_shuffled_the_price_is_the_same(
    under: Tariff, usage: Usage, random: Random
) -> None:
    pieces = [
        part for each in usage.periods for part in split(each, random.choice((1, 2, 4, 5, 10)))
    ]
    random.shuffle(pieces)
    assert bill_of(under, replace(usage, periods=tuple(pieces))) == bill_of(under, usage)


@given(tariffs, usages())
def test_the_lines_are_the_exact_total(under: Tariff, usage: Usage) -> None:
    bill = bill_of(under, usage)
    if bill.net is not None:
        assert sum((line.net for line in bill.lines), Fraction(0)) == bill.net
    if bill.gross is not None:
        assert sum((line.gross for line in bill.lines), Fraction(0)) == bill.gross


@given(tariffs, usages())
def test_net_and_vat_make_the_gross_and_the_rates_make_the_totals(
    under: Tariff, usage: Usage
) -> None:
    price = rate(under, usage)
    assert all(line.net + line.vat == line.gross for line in price.vat_lines)
    assert price.total_net.amount == sum(line.net.amount for line in price.vat_lines)
    assert price.total.amount == sum(line.gross.amount for line in price.vat_lines)


@given(tariffs, usages(), st.integers(-200, 200))
def test_where_clocks_never_change_a_session_weeks_later_costs_the_same(
    under: Tariff, usage: Usage, weeks: int
) -> None:
    undated = tuple(
        replace(each, restriction=replace(each.restriction, start_date=None, end_date=None))
        if each.restriction is not None
        else each
        for each in under.elements
    )
    under = replace(under, elements=undated, valid_from=BEGIN_AT - timedelta(weeks=300))
    shift = timedelta(weeks=weeks)
    shifted = tuple(
        replace(each, start_at=each.start_at + shift, end_at=each.end_at + shift)
        for each in usage.periods
    )
    in_utc = replace(usage, zone=BEGIN_AT.tzinfo)
    assert bill_of(under, replace(in_utc, periods=shifted)) == bill_of(under, in_utc)


@given(
    st.lists(
        st.builds(
            TariffElement,
            st.tuples(components(prices, st.just(TariffDimension.ENERGY), st.just(0))),
            maybe(st.builds(
                Restriction,
                start_time=maybe(st.sampled_from(["06:00", "22:00"])),
                min_kwh=maybe(st.decimals(0, 30, places=3)),
                max_kwh=maybe(st.decimals(0, 60, places=3)),
            )),
        ),
        max_size=4,
    ).map(tuple),
    st.lists(components(prices), max_size=3).map(tuple),
    usages(),
    st.decimals(0, 10, places=2),
)  # fmt: skip
def test_more_energy_at_the_end_never_costs_less(
    priced: tuple[TariffElement, ...],
    base: tuple[object, ...],
    usage: Usage,
    more_kwh: Decimal,
) -> None:
    """Where no price is negative, only ENERGY depends on energy, and no step rounds energy up.

    Then it comes on top of what was there. With a step the surplus is billed at the last price,
    and a lower last price can make more energy cost less; that is OCPI's rule.
    """
    under = Tariff("T", 1, "T", "EUR", _unstepped(base), BEGIN_AT, elements=priced)
    *before, last = usage.periods
    more = replace(last, energy_kwh=last.energy_kwh + more_kwh)
    less_bill = bill_of(under, usage)
    more_bill = bill_of(under, replace(usage, periods=(*before, more)))
    assert _known(more_bill.net) >= _known(less_bill.net)
    assert _known(more_bill.gross) >= _known(less_bill.gross)


def _unstepped(base: tuple[object, ...]) -> tuple[object, ...]:
    return tuple(
        replace(each, step_size=0) if each.dimension is TariffDimension.ENERGY else each
        for each in base
    )


def _known(amount: Fraction | None) -> Fraction:
    return Fraction(0) if amount is None else amount


@given(tariffs, usages())
def test_a_running_price_is_the_unlimited_one_or_the_highest_price(
    under: Tariff, usage: Usage
) -> None:
    running = bill_of(under, usage, ended=False)
    free = bill_of(replace(under, min_price=None, max_price=None), usage)
    limit = under.max_price
    alike = not (under.taxes_apply and _names_vat(under))
    for side in ("net", "gross"):
        found, unlimited = getattr(running, side), getattr(free, side)
        if found is None:
            continue
        said = [] if limit is None else [limit.net, limit.gross] if alike and None not in (
            running.net, running.gross) else [getattr(limit, side)]  # fmt: skip
        assert found == min([unlimited, *(Fraction(bound) for bound in said if bound is not None)])


def _names_vat(under: Tariff) -> bool:
    return any(part.vat_percent is not None for e in under.all_elements for part in e.components)


@given(tariffs, usages())
def test_the_running_price_at_the_end_is_the_final_one_where_no_least_price_holds(
    under: Tariff, usage: Usage
) -> None:
    under = replace(under, min_price=None)
    assert rate(under, usage, ended=False) == rate(under, usage)


@given(tariffs, usages(), limits)
def test_a_final_price_is_never_below_the_least_price(
    under: Tariff, usage: Usage, least: object
) -> None:
    under = replace(under, min_price=least, max_price=None)
    bill = bill_of(under, usage)
    sides = ((bill.net, least.net), (bill.gross, least.gross))
    happened = any(each.state != "RESERVATION" for each in usage.periods)
    for found, bound in sides:
        assert not happened or found is None or bound is None or found >= bound
