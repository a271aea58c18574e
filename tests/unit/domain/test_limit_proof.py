"""When a measurement proves that a limit was kept, when it doesn't, and when it says nothing."""

from datetime import UTC, datetime
from typing import Any

import pytest

from sitecontroller.domain.limit_proof import Flow, LimitProof, is_within


def proof(**limit: Any) -> LimitProof:
    values = {"power_w": None, "allowed_a": (20.0, None, None), **limit}
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return LimitProof("K", "dso", "x", "main", None, received_at=at, until=None, **values)


@pytest.mark.parametrize(
    ("limit", "flow", "verdict"),
    [
        ({}, Flow((20.0, 99.0, None)), True),
        ({}, Flow((20.1, 0.0, 0.0)), False),
        ({}, Flow((None, 0.0, 0.0)), None),
        ({"power_w": 9000.0}, Flow((40.0, 0.0, 0.0), 9000.0), True),
        ({"power_w": 9000.0}, Flow((0.0, 0.0, 0.0), 9001.0), False),
        ({"power_w": 9000.0}, Flow((19.0, 0.0, 0.0)), True),
        ({"power_w": 9000.0}, Flow(), None),
    ],
)
def test_a_measurement_keeps_a_limit(
    limit: dict[str, Any], flow: Flow, verdict: bool | None
) -> None:
    assert is_within(proof(**limit), flow) is verdict
