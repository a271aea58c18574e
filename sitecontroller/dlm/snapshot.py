"""The frozen picture that one load-management cycle decides on.

Currents are amperes per site phase, as the grid sees them. What is not known is None, never 0:
a circuit whose base load is None has no room.
"""

from dataclasses import dataclass
from enum import IntEnum

from sitecontroller.domain.topology import NOMINAL_V, PHASES, EvseKey, PerPhase

EQUAL_SHARE = "equal share"

Amperes = tuple[float, float, float]
"""L1, L2, L3, all known."""


class DemandClass(IntEnum):
    """Who is served first when there isn't room for all."""

    VIP = 0
    FLEET = 1
    NORMAL = 2


@dataclass(frozen=True, slots=True)
class CircuitState:
    """A circuit of the tree now.

    `cap_a` is what load management may use: limit less margin and less `reserve_a`, which is kept
    against ripple. `base_a` is what flows here that isn't EVSEs. `imbalance_a` is the most by which
    two phases may differ, base load included.
    """

    circuit_id: str
    name: str
    parent_id: str | None
    cap_a: Amperes
    base_a: PerPhase
    imbalance_a: float | None = None
    reserve_a: float = 0.0


@dataclass(frozen=True, slots=True)
class GroupState:
    """A limit on the sum of some EVSEs that are no subtree, such as a shared power module."""

    group_id: str
    name: str
    cap_a: Amperes
    members: frozenset[EvseKey]


@dataclass(frozen=True, slots=True)
class Demand:
    """An EVSE that draws, wants to, or might.

    One that can't be steered now (no contact, an unproven limit, nothing started) has
    `steerable` False: it takes its `exposure_a` from the room and is allocated nothing.
    """

    key: EvseKey
    circuit_id: str
    phases: tuple[int, ...] = PHASES
    """Site phases the car uses, or may use until that is known."""
    current_a_min: float = 6.0
    current_a_max: float = 32.0
    need_a: float | None = None
    """What the car was seen to take at most, with a little on top; None: not seen to be less."""
    step_a: float = 0.1
    weight: float = 1.0
    demand_class: DemandClass = DemandClass.NORMAL
    steerable: bool = True
    wants: bool = True
    paused_by: str = ""
    """Who holds it at 0, in words; nobody if empty."""
    """False: the car sleeps; it is offered its minimum only from what nobody else takes."""
    exposure_a: float = 0.0
    measured_a: float | None = None
    limit_a: float = 0.0
    """The limit last sent."""
    settled_s: float | None = None
    """How long it has been running (`limit_a` > 0) or paused (0); None: neither before now."""
    credit_s: float = 0.0
    """Time it was kept waiting less time it was served."""
    plugged_s: float = 0.0
    """Monotonic; the earlier comes first."""
    guaranteed_a: float = 0.0
    """Served before everybody else with so much, as far as there is room; 0: nothing is."""
    may_start: bool = True
    """False: its contactor has switched often enough for now."""
    departs_in_s: float | None = None
    """Until the driver means to leave, below 0 when that time is over; None: nobody said."""
    energy_need_wh: float | None = None
    """What the car still needs by then; None: nobody said."""
    ceiling_a: float | None = None
    """The most that a plan advises now, 0 or at least the minimum; None: all there is."""
    ceiling_reason: str = ""

    @property
    def most_a(self) -> float:
        """The most it may be given, by its station and by the plan."""
        if self.ceiling_a is None:
            return self.current_a_max
        return min(self.current_a_max, self.ceiling_a)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Circuits in any order, exactly one without a parent; demands in any order."""

    circuits: tuple[CircuitState, ...]
    demands: tuple[Demand, ...]
    groups: tuple[GroupState, ...] = ()
    policy: str = EQUAL_SHARE
    """One of `policy.POLICIES` by its name."""
    voltage_v: float = NOMINAL_V
    """Between a phase and what the cars' current returns by: turns energy into current."""
