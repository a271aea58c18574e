"""`[[limit_sources]]` of site.toml: what sets site limits by itself, how it is asked, watched."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import time
from pathlib import Path

from sitecontroller.config.table import Table
from sitecontroller.domain.digital_input import INPUT_PREFIX
from sitecontroller.domain.dimming import guaranteed_w
from sitecontroller.domain.limit_source import CURRENT_A_MAX, POWER_W_MAX, LimitSource
from sitecontroller.domain.lpc import HEARTBEAT_LOST_S, LimitValue, Terms
from sitecontroller.domain.topology import HIGHEST_V, NOMINAL_V, Topology
from sitecontroller.domain.windows import DAYS, WeeklyWindow

_CLOCK = r"([01]\d|2[0-3]):([0-5]\d)"
_URL = r"https?://[^\s@]+"
_FUNCTIONS = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
_TYPES = "u?int(16|32|64)|float(32|64)"
_POINTER = r"(/[^/]*)*"
_TOPIC = r"[^#+\x00-\x1f]{1,200}"


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret is read each time it is needed: a file, or a variable of the environment."""

    file: Path | None = None
    variable: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """How one value becomes a limit. `unit` W, kW or A.

    `dimmed`: the value is a switch, and on means this limit.
    """

    unit: str = "W"
    dimmed: LimitValue | None = None


@dataclass(frozen=True, slots=True)
class HttpSignal:
    """A URL whose JSON is asked for every `poll_s`. Pointers (RFC 6901) None: the usual shape."""

    url: str
    reading: Reading
    poll_s: float
    value: str | None
    until: str | None
    token: Secret
    ca_file: Path | None


@dataclass(frozen=True, slots=True)
class ModbusSignal:
    """A value in registers of a Modbus device, or one of its coils or discrete inputs.

    `function` 1 to 4, `address` from 0. `unlimited`: the raw value that means no limit.
    """

    url: str
    reading: Reading
    poll_s: float
    unit_id: int
    function: int
    address: int
    type: str
    word_order: str
    scale: float
    unlimited: int | None


@dataclass(frozen=True, slots=True)
class MqttSignal:
    """A topic of a broker: a number, a switch, or JSON. `value` None: a number, or the usual JSON.

    `said_at`: JSON pointer to when it was said. `heartbeat_topic`: where heartbeats come.
    `will_topic`: where the sender, or its last will, says `offline`. `by_connection`: the broker's
    connection is contact enough.
    """

    host: str
    port: int
    topic: str
    reading: Reading
    value: str | None
    until: str | None
    said_at: str | None
    heartbeat_topic: str | None
    will_topic: str | None
    by_connection: bool
    tls: bool
    ca_file: Path | None
    username: str | None
    password: Secret


@dataclass(frozen=True, slots=True)
class OpenAdrSignal:
    """A VTN of OpenADR 3, asked every `poll_s`; its `url` ends before `/events`.

    `token_url` None: the VTN tells it, on its own host. `targets` none: every event it lets us see.
    `reading.unit` is for limits whose unit neither event nor programme says.
    """

    url: str
    reading: Reading
    poll_s: float
    programme: str | None
    targets: tuple[str, ...]
    client_id: str | None
    client_secret: Secret
    token_url: str | None
    scope: str | None
    ca_file: Path | None


@dataclass(frozen=True, slots=True)
class WindowsSignal:
    """The same limit in weekly windows on the site's clock."""

    windows: tuple[WeeklyWindow, ...]
    limit: LimitValue


Signal = HttpSignal | ModbusSignal | MqttSignal | OpenAdrSignal | WindowsSignal


@dataclass(frozen=True, slots=True)
class LimitSourceSettings:
    """One source; `voltage_v`: at which its watts become amperes."""

    source_id: str
    kind: str
    source: LimitSource
    circuit_id: str | None
    group_id: str | None
    terms: Terms
    voltage_v: float
    signal: Signal


