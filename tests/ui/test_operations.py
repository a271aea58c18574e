"""What an attendant does reaches the controller as the right command, and failures say a remedy."""

import asyncio
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QSettings, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit, QPushButton

from sitecontroller.domain.commands import (
    AcceptStation,
    AcknowledgeAlarm,
    ChangeAvailability,
    CommandResult,
    CommandState,
    GetVariables,
    RejectStation,
    ResetStation,
    ResetType,
    StartTransaction,
    StopTransaction,
    UnlockConnector,
)
from sitecontroller.domain.errors import StationOffline
from sitecontroller.domain.live import EventFrame
from sitecontroller.domain.views import EvseActivity
from tests.support import eventually
from tests.ui import audit, site
from tests.ui.fake_client import FakeClient
from tests.ui.open_console import open_console
from ui import operations
from ui.app import Console
from ui.shortcuts import Action
from ui.views.station_actions import StationActions
from ui.widgets.buttons import HOLD_MS, HoldButton

Run = Callable[..., Any]
FREE = "CP-02"
BUSY = "CP-01"


def controls_of(console: Console, station_id: str) -> StationActions:
    console.window.open_station(station_id)
    return console.window.station.controls


def test_a_typed_card_starts_a_session(run_qt: Run, settings: QSettings) -> None:
    client = FakeClient()

    async def play() -> None:
        async with open_console(client, settings) as console:
            controls = controls_of(console, FREE)
            card = controls.findChildren(QLineEdit)[0]
            QTest.keyClicks(card, "04A1B2C3")
            QTest.keyClick(card, Qt.Key.Key_Return)
            await eventually(lambda: console.window.notices.text)
            assert "starts charging" in console.window.notices.text

    run_qt(play())
    assert client.commands == [StartTransaction(FREE, 1, "04A1B2C3")]


def test_without_a_card_nothing_can_be_started(run_qt: Run, settings: QSettings) -> None:
    async def play() -> None:
        async with open_console(FakeClient(), settings) as console:
            assert not controls_of(console, FREE).start_button.isEnabled()

    run_qt(play())


def test_a_held_stop_ends_the_session(run_qt: Run, settings: QSettings) -> None:
    client = FakeClient()
    key = client.snapshot.stations[BUSY].evses[0].transaction_key
    assert key is not None

    async def play() -> None:
        async with open_console(client, settings) as console:
            button = controls_of(console, BUSY).stop_button
            QTest.mousePress(button, Qt.MouseButton.LeftButton)
            await eventually(lambda: client.commands)
            QTest.mouseRelease(button, Qt.MouseButton.LeftButton)

    run_qt(play())
    assert client.commands == [StopTransaction(key)]


def test_a_short_press_stops_nothing(run_qt: Run, settings: QSettings) -> None:
    client = FakeClient()

    async def play() -> None:
        async with open_console(client, settings) as console:
            button = controls_of(console, BUSY).stop_button
            QTest.mousePress(button, Qt.MouseButton.LeftButton)
            await eventually(lambda: button.progress > 0.05)
            QTest.mouseRelease(button, Qt.MouseButton.LeftButton)
            assert button.progress == 0
            await asyncio.sleep(HOLD_MS / 1000)

    run_qt(play())
    assert client.commands == []


def test_the_stop_says_what_it_ends(run_qt: Run, settings: QSettings) -> None:
    async def play() -> None:
        async with open_console(FakeClient(), settings) as console:
            texts = audit.shown_texts(controls_of(console, BUSY))
            assert (
                "Ends the session at 2.14\N{NO-BREAK SPACE}kWh, 1.05\N{NO-BREAK SPACE}€." in texts
            )

    run_qt(play())


def test_every_action_sends_its_command(run_qt: Run, settings: QSettings) -> None:
    client = FakeClient()

    async def play() -> None:
        async with open_console(client, settings) as console:
            desk = console.desk
            operations.release_cable(desk, BUSY, 1)
            operations.restart_charger(desk, BUSY, at_once=True)
            operations.restart_charger(desk, FREE, at_once=False)
            operations.set_in_service(desk, FREE, operative=False)
            operations.set_in_service(desk, FREE, operative=True)
            operations.accept_charger(desk, "CP-NEW")
            await eventually(lambda: not desk.busy)

    run_qt(play())
    assert client.commands == [
        UnlockConnector(BUSY, 1),
        ResetStation(BUSY, ResetType.IMMEDIATE),
        ResetStation(FREE, ResetType.ON_IDLE),
        ChangeAvailability(FREE, None, False),
        ChangeAvailability(FREE, None, True),
        AcceptStation("CP-NEW"),
    ]


def test_an_offline_charger_is_shown_with_what_to_do(run_qt: Run, settings: QSettings) -> None:
    client = FakeClient()
    client.answers = [StationOffline("CP-01 has no connection")]

    async def play() -> None:
        async with open_console(client, settings) as console:
            operations.stop_charging(console.desk, BUSY, "K")
            await eventually(lambda: console.window.notices.text)
            assert console.window.notices.text == "CP-01 has no connection"
            assert "at the charger or in the car" in console.window.notices.remedy

    run_qt(play())


