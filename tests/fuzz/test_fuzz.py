"""A short run of what `make soak` does for ten million frames."""

import pytest

from tests.fuzz.__main__ import fuzz


@pytest.mark.slow
@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_no_generated_frame_escapes_or_disturbs_the_neighbour(version: str):
    assert fuzz(version, seed=7, count=1500)["faults"] == []
