"""What circuits carried, kept small: a row, its part of EVSEs, its age."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sitecontroller.domain.metering import QuarterHour
from sitecontroller.storage import startup
from sitecontroller.storage.engine import connect
from sitecontroller.storage.unit_of_work import UnitOfWork

NUMBER = 1_996_000
KEEP = 400 * 96
BYTES_MAX = 60


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[UnitOfWork]:
    path = tmp_path / "site.db"
    startup.upgrade(path)
    with closing(connect(path)) as connection:
        yield UnitOfWork(connection)


def quarter(number: int, mean_w: float = 7000.0, evses_w: float | None = 2000.0) -> QuarterHour:
    return QuarterHour(number, (mean_w,) * 3, (mean_w + 500,) * 3, (evses_w, 0.0, 0.0))


def put(tx: UnitOfWork, circuit_id: str, *rows: QuarterHour) -> None:
    for row in rows:
        tx.put_quarter(circuit_id, row, KEEP)


def test_base_load_is_what_flowed_less_what_evses_took(tx: UnitOfWork) -> None:
    put(tx, "main", quarter(NUMBER), quarter(NUMBER + 1, 8000))
    put(tx, "feeder", quarter(NUMBER, 1000, 0))
    assert tx.base_quarters("main", 0) == [(NUMBER, 19_000), (NUMBER + 1, 22_000)]
    assert tx.base_quarters("main", NUMBER + 1) == [(NUMBER + 1, 22_000)]
    assert tx.base_quarters("feeder", 0) == [(NUMBER, 3000)]
    assert tx.base_quarters("nowhere", 0) == []


def test_what_evses_took_but_nobody_knows_is_a_gap_and_no_zero(tx: UnitOfWork) -> None:
    put(tx, "main", quarter(NUMBER, evses_w=None))
    assert tx.base_quarters("main", 0) == []


def test_the_peak_is_the_greatest_average_of_all_phases_together(tx: UnitOfWork) -> None:
    put(tx, "main", quarter(NUMBER, 30_000), quarter(NUMBER + 4, 9000))
    assert tx.peak_w("main", NUMBER) == 90_000
    assert tx.peak_w("main", NUMBER + 1) == 27_000
    assert tx.peak_w("main", NUMBER + 5) is None


def test_a_quarter_hour_that_comes_again_replaces_the_first(tx: UnitOfWork) -> None:
    put(tx, "main", quarter(NUMBER, 5000), quarter(NUMBER, 6000))
    assert tx.base_quarters("main", 0) == [(NUMBER, 16_000)]


def test_rows_are_kept_for_400_days_and_only_those_of_the_same_circuit_go(tx: UnitOfWork) -> None:
    put(tx, "main", quarter(NUMBER), quarter(NUMBER + 1))
    put(tx, "feeder", quarter(NUMBER))
    put(tx, "main", quarter(NUMBER + KEEP))
    assert [number for number, _ in tx.base_quarters("main", 0)] == [NUMBER + 1, NUMBER + KEEP]
    assert len(tx.base_quarters("feeder", 0)) == 1


def test_a_row_has_60_bytes_at_most(tx: UnitOfWork) -> None:
    count = 20_000
    tx.connection.execute("BEGIN")
    for number in range(NUMBER, NUMBER + count):
        values = tuple(float(1_000_000 + number % 7000 + phase) for phase in range(3))
        put(tx, "main", QuarterHour(number, values, values, values))  # type: ignore[arg-type]
    tx.connection.execute("COMMIT")
    (pages,) = tx.connection.execute(
        "SELECT sum(pgsize) FROM dbstat WHERE name = 'quarter_hour'"
    ).fetchone()
    assert pages / count <= BYTES_MAX
