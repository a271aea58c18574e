"""The process beside the loop: one death there is one job lost, not the workshop."""

import os
import signal
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


def test_ctrl_c_is_for_the_controller_alone(run: Any) -> None:
    """A terminal sends it to all processes; the worker ends with the workshop, without a word."""

    async def story() -> None:
        workshop = ProcessWorkshop()
        try:
            worker = await workshop.run(os.getpid)
            os.kill(worker, signal.SIGINT)
            assert await workshop.run(os.getpid) == worker
        finally:
            workshop.close()

    run(story())
