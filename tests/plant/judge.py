"""Judges a scenario by what truly flowed: excess by its cause, breakers, use, wear, fairness.

Excess is allowed for a while after what isn't load management's doing, and each allowance has a
name. Longer than that it is allowed only where nobody who obeys and can be told draws anything on
that circuit-phase ("still …"): then all has been done. An offline station is no excuse once its
lease must have ended, unless its clock isn't known, so that it never had one. A breaker is a body
that warms with the square of its current, starts warm, and trips at the earliest that its standard
allows (IEC 60898-1: never below 1.13 × In).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sitecontroller.domain.topology import PHASES, EvseKey, LimitUnit, Supply
from sitecontroller.simulation.judge import BASE_STEP_ALLOWANCE_S, HUNGRY_A, SETTLING_S
from sitecontroller.simulation.plant import CircuitState, Outlet
from tests.plant.cars import VisitingCar
from tests.plant.scenario import Mishap

if TYPE_CHECKING:
    from tests.plant.site import PlantSite
    from tests.plant.station import PlantStation

REACTION_S = 12.0
METER_S = 10.0
DISOBEYS_S = 10.0
FORCED_A = 0.5
"""What a circuit-phase's other cars may still draw when all has been done."""
OBEYS_A = 0.1
CALM_AGAIN_S = 120.0
"""Seconds after a mishap that don't count for the use."""
KNOCK_S = 900.0 + SETTLING_S
COUNTED_S_MIN = 240.0
"""A mean of fewer seconds says nothing."""
HOUR_S = 3600.0
BREAKER_TAU_S = 60.0
TRIPS_AT = 1.13**2
TRIPS_AT_ONCE = 3.0
RUNS_A = 1.0
FAIRNESS_S_MIN = 120.0
EPSILON_A = 1e-6

Place = tuple[str, int]
"""A circuit or group, and a phase."""
Filling = tuple[float, float, float]
"""Of a place: A used, A there may be, A that cars draw above their minimum."""


@dataclass(slots=True)
class Share:
    """What one visit's car wanted and got, A·s."""

    car: object
    wanted_as: float = 0.0
    got_as: float = 0.0
    seconds: float = 0.0


