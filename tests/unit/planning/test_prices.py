"""Price files: the same prices from every shape, and every fault named with its place."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from sitecontroller.domain.errors import InvalidInput
from sitecontroller.planning import DayAheadPrices, read_prices

FILES = Path(__file__).with_name("prices")
BERLIN = ZoneInfo("Europe/Berlin")
HOUR, QUARTER = timedelta(hours=1), timedelta(minutes=15)


def read(text: str, currency: str = "EUR") -> DayAheadPrices:
    return read_prices(text, currency=currency, zone=BERLIN)


def local_day(year: int, month: int, day: int) -> tuple[datetime, datetime]:
    """Its begin and end in UTC."""
    begin = datetime(year, month, day, tzinfo=BERLIN)
    return begin.astimezone(UTC), (begin + timedelta(days=1)).astimezone(UTC)


GOLDEN = [
    ("hourly-25h-local.csv", (2026, 10, 25), HOUR, 25, "0.08", "0.092"),
    ("quarter-hours-25h-local.csv", (2026, 10, 25), QUARTER, 100, "0.08", "0.0899"),
    ("hourly-23h-with-ends.csv", (2026, 3, 29), HOUR, 23, "0.08", "0.102"),
    ("list-with-offsets.json", (2026, 11, 22), QUARTER, 96, "0.08743", "0.06368"),
    ("marketdata.json", (2026, 11, 22), HOUR, 24, "-0.00501", "0.06399"),
]


@pytest.mark.parametrize(("file", "day", "length", "count", "first", "last"), GOLDEN)
def test_a_file_gives_a_whole_local_day(file, day, length, count, first, last) -> None:
    prices = read((FILES / file).read_text(encoding="utf-8"))
    begin, end = local_day(*day)
    assert [period.start_at for period in prices.periods] == [
        begin + number * length for number in range(count)
    ]
    assert prices.periods[-1].end_at == end
    assert (prices.periods[0].per_kwh, prices.periods[-1].per_kwh) == (
        Decimal(first),
        Decimal(last),
    )


def test_an_hour_gives_four_quarter_hours_and_nothing_beyond_the_file() -> None:
    prices = read("start,price_eur_mwh\n2026-11-22T00:00Z,80\n2026-11-22T01:00Z,40\n")
    begin = datetime(2026, 11, 21, 23, 45, tzinfo=UTC)
    low, high = Decimal("0.04"), Decimal("0.08")
    assert prices.quarter_hours(begin, 10) == [None, *[high] * 4, *[low] * 4, None]


@pytest.mark.parametrize(
    ("heading", "cell", "per_kwh"),
    [
        ("price (EUR/MWh)", "87.43", "0.08743"),
        ("price_eur_per_mwh", "87.43", "0.08743"),
        ("Price EUR / kWh", "0.08743", "0.08743"),
        ("price [€/MWh]", "87.43", "0.08743"),
        ("price ct/kWh", "8.743", "0.08743"),
        ("marketprice_eur_mwh", "-500", "-0.5"),
    ],
)
def test_a_unit_in_the_heading_is_understood(heading: str, cell: str, per_kwh: str) -> None:
    prices = read(f"start,{heading}\n2026-11-22T00:00Z,{cell}\n2026-11-22T01:00Z,{cell}\n")
    assert prices.periods[0].per_kwh == Decimal(per_kwh)


def test_periods_of_both_lengths_may_be_mixed_where_ends_are_given() -> None:
    prices = read(
        "start,end,price_eur_mwh\n"
        "2026-09-30T21:00Z,2026-09-30T22:00Z,80\n"
        "2026-09-30T22:00Z,2026-09-30T22:15Z,40\n"
    )
    assert [p.end_at - p.start_at for p in prices.periods] == [HOUR, QUARTER]


def rows(*starts: str, price: str = "80") -> str:
    return "start,price_eur_mwh\n" + "".join(f"{start},{price}\n" for start in starts)


def entry(**fields: str) -> str:
    return '{"data": [{' + ", ".join(f'"{key}": {value}' for key, value in fields.items()) + "}]}"


HOURS = ("2026-11-22T00:00Z", "2026-11-22T01:00Z", "2026-11-22T02:00Z")
FAULTS = [
    ("", "file", "it has no prices"),
    ("start,price_eur_mwh\n", "file", "it has no prices"),
    ("begin,price_eur_mwh\n1,2\n", "line 1", "no column for the start; name the columns"),
    ("\n\nstart,cost\n1,2\n", "line 3", "no column for the price; name the columns"),
    (rows(*HOURS, "2026-11-22T05:00Z"), "line 5", "no price from 2026-11-22T03:00Z to"),
    (rows(*HOURS, HOURS[2]), "line 5", "2026-11-22T02:00Z is priced already"),
    (rows(HOURS[0], HOURS[2], HOURS[1]), "line 4", "01:00Z is before the row above"),
    (rows(*HOURS[::-1]), "line 3", "01:00Z is before the row above; put rows in order"),
    (rows(HOURS[0], HOURS[2]), "line 2", "this period's length is 120 min"),
    ("\n" + rows(*HOURS, "midnight"), "line 6", "'midnight' is no start or end of a period"),
    (rows("1026-11-22T00:00Z"), "line 2", "'1026-11-22T00:00Z' is no start or end"),
    (rows("2026-03-29T01:00", "2026-03-29T02:00"), "line 3", "does not exist in Europe/Berlin"),
    (rows(HOURS[0]), "line 2", "this period's length is 0 min"),
    (rows(*HOURS, price="n/a"), "line 2", "'n/a' is no price; write a number"),
    (rows(*HOURS, price="NaN"), "line 2", "'NaN' is no price; write a number"),
    (rows(*HOURS, price="1e999"), "line 2", "'1e999' is no price; write a number"),
    (rows(*HOURS).replace("_eur_mwh", ""), "line 2", "the price has no unit"),
    (rows(*HOURS).replace("eur", "chf"), "line 2", "the price is in CHF, the site's currency"),
    ("[{]", "file", "it is no JSON"),
    ("[" * 100_000, "file", "it is no JSON"),
    ('{"items": []}', "file", "no list of prices"),
    ("[1]", "entry 1", "'' is no start or end of a period"),
    (entry(start_timestamp="1e99", marketprice="1"), "entry 1", "is no instant of this century"),
    (entry(start='"2026-11-22T00:00Z"', price="null"), "entry 1", "'' is no price"),
    ('start,price_eur_mwh\n"' + "x" * 200_000 + '",1\n', "file", "it is no CSV"),
]


@pytest.mark.parametrize(("text", "place", "message"), FAULTS)
def test_a_fault_is_named_with_its_place_and_remedy(text: str, place: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(text)
    faults = caught.value.errors
    assert any(fault.field == place and message in fault.message for fault in faults), faults
    assert all(";" in fault.message for fault in faults), "what is wrong; what to do"
    assert faults[0].message in caught.value.detail


def test_every_fault_of_a_file_is_listed_but_no_more_than_twenty() -> None:
    with pytest.raises(InvalidInput) as caught:
        read(rows("a", "b", HOURS[0], "c"))
    assert [fault.field for fault in caught.value.errors] == ["line 2", "line 3", "line 5"]
    with pytest.raises(InvalidInput) as caught:
        read(rows(*["a"] * 30))
    assert len(caught.value.errors) == 20


def test_a_file_without_end_is_not_read_to_the_end() -> None:
    with pytest.raises(InvalidInput, match="more than 40000 rows"):
        read(rows(*["a"] * 40_001) + '"' + "x" * 200_000)
