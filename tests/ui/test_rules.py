"""The console's own house rules, by reading its sources; tests/test_tidy.py has the common ones."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

UI = Path(__file__).parents[2] / "ui"
LABELS = "widgets/labels.py"
BLOCKING = {"httpx", "requests", "socket", "sqlite3", "sqlalchemy", "urllib"}


def sources() -> Iterator[tuple[str, ast.Module]]:
    for file in sorted(UI.rglob("*.py")):
        yield file.relative_to(UI).as_posix(), ast.parse(file.read_text(encoding="utf-8"))


def test_every_label_takes_plain_text() -> None:
    """What a charger sends is never markup: QLabel is made in one place, which says PlainText."""
    makers = {
        name
        for name, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "QLabel"
    }
    assert not makers
    assert "Qt.TextFormat.PlainText" in (UI / LABELS).read_text()


def test_tool_tips_with_foreign_text_are_escaped() -> None:
    plain = {"tip", "translate"}
    faults = [
        f"{name}:{node.lineno}"
        for name, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith(".setToolTip")
        and isinstance(node.args[0], ast.Call)
        and ast.unparse(node.args[0].func) not in plain
    ]
    assert not faults


def test_presenters_state_and_operations_know_no_widgets() -> None:
    faults = [
        f"{name}: {node.lineno}"
        for name, tree in sources()
        if name.startswith("presenters/") or name in ("state.py", "api.py", "shortcuts.py")
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom) and "PySide6" in ast.unparse(node)
    ]
    assert not faults


def test_nothing_blocks_the_window() -> None:
    faults = [
        f"{name}: {module}"
        for name, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for module in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
        )
        if module.partition(".")[0] in BLOCKING
    ]
    assert not faults


@pytest.mark.alone
def test_qt_survives_many_calls_without_a_result() -> None:
    """PySide6 6.12.0 on Python 3.11 drops a reference to None in each such call and aborts."""
    script = """
from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QApplication, QLabel
class Source(QObject):
    happened = Signal()
app = QApplication([])
label, source = QLabel(), Source()
source.happened.connect(lambda: None)
for number in range(50_000):
    label.setText(str(number))
for _ in range(5_000):
    source.happened.emit()
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=50
    )
    assert ended.returncode == 0, ended.stderr
