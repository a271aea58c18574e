"""`site.toml`: what an electrician fixes. Read, checked and named in words; nothing else is here.

Tokens, passwords and tariffs live in the database. An error names the key in the file and the
remedy.
"""

import tomllib
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sitecontroller.config_groups import read_groups
from sitecontroller.config_table import Reader, Table
from sitecontroller.domain.errors import ConfigurationError
from sitecontroller.domain.ids import is_station_id
from sitecontroller.domain.topology import (
    ChargingStation,
    Circuit,
    Evse,
    LimitUnit,
    Meter,
    PhaseMap,
    Supply,
    Topology,
)


@dataclass(frozen=True, slots=True)
class SecuritySettings:
    """How stations prove who they are, and the site's own certificates.

    `profile_min`: the least security profile that any station may come with. `names`: host names
    and addresses by which stations call this controller, beside those the PC has. `organization`
    "": the site's name. `client_roots`: a PEM file of further authorities whose station
    certificates are taken.
    """

    tls: bool = True
    profile_min: int = 0
    names: tuple[str, ...] = ()
    organization: str = ""
    client_roots: Path | None = None


@dataclass(frozen=True, slots=True)
class PlugAndChargeSettings:
    """What is answered to cars that identify themselves.

    `unknown_contracts` "accept": a contract that the site doesn't know may charge when its root is
    trusted, up to `unknown_limit` (0: no limit) of the site's currency. `revocation` "strict":
    without proof that a certificate is not revoked nobody charges; "soft": only a proven revocation
    counts. `revocation_urls`: below what URLs responders and lists may be asked; none: nobody.
    """

    unknown_contracts: str = "refuse"
    unknown_limit: Decimal = Decimal(20)
    revocation: str = "strict"
    revocation_urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OfflineSettings:
    """What stations are told to do with cards when they have no contact, and before they ask.

    `unknown_cards`: any card may charge. `known_cards`: those on their list or in their cache may.
    `before_asking`: those may also begin while the station has contact, without its asking first;
    only at a site whose fallbacks are 0, as no room is made for them before. `amount_max`, in the
    site's currency: what an unknown card may have charged before a person is told.
    """

    unknown_cards: bool = False
    known_cards: bool = True
    before_asking: bool = False
    amount_max: Decimal = Decimal(20)


@dataclass(frozen=True, slots=True)
class OcppSettings:
    """The port for stations. Times in seconds."""

    host: str = "0.0.0.0"
    port: int = 9000
    heartbeat_interval_s: int = 300
    sample_interval_s: int = 10
    ping_interval_s: float | None = 20.0
    allow_missing_subprotocol: bool = True
    requests: str = "repair"
    answers: str = "repair"
    """What is done with messages and answers that break their schema: strict, repair, accept."""
    call_timeout_s: float = 30.0
    quirks: Path | None = None
    """The site's own findings about models, besides those that come with the controller."""
    self_healing: bool = True
    """Whether faults that the catalogue allows it for are healed by the controller itself."""
    security: SecuritySettings = field(default_factory=SecuritySettings)
    offline: OfflineSettings = field(default_factory=OfflineSettings)


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """The local API."""

    host: str = "127.0.0.1"
    port: int = 8080


@dataclass(frozen=True, slots=True)
class FileSettings:
    """Firmware for stations and logs of theirs. `host` "": as for OCPP; a port of 0: any free one.

    `public_url`: what stations are told instead of this PC's address. `firmware_urls`: below what
    URLs firmware may be taken from elsewhere; none: nowhere but the library.
    """

    host: str = ""
    http_port: int = 0
    https_port: int = 0
    ftp: bool = True
    ftp_port: int = 0
    ftps_port: int = 0
    passive_ports: range | None = None
    public_url: str = ""
    quota_mb: int = 4000
    log_mb_max: int = 200
    firmware_mb_max: int = 1000
    keep_days: int = 90
    firmware_urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """Load management. `lease_s` 120 to 900; `fail_safe` "slow" (fallbacks) or "stop" (0 A)."""

    lease_s: int = 300
    fail_safe: str = "slow"
    reaction_s: float = 10.0


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


