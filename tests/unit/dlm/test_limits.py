"""Further limits beside a place's own: the smallest in force wins, and none raises another."""

from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.dlm.limits import Limit, PhaseLimits, limited_by, place_name, tightest

AMPERES = st.floats(0, 200)
FUSE: PhaseLimits = (
    Limit(63, "Main", "main"),
    Limit(63, "Main", "main"),
    Limit(63, "Main", "main"),
)
ENDS = st.none() | st.floats(0, 1000)


def everywhere(current_a: float, words: str = "HQ", ends_s: float | None = None) -> PhaseLimits:
    one = Limit(current_a, words, "main", ends_s)
    return one, one, one


SITE_LIMITS = st.lists(
    st.tuples(*[st.none() | st.builds(Limit, AMPERES, st.just("HQ"), st.just("main"), ENDS)] * 3),
    max_size=5,
)


@given(SITE_LIMITS, st.floats(0, 1000))
def test_per_phase_the_smallest_in_force_wins(
    further: list[tuple[Limit | None, ...]], now_s: float
) -> None:
    for phase, held in enumerate(tightest(FUSE, further, now_s)):
        in_force = [
            limits[phase].current_a  # type: ignore[union-attr]
            for limits in further
            if limits[phase] is not None and limits[phase].holds(now_s)  # type: ignore[union-attr]
        ]
        assert held.current_a == min([63, *in_force])


@given(SITE_LIMITS, st.floats(0, 1000))
def test_nothing_is_ever_above_the_fuse(
    further: list[tuple[Limit | None, ...]], now_s: float
) -> None:
    assert all(limit.current_a <= 63 for limit in tightest(FUSE, further, now_s))


@given(SITE_LIMITS, st.tuples(*[st.builds(Limit, AMPERES, st.just("x"), st.just("main"))] * 3))
def test_a_further_limit_raises_no_other(
    further: list[tuple[Limit | None, ...]], one_more: tuple[Limit, ...]
) -> None:
    before, after = tightest(FUSE, further, 0), tightest(FUSE, [*further, one_more], 0)
    assert all(a.current_a <= b.current_a for a, b in zip(after, before, strict=True))


def test_what_is_expired_counts_no_more() -> None:
    until_100 = everywhere(20, ends_s=100)
    assert tightest(FUSE, [until_100], 99.9) == until_100
    assert tightest(FUSE, [until_100], 100) == FUSE


def test_what_is_as_high_as_the_fuse_is_not_named() -> None:
    assert tightest(FUSE, [everywhere(63)], 0) == FUSE
    assert limited_by("Main", FUSE) is None
    assert place_name("Main", FUSE) == "Main"


def test_the_limit_that_binds_is_named_with_its_place() -> None:
    held = everywhere(20, "site limit 'tariff'")
    assert place_name("Main", held) == "site limit 'tariff' at Main"
    assert limited_by("Main", held) == "20 A: site limit 'tariff'"


def test_a_limit_on_one_phase_is_named_with_that_phase() -> None:
    held = (everywhere(20, "site limit 'tariff'")[0], FUSE[1], FUSE[2])
    assert place_name("Main", held) == "Main (L1: site limit 'tariff')"
    assert limited_by("Main", held) == "L1 20 A: site limit 'tariff'"
