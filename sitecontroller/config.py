"""`site.toml`: what an electrician fixes. Read, checked and named in words; nothing else is here.

Tokens, passwords and tariffs live in the database. An error names the key in the file and the
remedy.
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sitecontroller.domain.errors import ConfigurationError, FieldError
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
class OcppSettings:
    """The port for stations. Times in seconds."""

    host: str = "0.0.0.0"
    port: int = 9000
    heartbeat_interval_s: int = 300
    sample_interval_s: int = 10
    ping_interval_s: float | None = 20.0
    allow_missing_subprotocol: bool = True
    call_timeout_s: float = 30.0


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """The local API."""

    host: str = "127.0.0.1"
    port: int = 8080


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
    reader = _Reader()
    root = _Table(data, "", reader)
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
        ocpp=_ocpp(root.table("ocpp")),
        api=_api(root.table("api")),
        load=_load(root.table("load")),
    )
    root.no_more()
    reader.raise_if_faulty(name)
    return config


def _ocpp(table: "_Table") -> OcppSettings:
    ping_s = table.number("ping_interval_s", 20.0, low=0, high=3600)
    return OcppSettings(
        host=table.text("host", "0.0.0.0"),
        port=table.integer("port", 9000, low=0, high=65535),
        heartbeat_interval_s=table.integer("heartbeat_interval_s", 300, low=10, high=86400),
        sample_interval_s=table.integer("sample_interval_s", 10, low=1, high=900),
        ping_interval_s=ping_s or None,
        allow_missing_subprotocol=table.flag("allow_missing_subprotocol", default=True),
        call_timeout_s=table.number("call_timeout_s", 30.0, low=1, high=600),
    )


def _api(table: "_Table") -> ApiSettings:
    host = table.text("host", "127.0.0.1")
    if host not in ("127.0.0.1", "::1", "localhost"):
        table.fault(
            "host",
            "beyond this PC the API needs TLS, which this version doesn't have yet; "
            "write 127.0.0.1",
        )
    return ApiSettings(host=host, port=table.integer("port", 8080, low=0, high=65535))


def _load(table: "_Table") -> LoadSettings:
    return LoadSettings(
        lease_s=table.integer("lease_s", 300, low=120, high=900),
        fail_safe=table.text("fail_safe", "slow", pattern="slow|stop"),
        reaction_s=table.number("reaction_s", 10.0, low=2, high=60),
    )


def _topology(root: "_Table", reader: "_Reader") -> Topology:
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
    return Topology(circuits, stations, meters)


def _circuit(table: "_Table", meters: dict[str, Meter]) -> Circuit:
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
    )
    table.no_more()
    return circuit


def _meter(table: "_Table") -> Meter:
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


def _station(table: "_Table", circuits: dict[str, Circuit]) -> ChargingStation:
    station_id = table.text("id", None)
    if not is_station_id(station_id):
        table.fault("id", "1 to 48 of A-Z a-z 0-9 * _ = : + | @ . -")
    circuit_id = table.text("circuit", None)
    if circuit_id not in circuits:
        table.fault("circuit", f"no circuit has the id '{circuit_id}'")
    station = ChargingStation(
        station_id=station_id,
        name=table.text("name", station_id),
        version_pin=table.optional_text("version", pattern=r"1\.6|2\.0\.1"),
        evses=tuple(
            _evse(evse, station_id, circuit_id, number)
            for number, evse in enumerate(table.tables("evses"), start=1)
        ),
    )
    if not station.evses:
        table.fault("evses", "a station needs at least one EVSE: add [[stations.evses]]")
    table.no_more()
    return station


def _evse(table: "_Table", station_id: str, circuit_id: str, number: int) -> Evse:
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
    table.no_more()
    return evse


class _Reader:
    """Collects faults so that all are told at once."""

    def __init__(self) -> None:
        self.faults: list[FieldError] = []

    def fault(self, key: str, message: str) -> None:
        self.faults.append(FieldError(key, message))

    def raise_if_faulty(self, name: str) -> None:
        if not self.faults:
            return
        lines = "; ".join(f"{fault.field}: {fault.message}" for fault in self.faults)
        raise ConfigurationError(
            f"{name} has {len(self.faults)} fault(s): {lines}",
            remedy="Mend the keys named and start again; docs/configuration.md explains each",
            errors=tuple(self.faults),
        )


class _Table:
    """One table of the file; remembers which keys were read, so that a misspelt one is named."""

    def __init__(self, data: dict[str, Any], path: str, reader: _Reader) -> None:
        self._data, self._path, self._reader = data, path, reader
        self._read: set[str] = set()

    def fault(self, key: str, message: str) -> None:
        self._reader.fault(f"{self._path}.{key}".lstrip("."), message)

    def peek(self, key: str) -> str:
        return str(self._data.get(key, ""))

    def table(self, key: str) -> "_Table":
        value = self._value(key, {})
        if not isinstance(value, dict):
            self.fault(key, f"is a table: write [{key}]")
            value = {}
        return _Table(value, f"{self._path}.{key}".lstrip("."), self._reader)

    def tables(self, key: str) -> list["_Table"]:
        value = self._value(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.fault(key, f"is a list of tables: write [[{key}]]")
            return []
        prefix = f"{self._path}.{key}".lstrip(".")
        return [
            _Table(item, f"{prefix}[{item.get('id', number)}]", self._reader)
            for number, item in enumerate(value, start=1)
        ]

    def text(self, key: str, default: str | None, *, pattern: str | None = None) -> str:
        value = self._value(key, default)
        if value is None:
            self.fault(key, "is missing")
            return ""
        if not isinstance(value, str):
            self.fault(key, f"is text in quotes, not {value!r}")
            return default or ""
        if pattern is not None and re.fullmatch(pattern, value) is None:
            self.fault(key, f"'{value}' does not fit; allowed: {pattern}")
            return default or ""
        return value

    def optional_text(self, key: str, *, pattern: str | None = None) -> str | None:
        return self.text(key, None, pattern=pattern) if key in self._data else None

    def flag(self, key: str, *, default: bool) -> bool:
        value = self._value(key, default)
        if not isinstance(value, bool):
            self.fault(key, f"is true or false, not {value!r}")
            return default
        return value

    def number(self, key: str, default: float, *, low: float, high: float) -> float:
        value = self._value(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fault(key, f"is a number, not {value!r}")
            return default
        if not low <= value <= high:
            self.fault(key, f"{value:g} is outside {low:g} to {high:g}")
            return default
        return float(value)

    def integer(self, key: str, default: int, *, low: int, high: int) -> int:
        value = self._value(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.fault(key, f"is a whole number from {low} to {high}, not {value!r}")
            return default
        return value

    def per_phase(
        self, key: str, default: float | None, *, low: float, high: float
    ) -> tuple[float, float, float]:
        value = self._value(key, default)
        values = value if isinstance(value, list) else [value] * 3
        fits = len(values) == 3 and all(
            isinstance(v, int | float) and not isinstance(v, bool) and low <= v <= high
            for v in values
        )
        if not fits:
            self.fault(
                key, f"is one number or three [L1, L2, L3] from {low:g} to {high:g}, not {value!r}"
            )
            return (low, low, low)
        return (float(values[0]), float(values[1]), float(values[2]))

    def phases(self, key: str, default: PhaseMap) -> PhaseMap:
        text = self.text(key, str(default))
        try:
            return PhaseMap.parse(text)
        except ValueError as error:
            self.fault(key, str(error))
            return default

    def no_more(self) -> None:
        for key in self._data.keys() - self._read:
            self.fault(key, "is not a key of this table: is it misspelt?")

    def _value(self, key: str, default: Any) -> Any:
        self._read.add(key)
        return self._data.get(key, default)
