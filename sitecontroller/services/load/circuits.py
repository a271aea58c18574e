"""The circuits as load management sees them: meters and their age, base load, what to count with.

Owner of the base-load estimates and of S4's levels. Decides nothing about EVSEs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Protocol

from sitecontroller.dlm.base import TRIPS_SHARE, BaseLoad, Flows, WorstOfHour, summed
from sitecontroller.dlm.fallbacks import worst_base_a
from sitecontroller.dlm.limits import Limit, PhaseLimits, place_name, tightest
from sitecontroller.dlm.snapshot import Amperes, CircuitState
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.topology import (
    PHASES,
    UNKNOWN_PHASES,
    Circuit,
    PerPhase,
    Topology,
)

LATE_PERIODS = 2.0
LATE_GRACE_S = 0.5
ASSUMED_AFTER_S = 10.0
FAIL_SAFE_AFTER_S = 60.0


class Sight(IntEnum):
    """How well a circuit is known (S4); the worst on an EVSE's way counts."""

    GOOD = 0
    LATE = 1
    """No increase."""
    ASSUMED = 2
    """The worst base load is assumed."""
    BLIND = 3
    """Fallbacks only."""


class Sample(Protocol):
    """A meter's last good sample and when it came, monotonic."""

    @property
    def reading(self) -> MeterReading: ...
    @property
    def received_s(self) -> float: ...


@dataclass(slots=True)
class CircuitControl:
    """One circuit. `base_a` is what to count with now; None: never known.

    `own` is its fuse, `held` the smallest of that and the site limits here. `metered` is what a
    meter of the site leaves for the mean of some minutes: it needs no margin.
    """

    circuit: Circuit
    worst_base_a: Amperes
    period_s: float
    own: PhaseLimits
    held: PhaseLimits
    metered: PhaseLimits | None = None
    sight: Sight = Sight.GOOD
    age_s: float = 0.0
    base_a: PerPhase = UNKNOWN_PHASES
    measured: Sample | None = None
    _load: BaseLoad = field(init=False)
    _worst: WorstOfHour = field(default_factory=WorstOfHour)
    _seen_s: float | None = field(init=False)

    def __post_init__(self) -> None:
        self.forget()

    @property
    def cap_a(self) -> Amperes:
        """The fuse or a smaller site limit, less margin, or what the site's meters leave."""
        one, two, three = (limit.current_a - self.circuit.margin_a for limit in self.held)
        if self.metered is not None:
            one_a, two_a, three_a = (limit.current_a for limit in self.metered)
            return (min(one, one_a), min(two, two_a), min(three, three_a))
        return (one, two, three)

    @property
    def binding(self) -> PhaseLimits:
        """Per phase the smallest of all, to be named to people."""
        return self.held if self.metered is None else tightest(self.held, [self.metered], 0.0)

    @property
    def is_limited(self) -> bool:
        """Whether more than the fuse limits."""
        return self.held != self.own or self.metered is not None

    @property
    def is_overloaded(self) -> bool:
        """Whether its meter shows more than its limit."""
        if self.measured is None:
            return False
        shown = zip(self.measured.reading.current_a, self.circuit.limit_a, strict=True)
        return any(current_a is not None and current_a > limit_a for current_a, limit_a in shown)

    def forget(self) -> None:
        """Nothing learned so far counts: what flowed couldn't be told from cars."""
        one_a, two_a, three_a = self.circuit.limit_a
        most_a = (TRIPS_SHARE * one_a, TRIPS_SHARE * two_a, TRIPS_SHARE * three_a)
        self._load, self._seen_s = BaseLoad(most_a), None

    def measure(
        self,
        sample: Sample | None,
        flows: Flows,
        now: datetime,
        now_s: float,
        waiting_since_s: float,
    ) -> None:
        """This cycle's look at the circuit's own meter."""
        self.measured = sample
        if sample is not None and (self._seen_s is None or sample.received_s > self._seen_s):
            self._seen_s = sample.received_s
            held_a = self._load.update(sample.reading.current_a, flows, self.cap_a, now_s)
            self._worst.note(now.toordinal(), now.hour, held_a)
        since_s = sample.received_s if sample is not None else waiting_since_s
        self.age_s = max(0.0, now_s - since_s)
        self.sight = self._sight()
        self.base_a = self._load.held_a
        if self.sight >= Sight.ASSUMED:
            hour_a = self._worst.worst_a(now.hour)
            one, two, three = (
                max(self.worst_base_a[p], hour_a[p], self.base_a[p] or 0.0) for p in PHASES
            )
            self.base_a = (one, two, three)

    def assume(self, children: Sequence["CircuitControl"]) -> None:
        """Without a meter: the configured worst, or what the circuits below have together."""
        one, two, three = (
            max(self.worst_base_a[p], sum(child.base_a[p] or 0.0 for child in children))
            for p in PHASES
        )
        self.base_a = (one, two, three)

    def state(self, reserve_a: float) -> CircuitState:
        """For the allocator; `reserve_a` is left free so that ripple doesn't stir everybody."""
        one, two, three = (cap - reserve_a for cap in self.cap_a)
        return CircuitState(
            self.circuit.circuit_id,
            place_name(self.circuit.name, self.binding),
            self.circuit.parent_id,
            (one, two, three),
            self.base_a,
            self.circuit.imbalance_a,
            reserve_a,
        )

    def _sight(self) -> Sight:
        if self.age_s > FAIL_SAFE_AFTER_S:
            return Sight.BLIND
        if self.age_s > ASSUMED_AFTER_S:
            return Sight.ASSUMED
        if self._seen_s is None or self.age_s > LATE_PERIODS * self.period_s + LATE_GRACE_S:
            return Sight.LATE
        return Sight.GOOD


