"""From what each EVSE should have to what it is told now.

Decreases go out at once and in full. An increase goes out only while base load + exposure stays
within every circuit on its way, at the pace of the ramp, and not while a meter there is late. A
station may hold less than it counts with: what seems a decrease, or a repetition, but may raise it
must fit as well. Leases are renewed before they end.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sitecontroller.dlm.admission import on_step
from sitecontroller.dlm.limits import Limit
from sitecontroller.dlm.room import Room
from sitecontroller.dlm.snapshot import Demand, Snapshot
from sitecontroller.dlm.stability import (
    DEAD_BAND_A,
    INCREASE_EVERY_S,
    INCREASE_UNUSED_EVERY_S,
    raised_limit_a,
)
from sitecontroller.domain.topology import EvseKey
from sitecontroller.services.load.circuits import Sight
from sitecontroller.services.load.evse import EvseControl, Timing
from sitecontroller.services.load.leases import WRITES_PER_DAY

EPSILON_A = 1e-6


@dataclass(frozen=True, slots=True)
class Change:
    """A limit to be sent, or sent again."""

    key: EvseKey
    current_a: float


@dataclass(slots=True)
class Pass:
    """The decisions of one cycle. `targets` has every EVSE that can be told something."""

    snapshot: Snapshot
    controls: Mapping[EvseKey, EvseControl]
    targets: dict[EvseKey, Limit]
    sight: Callable[[str], Sight]
    may_raise: Callable[[EvseKey], bool]
    """Whether the station takes a higher limit now."""
    told_again_after_s: Callable[[EvseKey], float]
    """For how long what was told needs no renewal."""
    timing: Timing
    now_s: float

    def changes(self) -> list[Change]:
        """Decreases first, then increases, then renewals; one per EVSE at most."""
        demands = [demand for demand in self.snapshot.demands if demand.key in self.targets]
        beside = self._beside_all()
        changes = {change.key: change for change in self._decreases(demands, beside)}
        rest = [demand for demand in demands if demand.key not in changes]
        changes |= {change.key: change for change in self._increases(rest, beside)}
        changes |= {
            demand.key: Change(demand.key, self._safe_a(demand, demand.limit_a, beside))
            for demand in rest
            if demand.key not in changes and self._must_repeat(demand)
        }
        changes |= {
            demand.key: Change(demand.key, demand.limit_a)
            for demand in self.snapshot.demands
            if demand.key not in self.targets and self._must_remind(demand)
        }
        return list(changes.values())

    def _beside_all(self) -> Room:
        """What is left beside all that may flow."""
        room = Room(self.snapshot)
        for demand in self.snapshot.demands:
            for entry in room.entries(demand):
                room.free_a[entry] -= demand.exposure_a
        return room

    def _safe_a(self, demand: Demand, current_a: float, beside: Room) -> float:
        """As much of it as surely is no increase, or fits whatever the others do; else nothing."""
        least_a = self.controls[demand.key].least_a(self.now_s, self.timing)
        if current_a <= least_a + EPSILON_A:
            return current_a
        free_a = min(beside.free_a[entry] for entry in beside.entries(demand)) + demand.exposure_a
        if current_a <= free_a + EPSILON_A:
            return current_a
        safe_a = on_step(max(least_a, free_a), demand.step_a)
        return safe_a if safe_a >= demand.current_a_min - EPSILON_A else 0.0

    def _decreases(self, demands: Sequence[Demand], beside: Room) -> Iterable[Change]:
        overdrawn = self._overdrawn()
        room = Room(self.snapshot)
        awaited = self._awaited(room, demands)
        for demand in demands:
            target_a = self.targets[demand.key].current_a
            lower_a = demand.limit_a - target_a
            if lower_a <= EPSILON_A:
                continue
            urgent = any(e in overdrawn or e in awaited for e in room.entries(demand))
            if urgent or target_a == 0 or lower_a >= DEAD_BAND_A - EPSILON_A:
                yield Change(demand.key, self._safe_a(demand, target_a, beside))

    def _awaited(self, room: Room, demands: Iterable[Demand]) -> set[int]:
        """Where someone waits for its minimum: what others hold above their share, however little,
        may be all that it lacks."""
        return {
            entry
            for demand in demands
            if demand.limit_a < demand.current_a_min - EPSILON_A
            and self.targets[demand.key].current_a > demand.limit_a + EPSILON_A
            for entry in room.entries(demand)
        }

    def _overdrawn(self) -> set[int]:
        """The entries that would be overdrawn if everybody took what they were told.

        The reserve that circuits' caps in the snapshot have off already may be used up before.
        """
        room = Room(self.snapshot)
        for demand in self.snapshot.demands:
            taken_a = demand.limit_a if demand.key in self.targets else demand.exposure_a
            for entry in room.entries(demand):
                room.free_a[entry] -= taken_a
        return {
            entry
            for entry, (free_a, reserve_a) in enumerate(
                zip(room.free_a, room.reserve_a, strict=True)
            )
            if free_a < -max(reserve_a, EPSILON_A)
        }

    def _increases(self, demands: Iterable[Demand], room: Room) -> Iterable[Change]:
        for demand in sorted(demands, key=_poorest_first):
            target_a = self.targets[demand.key].current_a
            if target_a <= demand.limit_a + EPSILON_A or not self._may_rise(demand):
                continue
            entries = room.entries(demand)
            free_a = min(room.free_a[entry] for entry in entries)
            headroom_a = free_a + demand.exposure_a - demand.limit_a
            calm_s = self.now_s - self.controls[demand.key].changed_s
            raised_a = raised_limit_a(
                demand.limit_a, target_a, headroom_a, demand.current_a_min, calm_s
            )
            raised_a = on_step(raised_a, demand.step_a)
            if raised_a < demand.current_a_min - EPSILON_A or raised_a <= demand.limit_a:
                continue
            for entry in entries:
                room.free_a[entry] -= max(0.0, raised_a - demand.exposure_a)
            yield Change(demand.key, raised_a)

    def _may_rise(self, demand: Demand) -> bool:
        """While a lower limit waits for evidence a higher one would hide what the car does: after
        a restart an earlier controller's limit would never be struck off."""
        control = self.controls[demand.key]
        every_s = INCREASE_UNUSED_EVERY_S if control.need.takes_less else INCREASE_EVERY_S
        return (
            (demand.limit_a == 0 or control.lacks_evidence_s(self.now_s) == 0)
            and self.now_s >= control.increased_s + every_s
            and self.now_s >= control.retry_s
            and self.may_raise(demand.key)
            and (demand.limit_a == 0 or control.writes_spent < WRITES_PER_DAY)
            and self.sight(demand.circuit_id) is Sight.GOOD
        )

    def _must_repeat(self, demand: Demand) -> bool:
        control = self.controls[demand.key]
        if self.now_s < control.retry_s:
            return False
        if control.trial is not None:
            return control.trial.is_due
        if control.must_resend:
            return True
        if demand.limit_a <= control.evse.fallback_a + EPSILON_A:
            return False
        return self.now_s - control.sent_s >= self.told_again_after_s(demand.key)

    def _must_remind(self, demand: Demand) -> bool:
        """It draws more than told: perhaps it never heard."""
        control = self.controls[demand.key]
        return (
            control.over_since_s is not None
            and control.online
            and control.transaction is not None
            and control.resend
            and self.now_s >= control.retry_s
        )


def would_raise(change: Change, control: EvseControl, waiting: int, now_s: float) -> bool:
    """Whether what seems a decrease is less than an increase that never left (its number:
    `waiting`), and more than what holds."""
    before = control.exposure.withdraw(waiting)
    return before.most_a(now_s) + EPSILON_A < change.current_a <= control.limit_a(now_s)


def _poorest_first(demand: Demand) -> tuple[float, float, EvseKey]:
    return (demand.limit_a / demand.weight, -demand.credit_s, demand.key)
