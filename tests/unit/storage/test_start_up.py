"""A start never trusts a file that was not closed, never begins empty in silence."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic import command

from sitecontroller.domain.authorization import IdTokenType, TokenHolder, TokenRecord, Whitelist
from sitecontroller.domain.errors import StoreUnavailable
from sitecontroller.storage import Store, backup, startup
from sitecontroller.storage.engine import connect, migration_engine
from sitecontroller.storage.unit_of_work import UnitOfWork
from tests.unit.storage.examples import Run, StandingClock, a_transaction, opened, query, tell


def crash(path: Path) -> None:
    """As after a kill: the log is still there and nobody noted a clean stop."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE meta SET value = 'false' WHERE name = 'stopped_clean'")


def scribble(path: Path) -> None:
    """Overwrite the first page of the outbox, which no start reads of itself."""
    with closing(sqlite3.connect(path)) as connection:
        sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'outbox'"
        page = connection.execute(sql).fetchone()[0]
    with open(path, "r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xa5" * 4096)


async def site_with_backup(path: Path) -> None:
    """Ten facts and a station id in the backup; two more of each after it."""
    async with opened(path) as store:
        for n in range(10):
            await store.commit(tell, f"fact {n}")
        await store.commit(lambda tx: tx.next_station_transaction_id())
        await store.backup()
        for n in range(2):
            await store.commit(tell, f"late {n}")
            await store.commit(lambda tx: tx.next_station_transaction_id())


def test_a_first_start_makes_the_database(run: Run, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path / "deep" / "site.db") as store:
            assert store.start.created
            assert await store.read(lambda tx: tx.open_transactions()) == []

    run(scenario())
    assert (tmp_path / "deep" / "site.db").stat().st_mode & 0o777 == 0o600


def test_a_clean_stop_is_known_at_the_next_start(run: Run, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path / "site.db") as store:
            await store.commit(tell, "kept")
        assert not (tmp_path / "site.db-wal").exists()
        async with opened(tmp_path / "site.db") as store:
            assert store.start == startup.StartUp()
            assert await store.read(query, "SELECT aggregate_id FROM outbox") == ["kept"]

    run(scenario())


