"""Virtual time for tests of single blocks."""

from collections.abc import Callable
from typing import Any

import pytest

from sitecontroller.simulation.virtual_time import VirtualLoop


@pytest.fixture
def run_fast(run: Callable[..., Any]) -> Callable[..., Any]:
    return lambda main, **options: run(main, loop_factory=VirtualLoop, **options)
