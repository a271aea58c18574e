"""`sitecontroller session` and `limit history`: what the options ask for, and what is told."""

from datetime import UTC, datetime, timedelta

import pytest

from sitecontroller.cli.main import _parser
from sitecontroller.cli.sessions import line_of, render, wanted_needs
from sitecontroller.clock import SystemClock
from sitecontroller.domain.limit_history import LimitChange
from sitecontroller.domain.session_needs import SessionNeedsView, SetChargingNeeds
from sitecontroller.domain.topology import ServiceClass

SIX = datetime(2026, 3, 1, 18, 0, tzinfo=UTC)


def asked(*words: str) -> SetChargingNeeds:
    return wanted_needs("T", _parser().parse_args(["session", "needs", "CP-01/1", *words]))


def test_needs_are_said_in_kwh_and_a_time_of_day_or_from_now() -> None:
    said = asked("--departure", "2026-03-01T18:00:00Z", "--kwh", "20", "--class", "fleet")
    assert said == SetChargingNeeds("T", SIX, 20_000.0, ServiceClass.FLEET)
    said = asked("--departure", "2h")
    assert said.departure_at is not None
    assert abs(said.departure_at - SystemClock().now() - timedelta(hours=2)).total_seconds() < 60
    assert (said.energy_wh, said.service_class) == (None, None)


@pytest.mark.parametrize("words", [["--departure", "soon"], ["--class", "king"]])
def test_a_word_that_means_nothing_is_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit):
        asked(*words)


def test_a_boost_has_an_end() -> None:
    with pytest.raises(SystemExit):
        _parser().parse_args(["session", "boost", "T"])
    assert _parser().parse_args(["session", "boost", "T", "--end"]).end


def test_what_counts_is_told_with_who_says_so() -> None:
    view = SessionNeedsView(
        "T", "CP-01", 1, ServiceClass.VIP, "boost", SIX, "car", 12_345.0, "session", SIX, 10.0
    )
    assert render(view) == [
        "T at CP-01/1",
        "  boost until 2026-03-01 18:00 UTC",
        "  class vip (boost)",
        "  leaves 2026-03-01 18:00 UTC (car)",
        "  needs 12.3 kWh (session)",
        "  10 A guaranteed (outlet)",
    ]


def test_the_history_is_a_line_for_each_change() -> None:
    change = LimitChange(SIX, "CP-01", 1, 11.3, "b", "boost until 18:00; Feeder B, L2")
    text = "2026-03-01T18:00:00Z  CP-01/1  11.3 A: boost until 18:00; Feeder B, L2"
    assert line_of(change) == text
    options = _parser().parse_args(["limit", "history", "--evse", "CP-01/1", "--since", "12h"])
    assert options.evse == "CP-01/1"


def test_a_car_gives_back_until_a_time_or_not_at_all() -> None:
    with pytest.raises(SystemExit):
        _parser().parse_args(["session", "discharge", "T"])
    assert _parser().parse_args(["session", "discharge", "T", "--end"]).end
    view = SessionNeedsView(
        "T", "CP-01", 1, ServiceClass.NORMAL, "evse", None, None, None, None, None, 0.0, SIX, "car"
    )
    assert "  may give back until 2026-03-01 18:00 UTC (car)" in render(view)
