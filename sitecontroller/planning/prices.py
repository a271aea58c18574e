"""Day-ahead prices from a file: what a kWh costs, period by period.

Read are CSV with a heading and the JSON lists that exchanges and their resellers give: objects with
a start and a price (docs/load-management.md shows them). Every fault of a file is named with its
line (JSON: entry) and what to do; nothing is guessed. A period is 15 or 60 min. Instants without an
offset are the site's local time, so that a day has 23, 24 or 25 hours.
"""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import islice, pairwise
from typing import Any
from zoneinfo import ZoneInfo

from sitecontroller.domain.errors import FieldError, InvalidInput
from sitecontroller.domain.planning import PricePeriod

QUARTER_HOUR = timedelta(minutes=15)
LENGTHS = (QUARTER_HOUR, timedelta(hours=1))
ROWS_MAX = 40_000
"""A year of quarter-hours."""
FAULTS_MAX = 20
"""More are not listed: they have one cause."""
EPOCH_S_MIN, EPOCH_S_MAX = 946_684_800, 4_102_444_800
"""From 2000 to 2100."""
MS_FROM = 100_000_000_000
"""Epoch numbers from here on are milliseconds (in seconds: the year 5138)."""
PER_KWH_MAX = 1_000_000
"""More is a slip of the pen in any currency."""

