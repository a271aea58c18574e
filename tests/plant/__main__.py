"""Many seeded scenarios: `python -m tests.plant --scenarios 10000 --seed 1 --processes 2`.

Writes build/plant.json (one row a run, and the totals), prints the totals, and fails when a run
fails. `--only` plays one seed and prints its row.
"""

import argparse
import json
import logging
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path

from tests.plant.report import faults, table, totals
from tests.plant.runs import run

REPORT = Path("build/plant.json")
CHUNK = 5
TOLD_EVERY_S = 60.0


def main() -> int:
    """0: every run passes."""
    options = _options()
    if options.only is not None:
        row = run(options.only, options.minutes, twin=True)
        print(json.dumps(row | {"faults": faults(row)}, indent=1))
        return bool(faults(row))
    seeds = range(options.seed, options.seed + options.scenarios)
    began_s = told_s = time.monotonic()
    rows = []
    quiet = partial(logging.disable, logging.CRITICAL)
    with ProcessPoolExecutor(options.processes, initializer=quiet, max_tasks_per_child=400) as pool:
        for row in pool.map(partial(run, minutes=options.minutes), seeds, chunksize=CHUNK):
            rows.append(row)
            for fault in islice(faults(row), 1):
                print(f"seed {row['seed']} {row['mishaps']}: {fault}", flush=True)
            if time.monotonic() - told_s >= TOLD_EVERY_S:
                told_s = time.monotonic()
                print(f"{len(rows)} of {len(seeds)}", file=sys.stderr, flush=True)
    total = totals(rows)
    total["wall_s"] = round(time.monotonic() - began_s)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"totals": total, "runs": rows}, indent=1))
    print(table(total))
    return bool(total["failed_runs"]) or not total["is_used"]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenarios", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--minutes", type=int, help="of every run, instead of its own length")
    parser.add_argument("--json", type=Path, default=REPORT)
    parser.add_argument("--only", type=int, help="play this seed alone")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
