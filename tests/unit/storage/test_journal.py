"""The ring of frames: written later, bounded, searchable, without secrets, never in the way."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.domain.errors import InvalidInput, StoreUnavailable
from sitecontroller.domain.views import JournalEntry
from sitecontroller.storage import FrameJournal
from sitecontroller.storage import journal as journal_module
from tests.support import eventually
from tests.unit.storage.examples import NOON, Run, StandingClock


@asynccontextmanager
async def opened(path: Path, **options: Any) -> AsyncIterator[FrameJournal]:
    journal = await FrameJournal.open(path, StandingClock(), **options)
    try:
        yield journal
    finally:
        await journal.close()


def written(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM frame").fetchone()[0])


def test_a_frame_comes_back_as_it_was(run: Run, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path / "journal.db") as journal:
            journal.record(
                *("CP-01", "in", "call", '[2,"1","Heartbeat",{}]'),
                action="Heartbeat",
                message_id="1",
                latency_ms=1.25,
            )
            page = await journal.page(10, None)
        assert page.items == (
            JournalEntry(
                seq=1,
                at=NOON,
                station_id="CP-01",
                direction="in",
                action="Heartbeat",
                message_id="1",
                kind="call",
                text='[2,"1","Heartbeat",{}]',
                latency_ms=1.25,
            ),
        )

    run(scenario())


def test_pages_run_from_the_newest_to_the_oldest(run: Run, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path / "journal.db") as journal:
            for n in range(25):
                journal.record("CP-01", "in", "call", str(n))
            texts, cursor = [], None
            while True:
                page = await journal.page(10, cursor)
                texts += [int(entry.text) for entry in page.items]
                cursor = page.next
                if cursor is None:
                    break
        assert texts == list(reversed(range(25)))

    run(scenario())


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"station_id": "CP-02"}, [3]),
        ({"action": "Boot"}, [2]),
        ({"text": "HELLO"}, [2, 1]),
        ({"text": "hello", "station_id": "CP-01", "action": "Boot"}, [2]),
        ({"text": "%"}, []),
    ],
)
def test_frames_are_found_by_station_action_and_text(
    run: Run, tmp_path: Path, asked: dict[str, Any], found: list[int]
) -> None:
    async def scenario() -> None:
        async with opened(tmp_path / "journal.db") as journal:
            journal.record("CP-01", "in", "call", "say hello")
            journal.record("CP-01", "in", "call", "Hello again", action="Boot")
            journal.record("CP-02", "in", "call", "nothing")
            page = await journal.page(10, None, **asked)
        assert [entry.seq for entry in page.items] == found

    run(scenario())


def test_a_strange_cursor_is_named(run: Run, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path / "journal.db") as journal:
            with pytest.raises(InvalidInput) as refused:
                await journal.page(10, "?")
            assert refused.value.errors[0].field == "cursor"

    run(scenario())


def test_a_single_frame_is_written_after_a_moment(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"

    async def scenario() -> None:
        async with opened(path) as journal:
            journal.record("CP-01", "in", "call", "x")
            assert written(path) == 0, "record returns at once"
            await eventually(lambda: written(path) == 1)

    run(scenario())


def test_a_full_batch_does_not_wait(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "FLUSH_S", 3600.0)
    path = tmp_path / "journal.db"

    async def scenario() -> None:
        async with opened(path) as journal:
            for _ in range(journal_module.BATCH_MAX):
                journal.record("CP-01", "in", "call", "x")
            await eventually(lambda: written(path) == journal_module.BATCH_MAX)

    run(scenario())


def test_close_writes_what_waits_and_numbers_go_on(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"

    async def scenario() -> None:
        for _ in range(2):
            async with opened(path) as journal:
                for _ in range(300):
                    journal.record("CP-01", "in", "call", "x")
        async with opened(path) as journal:
            newest = await journal.page(1, None)
            assert newest.items[0].seq == written(path) == 600
        journal.record("CP-01", "in", "call", "too late")
        assert journal.lost == 1

    run(scenario())


def test_the_ring_lets_the_oldest_go(run: Run, tmp_path: Path) -> None:
    path, ring_bytes = tmp_path / "journal.db", 512 * 1024

    async def scenario() -> None:
        async with opened(path, ring_bytes=ring_bytes) as journal:
            for n in range(3000):
                journal.record("CP-01", "in", "call", f"{n} " + "x" * 1000)
            page = await journal.page(500, None)
            assert [entry.seq for entry in page.items[:2]] == [3000, 2999]
        assert path.stat().st_size < 2 * ring_bytes
        assert 200 < written(path) < 600

    run(scenario())


@pytest.mark.parametrize(
    ("name", "bound"), [("WAITING_MAX", 5), ("WAITING_BYTES_MAX", 500)], ids=["frames", "bytes"]
)
def test_what_waits_in_memory_has_a_bound(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, bound: int
) -> None:
    monkeypatch.setattr(journal_module, name, bound)

    async def scenario() -> None:
        async with opened(tmp_path / "journal.db") as journal:
            for n in range(8):
                journal.record("CP-01", "in", "call", str(n) * 100)
            page = await journal.page(10, None)
            assert [entry.text[0] for entry in page.items] == list("76543")
            assert journal.lost == 3

    run(scenario())


def test_a_huge_frame_is_cut(run: Run, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path / "journal.db") as journal:
            journal.record("CP-01", "in", "invalid", "x" * 2_000_000)
            (entry,) = (await journal.page(10, None)).items
        assert entry.text.endswith(journal_module.CUT)
        assert len(entry.text) == journal_module.TEXT_MAX + len(journal_module.CUT)

    run(scenario())


def test_a_frame_that_is_no_text_is_kept_all_the_same(run: Run, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path / "journal.db") as journal:
            journal.record("CP-01", "in", "invalid", "a\ud800\x00b")
            (entry,) = (await journal.page(10, None)).items
        assert entry.text == "a?\x00b"

    run(scenario())


def test_no_secret_reaches_the_file(run: Run, tmp_path: Path) -> None:
    canaries = {"canary-by-name-1", "canary-by-value-2"}

    async def scenario() -> None:
        async with opened(tmp_path / "journal.db") as journal:
            journal.learn_secret("canary-by-value-2")
            text = '[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"%s"}]'
            journal.record("CP-01", "out", "call", text % "canary-by-name-1")
            journal.record("CP-01", "in", "result", "it was canary-by-value-2, canary-by-name-1")
            await journal.page(1, None)
            files = [file.read_bytes() for file in tmp_path.iterdir()]
        files += [file.read_bytes() for file in tmp_path.iterdir()]
        assert not [name for name in canaries for data in files if name.encode() in data]

    run(scenario())


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"broken" * 1000),
        lambda path: sqlite3.connect(path).execute("PRAGMA user_version = 99").connection.close(),
    ],
    ids=["broken", "another layout"],
)
def test_a_journal_that_cant_be_used_is_begun_anew(
    run: Run, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    path = tmp_path / "journal.db"

    async def scenario() -> None:
        async with opened(path) as journal:
            journal.record("CP-01", "in", "call", "old")
        damage(path)
        async with opened(path) as journal:
            journal.record("CP-01", "in", "call", "new")
            assert [entry.text for entry in (await journal.page(9, None)).items] == ["new"]
        assert (tmp_path / "journal.db.corrupt-1").exists()

    run(scenario())


def test_a_disk_that_fails_loses_frames_and_is_told_once(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with opened(tmp_path / "journal.db") as journal:
            add, journal._file.add = journal._file.add, fail  # type: ignore[method-assign]
            for _ in range(3):
                journal.record("CP-01", "in", "call", "lost")
                await journal.page(1, None)
            journal._file.add = add  # type: ignore[method-assign]
            journal.record("CP-01", "in", "call", "kept")
            assert len((await journal.page(9, None)).items) == 1
            assert journal.lost == 3

    def fail(*_: Any) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    run(scenario())
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def test_a_closed_journal_is_not_read(run: Run, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path / "journal.db") as journal:
            pass
        with pytest.raises(StoreUnavailable):
            await journal.page(1, None)

    run(scenario())


def test_recording_never_waits_for_the_disk(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with opened(tmp_path / "journal.db") as journal:
            gate = asyncio.Event()
            loop = asyncio.get_running_loop()
            add = journal._file.add

            def slow(*arguments: Any) -> None:
                asyncio.run_coroutine_threadsafe(gate.wait(), loop).result(10)
                add(*arguments)

            monkeypatch.setattr(journal._file, "add", slow)
            for n in range(2000):
                journal.record("CP-01", "in", "call", str(n))
            gate.set()
            assert (await journal.page(1, None)).items[0].seq == 2000

    run(scenario())