def parse_config(data: dict[str, Any], *, base_dir: Path, name: str = "site.toml") -> SiteConfig:
    """Check a parsed site.toml."""
    reader = Reader()
    root = Table(data, "", reader)
    site = root.table("site")
    time_zone = site.text("time_zone", "Europe/Berlin")
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        reader.fault(
            "site.time_zone", f"'{time_zone}' is no time zone; write one like Europe/Berlin"
        )
    config = SiteConfig(
        site_id=site.text("id", "SITE"),
        name=site.text("name", "Site"),
        time_zone=time_zone,
        currency=site.text("currency", "EUR", pattern=r"[A-Z]{3}"),
        country=site.text("country", "DE", pattern=r"[A-Z]{2}"),
        evse_prefix=site.text("evse_prefix", "DE*ABC*E"),
        demo=site.flag("demo", default=False),
        state_dir=(base_dir / site.text("state_dir", "state")).resolve(),
        topology=_topology(root, reader),
        ocpp=_ocpp(root.table("ocpp"), base_dir),
        api=_api(root.table("api")),
        load=_load(root.table("load")),
        files=_files(root.table("files")),
        plug_and_charge=_plug_and_charge(root.table("plug_and_charge")),
    )
    root.no_more()
    if config.ocpp.offline.before_asking:
        _check_nobody_begins_unasked(config.topology, reader)
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


def _ocpp(table: Table, base_dir: Path) -> OcppSettings:
    ping_s = table.number("ping_interval_s", 20.0, low=0, high=3600)
    return OcppSettings(
        host=table.text("host", "0.0.0.0"),
        port=table.integer("port", 9000, low=0, high=65535),
        heartbeat_interval_s=table.integer("heartbeat_interval_s", 300, low=10, high=86400),
        sample_interval_s=table.integer("sample_interval_s", 10, low=1, high=900),
        ping_interval_s=ping_s or None,
        requests=table.text("requests", "repair", pattern="strict|repair|accept"),
        answers=table.text("answers", "repair", pattern="strict|repair|accept"),
        allow_missing_subprotocol=table.flag("allow_missing_subprotocol", default=True),
        call_timeout_s=table.number("call_timeout_s", 30.0, low=1, high=600),
        security=_security(table.table("security"), base_dir),
        quirks=_file(table, "quirks", base_dir),
        self_healing=table.flag("self_healing", default=True),
        offline=_offline(table.table("offline")),
    )


def _file(table: Table, key: str, base_dir: Path) -> Path | None:
    """A file that must be there; its name counts from where site.toml is."""
    name = table.optional_text(key)
    if name is None:
        return None
    path = (base_dir / name).resolve()
    if not path.is_file():
        table.fault(key, f"there is no file {path}")
    return path


def _offline(table: Table) -> OfflineSettings:
    settings = OfflineSettings(
        unknown_cards=table.flag("unknown_cards", default=False),
        known_cards=table.flag("known_cards", default=True),
        before_asking=table.flag("before_asking", default=False),
        amount_max=Decimal(str(table.number("amount_max", 20.0, low=0, high=10_000))),
    )
    table.no_more()
    return settings


def _security(table: Table, base_dir: Path) -> SecuritySettings:
    settings = SecuritySettings(
        tls=table.flag("tls", default=True),
        profile_min=table.integer("profile_min", 0, low=0, high=3),
        names=table.texts("names", pattern=r"[A-Za-z0-9._-]{1,64}|[0-9a-fA-F:]{2,39}"),
        organization=table.text("organization", "", pattern=r"[^\x00-\x1f]{0,64}"),
        client_roots=_file(table, "client_roots", base_dir),
    )
    if settings.profile_min >= 2 and not settings.tls:
        table.fault("profile_min", "profiles 2 and 3 need TLS: write tls = true")
    table.no_more()
    return settings


