"""Smart charging beyond our own limits: profiles a station holds, limits of others, cars' needs.

Energies, powers and currents are as the car or the station names them: at the outlet, import
positive, discharge under names of its own. Words are those of OCPP 2.1.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sitecontroller.domain.commands import Command, StationRequest
from sitecontroller.domain.queries import Query
from sitecontroller.domain.topology import EvseKey, LimitUnit

FOREIGN_PROFILE_ID_MIN = 1000
"""Profiles that people set have numbers from here on; those below are load management's."""


class ProfilePurpose(StrEnum):
    """OCPP 2.1 ChargingProfilePurposeEnumType."""

    EXTERNAL = "ChargingStationExternalConstraints"
    STATION_MAXIMUM = "ChargingStationMaxProfile"
    TX_DEFAULT = "TxDefaultProfile"
    TX = "TxProfile"
    PRIORITY = "PriorityCharging"
    LOCAL_GENERATION = "LocalGeneration"


class ProfileKind(StrEnum):
    """OCPP 2.1 ChargingProfileKindEnumType."""

    ABSOLUTE = "Absolute"
    RECURRING = "Recurring"
    RELATIVE = "Relative"
    DYNAMIC = "Dynamic"


class Recurrency(StrEnum):
    """OCPP RecurrencyKindEnumType."""

    DAILY = "Daily"
    WEEKLY = "Weekly"


class EnergyTransfer(StrEnum):
    """OCPP 2.1 EnergyTransferModeEnumType; BPT is bidirectional."""

    AC_ONE_PHASE = "AC_single_phase"
    AC_TWO_PHASES = "AC_two_phase"
    AC_THREE_PHASES = "AC_three_phase"
    DC = "DC"
    AC_BPT = "AC_BPT"
    AC_BPT_DER = "AC_BPT_DER"
    AC_DER = "AC_DER"
    DC_BPT = "DC_BPT"
    DC_ACDP = "DC_ACDP"
    DC_ACDP_BPT = "DC_ACDP_BPT"
    WPT = "WPT"


@dataclass(frozen=True, slots=True)
class SchedulePeriod:
    """From `start_s` into a schedule on, in the schedule's unit (A per phase, or W in all).

    With `limit_l2` and `limit_l3` each phase has its own. None: not said.
    """

    start_s: int
    limit: float | None = None
    phase_count: int | None = None
    limit_l2: float | None = None
    limit_l3: float | None = None
    discharge_limit: float | None = None
    """0 or less."""
    setpoint: float | None = None
    operation_mode: str | None = None

    @property
    def most(self) -> float | None:
        """The largest of its limits."""
        limits = (self.limit, self.limit_l2, self.limit_l3)
        return max((limit for limit in limits if limit is not None), default=None)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A charging schedule as a station tells it."""

    unit: LimitUnit
    periods: tuple[SchedulePeriod, ...]
    start_at: datetime | None = None
    duration_s: int | None = None

    @property
    def most(self) -> float | None:
        """The largest limit of all periods, in its unit."""
        limits = [period.most for period in self.periods if period.most is not None]
        return max(limits, default=None)


@dataclass(frozen=True, slots=True)
class HeldProfile:
    """One profile in a station, whoever put it there.

    `ours`: load management's own. `stale`: its time is over, or its transaction.
    """

    evse_id: int
    profile_id: int
    source: str
    """CSO (us), EMS, SO, Other, or the station's own word."""
    purpose: str
    kind: str
    stack_level: int
    schedules: tuple[Schedule, ...]
    ours: bool = False
    stale: bool = False
    recurrency: str | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    transaction_id: str | None = None
    offline_s_max: int | None = None
    """It ends when the station is offline for longer (2.1)."""


@dataclass(frozen=True, slots=True)
class ProfilesView:
    """What a station held when it was last asked; `read_at` None: never asked."""

    station_id: str
    profiles: tuple[HeldProfile, ...] = ()
    read_at: datetime | None = None
    complete: bool = True
    """False: only those that were asked for, or some are missing."""


@dataclass(frozen=True, slots=True)
class ExternalLimit:
    """A limit that somebody else gave a station (K11, K12); `evse_id` 0: the station."""

    station_id: str
    evse_id: int
    source: str
    received_at: datetime
    schedules: tuple[Schedule, ...] = ()
    """Empty: the station doesn't say how much."""
    grid_critical: bool = False
    local_generation: bool = False
    """Not a limit but power made on site, to be used on top (K27)."""
    cleared_at: datetime | None = None