def read_limit_sources(
    root: Table, topology: Topology, base_dir: Path
) -> tuple[LimitSourceSettings, ...]:
    """All of them, in the order of the file; file names count from `base_dir`."""
    sources: dict[str, LimitSourceSettings] = {}
    for table in root.tables("limit_sources"):
        source = _source(table, topology, base_dir)
        if source is None:
            continue
        if source.source_id in sources:
            table.fault("id", f"'{source.source_id}' is used twice")
        if source.source_id.startswith(INPUT_PREFIX):
            table.fault("id", f"begins with '{INPUT_PREFIX}', which contacts of [[inputs]] do")
        sources[source.source_id] = source
    return tuple(sources.values())


def _source(table: Table, topology: Topology, base_dir: Path) -> LimitSourceSettings | None:
    kind = table.text("kind", None, pattern="|".join(_SIGNALS))
    if kind not in _SIGNALS:
        return None
    circuit_id, group_id = _place(table, topology)
    dimmed = _dimmed(table, topology, group_id)
    reading = Reading("W", dimmed) if dimmed else Reading()
    settings = LimitSourceSettings(
        source_id=table.text("id", None, pattern=r"[A-Za-z0-9_.-]{1,40}"),
        kind=kind,
        source=LimitSource(_who(table, kind)),
        circuit_id=circuit_id,
        group_id=group_id,
        terms=_terms(table),
        voltage_v=table.number(
            "voltage_v",
            NOMINAL_V if table.has("minimum_w_each") else HIGHEST_V,
            low=100,
            high=HIGHEST_V,
        ),
        signal=_SIGNALS[kind](table, reading, base_dir),
    )
    table.no_more()
    return settings


def _who(table: Table, kind: str) -> str:
    usual = LimitSource.TARIFF if kind == "windows" else LimitSource.GRID_OPERATOR
    who = [each for each in LimitSource if each is not LimitSource.ATTENDANT]
    return table.text("source", usual, pattern="|".join(who))


def _place(table: Table, topology: Topology) -> tuple[str | None, str | None]:
    circuit_id, group_id = table.optional_text("circuit"), table.optional_text("group")
    if circuit_id is not None and circuit_id not in topology.circuits:
        table.fault("circuit", f"no circuit has the id '{circuit_id}'; write one of [[circuits]]")
    if group_id is not None and group_id not in topology.groups:
        table.fault("group", f"no group has the id '{group_id}'; write one of [[groups]]")
    if circuit_id is not None and group_id is not None:
        table.fault("group", "stands beside circuit: write one of them")
    if group_id is None and circuit_id is None:
        mains = [each for each in topology.circuits.values() if each.parent_id is None]
        circuit_id = mains[0].circuit_id if mains else None
    return circuit_id, group_id


def _dimmed(table: Table, topology: Topology, group_id: str | None) -> LimitValue | None:
    """What "on" of a switch means; None: the source says values."""
    named = [key for key in ("dimmed_w", "dimmed_a", "minimum_w_each") if table.has(key)]
    each_w = table.optional_number("minimum_w_each", low=1, high=POWER_W_MAX)
    power_w = table.optional_number("dimmed_w", low=0, high=POWER_W_MAX)
    current_a = table.optional_number("dimmed_a", low=0, high=CURRENT_A_MAX)
    if len(named) > 1:
        table.fault(named[1], f"stands beside {named[0]}: write one of them")
    if each_w is not None:
        if group_id not in topology.groups:
            table.fault("minimum_w_each", "is for a group: write group = the controllable outlets")
            return None
        power_w = guaranteed_w(len(topology.members(group_id)), each_w)
    return LimitValue(power_w, current_a) if named else None


