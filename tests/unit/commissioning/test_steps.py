"""What steps of one car's current say about wiring."""

from random import Random

import pytest

from sitecontroller.domain.topology import PhaseMap
from sitecontroller.services.commissioning.steps import (
    MOVES_MIN,
    Move,
    Part,
    is_calm,
    parts_of,
    wiring_of,
)

STILL, FOLLOWED, TURNED = Part.STILL, Part.FOLLOWED, Part.TURNED
STRAIGHT = PhaseMap()


def moves(*meter_a: float, count: int = MOVES_MIN) -> list[Move]:
    return [Move(10.0, (meter_a[0], meter_a[1], meter_a[2]))] * count


def test_some_moves_are_needed_before_anything_is_said():
    assert parts_of(moves(10, 0, 0, count=MOVES_MIN - 1)) is None
    assert parts_of(moves(10, 0, 0)) == (FOLLOWED, STILL, STILL)


def test_half_a_step_is_neither_this_nor_that():
    assert parts_of(moves(10, 5, 0)) is None


def test_one_odd_move_of_four_changes_nothing():
    assert parts_of([*moves(10, 0, 0, count=3), *moves(10, 9, 0, count=1)]) == (
        FOLLOWED,
        STILL,
        STILL,
    )


def test_a_load_that_moves_between_two_looks_spoils_the_moment():
    assert is_calm((5.0, 6.0, None), (5.5, 6.0, None), 10.0)
    assert not is_calm((5.0, 6.0, 7.0), (5.0, 9.5, 7.0), 10.0)


@pytest.mark.parametrize(
    ("parts", "wired", "terminals", "right", "write"),
    [
        ((FOLLOWED, STILL, STILL), "L1L2L3", (0,), True, None),
        ((STILL, FOLLOWED, STILL), "L1L2L3", (0,), False, "L2L3L1"),
        ((STILL, STILL, FOLLOWED), "L2L3L1", (0,), False, "L3L1L2"),
        ((STILL, FOLLOWED, STILL), "L1", (0,), False, "L2"),
        ((STILL, FOLLOWED, FOLLOWED), "L1L2L3", (0, 1), False, "L2L3L1"),
        ((FOLLOWED, STILL, FOLLOWED), "L3L1L2", (0, 1), True, None),
        ((FOLLOWED, FOLLOWED, FOLLOWED), "L1L2L3", (0, 1, 2), None, None),
        ((STILL, STILL, STILL), "L1L2L3", (0,), False, None),
        ((FOLLOWED, FOLLOWED, STILL), "L1L2L3", (0, 1, 2), False, None),
    ],
)
def test_what_is_wired_is_told_with_what_to_write(parts, wired, terminals, right, write):
    wiring = wiring_of(parts, PhaseMap.parse(wired), terminals, "Grid")
    assert wiring.is_right is right
    assert wiring.phases == write


def test_a_current_transformer_turned_round_is_named():
    wiring = wiring_of((STILL, TURNED, STILL), PhaseMap.parse("L2L3L1"), (0,), "Grid")
    assert wiring.is_right is False
    assert "The current transformer of L2 of Grid is turned round: it fell" in " ".join(
        wiring.findings
    )
    assert not wiring.turn_meter


def test_all_three_turned_round_are_a_setting_of_the_meter():
    assert wiring_of((TURNED, TURNED, TURNED), STRAIGHT, (0, 1, 2), "Grid").turn_meter


def test_random_loads_alone_are_hardly_ever_taken_for_wiring():
    found = 0
    for seed in range(300):
        random = Random(seed)
        noise = [
            Move(10.0, (random.uniform(-20, 20), random.uniform(-20, 20), random.uniform(-20, 20)))
            for _ in range(MOVES_MIN)
        ]
        found += parts_of(noise) is not None
    assert found <= 6
