"""A booted 2.x charger at a running site, in each version."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.wire.charger import Charger
from tests.wire.site import TestSite, boot201, running_site

Play = Callable[[TestSite, Charger], Awaitable[None]]


@pytest.fixture(params=["2.0.1", "2.1"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def scene(run: Any, tmp_path: Any, version: str) -> Callable[..., None]:
    """`scene(play)` runs `await play(site, charger)`."""

    async def staged(play: Play, options: dict[str, Any]) -> None:
        async with (
            running_site(tmp_path, **options) as site,
            site.charger(version=version) as charger,
        ):
            await boot201(charger)
            await play(site, charger)

    return lambda play, **options: run(staged(play, options))
