"""kill −9 at any statement: what was acknowledged is there, what was not is whole or absent."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.storage import backup
from tests.unit.storage.examples import Run, opened, query
from tests.unit.storage.killed_site import COMMITS, UNITS_A_COMMIT

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """In memory where there is such a place: a kill keeps the page cache, fsyncs only cost time."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as name:
        yield Path(name)


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_a_kill_at_any_statement_loses_nothing_acknowledged(run: Run, folder: Path) -> None:
    command = [sys.executable, "-m", "tests.unit.storage.killed_site", str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stderr
    lives = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lives) > 100, "creation, migration and every commit are among the points"
    assert len(lives[-1]["acknowledged"]) == COMMITS * UNITS_A_COMMIT
    faults = [fault for life in lives if (fault := run(fault_of(folder, life)))]
    assert not faults, "\n".join(faults)


async def fault_of(folder: Path, life: dict[str, Any]) -> str | None:
    path = folder / str(life["point"]) / "site.db"
    async with opened(path) as store:
        keys = await store.read(query, "SELECT key FROM charging_transaction")
        facts = await store.read(query, "SELECT seq, aggregate_id FROM outbox ORDER BY seq")
    if not set(life["acknowledged"]) <= set(keys):
        return f"{life}: lost, there are {keys}"
    if [seq for seq, _ in facts] != list(range(1, len(facts) + 1)):
        return f"{life}: a gap in {facts}"
    if sorted(key for _, key in facts) != sorted(keys):
        return f"{life}: facts {facts} are not those of {keys}"
    return (backup.faults_of(path) or [None])[0]
