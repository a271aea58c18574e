"""What a virtual site is made of, and its file `virtual-site.json`.

The physical truth: wiring, what each box speaks and knows, the building's load, the cards of the
drivers. The controller never reads it. The file holds the stations' passwords, so only its owner
may read it.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import orjson

from sitecontroller.domain.errors import ConfigurationError
from sitecontroller.domain.station import OcppVersion
from sitecontroller.domain.topology import Topology
from sitecontroller.simulation.control import StationDescription
from sitecontroller.simulation.plant import BuildingLoadDescription
from sitecontroller.wire import from_json, to_json

FILE_NAME = "virtual-site.json"


@dataclass(frozen=True, slots=True)
class Box:
    """What one station speaks and is called; its wiring stands in the topology."""

    station_id: str
    version: OcppVersion
    password: str | None = None
    vendor: str = "Virtual"
    model: str = "Wallbox"
    behaviour: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SiteDescription:
    """The whole virtual site. `state_dir` is the controller's, relative to the file's folder.

    The meter measures its circuit of the topology; `meter_port` is where it serves, 0 for any.
    A card terminal serves at `terminal_port`; None: there is none.
    `cards` are used by the drivers, one for each EVSE in the order of the topology.
    """

    topology: Topology
    boxes: tuple[Box, ...]
    loads: tuple[BuildingLoadDescription, ...]
    cards: tuple[str, ...]
    meter_id: str
    meter_port: int
    state_dir: str = "state"
    seed: int = 1
    terminal_port: int | None = None

    def stations(self) -> tuple[StationDescription, ...]:
        """Every box with its wiring."""
        return tuple(
            StationDescription(
                station=self.topology.stations[box.station_id],
                version=box.version,
                password=box.password,
                vendor=box.vendor,
                model=box.model,
                serial_number=f"VS{number:06d}",
                behaviour=box.behaviour,
            )
            for number, box in enumerate(self.boxes, start=1)
        )

    @property
    def meter_circuit_id(self) -> str:
        """The circuit that the meter measures."""
        circuits = self.topology.circuits.values()
        return next(c.circuit_id for c in circuits if c.meter_id == self.meter_id)


def write_description(directory: Path, description: SiteDescription) -> Path:
    """Write `virtual-site.json`, readable by its owner alone; whole, or as it was."""
    path, new = directory / FILE_NAME, directory / f"{FILE_NAME}.new"
    text = orjson.dumps(to_json(description), option=orjson.OPT_INDENT_2)
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text + b"\n")
    return new.replace(path)


def read_description(directory: Path) -> SiteDescription:
    """Read it back; ConfigurationError when there is none or it isn't one."""
    path = directory / FILE_NAME
    try:
        return from_json(SiteDescription, orjson.loads(path.read_bytes()))
    except OSError as error:
        raise ConfigurationError(
            f"{path} can't be read: {error.strerror}",
            remedy="Only a demo site has one; make a new one in an empty folder",
        ) from None
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigurationError(
            f"{path} is no virtual site: {error!r}",
            remedy="Make a new demo site in an empty folder",
        ) from None
