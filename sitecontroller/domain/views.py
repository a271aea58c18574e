"""The live picture: what the API serves, the console shows and a script reads.

Every value carries what is needed to judge it: a limit its reason, a reading its age. Field names
are the JSON names of the API; unknown is None.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from sitecontroller.domain.alarm import AlarmPriority
from sitecontroller.domain.metering import TimeQuality
from sitecontroller.domain.money import Money
from sitecontroller.domain.topology import PerPhase

T = TypeVar("T")


class EvseActivity(StrEnum):
    """One word for what an EVSE is doing, for people."""

    OFFLINE = "offline"
    FAULTED = "faulted"
    UNAVAILABLE = "unavailable"
    RESERVED = "reserved"
    AVAILABLE = "available"
    PLUGGED = "plugged"
    """A car is there, nothing started."""
    CHARGING = "charging"
    PAUSED_BY_SITE = "paused-by-site"
    """We (or the station) hold it at 0."""
    PAUSED_BY_CAR = "paused-by-car"
    FINISHED = "finished"
    """Ended, still plugged."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class LimitView:
    """What an EVSE may draw per phase now and why.

    `bound_by` is the id of the circuit or group (or "station", "fallback", "meter", "pause",
    "plan", "emergency", "discharge") that sets it; `reason` says it in words: "11 A: Feeder B, L2".
    """

    current_a: float
    reason: str
    bound_by: str
    exposure_a: float
    """The most it could draw before a lower limit is proven."""


@dataclass(frozen=True, slots=True)
class EvseView:
    """One EVSE. `measured_at` is when its values were taken."""

    evse_id: int
    bay: str
    evse_code: str
    activity: EvseActivity
    connector_status: str
    supply: str
    phases: str
    circuit_id: str
    current_a_max: float
    power_w_max: float
    current_a: PerPhase
    voltage_v: PerPhase
    power_w: float | None
    soc_percent: float | None
    measured_at: datetime | None
    stale: bool
    limit: LimitView | None
    transaction_key: str | None
    energy_wh: float | None
    """Of the running transaction."""
    price: Money | None
    error: str | None


@dataclass(frozen=True, slots=True)
class StationView:
    """One charging station with its EVSEs."""

    station_id: str
    name: str
    online: bool
    since: datetime | None
    """When it last came online or went offline."""
    version: str | None
    vendor: str | None
    model: str | None
    firmware_version: str | None
    serial_number: str | None
    last_seen_at: datetime | None
    warnings: tuple[str, ...]
    evses: tuple[EvseView, ...]


@dataclass(frozen=True, slots=True)
class DemandView:
    """The running window of a peak-demand target: its mean power shall not exceed `target_w`."""

    target_w: float
    ends_at: datetime
    energy_wh: float
    """Imported so far; what wasn't measured counts at its worst."""
    allowed_w: float
    """What may flow on average until it ends."""
    expected_w: float
    """Its mean power if things go on as they are."""


@dataclass(frozen=True, slots=True)
class SurplusView:
    """What the roof has left over, and who charges from it."""

    group_id: str
    available_w: float | None
    """Below 0: so much is missing; None: a meter is silent."""
    given_w: float
    """What the group's cars may take together."""
    charging: int
    """How many of them may charge."""


@dataclass(frozen=True, slots=True)
class CircuitView:
    """One circuit. `headroom_a` is `cap_a` less the current, per phase."""

    circuit_id: str
    name: str
    parent_id: str | None
    limit_a: PerPhase
    cap_a: PerPhase
    """The fuse or a smaller site limit, less margin: what load management works with."""
    current_a: PerPhase
    """Measured where a meter is, else the sum of what is below it."""
    base_a: PerPhase
    """What is not EVSEs."""
    exposure_a: PerPhase
    headroom_a: PerPhase
    power_w: float | None
    measured_at: datetime | None
    stale: bool
    fail_safe: str | None
    """Why the circuit is held at a safe value, in words; None in normal operation."""
    limited_by: str | None = None
    """The site limit in force here and its value, in words; None: only the fuse limits."""
    demand: DemandView | None = None
    """The peak-demand window that is counted here; None: none is."""
    surplus: SurplusView | None = None
    """The PV surplus that is measured here; None: none is."""


