"""The grid code's limit on the difference between two phases, as further entries of the room.

Only what loads one phase and not the other can be out of balance. After a pass, each pair of phases
that differs too much gets an entry for exactly those demands: the limit, less the base load's own
difference, plus what weighs against it now. A further pass may shrink the counterweight, so the
entry is tightened; the last pass counts no counterweight for any pair and therefore holds.
"""

from collections.abc import Iterator, Mapping
from itertools import permutations
from typing import NamedTuple, Protocol

from sitecontroller.dlm.room import Label, Room
from sitecontroller.dlm.snapshot import CircuitState, Demand, Snapshot
from sitecontroller.domain.topology import PHASE_NAMES, PHASES, EvseKey

ROUNDS_MAX = 8
TOLERANCE_A = 1e-6


class Allocated(Protocol):
    """What the passes hand over: `Allocation` has it."""

    @property
    def current_a(self) -> float: ...


def tighten_imbalance(
    room: Room,
    snapshot: Snapshot,
    demands: list[Demand],
    result: Mapping[EvseKey, Allocated],
    round_number: int,
) -> bool:
    """Add or tighten entries where `result` breaks an imbalance limit; False: all are kept.

    `round_number` counts from 0; in round ROUNDS_MAX − 1 counterweights no longer count.
    """
    is_last = round_number == ROUNDS_MAX - 1
    pairs = list(_pairs(room, snapshot, demands, result))
    broken = [
        pair
        for pair in pairs
        if pair.side_a > max(0.0, pair.allowed_a + pair.counter_a) + TOLERANCE_A
    ]
    for circuit, high, low, _, counter_a, allowed_a in pairs if is_last and broken else broken:
        text = f"{circuit.name}, {PHASE_NAMES[high]} against {PHASE_NAMES[low]}"
        label = Label(circuit.circuit_id, text)
        free_a = allowed_a if is_last else allowed_a + counter_a
        room.limit_difference(circuit.circuit_id, high, low, label, free_a)
    return bool(broken)


class _Pair(NamedTuple):
    """What a pass gave to a phase and not to another, the other way round, and what it may be."""

    circuit: CircuitState
    high: int
    low: int
    side_a: float
    counter_a: float
    allowed_a: float


def _pairs(
    room: Room, snapshot: Snapshot, demands: list[Demand], result: Mapping[EvseKey, Allocated]
) -> Iterator[_Pair]:
    for circuit in snapshot.circuits:
        if circuit.imbalance_a is None or None in circuit.base_a:
            continue
        below = room.below(circuit.circuit_id)
        steered = [d for d in demands if d.circuit_id in below]
        fixed = [d for d in snapshot.demands if not d.steerable and d.circuit_id in below]
        for high, low in permutations(PHASES, 2):
            side_a = sum(result[d.key].current_a for d in _only(steered, high, low))
            counter_a = sum(result[d.key].current_a for d in _only(steered, low, high))
            allowed_a = circuit.imbalance_a - _base_difference_a(circuit, high, low)
            allowed_a -= sum(d.exposure_a for d in _only(fixed, high, low))
            yield _Pair(circuit, high, low, side_a, counter_a, allowed_a)


def _only(demands: list[Demand], high: int, low: int) -> Iterator[Demand]:
    return (d for d in demands if high in d.phases and low not in d.phases)


def _base_difference_a(circuit: CircuitState, high: int, low: int) -> float:
    high_a, low_a = circuit.base_a[high], circuit.base_a[low]
    assert high_a is not None, "checked by the caller"
    assert low_a is not None, "checked by the caller"
    return high_a - low_a
