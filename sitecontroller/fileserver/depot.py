"""The depot on disk: firmware images and logs, each under a name of ours, never run, never listed.

What comes in goes to a file of its own beside them, is hashed and bounded on its way, and gets its
name when it is whole. All calls block for the disk: the doors have their own threads, the
controller comes through `SiteFiles`.
"""

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import threading
from pathlib import Path

from sitecontroller.ports import StoredFile

RESERVE_BYTES = 500 * 1024 * 1024
"""Of the disk: never taken for files, the database needs it more."""
SPACE_EVERY_BYTES = 8 * 1024 * 1024
PARTS_MAX = 64
"""Files on their way in at once."""

_NAME = re.compile(r"[A-Za-z0-9-]{1,80}")


class TooLarge(OSError):
    """More than may come under this ticket."""


class NoRoom(OSError):
    """The depot's quota is used up, or the disk is nearly full."""


class Depot:
    """A folder with a quota. Safe from several threads."""

    def __init__(self, folder: Path, quota_bytes: int) -> None:
        self._kept = folder / "kept"
        self._incoming = folder / "incoming"
        self._quota_bytes = quota_bytes
        self._lock = threading.Lock()
        self._parts = 0
        for path in (folder, self._kept, self._incoming):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in self._incoming.iterdir():
            left.unlink()
        self._used_bytes = sum(file.stat().st_size for file in self._kept.iterdir())

    @property
    def used_bytes(self) -> int:
        """By files and by what is on its way."""
        return self._used_bytes

    def path(self, name: str) -> Path:
        """Where a file of that name lies, or would."""
        assert _NAME.fullmatch(name), f"'{name}' is no name of ours"
        return self._kept / name

    def part(self, name: str, size_max_bytes: int) -> "Part":
        """Begin to take a file in. Raises NoRoom."""
        with self._lock:
            if self._parts >= PARTS_MAX:
                raise NoRoom(f"{PARTS_MAX} files are on their way in already")
            self._parts += 1
        try:
            self._check_disk()
            return Part(
                self, self._incoming / secrets.token_hex(8), self.path(name), size_max_bytes
            )
        except OSError:
            self.part_ended(0)
            raise

    def remove(self, name: str) -> None:
        """Forget a file; one that isn't there is no fault."""
        with contextlib.suppress(FileNotFoundError):
            size = self.path(name).stat().st_size
            self.path(name).unlink()
            with self._lock:
                self._used_bytes -= size

    def names(self) -> frozenset[str]:
        """Of all files kept."""
        return frozenset(file.name for file in self._kept.iterdir())

    # for parts

    def claim(self, size: int) -> None:
        """Room for so many bytes more. Raises NoRoom."""
        with self._lock:
            if self._used_bytes + size > self._quota_bytes:
                raise NoRoom("the quota for firmware and logs is used up")
            self._used_bytes += size

    def part_ended(self, given_back: int) -> None:
        """A part was kept (0) or thrown away."""
        with self._lock:
            self._parts -= 1
            self._used_bytes -= given_back

    def check_disk_every(self, before: int, after: int) -> None:
        """Look at the disk now and then while a file grows. Raises NoRoom."""
        if before // SPACE_EVERY_BYTES != after // SPACE_EVERY_BYTES:
            self._check_disk()

    def _check_disk(self) -> None:
        if shutil.disk_usage(self._incoming).free < RESERVE_BYTES:
            raise NoRoom("the disk is nearly full")


class Part:
    """A file on its way in. End it with `finish` or `discard`."""

    def __init__(self, depot: Depot, path: Path, goal: Path, size_max_bytes: int) -> None:
        self._depot = depot
        self._path = path
        self._goal = goal
        self._size_max_bytes = size_max_bytes
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)
        handle = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600
        )
        self._file = os.fdopen(handle, "wb")
        self.size_bytes = 0
        self.closed = False

    def write(self, data: bytes) -> None:
        """Append. Raises TooLarge, NoRoom or another OSError; then `discard` it."""
        size = self.size_bytes + len(data)
        if size > self._size_max_bytes:
            raise TooLarge(f"more than {self._size_max_bytes} bytes")
        self._depot.claim(len(data))
        self.size_bytes, before = size, self.size_bytes
        self._depot.check_disk_every(before, size)
        self._sha256.update(data)
        self._md5.update(data)
        self._file.write(data)

    def finish(self) -> StoredFile:
        """Put it in its place: after this a power cut can't take it. Raises OSError."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            replaced = self._goal.stat().st_size if self._goal.exists() else 0
            self._path.replace(self._goal)
            _fsync_folder(self._goal.parent)
        except OSError:
            self.discard()
            raise
        self.closed = True
        self._depot.part_ended(replaced)
        return StoredFile(
            self._goal.name, self.size_bytes, self._sha256.hexdigest(), self._md5.hexdigest()
        )

    def discard(self) -> None:
        """Throw it away; more than once is no fault."""
        if self.closed:
            return
        self.closed = True
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self._path.unlink()
        self._depot.part_ended(self.size_bytes)


def _fsync_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
