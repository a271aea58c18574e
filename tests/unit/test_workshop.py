"""The process beside the loop: one death there is one job lost, not the workshop."""

import os
from typing import Any

import pytest

from sitecontroller.domain.errors import OperatingError
from sitecontroller.workshop import ProcessWorkshop


def test_a_worker_that_dies_is_replaced(run: Any) -> None:
    async def story() -> None:
        workshop = ProcessWorkshop()
        try:
            with pytest.raises(OperatingError, match="died of _exit"):
                await workshop.run(os._exit, 3)
            assert await workshop.run(abs, -1) == 1
        finally:
            workshop.close()

    run(story())
