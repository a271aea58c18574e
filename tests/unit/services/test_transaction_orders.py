"""However a station's reports are shuffled and doubled: one session, at the right price."""

import asyncio
import dataclasses
import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.domain.authorization import (
    AuthorizationStatus,
    IdToken,
    IdTokenType,
    TokenRecord,
)
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.rating import rate
from sitecontroller.domain.station import StationTime
from sitecontroller.domain.tariff import PriceComponent, Tariff, TariffDimension
from sitecontroller.domain.topology import Topology
from sitecontroller.domain.transaction import (
    Transaction,
    TransactionEnded,
    TransactionFlag,
    TransactionReport,
    TransactionStarted,
    TransactionUpdated,
)
from sitecontroller.ports import UnitOfWork
from sitecontroller.services.transaction_rules import record_end, record_start, record_update
from sitecontroller.storage.store import Store

BEGAN_AT = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
HEARD_AT = BEGAN_AT + timedelta(hours=3)
CARD, OTHER, BLOCKED = IdToken("CARD0001"), IdToken("CARD0002"), IdToken("BLOCKED1")
NOWHERE = Topology({}, {}, {})
TARIFF = Tariff(
    "standard", 1, "Standard", "EUR",
    (
        PriceComponent(TariffDimension.ENERGY, Decimal("0.49"), Decimal(19)),
        PriceComponent(TariffDimension.FLAT, Decimal("0.50"), Decimal(19)),
    ),
    datetime(2020, 1, 1, tzinfo=UTC),
)  # fmt: skip
stations = (f"CP-{number}" for number in itertools.count())


class FixedClock:
    def now(self) -> datetime:
        return HEARD_AT

    def monotonic_s(self) -> float:
        return 0.0


def play(folder: Path, reports: list[TransactionReport]) -> list[Transaction]:
    """Record the reports in this order; the rows that come of them."""

    async def record() -> list[Transaction]:
        store = await Store.open(folder / "site.db", FixedClock())
        try:
            await store.commit(_begin)
            for report in reports:
                await store.commit(_record, report)
            return list(await store.read(_rows, reports[0].station_id))
        finally:
            await store.close()

    return asyncio.run(record())


def _begin(tx: UnitOfWork) -> None:
    for card in (CARD, OTHER):
        tx.put_token(TokenRecord(card.id_token, IdTokenType.ISO14443, transactions_max=None))
    tx.put_token(TokenRecord(BLOCKED.id_token, IdTokenType.ISO14443, blocked=True))
    if tx.tariff_at(HEARD_AT) is None:
        tx.add_tariff(TARIFF)


def _record(tx: UnitOfWork, report: TransactionReport) -> None:
    if isinstance(report, TransactionStarted):
        record_start(tx, report, NOWHERE)
    elif isinstance(report, TransactionUpdated):
        record_update(tx, report, NOWHERE)
    else:
        record_end(tx, report, NOWHERE)


def _rows(tx: UnitOfWork, station_id: str) -> list[Transaction]:
    return [row for row in tx.transaction_page(500, None).items if row.station_id == station_id]


def reading(minute: int, wh: float) -> MeterReading:
    return MeterReading(BEGAN_AT + timedelta(minutes=minute), energy_import_wh=wh)


def honest_201(station_id: str, registers_wh: list[int]) -> list[TransactionReport]:
    """Started, Updated…, Ended, one a minute, each with its register."""
    last = len(registers_wh) - 1
    history: list[TransactionReport] = []
    for seq_no, wh in enumerate(registers_wh):
        time = StationTime(BEGAN_AT + timedelta(minutes=seq_no))
        if seq_no == 0:
            history.append(
                TransactionStarted(
                    station_id, 1, 1, CARD, time, HEARD_AT, "tx-1",
                    reading=reading(seq_no, wh), seq_no=seq_no, offline=True,
                )
            )  # fmt: skip
        elif seq_no < last:
            history.append(
                TransactionUpdated(
                    station_id, "tx-1", time, HEARD_AT,
                    readings=(reading(seq_no, wh),), seq_no=seq_no, offline=True,
                )
            )  # fmt: skip
        else:
            history.append(
                TransactionEnded(
                    station_id, "tx-1", time, HEARD_AT,
                    readings=(reading(seq_no, wh),), seq_no=seq_no, offline=True,
                )
            )  # fmt: skip
    return history


registers = st.lists(st.integers(0, 9_000), min_size=2, max_size=7).map(
    lambda steps: [100_000 + sum(steps[: number + 1]) for number in range(len(steps))]
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("orders")


@given(registers_wh=registers, data=st.data())
def test_2x_events_in_any_order_and_number_are_one_session(folder, registers_wh, data):
    history = honest_201(next(stations), registers_wh)
    doubled = data.draw(st.lists(st.sampled_from(history), max_size=6))
    (row,) = play(folder, data.draw(st.permutations([*history, *doubled])))
    energy_wh = Decimal(registers_wh[-1] - registers_wh[0])
    assert not row.active
    assert row.energy_wh == energy_wh
    assert row.price == rate(TARIFF, energy_wh)
    assert row.seq_no_missing == ()


@given(
    start_wh=st.integers(0, 10**6),
    energy_wh=st.integers(1, 50_000),
    stop_id=st.sampled_from([None, "0", "-1", "424242"]),
    data=st.data(),
)
def test_16_starts_and_stops_without_ids_in_any_order_are_one_session(
    folder, start_wh, energy_wh, stop_id, data
):
    station_id = next(stations)
    start = TransactionStarted(
        station_id, 1, 1, CARD, StationTime(BEGAN_AT), HEARD_AT, meter_start_wh=start_wh
    )
    stop = TransactionEnded(
        station_id, stop_id, StationTime(BEGAN_AT + timedelta(hours=1)), HEARD_AT,
        id_token=CARD, meter_stop_wh=start_wh + energy_wh,
    )  # fmt: skip
    times = data.draw(st.lists(st.sampled_from([start, stop]), max_size=5))
    (row,) = play(folder, data.draw(st.permutations([start, stop, *times])))
    assert not row.active
    assert row.energy_wh == energy_wh
    assert row.price == rate(TARIFF, Decimal(energy_wh))


@given(
    started=st.sampled_from([None, CARD, BLOCKED]),
    shown=st.sampled_from([None, CARD, OTHER, BLOCKED]),
    data=st.data(),
)
def test_2x_whose_session_it_is_does_not_depend_on_the_order_of_its_events(
    folder, started, shown, data
):
    def told(order: list[int]) -> tuple[IdToken | None, AuthorizationStatus, bool]:
        start, update, end = honest_201(next(stations), [0, 1_000, 5_000])
        assert isinstance(start, TransactionStarted)
        assert isinstance(update, TransactionUpdated)
        start = dataclasses.replace(start, id_token=started)
        update = dataclasses.replace(update, id_token=shown)
        (row,) = play(folder, [(start, update, end)[number] for number in order])
        assert row.energy_wh == 5_000
        assert row.price is not None
        return row.id_token, row.authorization_status, TransactionFlag.REFUSED_TOKEN in row.flags

    assert told(data.draw(st.permutations(range(3)))) == told([0, 1, 2])
