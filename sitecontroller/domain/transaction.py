"""A transaction: from the first word about it to a priced, closed row that can still be corrected.

Three kinds of events reach it, from any OCPP version; they may be late, doubled, out of order or
missing. Energy is never lost: whatever the token was, whatever the schema said, it is recorded.
"""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from sitecontroller.domain.authorization import AuthorizationStatus, IdToken
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.rating import Price
from sitecontroller.domain.station import ChargingState, StationTime
from sitecontroller.domain.tariff import Tariff

REGISTER_JITTER_WH = 10.0
"""A stop this little below its start is a rounding of the station's, and 0 energy."""


class TransactionState(StrEnum):
    """Whether energy may still flow on it."""

    ACTIVE = "active"
    ENDED = "ended"


class TransactionFlag(StrEnum):
    """What a person should know about how a transaction's figures came to be."""

    REFUSED_TOKEN = "refused-token"
    """It started although the token was not accepted."""
    NO_START = "no-start"
    """Opened by an Updated or Ended event: its start never reached us (Q34)."""
    MISSING_STOP = "missing-stop"
    """Closed by us without the station's word (Q32)."""
    STOP_GUESSED = "stop-guessed"
    """Its stop named no known id; it was matched by card, meter and time (Q28)."""
    STOP_CORRECTED = "stop-corrected"
    """The real stop came after it had been closed without, or on a guess."""
    POWER_LOSS = "power-loss"
    """The station booted while it ran (Q13)."""
    REGISTER_DOUBTFUL = "register-doubtful"
    """Meter stop below start, reset or rollover (Q31)."""
    CLOCK_DOUBTFUL = "clock-doubtful"
    """The station's times can't be right; ours were used (Q30, Q42)."""
    OFFLINE = "offline"
    """Some of its events were recorded while the station was offline."""
    SEQUENCE_GAP = "sequence-gap"
    """Events are missing (2.x seqNo); they were asked for."""
    UNPRICED = "unpriced"
    """No tariff was valid at its start."""
    SIGNED_INVALID = "signed-invalid"
    """Its signed readings are not valid: nobody is billed for it until a person decides."""


@dataclass(frozen=True, slots=True)
class TransactionStarted:
    """A station began a transaction.

    `station_transaction_id` is None from 1.6 stations: there we give it (an integer, Q27).
    """

    station_id: str
    evse_id: int
    connector_id: int
    id_token: IdToken | None
    time: StationTime
    received_at: datetime
    station_transaction_id: str | None = None
    meter_start_wh: float | None = None
    reading: MeterReading | None = None
    charging_state: ChargingState | None = None
    seq_no: int | None = None
    offline: bool = False
    remote_start_id: int | None = None
    reservation_id: int | None = None


@dataclass(frozen=True, slots=True)
class TransactionUpdated:
    """A station reports on a transaction: new readings, another state, a token shown.

    `evse_id` is None where the station left it out (2.x may); `station_transaction_id` is None
    where a 1.6 station sent MeterValues without one (Q35).
    """

    station_id: str
    station_transaction_id: str | None
    time: StationTime
    received_at: datetime
    evse_id: int | None = None
    connector_id: int | None = None
    readings: tuple[MeterReading, ...] = ()
    charging_state: ChargingState | None = None
    id_token: IdToken | None = None
    seq_no: int | None = None
    offline: bool = False
    trigger_reason: str | None = None
    remote_start_id: int | None = None
    reservation_id: int | None = None


@dataclass(frozen=True, slots=True)
class TransactionEnded:
    """A station ended a transaction. `meter_stop_wh` None: the station did not say."""

    station_id: str
    station_transaction_id: str | None
    time: StationTime
    received_at: datetime
    evse_id: int | None = None
    connector_id: int | None = None
    id_token: IdToken | None = None
    meter_stop_wh: float | None = None
    readings: tuple[MeterReading, ...] = ()
    stop_reason: str | None = None
    seq_no: int | None = None
    offline: bool = False


TransactionReport = TransactionStarted | TransactionUpdated | TransactionEnded


@dataclass(frozen=True, slots=True)
class Transaction:
    """One charging transaction as we keep it; `key` is a ULID of ours.

    Times ending in `_at` are the best we know in UTC; `*_received_at` is when we heard of it.
    `energy_wh` is None while nothing is known, never a guess of 0.
    """

    key: str
    station_id: str
    evse_id: int
    connector_id: int
    station_transaction_id: str
    state: TransactionState
    authorization_status: AuthorizationStatus
    started_at: datetime
    start_received_at: datetime
    id_token: IdToken | None = None
    parent_id_token: str | None = None
    ended_at: datetime | None = None
    end_received_at: datetime | None = None
    meter_start_wh: float | None = None
    meter_stop_wh: float | None = None
    meter_last_wh: float | None = None
    meter_last_at: datetime | None = None
    energy_corrected_wh: float | None = None
    """From the readings in between, where the registers can't be right (Q31)."""
    stop_reason: str | None = None
    charging_state: ChargingState | None = None
    remote_start_id: int | None = None
    seq_no_max: int | None = None
    seq_no_missing: tuple[int, ...] = ()
    tariff: Tariff | None = None
    price: Price | None = None
    flags: frozenset[TransactionFlag] = field(default_factory=frozenset)
    version: int = 1
    """Counts the facts told of it (its outbox rows); readings in between don't raise it."""

    @property
    def active(self) -> bool:
        """Whether it still runs."""
        return self.state is TransactionState.ACTIVE

    @property
    def may_charge(self) -> bool:
        """Whether it may be given current: its card was accepted, or none was shown yet."""
        return self.authorization_status in (
            AuthorizationStatus.ACCEPTED,
            AuthorizationStatus.UNKNOWN,
        )

    @property
    def energy_wh(self) -> Decimal | None:
        """Energy delivered so far, by the station's register; None while unknown."""
        if self.energy_corrected_wh is not None:
            return energy_of(self.energy_corrected_wh)
        last = self.meter_stop_wh if self.meter_stop_wh is not None else self.meter_last_wh
        if last is None or self.meter_start_wh is None:
            return None
        if last < self.meter_start_wh - REGISTER_JITTER_WH:
            return None
        return max(Decimal(0), energy_of(last) - energy_of(self.meter_start_wh))


def energy_of(value: float) -> Decimal:
    """A register to the mWh, the resolution in which it is stored."""
    return Decimal(round(value * 1000)) / 1000
