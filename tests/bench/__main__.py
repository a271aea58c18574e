"""`make bench`: every figure of docs/performance.md, measured in one run.

Absolute times belong to this machine and moment; the ratios hold. What is measured runs on the
controller's own event loop; the floor of the OCPP server on asyncio's.
`make bench ONLY=ocpp,load` or `python -m tests.bench ocpp load` measures some of them.
"""

import importlib
import inspect
import logging
import sys
import time

from sitecontroller import event_loop

SUBJECTS = (
    "ocpp",
    "ocpp_scale",
    "reading",
    "storage",
    "load",
    "reaction",
    "reconnect",
    "modbus",
    "sessions",
    "planning",
    "tariffs",
)


def main(subjects: list[str]) -> int:
    """Measure the named subjects, or all; print one line a figure."""
    logging.disable(logging.CRITICAL)
    unknown = sorted(set(subjects) - set(SUBJECTS))
    if unknown:
        print(f"unknown: {', '.join(unknown)}; there are {', '.join(SUBJECTS)}", file=sys.stderr)
        return 2
    for subject in subjects or SUBJECTS:
        began_s = time.monotonic()
        figures = importlib.import_module(f"tests.bench.{subject}").run()
        if inspect.isawaitable(figures):
            figures = event_loop.run(_awaited(figures))
        print(f"\n{subject} ({time.monotonic() - began_s:.0f} s)", flush=True)
        for name, value in figures.items():
            print(f"  {name:48} {value:>12g}", flush=True)
    return 0


async def _awaited(figures: object) -> dict[str, float]:
    return await figures  # type: ignore[misc,no-any-return]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
