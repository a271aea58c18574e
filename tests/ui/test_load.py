"""F5: the tree of fuses, who limits them, and limits by hand."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from PySide6.QtCore import QSettings, Qt
from PySide6.QtTest import QTest

from sitecontroller.domain.commands import CommandResult, CommandState
from sitecontroller.domain.limit_history import LimitChange, LimitHistoryQuery
from sitecontroller.domain.limit_source import (
    GroupsQuery,
    GroupView,
    LimitSource,
    SetSiteLimit,
    SiteLimit,
    SiteLimitsQuery,
    SiteLimitView,
    WithdrawSiteLimit,
)
from sitecontroller.domain.money import Money
from sitecontroller.domain.planning import PlannedSession, PlanQuery, PlanView
from sitecontroller.domain.views import Page
from tests.support import eventually
from tests.ui import site
from tests.ui.fake_client import FakeClient, FakeClock
from tests.ui.open_console import open_console
from ui.presenters import load as presenter
from ui.presenters import plan as plans
from ui.presenters.words import Tone
from ui.shortcuts import Action
from ui.state import Link, Picture
from ui.views.load import LoadScreen
from ui.widgets.buttons import HOLD_MS
from ui.widgets.plan_chart import PlanChart


def a_picture(stations: int = 12) -> Picture:
    snapshot = site.a_site(stations)
    picture = Picture(FakeClock())
    picture.site, picture.circuits = snapshot.site, dict(snapshot.circuits)
    picture.stations = dict(snapshot.stations)
    picture.set_link(Link.LIVE)
    return picture


def a_limit(source: LimitSource, circuit_id: str = "main") -> SiteLimitView:
    limit = SiteLimit(
        f"{source.value.lower()}-{circuit_id}",
        source,
        "test",
        site.NOW,
        site.NOW + timedelta(hours=2),
        circuit_id=circuit_id,
        current_a=(40.0, 40.0, 40.0),
    )
    return SiteLimitView(limit, "", None)


class LimitedClient(FakeClient):
    """A controller at which these site limits are in force."""

    def __init__(self, *limits: SiteLimitView) -> None:
        super().__init__()
        self.limits = limits

    async def ask(self, query: Any) -> Any:
        if isinstance(query, SiteLimitsQuery):
            return Page(self.limits, None)
        return await super().ask(query)


def played(
    run_qt: Callable[..., Any], settings: QSettings, client: FakeClient, play: Callable[..., Any]
) -> None:
    async def main() -> None:
        async with open_console(client, settings) as console:
            console.window.go(Action.LOAD)
            screen = console.window.current
            assert isinstance(screen, LoadScreen)
            await eventually(lambda: not console.desk.busy)
            await play(screen)

    run_qt(main())


def test_every_car_stands_below_its_fuse_and_every_fuse_below_its_own() -> None:
    picture = a_picture()
    rows = presenter.rows(picture, idle=False)
    assert rows[0].key == presenter.circuit_key("main")
    above: dict[str, str] = {}
    circuit = ""
    for row in rows:
        circuit = row.key if row.is_circuit else circuit
        above[row.key] = circuit
    charging = {
        f"evse {station.station_id}/{evse.evse_id}": presenter.circuit_key(evse.circuit_id)
        for station in picture.stations.values()
        for evse in station.evses
        if evse.transaction_key
    }
    assert charging == {key: over for key, over in above.items() if key.startswith("evse")}
    everyone = presenter.rows(picture, idle=True)
    assert len(everyone) == len(picture.circuits) + 12


def test_a_row_says_the_limit_once_and_then_why() -> None:
    rows = presenter.rows(a_picture(), idle=False)
    row = next(row for row in rows if row.key == "evse CP-01/1")
    assert (row.cap.replace("\N{NO-BREAK SPACE}", " "), row.why) == ("11 A", "Feeder A, L2")


def test_a_fuse_without_a_meter_says_so() -> None:
    picture = a_picture()
    picture.circuits["main"] = replace(picture.circuits["main"], measured_at=None, limited_by=None)
    why = presenter.rows(picture, idle=False)[0].why
    assert why.endswith("A, without a meter"), why


@pytest.mark.parametrize(
    ("change", "tone", "says"),
    [
        ({"current_a": (64.0, 20.0, 20.0)}, Tone.HIGH, "more than its fuse"),
        ({"fail_safe": "its meter is silent"}, Tone.MEDIUM, "its meter is silent"),
        ({"stale": True}, Tone.MEDIUM, "old"),
        ({"limited_by": "40 A until 18:00"}, Tone.NORMAL, "40 A until 18:00"),
    ],
)
def test_a_fuse_says_what_is_most_telling(change: Any, tone: Tone, says: str) -> None:
    picture = a_picture()
    picture.circuits["main"] = replace(picture.circuits["main"], **change)
    main = presenter.rows(picture, idle=False)[0]
    assert main.state.tone is tone
    assert says in main.why


def test_a_lower_limit_says_how_many_cars_it_would_cost_and_one_above_the_fuse_says_nothing() -> (
    None
):
    picture = a_picture()
    cars = sum(1 for s in picture.stations.values() for e in s.evses if e.transaction_key)
    assert f"{cars} cars would get less" in presenter.consequence(picture, "main", 20.0)
    assert "nothing would change" in presenter.consequence(picture, "main", 63.0)
    assert "less" not in presenter.consequence(picture, "main", 62.0)


def test_an_attendant_limits_a_fuse_for_two_hours(
    run_qt: Callable[..., Any], settings: QSettings
) -> None:
    client = FakeClient()

    async def play(screen: LoadScreen) -> None:
        form = screen.form
        form.place.setCurrentIndex(1)
        form.lasting.setCurrentIndex(1)
        form.amperes.clear()
        QTest.keyClicks(form.amperes, "24")
        QTest.keyClicks(form.reason, "works on the feeder")
        QTest.mouseClick(form.apply, Qt.MouseButton.LeftButton)
        await eventually(lambda: client.commands)
        (command,) = client.commands
        assert isinstance(command, SetSiteLimit)
        assert command.source is LimitSource.ATTENDANT
        assert command.circuit_id == list(client.snapshot.circuits)[1]
        assert command.current_a == (24.0, 24.0, 24.0)
        assert command.until == site.NOW + timedelta(hours=2)
        assert command.reason == "works on the feeder"

    played(run_qt, settings, client, play)


def test_a_group_that_is_no_circuit_is_limited_by_hand_and_listed(
    run_qt: Callable[..., Any], settings: QSettings
) -> None:
    class Grouped(FakeClient):
        async def ask(self, query: Any) -> Any:
            if not isinstance(query, GroupsQuery):
                return await super().ask(query)
            nine, cap = (9.0, 9.0, 9.0), (16.0, 16.0, 16.0)
            group = GroupView("g", "Level 1", ("CP-01/1", "CP-02/1"), cap, nine, nine, "14a")
            return Page((group,), None)

    client = Grouped()

    async def play(screen: LoadScreen) -> None:
        form = screen.form
        form.place.setCurrentText("Level 1")
        form.amperes.setText("12")
        form.apply.click()
        await eventually(lambda: client.commands)
        (command,) = client.commands
        assert isinstance(command, SetSiteLimit)
        assert (command.circuit_id, command.group_id) == (None, "g")
        QTest.mouseClick(screen.pages.tabs["groups"], Qt.MouseButton.LeftButton)
        groups = screen.pages.lists["groups"]
        await eventually(lambda: groups.rows)
        plain = [c.replace("\N{NO-BREAK SPACE}", " ") for c in groups.rows["g"].cells]
        assert plain == ["Level 1", "2", "L1 9.0 A · L2 9.0 A · L3 9.0 A", "16 A", "14a"]

    played(run_qt, settings, client, play)


def test_what_a_limit_cannot_do_is_said_and_stays(
    run_qt: Callable[..., Any], settings: QSettings
) -> None:
    client = FakeClient()
    warning = "chargers without contact may draw 18 A"
    client.answers.append(CommandResult("c", CommandState.ACCEPTED, warning))

    async def play(screen: LoadScreen) -> None:
        noticed: list[Any] = []
        screen.desk.noticed.connect(noticed.append)
        screen.form.apply.click()
        await eventually(lambda: noticed)
        assert (noticed[0].remedy, noticed[0].lasting) == (warning, True)

    played(run_qt, settings, client, play)


@pytest.mark.parametrize("typed", ["", "7000"])
def test_without_a_sensible_number_no_limit_can_be_set(
    typed: str, run_qt: Callable[..., Any], settings: QSettings
) -> None:
    async def play(screen: LoadScreen) -> None:
        screen.form.amperes.setText(typed)
        assert not screen.form.apply.isEnabled()
        assert "0 to 6300" in screen.form.consequence.text()

    played(run_qt, settings, FakeClient(), play)


def test_a_limit_by_hand_is_lifted_by_holding_and_one_of_the_grid_operator_not_at_all(
    run_qt: Callable[..., Any], settings: QSettings
) -> None:
    by_hand, operator = a_limit(LimitSource.ATTENDANT), a_limit(LimitSource.GRID_OPERATOR)
    client = LimitedClient(operator, by_hand)

    async def play(screen: LoadScreen) -> None:
        pages = screen.pages
        table = pages.lists["limits"].table
        await eventually(table.isVisible)
        table.select(operator.limit.limit_id)
        assert not pages.withdraw.isEnabled()
        table.select(by_hand.limit.limit_id)
        assert pages.withdraw.isEnabled()
        QTest.mousePress(pages.withdraw, Qt.MouseButton.LeftButton)
        await asyncio.sleep(HOLD_MS / 1000 + 0.1)
        await eventually(lambda: client.commands)
        assert client.commands == [WithdrawSiteLimit(by_hand.limit.limit_id)]

    played(run_qt, settings, client, play)


def test_the_changes_of_the_chosen_outlet_say_when_and_why(
    run_qt: Callable[..., Any], settings: QSettings
) -> None:
    class Remembering(FakeClient):
        async def ask(self, query: Any) -> Any:
            if not isinstance(query, LimitHistoryQuery):
                return await super().ask(query)
            self.asked.append(("history", query.evse))
            change = LimitChange(site.NOW, "CP-01", 1, 11.0, "feeder-a", "Feeder A, L2")
            return Page((change,), None)

    client = Remembering()

    async def play(screen: LoadScreen) -> None:
        screen.table.select("evse CP-01/1")
        QTest.mouseClick(screen.pages.tabs["changes"], Qt.MouseButton.LeftButton)
        changes = screen.pages.lists["changes"]
        await eventually(lambda: changes.rows)
        assert client.asked[-1] == ("history", "CP-01/1")
        (row,) = changes.rows.values()
        plain = tuple(cell.replace("\N{NO-BREAK SPACE}", " ") for cell in row.cells)
        assert plain == ("14:07:32", "CP-01/1", "11 A", "Feeder A, L2")
        assert not screen.pages.withdraw.isVisible()

    played(run_qt, settings, client, play)


def a_plan(state: str = "followed") -> PlanView:
    hours = 24 * 4
    return PlanView(
        state,
        site.NOW,
        "HiGHS",
        start_at=site.NOW.replace(minute=0, second=0),
        price_per_kwh=tuple(0.20 + 0.15 * (n % 48 > 24) for n in range(hours)),
        price_known=tuple(n < 60 for n in range(hours)),
        base_w=tuple(9000 + 60 * (n % 40) for n in range(hours)),
        base_low_w=(None,) * hours,
        base_high_w=(None,) * hours,
        site_w=tuple(9000 + 60 * (n % 40) + 11000 * (n % 48 < 20) for n in range(hours)),
        peak_w=22_000,
        energy_cost=Money(Decimal("18.40"), "EUR"),
        sessions=(
            PlannedSession(
                "CP-03", 1, None, 9000.0, (), (), Money(Decimal(2), "EUR"), 3000.0, "too late"
            ),
        ),
    )


def test_a_plan_is_told_in_a_sentence_and_drawn(
    run_qt: Callable[..., Any], settings: QSettings
) -> None:
    class Planning(FakeClient):
        async def ask(self, query: Any) -> Any:
            return a_plan() if isinstance(query, PlanQuery) else await super().ask(query)

    async def play(screen: LoadScreen) -> None:
        QTest.mouseClick(screen.pages.tabs["plan"], Qt.MouseButton.LeftButton)
        page = screen.pages.plan
        await eventually(page.headline.full_text)
        said = page.headline.full_text().replace("\N{NO-BREAK SPACE}", " ")
        assert said == (
            "Followed, made 14:07 · 1 car · energy 18.40 € · peak 22.0 kW · not in time: CP-03/1"
        )
        drawn = page.chart.grab().toImage()
        blank = PlanChart()
        blank.resize(page.chart.size())
        assert drawn != blank.grab().toImage()

    played(run_qt, settings, Planning(), play)


@pytest.mark.parametrize(
    ("state", "says"), [("off", "Planning is off"), ("none yet", "No plan yet")]
)
def test_without_a_plan_it_says_why(state: str, says: str) -> None:
    picture = a_picture()
    view = PlanView(state)
    assert says in plans.headline(view, picture)
    assert plans.plan(view, picture) is None
