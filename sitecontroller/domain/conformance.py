"""What a station's messages broke of the specification, in a form its maker can work with."""

from dataclasses import dataclass, field
from datetime import datetime

from sitecontroller.domain.queries import Query


@dataclass(frozen=True, slots=True)
class ConformanceFault:
    """One kind of fault: what it is about ("frame", an action, "answer to …"), what was wrong."""

    subject: str
    fault: str
    count: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class ConformanceReport:
    """Every kind of fault of one station, most frequent first. `text` is the same to be sent."""

    station_id: str
    vendor: str | None
    model: str | None
    firmware_version: str | None
    since: datetime
    faults: tuple[ConformanceFault, ...]
    text: str = ""


@dataclass(frozen=True, slots=True)
class KeptFaults:
    """What is kept of a station between starts of the controller."""

    since: datetime
    faults: tuple[ConformanceFault, ...] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class ConformanceQuery(Query):
    """The conformance report of one station."""

    station_id: str