class NeedsVerdict(StrEnum):
    """What a car that told its needs can count on."""

    SCHEDULE_FOLLOWS = "schedule-follows"
    NO_SCHEDULE = "no-schedule"
    """The station does what it can within its limits."""
    NOT_ALLOWED = "not-allowed"
    """This kind of energy transfer: the session ends (K18.FR.23)."""


@dataclass(frozen=True, slots=True)
class ChargingNeeds:
    """What a car asks for (K15, K18, K19, Q01); None: it doesn't say."""

    station_id: str
    evse_id: int
    received_at: datetime
    requested_transfer: str
    told_at: datetime | None = None
    """By the station, when it comes late (K15.FR.20)."""
    transaction_key: str | None = None
    available_transfers: tuple[str, ...] = ()
    departure_at: datetime | None = None
    energy_wh: float | None = None
    """Wanted until the departure."""
    energy_wh_min: float | None = None
    energy_wh_max: float | None = None
    current_a_min: float | None = None
    current_a_max: float | None = None
    voltage_v_max: float | None = None
    power_w_min: float | None = None
    power_w_max: float | None = None
    discharge_power_w_max: float | None = None
    discharge_current_a_max: float | None = None
    capacity_wh: float | None = None
    soc_percent: float | None = None
    soc_target_percent: float | None = None
    control_mode: str | None = None
    """ScheduledControl or DynamicControl (ISO 15118-20)."""
    mobility_mode: str | None = None
    schedule_entries_max: int | None = None
    delivered_wh: float | None = None
    """What its session had by then; None: not known yet, so nothing."""
    verdict: NeedsVerdict | None = None
    """What we said."""
    details: dict[str, Any] = field(default_factory=dict)
    """DER abilities and the car's offer, in OCPP's words."""

    @property
    def key(self) -> EvseKey:
        """Where the car stands."""
        return EvseKey(self.station_id, self.evse_id)

    @property
    def offers_discharge(self) -> bool:
        """Whether it asked for a transfer in both directions, which it may use, and can give."""
        can_give = (self.discharge_power_w_max or 0) > 0 or (self.discharge_current_a_max or 0) > 0
        is_allowed = self.verdict is not NeedsVerdict.NOT_ALLOWED
        return can_give and is_allowed and "BPT" in self.requested_transfer


@dataclass(frozen=True, slots=True)
class EvSchedule:
    """What a car says it will draw (K15.FR.10); `accepted`: it keeps to its limit."""

    station_id: str
    evse_id: int
    received_at: datetime
    base_at: datetime | None
    schedule: Schedule
    selected_id: int | None = None
    tolerance_accepted: bool | None = None
    accepted: bool = True

    @property
    def key(self) -> EvseKey:
        """Where the car stands."""
        return EvseKey(self.station_id, self.evse_id)


@dataclass(frozen=True, slots=True)
class TransactionLimits:
    """Where the station itself ends a session (2.1); costs in the session's currency."""

    cost_max: float | None = None
    energy_wh_max: float | None = None
    time_s_max: int | None = None
    soc_percent_max: float | None = None


@dataclass(frozen=True, slots=True)
class EvState:
    """What a 2.1 station tells of a session beside its energy; None: not told."""

    station_id: str
    transaction_id: str
    evse_id: int | None
    at: datetime
    operation_mode: str | None = None
    evse_sleeps: bool | None = None
    preconditioning: str | None = None
    limits: TransactionLimits | None = None
    evcc_id: str | None = None
    """The car's own id (Q01.FR.02)."""
    priority: bool | None = None
    """It charges by its priority profile, not by our limit (K21, K22)."""
    station_costs: dict[str, Any] | None = None
    """The station's own costDetails, as they came."""

    @property
    def tells_something(self) -> bool:
        """Whether there is more to it than which session it is about."""
        return any(value is not None for value in self.news.values())

    @property
    def news(self) -> dict[str, Any]:
        """All but what it is about."""
        return {
            "operation_mode": self.operation_mode,
            "evse_sleeps": self.evse_sleeps,
            "preconditioning": self.preconditioning,
            "limits": self.limits,
            "evcc_id": self.evcc_id,
            "priority": self.priority,
            "station_costs": self.station_costs,
        }


# what is said to stations


@dataclass(frozen=True, slots=True)
class GetProfiles(StationRequest):
    """The profiles that fit; the answer's body has them under "profiles", and whether they are all
    under "complete"."""

    evse_id: int | None = None
    purpose: ProfilePurpose | None = None
    stack_level: int | None = None
    sources: tuple[str, ...] = ()
    profile_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class PutProfile(StationRequest):
    """Install a profile that people made."""

    profile: "SetChargingProfile"