def _plug_and_charge(table: Table) -> PlugAndChargeSettings:
    settings = PlugAndChargeSettings(
        unknown_contracts=table.text("unknown_contracts", "refuse", pattern="refuse|accept"),
        unknown_limit=Decimal(str(table.number("unknown_limit", 20.0, low=0, high=10_000))),
        revocation=table.text("revocation", "strict", pattern="strict|soft"),
        revocation_urls=table.texts(
            "revocation_urls", pattern=r"https?://[^/\s@?#]+(?:/[^\s@?#]*)?"
        ),
    )
    table.no_more()
    return settings


def _api(table: Table) -> ApiSettings:
    host = table.text("host", "127.0.0.1")
    if host not in ("127.0.0.1", "::1", "localhost"):
        table.fault(
            "host",
            "beyond this PC the API needs TLS, which this version doesn't have yet; "
            "write 127.0.0.1",
        )
    return ApiSettings(host=host, port=table.integer("port", 8080, low=0, high=65535))


def _files(table: Table) -> FileSettings:
    pattern = r"(?:http://[^/\s@?#]+(?:/[^\s@?#]*)?)?"
    return FileSettings(
        host=table.text("host", ""),
        http_port=table.integer("http_port", 0, low=0, high=65535),
        https_port=table.integer("https_port", 0, low=0, high=65535),
        ftp=table.flag("ftp", default=True),
        ftp_port=table.integer("ftp_port", 0, low=0, high=65535),
        ftps_port=table.integer("ftps_port", 0, low=0, high=65535),
        passive_ports=_port_range(table),
        public_url=table.text("public_url", "", pattern=pattern),
        quota_mb=table.integer("quota_mb", 4000, low=10, high=1_000_000),
        log_mb_max=table.integer("log_mb_max", 200, low=1, high=100_000),
        firmware_mb_max=table.integer("firmware_mb_max", 1000, low=1, high=100_000),
        keep_days=table.integer("keep_days", 90, low=1, high=3650),
        firmware_urls=table.texts(
            "firmware_urls", pattern=r"(?:https?|ftps?)://[^/\s@?#]+/[^\s@?#]*"
        ),
    )


def _port_range(table: Table) -> range | None:
    text = table.text("ftp_passive_ports", "", pattern=r"(?:\d{1,5}-\d{1,5})?")
    if not text:
        return None
    low, high = map(int, text.split("-"))
    if not 1024 <= low <= high <= 65535:
        table.fault("ftp_passive_ports", f"'{text}' is no range of ports from 1024 to 65535")
        return None
    return range(low, high + 1)


def _load(table: Table) -> LoadSettings:
    return LoadSettings(
        lease_s=table.integer("lease_s", 300, low=120, high=900),
        fail_safe=table.text("fail_safe", "slow", pattern="slow|stop"),
        reaction_s=table.number("reaction_s", 10.0, low=2, high=60),
    )


def _topology(root: Table, reader: "Reader") -> Topology:
    meters = {m.meter_id: m for m in map(_meter, root.tables("meters"))}
    circuits: dict[str, Circuit] = {}
    for table in root.tables("circuits"):
        circuit = _circuit(table, meters)
        if circuit.circuit_id in circuits:
            table.fault("id", f"'{circuit.circuit_id}' is used twice")
        elif circuit.parent_id is not None and circuit.parent_id not in circuits:
            table.fault("parent", f"no circuit '{circuit.parent_id}' stands above this one")
        circuits[circuit.circuit_id] = circuit
    roots = [c.circuit_id for c in circuits.values() if c.parent_id is None]
    if len(roots) != 1:
        reader.fault(
            "circuits",
            f"needs exactly one circuit without 'parent' (the main fuse), has {len(roots)}",
        )
    stations: dict[str, ChargingStation] = {}
    for table in root.tables("stations"):
        station = _station(table, circuits)
        if station.station_id.casefold() in (known.casefold() for known in stations):
            table.fault("id", f"'{station.station_id}' is used twice")
        stations[station.station_id] = station
    return Topology(circuits, stations, meters, read_groups(root, circuits, stations))


