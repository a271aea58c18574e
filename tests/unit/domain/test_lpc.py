"""A source of limits and its silence: EEBUS LPC's states, and that nothing else raises."""

from dataclasses import replace
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.domain.lpc import (
    CONTROLLED,
    Control,
    ControlState,
    LimitValue,
    Spell,
    Terms,
)

FAILSAFE = LimitValue(power_w=4200.0)
HOURS_2 = 7200.0
TERMS = Terms(120.0, FAILSAFE, HOURS_2)


def limit(power_w: float, starts_s: float = -inf, ends_s: float = inf) -> Spell:
    return Spell(LimitValue(power_w), starts_s, ends_s)


def allowed_w(control: Control, now_s: float) -> float:
    """inf: nothing limits."""
    spells = control.passed(now_s).in_force(now_s)
    return min((spell.value.power_w or 0.0 for spell in spells), default=inf)


def state(control: Control, now_s: float) -> ControlState:
    return control.passed(now_s).state


START = Control.start(TERMS, 0.0)


def test_after_a_restart_the_failsafe_limit_holds_until_the_source_is_heard() -> None:
    assert state(START, 7199) is ControlState.INIT
    assert allowed_w(START, 7199) == 4200
    assert allowed_w(START.told([limit(9000)], 10), 11) == 9000
    assert allowed_w(START.told([], 10), 11) == inf


def test_a_restart_forgets_no_limit() -> None:
    again = Control.start(TERMS, 0.0, [limit(2000, ends_s=60)])
    assert (allowed_w(again, 59), allowed_w(again, 61)) == (2000, 4200)


def test_a_limit_is_told_lasts_and_ends() -> None:
    told = START.told([limit(9000, ends_s=60)], 10)
    assert (state(told, 11), allowed_w(told, 11)) == (ControlState.LIMITED, 9000)
    assert (state(told, 61), allowed_w(told, 61)) == (ControlState.UNLIMITED_CONTROLLED, inf)


def test_a_limit_told_ahead_begins_in_its_time() -> None:
    told = START.told([limit(9000, 100, 110)], 10)
    assert [allowed_w(told, at) for at in (99, 100, 109, 110)] == [inf, 9000, 9000, inf]


@pytest.mark.parametrize("said", [[], [limit(20_000)]])
def test_without_a_heartbeat_for_120_s_the_failsafe_limit_holds(said: list[Spell]) -> None:
    told = START.told(said, 10)
    assert state(told, 129.9) in CONTROLLED
    assert (state(told, 130), allowed_w(told, 130)) == (ControlState.FAILSAFE, 4200)


def test_heartbeats_keep_a_limit_that_is_said_once() -> None:
    control = START.told([limit(9000)], 0)
    for at_s in range(60, 600, 60):
        control = control.heartbeat(at_s)
    assert allowed_w(control, 600) == 9000


def test_a_smaller_limit_said_before_the_silence_holds_beside_the_failsafe_limit() -> None:
    told = START.told([limit(2000, ends_s=500)], 0)
    assert (allowed_w(told, 499), allowed_w(told, 501)) == (2000, 4200)


def test_after_the_failsafe_duration_nothing_limits() -> None:
    told = START.told([limit(2000)], 0)
    assert allowed_w(told, 120 + HOURS_2 - 1) == 2000
    late = told.passed(120 + HOURS_2)
    assert (late.state, late.since_s) == (ControlState.UNLIMITED_AUTONOMOUS, 120 + HOURS_2)
    assert allowed_w(told, 120 + HOURS_2) == inf


def test_without_a_failsafe_duration_it_holds_for_ever() -> None:
    told = Control.start(replace(TERMS, failsafe_for_s=None), 0.0).told([], 0)
    assert allowed_w(told, 1e9) == 4200


def test_a_heartbeat_alone_ends_no_failsafe_but_a_limit_after_it_does() -> None:
    silent = START.told([limit(9000)], 0).passed(200)
    heard = silent.heartbeat(210)
    assert (state(heard, 211), allowed_w(heard, 211)) == (ControlState.FAILSAFE, 4200)
    again = heard.told([limit(8000)], 220, heartbeat=False)
    assert (state(again, 221), allowed_w(again, 221)) == (ControlState.LIMITED, 8000)


def test_a_source_that_is_heard_again_and_says_nothing_for_120_s_does_not_limit() -> None:
    heard = START.told([limit(9000)], 0).passed(200).heartbeat(210).heartbeat(270)
    assert (state(heard, 329), state(heard, 330)) == (
        ControlState.FAILSAFE,
        ControlState.UNLIMITED_AUTONOMOUS,
    )


