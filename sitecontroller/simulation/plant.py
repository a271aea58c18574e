"""The physics of a virtual site: cars, EVSEs with contactors, the building's load, circuits.

Truth for everything that measures or is measured: what flows where is decided in `step` alone, from
what stations offer and what cars take. Pure and deterministic: no time but the steps', no chance
but the seed's.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.topology import (
    NOMINAL_V,
    PHASES,
    Circuit,
    Evse,
    EvseKey,
    Supply,
    Topology,
)
from sitecontroller.simulation.cars import Car

Amperes = tuple[float, float, float]
"""On the site's L1, L2, L3."""

VOLTAGE_SPREAD_V = 1.5
FREQUENCY_HZ = 50.0
REGISTER_WH_MAX = 30_000_000
STEP_NOTICED_A = 1.0
"""A change of the building's load from here on is a step, anything less is ripple."""


class Outlet:
    """The power side of one EVSE. The station sets `offered_a` and `closed`, the driver the car.

    `offered_a` is per phase and on the grid's side, for DC too; `energy_wh` is the register of the
    EVSE's own meter, at the outlet.
    """

    def __init__(self, evse: Evse, energy_wh: float = 0.0) -> None:
        self.evse = evse
        self.car: Car | None = None
        self.closed = False
        """The contactor: closed only while an authorized transaction runs."""
        self.offered_a = 0.0
        self.asked_a = 0.0
        """What the car shall give back instead, per phase."""
        self.energy_wh = energy_wh
        self.current_a = 0.0
        """Per phase in use, on the grid's side; below 0 where the car gives back."""
        self.power_w = 0.0
        """At the outlet: less than the grid gives, by a DC station's losses."""

    @property
    def phases_in_use(self) -> tuple[int, ...]:
        """The site's phases that the plugged car loads, in the order of the terminals."""
        if self.car is None:
            return ()
        count = 3 if self.evse.supply is Supply.DC else self.car.model.phase_count
        return self.evse.phase_map.site_phases[:count]

    @property
    def wanted_a(self) -> float:
        """What the car would draw now if the station offered all it has; 0 without a session."""
        if self.car is None or not self.closed:
            return 0.0
        return self.car.wanted_a(self.evse.current_a_max)

    def terminal_current_a(self) -> tuple[float, ...]:
        """Per wired terminal L1.., as the station's own meter sees it."""
        in_use = len(self.phases_in_use)
        return tuple(
            self.current_a if terminal < in_use else 0.0
            for terminal in range(self.evse.phase_count)
        )

    def plug(self, car: Car) -> None:
        """A car arrives; the outlet must be free."""
        assert self.car is None, f"{self.evse.key} has a car"
        self.car = car

    def unplug(self) -> Car | None:
        """The car goes, if there is one; what flowed stops."""
        car, self.car = self.car, None
        if car is not None:
            car.cut_off()
        self.current_a = self.power_w = 0.0
        return car

    def step(self, dt_s: float, voltages_v: Amperes) -> None:
        """One time step at these voltages of the site's phases."""
        if self.car is None or not self.closed:
            if self.car is not None:
                self.car.cut_off()
            self.current_a = self.power_w = 0.0
            return
        if self.asked_a > 0 and self.car.model.discharge_a_max > 0:
            self.current_a = self.car.give(self.asked_a, dt_s)
        else:
            self.current_a = self.car.follow(self.offered_a, self.evse.current_a_max, dt_s)
        grid_w = self.current_a * sum(voltages_v[phase] for phase in self.phases_in_use)
        losses = self.evse.efficiency
        self.power_w = grid_w * losses if grid_w >= 0 else grid_w / losses
        energy_wh = self.power_w * dt_s / 3600
        self.energy_wh += max(0.0, energy_wh)
        self.car.store(energy_wh)


@dataclass(frozen=True, slots=True)
class BuildingLoadDescription:
    """What else hangs on a circuit: per phase between `low_a` and `high_a`, in steps.

    A step comes every `every_s` (a range) and moves a phase by `step_a_max` at most.
    """

    circuit_id: str
    low_a: float
    high_a: float
    step_a_max: float = 8.0
    every_s: tuple[float, float] = (150.0, 300.0)
    ripple_a: float = 0.2


