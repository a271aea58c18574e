"""What `run` tells the controllers that its keeper starts."""

from datetime import UTC, datetime, timedelta

import pytest

from sitecontroller.cli import main, run
from sitecontroller.simulation.demo import init_site


@pytest.fixture
def keeper(monkeypatch):
    """The arguments of every keeper that was made; none of them starts anything."""
    made: list[list[str]] = []

    class NoKeeper:
        def __init__(self, arguments: list[str], *_: object) -> None:
            made.append(arguments)

        def run(self) -> int:
            return 0

    monkeypatch.setattr(run, "Keeper", NoKeeper)
    return made


def served(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> datetime | None:
    """When a controller started with these arguments ends the commissioning window."""
    ends: list[datetime | None] = []

    def serve(options) -> int:
        ends.append(run.commissioning_until(options))
        return 0

    monkeypatch.setattr(run, "serve", serve)
    assert main(["serve", *arguments]) == 0
    return ends[0]


def test_the_commissioning_window_ends_when_it_was_told_to_however_often_it_restarts(
    tmp_path, keeper, monkeypatch
):
    init_site(tmp_path)
    before = datetime.now(UTC)
    assert main(["run", "--headless", "--config", str(tmp_path), "--commissioning", "30m"]) == 0
    ends = [served(keeper[0], monkeypatch) for _ in range(3)]
    assert len(set(ends)) == 1
    assert abs(ends[0] - before - timedelta(minutes=30)) < timedelta(seconds=30)


def test_without_the_option_nobody_may_knock(tmp_path, keeper, monkeypatch):
    init_site(tmp_path)
    assert main(["run", "--headless", "--config", str(tmp_path)]) == 0
    assert served(keeper[0], monkeypatch) is None
