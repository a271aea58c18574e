"""Weekly windows are local times: on days of 23 and 25 hours too."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sitecontroller.domain.windows import WeeklyWindow, coming

BERLIN = ZoneInfo("Europe/Berlin")
ALL = frozenset(range(7))


def open_at(window: WeeklyWindow, local: datetime) -> bool:
    now = local.astimezone(UTC)
    return any(a <= now < b for a, b in coming([window], now, BERLIN, timedelta(0)))


EVENING = WeeklyWindow(frozenset(range(5)), time(17), time(20))


def test_a_window_is_open_on_its_days_from_its_beginning_to_its_end() -> None:
    friday = datetime(2026, 11, 20, 17, tzinfo=BERLIN)
    assert open_at(EVENING, friday)
    assert open_at(EVENING, friday.replace(hour=19, minute=59))
    assert not open_at(EVENING, friday.replace(hour=20))
    assert not open_at(EVENING, friday.replace(hour=16, minute=59))
    assert not open_at(EVENING, friday + timedelta(days=1))


def test_a_window_over_midnight_belongs_to_the_day_it_begins_on() -> None:
    night = WeeklyWindow(frozenset({4}), time(22), time(6))
    assert open_at(night, datetime(2026, 11, 21, 5, 59, tzinfo=BERLIN))
    assert not open_at(night, datetime(2026, 11, 20, 5, 59, tzinfo=BERLIN))


def test_five_in_the_evening_is_five_in_the_evening_all_year() -> None:
    daily = WeeklyWindow(ALL, time(17), time(20))
    for month, date in ((3, 28), (3, 29), (10, 25)):
        evening = datetime(2026, month, date, 18, tzinfo=BERLIN)
        ((starts, ends),) = coming([daily], evening.astimezone(UTC), BERLIN, timedelta(0))
        assert starts.astimezone(BERLIN).hour == 17
        assert ends - starts == timedelta(hours=3)


def test_in_the_hour_that_comes_twice_a_window_lasts_through_both() -> None:
    early = WeeklyWindow(ALL, time(2), time(2, 30))
    now = datetime(2026, 10, 25, 0, 15, tzinfo=UTC)
    ((starts, ends),) = coming([early], now, BERLIN, timedelta(0))
    assert (starts, ends) == (
        datetime(2026, 10, 25, 0, tzinfo=UTC),
        datetime(2026, 10, 25, 1, 30, tzinfo=UTC),
    )


def test_a_window_in_the_hour_that_does_not_exist_is_an_hour_later() -> None:
    early = WeeklyWindow(ALL, time(2, 15), time(2, 45))
    now = datetime(2026, 3, 29, 1, 20, tzinfo=UTC)
    ((starts, ends),) = coming([early], now, BERLIN, timedelta(0))
    assert ends - starts == timedelta(minutes=30)


def test_what_comes_is_told_ahead() -> None:
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert len(list(coming([EVENING], now, BERLIN, timedelta(days=1)))) == 1
    assert not list(coming([EVENING], now, BERLIN, timedelta(hours=2)))
