"""Disk space kept back for the day the disk is full, so that stops and receipts still commit.

A file of zeros beside the database: when SQLite reports a full disk it is deleted, which makes
room for the commits that are tried again, and it is filled again when there is space.
"""

import contextlib
import os
import shutil
from pathlib import Path

RESERVE_BYTES = 16 * 1024 * 1024
FREE_AGAIN_BYTES = 4 * RESERVE_BYTES
"""Free space from which the reserve is put back."""


class Reserve:
    """The reserve of one database. `fill` writes and belongs off the loop."""

    def __init__(self, path: Path, size: int = RESERVE_BYTES) -> None:
        self.size = size
        self.used = False
        self._file = path.with_name(path.name + ".reserve")

    def fill(self) -> None:
        """Put the reserve back where there is space enough; without, it counts as used."""
        with contextlib.suppress(OSError):
            if self._file.exists() and self._file.stat().st_size == self.size:
                self.used = False
                return
            if shutil.disk_usage(self._file.parent).free >= FREE_AGAIN_BYTES:
                self._write()
                self.used = False
                return
        self.used = True

    def release(self) -> None:
        """Give the space to the database."""
        self.used = True
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)

    def _write(self) -> None:
        with open(self._file, "wb") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, self.size)
            else:
                file.write(bytes(self.size))
