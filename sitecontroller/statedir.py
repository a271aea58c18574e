"""The state directory: one controller at a time, its secrets, and where it listens.

`controller.json` tells console, CLI and tests where to find it; `api-token` and `pepper` are made
at first start, readable by their owner alone.
"""

import contextlib
import json
import os
import secrets
import sys
from pathlib import Path
from typing import IO, Any

from sitecontroller.domain.errors import Conflict


class StateDir:
    """Paths and small files below one site's state directory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.database = path / "site.db"
        self.journal = path / "journal.db"
        self.log = path / "log"
        self._lock: IO[Any] | None = None

    def lock(self) -> None:
        """Take the site for this process until it ends. Raises Conflict when another has it."""
        handle = (self.path / "lock").open("a+")
        try:
            _lock_file(handle)
        except OSError:
            handle.close()
            raise Conflict(
                f"a controller already runs on {self.path}",
                remedy="Use it (sitecontroller status), or stop it first",
            ) from None
        self._lock = handle

    def unlock(self) -> None:
        """Let another process have the site."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def api_token(self) -> str:
        """The machine's key to the local API."""
        return self._secret("api-token")

    def pepper(self) -> bytes:
        """What station passwords are hashed with."""
        return bytes.fromhex(self._secret("pepper"))

    def announce(self, *, api_url: str, ocpp_url: str) -> None:
        """Tell others where the controller listens."""
        self._write(
            "controller.json",
            json.dumps({"pid": os.getpid(), "api_url": api_url, "ocpp_url": ocpp_url}),
        )

    def withdraw(self) -> None:
        """The controller no longer listens."""
        with contextlib.suppress(OSError):
            (self.path / "controller.json").unlink()

    def keep_copy(self, file: Path, keep: int = 20) -> None:
        """Put a copy of a configuration away before it is changed; the last `keep` stay."""
        history = self.path / "config-history"
        history.mkdir(exist_ok=True)
        known = sorted(history.glob("*.toml"))
        number = int(known[-1].stem) + 1 if known else 1
        (history / f"{number:06d}.toml").write_bytes(file.read_bytes())
        for old in known[: max(0, len(known) + 1 - keep)]:
            old.unlink()

    def _secret(self, name: str) -> str:
        path = self.path / name
        if not path.exists():
            self._write(name, secrets.token_hex(32) + "\n")
        return path.read_text(encoding="ascii").strip()

    def _write(self, name: str, text: str) -> None:
        write_atomically(self.path / name, text)


def write_atomically(path: Path, text: str) -> None:
    """Replace a file so that a reader or a power cut sees the old or the new one, owner-only."""
    temporary = path.with_name(path.name + ".new")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    _fsync_directory(path.parent)


def _fsync_directory(directory: Path) -> None:
    """Without this a power cut may take the rename back, and a new file with it."""
    if sys.platform == "win32":
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _lock_file(handle: IO[Any]) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(handle.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
