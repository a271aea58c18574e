"""Owner of the day-ahead prices: those of the file of site.toml, and above them those that were
given over the API. The file is looked at before each plan and read again when it has changed.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sitecontroller.config import PlanningSettings
from sitecontroller.domain.commands import CommandResult, CommandState
from sitecontroller.domain.errors import FieldError, InvalidInput
from sitecontroller.domain.planning import PricePeriod, PricesQuery, PricesView, SetPrices
from sitecontroller.planning import checked_prices, read_prices
from sitecontroller.services.desk import Desk
from sitecontroller.services.planning.series import QUARTER_S, quarter_of
from sitecontroller.services.shelf import Shelf

FILE_BYTES_MAX = 8_000_000
KEPT_QUARTERS = 2 * 96
"""Prices so much older than now are forgotten; the last day stands in for one that isn't known."""
DAY_QUARTERS = 96
_KEY = "prices"

log = logging.getLogger(__name__)

Stamp = tuple[int, int]
"""When a file was last written (ns), and its size."""


@dataclass(frozen=True, slots=True)
class _Given:
    """As kept in the database."""

    periods: tuple[PricePeriod, ...]


@dataclass(frozen=True, slots=True)
class FileRead:
    """What came of a look at the file; `stamp` None: it isn't there. `per_kwh` by number of the
    quarter hour; None: it can't be used, or hasn't changed."""

    stamp: Stamp | None
    per_kwh: dict[int, Decimal] | None = None
    fault: str | None = None


class Price(NamedTuple):
    """What a kWh of a quarter hour costs; `known` False: an assumption."""

    per_kwh: Decimal
    known: bool


def read_price_file(path: Path, known: Stamp | None, currency: str, zone: ZoneInfo) -> FileRead:
    """Look at a file, and read it if it isn't the known one. For the workshop."""
    try:
        status = path.stat()
        stamp = (status.st_mtime_ns, status.st_size)
        if stamp == known:
            return FileRead(stamp)
        if status.st_size > FILE_BYTES_MAX:
            return FileRead(stamp, fault=f"{path} has more than {FILE_BYTES_MAX // 10**6} MB")
        text = path.read_text(encoding="utf-8")
        periods = read_prices(text, currency=currency, zone=zone).periods
    except UnicodeDecodeError:
        return FileRead(stamp, fault=f"{path} is no text in UTF-8; export it again")
    except OSError as error:
        return FileRead(None, fault=f"{path} can't be read: {error.strerror}")
    except InvalidInput as error:
        return FileRead(stamp, fault=f"{path}: {error.detail}")
    return FileRead(stamp, _by_quarter(periods))


class PriceBook:
    """All prices that are known, by quarter hour."""

    def __init__(self, desk: Desk, settings: PlanningSettings) -> None:
        self._desk, self._settings = desk, settings
        self._zone = ZoneInfo(desk.config.time_zone)
        self._shelf = Shelf(desk.store, "day-ahead-prices", _Given)
        self._of_file: dict[int, Decimal] = {}
        self._given: dict[int, Decimal] = {}
        self._stamp: Stamp | None = None
        self._fault: str | None = None

    async def load(self) -> None:
        """Take up what was given before."""
        kept = await self._shelf.get(_KEY)
        if kept is not None:
            self._given = _by_quarter(kept.periods)

    async def reread(self) -> None:
        """Look at the file. What it said last holds on while it can't be used."""
        path = self._settings.prices
        if path is None:
            return
        currency = self._desk.config.currency
        read = await self._desk.workshop.run(
            read_price_file, path, self._stamp, currency, self._zone
        )
        if read.per_kwh is not None:
            self._of_file = read.per_kwh
            log.info("prices: %s read, %d quarter hours", path, len(read.per_kwh))
        elif read.fault is not None and read.fault != self._fault:
            log.warning("prices: %s; those known before hold on", read.fault)
        if read.fault is not None or read.per_kwh is not None:
            self._fault = read.fault
        self._stamp = read.stamp

    def quarters(self, first: int, count: int) -> list[Price]:
        """What is bought then. Unknown: as a day before, else as known ones on average, else the
        price of site.toml."""
        known = self._of_file | self._given
        average = _mean(known.get(first + n) for n in range(-DAY_QUARTERS, count))
        prices = []
        for number in range(first, first + count):
            price = known.get(number)
            if price is not None:
                prices.append(Price(price + self._settings.surcharge, True))
                continue
            like = known.get(number - DAY_QUARTERS, average)
            assumed = self._settings.price if like is None else like + self._settings.surcharge
            prices.append(Price(assumed, False))
        return prices

    async def set(self, command: SetPrices, command_id: str) -> CommandResult:
        """Prices by the API: they are kept."""
        currency = self._desk.config.currency
        if command.currency != currency:
            message = f"the site's currency is {currency}; convert them"
            raise InvalidInput(
                f"Prices in {command.currency} can't be used here: {message}",
                remedy="Give them in the site's currency",
                errors=(FieldError("currency", message),),
            )
        given = checked_prices(tuple(map(_in_utc, command.periods)), currency).periods
        now = self._desk.clock.now()
        oldest = quarter_of(now) - KEPT_QUARTERS
        by_quarter = {n: p for n, p in (self._given | _by_quarter(given)).items() if n >= oldest}
        periods = tuple(_period(number, by_quarter[number]) for number in sorted(by_quarter))
        await self._shelf.put(_KEY, _Given(periods), now)
        self._given = by_quarter
        log.info(
            "prices: given by %s for %s to %s",
            command.set_by,
            f"{given[0].start_at:%Y-%m-%d %H:%M}",
            f"{given[-1].end_at:%Y-%m-%d %H:%M} UTC",
        )
        return CommandResult(command_id, CommandState.ACCEPTED)

    async def view(self, query: PricesQuery) -> PricesView:
        """What is known from now on."""
        first = quarter_of(self._desk.clock.now())
        known = self._of_file | self._given
        path = self._settings.prices
        return PricesView(
            self._desk.config.currency,
            tuple(_period(number, known[number]) for number in sorted(known) if number >= first),
            None if path is None else str(path),
            self._fault,
        )


def _by_quarter(periods: Iterable[PricePeriod]) -> dict[int, Decimal]:
    return {
        number: period.per_kwh
        for period in periods
        for number in range(quarter_of(period.start_at), quarter_of(period.end_at))
    }


def _period(number: int, per_kwh: Decimal) -> PricePeriod:
    start_at = datetime.fromtimestamp(number * QUARTER_S, UTC)
    return PricePeriod(start_at, start_at + timedelta(seconds=QUARTER_S), per_kwh)


def _in_utc(period: PricePeriod) -> PricePeriod:
    if period.start_at.tzinfo is None or period.end_at.tzinfo is None:
        return period
    start_at, end_at = period.start_at.astimezone(UTC), period.end_at.astimezone(UTC)
    return PricePeriod(start_at, end_at, period.per_kwh)


def _mean(values: Iterable[Decimal | None]) -> Decimal | None:
    known = [value for value in values if value is not None]
    return sum(known, Decimal(0)) / len(known) if known else None
