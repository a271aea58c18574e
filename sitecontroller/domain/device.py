"""What a station is set to: its variables, snapshots of them, and what people ask about both.

A variable is named as OCPP 2.x builds it: "Component.Variable", with instances, EVSE and connector
where it has them: "Component@instance[1/2].Variable@instance". "#Target", "#MinSet" or "#MaxSet"
behind it means that attribute of it. A 1.6 setting is its bare key. What is secret has no value
here: it is never read further than the station's door.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sitecontroller.domain.commands import Command, ResetType, StationRequest
from sitecontroller.domain.queries import Query

NOW = "now"
"""In place of a snapshot's key: what the station says when it is asked."""


class Mutability(StrEnum):
    """OCPP 2.0.1 MutabilityEnumType."""

    READ_ONLY = "ReadOnly"
    WRITE_ONLY = "WriteOnly"
    READ_WRITE = "ReadWrite"


@dataclass(frozen=True, slots=True)
class Attribute:
    """Target, MinSet or MaxSet of a variable."""

    value: str | None = None
    mutability: Mutability = Mutability.READ_WRITE


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable as a station tells it. `value` is its actual one; None: it doesn't say.

    `secret`: there is or may be a value, and it was taken out.
    """

    name: str
    value: str | None = None
    mutability: Mutability = Mutability.READ_WRITE
    secret: bool = False
    others: dict[str, Attribute] = field(default_factory=dict)
    """By the attribute's name: Target, MinSet, MaxSet."""
    data_type: str | None = None
    unit: str | None = None
    min_limit: float | None = None
    max_limit: float | None = None
    """Of a text or a list: its characters."""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What a station told of its variables; `note` says in words what is missing, and why."""

    variables: tuple[Variable, ...]
    complete: bool = True
    note: str = ""


class Cause(StrEnum):
    """Why a snapshot was taken."""

    ASKED = "asked"
    FIRST_BOOT = "first boot"
    NEW_FIRMWARE = "new firmware"
    BEFORE_WRITING = "before writing"


@dataclass(frozen=True, slots=True)
class DeviceSnapshot:
    """A kept reading of a whole station, without its variables."""

    key: str
    station_id: str
    at: datetime
    cause: Cause
    label: str = ""
    version: str = ""
    vendor: str = ""
    model: str = ""
    firmware_version: str = ""
    complete: bool = True
    note: str = ""
    count: int = 0
    """Of its variables."""


class ReportBase(StrEnum):
    """OCPP 2.0.1 ReportBaseEnumType."""

    CONFIGURATION = "ConfigurationInventory"
    FULL = "FullInventory"
    SUMMARY = "SummaryInventory"


class Criterion(StrEnum):
    """OCPP 2.0.1 ComponentCriterionEnumType."""

    ACTIVE = "Active"
    AVAILABLE = "Available"
    ENABLED = "Enabled"
    PROBLEM = "Problem"


# what is said to stations


@dataclass(frozen=True, slots=True)
class ReadDevice(StationRequest):
    """All that a station tells of itself; the answer's body has a `Reading` under "reading".

    `unasked`: no person waits for it, so a model that bears no questions is left alone.
    """

    base: ReportBase = ReportBase.FULL
    unasked: bool = False


@dataclass(frozen=True, slots=True)
class ReadComponents(StationRequest):
    """The variables that meet one of the criteria and are named (B08); also a `Reading`.

    A name without a variable ("EVSE[1]") means all of a component.
    """

    criteria: tuple[Criterion, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadVariables(StationRequest):
    """Single variables by name; a `Reading` of those it has."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WriteVariables(StationRequest):
    """Values by name. The body has under "statuses" the station's word for each name, "" where
    it gave none: two time-outs end it."""

    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ResetEvse(StationRequest):
    """Restart one EVSE (B11.FR.08)."""

    evse_id: int
    type: ResetType


# commands


