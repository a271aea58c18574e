"""`sitecontroller plan`: a plan on paper."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from sitecontroller.cli.plan import render
from sitecontroller.domain.money import Money
from sitecontroller.domain.planning import ForecastError, ForecastView, PlannedSession, PlanView

BERLIN = ZoneInfo("Europe/Berlin")
SIX = datetime(2026, 11, 24, 17, 0, tzinfo=UTC)
SEVEN_H = datetime(2026, 11, 25, 6, 0, tzinfo=UTC)
COST = Money(Decimal("1.20"), "EUR")
CAR = PlannedSession(
    "CP-01", 1, SEVEN_H, 8000.0, (0, 0, 11040, 11040), (0, 0, 16.0, 16.0), COST, 0.0, ""
)
PLAN = PlanView(
    "followed",
    SIX,
    "HiGHS",
    "",
    SIX,
    (0.4, 0.4, 0.1, 0.1),
    (True, True, True, False),
    (3000,) * 4,
    (2000,) * 4,
    (4000,) * 4,
    (3000, 3000, 14040, 14040),
    14040,
    None,
    COST,
    Money(Decimal(0), "EUR"),
    (CAR,),
)


def test_a_plan_is_told_car_by_car_in_the_sites_time() -> None:
    lines = render(PLAN, (), BERLIN)
    assert lines[0] == "Plan of 18:00 by HiGHS: followed."
    assert "CP-01/1: 8.0 kWh, leaves 07:00, about 1.20 EUR: 18:30–19:00 16 A" in lines
    assert any(line.startswith("18:00    0.4000   3.0 (2.0–4.0)") for line in lines)


def test_a_car_that_goes_short_says_why_and_one_without_departure_says_so() -> None:
    short = replace(
        CAR, departs_at=None, unmet="CP-01/1 misses 2.0 of 8.0 kWh: no more room on main"
    )
    lines = render(replace(PLAN, sessions=(short,)), (), BERLIN)
    assert any("nobody said when it leaves" in line for line in lines)
    assert "  CP-01/1 misses 2.0 of 8.0 kWh: no more room on main" in lines


def test_where_planning_is_off_the_remedy_is_told() -> None:
    assert render(PlanView("off"), (), BERLIN) == [
        "Planning is off: write enabled = true below [planning] of site.toml."
    ]


def test_a_forecast_shows_its_own_error_beside_last_weeks() -> None:
    error = ForecastError(672, 1500.0, -200.0, 2100.0, 0.09, 0.12)
    view = ForecastView("main", SIX, 40, error, SIX, (None,), (None,), (None,))
    assert render(PlanView("none yet"), (view, replace(view, days=3, error=None)), BERLIN) == [
        "No plan yet.",
        "Forecast of main: off by 1.5 kW on average (bias -0.20), 'as last week' by 2.1 kW; "
        "9% below and 12% above the quantiles",
        "Forecast of main: 3 days of history; its error is known after 21",
    ]
