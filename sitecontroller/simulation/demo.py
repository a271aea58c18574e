"""Makes a site on disk: the demo with twelve virtual stations, or an empty one to fill in.

`site.toml` is written for the eyes of an electrician, `virtual-site.json` for the process that
plays the stations. What belongs into the database (passwords, cards, the tariff) is returned, not
stored: the caller does that.
"""

import secrets
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from random import Random

from sitecontroller.config import load_config
from sitecontroller.domain.authorization import IdTokenType, TokenRecord
from sitecontroller.domain.errors import ConfigurationError
from sitecontroller.domain.station import OcppVersion
from sitecontroller.domain.tariff import PriceComponent, Tariff, TariffDimension
from sitecontroller.simulation.description import Box, SiteDescription, write_description
from sitecontroller.simulation.plant import BuildingLoadDescription
from sitecontroller.simulation.templates import DEMO_HEAD, EMPTY_SITE, STATION, TILL

CONFIG_NAME = "site.toml"
OCPP_PORT, API_PORT, METER_PORT, TERMINAL_PORT = 9000, 8080, 5020, 20007
PORTS_TRIED_MAX = 100
SEED = 1
METER_ID = "grid"
TARIFF_SINCE = datetime(2025, 1, 1, tzinfo=UTC)

BASE_LOW_A, BASE_HIGH_A = 8.0, 24.0
WORST_BASE_A = 25
"""What `site.toml` promises of the building, a little above what it does."""


@dataclass(frozen=True, slots=True)
class DemoSite:
    """What was written, and what `init` still has to store: `passwords` by station id."""

    config_path: Path
    description_path: Path
    description: SiteDescription
    passwords: dict[str, str]
    tokens: tuple[TokenRecord, ...]
    tariff: Tariff


@dataclass(frozen=True, slots=True)
class _Wallbox:
    """One row of the demo. `current_a` and `fallback_a` per phase."""

    circuit_id: str
    version: OcppVersion
    vendor: str
    model: str
    phases: str
    current_a: int
    fallback_a: int = 0
    supply: str = "AC"


_V16, _V201, _V21 = OcppVersion
_WALLBOXES = (
    _Wallbox("north", _V16, "Virtual", "Wallbox 22", "L1L2L3", 32, fallback_a=6),
    _Wallbox("north", _V16, "Virtual", "Wallbox 22", "L2L3L1", 32),
    _Wallbox("north", _V16, "Virtual", "Wallbox 11", "L3L1L2", 16),
    _Wallbox("north", _V16, "Virtual", "Socket 7", "L2", 32, fallback_a=6),
    _Wallbox("north", _V16, "Virtual", "Wallbox 11", "L2L3L1", 16),
    _Wallbox("north", _V201, "Imaginary", "Column 22", "L3L1L2", 32),
    _Wallbox("south", _V16, "Virtual", "Wallbox 22", "L1L2L3", 32, fallback_a=6),
    _Wallbox("south", _V16, "Virtual", "Wallbox 11", "L2L3L1", 16),
    _Wallbox("south", _V16, "Virtual", "Socket 4", "L3", 16, fallback_a=6),
    _Wallbox("south", _V201, "Imaginary", "Column 22", "L3L1L2", 32),
    _Wallbox("south", _V21, "Imaginary", "Column 11", "L1L2L3", 16),
    _Wallbox("south", _V201, "Imaginary", "Rapid 20", "L1L2L3", 32, supply="DC"),
)
_HOLDERS = (
    "Anna Berg", "Boris Claus", "Carla Dorn", "David Ernst", "Eva Fuchs", "Felix Graf",
    "Greta Hahn", "Hugo Immel", "Ida Jung", "Jan Kraus", "Klara Lenz", "Lars Mohn",
    "Pool car 1", "Pool car 2", "Visitors", "Caretaker",
)  # fmt: skip


