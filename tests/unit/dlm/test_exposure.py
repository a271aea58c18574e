"""What may be drawn while commands are on their way."""

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