class Circuits:
    """The tree, root first."""

    def __init__(self, topology: Topology) -> None:
        self.by_id = {
            circuit.circuit_id: _control(topology, circuit)
            for circuit in topology.circuits.values()
        }
        self._up = {
            circuit_id: tuple(self.by_id[c.circuit_id] for c in topology.path(circuit_id))
            for circuit_id in topology.circuits
        }
        self._deepest_first = sorted(self.by_id.values(), key=self._depth, reverse=True)
        self._children: dict[str, list[CircuitControl]] = {id_: [] for id_ in self.by_id}
        for control in self.by_id.values():
            if control.circuit.parent_id is not None:
                self._children[control.circuit.parent_id].append(control)
        self.root = self.by_id[topology.root().circuit_id]

    def overloaded_by(self, meter_id: str, reading: MeterReading) -> bool:
        """Whether a circuit of that meter carries more than its cap now."""
        return any(
            current_a is not None and current_a > cap_a
            for control in self._deepest_first
            if control.circuit.meter_id == meter_id
            for current_a, cap_a in zip(reading.current_a, control.cap_a, strict=True)
        )

    def forget(self) -> None:
        """Begin every estimate anew."""
        for control in self._deepest_first:
            control.forget()

    def measure(
        self,
        samples: Mapping[str, Sample | None],
        flows: Mapping[str, Sequence[Flows]],
        now: datetime,
        now_s: float,
        waiting_since_s: float,
    ) -> None:
        """One cycle; `samples` by meter id, `flows` by circuit: of every EVSE at or below it."""
        for control in self._deepest_first:
            circuit = control.circuit
            if circuit.meter_id is None:
                control.assume(self._children[circuit.circuit_id])
            else:
                below = summed(flows.get(circuit.circuit_id, ()))
                control.measure(samples[circuit.meter_id], below, now, now_s, waiting_since_s)

    def up(self, circuit_id: str) -> tuple[CircuitControl, ...]:
        """The circuit and all above it."""
        return self._up[circuit_id]

    def sight(self, circuit_id: str) -> Sight:
        """The worst of a circuit and all above it."""
        return max(control.sight for control in self._up[circuit_id])

    def _depth(self, control: CircuitControl) -> int:
        return len(self._up[control.circuit.circuit_id])


def _control(topology: Topology, circuit: Circuit) -> CircuitControl:
    one, two, three = (worst_base_a(topology, circuit, phase) for phase in PHASES)
    fuse = tuple(Limit(a, circuit.name, circuit.circuit_id) for a in circuit.limit_a)
    own = fuse[0], fuse[1], fuse[2]
    period_s = topology.meters[circuit.meter_id].period_s if circuit.meter_id else 1.0
    return CircuitControl(circuit, (one, two, three), period_s, own, own)
