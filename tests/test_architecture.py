"""Who may import whom: the contracts in pyproject.toml hold, and they would notice a breach."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("sitecontroller", "cloudsync", "ui")

LINT = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_logo=True))"

BREACHES = [
    ("sitecontroller/domain/breach.py", "import asyncio"),
    ("sitecontroller/domain/breach.py", "import sitecontroller.breach"),
    ("sitecontroller/domain/breach.py", "import orjson"),
    ("sitecontroller/dlm/breach.py", "import logging"),
    ("sitecontroller/dlm/breach.py", "import sitecontroller.wire.breach"),
    ("sitecontroller/dlm/breach.py", "import sitecontroller.planning"),
    ("sitecontroller/planning/breach.py", "import time"),
    ("sitecontroller/planning/breach.py", "import numpy"),
    ("sitecontroller/planning/breach.py", "import sitecontroller.config"),
    ("sitecontroller/services/breach.py", "import sitecontroller.storage.breach"),
    ("sitecontroller/services/breach.py", "import PySide6"),
    ("sitecontroller/ocpp/breach.py", "import sitecontroller.modbus.breach"),
    ("sitecontroller/api/breach.py", "import cloudsync.site"),
    ("sitecontroller/simulation/breach.py", "import sitecontroller.ocpp.server"),
    ("sitecontroller/breach.py", "import ui"),
    ("cloudsync/site/breach.py", "import sitecontroller.storage.breach"),
    ("cloudsync/hq/breach.py", "import sitecontroller.config"),
    ("ui/breach.py", "import sitecontroller.storage.breach"),
    ("ui/breach.py", "import cloudsync"),
]
PERMITTED = [
    ("sitecontroller/domain/fine.py", "import dataclasses"),
    ("sitecontroller/simulation/fine.py", "import sitecontroller.ocpp.frames"),
    ("sitecontroller/app.py", "import cloudsync.site"),
    ("cloudsync/hq/fine.py", "import cloudsync.contract, fastapi, sitecontroller.domain.breach"),
    ("ui/fine.py", "import PySide6.QtCore, sitecontroller.domain.breach, sitecontroller.client"),
]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", LINT]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=50)


@pytest.fixture
def skeleton(tmp_path: Path) -> Path:
    """A small tree of empty modules under the project's own contracts."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "tests").mkdir()
    shutil.copy(ROOT / "tests/contracts.py", tmp_path / "tests")
    modules = {name for name, _ in BREACHES + PERMITTED}
    modules |= {
        "sitecontroller/storage/breach.py",
        "sitecontroller/modbus/breach.py",
        "sitecontroller/ocpp/frames.py",
        "sitecontroller/ocpp/server.py",
        "sitecontroller/wire/breach.py",
        "sitecontroller/client.py",
        "sitecontroller/config.py",
        "cloudsync/contract/breach.py",
    }
    for name in modules:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        for package in file.relative_to(tmp_path).parents[:-1]:
            (tmp_path / package / "__init__.py").touch()
    return tmp_path


def test_every_import_keeps_the_contracts() -> None:
    linted = lint(ROOT)
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_permitted_imports_keep_the_contracts(skeleton: Path) -> None:
    for name, line in PERMITTED:
        (skeleton / name).write_text(f"{line}\n")
    linted = lint(skeleton)
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize(("name", "line"), BREACHES)
def test_a_forbidden_import_breaks_a_contract(skeleton: Path, name: str, line: str) -> None:
    (skeleton / name).write_text(f"{line}\n")
    linted = lint(skeleton)
    assert linted.returncode == 1, linted.stdout + linted.stderr
    assert " BROKEN" in linted.stdout
