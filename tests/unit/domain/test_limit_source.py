"""A site limit says who limits, how much and until when."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sitecontroller.domain.limit_source import (
    LASTS_MAX,
    LimitSource,
    SetSiteLimit,
    SiteLimit,
    faults_of,
)
from sitecontroller.domain.topology import UNKNOWN_PHASES

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 1, 5, 16, 0, tzinfo=UTC)
UNTIL = NOW + timedelta(hours=1)
LIMIT = SiteLimit("x", LimitSource.GRID_OPERATOR, "contact", NOW, UNTIL, "main")
ASKED = SetSiteLimit(
    "x", LimitSource.GRID_OPERATOR, circuit_id="main", current_a=(20.0,) * 3, until=UNTIL
)


def test_it_is_worded_on_the_sites_clock() -> None:
    assert LIMIT.words(NOW, BERLIN) == "site limit 'grid operator' until 18:00"
    tomorrow = replace(LIMIT, until=UNTIL + timedelta(hours=10))
    assert tomorrow.words(NOW, BERLIN) == "site limit 'grid operator' until 2026-01-06 04:00"
    endless = replace(LIMIT, source=LimitSource.ATTENDANT, until=None)
    assert endless.words(NOW, BERLIN) == "site limit 'attendant'"


def test_watts_become_amperes_that_hold_at_253_volts() -> None:
    watts = replace(LIMIT, power_w=22_000.0)
    assert watts.allowed_a(3) == pytest.approx((28.986,) * 3, abs=1e-3)
    assert watts.allowed_a(1) == pytest.approx((86.957,) * 3, abs=1e-3)


def test_of_amperes_and_watts_the_smaller_counts_on_each_phase() -> None:
    both = replace(LIMIT, power_w=22_000.0, current_a=(16.0, 63.0, None))
    assert both.allowed_a(3) == pytest.approx((16.0, 28.986, 28.986), abs=1e-3)
    assert LIMIT.allowed_a(3) == UNKNOWN_PHASES


def test_what_is_asked_for_rightly_has_no_fault() -> None:
    assert faults_of(ASKED, NOW) == ()
    assert faults_of(replace(ASKED, current_a=None, power_w=0.0), NOW) == ()
    assert faults_of(replace(ASKED, source=LimitSource.ATTENDANT, until=None), NOW) == ()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"until": None}, "until"),
        ({"until": NOW}, "until"),
        ({"until": NOW + LASTS_MAX + timedelta(seconds=1)}, "until"),
        ({"current_a": None}, "current_a"),
        ({"current_a": UNKNOWN_PHASES}, "current_a"),
        ({"current_a": (-1.0, 5.0, 5.0)}, "current_a"),
        ({"current_a": (5.0, 5.0, float("inf"))}, "current_a"),
        ({"power_w": -1.0}, "power_w"),
        ({"group_id": "g"}, "group_id"),
        ({"reason": "x" * 201}, "reason"),
        ({"set_by": "x" * 201}, "set_by"),
    ],
)
def test_what_makes_no_sense_is_told_by_its_field(changes: dict[str, Any], field: str) -> None:
    assert [fault.field for fault in faults_of(replace(ASKED, **changes), NOW)] == [field]