@dataclass(frozen=True, slots=True)
class TakeSnapshot(Command):
    """Read all that a station is set to and keep it; `answer` is the snapshot."""

    station_id: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class RestoreSnapshot(Command):
    """Write what a station was set to, where it differs; no `names`: all of it.

    Passwords, network settings, the security profile, and what limits current or lets a car charge
    unasked are never written. `answer` has a row for each variable that differs, with the reason.
    """

    station_id: str
    snapshot_key: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CopySettings(Command):
    """Set a station like another of the same vendor and model; otherwise as RestoreSnapshot."""

    from_station: str
    to_station: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SetVariables(Command):
    """Write several settings, by name, and read them back; `answer` has a row for each."""

    station_id: str
    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class Apn:
    """A mobile network's access point; `authentication` CHAP, PAP, AUTO or NONE."""

    apn: str
    authentication: str = "AUTO"
    user_name: str = ""
    password: str = ""
    sim_pin: int | None = None
    preferred_network: str = ""
    use_only_preferred_network: bool = False


@dataclass(frozen=True, slots=True)
class Vpn:
    """A virtual private network; `type` IKEv2, IPSec, L2TP or PPTP."""

    server: str
    user: str
    password: str
    key: str
    type: str
    group: str = ""


@dataclass(frozen=True, slots=True)
class SetNetworkProfile(Command):
    """Store in one of a 2.x station's slots how it reaches its controller (B09).

    Nothing changes yet: `UseNetworkProfile` makes the station use it. `csms_url` is without the
    station's id. The slot in use is overwritten only if `even_if_active`.
    """

    station_id: str
    slot: int
    csms_url: str
    security_profile: int
    interface: str = "Wired0"
    message_timeout_s: int = 30
    apn: Apn | None = None
    vpn: Vpn | None = None
    even_if_active: bool = False


@dataclass(frozen=True, slots=True)
class StoreNetworkProfile(StationRequest):
    """The same, said to the station."""

    wanted: SetNetworkProfile


@dataclass(frozen=True, slots=True)
class UseNetworkProfile(Command):
    """Put a slot first in a 2.x station's list and restart it when idle (B10).

    Effective when it came back over that slot; the slots used before stay behind it as a way back.
    """

    station_id: str
    slot: int


class Outcome(StrEnum):
    """What became of one value that was to be written."""

    HELD = "held"
    """Read back as written."""
    AFTER_RESTART = "after restart"
    """Taken; the charger has to be restarted for it."""
    NOT_HELD = "not held"
    """Taken, but read back otherwise."""
    UNPROVEN = "unproven"
    """Taken; it could not be read back."""
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    READ_ONLY = "read-only"
    MISSING = "missing"
    """The station has no such variable."""
    LEFT = "left"
    """Never written from here."""


@dataclass(frozen=True, slots=True)
class WrittenVariable:
    """One value that was to be written: before, as wanted, and as read back afterwards."""

    name: str
    before: str | None
    wanted: str
    outcome: Outcome
    words: str
    """The outcome for people."""
    after: str | None = None


# questions


@dataclass(frozen=True, slots=True)
class SnapshotsQuery(Query):
    """The snapshots of a station, newest first."""

    station_id: str
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class SnapshotQuery(Query):
    """What a station was set to; `q` is searched in the names, caseless."""

    station_id: str
    snapshot_key: str
    q: str = ""
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class SettingsQuery(Query):
    """What a station says now that it is set to. It is asked, which can take half a minute.

    With `criteria` or `names` a 2.x station is asked for those alone. A `cursor` pages through
    what it said last.
    """

    station_id: str
    base: ReportBase = ReportBase.FULL
    criteria: tuple[Criterion, ...] = ()
    names: tuple[str, ...] = ()
    q: str = ""
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class DifferencesQuery(Query):
    """What differs between two snapshots of a station. `before` empty: the newest one; `after`
    "now": what the station says when it is asked. `writable`: only what may be written."""

    station_id: str
    before: str = ""
    after: str = NOW
    q: str = ""
    writable: bool = False
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class StationDifferencesQuery(Query):
    """What differs between the newest snapshots of two stations of one vendor and model."""

    station_id: str
    other_station_id: str
    q: str = ""
    writable: bool = False
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class SettingsView:
    """A page of a station's variables, by name. `count`: on all pages."""

    station_id: str
    at: datetime
    complete: bool
    note: str
    count: int
    variables: tuple[Variable, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Difference:
    """A variable that two readings tell differently; None: that one doesn't tell it."""

    name: str
    before: str | None
    after: str | None
    writable: bool


@dataclass(frozen=True, slots=True)
class DifferencesView:
    """A page of differences, by name. Secrets are not compared."""

    before: DeviceSnapshot
    after: DeviceSnapshot
    """With an empty key: what the station said when it was asked."""
    count: int
    differences: tuple[Difference, ...]
    next: str | None
