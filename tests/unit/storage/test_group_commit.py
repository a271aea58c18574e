"""Units of work share one durable commit and fail alone; a commit that fails, fails for all."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.domain.errors import Conflict, StoreUnavailable
from sitecontroller.storage import Store
from sitecontroller.storage import store as store_module
from tests.unit.storage.examples import Run, a_transaction, opened, query, tell


class Tapped:
    """A connection that notes each statement and fails those it is told to."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.statements: list[str] = []
        self.failing: dict[str, sqlite3.OperationalError] = {}

    def execute(self, sql: str, *values: Any) -> Any:
        self.statements.append(sql.split("(")[0].strip())
        if sql in self.failing:
            raise self.failing[sql]
        return self._connection.execute(sql, *values)

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def close(self) -> None:
        self._connection.close()


def tap(store: Store) -> Tapped:
    writer = store._writer
    tapped: Any = Tapped(writer.connection)
    writer.connection = tapped
    return tapped


def disk_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("the disk says no")
    error.sqlite_errorcode = code
    return error


def test_what_is_committed_together_is_one_transaction_of_the_disk(
    run: Run, tmp_path: Path
) -> None:
    async def scenario() -> list[str]:
        async with opened(tmp_path / "site.db") as store:
            tapped = tap(store)
            await asyncio.gather(*(store.commit(tell, f"fact {n}") for n in range(40)))
            return tapped.statements

    assert run(scenario()).count("COMMIT") == 2, "40 facts, and the clean stop"


def test_a_batch_has_its_bound(run: Run, tmp_path: Path) -> None:
    async def scenario() -> list[str]:
        async with opened(tmp_path / "site.db", batch_max=10) as store:
            tapped = tap(store)
            await asyncio.gather(*(store.commit(tell, f"fact {n}") for n in range(40)))
            return tapped.statements

    assert run(scenario()).count("COMMIT") == 5


def test_a_unit_that_fails_fails_alone(run: Run, tmp_path: Path) -> None:
    def refuse(tx: Any) -> None:
        tell(tx, "never happened")
        raise Conflict("no")

    async def scenario() -> None:
        async with opened(tmp_path / "site.db") as store:
            results = await asyncio.gather(
                store.commit(tell, "before"),
                store.commit(refuse),
                store.commit(tell, "after"),
                return_exceptions=True,
            )
            assert isinstance(results[1], Conflict)
            assert results[0] is results[2] is None
            subjects = await store.read(query, "SELECT aggregate_id FROM outbox ORDER BY seq")
            assert subjects == ["before", "after"]

    run(scenario())


def test_the_result_comes_back(run: Run, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path / "site.db") as store:
            assert await store.commit(lambda tx, a, *, b: (a, b), 1, b=2) == (1, 2)

    run(scenario())


def test_an_async_unit_is_refused(run: Run, tmp_path: Path) -> None:
    async def not_plain(tx: Any) -> None: ...

    def careless(tx: Any) -> Any:
        made = not_plain(tx)
        made.close()
        return made

    async def scenario() -> None:
        async with opened(tmp_path / "site.db") as store:
            with pytest.raises(AssertionError, match="plain function"):
                await store.commit(careless)

    run(scenario())


def test_a_failed_commit_fails_for_all_and_keeps_nothing(run: Run, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path / "site.db") as store:
            tapped = tap(store)
            tapped.failing["COMMIT"] = disk_error(sqlite3.SQLITE_FULL)
            results = await asyncio.gather(
                *(store.commit(tell, f"fact {n}") for n in range(3)), return_exceptions=True
            )
            assert all(isinstance(result, StoreUnavailable) for result in results), results
            tapped.failing.clear()
            await store.commit(tell, "later")
            rows = await store.read(query, "SELECT seq, aggregate_id FROM outbox")
            assert rows == [(1, "later")]

    run(scenario())


def fail(tx: Any) -> None:
    """For which the batch is run once more, each unit in a savepoint."""
    raise Conflict("it can't be")


@pytest.mark.parametrize("statement", ["BEGIN IMMEDIATE", "COMMIT", "RELEASE unit"])
def test_after_a_disk_fault_nothing_is_acknowledged_any_more(
    run: Run, tmp_path: Path, statement: str
) -> None:
    async def scenario() -> list[str]:
        told: list[str] = []
        async with opened(tmp_path / "site.db") as store:
            store.on_fault = told.append
            tapped = tap(store)
            tapped.failing[statement] = disk_error(sqlite3.SQLITE_IOERR_FSYNC)
            results = await asyncio.gather(
                store.commit(tell, "lost"), store.commit(fail), return_exceptions=True
            )
            assert [type(result) for result in results] == [StoreUnavailable] * 2
            tapped.failing.clear()
            with pytest.raises(StoreUnavailable, match="the disk says no"):
                await store.commit(tell, "refused")
        return told

    assert run(scenario()) == ["the disk says no"]

    async def again() -> bool:
        async with opened(tmp_path / "site.db") as store:
            return store.start.stopped_clean

    assert run(again()) is False, "the next start checks the file"


