"""Every screen with a fake controller of 0, 1, 12 and 500 chargers, in both sizes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from PySide6.QtCore import QSettings, Qt
from PySide6.QtGui import QFont
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit

from tests.support import eventually
from tests.ui import audit, site
from tests.ui.fake_client import FakeClient
from tests.ui.open_console import LARGE, SMALL, open_console
from ui import theme
from ui.app import Console
from ui.shortcuts import Action
from ui.theme import Scheme
from ui.views.first_charger import FirstCharger
from ui.widgets import paint
from ui.widgets.tile import Density, StationTile

SCREENS = [*(a for a in (Action.OVERVIEW, Action.SESSIONS, Action.LOAD, Action.ALARMS,
                         Action.SERVICE, Action.DIAGNOSTICS, Action.HELP)), "station"]  # fmt: skip
CHECKS = [
    audit.clipped, audit.overlapping, audit.outside, audit.unnamed, audit.too_small,
    audit.unreachable, audit.raw_words,
]  # fmt: skip


async def settled(console: Console) -> None:
    """Layouts and the first pages are in."""
    for _ in range(4):
        await asyncio.sleep(0.02)
    await eventually(lambda: not console.desk.busy)


@asynccontextmanager
async def screen_of(
    screen: str, stations: int, settings: QSettings, size: tuple[int, int] = SMALL
) -> AsyncIterator[Console]:
    async with open_console(FakeClient(site.a_site(stations)), settings, size=size) as console:
        if screen == "station":
            console.window.open_station("CP-01")
        else:
            console.window.go(Action(screen))
        await settled(console)
        yield console


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["1366", "1920"])
@pytest.mark.parametrize("stations", [0, 1, 12, 500])
@pytest.mark.parametrize("screen", SCREENS)
def test_a_screen_is_whole(
    screen: str,
    stations: int,
    size: tuple[int, int],
    run_qt: Callable[..., Any],
    settings: QSettings,
) -> None:
    async def check() -> None:
        async with screen_of(screen, stations, settings, size) as console:
            faults = [fault for check in CHECKS for fault in check(console.window)]
            assert not faults, "\n".join(faults)

    run_qt(check())


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["1366", "1920"])
def test_no_value_of_the_overview_is_elided(
    size: tuple[int, int], run_qt: Callable[..., Any], settings: QSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    elided: set[str] = set()

    def note(words: str, _font: QFont) -> None:
        elided.add(words.replace("\N{NO-BREAK SPACE}", " "))

    monkeypatch.setattr(paint, "observer", note)

    async def check() -> None:
        async with screen_of(Action.OVERVIEW, 12, settings, size) as console:
            console.window.grab()

    run_qt(check())
    units = (" kW", " kWh", " A", " %")
    assert not [words for words in elided if words.endswith(units)]


def test_without_chargers_the_overview_says_how_to_connect_the_first(
    run_qt: Callable[..., Any], settings: QSettings
) -> None:
    async def check() -> None:
        async with screen_of(Action.OVERVIEW, 0, settings) as console:
            first = console.window.findChild(FirstCharger)
            assert first is not None
            assert first.isVisible()
            address = first.findChild(QLineEdit)
            assert address is not None
            assert address.text() == "ws://192.168.20.2:9000/ocpp/"
            assert any("/ocpp/CP-01" in text for text in audit.shown_texts(first))

    run_qt(check())


def test_five_hundred_chargers_are_dense_tiles(
    run_qt: Callable[..., Any], settings: QSettings
) -> None:
    async def check() -> None:
        async with screen_of(Action.OVERVIEW, 500, settings) as console:
            tiles = console.window.findChildren(StationTile)
            assert len(tiles) == 500
            assert tiles[0].height() == Density.DENSE.value.height

    run_qt(check())


def test_arrows_move_among_tiles_and_enter_opens_the_charger(
    run_qt: Callable[..., Any], settings: QSettings
) -> None:
    async def check() -> None:
        async with screen_of(Action.OVERVIEW, 12, settings) as console:
            window = console.window
            window.current.begin_search()
            for key in (Qt.Key.Key_Right, Qt.Key.Key_Down, Qt.Key.Key_Left):
                QTest.keyClick(_focused(), key)
            focused = _focused()
            assert isinstance(focused, StationTile)
            assert focused.tile.title == "CP-07"
            QTest.keyClick(focused, Qt.Key.Key_Return)
            assert window.current is window.station
            assert window.station.station_id == "CP-07"
            QTest.keyClick(window, Qt.Key.Key_Escape)
            assert window.current is window.screens[Action.OVERVIEW]

    run_qt(check())


def test_function_keys_change_screens(run_qt: Callable[..., Any], settings: QSettings) -> None:
    async def check() -> None:
        async with screen_of(Action.OVERVIEW, 12, settings) as console:
            window = console.window
            for key, action in (
                (Qt.Key.Key_F4, Action.SESSIONS), (Qt.Key.Key_F8, Action.ALARMS),
                (Qt.Key.Key_F11, Action.DIAGNOSTICS), (Qt.Key.Key_F1, Action.HELP),
                (Qt.Key.Key_F2, Action.OVERVIEW),
            ):  # fmt: skip
                QTest.keyClick(window, key)
                assert window.current is window.screens[action]

    run_qt(check())


def test_dark_and_light_are_remembered(
    run_qt: Callable[..., Any], settings: QSettings, app: QApplication
) -> None:
    async def check() -> None:
        async with screen_of(Action.OVERVIEW, 1, settings) as console:
            console.window.set_scheme(Scheme.DARK)
            assert theme.tokens() is theme.DARK
            assert settings.value("scheme") == "dark"

    try:
        run_qt(check())
    finally:
        theme.activate(app, Scheme.LIGHT)


def test_the_window_remembers_its_size(run_qt: Callable[..., Any], settings: QSettings) -> None:
    async def check() -> None:
        async with open_console(FakeClient(), settings, size=(1400, 820)) as console:
            console.window.close()
        async with open_console(FakeClient(), settings, size=(1400, 820)) as console:
            assert settings.value("geometry") is not None
            assert (console.window.width(), console.window.height()) == (1400, 820)

    run_qt(check())


def _focused() -> Any:
    return QApplication.focusWidget()
