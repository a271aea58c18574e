"""Console tests draw off screen unless the caller names another Qt platform."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import qasync  # type: ignore[import-untyped]
from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QApplication

from tests.support import run_bounded
from ui import theme
from ui.theme import Scheme


@pytest.fixture(scope="session")
def app(qapp: QApplication) -> QApplication:
    """The application in its light theme."""
    theme.install(qapp, Scheme.LIGHT)
    qapp.setQuitOnLastWindowClosed(False)
    return qapp


@pytest.fixture
def run_qt(app: QApplication) -> Callable[[Awaitable[Any]], Any]:
    """`run_qt(coroutine)`: on Qt's loop and asyncio's as one, as the console runs."""

    def run(main: Any) -> Any:
        return run_bounded(main, loop_factory=lambda: qasync.QEventLoop(app))

    return run


@pytest.fixture
def settings(tmp_path: Path) -> QSettings:
    """Settings of this test alone."""
    return QSettings(str(tmp_path / "console.ini"), QSettings.Format.IniFormat)
