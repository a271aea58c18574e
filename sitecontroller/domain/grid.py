"""What the grid asks of stations that can feed in: DER controls, their alarms, aFRR signals.

The settings of a control are kept in OCPP's own words: curves and parameters of a grid code are
handed through, not interpreted. OCPP 2.1, blocks Q and R.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sitecontroller.domain.commands import Command, StationRequest
from sitecontroller.domain.queries import Query


class DerControlType(StrEnum):
    """OCPP 2.1 DERControlEnumType."""

    ENTER_SERVICE = "EnterService"
    FREQ_DROOP = "FreqDroop"
    FREQ_WATT = "FreqWatt"
    FIXED_PF_ABSORB = "FixedPFAbsorb"
    FIXED_PF_INJECT = "FixedPFInject"
    FIXED_VAR = "FixedVar"
    GRADIENTS = "Gradients"
    HF_MUST_TRIP = "HFMustTrip"
    HF_MAY_TRIP = "HFMayTrip"
    HV_MUST_TRIP = "HVMustTrip"
    HV_MOM_CESS = "HVMomCess"
    HV_MAY_TRIP = "HVMayTrip"
    LIMIT_MAX_DISCHARGE = "LimitMaxDischarge"
    LF_MUST_TRIP = "LFMustTrip"
    LV_MUST_TRIP = "LVMustTrip"
    LV_MOM_CESS = "LVMomCess"
    LV_MAY_TRIP = "LVMayTrip"
    POWER_MONITORING_MUST_TRIP = "PowerMonitoringMustTrip"
    VOLT_VAR = "VoltVar"
    VOLT_WATT = "VoltWatt"
    WATT_PF = "WattPF"
    WATT_VAR = "WattVar"

    @property
    def member(self) -> str:
        """Where a control of this type has its settings in OCPP's messages."""
        return _MEMBERS.get(self, "curve")


_MEMBERS = {
    DerControlType.ENTER_SERVICE: "enterService",
    DerControlType.FREQ_DROOP: "freqDroop",
    DerControlType.FIXED_PF_ABSORB: "fixedPFAbsorb",
    DerControlType.FIXED_PF_INJECT: "fixedPFInject",
    DerControlType.FIXED_VAR: "fixedVar",
    DerControlType.GRADIENTS: "gradient",
    DerControlType.LIMIT_MAX_DISCHARGE: "limitMaxDischarge",
}

FAULT_WORDS = {
    "CurrentImbalance": "the phases carry unequal currents",
    "LocalEmergency": "an emergency on site",
    "LowInputPower": "too little power from the car",
    "OverCurrent": "too much current",
    "OverFrequency": "the grid's frequency is too high",
    "OverVoltage": "the grid's voltage is too high",
    "PhaseRotation": "the phases turn the wrong way",
    "RemoteEmergency": "an emergency told from outside",
    "UnderFrequency": "the grid's frequency is too low",
    "UnderVoltage": "the grid's voltage is too low",
    "VoltageImbalance": "the phases have unequal voltages",
}
"""OCPP 2.1 GridEventFaultEnumType, for people."""


@dataclass(frozen=True, slots=True)
class DerControl:
    """One control that a station holds; `settings` in OCPP's words."""

    control_id: str
    control_type: str
    is_default: bool | None = None
    is_superseded: bool | None = None
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DerControlsView:
    """What a station held when it was last asked; `read_at` None: never asked."""

    station_id: str
    controls: tuple[DerControl, ...] = ()
    read_at: datetime | None = None
    complete: bool = True


class DerEventKind(StrEnum):
    """What a station tells of its controls."""

    ALARM = "alarm"
    ALARM_ENDED = "alarm-ended"
    STARTED = "started"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class DerEvent:
    """A DER control took over, or no longer does (R04, R05)."""

    station_id: str
    kind: DerEventKind
    at: datetime
    received_at: datetime
    control_type: str | None = None
    control_id: str | None = None
    fault: str | None = None
    info: str | None = None
    superseded_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PutDerControl(StationRequest):
    """Set a control."""

    control_id: str
    control_type: DerControlType
    is_default: bool
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True)
class GetDerControls(StationRequest):
    """The controls that fit; the answer's body has them under "controls", and whether they are all
    under "complete"."""

    is_default: bool | None = None
    control_type: DerControlType | None = None
    control_id: str | None = None


@dataclass(frozen=True, slots=True)
class DropDerControls(StationRequest):
    """Take controls out."""

    is_default: bool
    control_type: DerControlType | None = None
    control_id: str | None = None


@dataclass(frozen=True, slots=True)
class AfrrSignal(StationRequest):
    """A signal of the grid's frequency restoration reserve (Q08)."""

    signal: int


@dataclass(frozen=True, slots=True)
class SetDerControl(Command):
    """Set a DER control of a 2.1 station. `settings` are OCPP 2.1's of that type: the curve, or
    the parameters (DERCurveType, FreqDroopType, …). `control_id` empty: a new one."""

    station_id: str
    control_type: DerControlType
    settings: dict[str, Any]
    is_default: bool = True
    control_id: str = ""


@dataclass(frozen=True, slots=True)
class ReadDerControls(Command):
    """Read back the DER controls of a 2.1 station; without any filter all of them."""

    station_id: str
    is_default: bool | None = None
    control_type: DerControlType | None = None
    control_id: str | None = None


@dataclass(frozen=True, slots=True)
class ClearDerControls(Command):
    """Take DER controls out of a 2.1 station: all defaults, or all scheduled ones, that fit."""

    station_id: str
    is_default: bool
    control_type: DerControlType | None = None
    control_id: str | None = None


@dataclass(frozen=True, slots=True)
class SendAfrrSignal(Command):
    """Hand a frequency restoration signal on to a 2.1 station."""

    station_id: str
    signal: int


@dataclass(frozen=True, slots=True)
class DerControlsQuery(Query):
    """The DER controls a station held when it was last asked."""

    station_id: str


@dataclass(frozen=True, slots=True)
class DerEventsQuery(Query):
    """What a station's DER controls did."""

    station_id: str
    limit: int = 50
    cursor: str | None = None
