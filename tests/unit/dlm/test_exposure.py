"""What may be drawn while commands are on their way."""

import random

import pytest

from sitecontroller.dlm import exposure as rules
from sitecontroller.dlm.exposure import CANDIDATES_MAX, NOT_SENT, Exposure, Sent

REACTION_S = 10.0


def charging_at(
    limit_a: float, *, fallback_a: float = 0.0, ends_s: float | None = None
) -> Exposure:
    return Exposure(fallback_a, (Sent(1, limit_a, 0.0, ends_s),))


def test_an_increase_counts_the_moment_it_is_sent() -> None:
    assert charging_at(10).send(Sent(2, 16, 100)).most_a(100) == 16


def test_a_decrease_counts_only_with_evidence() -> None:
    exposure = charging_at(16).send(Sent(2, 10, 100))
    assert exposure.most_a(1000) == 16
    assert exposure.measured(10.5, 111, REACTION_S).most_a(111) == 10


def test_a_low_draw_within_the_reaction_time_proves_nothing() -> None:
    exposure = charging_at(16).send(Sent(2, 10, 100))
    assert exposure.measured(5, 109, REACTION_S).most_a(109) == 16


def test_a_draw_above_the_new_limit_proves_nothing() -> None:
    exposure = charging_at(16).send(Sent(2, 10, 100))
    assert exposure.measured(11.5, 120, REACTION_S).most_a(120) == 16


def test_a_middle_step_can_be_proven() -> None:
    exposure = charging_at(16).send(Sent(2, 12, 100)).send(Sent(3, 6, 105))
    assert exposure.measured(11, 120, REACTION_S).most_a(120) == 12


def test_whatever_is_drawn_may_be_drawn() -> None:
    assert charging_at(6).measured(14, 50, REACTION_S).most_a(50) == 14


def test_what_was_drawn_under_a_lease_ends_with_it() -> None:
    exposure = charging_at(16, ends_s=300).measured(16, 100, REACTION_S)
    assert exposure.most_a(300) == 0


def test_who_obeys_draws_what_was_told_a_reaction_time_ago_or_since() -> None:
    exposure = charging_at(16).send(Sent(2, 10, 100)).send(Sent(3, 6, 105))
    assert exposure.obeyed_a(109, REACTION_S) == 16
    assert exposure.obeyed_a(110, REACTION_S) == 10
    assert exposure.obeyed_a(115, REACTION_S) == 6


def test_a_lease_gives_way_to_the_fallback() -> None:
    exposure = charging_at(16, fallback_a=6, ends_s=300)
    assert (exposure.most_a(299), exposure.most_a(300)) == (16, 6)


def test_the_fallback_counts_once_a_lower_lease_may_have_run_out() -> None:
    exposure = Exposure(6.0, (Sent(1, 0.0, 0.0, 300),))
    assert (exposure.most_a(299), exposure.most_a(300)) == (0, 6)


def test_an_unconfirmed_fallback_counts_as_what_it_may_be() -> None:
    exposure = Exposure(0.0, (Sent(NOT_SENT, None, 0.0),))
    assert exposure.with_fallback(32).most_a(0) == 32
    assert exposure.with_fallback(32).with_fallback(6).most_a(0) == 6


def test_after_a_lost_contact_the_fallback_may_hold() -> None:
    exposure = Exposure(6.0, (Sent(1, 0.0, 0.0),)).restart(50)
    assert exposure.most_a(50) == 6
    assert exposure.limit_a(50) == 0


def test_a_refused_limit_is_not_in_force() -> None:
    exposure = charging_at(10).send(Sent(2, 16, 100)).withdraw(2)
    assert exposure.most_a(100) == exposure.limit_a(100) == 10


def test_a_composite_schedule_is_evidence() -> None:
    exposure = charging_at(16).send(Sent(2, 10, 100))
    assert exposure.scheduled(10.0, 103).most_a(103) == 10
    assert exposure.scheduled(16.0, 103).most_a(103) == 16


def test_a_composite_schedule_says_nothing_of_limits_sent_since() -> None:
    exposure = charging_at(16).send(Sent(2, 20, 100))
    assert exposure.scheduled(16.0, 99).most_a(100) == 20


def test_an_unknown_lease_becomes_known_by_the_schedule() -> None:
    exposure = Exposure(0.0, (Sent(NOT_SENT, 32.0, 0.0, 312.0),))
    known = exposure.scheduled(13.0, 5.0)
    assert known.most_a(5) == 13
    assert known.most_a(312) == 0


