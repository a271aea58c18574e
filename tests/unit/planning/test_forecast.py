"""Forecasts of the base load: what they learn, what leaves them cold, and their own error."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from math import sqrt
from zoneinfo import ZoneInfo

import pytest

from sitecontroller.planning import Forecast, learn

BERLIN = ZoneInfo("Europe/Berlin")
QUARTER = timedelta(minutes=15)
NOISE_W = 1000.0
MEAN_ABS = 0.798
"""Of normal noise, in its standard deviations."""
MONDAY = date(2026, 1, 5)

Rows = list[tuple[datetime, float | None]]


def instants(first: date, days: int) -> Iterator[datetime]:
    """The quarter-hours of these local days, in UTC."""
    at = datetime(first.year, first.month, first.day, tzinfo=BERLIN)
    end_at = (at + timedelta(days=days)).astimezone(UTC)
    at = at.astimezone(UTC)
    while at < end_at:
        yield at
        at += QUARTER


def shop_w(at: datetime) -> float:
    """Open on working days from 7:00 to 18:00, local time."""
    local = at.astimezone(BERLIN)
    return 30e3 if local.weekday() < 5 and 7 <= local.hour < 18 else 5e3


def history(weeks: int, *, noise_w: float = NOISE_W, first: date = MONDAY) -> Rows:
    rng = random.Random(weeks)
    return [(at, shop_w(at) + rng.gauss(0.0, noise_w)) for at in instants(first, 7 * weeks)]


def mid_at(forecast: Forecast, *local: int) -> float | None:
    (quantiles,) = forecast.predict(datetime(*local, tzinfo=BERLIN), 1)
    return None if quantiles is None else quantiles.mid


def test_the_error_is_that_of_the_noise_and_below_last_weeks() -> None:
    accuracy = learn(history(12), zone=BERLIN).accuracy
    assert accuracy is not None
    assert accuracy.samples == 10 * 672 - 4, "all but the hour that the clocks skip"
    assert accuracy.mae == pytest.approx(NOISE_W * MEAN_ABS, rel=0.08)
    assert accuracy.naive_mae == pytest.approx(NOISE_W * MEAN_ABS * sqrt(2), rel=0.03)
    assert abs(accuracy.bias) < 0.05 * NOISE_W


def test_a_tenth_of_what_comes_lies_outside_either_quantile() -> None:
    accuracy = learn(history(12), zone=BERLIN).accuracy
    assert accuracy is not None
    assert accuracy.below_low == pytest.approx(0.1, abs=0.02)
    assert accuracy.above_high == pytest.approx(0.1, abs=0.02)


def test_quantiles_are_as_wide_as_the_noise() -> None:
    forecast = learn(history(12), zone=BERLIN)
    widths = [q.high - q.low for q in forecast.slots if q is not None]
    assert len(widths) == 672
    assert sum(widths) / 672 == pytest.approx(2 * 1.28 * NOISE_W, rel=0.1)


def test_a_quiet_weekend_has_narrower_quantiles() -> None:
    rows = [
        (at, shop_w(at) if at.astimezone(BERLIN).weekday() >= 5 else value)
        for at, value in history(8)
    ]
    sunday, monday = learn(rows, zone=BERLIN).slots[-30], learn(rows, zone=BERLIN).slots[30]
    assert sunday is not None
    assert monday is not None
    assert sunday.high - sunday.low < 1.0
    assert monday.high - monday.low > NOISE_W


def test_a_step_in_the_load_stays_where_it_is() -> None:
    forecast = learn(history(4, noise_w=0.0), zone=BERLIN)
    assert mid_at(forecast, 2026, 2, 2, 6, 45) == 5e3
    assert mid_at(forecast, 2026, 2, 2, 7, 0) == 30e3
    assert mid_at(forecast, 2026, 2, 7, 7, 0) == 5e3, "a Saturday"


@pytest.mark.parametrize("first", [date(2026, 3, 2), date(2026, 10, 5)])
def test_a_change_of_the_clocks_moves_nothing(first: date) -> None:
    forecast = learn(history(4, noise_w=0.0, first=first), zone=BERLIN)
    for at in instants(first + timedelta(weeks=4), 7):
        (quantiles,) = forecast.predict(at, 1)
        assert quantiles is not None
        assert quantiles.mid == shop_w(at), at


def test_the_day_when_the_clocks_change_has_all_its_quarter_hours() -> None:
    forecast = learn(history(4), zone=BERLIN)
    for day, count in ((date(2026, 3, 29), 92), (date(2026, 10, 25), 100)):
        predicted = forecast.predict(next(instants(day, 1)), len(list(instants(day, 1))))
        assert len(predicted) == count
        assert None not in predicted


def test_a_holiday_changes_neither_the_next_week_nor_its_spread() -> None:
    rows = history(8)
    closed = date(2026, 2, 23)
    assert closed.weekday() == 0
    with_holiday = [
        (at, 5e3 if at.astimezone(BERLIN).date() == closed else value) for at, value in rows
    ]
    usual, after = learn(rows, zone=BERLIN), learn(with_holiday, zone=BERLIN)
    noon = datetime(2026, 3, 2, 12, tzinfo=BERLIN)
    for expected, found in zip(usual.predict(noon, 8), after.predict(noon, 8), strict=True):
        assert expected is not None
        assert found is not None
        assert found.mid == pytest.approx(expected.mid, abs=NOISE_W)
        assert found.low == pytest.approx(expected.low, abs=1.5 * NOISE_W)


def test_old_weeks_are_forgotten() -> None:
    rows = history(14, noise_w=0.0)
    moved_at = datetime(2026, 2, 16, tzinfo=BERLIN)
    grown = [(at, value + 8e3 if at >= moved_at else value) for at, value in rows if value]
    assert mid_at(learn(grown[: 672 * 6], zone=BERLIN), 2026, 4, 13, 12, 0) == 30e3
    assert mid_at(learn(grown[: 672 * 12], zone=BERLIN), 2026, 4, 13, 12, 0) == 38e3


def test_between_two_weeks_the_newer_counts_a_little_more() -> None:
    monday_noon = datetime(2026, 1, 5, 12, tzinfo=BERLIN)
    rows: Rows = [(monday_noon, 1e3), (monday_noon + timedelta(weeks=1), 2e3)]
    older, newer = 0.5 ** (2 / 4), 0.5 ** (1 / 4)
    expected = (1e3 * older + 2e3 * newer) / (older + newer)
    assert mid_at(learn(rows, zone=BERLIN), 2026, 1, 19, 12, 0) == pytest.approx(expected)


def test_weeks_of_more_than_half_a_year_ago_are_left_out() -> None:
    monday_noon = datetime(2026, 1, 5, 12, tzinfo=BERLIN)
    for weeks, known in ((25, True), (26, False)):
        rows: Rows = [(monday_noon, 1e3), (monday_noon + timedelta(weeks=weeks), 2e3)]
        assert (mid_at(learn(rows, zone=BERLIN), 2026, 8, 3, 12, 0) is not None) is known


def test_gaps_and_missing_values_are_no_zeros() -> None:
    rng = random.Random(1)
    rows: Rows = [
        (at, None if rng.random() < 0.2 else float("nan") if rng.random() < 0.1 else value)
        for at, value in history(6, noise_w=0.0)
        if rng.random() < 0.8
    ]
    forecast = learn(rows, zone=BERLIN)
    assert mid_at(forecast, 2026, 2, 16, 12, 0) == 30e3
    assert mid_at(forecast, 2026, 2, 15, 12, 0) == 5e3


def test_last_week_is_no_baseline_where_it_is_missing() -> None:
    rows = history(5)
    accuracy = learn(rows[: 3 * 672] + rows[4 * 672 :], zone=BERLIN).accuracy
    assert accuracy is not None
    assert accuracy.samples == 672


def test_a_weekday_never_seen_is_forecast_from_its_like() -> None:
    rows = [row for row in history(4, noise_w=0.0) if row[0].astimezone(BERLIN).weekday() != 2]
    assert mid_at(learn(rows, zone=BERLIN), 2026, 2, 4, 12, 0) == 30e3


def test_minutes_of_a_quarter_hour_are_averaged() -> None:
    rows: Rows = []
    for at, value in history(3, noise_w=0.0):
        assert value is not None
        rows += [(at + timedelta(minutes=5), value + 600.0), (at + timedelta(minutes=9), value)]
    assert mid_at(learn(rows, zone=BERLIN), 2026, 2, 2, 12, 0) == 30e3 + 300.0


def test_too_short_a_history_gives_no_figures() -> None:
    for weeks in (0, 1):
        forecast = learn(history(weeks), zone=BERLIN)
        assert set(forecast.slots) == {None}
        assert forecast.accuracy is None
    two = learn(history(2), zone=BERLIN)
    assert None not in two.slots
    assert two.accuracy is None
    assert learn(history(3), zone=BERLIN).accuracy is not None


def test_the_order_of_the_rows_does_not_matter() -> None:
    rows = history(4)
    assert learn(rows[::-1], zone=BERLIN) == learn(rows, zone=BERLIN)


def test_no_forecast_that_is_checked_has_seen_what_came() -> None:
    """A jump in the last week shows in its error as it is."""
    rows = [
        (at, value + (10e3 if number >= 672 * 3 else 0.0))
        for number, (at, value) in enumerate(history(4, noise_w=0.0))
        if value is not None
    ]
    accuracy = learn(rows, zone=BERLIN).accuracy
    assert accuracy is not None
    assert (accuracy.samples, accuracy.mae, accuracy.bias) == (2 * 672, 5e3, -5e3)
    assert (accuracy.naive_mae, accuracy.above_high) == (5e3, 0.5)
