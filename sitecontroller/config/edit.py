"""Changes to site.toml that the controller makes itself: comments kept, the old file put away."""

from pathlib import Path

import tomlkit
from tomlkit.exceptions import TOMLKitError

from sitecontroller.domain.errors import Conflict
from sitecontroller.statedir import StateDir, write_atomically


def add_station(path: Path | None, state_dir: StateDir, station_id: str, circuit_id: str) -> None:
    """Write a new station of one EVSE into site.toml; its wiring is completed by hand.

    `path` None: the configuration came from no file; there is nothing to write. Raises Conflict
    when the file can't be changed.
    """
    if path is None:
        return
    try:
        _add_station(path, state_dir, station_id, circuit_id)
    except (OSError, TOMLKitError) as error:
        raise Conflict(
            f"{path} can't be changed: {error}",
            remedy="Let the controller's user write the file and its folder, then try again",
        ) from error


def _add_station(path: Path, state_dir: StateDir, station_id: str, circuit_id: str) -> None:
    document = tomlkit.parse(path.read_text(encoding="utf-8"))
    evse = tomlkit.table()
    evse.add(tomlkit.comment("complete the wiring: docs/configuration.md"))
    evse.add("id", 1)
    evse.add("phases", "L1L2L3")
    evse.add("current_a_max", 32)
    evse.add("fallback_a", 0)
    evses = tomlkit.aot()
    evses.append(evse)
    station = tomlkit.table()
    station.add("id", station_id)
    station.add("circuit", circuit_id)
    station.add("evses", evses)
    document.setdefault("stations", tomlkit.aot()).append(station)
    state_dir.keep_copy(path)
    write_atomically(path, tomlkit.dumps(document))


def replace_file(state_dir: StateDir, path: Path, text: str) -> None:
    """Write a whole new site.toml. Raises OSError."""
    state_dir.keep_copy(path)
    write_atomically(path, text)
