"""`run` on virtual time, for the folders whose conftest takes it: pauses between a site's commands
would only be waited for."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from sitecontroller.simulation.virtual_time import VirtualLoop
from tests.support import run_bounded


@pytest.fixture
def run() -> Callable[..., Any]:
    """`run(coroutine)` on a fresh virtual loop, or another `loop_factory`."""
    return partial(run_bounded, loop_factory=VirtualLoop)