@dataclass(frozen=True, slots=True)
class MeterView:
    """One site meter with its last good sample."""

    meter_id: str
    name: str
    model: str
    url: str
    online: bool
    current_a: PerPhase
    voltage_v: PerPhase
    power_phase_w: PerPhase
    power_w: float | None
    energy_import_wh: float | None
    frequency_hz: float | None
    measured_at: datetime | None
    stale: bool
    error: str | None


@dataclass(frozen=True, slots=True)
class TransactionView:
    """One transaction as people see it; the token is masked."""

    key: str
    station_id: str
    evse_id: int
    bay: str
    station_transaction_id: str
    state: str
    id_token: str | None
    authorization_status: str
    started_at: datetime
    ended_at: datetime | None
    duration_s: float
    energy_wh: float | None
    power_w: float | None
    meter_start_wh: float | None
    meter_stop_wh: float | None
    stop_reason: str | None
    charging_state: str | None
    tariff: str | None
    price: Money | None
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AlarmView:
    """One alarm with its text and what to do about it."""

    key: str
    code: str
    priority: AlarmPriority
    subject: str
    text: str
    remedy: str
    parameters: dict[str, str]
    raised_at: datetime
    cleared_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    count: int


@dataclass(frozen=True, slots=True)
class NewStationView:
    """A station that knocked in commissioning mode and waits for a person."""

    station_id: str
    vendor: str | None
    model: str | None
    address: str
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class SiteView:
    """The site as a whole, as of `at`."""

    site_id: str
    name: str
    at: datetime
    started_at: datetime
    version: str
    currency: str
    time_zone: str
    demo: bool
    ocpp_url: str
    charging: int
    free: int
    faulted: int
    offline: int
    power_w: float | None
    load_percent: float | None
    """Of the main fuse, its most loaded phase."""
    energy_wh: float
    """Delivered by all transactions since start."""
    cycle_late_ms: float | None
    """How late the last load-management cycle was."""
    fail_safe: str | None
    commissioning_until: datetime | None
    new_stations: tuple[NewStationView, ...]
    clock_quality: TimeQuality = TimeQuality.GOOD
    policy: str = "equal share"
    """How load management shares what is there."""
    emergency: str | None = None
    """The emergency stop that holds, in words; None: none does."""


@dataclass(frozen=True, slots=True)
class PhaseSample:
    """One point of the 60-minute chart: the main circuit's current per phase, and its cap."""

    at: datetime
    current_a: PerPhase
    cap_a: float


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One OCPP frame as it went over the wire, secrets redacted.

    `direction` is "in" (from the station) or "out"; `latency_ms` belongs to answers.
    """

    seq: int
    at: datetime
    station_id: str
    direction: str
    action: str | None
    message_id: str | None
    kind: str
    """One of "call", "result", "error", "invalid", "connect", "disconnect"."""
    text: str
    latency_ms: float | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything live, at once: what a console gets when it attaches."""

    site: SiteView
    stations: dict[str, StationView]
    circuits: dict[str, CircuitView]
    meters: dict[str, MeterView]
    transactions: dict[str, TransactionView]
    """The active ones and those that ended in the last hour."""
    alarms: dict[str, AlarmView]
    """Active or unacknowledged."""


@dataclass(frozen=True, slots=True)
class LiveIds:
    """What a snapshot made now would hold, by id and in its order."""

    stations: tuple[str, ...]
    circuits: tuple[str, ...]
    meters: tuple[str, ...]
    transactions: tuple[str, ...]
    alarms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list, newest first; `next` is the cursor of the following page."""

    items: tuple[T, ...]
    next: str | None
