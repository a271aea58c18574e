"""What a simulated station knows of itself: its plate, its EVSEs, its transactions, its words."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

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
    EMERGENCY = "EmergencyStop"
    POWER_LOSS = "PowerLoss"
    OTHER = "Other"


@dataclass(frozen=True, slots=True)
class StationDescription:
    """One box: its wiring, its version and its plate. `behaviour` names how it misbehaves.

    `offers` are the sub-protocols of its handshake, its own version alone where it is empty. From
    security profile 2 on `ca_file` is who signed the CSMS's certificate; profile 3 shows the
    certificate of `certificate_file`, with its key in `key_file`, until the CSMS gives another.
    """

    station: ChargingStation
    version: OcppVersion
    password: str | None = None
    vendor: str = "Virtual"
    model: str = "Wallbox"
    serial_number: str = ""
    firmware_version: str = "1.0.0"
    behaviour: frozenset[str] = frozenset()
    offers: tuple[OcppVersion, ...] = ()
    security_profile: int = 1
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a card: whether it may charge, and the group it belongs to."""

    accepted: bool
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an EVSE is out of order, in the words of OCPP 1.6's ChargePointErrorCode."""

    error_code: str
    vendor_error_code: str = ""
    info: str = ""


@dataclass(frozen=True, slots=True)
class Reservation:
    """A place kept for a card. `evse_id` None: any EVSE of the station."""

    reservation_id: int
    evse_id: int | None
    id_token: str
    group: str | None
    expires_at: datetime


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
    group: str | None = None
    token_type: str | None = None
    """As 2.x names the kind of token; None: a card."""
    reservation_id: int | None = None
    register_wh: float = 0.0
    """What the EVSE's meter showed at the start."""
    charging_s: float = 0.0
    idle_s: float = 0.0
    priority: bool = False
    charged_amount: float = 0.0
    """What its bill came to, where the station reckons (2.1)."""
    ended_samples: list[dict[str, object]] = field(default_factory=list)


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
    fault: Fault | None = None
    reservation: Reservation | None = None
    transaction: Transaction | None = None
    waiting: Waiting | None = None
    limit_a: float = -1.0
    """What the profiles allow; follows to the outlet after the station's own delay."""
    given_a: float = 0.0
    """What the car shall give back by them, per phase."""
    decided: int = 0
    """Counts the limits decided on, and `offered` is the last that reached the outlet."""
    offered: int = 0
    reported: str | None = None

    @property
    def status(self) -> ConnectorStatus:
        """Its status in the words of 2.x."""
        if self.fault is not None:
            return ConnectorStatus.FAULTED
        if not self.operative:
            return ConnectorStatus.UNAVAILABLE
        if self.outlet.car is not None or self.transaction is not None:
            return ConnectorStatus.OCCUPIED
        return ConnectorStatus.AVAILABLE if self.reservation is None else ConnectorStatus.RESERVED

    @property
    def is_free(self) -> bool:
        """Whether a transaction could start here."""
        free = self.transaction is None and self.waiting is None
        return self.operative and self.fault is None and free


@dataclass(frozen=True, slots=True)
class SettingNames:
    """What a dialect calls the settings that the common part obeys."""

    heartbeat_interval: str
    sample_interval: str
    sampled_data: str
    aligned_interval: str
    aligned_data: str
    plug_timeout: str
    authorize_remote: str
    pre_authorize: str
    authorize_offline: str
    unknown_offline: str
    stop_on_invalid: str
    stop_on_unplug: str
    list_enabled: str
    password: str
    ping_interval: str