def make_demo_site(
    directory: Path,
    *,
    ocpp_port: int = OCPP_PORT,
    api_port: int = API_PORT,
    meter_port: int | None = None,
) -> DemoSite:
    """Write the demo site into `directory`, which is made if need be.

    0 lets the controller choose its OCPP or API port. The meter's port must be known to both
    sides: without one the first free port from 5020 on is taken, and one for a card terminal from
    20007 on; with one there is no terminal. ConfigurationError when there is
    a site.toml already.
    """
    path = _new_config(directory)
    terminal_port = None
    if meter_port is None:
        meter_port, terminal_port = free_port(METER_PORT), free_port(TERMINAL_PORT)
    text = _demo_toml(ocpp_port, api_port, meter_port, terminal_port)
    path.write_text(text, encoding="utf-8")
    topology = load_config(path).topology
    passwords = {station_id: secrets.token_hex(16) for station_id in topology.stations}
    tokens = _tokens()
    description = SiteDescription(
        topology=topology,
        boxes=tuple(
            Box(station_id, box.version, passwords[station_id], box.vendor, box.model)
            for station_id, box in zip(topology.stations, _WALLBOXES, strict=True)
        ),
        loads=(BuildingLoadDescription("main", BASE_LOW_A, BASE_HIGH_A),),
        cards=tuple(token.id_token for token in tokens),
        meter_id=METER_ID,
        meter_port=meter_port,
        seed=SEED,
        terminal_port=terminal_port,
    )
    written = write_description(directory, description)
    return DemoSite(path, written, description, passwords, tokens, _tariff())


def init_site(directory: Path) -> Path:
    """Write a commented site.toml for a real site: one fuse, one meter, no stations yet.

    ConfigurationError when there is one already.
    """
    path = _new_config(directory)
    path.write_text(EMPTY_SITE, encoding="utf-8")
    return path


def free_port(first: int) -> int:
    """The first port of this PC from `first` on that nobody listens on."""
    for port in range(first, first + PORTS_TRIED_MAX):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise ConfigurationError(
        f"no free port from {first} to {first + PORTS_TRIED_MAX - 1}",
        remedy="End the programs that hold them, or name one with meter_port",
    )


def _new_config(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / CONFIG_NAME
    if path.exists():
        raise ConfigurationError(
            f"{path} is there already",
            remedy="Take another folder, or move this one away: nothing is overwritten",
        )
    return path


def _demo_toml(ocpp_port: int, api_port: int, meter_port: int, terminal_port: int | None) -> str:
    head = DEMO_HEAD.format(
        ocpp_port=ocpp_port,
        api_port=api_port,
        meter_port=meter_port,
        meter_id=METER_ID,
        worst_base_a=WORST_BASE_A,
        till="" if terminal_port is None else TILL.format(terminal_port=terminal_port),
    )
    stations = (
        STATION.format(
            station_id=f"CP-{number:02d}",
            bay=f"P1-{number:02d}",
            name=f"{box.model} at P1-{number:02d}",
            circuit=box.circuit_id,
            supply=box.supply,
            phases=box.phases,
            current_a=box.current_a,
            fallback_a=box.fallback_a,
        )
        for number, box in enumerate(_WALLBOXES, start=1)
    )
    return head + "".join(stations)


def _tokens() -> tuple[TokenRecord, ...]:
    """Card numbers as a reader gives them: seven bytes, the first the maker's."""
    random = Random(f"cards {SEED}")
    return tuple(
        TokenRecord(f"04{random.getrandbits(48):012X}", IdTokenType.ISO14443, label=holder)
        for holder in _HOLDERS
    )


def _tariff() -> Tariff:
    """0.49 € a kWh and 0.50 € a session, VAT of 19 % included."""
    vat_percent = Decimal(19)
    return Tariff(
        tariff_id="standard",
        version=1,
        name="Standard",
        currency="EUR",
        components=(
            PriceComponent(TariffDimension.ENERGY, Decimal("0.49"), vat_percent),
            PriceComponent(TariffDimension.FLAT, Decimal("0.50"), vat_percent),
        ),
        valid_from=TARIFF_SINCE,
    )
