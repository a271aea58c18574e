"""Small true values for storage tests, and a clock that stands still."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sitecontroller.domain.authorization import AuthorizationStatus, IdToken
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.station import StationTime
from sitecontroller.domain.tariff import PriceComponent, Tariff, TariffDimension
from sitecontroller.domain.transaction import Transaction, TransactionStarted, TransactionState
from sitecontroller.ports import UnitOfWork
from sitecontroller.storage import Store

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, UTC)
Run = Callable[[Coroutine[Any, Any, Any]], Any]


@dataclass
class StandingClock:
    """Shows the same instant until it is set."""

    at: datetime = NOON

    def now(self) -> datetime:
        return self.at

    def monotonic_s(self) -> float:
        return 0.0


@asynccontextmanager
async def opened(path: Path, **options: Any) -> AsyncIterator[Store]:
    """A store that is closed in order at the end."""
    store = await Store.open(path, StandingClock(), **options)
    try:
        yield store
    finally:
        await store.close()


def a_transaction(key: str = "T1", **fields: Any) -> Transaction:
    transaction = Transaction(
        key=key,
        station_id="CP-01",
        evse_id=1,
        connector_id=1,
        station_transaction_id=key,
        state=TransactionState.ACTIVE,
        authorization_status=AuthorizationStatus.ACCEPTED,
        started_at=NOON,
        start_received_at=NOON,
        id_token=IdToken("CARD-1"),
    )
    return replace(transaction, **fields)


def a_start(**fields: Any) -> TransactionStarted:
    start = TransactionStarted(
        station_id="CP-01",
        evse_id=1,
        connector_id=1,
        id_token=IdToken("CARD-1"),
        time=StationTime(at_ms(0)),
        received_at=at_ms(0),
        meter_start_wh=100.0,
    )
    return replace(start, **fields)


def a_reading(second: float = 0, **fields: Any) -> MeterReading:
    return replace(MeterReading(at=NOON + timedelta(seconds=second)), **fields)


def a_tariff(version: int = 1, **fields: Any) -> Tariff:
    tariff = Tariff(
        tariff_id="DAY",
        version=version,
        name="Day",
        currency="EUR",
        components=(PriceComponent(TariffDimension.ENERGY, Decimal("0.49"), Decimal(19)),),
        valid_from=at_ms(0),
    )
    return replace(tariff, **fields)


def at_ms(seconds: float) -> datetime:
    """An instant near NOON in whole milliseconds, as JSON keeps it."""
    return NOON.replace(microsecond=0) + timedelta(seconds=seconds)


def tell(tx: UnitOfWork, subject: str) -> None:
    """One fact for HQ."""
    tx.add_outbox("test", subject, 1, "Told", {"subject": subject}, NOON)


def query(tx: Any, sql: str) -> list[Any]:
    """Bare rows, for what the port has no word for."""
    return [row if len(row) > 1 else row[0] for row in tx.connection.execute(sql)]