def _circuit(table: Table, meters: dict[str, Meter]) -> Circuit:
    limit_a = table.per_phase("limit_a", None, low=1, high=6300)
    meter_id = table.optional_text("meter")
    if meter_id is not None and meter_id not in meters:
        table.fault("meter", f"no meter has the id '{meter_id}'")
    circuit = Circuit(
        circuit_id=table.text("id", None, pattern=r"[A-Za-z0-9_-]{1,40}"),
        name=table.text("name", table.peek("id")),
        parent_id=table.optional_text("parent"),
        limit_a=limit_a,
        margin_a=table.number("margin_a", max(1.0, 0.02 * min(limit_a)), low=0, high=min(limit_a)),
        meter_id=meter_id,
        worst_base_a=table.per_phase("worst_base_a", 0.0, low=0, high=6300),
        imbalance_a=table.optional_number("imbalance_a", low=1, high=6300),
    )
    table.no_more()
    return circuit


def _meter(table: Table) -> Meter:
    meter = Meter(
        meter_id=table.text("id", None, pattern=r"[A-Za-z0-9_-]{1,40}"),
        name=table.text("name", table.peek("id")),
        model=table.text("model", None),
        url=table.text("url", None, pattern=r"(tcp|rtutcp)://[^\s/]+:\d+|serial:///?\S+"),
        unit_id=table.integer("unit_id", 1, low=0, high=255),
        period_s=table.number("period_s", 1.0, low=0.2, high=60),
        phase_map=table.phases("phases", PhaseMap()),
        ct_ratio=table.number("ct_ratio", 1.0, low=0.001, high=100000),
        reversed=table.flag("reversed", default=False),
    )
    table.no_more()
    return meter


def _station(table: Table, circuits: dict[str, Circuit]) -> ChargingStation:
    station_id = table.text("id", None)
    if not is_station_id(station_id):
        table.fault("id", "1 to 48 of A-Z a-z 0-9 * _ = : + | @ . -")
    circuit_id = table.text("circuit", None)
    if circuit_id not in circuits:
        table.fault("circuit", f"no circuit has the id '{circuit_id}'")
    station = ChargingStation(
        station_id=station_id,
        name=table.text("name", station_id),
        version_pin=table.optional_text("version", pattern=r"1\.6|2\.0\.1|2\.1"),
        profile_min=table.integer("security_profile", 0, low=0, high=3),
        evses=tuple(
            _evse(evse, station_id, circuit_id, number)
            for number, evse in enumerate(table.tables("evses"), start=1)
        ),
    )
    if not station.evses:
        table.fault("evses", "a station needs at least one EVSE: add [[stations.evses]]")
    table.no_more()
    return station


def _evse(table: Table, station_id: str, circuit_id: str, number: int) -> Evse:
    supply = Supply(table.text("supply", "AC", pattern="AC|DC") or "AC")
    current_a_min = table.number("current_a_min", 6.0, low=0.5, high=500)
    current_a_max = table.number("current_a_max", 32.0, low=current_a_min, high=1000)
    fallback_a = table.number("fallback_a", 0.0, low=0, high=current_a_max)
    if 0 < fallback_a < current_a_min:
        table.fault(
            "fallback_a",
            f"is 0 or at least the minimum of {current_a_min:g} A: a car can't charge with less",
        )
    evse = Evse(
        station_id=station_id,
        evse_id=table.integer("id", number, low=1, high=100),
        circuit_id=circuit_id,
        bay=table.text("bay", ""),
        supply=supply,
        phase_map=table.phases("phases", PhaseMap()),
        current_a_min=current_a_min,
        current_a_max=current_a_max,
        step_a=table.number("step_a", 0.1, low=0.1, high=10),
        limit_unit=LimitUnit(
            table.text("limit_unit", "W" if supply is Supply.DC else "A", pattern="A|W") or "A"
        ),
        fallback_a=fallback_a,
        weight=table.number("weight", 1.0, low=0.01, high=100),
        efficiency=table.number(
            "efficiency", 0.92 if supply is Supply.DC else 1.0, low=0.5, high=1
        ),
        connector_type=table.text("connector", "CCS" if supply is Supply.DC else "Type2"),
    )
    if supply is Supply.DC and evse.limit_unit is LimitUnit.A:
        table.fault("limit_unit", "is W for a DC outlet: its amperes are not the grid's")
    table.no_more()
    return evse
