"""S1 where nobody knows what a station holds: what seems a decrease may raise it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.dlm import CircuitState, Snapshot, allocate
from sitecontroller.dlm.exposure import Exposure, Sent
from sitecontroller.dlm.limits import Limit
from sitecontroller.domain.topology import LimitUnit
from sitecontroller.services.load.circuits import Sight
from sitecontroller.services.load.decide import Change, Pass
from sitecontroller.services.load.draw import UNKNOWN_CURRENT, Draw, GridCurrent
from sitecontroller.services.load.evse import EvseControl, Timing
from tests.unit.load.site import Behaviour, Site, car, evse, key, main_circuit, play, topology

NOW_S = 1000.0
TIMING = Timing(reaction_s=10.0, stale_s=22.0, evidence_s=42.0)
MOST_A = 32.0


def control(number: int, exposure: Exposure, fallback_a: float = 6.0) -> EvseControl:
    found = EvseControl(evse(number, fallback_a=fallback_a), exposure, online=True)
    found.transaction_since_s = 0.0
    return found


def told(controls: list[EvseControl], cap_a: float) -> tuple[list[Change], Snapshot]:
    """What one pass tells EVSEs that share a circuit without base load."""
    snapshot = Snapshot(
        (CircuitState("main", "Main", None, (cap_a,) * 3, (0.0,) * 3),),
        tuple(replace(each.demand(NOW_S), steerable=True) for each in controls),
    )
    targets = {
        found.key: Limit(found.current_a, found.reason, found.bound_by)
        for found in allocate(snapshot).by_key.values()
    }
    known = {each.key: each for each in controls}
    decisions = Pass(
        snapshot,
        known,
        targets,
        lambda _: Sight.GOOD,
        lambda _: True,
        lambda _: 240.0,
        TIMING,
        NOW_S,
    )
    return decisions.changes(), snapshot


UNKNOWN = Exposure(MOST_A, (Sent(-1, MOST_A, 0.0),)).restart(1.0)
"""Its fallback is in doubt, and it was told nothing in this run."""
CHARGES = Exposure(0.0, (Sent(1, 30.0, 0.0),))


def test_the_first_order_is_no_more_than_the_fallback_while_others_leave_no_room() -> None:
    changes, _ = told([control(1, UNKNOWN), control(2, CHARGES)], 40.0)
    assert changes == [Change(key(1), 10.0), Change(key(2), 20.0)]
    changes, _ = told([control(1, UNKNOWN), control(2, CHARGES)], 34.0)
    assert changes == [Change(key(1), 6.0), Change(key(2), 17.0)]


def test_without_a_fallback_it_is_told_nothing_until_there_is_room() -> None:
    changes, _ = told([control(1, UNKNOWN, fallback_a=0.0), control(2, CHARGES)], 34.0)
    assert changes[0] == Change(key(1), 0.0)


def test_the_first_order_is_its_share_where_that_fits_beside_all_that_may_flow() -> None:
    changes, _ = told([control(1, UNKNOWN), control(2, Exposure(0.0, (Sent(1, 8.0, 0.0),)))], 28.0)
    assert changes[0] == Change(key(1), 14.0)


@pytest.mark.parametrize(("age_s", "told_a"), [(5.0, 13.0), (30.0, 6.0)])
def test_a_car_that_is_seen_to_draw_keeps_what_it_draws(age_s: float, told_a: float) -> None:
    """After a restart nobody is stopped: who draws 13 A holds that much."""
    running = control(1, UNKNOWN)
    running.draw = Draw(GridCurrent((13.04,) * 3, (13.04,) * 3), NOW_S - age_s, UNKNOWN_CURRENT)
    changes, _ = told([running, control(2, CHARGES)], 34.0)
    assert changes[0] == Change(key(1), told_a)


def test_an_increase_that_may_never_have_come_is_no_limit_to_fall_from() -> None:
    rising = Exposure(0.0, (Sent(1, 8.0, 0.0), Sent(2, 24.0, NOW_S - 2, taken=False)))
    changes, _ = told([control(1, rising), control(2, CHARGES)], 34.0)
    assert changes[0] == Change(key(1), 8.0)


def test_watts_that_were_meant_for_one_phase_are_a_third_of_that_on_three() -> None:
    """Told 24 A on one phase a car draws 8 A on each of three: 17 A on each is more."""
    spread = EvseControl(
        evse(1, limit_unit=LimitUnit.W), Exposure(0.0, (Sent(1, 24.0, 0.0),)), online=True
    )
    spread.sent_a, spread.sent_phase_count = 24.0, 1
    spread.phases.learned = (0, 1, 2)
    changes, _ = told([spread, control(2, CHARGES)], 34.0)
    assert changes[0] == Change(key(1), 8.0)


sents = st.builds(
    Sent,
    number=st.integers(1, 9),
    limit_a=st.sampled_from([None, 0.0, 6.0, 8.0, 12.0, 20.0, MOST_A]),
    sent_s=st.floats(0.0, NOW_S),
    ends_s=st.sampled_from([None, NOW_S - 1, NOW_S + 100]),
    taken=st.booleans(),
)
exposures = st.builds(
    lambda sent, fallback_a, restarts: (
        Exposure(fallback_a, tuple(sent)).restart(1.0) if restarts else Exposure(fallback_a, sent)
    ),
    st.lists(sents, max_size=4).map(lambda them: tuple(sorted(them, key=lambda s: s.sent_s))),
    st.sampled_from([6.0, MOST_A]),
    st.booleans(),
)


@given(st.lists(exposures, min_size=2, max_size=4), st.floats(10.0, 90.0), st.booleans())
def test_no_order_raises_a_station_beyond_what_all_others_may_draw(
    held: list[Exposure], cap_a: float, again: bool
) -> None:
    controls = [control(number, exposure) for number, exposure in enumerate(held, 1)]
    for each in controls:
        each.resend = again
    changes, snapshot = told(controls, cap_a)
    now_told = {change.key: change.current_a for change in changes}
    may_flow = {
        demand.key: max(demand.exposure_a, now_told.get(demand.key, 0.0))
        for demand in snapshot.demands
    }
    for each in controls:
        told_a = now_told.get(each.key, 0.0)
        if told_a > surely_a(each) + 1e-6:
            others_a = sum(a for other, a in may_flow.items() if other != each.key)
            assert others_a + told_a <= cap_a + 1e-6


def surely_a(found: EvseControl) -> float:
    """The least of what it may hold: what it took last, and all that was sent since."""
    possible = found.exposure.possible
    last = max((n for n, sent in enumerate(possible) if sent.taken and sent.number > 0), default=0)
    holds_a = [
        found.evse.fallback_a
        if sent.limit_a is None or (sent.ends_s is not None and sent.ends_s <= NOW_S)
        else sent.limit_a
        for sent in possible[last:]
    ]
    return min(holds_a, default=found.evse.fallback_a)


def test_a_station_back_from_its_fallback_is_not_raised_before_the_others_came_down() -> None:
    """It charges offline at 6 A, comes back and takes no fallback: it may hold 32 A or 6 A."""

    async def story() -> None:
        site = Site(
            topology(
                main_circuit(40.0, worst_base_a=20.0, margin_a=1.0),
                evses=[evse(1, fallback_a=6.0), evse(2)],
            ),
            behaviour={"CP-02": Behaviour(latency_s=3.0)},
        )
        async with site:
            await site.settle()
            site.disconnect("CP-01")
            site.charge(key(1), car(latency_s=0.5))
            site.charge(key(2), car(latency_s=5.0))
            await site.advance(90)
            assert site.drawn_a(1) == 6
            assert site.drawn_a(2) > 26
            site.stations["CP-01"].behaviour.takes_fallback = False
            site.connect("CP-01")
            worst_a = 0.0

            def look() -> None:
                nonlocal worst_a
                worst_a = max(worst_a, *site.total_a("main"))

            await site.advance(120, look)
            assert worst_a <= 39.0
            assert site.drawn_a(1) > 18

    play(story())
