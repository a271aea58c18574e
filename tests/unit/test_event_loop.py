"""The controller's loop is uvloop where that is installed, and asyncio's own everywhere else."""

import asyncio
import importlib.util

import pytest

from sitecontroller import event_loop

has_uvloop = importlib.util.find_spec("uvloop") is not None


async def loop_name() -> str:
    return event_loop.name_of(asyncio.get_running_loop())


@pytest.mark.skipif(not has_uvloop, reason="there is no uvloop for this machine")
def test_the_controller_runs_on_uvloop():
    assert event_loop.run(loop_name()) == "uvloop"


def test_without_uvloop_asyncio_runs_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert event_loop.run(loop_name()) == "asyncio"


def test_a_watched_loop_is_one_whose_steps_can_be_seen():
    assert event_loop.run(loop_name(), watched=True) == "asyncio"


def test_tests_in_real_time_run_on_the_controllers_loop(run):
    assert run(loop_name()) == event_loop.run(loop_name())