def _terms(table: Table) -> Terms:
    failsafe = LimitValue(
        table.optional_number("failsafe_w", low=0, high=POWER_W_MAX),
        table.optional_number("failsafe_a", low=0, high=CURRENT_A_MAX),
    )
    terms = Terms(
        table.number("heartbeat_s", HEARTBEAT_LOST_S, low=2, high=86_400),
        None if failsafe == LimitValue() else failsafe,
        table.optional_number("failsafe_for_s", low=60, high=31 * 86_400),
    )
    if terms.failsafe is None and terms.failsafe_for_s is not None:
        table.fault("failsafe_for_s", "needs a limit to hold: write failsafe_w or failsafe_a")
    return terms


def _http(table: Table, reading: Reading, base_dir: Path) -> HttpSignal:
    poll_s = table.number("poll_s", 30.0, low=1, high=3600)
    _check_pace(table, poll_s)
    return HttpSignal(
        url=table.text("url", None, pattern=_URL),
        reading=_with_unit(table, reading),
        poll_s=poll_s,
        value=table.optional_text("value", pattern=_POINTER),
        until=table.optional_text("until", pattern=_POINTER),
        token=_secret(table, "token", base_dir),
        ca_file=_file(table, "ca_file", base_dir),
    )


def _modbus(table: Table, reading: Reading, base_dir: Path) -> ModbusSignal:
    poll_s = table.number("poll_s", 5.0, low=0.5, high=3600)
    _check_pace(table, poll_s)
    text = table.text("register", None, pattern=r"(coil|discrete|holding|input)/\d{1,5}")
    kind, _, place = text.partition("/")
    signal = ModbusSignal(
        url=table.text("url", None, pattern=r"(tcp|rtutcp)://[^\s/]+:\d+|serial:///?\S+"),
        reading=_with_unit(table, reading),
        poll_s=poll_s,
        unit_id=table.integer("unit_id", 1, low=0, high=255),
        function=_FUNCTIONS.get(kind, 3),
        address=min(int(place or 0), 0xFFFF),
        type=table.text("type", "uint16", pattern=_TYPES),
        word_order=table.text("word_order", "big", pattern="big|little"),
        scale=table.number("scale", 1.0, low=1e-6, high=1e6),
        unlimited=table.integer("unlimited", 0, low=0, high=2**64 - 1)
        if table.has("unlimited")
        else None,
    )
    if kind in ("coil", "discrete") and reading.dimmed is None:
        table.fault("dimmed_w", "is missing: a coil is on or off; write what on means")
    return signal


def _mqtt(table: Table, reading: Reading, base_dir: Path) -> MqttSignal:
    tls = table.flag("tls", default=False)
    signal = MqttSignal(
        host=table.text("host", None, pattern=r"[A-Za-z0-9.:_-]{1,253}"),
        port=table.integer("port", 8883 if tls else 1883, low=1, high=65535),
        topic=table.text("topic", None, pattern=_TOPIC),
        reading=_with_unit(table, reading),
        value=table.optional_text("value", pattern=_POINTER),
        until=table.optional_text("until", pattern=_POINTER),
        said_at=table.optional_text("said_at", pattern=_POINTER),
        heartbeat_topic=table.optional_text("heartbeat_topic", pattern=_TOPIC),
        will_topic=table.optional_text("will_topic", pattern=_TOPIC),
        by_connection=table.text("contact", "messages", pattern="messages|connection")
        == "connection",
        tls=tls,
        ca_file=_file(table, "ca_file", base_dir),
        username=table.optional_text("username", pattern=r"[^\x00-\x1f]{1,200}"),
        password=_secret(table, "password", base_dir),
    )
    if signal.ca_file is not None and not tls:
        table.fault("ca_file", "is for TLS: write tls = true")
    if signal.password != Secret() and signal.username is None:
        table.fault("username", "is missing: a broker takes a password with a user name alone")
    if signal.by_connection and signal.heartbeat_topic is not None:
        table.fault("heartbeat_topic", 'needs contact = "messages"')
    return signal