@dataclass(frozen=True, slots=True)
class ClearProfiles(StationRequest):
    """Take profiles out: the one with an id, or those that fit all that is said."""

    profile_id: int | None = None
    evse_id: int | None = None
    purpose: ProfilePurpose | None = None
    stack_level: int | None = None


@dataclass(frozen=True, slots=True)
class GetSchedule(StationRequest):
    """The composite schedule; the answer's body has a `Schedule` under "schedule"."""

    evse_id: int
    duration_s: int
    unit: LimitUnit | None = None


@dataclass(frozen=True, slots=True)
class LimitedStart(StationRequest):
    """Begin charging with a limit from the first moment on (K05)."""

    evse_id: int
    id_token: str
    remote_start_id: int
    current_a: float


@dataclass(frozen=True, slots=True)
class PriorityCharging(StationRequest):
    """Charge by the priority profile, or no more (2.1)."""

    transaction_id: str
    activate: bool


@dataclass(frozen=True, slots=True)
class AllowedTransfers(StationRequest):
    """What kinds of energy transfer a session may use from now on (2.1)."""

    transaction_id: str
    transfers: tuple[EnergyTransfer, ...]


# what people ask for


@dataclass(frozen=True, slots=True)
class ReadChargingProfiles(Command):
    """Read back which profiles a 2.x station holds, also those of other systems.

    Without any filter all of them; `evse_id` 0 is the station itself.
    """

    station_id: str
    evse_id: int | None = None
    purpose: ProfilePurpose | None = None
    stack_level: int | None = None
    sources: tuple[str, ...] = ()
    profile_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SetChargingProfile(Command):
    """Install a profile beside load management's; it may only lower what an EVSE may draw.

    Times are of our clock. `duration_s` None: until it is replaced. The last five are of 2.1.
    """

    station_id: str
    evse_id: int
    profile_id: int
    purpose: ProfilePurpose
    stack_level: int
    unit: LimitUnit
    periods: tuple[SchedulePeriod, ...]
    kind: ProfileKind = ProfileKind.ABSOLUTE
    recurrency: Recurrency | None = None
    start_at: datetime | None = None
    duration_s: int | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    local_time: bool = False
    random_delay_s: int | None = None
    soc_percent: int | None = None
    """From this state of charge on `soc_limit` holds."""
    soc_limit: float | None = None
    offline_s_max: int | None = None


@dataclass(frozen=True, slots=True)
class ClearChargingProfiles(Command):
    """Take out profiles that load management did not set: by id, or all that fit."""

    station_id: str
    profile_id: int | None = None
    evse_id: int | None = None
    purpose: ProfilePurpose | None = None
    stack_level: int | None = None


@dataclass(frozen=True, slots=True)
class StartLimited(Command):
    """Begin charging with a limit from the first moment on, no more than the EVSE's fallback; load
    management gives more when there is room."""

    station_id: str
    evse_id: int
    id_token: str
    current_a: float


@dataclass(frozen=True, slots=True)
class ReadSchedule(Command):
    """Ask a 2.x station what it will let an EVSE (0: the whole station) draw."""

    station_id: str
    evse_id: int
    duration_s: int = 900
    unit: LimitUnit | None = None


@dataclass(frozen=True, slots=True)
class UseDynamicLimits(Command):
    """Tell a 2.1 station its limits in dynamic profiles, which it may ask for again itself.

    `pull_every_s` 0: it is told, and asks for nothing.
    """

    station_id: str
    enabled: bool = True
    pull_every_s: int = 0


@dataclass(frozen=True, slots=True)
class UsePriorityCharging(Command):
    """Let a running session charge by the priority profile in its 2.1 station, or end that."""

    transaction_key: str
    activate: bool = True


@dataclass(frozen=True, slots=True)
class AllowEnergyTransfers(Command):
    """Tell a 2.1 station what kinds of energy transfer a running session may use."""

    transaction_key: str
    transfers: tuple[EnergyTransfer, ...]


@dataclass(frozen=True, slots=True)
class ChargingProfilesQuery(Query):
    """What a station held when it was last asked."""

    station_id: str


@dataclass(frozen=True, slots=True)
class ExternalLimitsQuery(Query):
    """Limits that others gave stations, ended ones too."""

    limit: int = 50
    cursor: str | None = None
    station_id: str | None = None


@dataclass(frozen=True, slots=True)
class ChargingNeedsQuery(Query):
    """What the last car at each EVSE of a station asked for."""

    station_id: str
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class EvSchedulesQuery(Query):
    """What the last car at each EVSE of a station said it would draw."""

    station_id: str
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class EvStatesQuery(Query):
    """What a 2.1 station told of its sessions beside their energy."""

    station_id: str
    limit: int = 50
    cursor: str | None = None
