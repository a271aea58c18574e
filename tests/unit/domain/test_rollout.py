"""The rules of a roll-out, without a site."""

from datetime import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.domain.rollout import (
    in_window,
    may_start,
    must_stop,
    parse_window_time,
    stage_ends,
    stage_of,
)


@pytest.mark.parametrize(
    ("total", "ends"),
    [(1, (1, 1, 1)), (2, (1, 1, 2)), (10, (1, 1, 10)), (11, (1, 2, 11)), (250, (1, 25, 250))],
)
def test_stages_are_one_a_tenth_and_all(total: int, ends: tuple[int, int, int]) -> None:
    assert stage_ends(total) == ends


@pytest.mark.parametrize(
    ("ended", "under_way", "starts"),
    [(0, 0, 1), (0, 1, 0), (1, 0, 4), (1, 4, 0), (3, 2, 2), (24, 1, 0), (25, 0, 4), (248, 1, 1)],
)
def test_a_stage_ends_before_the_next_begins(ended: int, under_way: int, starts: int) -> None:
    assert may_start(ended, under_way, total=250, concurrency=4) == starts


@pytest.mark.parametrize(
    ("failed", "ended", "stops"),
    [(0, 0, False), (0, 250, False), (1, 1, True), (1, 2, True), (1, 9, True), (1, 10, False),
     (2, 19, True), (2, 20, False)],
)  # fmt: skip
def test_any_first_failure_stops_and_later_more_than_a_tenth(
    failed: int, ended: int, stops: bool
) -> None:
    assert must_stop(failed, ended, total=250) is stops


@given(st.integers(1, 1000), st.integers(1, 50), st.randoms())
def test_every_rollout_without_failures_reaches_all(total: int, concurrency: int, dice) -> None:  # type: ignore[no-untyped-def]
    ended = under_way = 0
    for _ in range(4 * total + 10):
        under_way += may_start(ended, under_way, total, concurrency)
        assert under_way <= concurrency
        assert ended + under_way <= stage_ends(total)[stage_of(ended, total) - 1]
        done = dice.randint(1, under_way) if under_way else 0
        ended, under_way = ended + done, under_way - done
    assert ended + under_way == total


@pytest.mark.parametrize(
    ("at", "start", "end", "inside"),
    [("12:00", None, None, True), ("22:00", "22:00", "05:00", True),
     ("04:59", "22:00", "05:00", True), ("05:00", "22:00", "05:00", False),
     ("12:00", "22:00", "05:00", False),
     ("09:00", "08:00", "10:00", True), ("10:00", "08:00", "10:00", False)],
)  # fmt: skip
def test_a_window_may_span_midnight(
    at: str, start: str | None, end: str | None, inside: bool
) -> None:
    assert in_window(parse_window_time(at), start, end) is inside


@pytest.mark.parametrize("text", ["", "24:00", "12:60", "1200", "12:0", "ab:cd", "-1:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        parse_window_time(text)


def test_a_window_time_is_local() -> None:
    assert parse_window_time("07:30") == time(7, 30)
