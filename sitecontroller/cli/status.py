"""`status`: the site in a page of text, from the running controller's API."""

import argparse
import json

from sitecontroller.cli.asking import answer
from sitecontroller.cli.options import Commands, add_config
from sitecontroller.cli.run import status_line
from sitecontroller.client import ControllerClient
from sitecontroller.domain.live import SnapshotFrame
from sitecontroller.domain.topology import PerPhase
from sitecontroller.domain.views import EvseView, Snapshot
from sitecontroller.wire import to_json


def add_status(commands: Commands) -> None:
    """Its options and help."""
    command = commands.add_parser("status", help="what the running controller does right now")
    add_config(command)
    command.add_argument("--json", action="store_true", help="everything, for scripts")
    command.set_defaults(work=show)


def show(options: argparse.Namespace) -> int:
    """Print what the controller does now."""
    snapshot = answer(options, _snapshot)
    if options.json:
        print(json.dumps(to_json(snapshot), ensure_ascii=False, indent=2))
    else:
        print("\n".join(render(snapshot)))
    return 0


async def _snapshot(client: ControllerClient) -> Snapshot:
    async for frame in client.live():
        if isinstance(frame, SnapshotFrame):
            return frame.snapshot
    raise AssertionError("the live feed begins with a snapshot")


def render(snapshot: Snapshot) -> list[str]:
    """The page, line by line."""
    main = next(c for c in snapshot.circuits.values() if c.parent_id is None)
    lines = [status_line(snapshot.site, main), ""]
    for circuit in snapshot.circuits.values():
        cap = "/".join(f"{value:.0f}" for value in circuit.cap_a if value is not None)
        lines.append(f"{circuit.name:18} {_amps(circuit.current_a)}  of {cap} A")
    lines.append("")
    for station in snapshot.stations.values():
        for evse in station.evses:
            lines.append(f"{station.station_id:8} {evse.bay:7} {_evse(evse)}")
    for alarm in snapshot.alarms.values():
        lines.append(f"{alarm.priority.upper():7} {alarm.text}. Do: {alarm.remedy}")
    return lines


def _evse(evse: EvseView) -> str:
    words = [f"{evse.activity.replace('-', ' '):15}"]
    if evse.transaction_key is not None:
        power = "— kW" if evse.power_w is None else f"{evse.power_w / 1000:4.1f} kW"
        energy = "— kWh" if evse.energy_wh is None else f"{evse.energy_wh / 1000:6.3f} kWh"
        words += [power, energy, _amps(evse.current_a)]
    if evse.limit is not None and evse.transaction_key is not None:
        words.append(f"limit {evse.limit.reason}")
    if evse.error:
        words.append(evse.error)
    return "  ".join(words)


def _amps(current_a: PerPhase) -> str:
    return " ".join("  —  " if value is None else f"{value:5.1f}" for value in current_a) + " A"
