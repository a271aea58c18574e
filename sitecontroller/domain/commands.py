"""What people and HQ ask of the site: imperative values, executed by `controller.execute`."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sitecontroller.domain.queries import Query


class Command:
    """What `controller.execute` takes. Each block brings its own beside its values."""

    __slots__ = ()


class StationRequest:
    """What `StationLink.ask` takes: one thing said to one station, in the domain's words."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class StartTransaction(Command):
    """Begin charging at an EVSE on a token."""

    station_id: str
    evse_id: int
    id_token: str
    connector_id: int = 1


@dataclass(frozen=True, slots=True)
class StopTransaction(Command):
    """End a running transaction."""

    transaction_key: str


@dataclass(frozen=True, slots=True)
class PauseCharging(Command):
    """Hold a session at 0 A without ending it: for cars and stations that a stop would lock out."""

    transaction_key: str


@dataclass(frozen=True, slots=True)
class ResumeCharging(Command):
    """Let a paused session go on."""

    transaction_key: str


@dataclass(frozen=True, slots=True)
class UnlockConnector(Command):
    """Release the cable."""

    station_id: str
    evse_id: int
    connector_id: int = 1


class ResetType(StrEnum):
    """OCPP 2.0.1 ResetEnumType; 1.6 says Hard and Soft."""

    IMMEDIATE = "Immediate"
    ON_IDLE = "OnIdle"


@dataclass(frozen=True, slots=True)
class ResetStation(Command):
    """Restart a station, or one EVSE of a 2.x station that can do that."""

    station_id: str
    type: ResetType = ResetType.ON_IDLE
    evse_id: int | None = None


@dataclass(frozen=True, slots=True)
class ChangeAvailability(Command):
    """Take an EVSE (or, with `evse_id` None, the whole station) out of service or back.

    What is out of service stays so over restarts, until it is put back. `connector_id`: one of the
    connectors of a 2.x station's EVSE. `note` says why, `by` who.
    """

    station_id: str
    evse_id: int | None
    operative: bool
    connector_id: int | None = None
    note: str = ""
    by: str = "console"


@dataclass(frozen=True, slots=True)
class TriggerMessage(Command):
    """Ask a station to send a message now; `message` is the 2.x name (StatusNotification, …)."""

    station_id: str
    message: str
    evse_id: int | None = None


@dataclass(frozen=True, slots=True)
class GetVariables(Command):
    """Read settings: 1.6 keys, or 2.x "Component.Variable"; empty asks for all (1.6)."""

    station_id: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SetVariable(Command):
    """Write one setting: a 1.6 key, or a 2.x "Component.Variable"."""

    station_id: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class CallStation(Command):
    """A technician's raw OCPP call; the answer comes back raw."""

    station_id: str
    action: str
    payload: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AcceptStation(Command):
    """Admit a station from the "new stations" list (commissioning mode).

    `circuit_id` None: the main circuit. The electrician completes its wiring in site.toml.
    """

    station_id: str
    circuit_id: str | None = None


@dataclass(frozen=True, slots=True)
class RejectStation(Command):
    """Turn a station of the "new stations" list away until the commissioning window ends."""

    station_id: str


@dataclass(frozen=True, slots=True)
class AcknowledgeAlarm(Command):
    """A person has seen an alarm."""

    alarm_key: str
    by: str = "console"


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


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """A command as it went: asked, answered by the station, seen to have its effect.

    `kind` is the command's name, `parameters` what it asked for, without secrets.
    """

    command_id: str
    kind: str
    station_id: str | None
    parameters: dict[str, str]
    asked_at: datetime
    state: CommandState
    reason: str | None = None
    answered_at: datetime | None = None
    effect_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CommandsQuery(Query):
    """Commands since the controller started, newest first; of one station or of all."""

    limit: int = 50
    cursor: str | None = None
    station_id: str | None = None
