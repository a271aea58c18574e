"""The state directory: secrets are made once, for their owner alone, and outlive a power cut."""

import os
import stat
import sys

import pytest

from sitecontroller.statedir import StateDir, write_atomically

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")


@posix
def test_a_file_is_safe_only_when_its_directory_is_synced_after_the_rename(tmp_path, monkeypatch):
    steps: list[str] = []
    sync, rename = os.fsync, os.replace

    def fsync(handle: int) -> None:
        is_directory = stat.S_ISDIR(os.fstat(handle).st_mode)
        steps.append("directory" if is_directory else "file")
        sync(handle)

    def replace(*names: str) -> None:
        steps.append("rename")
        rename(*names)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    write_atomically(tmp_path / "pepper", "text")
    assert steps == ["file", "rename", "directory"]


def test_secrets_are_made_once(tmp_path):
    first = StateDir(tmp_path)
    secrets = (first.pepper(), first.api_token())
    assert len(set(map(len, secrets))) == 2
    again = StateDir(tmp_path)
    assert (again.pepper(), again.api_token()) == secrets


@posix
def test_secrets_are_their_owners_alone(tmp_path):
    StateDir(tmp_path).api_token()
    assert stat.S_IMODE((tmp_path / "api-token").stat().st_mode) == 0o600
