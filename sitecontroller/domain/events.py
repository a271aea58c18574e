"""What has happened: values that are published after the commit; subscribers return at once."""

from dataclasses import dataclass
from datetime import datetime

from sitecontroller.domain.alarm import Alarm
from sitecontroller.domain.authorization import AuthorizationStatus
from sitecontroller.domain.commands import CommandResult
from sitecontroller.domain.emergency import EmergencyStop
from sitecontroller.domain.limit_source import SiteLimit
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.reservation import ReservationView
from sitecontroller.domain.smart import ChargingNeeds
from sitecontroller.domain.swap import BatterySwap
from sitecontroller.domain.topology import EvseKey
from sitecontroller.domain.transaction import Transaction


@dataclass(frozen=True, slots=True)
class StationConnected:
    """A station logged in; `generation` tells its connections apart."""

    station_id: str
    generation: int
    at: datetime


@dataclass(frozen=True, slots=True)
class StationDisconnected:
    """A station's connection ended."""

    station_id: str
    generation: int
    at: datetime


@dataclass(frozen=True, slots=True)
class StationReady:
    """A station has booted (or needn't) and may be sent calls (Q12)."""

    station_id: str
    at: datetime
    rebooted: bool


@dataclass(frozen=True, slots=True)
class StationChanged:
    """Something shown of a station changed."""

    station_id: str


@dataclass(frozen=True, slots=True)
class EvseMeasured:
    """An EVSE's live reading, on site phases."""

    key: EvseKey
    reading: MeterReading
    received_s: float
    """Monotonic."""


@dataclass(frozen=True, slots=True)
class MeterMeasured:
    """A site meter's sample."""

    meter_id: str
    reading: MeterReading
    received_s: float
    """Monotonic."""


@dataclass(frozen=True, slots=True)
class MeterFailed:
    """A site meter gave no usable sample; `reason` is plain words."""

    meter_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class TransactionChanged:
    """A transaction began, went on, ended or was corrected; the committed row."""

    transaction: Transaction
    began: bool = False
    ended: bool = False


@dataclass(frozen=True, slots=True)
class SignedReadingCame:
    """A running or ended transaction's meter signed something; it is stored."""

    transaction_key: str


@dataclass(frozen=True, slots=True)
class TokensChanged:
    """A card was added, changed or taken out; `id_token` None: many."""

    id_token: str | None = None


@dataclass(frozen=True, slots=True)
class TariffChanged:
    """The site has another price from now on."""


@dataclass(frozen=True, slots=True)
class CardRefused:
    """A card was shown at a station and may not charge."""

    station_id: str
    id_token: str
    status: AuthorizationStatus
    at: datetime


@dataclass(frozen=True, slots=True)
class ReservationChanged:
    """A reservation was made, is held, used, or has ended."""

    reservation: ReservationView


@dataclass(frozen=True, slots=True)
class LimitsChanged:
    """The load management's picture of these EVSEs and circuits changed."""

    evse_keys: tuple[EvseKey, ...]
    circuit_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SiteLimitChanged:
    """A site limit was set or replaced, or (`in_force` False) withdrawn or is over."""

    limit: SiteLimit
    in_force: bool


@dataclass(frozen=True, slots=True)
class EmergencyChanged:
    """The emergency stop was triggered, or (`active` False) released; `by` whom or what."""

    stop: EmergencyStop
    active: bool
    by: str


@dataclass(frozen=True, slots=True)
class ChargingNeedsTold:
    """A car said what it needs; load management may plan with it."""

    needs: ChargingNeeds


@dataclass(frozen=True, slots=True)
class PriorityChanged:
    """A session charges by its station's priority profile now, or no longer."""

    station_id: str
    transaction_id: str
    active: bool


@dataclass(frozen=True, slots=True)
class BatterySwapped:
    """A battery was given back or taken."""

    swap: BatterySwap


@dataclass(frozen=True, slots=True)
class AlarmChanged:
    """An alarm was raised, counted, acknowledged or cleared."""

    alarm: Alarm


@dataclass(frozen=True, slots=True)
class CommandFinished:
    """A command's outcome or effect became known."""

    result: CommandResult


Event = (
    StationConnected
    | StationDisconnected
    | StationReady
    | StationChanged
    | EvseMeasured
    | MeterMeasured
    | MeterFailed
    | TransactionChanged
    | SignedReadingCame
    | TokensChanged
    | TariffChanged
    | CardRefused
    | ReservationChanged
    | LimitsChanged
    | SiteLimitChanged
    | EmergencyChanged
    | ChargingNeedsTold
    | PriorityChanged
    | BatterySwapped
    | AlarmChanged
    | CommandFinished
)
