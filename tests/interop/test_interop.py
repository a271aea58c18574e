"""Stations of other people's making against the real controller; `make interop`.

Needs their programs below INTEROP_DIR, see docs/interoperability.md. What came of each run stands
in build/interop: the table as JSON and Markdown, and every frame.
"""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.interop.scenario import FAILS, ROOM_A, Row, Run
from tests.interop.site import InteropSite, running_interop_site
from tests.interop.stations import FOREIGN, Foreign

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]

RESULTS = Path(__file__).parents[2] / "build/interop"
CASES = [(foreign, version) for foreign in FOREIGN for version in foreign.versions]


@pytest.mark.parametrize(
    ("foreign", "version"), CASES, ids=[f"{foreign.name}-{version}" for foreign, version in CASES]
)
def test_a_foreign_station_charges_under_our_limits(
    foreign: Foreign, version: str, tmp_path: Path
) -> None:
    missing = foreign.missing()
    if missing is not None:
        pytest.skip(missing)
    print(f"\n{foreign.name}, OCPP {version}")
    controller, station = tmp_path / "controller", tmp_path / "station"
    controller.mkdir()
    station.mkdir()
    unit = "W" if version in foreign.in_watts else "A"
    with running_interop_site(controller, limit_unit=unit, leave_a=ROOM_A) as site:
        rows: list[Row] = []
        try:
            with foreign.at(site, version, station) as hand:
                rows = Run(site, hand, version, version in foreign.follows).play()
        finally:
            _keep(foreign, version, rows, site)
    wrong = [f"{row.feature}: {row.detail}" for row in rows if row.outcome == FAILS]
    assert not wrong, "\n".join(["", *wrong])


def _keep(foreign: Foreign, version: str, rows: list[Row], site: InteropSite) -> None:
    """The rows, every frame, and the table of all runs so far."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    name = f"{foreign.name}-{version}"
    said = {"name": foreign.name, "version": version, "rows": [asdict(row) for row in rows]}
    (RESULTS / f"{name}.json").write_text(json.dumps(said, indent=1))
    frames = "\n".join(json.dumps(row) for row in site.collect())
    (RESULTS / f"{name}.frames.jsonl").write_text(frames + "\n")
    runs = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]
    features = list(dict.fromkeys(row["feature"] for run in runs for row in run["rows"]))
    lines = [
        "| station | OCPP | " + " | ".join(features) + " |",
        "|---" * (len(features) + 2) + "|",
    ]
    for run in runs:
        outcomes = {row["feature"]: row["outcome"] for row in run["rows"]}
        cells = [run["name"], run["version"], *(outcomes.get(f, "–") for f in features)]
        lines.append("| " + " | ".join(cells) + " |")
    (RESULTS / "table.md").write_text("\n".join(lines) + "\n")
