"""`plan`: what the running controller plans, car by car and quarter hour by quarter hour, and how
far off its forecasts were."""

import argparse
import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from sitecontroller.cli.asking import answer
from sitecontroller.cli.options import Commands, add_config
from sitecontroller.cli.sites import config_path
from sitecontroller.client import ControllerClient
from sitecontroller.config import load_config
from sitecontroller.domain.planning import (
    ForecastQuery,
    ForecastView,
    PlannedSession,
    PlanQuery,
    PlanView,
)
from sitecontroller.wire import to_json

QUARTER = timedelta(minutes=15)


def add_plan(commands: Commands) -> None:
    """Its options and help."""
    command = commands.add_parser(
        "plan",
        help="when each car is to charge, what it costs, and how far off forecasts were",
        description="The running controller's plan by [planning] of site.toml.",
    )
    add_config(command)
    command.add_argument("--json", action="store_true", help="every quarter hour, for scripts")
    command.set_defaults(work=show)


def show(options: argparse.Namespace) -> int:
    """Print the plan and the forecasts' errors."""

    async def work(client: ControllerClient) -> tuple[PlanView, tuple[ForecastView, ...]]:
        return await client.ask(PlanQuery()), (await client.ask(ForecastQuery())).items

    plan, forecasts = answer(options, work)
    if options.json:
        both = {"plan": to_json(plan), "forecasts": to_json(forecasts)}
        print(json.dumps(both, ensure_ascii=False, indent=2))
    else:
        print(
            "\n".join(
                render(plan, forecasts, ZoneInfo(load_config(config_path(options)).time_zone))
            )
        )
    return 0


def render(plan: PlanView, forecasts: Iterable[ForecastView], zone: ZoneInfo) -> list[str]:
    """The page, line by line; times are the site's."""
    if plan.state == "off":
        return ["Planning is off: write enabled = true below [planning] of site.toml."]
    if plan.start_at is None or plan.made_at is None:
        return [f"No plan yet. {plan.why}".strip(), *_forecast_lines(forecasts)]
    why = f" ({plan.why})" if plan.why else ""
    lines = [f"Plan of {_clock(plan.made_at, zone)} by {plan.solver}{why}: {plan.state}."]
    if plan.energy_cost is not None and plan.demand_cost is not None:
        lines.append(
            f"Cars add {plan.energy_cost.amount} {plan.energy_cost.currency} for energy and "
            f"{plan.demand_cost.amount} {plan.demand_cost.currency} for the peak; "
            f"peak {(plan.peak_w or 0) / 1000:.1f} kW."
        )
    lines += [line for each in plan.sessions for line in _session_lines(each, plan.start_at, zone)]
    if not plan.sessions:
        lines.append("No car to plan for.")
    lines += ["", "from   price/kWh  base kW (0.1–0.9)  site kW"]
    for number in range(0, len(plan.price_per_kwh), 4):
        mark = " " if plan.price_known[number] else "?"
        low_w, high_w = plan.base_low_w[number], plan.base_high_w[number]
        span = "no forecast" if low_w is None or high_w is None else f"{_kw(low_w)}–{_kw(high_w)}"
        lines.append(
            f"{_clock(plan.start_at + number * QUARTER, zone)}  "
            f"{plan.price_per_kwh[number]:8.4f}{mark}  {_kw(plan.base_w[number])} ({span})  "
            f"{_kw(plan.site_w[number])}"
        )
    return [*lines, "", *_forecast_lines(forecasts)]


def _session_lines(session: PlannedSession, start_at: datetime, zone: ZoneInfo) -> list[str]:
    leaves = "nobody said when it leaves"
    if session.departs_at is not None:
        leaves = f"leaves {_clock(session.departs_at, zone)}"
    parts = []
    for current_a, run in groupby(enumerate(session.current_a), key=lambda each: each[1]):
        numbers = [number for number, _ in run]
        if current_a > 0:
            begins, ends = start_at + numbers[0] * QUARTER, start_at + (numbers[-1] + 1) * QUARTER
            parts.append(f"{_clock(begins, zone)}–{_clock(ends, zone)} {current_a:g} A")
    cost = session.expected_cost
    lines = [
        f"{session.station_id}/{session.evse_id}: {session.energy_need_wh / 1000:.1f} kWh, "
        f"{leaves}, about {cost.amount} {cost.currency}: {', '.join(parts) or 'nothing'}"
    ]
    return [*lines, *([f"  {session.unmet}"] if session.unmet else ())]


def _forecast_lines(forecasts: Iterable[ForecastView]) -> list[str]:
    lines = []
    for view in forecasts:
        error = view.error
        if error is None:
            lines.append(
                f"Forecast of {view.circuit_id}: {view.days} days of history; its error is known "
                "after 21"
            )
            continue
        lines.append(
            f"Forecast of {view.circuit_id}: off by {_kw(error.mae_w)} kW on average (bias "
            f"{error.bias_w / 1000:+.2f}), 'as last week' by {_kw(error.last_week_mae_w)} kW; "
            f"{error.below_low:.0%} below and {error.above_high:.0%} above the quantiles"
        )
    return lines


def _clock(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%H:%M}"


def _kw(power_w: float) -> str:
    return f"{power_w / 1000:.1f}"