def test_a_fault_while_the_log_is_folded_in_is_seen(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sitecontroller.storage.writer.CHECKPOINT_BATCHES_MIN", 1)
    monkeypatch.setattr("sitecontroller.storage.writer.CHECKPOINT_BYTES", 1)

    async def scenario() -> str | None:
        async with opened(tmp_path / "site.db") as store:
            fold = "PRAGMA wal_checkpoint(TRUNCATE)"
            tap(store).failing[fold] = disk_error(sqlite3.SQLITE_IOERR_FSYNC)
            await store.commit(tell, "durable all the same")
            with pytest.raises(StoreUnavailable):
                await store.commit(tell, "refused")
            return store.fault

    assert run(scenario()) == "the disk says no"


def test_a_full_disk_fails_its_batch_and_frees_the_reserve(run: Run, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path / "site.db") as store:
            store._reserve.fill()
            await store.commit(lambda tx: query(tx, "PRAGMA max_page_count = 80"))
            with pytest.raises(StoreUnavailable, match="full"):
                await store.commit(tell, "x" * 400_000)
            assert store.space_low
            assert not (tmp_path / "site.db.reserve").exists()
            await store.commit(tell, "a small one fits")
            assert store.fault is None

    run(scenario())


def test_the_queue_has_a_bound(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "QUEUE_MAX", 3)

    async def scenario() -> None:
        async with opened(tmp_path / "site.db") as store:
            results = await asyncio.gather(
                *(store.commit(tell, f"fact {n}") for n in range(5)), return_exceptions=True
            )
            assert [isinstance(result, StoreUnavailable) for result in results] == [
                *(False, False, False),
                *(True, True),
            ]

    run(scenario())


def test_a_unit_given_up_before_its_turn_is_not_run(run: Run, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path / "site.db") as store:
            waiting = asyncio.create_task(store.commit(tell, "given up"))
            await asyncio.sleep(0)
            waiting.cancel()
            await store.commit(tell, "kept")
            assert await store.read(query, "SELECT aggregate_id FROM outbox") == ["kept"]

    run(scenario())


def test_close_commits_what_waits(run: Run, tmp_path: Path) -> None:
    async def scenario() -> list[str]:
        store = await opened(tmp_path / "site.db").__aenter__()
        waiting = [asyncio.create_task(store.commit(tell, f"fact {n}")) for n in range(100)]
        await asyncio.sleep(0)
        await store.close()
        await asyncio.gather(*waiting)
        with pytest.raises(StoreUnavailable, match="stopping"):
            await store.commit(tell, "too late")
        async with opened(tmp_path / "site.db") as again:
            assert again.start.stopped_clean
            return await again.read(query, "SELECT aggregate_id FROM outbox")

    assert len(run(scenario())) == 100


def test_a_read_sees_what_was_committed_and_writes_nothing(run: Run, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path / "site.db") as store:
            await store.commit(lambda tx: tx.add_transaction(a_transaction()))
            assert await store.read(lambda tx: tx.transaction("T1")) == a_transaction()
            with pytest.raises(StoreUnavailable, match="readonly"):
                await store.read(tell, "no")

    run(scenario())


def test_seq_has_no_gap_when_units_fail(run: Run, tmp_path: Path) -> None:
    def tell_or_fail(tx: Any, number: int) -> None:
        tell(tx, str(number))
        assert number % 3, "every third fails after it took its number"

    async def scenario() -> None:
        async with opened(tmp_path / "site.db") as store:
            await asyncio.gather(
                *(store.commit(tell_or_fail, n) for n in range(200)), return_exceptions=True
            )
            seqs = await store.read(query, "SELECT seq FROM outbox ORDER BY seq")
            assert seqs == list(range(1, len(seqs) + 1))
            assert len(seqs) == 133

    run(scenario())


def test_the_log_is_folded_into_the_file_while_the_site_runs(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sitecontroller.storage.writer.CHECKPOINT_BYTES", 100_000)

    async def scenario() -> int:
        async with opened(tmp_path / "site.db") as store:
            for n in range(200):
                await store.commit(tell, f"{n} " + "x" * 4000)
            return (tmp_path / "site.db-wal").stat().st_size

    assert run(scenario()) < 1_000_000