def test_waiting_for_evidence_begins_with_the_first_lower_limit() -> None:
    exposure = charging_at(16).send(Sent(2, 10, 100)).send(Sent(3, 8, 130))
    assert exposure.unproven_since_s(140) == 100
    assert exposure.measured(8, 141, REACTION_S).unproven_since_s(141) is None


def test_no_evidence_never_grows_without_bound_nor_forgets_the_worst() -> None:
    exposure = charging_at(20)
    for number in range(2, 100):
        exposure = exposure.send(Sent(number, 6 + number % 5, number))
    assert len(exposure.possible) == CANDIDATES_MAX
    assert exposure.most_a(100) == 20


def test_a_lapsed_lease_does_not_come_back_when_old_limits_are_merged() -> None:
    """A limit of an earlier controller counted again, without an end, once eight newer ones had
    been sent; the next decrease then ended a session that obeyed."""
    exposure = Exposure(0.0, (Sent(NOT_SENT, 63.0, 0.0, ends_s=312.0),))
    exposure = exposure.restart(320.0)
    for number in range(1, 9):
        exposure = exposure.send(Sent(number, 10.0 + number, 320.0 + number))
    assert exposure.most_a(330.0) == 18.0


def test_of_two_limits_that_may_both_hold_the_higher_stands_until_the_later_end() -> None:
    exposure = Exposure(6.0, (Sent(1, 32.0, 0.0, ends_s=100.0), Sent(2, 16.0, 1.0, ends_s=300.0)))
    for number in range(3, 10):
        exposure = exposure.send(Sent(number, 6.0, 1.0 + number, ends_s=310.0))
    assert exposure.most_a(200.0) == 32.0
    assert exposure.most_a(320.0) == 6.0


def test_a_limit_is_not_forgotten_while_its_fallback_is_in_doubt() -> None:
    """A doubted fallback counts at the station's maximum, hid a limit that held, and took it away
    when it was confirmed."""
    doubted = charging_at(16).restart(1.0).with_fallback(32.0)
    for number in range(2, 12):
        doubted = doubted.send(Sent(number, 6.0, float(number), taken=False))
    assert doubted.with_fallback(6.0).most_a(20.0) == 16.0


@pytest.mark.parametrize("seed", range(100))
def test_however_few_limits_are_kept_none_counts_lower(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    few = many = Exposure(6.0)
    for number in range(1, 60):
        now_s = 4.0 * number
        limit_a = chance.choice([None, 0.0, 6.0, 10.0, 16.0, 32.0])
        ends_s = None if limit_a is None else chance.choice([None, now_s + 100, now_s + 30])
        sent = Sent(number, limit_a, now_s, ends_s, taken=chance.random() < 0.7)
        monkeypatch.setattr(rules, "CANDIDATES_MAX", 1000)
        many = many.send(sent)
        monkeypatch.setattr(rules, "CANDIDATES_MAX", CANDIDATES_MAX)
        few = few.send(sent)
        if chance.random() < 0.15:
            few, many = (each.restart(now_s).with_fallback(32.0) for each in (few, many))
        elif chance.random() < 0.3:
            few, many = (each.with_fallback(6.0) for each in (few, many))
        if chance.random() < 0.05:
            drawn_a = chance.choice([0.0, 6.0, 16.0])
            few, many = (each.measured(drawn_a, now_s, REACTION_S) for each in (few, many))
        for at_s in (now_s, now_s + 50, now_s + 200):
            assert few.most_a(at_s) >= many.most_a(at_s)
            assert few.with_fallback(0.0).most_a(at_s) >= many.with_fallback(0.0).most_a(at_s)


def test_what_may_flow_now_may_flow_until_a_car_has_followed() -> None:
    confirmed = Exposure(32.0).lingering(100.0, 110.0).with_fallback(0.0)
    assert [confirmed.most_a(at_s) for at_s in (100, 109, 110)] == [32, 32, 0]
    assert (confirmed.limit_a(105), confirmed.least_a(105)) == (0, 0), "it was told nothing"
    unknown = Exposure(32.0, (Sent(NOT_SENT, 32.0, 0.0, 105.0),))
    assert unknown.lingering(100.0, 110.0).with_fallback(0.0).least_a(104) == 0


def test_a_station_that_comes_and_goes_is_remembered_in_a_few_candidates() -> None:
    exposure = Exposure(32.0)
    for at_s in range(100, 200):
        exposure = exposure.restart(at_s).with_fallback(32.0)
        exposure = exposure.lingering(at_s, at_s + 10.0).with_fallback(6.0)
    assert (exposure.most_a(205), exposure.most_a(210)) == (32, 6)
    assert len(exposure.possible) == 2