def test_a_sound_file_is_used_after_a_crash(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "site.db"

    async def scenario() -> None:
        await site_with_backup(path)
        crash(path)
        async with opened(path) as store:
            assert not store.start.stopped_clean
            assert store.start.restored_from is None
            assert await store.read(query, "SELECT count(*) FROM outbox") == [12]

    run(scenario())


@pytest.mark.parametrize(
    "damage",
    [
        scribble,
        lambda path: path.write_bytes(b"not a database at all" * 500),
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
    ],
    ids=["scribbled", "overwritten", "gone", "emptied"],
)
def test_a_damaged_database_comes_back_from_its_backup(
    run: Run, tmp_path: Path, damage: Any
) -> None:
    path = tmp_path / "site.db"

    async def scenario() -> None:
        await site_with_backup(path)
        crash(path)
        damage(path)
        async with opened(path) as store:
            assert store.start.restored_from == backup.backups(path)[-1]
            assert await store.read(query, "SELECT count(*) FROM outbox") == [10]

    run(scenario())


def test_what_was_damaged_is_kept_aside(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "site.db"

    async def scenario() -> None:
        await site_with_backup(path)
        path.write_bytes(b"broken" * 1000)
        async with opened(path):
            assert (tmp_path / "site.db.corrupt-1").read_bytes() == b"broken" * 1000

    run(scenario())


def test_a_damaged_database_without_a_backup_refuses_to_start(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    path.write_bytes(b"broken" * 1000)

    async def scenario() -> None:
        with pytest.raises(StoreUnavailable, match="no sound backup") as refused:
            await Store.open(path, StandingClock())
        assert refused.value.remedy

    run(scenario())
    assert path.read_bytes() == b"broken" * 1000, "left where it is"


def test_a_faulty_backup_is_passed_over(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "site.db"

    async def scenario() -> None:
        await site_with_backup(path)
        async with opened(path) as store:
            newest = await store.backup()
        scribble(newest)
        path.unlink()
        async with opened(path) as store:
            assert store.start.restored_from == backup.backups(path)[0]

    run(scenario())


def test_a_restore_gives_no_station_id_twice_and_begins_a_new_epoch(
    run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "site.db"

    async def scenario() -> None:
        await site_with_backup(path)
        async with opened(path) as store:
            epoch = await store.read(lambda tx: tx.fact("epoch"))  # type: ignore[attr-defined]
        path.unlink()
        async with opened(path) as store:
            facts = await store.read(
                lambda tx: [tx.fact("epoch"), tx.fact("epoch_first_seq")]  # type: ignore[attr-defined]
            )
            assert facts[0] != epoch
            assert facts[1] == 11
            assert await store.commit(lambda tx: tx.next_station_transaction_id()) > 100_000

    run(scenario())


def test_an_interrupted_restore_is_done_again(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "site.db"

    async def scenario() -> None:
        await site_with_backup(path)
        path.write_bytes(b"broken" * 1000)
        with monkeypatch.context() as power_cut:
            power_cut.setattr(backup, "set_aside", lambda _: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                await Store.open(path, StandingClock())
        async with opened(path) as store:
            assert store.start.restored_from is not None

    run(scenario())


def test_a_database_of_a_newer_version_is_left_alone(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "site.db"

    async def scenario() -> None:
        async with opened(path):
            pass
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(StoreUnavailable, match="newer version"):
            await Store.open(path, StandingClock())

    run(scenario())


def test_a_schema_change_makes_a_backup_first(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "site.db"
    today = startup.latest_revision()
    steps: list[str] = []

    class Scripts:
        """One revision further than this code."""

        @staticmethod
        def from_config(_: Any) -> Any:
            return Scripts()

        def get_current_head(self) -> str:
            return "9999"

        def walk_revisions(self) -> Any:
            return [type("Revision", (), {"revision": name}) for name in ("9999", today)]

    async def scenario() -> None:
        async with opened(path) as store:
            await store.commit(lambda tx: tx.add_transaction(a_transaction()))
        monkeypatch.setattr(startup, "ScriptDirectory", Scripts)
        monkeypatch.setattr(
            startup, "upgrade", lambda _: steps.extend(f.name[:11] for f in backup.backups(path))
        )
        async with opened(path) as store:
            assert store.start.migrated

    run(scenario())
    assert steps == ["site-000001"], "the backup was there when the revisions ran"


def test_cards_from_before_holders_were_known_are_guests_a_station_may_accept(
    tmp_path: Path,
) -> None:
    path = tmp_path / "site.db"
    configuration = startup._configuration()
    with migration_engine(path).begin() as connection:
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, "0002")
        connection.exec_driver_sql(
            "INSERT INTO token VALUES (7, 'abc', 'Abc', 'ISO14443', 'Ann', 'P', 0, NULL, 1)"
        )
    startup.upgrade(path)
    with closing(connect(path)) as connection:
        card = UnitOfWork(connection).token("abc")
    assert card == TokenRecord(
        "Abc",
        IdTokenType.ISO14443,
        "Ann",
        "P",
        holder=TokenHolder.GUEST,
        whitelist=Whitelist.ALWAYS,
    )


def test_a_second_program_with_the_file_open_is_named(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sitecontroller.storage.engine.BUSY_TIMEOUT_S", 0.05)
    path = tmp_path / "site.db"

    async def scenario() -> None:
        async with opened(path):
            pass
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable, match="locked") as refused:
                await Store.open(path, StandingClock())
            assert "no other program" in refused.value.remedy

    run(scenario())


def test_a_large_database_is_checked_while_the_site_runs(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "site.db"

    async def scenario() -> str:
        async with opened(path) as store:
            for n in range(200):
                await store.commit(tell, f"{n} " + "x" * 400)
        crash(path)
        scribble(path)
        monkeypatch.setattr(startup, "CHECKED_AT_START_BYTES", 0)
        found: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        async with opened(path) as store:
            store.on_fault = found.set_result
            assert store.start.check_due
            return await asyncio.wait_for(found, 10)

    assert run(scenario())


def test_backups_are_kept_up_to_a_bound(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "KEPT", 2)
    path = tmp_path / "site.db"

    async def scenario() -> None:
        async with opened(path) as store:
            for _ in range(4):
                await store.backup()

    run(scenario())
    assert [file.name[:11] for file in backup.backups(path)] == ["site-000003", "site-000004"]


def test_upkeep_makes_a_backup_when_one_is_due(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sitecontroller.storage.store.UPKEEP_FIRST_S", 0.0)
    monkeypatch.setattr("sitecontroller.storage.store.UPKEEP_PERIOD_S", 0.0)
    path = tmp_path / "site.db"

    async def scenario() -> None:
        async with opened(path):
            async with asyncio.timeout(10):
                while not backup.backups(path):
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)

    run(scenario())
    assert len(backup.backups(path)) == 1, "the next one is due in hours"
    assert (tmp_path / "site.db.reserve").stat().st_size > 0


def test_a_stop_does_not_wait_for_a_backup(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "site.db"

    async def scenario() -> None:
        async with opened(path):
            pass
        with pytest.raises(backup.BackupStopped):
            backup.back_up(path, StandingClock().now(), stopping=lambda: True)

    run(scenario())
    assert not list(backup.folder_of(path).iterdir()), "nothing half-made is left"
