"""What the console writes to files, and the lists that come page by page."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QSettings

from tests.support import eventually
from tests.ui import site
from tests.ui.fake_client import FakeClient
from tests.ui.open_console import open_console
from ui.app import Console
from ui.shortcuts import Action
from ui.views.diagnostics import PAGE, DiagnosticsScreen
from ui.views.sessions import SessionsScreen

Run = Callable[..., Any]


def diagnostics(console: Console) -> DiagnosticsScreen:
    console.window.go(Action.DIAGNOSTICS)
    screen = console.window.current
    assert isinstance(screen, DiagnosticsScreen)
    return screen


def sessions(console: Console) -> SessionsScreen:
    console.window.go(Action.SESSIONS)
    screen = console.window.current
    assert isinstance(screen, SessionsScreen)
    return screen


def test_a_receipt_is_saved(run_qt: Run, settings: QSettings, tmp_path: Path) -> None:
    file = tmp_path / "receipt.pdf"

    async def play() -> None:
        async with open_console(FakeClient(), settings) as console:
            screen = sessions(console)
            await console.desk.spawn(screen.write_receipt("KEY", file, shown=False))
            assert str(file) in console.window.notices.text

    run_qt(play())
    assert file.read_bytes() == b"%PDF-1.7 KEY"


def test_a_receipt_that_cannot_be_written_says_what_to_do(
    run_qt: Run, settings: QSettings, tmp_path: Path
) -> None:
    async def play() -> None:
        async with open_console(FakeClient(), settings) as console:
            screen = sessions(console)
            target = tmp_path / "missing" / "receipt.pdf"
            await console.desk.spawn(screen.write_receipt("KEY", target, shown=False))
            assert "can't be written" in console.window.notices.text
            assert "another folder" in console.window.notices.remedy

    run_qt(play())


def test_a_receipt_belongs_to_ended_sessions_alone(run_qt: Run, settings: QSettings) -> None:
    client = FakeClient()
    by_state = {view.state: view.key for view in client.snapshot.transactions.values()}

    async def play() -> None:
        async with open_console(client, settings) as console:
            screen = sessions(console)
            screen.table.select(by_state["active"])
            assert not screen.detail.save_button.isEnabled()
            screen.table.select(by_state["ended"])
            assert screen.detail.save_button.isEnabled()

    run_qt(play())


def test_the_filter_asks_the_controller(run_qt: Run, settings: QSettings) -> None:
    client = FakeClient()

    async def play() -> None:
        async with open_console(client, settings) as console:
            screen = sessions(console)
            await eventually(lambda: not console.desk.busy)
            screen.filters[1].click()
            await eventually(lambda: ("transactions", 50, None, True) in client.asked)
            await eventually(lambda: screen.model.rowCount() == 8)

    run_qt(play())


def test_older_messages_follow_by_cursor(run_qt: Run, settings: QSettings) -> None:
    client = FakeClient()
    client.entries = site.journal(PAGE + 30)

    async def play() -> None:
        async with open_console(client, settings) as console:
            screen = diagnostics(console)
            await eventually(lambda: screen.model.rowCount() == PAGE)
            screen.more.click()
            await eventually(lambda: screen.model.rowCount() == PAGE + 30)
            assert not screen.more.isVisible()

    run_qt(play())


def test_a_paused_list_stands_still(run_qt: Run, settings: QSettings) -> None:
    client = FakeClient()

    async def play() -> None:
        async with open_console(client, settings) as console:
            screen = diagnostics(console)
            await eventually(lambda: screen.model.rowCount() == 60)
            screen.pause.click()
            client.entries = site.journal(80)
            screen.poll()
            assert not console.desk.busy
            screen.pause.click()
            await eventually(lambda: screen.model.rowCount() == 80)

    run_qt(play())


def test_messages_are_exported_oldest_first(
    run_qt: Run, settings: QSettings, tmp_path: Path
) -> None:
    file = tmp_path / "messages.jsonl"

    async def play() -> None:
        async with open_console(FakeClient(), settings) as console:
            screen = diagnostics(console)
            await eventually(lambda: screen.model.rowCount() == 60)
            await console.desk.spawn(screen.write_messages(file))

    run_qt(play())
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["seq"] for line in lines] == sorted(line["seq"] for line in lines)
    assert lines[-1]["text"].startswith('[2,"a91","MeterValues"')