START = ("start", "start_at", "start_timestamp", "starts_at", "startsat", "time", "timestamp")
END = ("end", "end_at", "end_timestamp", "ends_at", "endsat")
PRICE = ("price", "marketprice", "value")
UNIT = re.compile(r"(?<![a-z])([a-z]{3}|€|ct)\s*(?:/|_per_|_| per )\s*([mk])wh", re.IGNORECASE)
CENT_PER_KWH = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class DayAheadPrices:
    """Periods without gap or overlap, in order of time (UTC)."""

    currency: str
    periods: tuple[PricePeriod, ...]

    def quarter_hours(self, start_at: datetime, count: int) -> list[Decimal | None]:
        """The prices of `count` quarter-hours from `start_at`, where one begins; None where the
        file has none."""
        by_start = {
            period.start_at + number * QUARTER_HOUR: period.per_kwh
            for period in self.periods
            for number in range((period.end_at - period.start_at) // QUARTER_HOUR)
        }
        return [by_start.get(start_at + number * QUARTER_HOUR) for number in range(count)]


@dataclass(frozen=True, slots=True)
class _Row:
    """One price as it stands in the file; `place` is its line or entry."""

    place: str
    start: object
    end: object
    price: object
    unit: str


class _Faults(Exception):
    """What one row has wrong, in words."""


def read_prices(text: str, *, currency: str, zone: ZoneInfo) -> DayAheadPrices:
    """The prices in a CSV or JSON text, in `currency` per kWh. Raises `InvalidInput`."""
    content = text.lstrip("\ufeff \r\n\t")
    lines_before = text[: len(text) - len(content)].count("\n")
    is_json = content.startswith(("[", "{"))
    found = _json_rows(content) if is_json else _csv_rows(content, lines_before)
    try:
        rows = list(islice(found, ROWS_MAX + 1)) if content else []
    except csv.Error as error:
        raise _invalid([FieldError("file", f"it is no CSV ({error}); export it again")]) from None
    if not rows:
        raise _invalid([FieldError("file", "it has no prices; it needs one row a period")])
    if len(rows) > ROWS_MAX:
        raise _invalid([FieldError("file", f"more than {ROWS_MAX} rows; give it a year at most")])
    faults: list[FieldError] = []
    read: list[tuple[_Row, datetime, datetime | None, Decimal]] = []
    for row in rows:
        try:
            before = read[-1][1] if read else None
            start_at = _instant(row.start, zone, before)
            end_at = None if row.end in (None, "") else _end(row.end, zone, start_at)
            read.append((row, start_at, end_at, _per_kwh(row, currency)))
        except _Faults as fault:
            faults.append(FieldError(row.place, str(fault)))
    if faults:
        raise _invalid(faults)
    return DayAheadPrices(currency, _joined(read))


def checked_prices(periods: Sequence[PricePeriod], currency: str) -> DayAheadPrices:
    """Periods that somebody gave, as whole as those of a file. Raises `InvalidInput`."""
    faults: list[FieldError] = []
    before: PricePeriod | None = None
    for number, period in enumerate(periods):
        fault = _unfit(period) or _misfit(period, before)
        if fault:
            faults.append(FieldError(f"periods.{number}", fault))
            break
        before = period
    if not periods:
        faults.append(FieldError("periods", "it has no prices; it needs one period at least"))
    if len(periods) > ROWS_MAX:
        faults.append(FieldError("periods", f"more than {ROWS_MAX}; give it a year at most"))
    if faults:
        raise _invalid(faults)
    return DayAheadPrices(currency, tuple(periods))


def _unfit(period: PricePeriod) -> str:
    """What is wrong with a period by itself; empty if nothing is."""
    if period.start_at.tzinfo is None or period.end_at.tzinfo is None:
        return "its times name no time zone; write 2026-03-29T14:15:00Z"
    if period.start_at.timestamp() % QUARTER_HOUR.total_seconds():
        return f"{_utc(period.start_at)} is no full quarter hour"
    if not (period.per_kwh.is_finite() and abs(period.per_kwh) <= PER_KWH_MAX):
        return f"'{period.per_kwh}' is no price; write a number such as 0.0874"
    return ""


def _joined(
    read: list[tuple[_Row, datetime, datetime | None, Decimal]],
) -> tuple[PricePeriod, ...]:
    """The periods; without ends in the file, all are as long as its smallest step."""
    steps = {abs(after[1] - before[1]) for before, after in pairwise(read)} - {timedelta(0)}
    usual = min(steps, default=timedelta(0))
    faults: list[FieldError] = []
    periods: list[PricePeriod] = []
    for row, start_at, given_end_at, price in read:
        period = PricePeriod(start_at, given_end_at or start_at + usual, price)
        if fault := _misfit(period, periods[-1] if periods else None):
            faults.append(FieldError(row.place, fault))
        periods.append(period)
    if faults:
        raise _invalid(faults)
    return tuple(periods)


def _misfit(period: PricePeriod, before: PricePeriod | None) -> str:
    """What is wrong with a period and its place after the one before; empty if nothing is."""
    length = period.end_at - period.start_at
    if length not in LENGTHS:
        return (
            f"this period's length is {length.total_seconds() / 60:g} min; "
            "give all periods of a day, of 15 or 60 min each"
        )
    if before is None or period.start_at == before.end_at:
        return ""
    if period.start_at > before.end_at:
        return (
            f"no price from {_utc(before.end_at)} to {_utc(period.start_at)}; "
            "add the missing rows before this one"
        )
    if period.start_at < before.start_at:
        return f"{_utc(period.start_at)} is before the row above; put rows in order of time"
    return f"{_utc(period.start_at)} is priced already, in the row above; leave one of them out"


def _csv_rows(text: str, lines_before: int) -> Iterator[_Row]:
    heading = text.partition("\n")[0]
    separator = max(";\t,", key=heading.count)
    reader = csv.reader(io.StringIO(text), delimiter=separator)
    names = [name.strip() for name in next(reader, [])]
    columns = {name.lower().partition(" ")[0].partition("(")[0]: n for n, name in enumerate(names)}
    start, end = _column(columns, START), _column(columns, END)
    price = next((n for n, name in enumerate(names) if name.lower().startswith(PRICE)), None)
    if start is None or price is None:
        raise _invalid(
            [
                FieldError(
                    f"line {lines_before + 1}",
                    f"no column for the {'start' if start is None else 'price'}; name the columns "
                    "in the first line, such as start;price_eur_per_mwh",
                )
            ]
        )
    for cells in reader:
        if any(cell.strip() for cell in cells):
            cell = dict(enumerate(map(str.strip, cells)))
            number = cell.get(price, "")
            yield _Row(
                f"line {lines_before + reader.line_num}",
                cell.get(start, ""),
                None if end is None else cell.get(end),
                number if separator == "," else number.replace(",", "."),
                names[price],
            )


def _column(columns: Mapping[str, int], names: tuple[str, ...]) -> int | None:
    return next((columns[name] for name in names if name in columns), None)


def _json_rows(text: str) -> Iterator[_Row]:
    try:
        document = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    except (ValueError, RecursionError) as error:
        raise _invalid(
            [FieldError("file", f"it is no JSON ({error}); download it again")]
        ) from None
    general = document if isinstance(document, dict) else {}
    entries = document if isinstance(document, list) else general.get("data", general.get("prices"))
    if not isinstance(entries, list):
        raise _invalid(
            [FieldError("file", 'no list of prices; give one, or an object with one as "data"')]
        )
    for number, entry in enumerate(entries, 1):
        fields = {key.lower(): value for key, value in entry.items()} if _is_object(entry) else {}
        yield _Row(
            f"entry {number}",
            _field(fields, START),
            _field(fields, END),
            _field(fields, PRICE),
            str(fields.get("unit", general.get("unit", ""))),
        )


def _is_object(entry: object) -> bool:
    return isinstance(entry, dict)


def _field(fields: Mapping[str, Any], names: tuple[str, ...]) -> object:
    return next((fields[name] for name in names if name in fields), None)


def _end(value: object, zone: ZoneInfo, start_at: datetime) -> datetime:
    """UTC. A local end is first taken as it stands beside the start: in the night when the clocks
    go back, 02:00 to 03:00 is one hour, and comes twice."""
    if not isinstance(value, Decimal) and (local := _written(value)).tzinfo is None:
        length = local - start_at.astimezone(zone).replace(tzinfo=None)
        if length in LENGTHS:
            return start_at + length
    return _instant(value, zone, start_at)


def _instant(value: object, zone: ZoneInfo, before: datetime | None) -> datetime:
    """UTC. A local time that comes twice is the first one unless that is not after `before`."""
    if isinstance(value, Decimal):
        if not EPOCH_S_MIN <= (value / 1000 if value >= MS_FROM else value) < EPOCH_S_MAX:
            raise _Faults(f"{value} is no instant of this century; give seconds or ms since 1970")
        return datetime.fromtimestamp(int(value / 1000 if value >= MS_FROM else value), UTC)
    local = _written(value)
    if local.tzinfo is not None:
        return local.astimezone(UTC)
    first = local.replace(tzinfo=zone).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) != local:
        raise _Faults(f"{value} does not exist in {zone}: the clocks go forward; leave it out")
    if before is not None and first <= before:
        return local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return first


