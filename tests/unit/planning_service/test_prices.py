"""Day-ahead prices of a running site: a file that changes, the API above it, assumptions."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sitecontroller.config import PlanningSettings
from sitecontroller.domain.errors import InvalidInput
from sitecontroller.domain.planning import PricePeriod, PricesQuery, SetPrices
from sitecontroller.services.planning.prices import PriceBook
from sitecontroller.services.planning.series import quarter_of
from tests.unit.planning_service.site import Workshop
from tests.unit.storage.examples import StandingClock, opened

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
FIRST = quarter_of(NOON)
HOUR = timedelta(hours=1)


def period(hours: float, per_kwh: str, lasts: timedelta = HOUR) -> PricePeriod:
    start_at = NOON + hours * HOUR
    return PricePeriod(start_at, start_at + lasts, Decimal(per_kwh))


@asynccontextmanager
async def book(directory: Path, **settings: Any) -> AsyncIterator[PriceBook]:
    async with opened(directory / "site.db") as store:
        desk: Any = SimpleNamespace(
            config=SimpleNamespace(time_zone="Europe/Berlin", currency="EUR"),
            store=store,
            clock=StandingClock(NOON),
            workshop=Workshop(),
        )
        made = PriceBook(desk, PlanningSettings(enabled=True, **settings))
        await made.load()
        yield made


def per_kwh(prices: PriceBook, hours: float) -> tuple[str, bool]:
    price = prices.quarters(FIRST + int(hours * 4), 1)[0]
    return str(price.per_kwh), price.known


def test_a_file_is_read_again_when_it_changes(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"

    async def story() -> None:
        async with book(tmp_path, prices=path, surcharge=Decimal("0.1")) as prices:
            await prices.reread()
            view = await prices.view(PricesQuery())
            assert view.fault is not None
            assert "can't be read" in view.fault
            path.write_text(
                "start,price_eur_per_kwh\n2026-11-24T12:00Z,0.2\n2026-11-24T13:00Z,0.3\n"
            )
            await prices.reread()
            assert per_kwh(prices, 0) == ("0.3", True)
            path.write_text(
                "start,price_eur_per_kwh\n2026-11-24T12:00Z,0.5\n2026-11-24T13:00Z,0.5\n"
            )
            os.utime(path, ns=(1, 1))
            await prices.reread()
            assert per_kwh(prices, 1) == ("0.6", True)
            assert (await prices.view(PricesQuery())).fault is None

    run(story())


def test_a_file_that_is_spoilt_is_told_and_what_was_known_holds_on(
    run: Any, tmp_path: Path
) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("start,price_eur_per_kwh\n2026-11-24T12:00Z,0.2\n2026-11-24T13:00Z,0.3\n")

    async def story() -> None:
        async with book(tmp_path, prices=path) as prices:
            await prices.reread()
            path.write_text("start,price\n2026-11-24T12:00Z,0.2\n")
            await prices.reread()
            fault = (await prices.view(PricesQuery())).fault
            assert fault is not None
            assert "line 2" in fault
            assert per_kwh(prices, 0) == ("0.2", True)

    run(story())


def test_prices_by_the_api_are_kept_and_stand_above_the_file(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("start,price_eur_per_kwh\n2026-11-24T12:00Z,0.2\n2026-11-24T13:00Z,0.3\n")

    async def story() -> None:
        async with book(tmp_path, prices=path) as prices:
            await prices.set(SetPrices((period(1, "0.05"),), "EUR"), "1")
        async with book(tmp_path, prices=path) as prices:
            await prices.reread()
            assert per_kwh(prices, 0) == ("0.2", True)
            assert per_kwh(prices, 1) == ("0.05", True)

    run(story())


def test_what_is_not_known_is_as_a_day_before_else_the_average_else_as_configured(
    run: Any, tmp_path: Path
) -> None:
    async def story() -> None:
        async with book(tmp_path, price=Decimal("0.35")) as prices:
            assert per_kwh(prices, 0) == ("0.35", False)
            given = (period(0, "0.1"), period(1, "0.3"))
            await prices.set(SetPrices(given, "EUR"), "1")
            assert per_kwh(prices, 25) == ("0.3", False)
            assert per_kwh(prices, 2) == ("0.2", False)

    run(story())


@pytest.mark.parametrize(
    ("periods", "currency", "field"),
    [
        ((), "EUR", "periods"),
        ((period(0, "0.1"),), "CHF", "currency"),
        ((period(0, "0.1"), period(2, "0.1")), "EUR", "periods.1"),
        ((period(0, "0.1", timedelta(minutes=20)),), "EUR", "periods.0"),
        ((period(0.1, "0.1"),), "EUR", "periods.0"),
        ((period(0, "NaN"),), "EUR", "periods.0"),
        ((PricePeriod(datetime(2026, 11, 24, 12), NOON, Decimal(1)),), "EUR", "periods.0"),  # noqa: DTZ001
    ],
)
def test_a_fault_in_given_prices_is_named(
    run: Any, tmp_path: Path, periods: Any, currency: str, field: str
) -> None:
    async def story() -> None:
        async with book(tmp_path) as prices:
            with pytest.raises(InvalidInput) as refused:
                await prices.set(SetPrices(periods, currency), "1")
            assert [fault.field for fault in refused.value.errors] == [field]
            assert (await prices.view(PricesQuery())).periods == ()

    run(story())
