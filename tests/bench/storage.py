"""What a durable change costs: group commit against one commit each, on the disk of this run.

One hundred writers store MeterValues (report, reading, transaction row): as fast as they are told
that the last one is safe, and at the pace of a large site.
"""

import asyncio
import sqlite3
import statistics
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from sitecontroller.clock import SystemClock
from sitecontroller.domain.station import StationTime
from sitecontroller.domain.transaction import Transaction, TransactionUpdated
from sitecontroller.ports import UnitOfWork
from sitecontroller.storage import Store
from sitecontroller.storage.engine import connect
from tests.unit.storage.examples import a_reading, a_transaction, at_ms

WRITERS = 100
ROUNDS_GROUPED = 20
ROUNDS_SINGLE = 3
PACED_S = 0.25
"""Between two changes of one writer at a large site's pace: 400 a second in all."""
BULK_ROWS = 20_000
BARE_COMMITS = 500


async def run() -> dict[str, float]:
    """Each figure by name, with its unit or goal; ratios hold between machines."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bare = _bare_commits(folder / "bare.db")
        grouped = await _writers(folder / "grouped.db", ROUNDS_GROUPED, batch_max=64)
        single = await _writers(folder / "single.db", ROUNDS_SINGLE, batch_max=1)
        paced = await _writers(folder / "paced.db", ROUNDS_GROUPED, pause_s=PACED_S)
        bulk_us, raw_us, sample_bytes = await _bulk(folder / "bulk.db")
    return {
        "bare durable commit, p50 ms": _percentile(bare, 50) * 1000,
        "bare durable commit, p99 ms": _percentile(bare, 99) * 1000,
        "grouped p50 ms": _percentile(grouped.waits, 50) * 1000,
        "grouped p99 ms": _percentile(grouped.waits, 99) * 1000,
        "single p50 ms": _percentile(single.waits, 50) * 1000,
        "grouped p99 / single p50": _percentile(grouped.waits, 99) / _percentile(single.waits, 50),
        "grouped / single, changes per second": grouped.per_s / single.per_s,
        "durable MeterValues per second": grouped.per_s,
        "p50 ms at 400 changes a second": _percentile(paced.waits, 50) * 1000,
        "p99 ms at 400 changes a second": _percentile(paced.waits, 99) * 1000,
        "p99 at 400 a second / bare p99": _percentile(paced.waits, 99) / _percentile(bare, 99),
        "add_reading in one unit, us": bulk_us,
        "raw insert of the same row, us": raw_us,
        "bytes a sample (goal <= 60)": sample_bytes,
    }


class _Measured:
    """How long each change waited, s, and how many were made per second."""

    def __init__(self, waits: list[float], took_s: float) -> None:
        self.waits = waits
        self.per_s = len(waits) / took_s


async def _writers(
    path: Path, rounds: int, *, batch_max: int = 64, pause_s: float = 0.0
) -> _Measured:
    store = await Store.open(path, SystemClock(), batch_max=batch_max)
    waits: list[float] = []

    async def writer(number: int) -> None:
        transaction = a_transaction(f"T{number}")
        await store.commit(_begin, transaction)
        await asyncio.sleep(pause_s * number / WRITERS)
        for n in range(1, rounds + 1):
            transaction = replace(transaction, meter_last_wh=float(n), meter_last_at=at_ms(n))
            began = time.perf_counter()
            await store.commit(_meter_values, transaction, n)
            waits.append(time.perf_counter() - began)
            if pause_s:
                await asyncio.sleep(pause_s)

    began = time.perf_counter()
    await asyncio.gather(*(writer(number) for number in range(WRITERS)))
    took_s = time.perf_counter() - began
    await store.close()
    return _Measured(waits, took_s)


def _begin(tx: UnitOfWork, transaction: Transaction) -> None:
    tx.add_transaction(transaction)


def _meter_values(tx: UnitOfWork, transaction: Transaction, n: int) -> None:
    reading = _sample(n)
    tx.add_report(
        transaction.key,
        TransactionUpdated(
            *("CP-01", transaction.key, StationTime(at_ms(n)), at_ms(n)), readings=(reading,)
        ),
    )
    tx.add_reading(transaction.key, reading)
    tx.update_transaction(transaction)


def _sample(n: float) -> Any:
    return a_reading(
        n * 10,
        current_a=(31.8, 31.712, 31.95),
        voltage_v=(229.8, 231.1, 230.4),
        power_phase_w=(7321.0, 7332.0, 7345.0),
        power_w=21998.0,
        energy_import_wh=12_345_678.0 + n * 60,
    )


def _bare_commits(path: Path) -> list[float]:
    """Seconds of small durable commits of this disk, nobody else writing."""
    waits = []
    with closing(connect(path)) as connection:
        connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, x TEXT) STRICT")
        for n in range(BARE_COMMITS):
            began = time.perf_counter()
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO t VALUES (?, ?)", (n, "x" * 600))
            connection.execute("COMMIT")
            waits.append(time.perf_counter() - began)
    return waits


async def _bulk(path: Path) -> tuple[float, float, float]:
    """µs of one `add_reading` and of SQLite's own insert of its row; bytes on disk of a sample."""
    stations = 12
    samples = [_sample(n) for n in range(BULK_ROWS // stations)]
    store = await Store.open(path, SystemClock())

    def add_all(tx: UnitOfWork) -> float:
        for station in range(stations):
            tx.add_transaction(a_transaction(f"T{station}"))
        began = time.perf_counter()
        for sample in samples:
            for station in range(stations):
                tx.add_reading(f"T{station}", sample)
        return time.perf_counter() - began

    took_s = await store.commit(add_all)
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        sql = "SELECT sum(pgsize) FROM dbstat WHERE name = 'reading'"
        sample_bytes = connection.execute(sql).fetchone()[0] / (len(samples) * stations)
        rows = connection.execute("SELECT * FROM reading").fetchall()
        connection.execute("CREATE TEMP TABLE copy AS SELECT * FROM reading LIMIT 0")
        marks = ", ".join("?" * len(rows[0]))
        began = time.perf_counter()
        connection.executemany(f"INSERT INTO copy VALUES ({marks})", rows)
        raw_s = time.perf_counter() - began
    return took_s / len(rows) * 1e6, raw_s / len(rows) * 1e6, sample_bytes


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