class BuildingLoad:
    """Everything on a circuit that isn't a car: another level per phase, that moves in steps."""

    def __init__(self, description: BuildingLoadDescription, random: Random) -> None:
        self.description = description
        self._random = random
        self._levels = [self._anywhere() for _ in PHASES]
        self._next_step_s = random.uniform(*description.every_s)
        self.current_a: Amperes = self._rippled()
        self.stepped: tuple[float, ...] = (0.0, 0.0, 0.0)
        """By how much each phase stepped in the last `step`, A."""

    def advance(self, now_s: float) -> None:
        """The load at an instant."""
        before = tuple(self._levels)
        if now_s >= self._next_step_s:
            self._next_step_s = now_s + self._random.uniform(*self.description.every_s)
            self._move()
        self.stepped = tuple(self._levels[phase] - before[phase] for phase in PHASES)
        self.current_a = self._rippled()

    def _move(self) -> None:
        most_a = self.description.step_a_max
        for phase in PHASES:
            if self._random.random() < 0.7:
                level_a = self._levels[phase] + self._random.uniform(-most_a, most_a)
                self._levels[phase] = min(self._ceiling, max(self.description.low_a, level_a))

    @property
    def _ceiling(self) -> float:
        return self.description.high_a - self.description.ripple_a

    def _anywhere(self) -> float:
        return self._random.uniform(self.description.low_a, self._ceiling)

    def _rippled(self) -> Amperes:
        ripple_a = self.description.ripple_a
        one, two, three = (
            max(0.0, level + self._random.uniform(-ripple_a, ripple_a)) for level in self._levels
        )
        return (one, two, three)


@dataclass(slots=True)
class CircuitState:
    """What flows through a circuit now, and what has."""

    circuit: Circuit
    current_a: Amperes = (0.0, 0.0, 0.0)
    energy_wh: float = 0.0
    last_step_s: list[float] = field(default_factory=lambda: [float("-inf")] * 3)
    """When something that isn't a car last rose by a step, per phase; plant time."""
    last_change_s: float = float("-inf")
    """When something that isn't a car last stepped up or down, on any phase."""


class Plant:
    """The whole site; `time_s` counts from its making."""

    def __init__(
        self, topology: Topology, loads: Iterable[BuildingLoadDescription], seed: int
    ) -> None:
        random = Random(f"plant {seed}")
        self.topology = topology
        self.time_s = 0.0
        spread = VOLTAGE_SPREAD_V
        one, two, three = (NOMINAL_V + random.uniform(-spread, spread) for _ in PHASES)
        self.voltage_v: Amperes = (one, two, three)
        self.outlets: dict[EvseKey, Outlet] = {
            evse.key: Outlet(evse, float(random.randrange(REGISTER_WH_MAX)))
            for evse in topology.evses()
        }
        self.loads = [
            BuildingLoad(load, Random(f"load {seed} {load.circuit_id}")) for load in loads
        ]
        self.circuits = {
            circuit.circuit_id: CircuitState(circuit) for circuit in topology.circuits.values()
        }
        self._paths = {
            circuit_id: tuple(self.circuits[c.circuit_id] for c in topology.path(circuit_id))
            for circuit_id in topology.circuits
        }
        self._sum_up(0.0)

    def step(self, dt_s: float) -> None:
        """Let `dt_s` seconds pass."""
        assert dt_s > 0
        self.time_s += dt_s
        for load in self.loads:
            load.advance(self.time_s)
            self._remember_steps(load)
        for outlet in self.outlets.values():
            outlet.step(dt_s, self.voltage_v)
        self._sum_up(dt_s)

    def reading(self, circuit_id: str, at: datetime) -> MeterReading:
        """What a faultless meter of that circuit shows."""
        state = self.circuits[circuit_id]
        one, two, three = (v * a for v, a in zip(self.voltage_v, state.current_a, strict=True))
        return MeterReading(
            at=at,
            current_a=state.current_a,
            voltage_v=self.voltage_v,
            power_phase_w=(one, two, three),
            power_w=one + two + three,
            energy_import_wh=state.energy_wh,
            energy_export_wh=0.0,
            frequency_hz=FREQUENCY_HZ,
        )

    def path(self, circuit_id: str) -> tuple[CircuitState, ...]:
        """The circuit and all above it."""
        return self._paths[circuit_id]

    def _remember_steps(self, load: BuildingLoad) -> None:
        for phase, change_a in enumerate(load.stepped):
            if abs(change_a) < STEP_NOTICED_A:
                continue
            for state in self._paths[load.description.circuit_id]:
                state.last_change_s = self.time_s
                if change_a > 0:
                    state.last_step_s[phase] = self.time_s

    def _sum_up(self, dt_s: float) -> None:
        sums = {circuit_id: [0.0, 0.0, 0.0] for circuit_id in self.circuits}
        for load in self.loads:
            for state in self._paths[load.description.circuit_id]:
                total = sums[state.circuit.circuit_id]
                for phase in PHASES:
                    total[phase] += load.current_a[phase]
        for outlet in self.outlets.values():
            if outlet.current_a == 0:
                continue
            for state in self._paths[outlet.evse.circuit_id]:
                total = sums[state.circuit.circuit_id]
                for phase in outlet.phases_in_use:
                    total[phase] += outlet.current_a
        for circuit_id, (one, two, three) in sums.items():
            state = self.circuits[circuit_id]
            state.current_a = (one, two, three)
            power_w = sum(v * a for v, a in zip(self.voltage_v, state.current_a, strict=True))
            state.energy_wh += power_w * dt_s / 3600
