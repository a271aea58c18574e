"""How well a garage is served: our policies beside well-known rules and the optimum in hindsight.

The sessions come from a file of ACN-Data, as CSV with the columns arrival, departure,
requested_energy (kWh), delivered_energy (kWh) and estimated_departure, named by ACN_SESSIONS.
Three questions: rules know departure and energy as they came true; the same if drivers had taken
all that they asked for; rules know what drivers said, while cars take and leave as they did.
"""

import os
from pathlib import Path

from tests.bench.garage import Outcome, Rule, Session, play, read, sessions_of
from tests.bench.garage_optimum import most_energy_wh, most_met
from tests.bench.garage_rules import KNOWN_RULES, OUR_RULES

FILE = "ACN_SESSIONS"
CAPACITIES_KW = (10, 20, 30, 50)
QUESTIONS = {
    "known": ("delivered", False),
    "asked": ("requested", False),
    "said": ("delivered", True),
}
"""Which energy cars need, and whether rules know only what drivers said."""
HEARS_DRIVERS = ("earliest departure first", "least laxity first", "laxity")
"""The others do the same whatever drivers say."""


def run() -> dict[str, float]:
    """Energy as % of what cars need, sessions fully met, contactor starts a session."""
    name = os.environ.get(FILE)
    if not name or not Path(name).exists():
        print(f"\nsessions: skipped, {FILE} names no file")
        return {}
    rows = read(Path(name))
    figures: dict[str, float] = {}
    for question, (need, said) in QUESTIONS.items():
        sessions = sessions_of(rows, need=need, said=said)
        for capacity_kw in CAPACITIES_KW:
            figures |= _measured(f"{question} {capacity_kw} kW", sessions, capacity_kw, question)
    return figures


def _measured(
    title: str, sessions: list[Session], capacity_kw: int, question: str
) -> dict[str, float]:
    need_wh = sum(session.need_wh for session in sessions)
    rules: dict[str, Rule] = KNOWN_RULES | OUR_RULES
    figures: dict[str, float] = {}
    for name, rule in rules.items():
        if question == "said" and name not in HEARS_DRIVERS:
            continue
        outcome: Outcome = play(sessions, 1000 * capacity_kw, rule)
        figures[f"{title}, {name}: energy %"] = round(100 * outcome.energy_wh / need_wh, 2)
        figures[f"{title}, {name}: met"] = outcome.met
        figures[f"{title}, {name}: starts"] = round(outcome.starts, 2)
        figures[f"{title}, {name}: Jain"] = round(outcome.jain, 3)
    if question != "said":
        most_wh = most_energy_wh(sessions, 1000 * capacity_kw)
        figures[f"{title}, optimum: energy %"] = round(100 * most_wh / need_wh, 2)
        figures[f"{title}, optimum: met at most"] = most_met(sessions, 1000 * capacity_kw)
    return figures
