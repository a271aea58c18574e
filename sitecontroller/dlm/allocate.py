"""The allocator: one frozen snapshot in, one current per EVSE out, each with what binds it.

By the snapshot's policy either admission at the minimum, weighted max-min sharing per phase on the
tree and rounding down to each station's steps with the remainders handed out by waiting time; or
each in turn all it can use. Pure and deterministic: the order of circuits and demands in the
snapshot doesn't matter. It knows nothing of ramps, leases or what is on its way; see `exposure`
and `stability` for those.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

from sitecontroller.dlm.admission import STEP_SLACK, admit, holds, minimum_of, on_step
from sitecontroller.dlm.departures import ceiling_of
from sitecontroller.dlm.fill import NOWHERE, Filled, fill
from sitecontroller.dlm.imbalance import ROUNDS_MAX as IMBALANCE_ROUNDS_MAX
from sitecontroller.dlm.imbalance import tighten_imbalance
from sitecontroller.dlm.policy import POLICIES
from sitecontroller.dlm.room import EPSILON_A, Bundle, Room
from sitecontroller.dlm.snapshot import Demand, Snapshot
from sitecontroller.dlm.turns import Turn, serve
from sitecontroller.domain.topology import EvseKey

ROUNDS_MAX = 16
"""Of handing out remainders evenly."""
STATION = ("station", "the station's maximum")


class Allocation(NamedTuple):
    """What an EVSE may draw per phase: 0 or at least its minimum.

    `bound_by` is a circuit or group id, "station" (its own maximum), "car" (it takes nothing),
    "pause" (no room for the minimum, or its contactor rests), "plan" (its advice) or "meter"
    (nothing measured there).
    """

    key: EvseKey
    current_a: float
    bound_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Allocations:
    """One allocation for every steerable demand of the snapshot."""

    policy: str
    by_key: dict[EvseKey, Allocation]

    def __getitem__(self, key: EvseKey) -> Allocation:
        return self.by_key[key]


def allocate(snapshot: Snapshot) -> Allocations:
    """Decide for all demands. Currents never add up to more than any circuit, group or phase has.

    What unsteerable demands may draw (`exposure_a`) is taken off first. A policy that isn't in
    `POLICIES` is a KeyError.
    """
    policy = POLICIES[snapshot.policy]
    room = Room(snapshot)
    steerable: list[Demand] = []
    for demand in snapshot.demands:
        if demand.steerable:
            steerable.append(demand)
        else:
            for entry in room.entries(demand):
                room.free_a[entry] -= demand.exposure_a
    steerable = policy.order(steerable, room, snapshot.voltage_v)
    result = _Round(room, snapshot).decide(steerable)
    for number in range(IMBALANCE_ROUNDS_MAX):
        if not tighten_imbalance(room, snapshot, steerable, result, number):
            break
        result = _Round(room, snapshot).decide(steerable)
    return Allocations(snapshot.policy, result)


class _Round:
    """One pass through admission, sharing and rounding over a given room."""

    def __init__(self, room: Room, snapshot: Snapshot) -> None:
        self._room = room
        self._voltage_v = snapshot.voltage_v
        self._share = self._in_turn if POLICIES[snapshot.policy].in_turn else self._by_weight
        self._free_a = room.free_a.copy()
        self._result: dict[EvseKey, Allocation] = {}

    def decide(self, demands: list[Demand]) -> dict[EvseKey, Allocation]:
        wanting: list[Demand] = []
        sleeping: list[Demand] = []
        for demand in demands:
            if demand.paused_by:
                self._pause(demand, f"paused by {demand.paused_by}")
            elif demand.most_a < min(demand.current_a_max, minimum_of(demand) - EPSILON_A):
                reason = demand.ceiling_reason
                self._result[demand.key] = Allocation(demand.key, 0.0, "plan", reason)
            elif not demand.may_start and demand.limit_a == 0:
                self._pause(demand, "its contactor rests")
            elif (
                demand.current_a_max < demand.current_a_min + demand.step_a
                and demand.current_a_max < minimum_of(demand) - EPSILON_A
            ):
                self._pause(demand, "its maximum is below its minimum")
            elif demand.wants:
                wanting.append(demand)
            else:
                sleeping.append(demand)
        if any(demand.guaranteed_a > 0 for demand in wanting):
            wanting = self._guarantee(wanting)
        self._share(wanting, sleeping)
        return self._result

    def _guarantee(self, demands: list[Demand]) -> list[Demand]:
        """Those with a guaranteed current come first, and it becomes their minimum: by weight, as
        far as the room lets when only they charge. Who needs less is guaranteed no more."""
        first = [demand for demand in demands if demand.guaranteed_a > 0]
        minimum_a = [minimum_of(demand) for demand in first]
        free_a = self._free_a.copy()
        refused = admit(len(first), minimum_a, self._room.bundles(first), free_a)
        first = [demand for number, demand in enumerate(first) if number not in refused]
        minimum_a = [minimum_of(demand) for demand in first]
        most_a = [
            max(least_a, min(demand.guaranteed_a, ceiling_of(demand)))
            for demand, least_a in zip(first, minimum_a, strict=True)
        ]
        weight = [demand.weight for demand in first]
        filled = fill(minimum_a, most_a, weight, self._room.bundles(first), free_a)
        raised = {
            demand.key: replace(demand, current_a_min=on_step(current_a, demand.step_a))
            for demand, current_a in zip(first, filled.current_a, strict=True)
        }
        return [
            *raised.values(),
            *(demand for demand in demands if demand.key not in raised),
        ]

    def _by_weight(self, demands: list[Demand], sleeping: list[Demand]) -> None:
        admitted, minimum_a, bundles = self._admit(demands)
        if not admitted:
            self._offer_minimum(sleeping)
            return
        maximum_a = [
            max(m, min(ceiling_of(d), d.most_a)) for d, m in zip(admitted, minimum_a, strict=True)
        ]
        weight = [demand.weight for demand in admitted]
        filled = fill(minimum_a, maximum_a, weight, bundles, self._free_a)
        if sleeping:
            needed_a = [a - m for a, m in zip(filled.current_a, minimum_a, strict=True)]
            self._take(bundles, needed_a)
            self._offer_minimum(sleeping)
            self._take(bundles, [-a for a in needed_a])
        maximum_a = [max(m, d.most_a) for d, m in zip(admitted, minimum_a, strict=True)]
        filled = self._fill_above_need(filled, minimum_a, maximum_a, weight, bundles)
        step_a = [demand.step_a for demand in admitted]
        steps = [
            int(current / step + STEP_SLACK)
            for current, step in zip(filled.current_a, step_a, strict=True)
        ]
        self._take(bundles, [n * s - m for n, s, m in zip(steps, step_a, minimum_a, strict=True)])
        self._hand_out_remainders(bundles, steps, step_a, maximum_a)
        currents_a = [n * s for n, s in zip(steps, step_a, strict=True)]
        self._settle(admitted, currents_a, filled.bound_by)

    def _settle(self, demands: list[Demand], currents_a: list[float], bound_by: list[int]) -> None:
        labels = {entry: self._room.label(entry) for entry in set(bound_by) - {NOWHERE}}
        for demand, current_a, entry in zip(demands, currents_a, bound_by, strict=True):
            by, reason = labels[entry] if entry != NOWHERE else _own_label(demand)
            self._result[demand.key] = Allocation(demand.key, round(current_a, 6), by, reason)

    def _in_turn(self, demands: list[Demand], sleeping: list[Demand]) -> None:
        turns = []
        for demand, hold in zip(demands, holds(demands, self._voltage_v), strict=True):
            minimum_a = minimum_of(demand)
            turns.append(
                Turn(
                    self._room.entries(demand),
                    minimum_a,
                    max(minimum_a, min(ceiling_of(demand), demand.most_a)),
                    max(minimum_a, demand.most_a),
                    demand.step_a,
                    hold,
                )
            )
        served = serve(turns, self._free_a)
        charging = [number for number, current_a in enumerate(served.current_a) if current_a > 0]
        self._settle(
            [demands[number] for number in charging],
            [served.current_a[number] for number in charging],
            [served.bound_by[number] for number in charging],
        )
        for number, demand in enumerate(demands):
            if served.current_a[number] == 0:
                self._refuse(demand, turns[number].minimum_a, served.bound_by[number])
        self._offer_minimum(sleeping)

    def _fill_above_need(
        self,
        filled: Filled,
        minimum_a: list[float],
        maximum_a: list[float],
        weight: list[float],
        bundles: list[Bundle],
    ) -> Filled:
        """What nobody needs goes to those below their maximum: they may have been underrated."""
        current_a, bound_by = filled.current_a, filled.bound_by
        open_bundles = []
        for bundle in bundles:
            members = [
                number
                for number in bundle.members
                if bound_by[number] == NOWHERE and current_a[number] < maximum_a[number]
            ]
            if members:
                open_bundles.append(Bundle(bundle.entries, members))
        if not open_bundles:
            return filled
        rest_a = self._free_a.copy()
        for bundle in bundles:
            sum_a = sum([current_a[number] - minimum_a[number] for number in bundle.members])
            for entry in bundle.entries:
                rest_a[entry] -= sum_a
        more = fill(current_a, maximum_a, weight, open_bundles, rest_a)
        return Filled(
            more.current_a,
            [
                now if now != NOWHERE else before
                for now, before in zip(more.bound_by, bound_by, strict=True)
            ],
        )

    def _offer_minimum(self, demands: list[Demand]) -> None:
        """Who sleeps gets no more than may wake it, and only from what nobody needs."""
        if not demands:
            return
        admitted, minimum_a, _ = self._admit(demands)
        for demand, current_a in zip(admitted, minimum_a, strict=True):
            self._result[demand.key] = Allocation(
                demand.key, current_a, "car", "the car takes nothing"
            )

    def _admit(self, demands: list[Demand]) -> tuple[list[Demand], list[float], list[Bundle]]:
        """Admitted demands with their minima and bundles; the others are paused with a reason."""
        minimum_a = [minimum_of(demand) for demand in demands]
        bundles = self._room.bundles(demands)
        refused = admit(len(demands), minimum_a, bundles, self._free_a)
        if not refused:
            return demands, minimum_a, bundles
        for number, entry in refused.items():
            self._refuse(demands[number], minimum_a[number], entry)
        kept = [number for number in range(len(demands)) if number not in refused]
        demands = [demands[number] for number in kept]
        return demands, [minimum_a[number] for number in kept], self._room.bundles(demands)

    def _take(self, bundles: list[Bundle], current_a: list[float]) -> None:
        for bundle in bundles:
            sum_a = sum([current_a[number] for number in bundle.members])
            for entry in bundle.entries:
                self._free_a[entry] -= sum_a

    def _hand_out_remainders(
        self,
        bundles: list[Bundle],
        steps: list[int],
        step_a: list[float],
        maximum_a: list[float],
    ) -> None:
        """One step each per round, whoever waited longest first; in the last all that fits."""
        free_a = self._free_a
        slack_a = {id(b): min([free_a[entry] for entry in b.entries]) for b in bundles}
        open_bundles = [
            (number, bundle.entries)
            for bundle in bundles
            for number in bundle.members
            if slack_a[id(bundle)] >= step_a[number] - EPSILON_A
        ]
        open_bundles.sort()
        for round_number in range(ROUNDS_MAX):
            served = []
            for number, entries in open_bundles:
                step = step_a[number]
                possible = min(
                    maximum_a[number] - steps[number] * step,
                    min([free_a[entry] for entry in entries]),
                )
                count = int((possible + EPSILON_A) / step)
                if count > 0:
                    count = count if round_number == ROUNDS_MAX - 1 else 1
                    steps[number] += count
                    for entry in entries:
                        free_a[entry] -= count * step
                    served.append((number, entries))
            if not served:
                break
            open_bundles = served

    def _refuse(self, demand: Demand, minimum_a: float, entry: int) -> None:
        label = self._room.label(entry)
        if label.bound_by == "meter":
            self._result[demand.key] = Allocation(demand.key, 0.0, "meter", label.text)
        else:
            self._pause(demand, f"no room for {minimum_a:g} A: {label.text}")

    def _pause(self, demand: Demand, reason: str) -> None:
        self._result[demand.key] = Allocation(demand.key, 0.0, "pause", reason)


def _own_label(demand: Demand) -> tuple[str, str]:
    """What bounds it where no circuit and no group does."""
    return STATION if demand.most_a == demand.current_a_max else ("plan", demand.ceiling_reason)