def _written(value: object) -> datetime:
    try:
        written = datetime.fromisoformat(str(value))
    except ValueError:
        written = None
    if written is None or not 2000 <= written.year < 2100:
        shown = "" if value is None else value
        raise _Faults(f"'{shown}' is no start or end of a period; write 2026-03-29T14:15+02:00")
    return written


def _per_kwh(row: _Row, currency: str) -> Decimal:
    try:
        price = Decimal(str(row.price).strip())
    except InvalidOperation:
        price = Decimal("NaN")
    if not (price.is_finite() and abs(price) <= PER_KWH_MAX):
        shown = "" if row.price is None else row.price
        raise _Faults(f"'{shown}' is no price; write a number such as 87.43")
    unit = UNIT.search(row.unit)
    if unit is None:
        raise _Faults(
            "the price has no unit; write it into the column's name (price_eur_per_mwh) or, "
            'in JSON, as "unit": "EUR/MWh"'
        )
    name = unit[1].upper().replace("€", "EUR")
    if name not in (currency, "CT"):
        raise _Faults(f"the price is in {name}, the site's currency is {currency}; convert it")
    factor = CENT_PER_KWH if name == "CT" else Decimal(1)
    return price * factor / (1000 if unit[2].lower() == "m" else 1)


def _utc(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%MZ}"


def _invalid(faults: list[FieldError]) -> InvalidInput:
    first = faults[0]
    return InvalidInput(
        f"These prices can't be used: {first.field}: {first.message}",
        remedy="Correct the file as each error says and give it again.",
        errors=tuple(faults[:FAULTS_MAX]),
    )
