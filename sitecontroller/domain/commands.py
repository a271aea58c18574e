"""What people and HQ ask of the site: imperative values, executed by `controller.execute`."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class StartTransaction:
    """Begin charging at an EVSE on a token."""

    station_id: str
    evse_id: int
    id_token: str
    connector_id: int = 1


@dataclass(frozen=True, slots=True)
class StopTransaction:
    """End a running transaction."""

    transaction_key: str


@dataclass(frozen=True, slots=True)
class UnlockConnector:
    """Release the cable."""

    station_id: str
    evse_id: int
    connector_id: int = 1


class ResetType(StrEnum):
    """OCPP 2.0.1 ResetEnumType; 1.6 says Hard and Soft."""

    IMMEDIATE = "Immediate"
    ON_IDLE = "OnIdle"


@dataclass(frozen=True, slots=True)
class ResetStation:
    """Restart a station."""

    station_id: str
    type: ResetType = ResetType.ON_IDLE


@dataclass(frozen=True, slots=True)
class ChangeAvailability:
    """Take an EVSE (or, with `evse_id` None, the whole station) out of service or back."""

    station_id: str
    evse_id: int | None
    operative: bool


@dataclass(frozen=True, slots=True)
class TriggerMessage:
    """Ask a station to send a message now; `message` is the 2.x name (StatusNotification, …)."""

    station_id: str
    message: str
    evse_id: int | None = None


@dataclass(frozen=True, slots=True)
class GetVariables:
    """Read settings: 1.6 keys, or 2.x "Component.Variable"; empty asks for all (1.6)."""

    station_id: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SetVariable:
    """Write one setting: a 1.6 key, or a 2.x "Component.Variable"."""

    station_id: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class CallStation:
    """A technician's raw OCPP call; the answer comes back raw."""

    station_id: str
    action: str
    payload: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AcceptStation:
    """Admit a station from the "new stations" list (commissioning mode).

    `circuit_id` None: the main circuit. The electrician completes its wiring in site.toml.
    """

    station_id: str
    circuit_id: str | None = None


@dataclass(frozen=True, slots=True)
class RejectStation:
    """Turn a station of the "new stations" list away until the commissioning window ends."""

    station_id: str


@dataclass(frozen=True, slots=True)
class AcknowledgeAlarm:
    """A person has seen an alarm."""

    alarm_key: str
    by: str = "console"


Command = (
    StartTransaction
    | StopTransaction
    | UnlockConnector
    | ResetStation
    | ChangeAvailability
    | TriggerMessage
    | GetVariables
    | SetVariable
    | CallStation
    | AcceptStation
    | RejectStation
    | AcknowledgeAlarm
)


class CommandState(StrEnum):
    """How far a command got. `EFFECTIVE` and `INEFFECTIVE` say whether the world followed."""

    SENT = "sent"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    FAILED = "failed"
    EFFECTIVE = "effective"
    INEFFECTIVE = "ineffective"


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What came of a command; `reason` is the station's or our word for a refusal.

    `answer` is for the caller alone, events don't carry it: the station's answer (raw calls,
    settings), or `{"password": …}` for a person to enter in a charger that did not take it.
    """

    command_id: str
    state: CommandState
    reason: str | None = None
    answer: dict[str, Any] | None = None
