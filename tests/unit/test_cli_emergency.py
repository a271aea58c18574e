"""`sitecontroller emergency`: what the options ask for, and how the stop is told."""

from datetime import UTC, datetime

import pytest

from sitecontroller.cli.emergency import render
from sitecontroller.cli.main import _parser
from sitecontroller.domain.emergency import EmergencyView

SINCE = datetime(2026, 1, 5, 16, 0, tzinfo=UTC)


def test_nobody_releases_without_a_name_and_a_reason() -> None:
    with pytest.raises(SystemExit):
        _parser().parse_args(["emergency", "release", "--name", "Ada"])
    options = _parser().parse_args(["emergency", "release", "--name", "Ada", "--reason", "well"])
    assert (options.name, options.reason) == ("Ada", "well")


def test_a_stop_tells_who_when_how_far_and_what_keeps_it() -> None:
    view = EmergencyView(
        True, SINCE, "contact door", "", ("contact door is open",), ("CP-01",), (), ("CP-02",)
    )
    assert render(view) == [
        "STOPPED since 2026-01-05 16:00:00 UTC by contact door",
        "  out of service: CP-01",
        "  no contact: CP-02",
        "Not released before: contact door is open",
    ]
