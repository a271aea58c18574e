"""From single runs to what many of them say: one row a run, one table for all."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.plant.scenario import SLOW_S

Run = Mapping[str, Any]

USE_GOAL = 0.90
"""Of every hour. What single runs reach is told; see docs/plant-runs.md for what keeps small
sites below."""
USE_MIN = 0.65
"""Of a run; the minimum for all stays below it."""
USE_MEAN_MIN = 0.85
"""Of all runs together."""
SLOW_DELIVERS_MIN = 0.85
WRITES_MAX = 300
EXCESS_MIN_AS = 1e-3


def faults(run: Run) -> list[str]:
    """Why a run fails; none: it passes."""
    found: list[str] = []
    if run["beyond_as"] > EXCESS_MIN_AS:
        found.append(f"{run['beyond_as']:.1f} A·s beyond every allowance: {run['first']}")
    if run["trips"]:
        found.append(f"a breaker trips: {run['trips'][0]}")
    found += [f"limiting circuit-phase used to {use:.1%}" for use in run["use"] if use < USE_MIN]
    ratio = run.get("delivers")
    is_slow = run["sample_interval_s"] >= SLOW_S and not run["mishaps"]
    if is_slow and ratio is not None and ratio < SLOW_DELIVERS_MIN:
        found.append(f"readings every 60 s: {ratio:.1%} of what it delivers at 1 s")
    return found


def totals(runs: Sequence[Run]) -> dict[str, Any]:
    """The figures of all runs."""
    failed = [(run["seed"], fault) for run in runs for fault in faults(run)]
    allowed: dict[str, float] = defaultdict(float)
    for run in runs:
        for cause, excess_as in run["allowed_as"].items():
            allowed[cause] += excess_as
    hours = [use for run in runs for use in run["use"]]
    whole = [use for run in runs if run["minutes"] >= 60 for use in run["use"]]
    worst = max(runs, key=lambda run: run["worst_share"])
    return {
        "runs": len(runs),
        "failed_runs": len({seed for seed, _ in failed}),
        "failures": failed,
        "site_hours": round(sum(run["minutes"] for run in runs) / 60, 1),
        "mishaps": dict(sorted(Counter(m for run in runs for m in run["mishaps"]).items())),
        "runs_without_mishap": sum(not run["mishaps"] for run in runs),
        "beyond_as": round(sum(run["beyond_as"] for run in runs), 3),
        "allowed_as": {cause: round(a, 1) for cause, a in sorted(allowed.items())},
        "worst_a": max(run["worst_a"] for run in runs),
        "worst_share": worst["worst_share"],
        "worst_seed": worst["seed"],
        "breakers_tripped": sum(len(run["trips"]) for run in runs),
        "use": _spread(hours),
        "is_used": not hours or sum(hours) / len(hours) >= USE_MEAN_MIN,
        "use_whole_hours": _spread(whole),
        "use_at_90": _share(hours, USE_GOAL),
        "counted_share": _ratio(runs, "counted_s", "hungry_s"),
        "delivers": _spread(_delivers(runs, mishaps=None)),
        "delivers_with_mishaps": _spread(_delivers(runs, mishaps=True)),
        "delivers_at_60_s": _spread(
            _delivers([run for run in runs if run["sample_interval_s"] >= SLOW_S], mishaps=False)
        ),
        "jain": _spread([run["jain"] for run in runs if run["jain"] is not None]),
        "cycles_per_visit": _spread([run["cycles"] / max(1, run["visits"]) for run in runs]),
        "writes_per_session_hour": _spread(
            [run["writes"] / run["charging_h"] for run in runs if run["charging_h"] > 0.1]
        ),
        "hours_to_300_writes": _hours_to_budget(runs),
        "writes_that_raise_or_renew": _ratio_of_rest(runs),
    }


def table(total: Mapping[str, Any]) -> str:
    """For people."""
    lines = [
        f"{total['runs']} runs, {total['site_hours']} site hours, {total['runs_without_mishap']} "
        f"without a mishap; {total['failed_runs']} fail",
        "mishaps: " + ", ".join(f"{kind} {count}" for kind, count in total["mishaps"].items()),
        f"above a limit beyond every allowance: {total['beyond_as']} A·s; within, by cause: "
        + (", ".join(f"{cause} {a}" for cause, a in total["allowed_as"].items()) or "none"),
        f"worst second: {total['worst_a']} A, {total['worst_share']:.1%} of a fuse "
        f"(seed {total['worst_seed']}); breakers tripped: {total['breakers_tripped']}",
        f"limiting circuit-phase: {_line(total['use'])}; at least 90 %: {total['use_at_90']}; "
        f"runs of an hour and more: {_line(total['use_whole_hours'])}; "
        f"{total['counted_share']} of the time in which cars could take more is counted",
        f"energy of the same site with 1 s readings and no mishap: {_line(total['delivers'])}; "
        f"with mishaps {_line(total['delivers_with_mishaps'])}; "
        f"60 s readings {_line(total['delivers_at_60_s'])}",
        f"Jain: {_line(total['jain'])}",
        f"times a car began to draw, per visit: {_line(total['cycles_per_visit'])}",
        f"profile writes per hour of session: {_line(total['writes_per_session_hour'])}, of these "
        f"{total['writes_that_raise_or_renew']} no decreases: {WRITES_MAX} of those take "
        f"{total['hours_to_300_writes']} h of sessions",
    ]
    lines += [f"  seed {seed}: {fault}" for seed, fault in total["failures"][:40]]
    return "\n".join(lines)


def _delivers(runs: Iterable[Run], *, mishaps: bool | None) -> list[float]:
    return [
        run["delivers"]
        for run in runs
        if run.get("delivers") is not None and mishaps in (None, bool(run["mishaps"]))
    ]


def _spread(values: Sequence[float]) -> dict[str, float]:
    """Mean, lowest, 5th percentile, median, 95th, highest."""
    if not values:
        return {}
    ordered = sorted(values)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 4)

    return {
        "count": len(ordered),
        "mean": round(sum(ordered) / len(ordered), 4),
        "min": at(0),
        "p5": at(0.05),
        "median": at(0.5),
        "p95": at(0.95),
        "max": at(1),
    }


def _line(spread: Mapping[str, float]) -> str:
    if not spread:
        return "none"
    return (
        f"mean {spread['mean']:.3g} (min {spread['min']:.3g}, 5 % {spread['p5']:.3g}, "
        f"95 % {spread['p95']:.3g}, max {spread['max']:.3g}; n {spread['count']})"
    )


def _share(values: Sequence[float], least: float) -> str:
    return f"{sum(value >= least for value in values)} of {len(values)}"


def _ratio(runs: Iterable[Run], part: str, whole: str) -> str:
    parts, wholes = (sum(run[name] for run in runs) for name in (part, whole))
    return f"{parts / wholes:.0%}" if wholes else "none"


def _hours_to_budget(runs: Sequence[Run]) -> float | None:
    """Hours of sessions at an EVSE until the day's budget is spent; decreases are exempt."""
    counted = sum(run["writes"] - run["decreases"] for run in runs)
    hours = sum(run["charging_h"] for run in runs)
    return round(WRITES_MAX * hours / counted, 1) if counted else None


def _ratio_of_rest(runs: Sequence[Run]) -> str:
    writes = sum(run["writes"] for run in runs)
    return f"{1 - sum(run['decreases'] for run in runs) / writes:.0%}" if writes else "none"
