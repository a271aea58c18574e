"""The history of limits as rows: paged, of one EVSE or all, and bounded."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sitecontroller.domain.limit_history import LimitChange
from sitecontroller.domain.topology import EvseKey
from sitecontroller.storage import startup
from sitecontroller.storage.engine import connect
from sitecontroller.storage.unit_of_work import UnitOfWork

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ONE, TWO = EvseKey("CP-01", 1), EvseKey("CP-02", 1)
BYTES_MAX = 130
COUNT = 5000


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[UnitOfWork]:
    path = tmp_path / "site.db"
    startup.upgrade(path)
    with closing(connect(path)) as connection:
        yield UnitOfWork(connection)


def change(minute: int, key: EvseKey = ONE, current_a: float = 11.3) -> LimitChange:
    at = NOON + timedelta(minutes=minute)
    return LimitChange(at, key.station_id, key.evse_id, current_a, "b", "Feeder B, L2")


def minutes(tx: UnitOfWork, key: EvseKey | None = None, **between: int) -> list[float]:
    """Page by page, two at a time."""
    since, until = (
        NOON + timedelta(minutes=between[name]) if name in between else None
        for name in ("since", "until")
    )
    found: list[float] = []
    cursor = None
    while True:
        page = tx.limit_page(2, cursor, key, since, until)
        found += [(item.at - NOON) / timedelta(minutes=1) for item in page.items]
        if page.next is None:
            return found
        cursor = page.next


def test_it_is_read_page_by_page_newest_first_also_where_changes_share_an_instant(
    tx: UnitOfWork,
) -> None:
    tx.add_limit_changes([change(0), change(1), change(1, TWO), change(1), change(2, TWO)])
    assert minutes(tx) == [2, 1, 1, 1, 0]
    assert minutes(tx, ONE) == [1, 1, 0]
    assert minutes(tx, since=1, until=1) == [1, 1, 1]
    assert minutes(tx, TWO, since=2) == [2]
    assert tx.limit_page(1, None, ONE, None, NOON).items == (change(0),)


def test_what_is_old_or_too_much_goes(tx: UnitOfWork) -> None:
    tx.add_limit_changes(change(minute) for minute in range(10))
    assert tx.drop_limit_changes(NOON + timedelta(minutes=3), most=100) == 3
    assert tx.drop_limit_changes(NOON, most=2) == 5
    assert minutes(tx) == [9, 8]


def test_a_change_is_small(tx: UnitOfWork) -> None:
    before = size(tx)
    tx.connection.execute("BEGIN")
    tx.add_limit_changes(change(minute, current_a=minute / 100) for minute in range(COUNT))
    tx.connection.execute("COMMIT")
    assert (size(tx) - before) / COUNT < BYTES_MAX


def size(tx: UnitOfWork) -> int:
    (pages,) = tx.connection.execute("PRAGMA page_count").fetchone()
    (page_size,) = tx.connection.execute("PRAGMA page_size").fetchone()
    return int(pages) * int(page_size)
