"""What a station tells about itself: boot, status of its connectors, faults."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sitecontroller.domain.metering import TimeQuality


class OcppVersion(StrEnum):
    """The versions of OCPP that a connection can speak."""

    V16 = "1.6"
    V201 = "2.0.1"
    V21 = "2.1"


class ConnectorStatus(StrEnum):
    """OCPP 2.0.1 ConnectorStatusEnumType; UNKNOWN until a station has said anything."""

    AVAILABLE = "Available"
    OCCUPIED = "Occupied"
    RESERVED = "Reserved"
    UNAVAILABLE = "Unavailable"
    FAULTED = "Faulted"
    UNKNOWN = "Unknown"


class ChargingState(StrEnum):
    """OCPP 2.0.1 ChargingStateEnumType."""

    CHARGING = "Charging"
    EV_CONNECTED = "EVConnected"
    SUSPENDED_EV = "SuspendedEV"
    SUSPENDED_EVSE = "SuspendedEVSE"
    IDLE = "Idle"


class RegistrationStatus(StrEnum):
    """OCPP RegistrationStatusEnumType."""

    ACCEPTED = "Accepted"
    PENDING = "Pending"
    REJECTED = "Rejected"


@dataclass(frozen=True, slots=True)
class StationBooted:
    """A BootNotification. `reason` is the 2.x boot reason, None from a 1.6 station."""

    station_id: str
    vendor: str
    model: str
    serial_number: str | None
    firmware_version: str | None
    reason: str | None
    received_at: datetime


@dataclass(frozen=True, slots=True)
class StatusReported:
    """A StatusNotification. `evse_id` 0 is the station as a whole.

    `charging_state` is known from 1.6 stations only (theirs says both in one word).
    """

    station_id: str
    evse_id: int
    connector_id: int
    status: ConnectorStatus
    received_at: datetime
    station_at: datetime | None = None
    charging_state: ChargingState | None = None
    error_code: str | None = None
    vendor_error_code: str | None = None
    info: str | None = None
    vendor_id: str | None = None
    """Whose `vendor_error_code` it is, where the station says so."""
    finishing: bool = False
    """A car is still plugged after its transaction (1.6 Finishing)."""


@dataclass(frozen=True, slots=True)
class StationTime:
    """An instant by the station's clock: what it wrote, what we make of it, how good that is."""

    at: datetime
    quality: TimeQuality = TimeQuality.GOOD
    raw: str | None = None
    """What the station wrote, kept when it wasn't good."""


def model_key(boot: StationBooted | None) -> str:
    """The name under which learned facts of a model and firmware are kept."""
    if boot is None:
        return "unknown"
    parts = (boot.vendor, boot.model, boot.firmware_version or "")
    return "/".join(part.strip().casefold() for part in parts)
