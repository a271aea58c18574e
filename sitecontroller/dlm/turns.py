"""Sharing in turn: the first takes all it can use, then the next, down to nothing.

Whoever is held has its minimum set aside before. Where more than half a minimum would be left over,
the next in turn is let in at its minimum and the last before it gives up the difference.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sitecontroller.dlm.admission import on_step
from sitecontroller.dlm.fill import NOWHERE
from sitecontroller.dlm.room import EPSILON_A

WORTH_HALVING = 0.5
"""Of a minimum: less room than this isn't worth another car's start."""


class Turn(NamedTuple):
    """One demand in its turn; `ceiling_a` is what it needs, `maximum_a` what it may have."""

    entries: tuple[int, ...]
    minimum_a: float
    ceiling_a: float
    maximum_a: float
    step_a: float
    hold: tuple[int, int] | None
    """Not None: its minimum is set aside before anybody takes a turn, the smallest first."""


@dataclass(slots=True)
class Served:
    """Per turn its current (0: refused) and the entry that stopped it (or NOWHERE)."""

    current_a: list[float]
    bound_by: list[int]


def serve(turns: Sequence[Turn], free_a: list[float]) -> Served:
    """Hand out `free_a`, which is changed; first up to what each needs, then to its maximum."""
    served = Served([0.0] * len(turns), [NOWHERE] * len(turns))
    for number in _admitted(turns, free_a):
        served.current_a[number] = turns[number].minimum_a
        _take(free_a, turns[number], turns[number].minimum_a)
    for number, turn in enumerate(turns):
        if served.current_a[number] > 0:
            _raise(turn, number, turn.ceiling_a, served, free_a)
    for number, turn in enumerate(turns):
        if served.current_a[number] > 0 and turn.ceiling_a < turn.maximum_a:
            _raise(turn, number, turn.maximum_a, served, free_a)
    for number, turn in enumerate(turns):
        if served.current_a[number] > 0:
            continue
        if _enter(turn, free_a):
            served.current_a[number] = turn.minimum_a
            _raise(turn, number, turn.maximum_a, served, free_a)
        else:
            served.bound_by[number] = min(turn.entries, key=free_a.__getitem__)
    return served


def _raise(turn: Turn, number: int, most_a: float, served: Served, free_a: list[float]) -> None:
    before_a = served.current_a[number]
    entry = min(turn.entries, key=free_a.__getitem__)
    current_a = max(before_a, on_step(min(most_a, before_a + free_a[entry]), turn.step_a))
    _take(free_a, turn, current_a - before_a)
    served.current_a[number] = current_a
    is_bound = current_a < turn.maximum_a - turn.step_a + EPSILON_A and most_a == turn.maximum_a
    served.bound_by[number] = entry if is_bound else NOWHERE


def _admitted(turns: Sequence[Turn], free_a: Sequence[float]) -> list[int]:
    """Who gets at least its minimum when each in turn takes what it needs."""
    rest_a, least_a = list(free_a), list(free_a)
    held = sorted((turn.hold, n) for n, turn in enumerate(turns) if turn.hold is not None)
    admitted = {number for _, number in held if _enter(turns[number], rest_a)}
    refused = []
    for number, turn in enumerate(turns):
        if number not in admitted:
            if not _enter(turn, rest_a):
                refused.append(number)
                continue
            admitted.add(number)
        more_a = min(turn.ceiling_a - turn.minimum_a, min(rest_a[e] for e in turn.entries))
        _take(rest_a, turn, max(0.0, more_a))
    for number in admitted:
        _take(least_a, turns[number], turns[number].minimum_a)
    for number in refused:
        turn = turns[number]
        left_a = min(rest_a[entry] for entry in turn.entries)
        if left_a >= WORTH_HALVING * turn.minimum_a and _enter(turn, least_a):
            _take(rest_a, turn, turn.minimum_a)
            admitted.add(number)
    return sorted(admitted)


def _enter(turn: Turn, free_a: list[float]) -> bool:
    if min(free_a[entry] for entry in turn.entries) < turn.minimum_a - EPSILON_A:
        return False
    _take(free_a, turn, turn.minimum_a)
    return True


def _take(free_a: list[float], turn: Turn, current_a: float) -> None:
    for entry in turn.entries:
        free_a[entry] -= current_a
