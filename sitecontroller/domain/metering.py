"""What a meter says, in canonical units: W, Wh, A, V, Hz, %, per site phase, UTC.

A value that is not known is None, never 0. Import from the grid to the car is positive.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sitecontroller.domain.topology import UNKNOWN_PHASES, PerPhase


class ReadingContext(StrEnum):
    """Why a sample was taken (OCPP 2.0.1 ReadingContextEnumType)."""

    PERIODIC = "Sample.Periodic"
    CLOCK = "Sample.Clock"
    BEGIN = "Transaction.Begin"
    END = "Transaction.End"
    TRIGGER = "Trigger"
    INTERRUPTION_BEGIN = "Interruption.Begin"
    INTERRUPTION_END = "Interruption.End"
    OTHER = "Other"


class TimeQuality(StrEnum):
    """How far a time stamp may be trusted."""

    GOOD = "good"
    REPAIRED = "repaired"
    """No zone, 24:00 and the like: understood, but not as the specification writes it."""
    RECEIVED = "received"
    """Unreadable or implausible: this is when we received it."""


@dataclass(frozen=True, slots=True)
class MeterReading:
    """One sample of a site meter or of an EVSE, on the *site's* phases.

    `energy_import_wh` and `energy_export_wh` are registers, never differences.
    """

    at: datetime
    current_a: PerPhase = UNKNOWN_PHASES
    voltage_v: PerPhase = UNKNOWN_PHASES
    power_phase_w: PerPhase = UNKNOWN_PHASES
    power_w: float | None = None
    energy_import_wh: float | None = None
    energy_export_wh: float | None = None
    frequency_hz: float | None = None
    current_offered_a: float | None = None
    soc_percent: float | None = None
    context: ReadingContext = ReadingContext.PERIODIC
    time_quality: TimeQuality = TimeQuality.GOOD
    feeds_in: bool = False
    """A negative current or power is what a car gives back. Without it a sign is no evidence: the
    meter may be mounted the wrong way round."""
    signed_data: str | None = None
    """A signed meter value exactly as the station sent it."""


@dataclass(frozen=True, slots=True)
class QuarterHour:
    """What a circuit carried in a quarter hour, W per site phase; `number` counts them from 1970.

    `evses_w` is the part of `mean_w` that EVSEs took.
    """

    number: int
    mean_w: PerPhase
    max_w: PerPhase
    evses_w: PerPhase
