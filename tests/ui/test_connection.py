"""The console keeps its picture, says when the controller is away, and comes back by itself."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QSettings

from sitecontroller.domain.live import ChangesFrame, SnapshotFrame
from sitecontroller.domain.views import EvseActivity
from tests.support import eventually
from tests.ui import audit, site
from tests.ui.fake_client import FakeClient, FakeClock
from tests.ui.open_console import open_console
from ui import bridge
from ui.app import Console, Target
from ui.presenters import frame, power, tiles
from ui.starter import Starter
from ui.state import Link, Picture
from ui.widgets.tile import StationTile

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "RETRY_FIRST_S", 0.02)
    monkeypatch.setattr(bridge, "RETRY_MAX_S", 0.05)


def test_a_lost_controller_is_told_on_every_screen(run_qt: Run, settings: QSettings) -> None:
    client, clock = FakeClient(), FakeClock()

    async def play() -> None:
        async with open_console(client, settings, clock=clock) as console:
            client.drop()
            await eventually(lambda: console.window.lost.isVisible())
            clock.at += timedelta(seconds=95)
            console.window._tick()
            texts = " ".join(audit.shown_texts(console.window.lost))
            assert "since 14:07:32 (1 min)" in texts.replace("\N{NO-BREAK SPACE}", " ")
            assert "fall back to their safe limit by themselves" in texts
            assert "start the controller" in texts
            assert not audit.clipped(console.window)
            assert not audit.overlapping(console.window)

    run_qt(play())


def test_values_of_a_lost_controller_are_old_values(run_qt: Run, settings: QSettings) -> None:
    client, clock = FakeClient(), FakeClock()

    async def play() -> None:
        async with open_console(client, settings, clock=clock) as console:
            client.drop()
            await eventually(lambda: console.picture.link is Link.LOST)
            clock.at += timedelta(seconds=95)
            console.window._tick()
            shown = console.window.findChildren(StationTile)
            assert all(tile.tile.stale for tile in shown)
            grid = power.nodes(console.picture)[0]
            assert grid.stale
            assert grid.note == "measured 1\N{NO-BREAK SPACE}min ago"

    run_qt(play())


def test_commands_wait_for_the_controller(run_qt: Run, settings: QSettings) -> None:
    client = FakeClient()

    async def play() -> None:
        async with open_console(client, settings) as console:
            console.window.open_station("CP-01")
            assert console.window.station.controls.isEnabled()
            client.drop()
            await eventually(lambda: not console.window.station.controls.isEnabled())

    run_qt(play())


def test_the_console_comes_back_by_itself(run_qt: Run, settings: QSettings) -> None:
    client = FakeClient()

    async def play() -> None:
        async with open_console(client, settings) as console:
            client.drop()
            await eventually(lambda: console.window.lost.isVisible())
            client.away = False
            await eventually(lambda: console.picture.live)
            assert not console.window.lost.isVisible()
            assert client.closed == 1

    run_qt(play())


def test_before_the_first_picture_it_says_what_it_waits_for(
    run_qt: Run, settings: QSettings
) -> None:
    client, clock = FakeClient(), FakeClock()
    client.away = True

    async def play() -> None:
        def connect() -> FakeClient:
            client.raise_if_away()
            return client

        console = Console(Target(connect, "/var/lib/site"), settings, clock)
        console.window.show()
        console.start()
        try:
            await eventually(lambda: console.picture.link is Link.LOST)
            console.window._tick()
            texts = " ".join(audit.shown_texts(console.window))
            assert "The controller does not answer" in texts
            assert "/var/lib/site" in texts
            client.away = False
            await eventually(lambda: console.window.current is not console.window.connecting)
        finally:
            console.window.close()
            await console.close()

    run_qt(play())


def test_a_change_repaints_its_tile_alone(run_qt: Run, settings: QSettings) -> None:
    client = FakeClient()
    station = client.snapshot.stations["CP-02"]
    plugged = replace(station.evses[0], activity=EvseActivity.PLUGGED)
    changed = replace(station, evses=(plugged,))

    async def play() -> None:
        async with open_console(client, settings) as console:
            before = {t.tile.title: t for t in console.window.findChildren(StationTile)}
            client.send(ChangesFrame(2, site.NOW, stations={"CP-02": changed}))
            await eventually(lambda: before["CP-02"].tile.state.word == "Plugged in")
            after = {t.tile.title: t for t in console.window.findChildren(StationTile)}
            assert after == before

    run_qt(play())


def test_a_charger_that_goes_takes_its_tile_along(run_qt: Run, settings: QSettings) -> None:
    client = FakeClient()

    async def play() -> None:
        async with open_console(client, settings) as console:
            client.send(ChangesFrame(2, site.NOW, stations={"CP-02": None}))
            await eventually(
                lambda: (
                    "CP-02"
                    not in [
                        tile.title
                        for group in tiles.groups(console.picture)
                        for tile in group.tiles
                    ]
                )
            )
            board: Any = console.window.current
            assert "CP-02" not in {key.station_id for key in board.board.tiles}

    run_qt(play())


def test_the_keeper_is_started_with_the_sites_file(tmp_path: Path) -> None:
    starter = Starter(tmp_path / "state", tmp_path / "site.toml")
    assert starter.command()[1:] == [
        "-m", "sitecontroller", "run", "--config", str(tmp_path / "site.toml"), "--headless",
    ]  # fmt: skip


def test_the_keeper_outlives_its_starter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[dict[str, Any]] = []
    monkeypatch.setattr("subprocess.Popen", lambda *_args, **options: started.append(options))
    Starter(tmp_path / "state", None).start()
    assert started[0].get("start_new_session") or started[0].get("creationflags")
    assert (tmp_path / "state/log/console-start.log").exists()


def test_a_desk_with_a_wrong_clock_shows_true_ages() -> None:
    picture = Picture(FakeClock(site.NOW + timedelta(hours=3)))
    picture.apply(SnapshotFrame(1, site.NOW, site.a_site()))
    assert picture.now() == site.NOW
    assert frame.top_bar(picture).clock.endswith("14:07:32")
