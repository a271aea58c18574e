"""What a simulated station knows of itself: its plate, its EVSEs, its transactions, its words."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sitecontroller.domain.station import ChargingState, ConnectorStatus, OcppVersion
from sitecontroller.domain.topology import ChargingStation, Evse
from sitecontroller.simulation.plant import Outlet
from sitecontroller.simulation.profiles import StoredProfile


class EndReason(StrEnum):
    """Why a transaction ended, in the words of OCPP 1.6 (2.x writes some of them otherwise)."""

    LOCAL = "Local"
    REMOTE = "Remote"
    EV_DISCONNECTED = "EVDisconnected"
    DEAUTHORIZED = "DeAuthorized"
    SOFT_RESET = "SoftReset"
    HARD_RESET = "HardReset"
    UNLOCKED = "UnlockCommand"


@dataclass(frozen=True, slots=True)
class StationDescription:
    """One box: its wiring, its version and its plate. `behaviour` names how it misbehaves."""

    station: ChargingStation
    version: OcppVersion
    password: str | None = None
    vendor: str = "Virtual"
    model: str = "Wallbox"
    serial_number: str = ""
    firmware_version: str = "1.0.0"
    behaviour: frozenset[str] = frozenset()


@dataclass(slots=True)
class Transaction:
    """A transaction as the station knows it. `transaction_id` None: 1.6, not answered yet."""

    id_token: str
    started_at: datetime
    transaction_id: str | None = None
    remote_start_id: int | None = None
    sequence: int = 0
    state: ChargingState = ChargingState.EV_CONNECTED
    offered_since_s: float = 0.0
    sampled_s: float = 0.0


@dataclass(slots=True)
class Waiting:
    """Somebody is authorized and the car isn't plugged yet."""

    id_token: str
    remote_start_id: int | None
    profile: StoredProfile | None
    timeout: asyncio.TimerHandle


@dataclass(slots=True)
class EvseControl:
    """The station's side of one EVSE."""

    evse: Evse
    outlet: Outlet
    operative: bool = True
    becomes_operative: bool | None = None
    """A change of availability that waits for the transaction's end."""
    finishing: bool = False
    transaction: Transaction | None = None
    waiting: Waiting | None = None
    limit_a: float = -1.0
    """What the profiles allow; follows to the outlet after the station's own delay."""
    decided: int = 0
    """Counts the limits decided on, and `offered` is the last that reached the outlet."""
    offered: int = 0
    reported: str | None = None

    @property
    def status(self) -> ConnectorStatus:
        """Its status in the words of 2.x."""
        if not self.operative:
            return ConnectorStatus.UNAVAILABLE
        is_used = self.outlet.car is not None or self.transaction is not None
        return ConnectorStatus.OCCUPIED if is_used else ConnectorStatus.AVAILABLE

    @property
    def is_free(self) -> bool:
        """Whether a transaction could start here."""
        return self.operative and self.transaction is None and self.waiting is None


@dataclass(frozen=True, slots=True)
class SettingNames:
    """What a dialect calls the settings that the common part obeys."""

    heartbeat_interval: str
    sample_interval: str
    sampled_data: str
    plug_timeout: str
    authorize_remote: str
    pre_authorize: str
    authorize_offline: str
    stop_on_invalid: str
