"""What our policies do for a garage's drivers, over some made-up days, beside well-known rules."""

import functools

import pytest

from tests.bench.garage import Outcome, made, play
from tests.bench.garage_optimum import most_energy_wh, most_met
from tests.bench.garage_rules import KNOWN_RULES, OUR_RULES

SESSIONS = made(7, days=2, cars_a_day=40)
CAPACITIES_W = (10_000.0, 20_000.0, 30_000.0)
NEED_WH = sum(session.need_wh for session in SESSIONS)


@functools.cache
def outcome(rule: str, capacity_w: float) -> Outcome:
    return play(SESSIONS, capacity_w, (KNOWN_RULES | OUR_RULES)[rule])


@pytest.mark.parametrize("capacity_w", CAPACITIES_W)
def test_with_departures_known_more_drivers_leave_with_what_they_need(capacity_w: float) -> None:
    ours = outcome("laxity", capacity_w)
    assert all(ours.met >= outcome(rule, capacity_w).met for rule in KNOWN_RULES)


@pytest.mark.parametrize("capacity_w", CAPACITIES_W)
def test_with_departures_known_energy_stays_near_the_optimum(capacity_w: float) -> None:
    assert outcome("laxity", capacity_w).energy_wh > 0.98 * most_energy_wh(SESSIONS, capacity_w)


@pytest.mark.parametrize("capacity_w", CAPACITIES_W)
def test_an_equal_share_delivers_what_a_round_robin_does(capacity_w: float) -> None:
    ours, known = outcome("equal share", capacity_w), outcome("round robin", capacity_w)
    assert ours.energy_wh > 0.99 * known.energy_wh


@pytest.mark.parametrize("capacity_w", CAPACITIES_W)
def test_no_rule_passes_the_optimum(capacity_w: float) -> None:
    energy_wh, met = most_energy_wh(SESSIONS, capacity_w), most_met(SESSIONS, capacity_w)
    for rule in KNOWN_RULES | OUR_RULES:
        assert outcome(rule, capacity_w).energy_wh <= energy_wh * (1 + 1e-9), rule
        assert outcome(rule, capacity_w).met <= met, rule


@pytest.mark.parametrize("rule", OUR_RULES)
def test_with_room_for_all_everybody_is_met(rule: str) -> None:
    assert outcome(rule, 400_000.0).met == len(SESSIONS)