def test_a_refusal_is_shown_with_what_to_do(run_qt: Run, settings: QSettings) -> None:
    client = FakeClient()
    client.answers = [CommandResult("c1", CommandState.REJECTED, "Occupied")]

    async def play() -> None:
        async with open_console(client, settings) as console:
            operations.start_charging(console.desk, FREE, 1, "CARD")
            await eventually(lambda: console.window.notices.text)
            assert console.window.notices.text == "CP-02 refused: Occupied"
            assert "plugged in" in console.window.notices.remedy

    run_qt(play())


def test_a_command_without_effect_is_told_later(run_qt: Run, settings: QSettings) -> None:
    client = FakeClient()
    payload = {"result": {"command_id": "c1", "state": "ineffective", "reason": None}}

    async def play() -> None:
        async with open_console(client, settings) as console:
            operations.start_charging(console.desk, FREE, 1, "CARD")
            await eventually(lambda: "starts" in console.window.notices.text)
            client.send(EventFrame(2, site.NOW, "CommandFinished", 1, payload))
            await eventually(lambda: "nothing happened" in console.window.notices.text)

    run_qt(play())


def test_the_banner_acknowledges_the_most_urgent_alarm(run_qt: Run, settings: QSettings) -> None:
    client = FakeClient()

    async def play() -> None:
        async with open_console(client, settings) as console:
            QTest.keyClick(console.window, Qt.Key.Key_A, Qt.KeyboardModifier.AltModifier)
            await eventually(lambda: client.commands)

    run_qt(play())
    assert client.commands == [AcknowledgeAlarm("station-faulted:CP-07/1")]


def test_enter_acknowledges_the_selected_alarm(run_qt: Run, settings: QSettings) -> None:
    client = FakeClient()

    async def play() -> None:
        async with open_console(client, settings) as console:
            console.window.go(Action.ALARMS)
            screen: Any = console.window.screens[Action.ALARMS]
            screen.table.select("transaction-review:CP-03/1")
            QTest.keyClick(screen.table, Qt.Key.Key_Return)
            await eventually(lambda: client.commands)

    run_qt(play())
    assert client.commands == [AcknowledgeAlarm("transaction-review:CP-03/1")]


def test_a_new_charger_is_accepted_from_the_overview(run_qt: Run, settings: QSettings) -> None:
    client = FakeClient(site.with_new_station(site.a_site()))

    async def play() -> None:
        async with open_console(client, settings) as console:
            buttons = console.window.current.findChildren(QPushButton)
            accept = next(b for b in buttons if b.accessibleName() == "Accept CP-NEW-7")
            assert accept.isVisible()
            accept.click()
            await eventually(lambda: client.commands)

    run_qt(play())
    assert client.commands == [AcceptStation("CP-NEW-7")]


def test_a_new_charger_is_turned_away_from_the_overview(run_qt: Run, settings: QSettings) -> None:
    client = FakeClient(site.with_new_station(site.a_site()))

    async def play() -> None:
        async with open_console(client, settings) as console:
            buttons = console.window.current.findChildren(QPushButton)
            next(b for b in buttons if b.accessibleName() == "Turn CP-NEW-7 away").click()
            await eventually(lambda: client.commands)

    run_qt(play())
    assert client.commands == [RejectStation("CP-NEW-7")]


def test_a_password_to_enter_by_hand_is_shown_to_who_accepted(
    run_qt: Run, settings: QSettings
) -> None:
    client = FakeClient(site.with_new_station(site.a_site()))
    client.answers = [CommandResult("c1", CommandState.ACCEPTED, None, {"password": "s3cret"})]

    async def play() -> None:
        async with open_console(client, settings) as console:
            operations.accept_charger(console.window.desk, "CP-NEW-7")
            await eventually(lambda: console.window.notices.text)
            assert "did not take its password" in console.window.notices.text
            assert "s3cret" in console.window.notices.remedy

    run_qt(play())


def test_a_setting_is_read_and_shown(run_qt: Run, settings: QSettings) -> None:
    client = FakeClient()
    answer = {"configurationKey": [{"key": "HeartbeatInterval", "value": "300"}]}
    client.answers = [CommandResult("c1", CommandState.ACCEPTED, None, answer)]

    async def play() -> None:
        async with open_console(client, settings) as console:
            controls = controls_of(console, FREE)
            fields = controls.findChildren(QLineEdit)
            name = next(field for field in fields if field.accessibleName() == "Setting")
            QTest.keyClicks(name, "HeartbeatInterval")
            QTest.keyClick(name, Qt.Key.Key_Return)
            await eventually(lambda: "HeartbeatInterval = 300" in audit.shown_texts(controls))

    run_qt(play())
    assert client.commands == [GetVariables(FREE, ("HeartbeatInterval",))]


def test_an_offline_charger_offers_no_command(run_qt: Run, settings: QSettings) -> None:
    client = FakeClient()
    offline = next(
        station.station_id
        for station in client.snapshot.stations.values()
        if station.evses[0].activity is EvseActivity.OFFLINE
    )

    async def play() -> None:
        async with open_console(client, settings) as console:
            controls = controls_of(console, offline)
            acting = [*controls.findChildren(HoldButton), *controls.findChildren(QPushButton)]
            assert not [b.text() for b in acting if b.isVisible() and b.isEnabled()]

    run_qt(play())
