"""Station time stamps: what is read from what stations write, and their clock's offset."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.domain.metering import TimeQuality
from sitecontroller.ocpp.times import (
    StationClock,
    format_time,
    parse_station_time,
    read_instant,
)

RECEIVED = datetime(2025, 6, 1, 12, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def at(hour: int, minute: int = 0, second: int = 0, micro: int = 0, day: int = 1) -> datetime:
    return datetime(2025, 6, day, hour, minute, second, micro, tzinfo=UTC)


@pytest.mark.parametrize(
    ("raw", "instant", "quality"),
    [
        ("2025-06-01T11:59:30Z", at(11, 59, 30), TimeQuality.GOOD),
        ("2025-06-01T11:59:30.5Z", at(11, 59, 30, 500_000), TimeQuality.GOOD),
        ("2025-06-01T11:59:30.123456789Z", at(11, 59, 30, 123_456), TimeQuality.GOOD),
        ("2025-06-01T13:59:30+02:00", at(11, 59, 30), TimeQuality.GOOD),
        ("2025-06-01T06:29:30-05:30", at(11, 59, 30), TimeQuality.GOOD),
        ("2025-06-01T13:59:30+0200", at(11, 59, 30), TimeQuality.REPAIRED),
        ("2025-06-01T13:59:30+02", at(11, 59, 30), TimeQuality.REPAIRED),
        ("2025-06-01T13:59:30+2:00", at(11, 59, 30), TimeQuality.REPAIRED),
        ("2025-06-01t11:59:30z", at(11, 59, 30), TimeQuality.REPAIRED),
        ("2025-06-01 11:59:30", at(11, 59, 30), TimeQuality.REPAIRED),
        (" 2025-06-01T11:59:30Z ", at(11, 59, 30), TimeQuality.GOOD),
        ("2025-06-01T11:59:30.Z", at(11, 59, 30), TimeQuality.REPAIRED),
        ("2025-06-01T11:59:30,25Z", at(11, 59, 30, 250_000), TimeQuality.REPAIRED),
        ("2025-06-01T11:59Z", at(11, 59), TimeQuality.REPAIRED),
        ("2025-05-31T24:00:00Z", at(0), TimeQuality.REPAIRED),
        ("2025-06-01T11:59:60Z", at(12, 0), TimeQuality.GOOD),
        ("2025-06-01T15:00:00Z", at(15), TimeQuality.GOOD),
        ("1970-01-01T00:00:12Z", RECEIVED, TimeQuality.RECEIVED),
        ("2000-01-01T00:00:12Z", RECEIVED, TimeQuality.RECEIVED),
        ("2036-02-07T06:28:16Z", RECEIVED, TimeQuality.RECEIVED),
        ("2025-13-01T00:00:00Z", RECEIVED, TimeQuality.RECEIVED),
        ("2025-06-01T25:00:00Z", RECEIVED, TimeQuality.RECEIVED),
        ("9999-12-31T24:00:00Z", RECEIVED, TimeQuality.RECEIVED),
        ("2025-06-01T11:59:30+99:00", RECEIVED, TimeQuality.RECEIVED),
        ("yesterday", RECEIVED, TimeQuality.RECEIVED),
        ("", RECEIVED, TimeQuality.RECEIVED),
        (1748779170, RECEIVED, TimeQuality.RECEIVED),
        (None, RECEIVED, TimeQuality.RECEIVED),
    ],
)
def test_q42_a_stamp_is_read_or_replaced_by_its_arrival(
    raw: object, instant: datetime, quality: TimeQuality
) -> None:
    time = parse_station_time(raw, RECEIVED)
    assert (time.at, time.quality) == (instant, quality)


def test_q42_what_was_written_is_kept_where_it_was_not_good() -> None:
    assert parse_station_time("soon", RECEIVED).raw == "soon"
    assert parse_station_time("2025-06-01T11:59:30Z", RECEIVED).raw is None


def test_q42_a_missing_zone_may_mean_local_time() -> None:
    time = parse_station_time("2025-06-01T14:00:00", RECEIVED, missing_zone=BERLIN)
    assert time.at == at(12)


def test_q30_a_stamp_hours_in_the_future_stays_as_written() -> None:
    assert parse_station_time("2025-06-01T18:00:00Z", RECEIVED).at == at(18)


@given(st.text(max_size=80))
def test_q42_no_text_breaks_the_reader(raw: str) -> None:
    time = parse_station_time(raw, RECEIVED)
    assert time.at.tzinfo is not None


@given(st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[+-][0-9]{2}:[0-9]{2}"))
def test_q42_no_digits_break_the_reader(raw: str) -> None:
    assert parse_station_time(raw, RECEIVED).at.tzinfo is not None


@given(st.integers(min_value=-(10**15), max_value=10**16))
def test_what_we_write_is_read_back_to_the_millisecond(microseconds: int) -> None:
    instant = RECEIVED + timedelta(microseconds=microseconds)
    read = read_instant(format_time(instant))
    assert read is not None
    assert timedelta(0) <= instant - read < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("digits", "text"), [(0, "2025-06-01T10:00:00Z"), (3, "2025-06-01T10:00:00.999Z")]
)
def test_q43_we_send_utc_with_the_digits_a_station_wants(digits: int, text: str) -> None:
    local = datetime(2025, 6, 1, 12, 0, 0, 999_900, tzinfo=BERLIN)
    assert format_time(local, digits) == text


class Hearing:
    """A station's clock as we hear it: each stamp with its arrival."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.clock = StationClock(lambda: self.now_s)

    def stamp(self, behind_s: float, *, after_s: float = 10.0) -> "Hearing":
        self.now_s += after_s
        received = RECEIVED + timedelta(seconds=self.now_s)
        self.clock.heard(format_time(received - timedelta(seconds=behind_s)), received)
        return self


