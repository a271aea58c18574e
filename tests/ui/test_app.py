"""The console as a program of its own: it starts without a controller and ends when it is told."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import wait_until


def console(*arguments: str, home: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home / "config"),
                   "XDG_DATA_HOME": str(home / "data"), "QT_QPA_PLATFORM": "offscreen"}  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-m", "ui", *arguments],
        env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.alone
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
def test_the_console_waits_for_a_controller_and_ends_cleanly(tmp_path: Path) -> None:
    process = console("--state-dir", str(tmp_path / "state"), home=tmp_path)
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            process.communicate(timeout=3)
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: process.poll() is not None)
        _, complaints = process.communicate()
        assert process.returncode == 0, complaints
        assert "Traceback" not in complaints
        assert "never awaited" not in complaints
    finally:
        process.kill()
        process.wait()


@pytest.mark.alone
def test_another_computers_controller_needs_a_token(tmp_path: Path) -> None:
    process = console("--api", "http://127.0.0.1:1", home=tmp_path)
    _, complaints = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "--token-file" in complaints
