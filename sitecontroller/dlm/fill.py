"""Weighted max-min sharing by water filling: a level rises, each demand takes weight × level.

A demand starts at its minimum, leaves the ground when the level reaches it, and stops at its
maximum or when one of its entries of the room is full. The outcome is the lexicographic max-min of
current over weight; tests compare it with a sequence of linear programmes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from sitecontroller.dlm.room import EPSILON_A, Bundle

NOWHERE = -1
"""Bound by no entry: the demand reached its own maximum."""
EPSILON_LEVEL = 1e-12


@dataclass(frozen=True, slots=True)
class Filled:
    """Per demand its current and the entry that stopped it (or NOWHERE)."""

    current_a: list[float]
    bound_by: list[int]


def fill(
    minimum_a: Sequence[float],
    maximum_a: Sequence[float],
    weight: Sequence[float],
    bundles: Sequence[Bundle],
    free_a: Sequence[float],
) -> Filled:
    """Share `free_a`, what is left after everybody's minimum, among the demands of `bundles`.

    Each entry's room left at a level is linear between events: `slack − slope × level`. A demand's
    event changes two numbers per entry; a full entry is found by a heap of levels, where an old
    level is only ever too low, because a demand that stops makes its entries last longer.
    """
    water = _Water(minimum_a, maximum_a, weight, bundles, free_a)
    members = [number for bundle in bundles for number in bundle.members]
    lift = {number: minimum_a[number] / weight[number] for number in members}
    top = {number: maximum_a[number] / weight[number] for number in members}
    risers = sorted(members, key=lift.__getitem__)
    toppers = sorted(members, key=top.__getitem__)
    rising = topping = 0
    while water.unbound:
        while water.bound_by[toppers[topping]] is not None:
            topping += 1
        next_lift = lift[risers[rising]] if rising < len(risers) else float("inf")
        next_top = top[toppers[topping]]
        if water.full_below(min(next_lift, next_top)):
            continue
        if next_lift <= next_top:
            rising = _raise_from(risers, rising, lift, water)
        else:
            water.reach_maximum(toppers[topping])
    return Filled(water.current_a, [NOWHERE if e is None else e for e in water.bound_by])


def _raise_from(risers: list[int], first: int, lift: dict[int, float], water: "_Water") -> int:
    """Everybody whose minimum the level has now reached begins to rise."""
    level = lift[risers[first]]
    last = first
    while last < len(risers) and lift[risers[last]] <= level:
        last += 1
    water.rise(risers[first:last])
    return last


class _Water:
    """The state of one filling."""

    def __init__(
        self,
        minimum_a: Sequence[float],
        maximum_a: Sequence[float],
        weight: Sequence[float],
        bundles: Sequence[Bundle],
        free_a: Sequence[float],
    ) -> None:
        self.maximum_a, self.weight = maximum_a, weight
        self.current_a = list(minimum_a)
        self.bound_by: list[int | None] = [None] * len(minimum_a)
        self.unbound = sum(len(bundle.members) for bundle in bundles)
        self._rising = [False] * len(minimum_a)
        self._slack = list(free_a)
        self._slope = [0.0] * len(free_a)
        self._entries: list[tuple[int, ...]] = [()] * len(minimum_a)
        self._bundles_at: dict[int, list[Bundle]] = {}
        self._heap: list[tuple[float, int]] = []
        self._index(bundles, _binding(minimum_a, maximum_a, bundles, free_a))

    def _index(self, bundles: Sequence[Bundle], binding: set[int]) -> None:
        for bundle in bundles:
            entries = tuple(entry for entry in bundle.entries if entry in binding)
            for entry in entries:
                self._bundles_at.setdefault(entry, []).append(bundle)
            for number in bundle.members:
                self._entries[number] = entries

    def rise(self, numbers: Sequence[int]) -> None:
        """These leave their minimum: from now on they take weight × level."""
        touched: set[int] = set()
        for number in numbers:
            if self.bound_by[number] is not None:
                continue
            self._rising[number] = True
            weight, current_a = self.weight[number], self.current_a[number]
            for entry in self._entries[number]:
                self._slope[entry] += weight
                self._slack[entry] += current_a
            touched.update(self._entries[number])
        levels = [(self._full_level(entry), entry) for entry in touched]
        if len(levels) > len(self._heap):
            self._heap += levels
            heapify(self._heap)
        else:
            for item in levels:
                heappush(self._heap, item)

    def reach_maximum(self, number: int) -> None:
        """It stops at its own maximum."""
        self._stop(number, self.maximum_a[number], NOWHERE)

    def full_below(self, level: float) -> bool:
        """Stop the members of the first entry that is full at or below `level`, if any."""
        heap = self._heap
        while heap and heap[0][0] <= level:
            noted, entry = heappop(heap)
            full_at = self._full_level(entry)
            if full_at > noted + EPSILON_LEVEL:
                if full_at < float("inf"):
                    heappush(heap, (full_at, entry))
                continue
            if full_at > level:
                heappush(heap, (full_at, entry))
                return False
            self._close(entry, full_at)
            return True
        return False

    def _full_level(self, entry: int) -> float:
        slope = self._slope[entry]
        return self._slack[entry] / slope if slope > EPSILON_A else float("inf")

    def _close(self, entry: int, level: float) -> None:
        for bundle in self._bundles_at[entry]:
            for number in bundle.members:
                if self.bound_by[number] is None:
                    current_a = self.current_a[number]
                    if self._rising[number]:
                        current_a = max(current_a, level * self.weight[number])
                    self._stop(number, min(current_a, self.maximum_a[number]), entry)

    def _stop(self, number: int, current_a: float, entry: int) -> None:
        if self._rising[number]:
            weight = self.weight[number]
            for other in self._entries[number]:
                self._slope[other] -= weight
                self._slack[other] -= current_a
        self.current_a[number] = current_a
        self.bound_by[number] = entry
        self.unbound -= 1


def _binding(
    minimum_a: Sequence[float],
    maximum_a: Sequence[float],
    bundles: Sequence[Bundle],
    free_a: Sequence[float],
) -> set[int]:
    """The entries that can't give everybody their maximum; the others never bind."""
    wanted_a = [0.0] * len(free_a)
    for bundle in bundles:
        sum_a = sum(maximum_a[number] - minimum_a[number] for number in bundle.members)
        for entry in bundle.entries:
            wanted_a[entry] += sum_a
    return {entry for entry, wanted in enumerate(wanted_a) if wanted > free_a[entry]}
