"""Variable monitors of 2.x stations, and the events by which they tell what happened.

A variable is named as everywhere: "Component@instance[1/2].Variable@instance" (`domain.device`).
Severities are OCPP's: 0 (danger) to 9 (for developers).
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sitecontroller.domain.alarm import AlarmPriority
from sitecontroller.domain.commands import Command, StationRequest
from sitecontroller.domain.queries import Query

SEVERITY_MAX = 9
_PRIORITIES = {
    **dict.fromkeys((0, 1, 2, 3), AlarmPriority.HIGH),
    **dict.fromkeys((4, 5), AlarmPriority.MEDIUM),
    6: AlarmPriority.LOW,
}


def priority_of(severity: int) -> AlarmPriority | None:
    """How urgent an event is; None (7 notice, 8 informational, 9 debug): nobody has to act."""
    return _PRIORITIES.get(severity)


class MonitorType(StrEnum):
    """OCPP 2.1 MonitorEnumType; the last two came with 2.1."""

    UPPER_THRESHOLD = "UpperThreshold"
    LOWER_THRESHOLD = "LowerThreshold"
    DELTA = "Delta"
    PERIODIC = "Periodic"
    PERIODIC_CLOCK_ALIGNED = "PeriodicClockAligned"
    TARGET_DELTA = "TargetDelta"
    TARGET_DELTA_RELATIVE = "TargetDeltaRelative"


class MonitorOrigin(StrEnum):
    """OCPP 2.0.1 EventNotificationEnumType."""

    HARD_WIRED_NOTIFICATION = "HardWiredNotification"
    HARD_WIRED_MONITOR = "HardWiredMonitor"
    PRECONFIGURED = "PreconfiguredMonitor"
    CUSTOM = "CustomMonitor"


class MonitoringCriterion(StrEnum):
    """OCPP 2.0.1 MonitoringCriterionEnumType."""

    THRESHOLD = "ThresholdMonitoring"
    DELTA = "DeltaMonitoring"
    PERIODIC = "PeriodicMonitoring"


class MonitoringBase(StrEnum):
    """OCPP 2.0.1 MonitoringBaseEnumType."""

    ALL = "All"
    FACTORY_DEFAULT = "FactoryDefault"
    HARD_WIRED_ONLY = "HardWiredOnly"


class EventTrigger(StrEnum):
    """OCPP 2.0.1 EventTriggerEnumType."""

    ALERTING = "Alerting"
    DELTA = "Delta"
    PERIODIC = "Periodic"


@dataclass(frozen=True, slots=True)
class Monitor:
    """One monitor. `value` is a threshold, a change, or for periodic ones seconds.

    `monitor_id` None: a new one, the station gives it a number; else it replaces the one it has.
    `only_in_transactions`: it watches only while a transaction runs. `origin` None: not told.
    """

    variable: str
    type: MonitorType
    value: float
    severity: int = 5
    only_in_transactions: bool = False
    monitor_id: int | None = None
    origin: MonitorOrigin | None = None


@dataclass(frozen=True, slots=True)
class MonitorOutcome:
    """What a station made of one monitor that was set or cleared; `status` is its own word."""

    variable: str
    status: str
    monitor_id: int | None = None
    reason: str = ""

    @property
    def accepted(self) -> bool:
        """Whether it is as asked."""
        return self.status == "Accepted"


@dataclass(frozen=True, slots=True)
class StationMonitors:
    """The monitors a station has, as it reported them or as they were set since."""

    station_id: str
    reported_at: datetime | None = None
    """None: it never reported all of them."""
    monitors: tuple[Monitor, ...] = ()


@dataclass(frozen=True, slots=True)
class StationEvent:
    """One event as a station told it, with our words; kept for the station's history.

    `cleared`: what it told of earlier is over. `cause` is the event number that brought it about.
    `severity` None: neither the station nor its monitor says.
    """

    key: str
    station_id: str
    event_id: int
    at: datetime
    received_at: datetime
    trigger: EventTrigger
    variable: str
    value: str = ""
    cleared: bool | None = None
    monitor_id: int | None = None
    severity: int | None = None
    origin: MonitorOrigin | None = None
    tech_code: str = ""
    tech_info: str = ""
    cause: int | None = None
    station_transaction_id: str | None = None
    evse_id: int | None = None
    words: str = ""


# what is said to stations


@dataclass(frozen=True, slots=True)
class SetMonitors(StationRequest):
    """`MonitorOutcome`s under "outcomes". `unasked`: no person waits for it."""

    monitors: tuple[Monitor, ...]
    unasked: bool = False


@dataclass(frozen=True, slots=True)
class ClearMonitors(StationRequest):
    """`MonitorOutcome`s under "outcomes"."""

    monitor_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ReportMonitors(StationRequest):
    """`Monitor`s under "monitors", and under "complete" whether all parts came."""

    criteria: tuple[MonitoringCriterion, ...] = ()
    variables: tuple[str, ...] = ()
    unasked: bool = False


@dataclass(frozen=True, slots=True)
class ChooseMonitoringBase(StationRequest):
    """Which of the maker's own monitors are active."""

    base: MonitoringBase


@dataclass(frozen=True, slots=True)
class ChooseMonitoringLevel(StationRequest):
    """Events beyond this severity are not told."""

    severity: int


@dataclass(frozen=True, slots=True)
class MonitoringAbility(StationRequest):
    """Whether it said during set-up that it has monitoring; nothing is sent."""


# commands


@dataclass(frozen=True, slots=True)
class SetVariableMonitoring(Command):
    """Let a 2.x station tell when a variable crosses a threshold, changes, or every so often."""

    station_id: str
    monitors: tuple[Monitor, ...]


@dataclass(frozen=True, slots=True)
class ClearVariableMonitoring(Command):
    """Take monitors out of a station, by its numbers of them."""

    station_id: str
    monitor_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class GetMonitoringReport(Command):
    """Ask a station for its monitors; neither criteria nor variables: for all of them.

    A variable may be named by its component alone ("EVSE[1]").
    """

    station_id: str
    criteria: tuple[MonitoringCriterion, ...] = ()
    variables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SetMonitoringBase(Command):
    """Go back to a set of the maker's monitors; all but `All` throw ours away."""

    station_id: str
    base: MonitoringBase


@dataclass(frozen=True, slots=True)
class SetMonitoringLevel(Command):
    """Let a station tell only events of this severity and worse (0 to 9)."""

    station_id: str
    severity: int


# questions


@dataclass(frozen=True, slots=True)
class MonitorsQuery(Query):
    """The monitors of one station, as far as it told them."""

    station_id: str


@dataclass(frozen=True, slots=True)
class StationEventsQuery(Query):
    """What stations told, newest first; `station_id` None: of the whole site."""

    limit: int = 50
    cursor: str | None = None
    station_id: str | None = None
