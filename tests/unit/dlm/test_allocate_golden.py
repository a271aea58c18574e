"""Cases from the field, in golden.toml."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.dlm import CircuitState, Demand, DemandClass, Snapshot, allocate
from sitecontroller.domain.topology import EvseKey, PhaseMap

CASES = tomllib.loads(Path(__file__).with_name("golden.toml").read_text(encoding="utf-8"))["case"]


def circuit(row: dict[str, Any]) -> CircuitState:
    free = [None if value == "unknown" else float(value) for value in row["free"]]
    cap_a = tuple(50.0 + (value or 0.0) for value in free)
    base_a = tuple(None if value is None else 50.0 for value in free)
    return CircuitState(row["id"], row["id"], row.get("parent"), cap_a, base_a)


def demand(row: dict[str, Any]) -> Demand:
    return Demand(
        EvseKey(row["id"], 1),
        row.get("circuit", "main"),
        phases=PhaseMap.parse(row["phases"]).site_phases,
        need_a=row.get("need"),
        step_a=row.get("step", 0.1),
        weight=row.get("weight", 1.0),
        demand_class=DemandClass[row.get("class", "NORMAL")],
        steerable=row.get("steerable", True),
        wants=row.get("wants", True),
        exposure_a=row.get("exposure", 0.0),
        limit_a=row.get("limit", 0.0),
        settled_s=row.get("settled"),
        credit_s=row.get("credit", 0.0),
        plugged_s=row.get("plugged", 0.0),
        may_start=row.get("may_start", True),
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_golden(case: dict[str, Any]) -> None:
    snapshot = Snapshot(tuple(map(circuit, case["circuits"])), tuple(map(demand, case["cars"])))
    result = allocate(snapshot)
    for row in case["cars"]:
        if "gets" not in row:
            continue
        allocation = result[EvseKey(row["id"], 1)]
        assert allocation.current_a == pytest.approx(row["gets"]), row["id"]
        assert allocation.reason == row.get("because", allocation.reason)
