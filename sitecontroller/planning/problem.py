"""What is planned, and the plan: the same values for every way to find one.

Power is the average while a car is there, in W as the grid sees it. Where it is below the car's
minimum, the car charges at its minimum for that part of the interval. Prices are per kWh in one
currency, which the planner needn't know. Whoever fills in a `Problem` says what base load to
expect; a fault in it is our own, so it is asserted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from math import isfinite

from sitecontroller.dlm.snapshot import DemandClass
from sitecontroller.domain.topology import EvseKey

QUARTER_HOUR_S = 900.0
INTERVALS_MAX = 192
"""48 h of quarter-hours."""

UNMET_PENALTY_PER_KWH = {
    DemandClass.VIP: 100.0,
    DemandClass.FLEET: 30.0,
    DemandClass.NORMAL: 10.0,
}
"""Above what any spot market asks for (5 per kWh at most, in EUR): a price alone leaves no car
short. A demand charge above the penalty, in the short time that is left, may."""


class Solver(StrEnum):
    """Who found a plan."""

    HIGHS = "HiGHS"
    RULE = "rule"


@dataclass(frozen=True, slots=True)
class Stay:
    """One car at one EVSE: what it needs, and until when.

    `arrives_at` None: it is there; `departs_at` None: it stays beyond the horizon.
    """

    key: EvseKey
    circuit_id: str
    energy_need_wh: float
    power_w_max: float
    power_w_min: float = 0.0
    arrives_at: datetime | None = None
    departs_at: datetime | None = None
    demand_class: DemandClass = DemandClass.NORMAL


@dataclass(frozen=True, slots=True)
class CircuitRoom:
    """A circuit of the tree, W per interval.

    `limit_w` is what may flow (limit less margin); `base_w` what anything but our cars is counted
    with, on the careful side: an upper quantile of the forecast. Below 0: a surplus.
    """

    circuit_id: str
    parent_id: str | None
    limit_w: tuple[float, ...]
    base_w: tuple[float, ...]

    def room_w(self, interval: int) -> float:
        """What is left for cars, at least 0."""
        return max(0.0, self.limit_w[interval] - self.base_w[interval])


@dataclass(frozen=True, slots=True)
class Problem:
    """All that a plan depends on. Every tuple has one value per interval.

    `expected_base_w` is the site's base load as it is most likely (the median): energy is priced by
    it. The peak is counted with the `base_w` of the circuit that has no parent: the careful side.
    `demand_charge_per_kw` is the price of one more kW of the highest average of an interval in the
    billing window, `peak_so_far_w` what that is by now; the window is taken to last for the
    horizon. Where export pays more than import costs, the plan decides as if both were the import
    price; the cost it names is right.
    """

    start_at: datetime
    stays: tuple[Stay, ...]
    circuits: tuple[CircuitRoom, ...]
    expected_base_w: tuple[float, ...]
    import_per_kwh: tuple[float, ...]
    export_per_kwh: tuple[float, ...]
    interval_s: float = QUARTER_HOUR_S
    demand_charge_per_kw: float = 0.0
    peak_so_far_w: float = 0.0
    unmet_penalty_per_kwh: Mapping[DemandClass, float] = field(
        default_factory=UNMET_PENALTY_PER_KWH.copy
    )

    def __post_init__(self) -> None:
        assert self.start_at.tzinfo is not None, "start_at is aware"
        assert 0 < self.intervals <= INTERVALS_MAX, "a horizon of at most 48 h"
        rows = [self.expected_base_w, self.import_per_kwh, self.export_per_kwh]
        rows += [row for circuit in self.circuits for row in (circuit.limit_w, circuit.base_w)]
        assert all(len(row) == self.intervals for row in rows), "one value per interval"
        assert all(isfinite(value) for row in rows for value in row), "a number per interval"
        ids = {circuit.circuit_id for circuit in self.circuits}
        assert sum(circuit.parent_id is None for circuit in self.circuits) == 1, "one root"
        assert all(c.parent_id is None or c.parent_id in ids for c in self.circuits), "a tree"
        for stay in self.stays:
            assert stay.circuit_id in ids, f"{stay.key} hangs on a circuit"
            assert isfinite(stay.energy_need_wh), f"the need of {stay.key} is known"
            assert 0.0 <= stay.power_w_min <= stay.power_w_max, f"{stay.key} has a range"

    @property
    def intervals(self) -> int:
        return len(self.import_per_kwh)

    @property
    def interval_h(self) -> float:
        return self.interval_s / 3600.0

    @property
    def root(self) -> CircuitRoom:
        """The grid connection."""
        return next(circuit for circuit in self.circuits if circuit.parent_id is None)

    @property
    def sunk_peak_w(self) -> float:
        """The peak that is paid for whatever the cars do."""
        return max(self.peak_so_far_w, *self.root.base_w)

    def presence(self, stay: Stay) -> list[float]:
        """The part of each interval that the car is there, 0 to 1."""
        start = self.start_at
        arrives_s = (stay.arrives_at - start).total_seconds() if stay.arrives_at else 0.0
        end_s = self.interval_s * self.intervals
        departs_s = (stay.departs_at - start).total_seconds() if stay.departs_at else end_s
        parts = []
        for interval in range(self.intervals):
            from_s = interval * self.interval_s
            there_s = min(departs_s, from_s + self.interval_s) - max(arrives_s, from_s)
            parts.append(min(1.0, max(0.0, there_s / self.interval_s)))
        return parts

    def path(self, stay: Stay) -> list[CircuitRoom]:
        """The circuits that carry what the car draws, up to the root."""
        by_id = {circuit.circuit_id: circuit for circuit in self.circuits}
        path = [by_id[stay.circuit_id]]
        while (parent_id := path[-1].parent_id) is not None:
            assert len(path) <= len(by_id), "circuits form a tree"
            path.append(by_id[parent_id])
        return path

    def ceilings_w(self, stay: Stay) -> list[float]:
        """The most it may draw in each interval if it were alone; 0 where its minimum won't fit."""
        path = self.path(stay)
        ceilings = []
        for interval, part in enumerate(self.presence(stay)):
            most_w = min(stay.power_w_max, *(circuit.room_w(interval) for circuit in path))
            ceilings.append(most_w if part > 0 and most_w >= stay.power_w_min else 0.0)
        return ceilings


@dataclass(frozen=True, slots=True)
class PlannedCharge:
    """What one car is to get: W per interval, averaged over the time it is there.

    `unmet` says in words why something is missing; empty if nothing is.
    """

    stay: Stay
    power_w: tuple[float, ...]
    unmet_wh: float
    unmet: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan, what it costs, and who found it (`why`: for what reason it wasn't the solver).

    `site_w` is the site's expected average power per interval, base load included. `peak_w` is the
    highest one on the careful side. `energy_cost` and `demand_cost` are what the cars add to the
    site's bill; `penalty` is what the unmet energy weighs, which nobody pays.
    """

    charges: tuple[PlannedCharge, ...]
    site_w: tuple[float, ...]
    peak_w: float
    energy_cost: float
    demand_cost: float
    penalty: float
    solver: Solver
    why: str = ""
