"""A site that is killed at every statement of its database, one life after the other.

Run as a program: for n = 1, 2, … a forked process opens a new database, works, and kills itself
when SQLite begins the n-th statement; a life that ends by itself is the last. One JSON line for
each: the point, and which transactions had been acknowledged.
"""

import asyncio
import json
import os
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any

from sitecontroller.storage import Store
from tests.unit.storage.examples import StandingClock, a_transaction, tell

COMMITS = 3
UNITS_A_COMMIT = 3
POINTS_MAX = 1000


def begin_transaction(tx: Any, key: str) -> None:
    tx.add_transaction(a_transaction(key))
    tell(tx, key)


def fail(tx: Any) -> None:
    tell(tx, "never happened")
    raise ValueError("undone")


async def work(path: Path, acknowledge: Any) -> None:
    store = await Store.open(path, StandingClock())

    async def one(key: str) -> None:
        await store.commit(begin_transaction, key)
        acknowledge(key)

    for number in range(COMMITS):
        units = [one(f"{number}-{unit}") for unit in range(UNITS_A_COMMIT)]
        await asyncio.gather(*units, store.commit(fail), return_exceptions=True)
    await store.close()


def die_at(point: int) -> None:
    """Kill this process when the point-th statement of any connection begins."""
    connect, count = sqlite3.connect, 0

    def counted(_: str) -> None:
        nonlocal count
        count += 1
        if count == point:
            os.kill(os.getpid(), signal.SIGKILL)

    def traced(*args: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*args, **options)
        connection.set_trace_callback(counted)
        return connection

    sqlite3.connect = traced  # type: ignore[assignment]


def live(path: Path, point: int) -> tuple[list[str], bool]:
    """One life: what it acknowledged, and whether it was killed."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            die_at(point)
            asyncio.run(work(path, lambda key: os.write(writing, f"{key}\n".encode())))
            os._exit(0)
        except BaseException as error:
            os.write(2, repr(error).encode())
            os._exit(1)
    os.close(writing)
    with open(reading, encoding="ascii") as pipe:
        acknowledged = pipe.read().split()
    _, status = os.waitpid(process, 0)
    assert os.WIFSIGNALED(status) or status == 0, f"life {point} ended with {status}"
    return acknowledged, os.WIFSIGNALED(status)


def main(folder: Path) -> None:
    for point in range(1, POINTS_MAX):
        acknowledged, killed = live(folder / f"{point}" / "site.db", point)
        line = {"point": point, "acknowledged": acknowledged, "killed": killed}
        sys.stdout.write(json.dumps(line) + "\n")
        if not killed:
            return
    raise AssertionError(f"more than {POINTS_MAX} statements")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
