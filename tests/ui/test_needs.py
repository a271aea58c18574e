"""What an attendant says of a running session, and an emergency stop on every screen."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from PySide6.QtCore import QSettings, Qt
from PySide6.QtTest import QTest

from sitecontroller.domain.emergency import ReleaseEmergency
from sitecontroller.domain.session_needs import (
    BoostSession,
    EndBoost,
    SessionNeedsQuery,
    SessionNeedsView,
    SetChargingNeeds,
)
from sitecontroller.domain.topology import ServiceClass
from tests.support import eventually
from tests.ui import site
from tests.ui.fake_client import FakeClient
from tests.ui.open_console import open_console
from ui.app import Console
from ui.presenters import needs as presenter
from ui.views.session_needs import SessionNeeds
from ui.widgets.buttons import HOLD_MS

LEAVES = datetime(2026, 3, 17, 16, 30, tzinfo=UTC)
NEEDS = SessionNeedsView(
    "key", "CP-01", 1, ServiceClass.NORMAL, "evse", LEAVES, "car", 12_000.0, "car", None, 0.0
)


class NeedsClient(FakeClient):
    """A controller that knows this of every session."""

    def __init__(self, view: SessionNeedsView = NEEDS) -> None:
        super().__init__()
        self.view = view

    async def ask(self, query: Any) -> Any:
        if isinstance(query, SessionNeedsQuery):
            return replace(self.view, transaction_key=query.transaction_key)
        return await super().ask(query)


@pytest.fixture
def played(run_qt: Callable[..., Any], settings: QSettings) -> Callable[..., None]:
    """`played(client, play)`: the page of a charging charger, once what its car needs is shown."""

    def run(client: FakeClient, play: Callable[..., Any]) -> None:
        async def main() -> None:
            async with open_console(client, settings) as console:
                console.window.open_station("CP-01")
                panel = console.window.station.controls.needs
                await eventually(panel.summary.text)
                await play(panel)

        run_qt(main())

    return run


def running(client: FakeClient) -> str:
    (evse,) = client.snapshot.stations["CP-01"].evses
    assert evse.transaction_key is not None
    return evse.transaction_key


def test_what_is_known_of_a_car_is_one_line_that_says_who_said_it(
    played: Callable[..., None],
) -> None:
    async def play(panel: SessionNeeds) -> None:
        said = panel.summary.text().replace("\N{NO-BREAK SPACE}", " ")
        assert said == "usual · leaves 17:30, the car says · needs 12.0 kWh, the car says"

    played(NeedsClient(), play)


def test_an_attendant_says_when_a_car_leaves_and_the_cars_own_need_stays_its_own(
    played: Callable[..., None],
) -> None:
    client = NeedsClient()

    async def play(panel: SessionNeeds) -> None:
        QTest.keyClicks(panel.leaves, "18:15")
        panel.service_class.setCurrentIndex(1)
        QTest.mouseClick(panel.apply, Qt.MouseButton.LeftButton)
        await eventually(lambda: client.commands)
        assert client.commands == [
            SetChargingNeeds(
                running(client), LEAVES + timedelta(minutes=45), None, ServiceClass.FLEET
            )
        ]

    played(client, play)


def test_what_a_person_said_before_stays_where_nothing_is_typed(
    played: Callable[..., None],
) -> None:
    client = NeedsClient(replace(NEEDS, energy_from="session", departure_from="session"))

    async def play(panel: SessionNeeds) -> None:
        QTest.keyClicks(panel.energy, "7,5")
        QTest.mouseClick(panel.apply, Qt.MouseButton.LeftButton)
        await eventually(lambda: client.commands)
        (command,) = client.commands
        assert isinstance(command, SetChargingNeeds)
        assert (command.departure_at, command.energy_wh) == (LEAVES, 7500.0)

    played(client, play)


@pytest.mark.parametrize(("leaves", "energy"), [("25:00", ""), ("", "much"), ("noon", "5")])
def test_nonsense_cannot_be_set(leaves: str, energy: str, played: Callable[..., None]) -> None:
    async def play(panel: SessionNeeds) -> None:
        assert panel.apply.isEnabled()
        panel.leaves.setText(leaves)
        panel.energy.setText(energy)
        assert not panel.apply.isEnabled()

    played(NeedsClient(), play)


def test_a_time_of_day_is_the_next_one_on_the_sites_clock() -> None:
    now = datetime(2026, 3, 17, 13, 7, tzinfo=UTC)
    assert presenter.time_ahead("14:08", "Europe/Berlin", now) == now + timedelta(minutes=1)
    tomorrow = datetime(2026, 3, 18, 6, 0, tzinfo=UTC)
    assert presenter.time_ahead("7:00", "Europe/Berlin", now) == tomorrow


def test_a_car_goes_first_for_an_hour_and_then_no_longer(played: Callable[..., None]) -> None:
    client = NeedsClient()

    async def play(panel: SessionNeeds) -> None:
        QTest.mouseClick(panel.boost, Qt.MouseButton.LeftButton)
        await eventually(lambda: client.commands)
        until = site.NOW + timedelta(hours=1)
        assert client.commands == [BoostSession(running(client), until)]
        client.view = replace(NEEDS, boost_until=until)
        await eventually(panel.end_boost.isVisible)
        assert panel.summary.text().startswith("first until 15:07")
        await eventually(panel.end_boost.isEnabled)
        QTest.mouseClick(panel.end_boost, Qt.MouseButton.LeftButton)
        await eventually(lambda: len(client.commands) == 2)
        assert client.commands[1] == EndBoost(running(client))

    played(client, play)


def test_an_emergency_stop_is_on_every_screen_and_released_by_a_name_and_a_reason(
    run_qt: Callable[..., Any], settings: QSettings
) -> None:
    client = FakeClient()
    stopped = replace(client.snapshot.site, emergency="emergency stop by contact 'fire'")
    client.snapshot = replace(client.snapshot, site=stopped)

    async def play(console: Console) -> None:
        banner = console.window.emergency
        assert banner.isVisible()
        assert not banner.release.isEnabled()
        QTest.keyClicks(banner.name, "Ada")
        assert not banner.release.isEnabled()
        QTest.keyClicks(banner.found, "false alarm of the detector")
        assert banner.release.isEnabled()
        QTest.mousePress(banner.release, Qt.MouseButton.LeftButton)
        await asyncio.sleep(HOLD_MS / 1000 + 0.1)
        await eventually(lambda: client.commands)
        assert client.commands == [ReleaseEmergency("Ada", "false alarm of the detector")]

    async def main() -> None:
        async with open_console(client, settings) as console:
            await play(console)

    run_qt(main())


def test_without_an_emergency_stop_nothing_speaks_of_one(
    run_qt: Callable[..., Any], settings: QSettings
) -> None:
    async def main() -> None:
        async with open_console(FakeClient(), settings) as console:
            assert not console.window.emergency.isVisible()

    run_qt(main())