@dataclass
class PlantJudge:
    """`observe` at every step of the plant."""

    site: "PlantSite"
    beyond_as: float = 0.0
    allowed_as: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    worst_a: float = 0.0
    worst_share: float = 0.0
    """Of the fuse."""
    first: str = ""
    """The first excess beyond every allowance, in words."""
    trips: list[str] = field(default_factory=list)
    counted_s: float = 0.0
    hungry_s: float = 0.0
    """In which cars could have taken more, counted or not."""

    def __post_init__(self) -> None:
        self._plant = self.site.plant
        self._seen_s = self._plant.time_s
        self._windows: list[tuple[str, str, float, float]] = []
        """What excuses, meter ("" for all), from, to."""
        self._disturbed_s = float("-inf")
        self._heat: dict[Place, float] = {}
        self._use: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self._over_since_s: dict[EvseKey, float] = {}
        self._offline_since_s: dict[str, float] = {}
        self._shares: dict[EvseKey, list[Share]] = defaultdict(list)
        self._is_running: dict[EvseKey, bool] = {}
        self.cycles: dict[EvseKey, int] = defaultdict(int)
        self._wh = {key: outlet.energy_wh for key, outlet in self._plant.outlets.items()}
        self._groups = [
            (id_, self.site.topology.group_limit_a(id_), group.members)
            for id_, group in self.site.topology.groups.items()
        ]
        self._below = {
            id_: tuple(evse.key for evse in self.site.topology.below(id_))
            for id_ in self.site.topology.circuits
        }

    def note(self, mishap: Mishap) -> None:
        """A mishap begins: what it allows, and for how long its traces don't count for the use."""
        self._disturbed_s = max(self._disturbed_s, mishap.until_s + CALM_AGAIN_S)
        match mishap.kind:
            case "silent" | "frozen" | "swapped" | "jump":
                blind_s = min(mishap.at_s + METER_S, mishap.until_s)
                window = (mishap.kind, mishap.subject, mishap.at_s, blind_s + REACTION_S)
                self._windows.append(window)
            case "lan" | "killed":
                dies_s = mishap.at_s + self.site.scenario.lease_s + REACTION_S
                self._windows.append((mishap.kind, "", mishap.at_s, dies_s))

    def observe(self) -> None:
        """Take what flows now for what flowed since the last look."""
        elapsed_s = self._plant.time_s - self._seen_s
        self._seen_s = self._plant.time_s
        self._watch_obedience()
        self._watch_lines()
        for state in self._plant.circuits.values():
            self._weigh(state, elapsed_s)
        for id_, limit_a, members in self._groups:
            if limit_a is not None:
                self._weigh_group(id_, limit_a, members, elapsed_s)
        self._watch_cars(elapsed_s)
        self._weigh_use(elapsed_s)

    # excess

    def _weigh(self, state: CircuitState, elapsed_s: float) -> None:
        id_ = state.circuit.circuit_id
        for phase in PHASES:
            limit_a, current_a = state.circuit.limit_a[phase], state.current_a[phase]
            over_a = current_a - limit_a
            self._warm(f"{id_} L{phase + 1}", (id_, phase), current_a / limit_a, elapsed_s)
            if over_a <= EPSILON_A:
                continue
            meter_id = state.circuit.meter_id
            step_s = self._seen_s - state.last_step_s[phase]
            self._blame(id_, phase, over_a, limit_a, elapsed_s, meter_id, step_s)

    def _weigh_group(
        self,
        id_: str,
        limit_a: tuple[float, float, float],
        members: Iterable[EvseKey],
        elapsed_s: float,
    ) -> None:
        self._below.setdefault(id_, tuple(members))
        for phase in PHASES:
            over_a = sum(self._drawn_a(key, phase) for key in members) - limit_a[phase]
            if over_a > EPSILON_A:
                self._blame(id_, phase, over_a, limit_a[phase], elapsed_s, None, float("inf"))

    def _blame(
        self,
        id_: str,
        phase: int,
        over_a: float,
        limit_a: float,
        elapsed_s: float,
        meter_id: str | None,
        step_s: float,
    ) -> None:
        self.worst_a = max(self.worst_a, over_a)
        self.worst_share = max(self.worst_share, over_a / limit_a)
        cause = next(self._causes(id_, phase, over_a, meter_id, step_s), None)
        if cause is not None:
            self.allowed_as[cause] += over_a * elapsed_s
            return
        self.beyond_as += over_a * elapsed_s
        if not self.first:
            self.first = (
                f"{self._seen_s:.1f} s: {over_a:.2f} A above {limit_a:g} A on {id_} L{phase + 1}, "
                f"{step_s:.1f} s after a step"
            )

    def _causes(
        self, id_: str, phase: int, over_a: float, meter_id: str | None, step_s: float
    ) -> Iterator[str]:
        """Why this may be, the plainest first."""
        now_s = self._seen_s
        if step_s <= BASE_STEP_ALLOWANCE_S:
            yield "base step"
        for cause, subject, from_s, to_s in self._windows:
            if from_s <= now_s <= to_s and subject in ("", meter_id):
                yield cause
        blamed_a, others_a, causes = 0.0, 0.0, set()
        for key in self._below[id_]:
            drawn_a = self._drawn_a(key, phase)
            cause = self._excuse(key)
            if drawn_a > 0 and cause is not None:
                blamed_a += drawn_a
                causes.add(cause)
            elif drawn_a > 0:
                others_a += drawn_a
        if blamed_a + EPSILON_A >= over_a:
            within = {cause for cause in causes if not cause.startswith("still ")}
            if within:
                yield min(within)
            elif others_a <= FORCED_A:
                yield min(causes)

    def _excuse(self, key: EvseKey) -> str | None:
        """Why an EVSE isn't where load management wants it; "still …": the allowance is over."""
        station = self.site.plant_stations[key.station_id]
        for cause, until_s in station.excuses.items():
            if self._seen_s <= until_s + REACTION_S:
                return cause
        since_s = self._over_since_s.get(key)
        if since_s is not None:
            allowed_s = max(DISOBEYS_S, 2 * self.site.scenario.sample_interval_s) + REACTION_S
            return "disobedience" if self._seen_s - since_s <= allowed_s else "still disobeys"
        offline_since_s = self._offline_since_s.get(key.station_id)
        if offline_since_s is None:
            return None
        if station.clock_offset_s is None:
            return "still offline without a lease"
        dies_s = offline_since_s + self.site.scenario.lease_s + REACTION_S
        return "still offline" if self._seen_s <= dies_s else None

    def _watch_lines(self) -> None:
        for station_id, station in self.site.plant_stations.items():
            if station.connected:
                self._offline_since_s.pop(station_id, None)
            else:
                self._offline_since_s.setdefault(station_id, self._seen_s)

    def _watch_obedience(self) -> None:
        for key, outlet in self._plant.outlets.items():
            station = self.site.plant_stations[key.station_id]
            if (station.is_deaf or station.share > 1) and self._is_over(station, key, outlet):
                self._over_since_s.setdefault(key, self._seen_s)
            elif key in self._over_since_s:
                del self._over_since_s[key]

    def _is_over(self, station: "PlantStation", key: EvseKey, outlet: Outlet) -> bool:
        told_a = station.told_a(key, outlet.evse.current_a_max)
        return outlet.current_a > told_a + OBEYS_A

    def _drawn_a(self, key: EvseKey, phase: int) -> float:
        outlet = self._plant.outlets[key]
        return outlet.current_a if phase in outlet.phases_in_use else 0.0

    def _warm(self, name: str, place: Place, share: float, elapsed_s: float) -> None:
        heat = self._heat.get(place, 1.0)
        if share <= 1.0 and heat <= 1.0:
            return
        heat += (share * share - heat) * elapsed_s / BREAKER_TAU_S
        self._heat[place] = heat
        if heat >= TRIPS_AT or share >= TRIPS_AT_ONCE:
            self.trips.append(f"{self._seen_s:.1f} s: {name} at {share:.0%} of its fuse")
            self._heat[place] = 1.0

    # use

    def _weigh_use(self, elapsed_s: float) -> None:
        use = self._limiting_use()
        if use is None:
            return
        self.hungry_s += elapsed_s
        if self._is_settling():
            return
        self.counted_s += elapsed_s
        hour = self._use[int(self._seen_s // HOUR_S)]
        hour[0] += min(1.0, use) * elapsed_s
        hour[1] += elapsed_s

    def _limiting_use(self) -> float | None:
        """Of the fullest place above any car that could take more; None when there is none."""
        uses = [
            max(used_a / cap_a for used_a, cap_a, _ in places)
            for key, outlet in self._plant.outlets.items()
            if outlet.car is not None and outlet.wanted_a - outlet.current_a >= HUNGRY_A
            if not self._has_just_woken(outlet)
            if self._could_run(outlet, places := tuple(self._places_above(key, outlet)))
        ]
        return max(uses) if uses else None

    def _could_run(self, outlet: Outlet, places: tuple[Filling, ...]) -> bool:
        """A paused car can take more only where its minimum fits, others staying at theirs.

        A station in watts gets as much as one phase might take alone.
        """
        assert outlet.car is not None
        if outlet.current_a > 0:
            return True
        least_a, evse = outlet.car.model.current_a_min, outlet.evse
        if evse.limit_unit is LimitUnit.W and evse.supply is Supply.AC:
            least_a = min(least_a * evse.phase_count, evse.current_a_max)
        return all(cap_a - used_a + spare_a >= least_a for used_a, cap_a, spare_a in places)

    @staticmethod
    def _has_just_woken(outlet: Outlet) -> bool:
        """A car that slept is asked every 15 min; before that nobody can know."""
        car = outlet.car
        return isinstance(car, VisitingCar) and car.woke_s is not None and car.woke_s < KNOCK_S

    def _places_above(self, key: EvseKey, outlet: Outlet) -> Iterator[Filling]:
        """Circuits without a meter count with their worst base load: nobody sees another. A car
        that draws nothing may use every phase its EVSE is wired to."""
        wired = outlet.evse.phase_map.site_phases
        phases = outlet.phases_in_use if outlet.current_a > 0 else wired
        for state in self._plant.path(outlet.evse.circuit_id):
            circuit = state.circuit
            for phase in phases:
                used_a = state.current_a[phase]
                if circuit.meter_id is None:
                    cars_a = sum(self._drawn_a(k, phase) for k in self._below[circuit.circuit_id])
                    used_a = max(used_a, circuit.worst_base_a[phase] + cars_a)
                cap_a = circuit.limit_a[phase] - circuit.margin_a
                yield used_a, cap_a, self._spare_a(self._below[circuit.circuit_id], phase)
        for _, limit_a, members in self._groups:
            if limit_a is not None and key in members:
                for phase in phases:
                    used_a = sum(self._drawn_a(each, phase) for each in members)
                    yield used_a, limit_a[phase], self._spare_a(members, phase)

    def _spare_a(self, keys: Iterable[EvseKey], phase: int) -> float:
        """What cars there draw above their minimum."""
        spare_a = 0.0
        for key in keys:
            outlet = self._plant.outlets[key]
            if outlet.car is not None and phase in outlet.phases_in_use:
                spare_a += max(0.0, outlet.current_a - outlet.car.model.current_a_min)
        return spare_a

    def _is_settling(self) -> bool:
        changed_s = max(state.last_change_s for state in self._plant.circuits.values())
        return self._seen_s - max(changed_s, 0.0) <= SETTLING_S or self._seen_s < self._disturbed_s

    def hours(self) -> list[float]:
        """The use of each hour that has enough to judge."""
        return [use / seconds for use, seconds in self._use.values() if seconds >= COUNTED_S_MIN]

    # wear and fairness

    def _watch_cars(self, elapsed_s: float) -> None:
        for key, outlet in self._plant.outlets.items():
            if outlet.car is None:
                self._is_running.pop(key, None)
                continue
            runs = outlet.closed and outlet.current_a > RUNS_A
            if runs is not self._is_running.get(key, False):
                self.cycles[key] += runs
                self._is_running[key] = runs
            if not outlet.closed:
                continue
            shares = self._shares[key]
            if not shares or outlet.car is not shares[-1].car:
                shares.append(Share(outlet.car))
            share = shares[-1]
            share.seconds += elapsed_s
            share.wanted_as += outlet.wanted_a * elapsed_s
            share.got_as += outlet.current_a * elapsed_s

    def jain(self) -> float | None:
        """Of how much of what it wanted each EVSE gave; None for fewer than two."""
        got = [
            min(1.0, share.got_as / share.wanted_as)
            for shares in self._shares.values()
            for share in shares
            if share.seconds >= FAIRNESS_S_MIN and share.wanted_as > 0
        ]
        squares = sum(each * each for each in got)
        return sum(got) ** 2 / (len(got) * squares) if len(got) > 1 and squares > 0 else None

    def energy_wh(self) -> float:
        """What all outlets delivered."""
        return sum(o.energy_wh - self._wh[key] for key, o in self._plant.outlets.items())

    def figures(self) -> dict[str, Any]:
        """All of it, for a report."""
        hours = self.hours()
        scenario = self.site.scenario
        evses = max(1, len(self._plant.outlets))
        stations = self.site.plant_stations.values()
        writes = sum(station.writes for station in stations)
        return {
            "seed": scenario.seed,
            "minutes": scenario.minutes,
            "evses": evses,
            "mishaps": [mishap.kind for mishap in scenario.mishaps],
            "beyond_as": round(self.beyond_as, 3),
            "first": self.first,
            "allowed_as": {cause: round(a, 2) for cause, a in sorted(self.allowed_as.items())},
            "worst_a": round(self.worst_a, 2),
            "worst_share": round(self.worst_share, 4),
            "trips": self.trips[:3],
            "use": [round(use, 4) for use in hours],
            "counted_s": self.counted_s,
            "hungry_s": self.hungry_s,
            "energy_wh": round(self.energy_wh(), 1),
            "jain": self.jain(),
            "cycles": sum(self.cycles.values()),
            "cycles_max": max(self.cycles.values(), default=0),
            "visits": sum(len(shares) for shares in self._shares.values()),
            "charging_h": sum(s.seconds for each in self._shares.values() for s in each) / 3600,
            "writes": writes,
            "decreases": sum(station.decreases for station in stations),
            "sample_interval_s": scenario.sample_interval_s,
        }