def _openadr(table: Table, reading: Reading, base_dir: Path) -> OpenAdrSignal:
    poll_s = table.number("poll_s", 30.0, low=1, high=3600)
    _check_pace(table, poll_s)
    signal = OpenAdrSignal(
        url=table.text("url", None, pattern=_URL).rstrip("/"),
        reading=Reading(table.text("unit", "kW", pattern="W|kW|A"), reading.dimmed),
        poll_s=poll_s,
        programme=table.optional_text("program", pattern=r"[A-Za-z0-9_-]{1,128}"),
        targets=table.texts("targets", pattern=r".{1,128}"),
        client_id=table.optional_text("client_id", pattern=r".{1,4096}"),
        client_secret=_secret(table, "client_secret", base_dir),
        token_url=table.optional_text("token_url", pattern=_URL),
        scope=table.optional_text("scope", pattern=r".{1,400}"),
        ca_file=_file(table, "ca_file", base_dir),
    )
    if (signal.client_id is None) is not (signal.client_secret == Secret()):
        table.fault("client_id", "goes with client_secret_file or client_secret_env: write both")
    return signal


def _windows(table: Table, reading: Reading, base_dir: Path) -> WindowsSignal:
    windows = []
    for text in table.texts("windows", pattern=r".{1,60}"):
        window = _window(text)
        if window is None:
            table.fault("windows", f"'{text}' is no window: write \"Mo-Fr 17:00-20:00\"")
        else:
            windows.append(window)
    if not table.has("windows"):
        table.fault("windows", 'is missing: write ["Mo-Fr 17:00-20:00"]')
    if reading.dimmed is None:
        table.fault("dimmed_w", "is missing: write the limit in the windows, dimmed_w or dimmed_a")
    return WindowsSignal(tuple(windows), reading.dimmed or LimitValue())


def _window(text: str) -> WeeklyWindow | None:
    match = re.fullmatch(rf"(\w\w(?:[-,]\w\w)*) {_CLOCK}-{_CLOCK}", text)
    if match is None:
        return None
    days: set[int] = set()
    for part in match[1].split(","):
        ends = part.split("-")
        if len(ends) > 2 or any(day not in DAYS for day in ends):
            return None
        first, last = DAYS.index(ends[0]), DAYS.index(ends[-1])
        days |= {(first + number) % 7 for number in range((last - first) % 7 + 1)}
    starts, ends_at = time(int(match[2]), int(match[3])), time(int(match[4]), int(match[5]))
    return WeeklyWindow(frozenset(days), starts, ends_at)


def _with_unit(table: Table, reading: Reading) -> Reading:
    unit = table.text("unit", "W", pattern="W|kW|A")
    if reading.dimmed is not None and table.has("unit"):
        table.fault("unit", "is for values; with dimmed_w, dimmed_a or minimum_w_each it is on/off")
    return Reading(unit, reading.dimmed)


def _check_pace(table: Table, poll_s: float) -> None:
    heartbeat_s = table.number("heartbeat_s", HEARTBEAT_LOST_S, low=2, high=86_400)
    if poll_s * 2 > heartbeat_s:
        table.fault("poll_s", f"is at most half of heartbeat_s, {heartbeat_s / 2:g}")


def _secret(table: Table, name: str, base_dir: Path) -> Secret:
    secret = Secret(
        _file(table, f"{name}_file", base_dir),
        table.optional_text(f"{name}_env", pattern=r"[A-Za-z_][A-Za-z0-9_]*"),
    )
    if secret.file is not None and secret.variable is not None:
        table.fault(f"{name}_env", f"stands beside {name}_file: write one of them")
    return secret


def _file(table: Table, key: str, base_dir: Path) -> Path | None:
    """A file that must be there; its name counts from where site.toml is."""
    name = table.optional_text(key)
    if name is None:
        return None
    path = (base_dir / name).resolve()
    if not path.is_file():
        table.fault(key, f"there is no file {path}")
    return path


_SIGNALS: Mapping[str, Callable[[Table, Reading, Path], Signal]] = {
    "http": _http,
    "modbus": _modbus,
    "mqtt": _mqtt,
    "openadr3": _openadr,
    "windows": _windows,
}
