"""`site.toml`: what an electrician fixes. Read, checked and named in words; nothing else is here.

Tokens, passwords and tariffs live in the database. An error names the key in the file and the
remedy.
"""

import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sitecontroller.config.files import FileSettings, read_files
from sitecontroller.config.inputs import read_inputs
from sitecontroller.config.limit_sources import LimitSourceSettings, read_limit_sources
from sitecontroller.config.load import LoadSettings, read_load
from sitecontroller.config.ocpp import (
    OcppSettings,
    PlugAndChargeSettings,
    read_ocpp,
    read_plug_and_charge,
)
from sitecontroller.config.planning import PlanningSettings, read_planning
from sitecontroller.config.table import Reader, Table
from sitecontroller.config.till import TillSettings, read_till
from sitecontroller.config.topology import read_topology
from sitecontroller.domain.digital_input import DigitalInput
from sitecontroller.domain.errors import ConfigurationError
from sitecontroller.domain.topology import (
    Topology,
)


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """The local API."""

    host: str = "127.0.0.1"
    port: int = 8080


@dataclass(frozen=True, slots=True)
class SiteConfig:
    """A checked configuration. `state_dir` is absolute."""

    site_id: str
    name: str
    time_zone: str
    currency: str
    country: str
    evse_prefix: str
    demo: bool
    state_dir: Path
    topology: Topology
    ocpp: OcppSettings
    api: ApiSettings
    load: LoadSettings
    files: FileSettings
    plug_and_charge: PlugAndChargeSettings
    planning: PlanningSettings
    limit_sources: tuple[LimitSourceSettings, ...] = ()
    inputs: tuple[DigitalInput, ...] = ()
    till: TillSettings = field(default_factory=TillSettings)

    @property
    def organization(self) -> str:
        """Who owns the stations, as certificates say it."""
        return self.ocpp.security.organization or self.name


def load_config(path: Path) -> SiteConfig:
    """Read and check a site.toml. Raises ConfigurationError with every fault found."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{path} can't be read: {error.strerror}",
            remedy="Check the path, or make a site with: sitecontroller init DIR",
        ) from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(
            f"{path} is not valid TOML: {error}", remedy="Mend the line named above"
        ) from None
    return parse_config(data, base_dir=path.parent, name=str(path))


def parse_config(
    data: dict[str, Any],
    *,
    base_dir: Path,
    name: str = "site.toml",
    reader: Reader | None = None,
) -> SiteConfig:
    """Check a parsed site.toml. Raises ConfigurationError with every fault found; given a `reader`,
    it collects them instead, and what was asked for."""
    judge = reader is None
    reader = reader or Reader()
    root = Table(data, "", reader)
    site = root.table("site")
    time_zone = site.text("time_zone", "Europe/Berlin")
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        reader.fault(
            "site.time_zone", f"'{time_zone}' is no time zone; write one like Europe/Berlin"
        )
    topology = replace(read_topology(root, reader), time_zone=time_zone)
    currency = site.text("currency", "EUR", pattern=r"[A-Z]{3}")
    config = SiteConfig(
        site_id=site.text("id", "SITE"),
        name=site.text("name", "Site"),
        time_zone=time_zone,
        currency=currency,
        country=site.text("country", "DE", pattern=r"[A-Z]{2}"),
        evse_prefix=site.text("evse_prefix", "DE*ABC*E"),
        demo=site.flag("demo", default=False),
        state_dir=(base_dir / site.text("state_dir", "state")).resolve(),
        topology=topology,
        ocpp=read_ocpp(root.table("ocpp"), base_dir),
        api=_api(root.table("api")),
        load=read_load(root.table("load"), topology, time_zone),
        files=read_files(root.table("files")),
        plug_and_charge=read_plug_and_charge(root.table("plug_and_charge")),
        planning=read_planning(root.table("planning"), base_dir),
        limit_sources=read_limit_sources(root, topology, base_dir),
        inputs=read_inputs(root, topology),
        till=read_till(root.table("till"), currency),
    )
    root.no_more()
    if config.ocpp.offline.before_asking:
        _check_nobody_begins_unasked(config.topology, reader)
    if judge:
        reader.raise_if_faulty(name)
    return config


def _check_nobody_begins_unasked(topology: Topology, reader: Reader) -> None:
    """A start that is not asked for gets no room made; with a fallback of 0 it needs none (S1)."""
    drawing = [str(evse.key) for evse in topology.evses() if evse.fallback_a > 0]
    if drawing:
        reader.fault(
            "ocpp.offline.before_asking",
            f"needs fallback_a = 0 at every EVSE; it is more at {', '.join(drawing[:5])}",
        )


def _api(table: Table) -> ApiSettings:
    host = table.text("host", "127.0.0.1")
    if host not in ("127.0.0.1", "::1", "localhost"):
        table.fault(
            "host",
            "beyond this PC the API needs TLS, which this version doesn't have yet; "
            "write 127.0.0.1",
        )
    return ApiSettings(host=host, port=table.integer("port", 8080, low=0, high=65535))
