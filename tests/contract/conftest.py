"""Connecting one station of a version to fake services."""

from collections.abc import Callable
from typing import Any

import pytest

from sitecontroller.simulation.virtual_time import VirtualLoop
from tests.contract.fakes import Office
from tests.contract.stations import Talker16, Talker21, Talker201


def teller(run: Callable[..., Any], talker: type[Talker16] | type[Talker201]) -> Callable[..., Any]:
    """`tell(story)` connects a station and runs `story(station)`; nothing of it is left running."""

    def tell(story: Callable[..., Any], *, office: Office | None = None, **options: Any) -> Any:
        async def told() -> Any:
            station = talker(office or Office(), **options)
            station.office.accept("04A2B3C4")
            try:
                return await story(station)
            finally:
                await station.dialect.closed()

        return run(told(), loop_factory=VirtualLoop)

    return tell


@pytest.fixture(params=[Talker16, Talker201, Talker21], ids=lambda cls: cls.VERSION.value)
def tell(request: pytest.FixtureRequest, run: Callable[..., Any]) -> Callable[..., Any]:
    """A teller for each version in turn."""
    return teller(run, request.param)


@pytest.fixture
def tell16(run: Callable[..., Any]) -> Callable[..., Any]:
    """A teller of OCPP 1.6."""
    return teller(run, Talker16)


@pytest.fixture(params=[Talker201, Talker21], ids=lambda cls: cls.VERSION.value)
def tell201(request: pytest.FixtureRequest, run: Callable[..., Any]) -> Callable[..., Any]:
    """A teller of OCPP 2.0.1, and of 2.1, which has all of it."""
    return teller(run, request.param)


@pytest.fixture
def tell21(run: Callable[..., Any]) -> Callable[..., Any]:
    """A teller of OCPP 2.1."""
    return teller(run, Talker21)
