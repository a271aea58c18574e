"""The service screen: each subject asks its question, shows its rows, sends its commands."""

import csv
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PySide6.QtCore import QSettings, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit, QPushButton

from sitecontroller.domain.local_list import SyncLocalList
from sitecontroller.domain.reservation import CancelReservation, ReserveEvse
from sitecontroller.domain.views import Page
from tests.support import eventually
from tests.ui import audit
from tests.ui.fake_client import FakeClient
from tests.ui.open_console import open_console
from tests.ui.test_screens import CHECKS, settled
from ui.app import Console
from ui.presenters.service import file_of, rows
from ui.presenters.service_pages import pages
from ui.shortcuts import Action
from ui.views.service import ServiceScreen

Run = Callable[..., Any]
NAMES = [page.name for page in pages()]


def service_of(console: Console, name: str, station_id: str = "") -> ServiceScreen:
    """The screen with this subject, for a charger or for all."""
    screen = console.window.screens[Action.SERVICE]
    assert isinstance(screen, ServiceScreen)
    if station_id:
        console.desk.service_wanted.emit(station_id)
    else:
        console.window.go(Action.SERVICE)
    screen.subjects.setCurrentRow(NAMES.index(name))
    return screen


def press(screen: ServiceScreen, text: str) -> None:
    """Click the button of that title."""
    button = next(b for b in screen.findChildren(QPushButton) if b.text() == text)
    assert button.isEnabled(), f"'{text}' can't be pressed"
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


@pytest.mark.parametrize("station_id", ["", "CP-01"])
@pytest.mark.parametrize("name", NAMES)
def test_every_subject_is_asked_for_shown_and_whole(
    name: str, station_id: str, run_qt: Run, settings: QSettings
) -> None:
    page = next(page for page in pages() if page.name == name)

    async def play() -> None:
        client = FakeClient()
        async with open_console(client, settings) as console:
            service_of(console, name, station_id)
            await settled(console)
            asked = [call[1] for call in client.asked if call[0] == "ask"]
            if page.needs_station and not station_id:
                assert not any(isinstance(query, type(page.query(""))) for query in asked)
            else:
                assert page.query(station_id) in asked
            checks = [check for check in CHECKS if check is not audit.raw_words]
            faults = [fault for check in checks for fault in check(console.window)]
            assert not faults, "\n".join(faults)

    run_qt(play())


def test_a_reservation_needs_a_charger_and_a_card(run_qt: Run, settings: QSettings) -> None:
    async def play() -> None:
        client = FakeClient()
        async with open_console(client, settings) as console:
            screen = service_of(console, "reservations")
            await settled(console)
            reserve = next(
                b for b in screen.findChildren(QPushButton) if b.text() == "Reserve for one hour"
            )
            assert not reserve.isEnabled()
            screen = service_of(console, "reservations", "CP-01")
            await settled(console)
            field = screen.findChildren(QLineEdit)[0]
            field.setText("04A1B2C3")
            press(screen, "Reserve for one hour")
            await eventually(lambda: client.commands)
            (command,) = client.commands
            assert isinstance(command, ReserveEvse)
            assert (command.station_id, command.id_token) == ("CP-01", "04A1B2C3")

    run_qt(play())


def test_the_selected_reservation_is_cancelled(run_qt: Run, settings: QSettings) -> None:
    async def play() -> None:
        client = FakeClient()
        async with open_console(client, settings) as console:
            screen = service_of(console, "reservations")
            await settled(console)
            screen.table.selectRow(1)
            press(screen, "Cancel the reservation")
            await eventually(lambda: client.commands)
            assert client.commands == [CancelReservation("01JAB1")]

    run_qt(play())


def test_a_card_list_is_brought_in_step(run_qt: Run, settings: QSettings) -> None:
    async def play() -> None:
        client = FakeClient()
        async with open_console(client, settings) as console:
            screen = service_of(console, "lists", "CP-02")
            await settled(console)
            press(screen, "Bring in step now")
            await eventually(lambda: client.commands)
            assert client.commands == [SyncLocalList("CP-02")]
            assert "in step" in console.window.notices.text

    run_qt(play())


@pytest.mark.parametrize(
    ("word", "read_as"),
    [
        ("TriggerMessage", "Trigger message"),
        ("StartupOfTheDevice", "Startup of the device"),
        ("in-step", "in step"),
        ("accepted", "accepted"),
    ],
)
def test_words_of_the_protocol_are_read_as_people_write_them(word: str, read_as: str) -> None:
    page = replace(pages()[0], columns=(("State", "state"),), key="")
    answer = Page((SimpleNamespace(state=word),), None)
    (row,) = rows(page, answer, "UTC", datetime(2026, 11, 21, tzinfo=UTC))
    assert row.cells == (read_as,)


def test_a_subject_is_saved_as_a_table(run_qt: Run, settings: QSettings, tmp_path: Path) -> None:
    file = tmp_path / "lists.csv"

    async def play() -> None:
        async with open_console(FakeClient(), settings) as console:
            screen = service_of(console, "lists")
            await eventually(lambda: screen.save.isEnabled())
            name, content = screen.file
            assert name.startswith("lists-")
            await console.desk.spawn(screen.write_file(file, content))

    run_qt(play())
    head, first, *_ = csv.reader(file.read_text(encoding="utf-8-sig").splitlines())
    assert head[:2] == ["Charger", "State"]
    assert first[0] == "CP-01"


def test_the_report_for_a_maker_is_saved_as_its_text(run_qt: Run, settings: QSettings) -> None:
    async def play() -> None:
        async with open_console(FakeClient(), settings) as console:
            screen = service_of(console, "conformance", "CP-01")
            await eventually(lambda: screen.save.isEnabled())
            name, content = screen.file
            assert name.startswith("conformance-CP-01-")
            assert name.endswith(".txt")
            assert content == b"text as the charger said it", "the report itself, not its table"

    run_qt(play())


def test_a_chargers_text_is_no_formula_in_a_spreadsheet() -> None:
    page = replace(pages()[0], columns=(("Reason", "reason"),), key="")
    answer = Page((SimpleNamespace(reason="=HYPERLINK(1)"),), None)
    _, content = file_of(page, answer, "", "UTC", datetime(2026, 11, 21, tzinfo=UTC))
    assert b"'=HYPERLINK(1)" in content
