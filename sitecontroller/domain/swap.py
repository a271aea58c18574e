"""Battery swap stations: batteries given back and taken (OCPP 2.1, block S)."""

from dataclasses import dataclass
from datetime import datetime

from sitecontroller.domain.authorization import IdTokenType
from sitecontroller.domain.commands import Command, StationRequest
from sitecontroller.domain.queries import Query


@dataclass(frozen=True, slots=True)
class Battery:
    """One battery in a slot; a slot counts as an EVSE."""

    evse_id: int
    serial_number: str
    soc_percent: float | None = None
    soh_percent: float | None = None
    produced_at: datetime | None = None
    vendor_info: str | None = None


@dataclass(frozen=True, slots=True)
class BatterySwap:
    """BatteryIn, BatteryOut or BatteryOutTimeout; `request_id` joins those of one swap."""

    station_id: str
    request_id: int
    event: str
    id_token: str
    received_at: datetime
    batteries: tuple[Battery, ...] = ()


@dataclass(frozen=True, slots=True)
class BeginBatterySwap(StationRequest):
    """Let the holder of a token swap."""

    request_id: int
    id_token: str
    type: IdTokenType


@dataclass(frozen=True, slots=True)
class RequestBatterySwap(Command):
    """Begin a battery swap for the holder of a known card."""

    station_id: str
    id_token: str


@dataclass(frozen=True, slots=True)
class BatterySwapsQuery(Query):
    """Batteries given back and taken at a station."""

    station_id: str
    limit: int = 50
    cursor: str | None = None