def test_a_right_clock_is_known_from_one_stamp() -> None:
    assert Hearing().stamp(0.4).clock.offset_s == pytest.approx(-0.4, abs=0.01)


def test_a_clock_two_hours_ahead_is_known_when_stamps_agree_over_time() -> None:
    hearing = Hearing().stamp(-7200)
    assert hearing.clock.offset_s is None
    hearing.stamp(-7200, after_s=2).stamp(-7200, after_s=4)
    assert hearing.clock.offset_s is None
    assert hearing.stamp(-7199, after_s=6).clock.offset_s == pytest.approx(7200)


def test_messages_from_a_queue_do_not_make_a_clock_late() -> None:
    hearing = Hearing()
    for age_s in range(10_800, 10_700, -10):
        hearing.stamp(age_s, after_s=0.05)
    assert hearing.clock.offset_s is None
    assert hearing.stamp(0.5).clock.offset_s == pytest.approx(-0.5, abs=0.01)


def test_a_wrong_clock_is_measured_anew_after_we_told_the_time() -> None:
    hearing = Hearing().stamp(-3600).stamp(-3600).stamp(-3600)
    assert hearing.clock.offset_s == pytest.approx(3600)
    hearing.clock.told()
    assert hearing.clock.offset_s is None
    assert hearing.stamp(0.2).clock.offset_s == pytest.approx(-0.2, abs=0.01)


def test_a_right_clock_is_not_forgotten_at_every_heartbeat() -> None:
    hearing = Hearing().stamp(0.4)
    hearing.clock.told()
    assert hearing.clock.offset_s is not None


def test_an_unreadable_stamp_says_nothing_of_the_clock() -> None:
    hearing = Hearing()
    hearing.clock.heard("never", RECEIVED)
    assert hearing.clock.uncertainty_s is None


@pytest.mark.parametrize(("behind_s", "late"), [(0, False), (60, False), (300, True), (7200, True)])
def test_a_message_from_offline_hours_is_late(behind_s: float, late: bool) -> None:
    hearing = Hearing().stamp(0.5)
    time = parse_station_time(format_time(RECEIVED - timedelta(seconds=behind_s)), RECEIVED)
    assert hearing.clock.is_late(time, RECEIVED) is late


def test_a_message_of_a_clock_known_to_be_behind_is_not_late() -> None:
    hearing = Hearing().stamp(3600).stamp(3600).stamp(3600)
    time = parse_station_time(format_time(RECEIVED - timedelta(seconds=3601)), RECEIVED)
    assert not hearing.clock.is_late(time, RECEIVED)