def test_a_limit_without_a_heartbeat_waits_for_it() -> None:
    waiting = START.told([limit(2000)], 10, heartbeat=False)
    assert (state(waiting, 11), allowed_w(waiting, 11)) == (ControlState.INIT, 2000)
    heard = waiting.heartbeat(20)
    assert (state(heard, 21), allowed_w(heard, 21)) == (ControlState.LIMITED, 2000)
    higher = START.told([limit(20_000)], 10, heartbeat=False)
    assert allowed_w(higher, 11) == 4200


def test_from_autonomous_only_a_heartbeat_and_a_limit_lead_back() -> None:
    alone = START.passed(HOURS_2)
    assert alone.state is ControlState.UNLIMITED_AUTONOMOUS
    assert state(alone.heartbeat(8000), 8001) is ControlState.UNLIMITED_AUTONOMOUS
    told = alone.heartbeat(8000).told([limit(3000)], 8030, heartbeat=False)
    assert allowed_w(told, 8031) == 3000


def test_without_a_failsafe_limit_what_was_said_last_holds() -> None:
    told = Control.start(Terms(120.0), 0.0).told([limit(9000)], 0)
    assert (state(told, 1e6), allowed_w(told, 1e6)) == (ControlState.FAILSAFE, 9000)


def test_what_was_said_nobody_knows_when_holds_beside_what_is_known() -> None:
    told = START.told([limit(5000)], 10)
    assert allowed_w(told.recalled([limit(9000)], 20), 21) == 5000
    assert allowed_w(told.recalled([limit(3000)], 20), 21) == 3000
    assert allowed_w(told.recalled([limit(3000)], 20).told([limit(9000)], 30), 31) == 9000
    assert allowed_w(START.recalled([limit(9000)], 20), 21) == 4200
    assert state(START.recalled([limit(9000)], 20), 21) is ControlState.INIT


def test_a_source_that_is_known_to_be_gone_is_silent_at_once() -> None:
    gone = START.told([limit(9000)], 10).lost(20)
    assert (gone.state, allowed_w(gone, 20)) == (ControlState.FAILSAFE, 4200)
    assert START.lost(20).state is ControlState.INIT


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["tell", "tell bare", "recall", "heartbeat", "lose", "pass"]),
        st.floats(0.1, 5000),
        st.integers(0, 50_000),
        st.one_of(st.just(inf), st.floats(1, 20_000)),
    ),
    max_size=20,
)


@given(steps=STEPS, quiet_s=st.floats(0, 20_000))
def test_whatever_happens_only_the_source_or_the_failsafe_duration_raises(
    steps: list[tuple[str, float, int, float]], quiet_s: float
) -> None:
    control, now_s, said_s = START, 0.0, 0.0
    for kind, after_s, power_w, lasts_s in steps:
        now_s += after_s
        if kind == "pass":
            control = control.passed(now_s)
        elif kind == "heartbeat":
            control = control.heartbeat(now_s)
        elif kind == "lose":
            control = control.lost(now_s)
        elif kind == "recall":
            control = control.recalled([limit(power_w, ends_s=now_s + lasts_s)], now_s)
        else:
            spell = limit(power_w, ends_s=now_s + lasts_s)
            control = control.told([spell], now_s, heartbeat=kind == "tell")
            said_s = now_s
        if control.state in CONTROLLED:
            assert control.heartbeat_at_s is not None
            assert now_s - control.heartbeat_at_s < TERMS.heartbeat_s
        if control.state in (ControlState.INIT, ControlState.FAILSAFE):
            assert allowed_w(control, now_s) <= 4200
    before_w = allowed_w(control, now_s)
    after_w = allowed_w(control, now_s + quiet_s)
    ended = any(
        spell.ends_s <= now_s + quiet_s for spell in (*control.spells, *(control.waiting or ()))
    )
    autonomous = state(control, now_s + quiet_s) is ControlState.UNLIMITED_AUTONOMOUS
    assert after_w <= before_w or ended or autonomous
    assert said_s <= now_s


@given(steps=st.lists(st.floats(0.1, 500), min_size=1, max_size=20))
def test_looking_more_often_changes_nothing(steps: list[float]) -> None:
    told = START.told([limit(9000, 50, 400)], 0)
    often, now_s = told, 0.0
    for after_s in steps:
        now_s += after_s
        often = often.passed(now_s)
    assert (often.state, often.in_force(now_s)) == (
        told.passed(now_s).state,
        told.passed(now_s).in_force(now_s),
    )
