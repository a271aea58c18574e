"""Scenarios played by their seeds, some twice: as they are, and with nothing going wrong."""

from typing import Any

from sitecontroller.simulation.virtual_time import VirtualLoop
from tests.plant.scenario import SLOW_S, Scenario, scenario
from tests.plant.site import play_out
from tests.support import run_bounded

TWIN_EVERY = 16
"""So many runs, one is compared with its twin; those with the slowest stations always are."""

REAL_S_MAX = 600.0


def run(seed: int, minutes: int | None = None, *, twin: bool | None = None) -> dict[str, Any]:
    """The figures of one seed. `delivers`: its energy by that of its twin, where it has one."""
    made = scenario(seed, minutes)
    figures = play_scenario(made)
    if twin is None:
        twin = seed % TWIN_EVERY == 0 or made.sample_interval_s >= SLOW_S
    if twin:
        best_wh = play_scenario(made.spared())["energy_wh"]
        figures["delivers"] = figures["energy_wh"] / best_wh if best_wh > 0 else None
    return figures


def play_scenario(made: Scenario) -> dict[str, Any]:
    """One scenario's figures."""
    site = run_bounded(play_out(made), timeout_s=REAL_S_MAX, loop_factory=VirtualLoop)
    figures: dict[str, Any] = site.judge.figures()
    return figures
