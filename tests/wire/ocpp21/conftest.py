"""Stages for 2.x smart charging: a real site, a booted charger, a session where one is needed."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support import eventually
from tests.wire.charger import Charger
from tests.wire.ocpp21.scene import FALLBACK_A, STATION, Scene, event
from tests.wire.site import boot201, running_site


@pytest.fixture(params=["2.0.1", "2.1"])
def scene(request: pytest.FixtureRequest, run: Any, tmp_path: Any) -> Callable[..., Any]:
    """`scene(play)` runs `await play(scene)` with one booted charger of each 2.x version."""
    return _stage(run, tmp_path, request.param)


@pytest.fixture
def scene201(run: Any, tmp_path: Any) -> Callable[..., Any]:
    """The same for 2.0.1 alone."""
    return _stage(run, tmp_path, "2.0.1")


@pytest.fixture
def scene21(run: Any, tmp_path: Any) -> Callable[..., Any]:
    """The same for 2.1 alone."""
    return _stage(run, tmp_path, "2.1")


def _stage(run: Any, tmp_path: Any, version: str) -> Callable[..., Any]:
    async def staged(play: Any, *, charging: bool, answers: dict[str, Any]) -> None:
        async with _scene(tmp_path, version, charging, answers) as scene:
            await play(scene)

    def tell(play: Any, *, charging: bool = False, answers: dict[str, Any] | None = None) -> None:
        run(staged(play, charging=charging, answers=answers or {}))

    return tell


@asynccontextmanager
async def _scene(
    tmp_path: Any, version: str, charging: bool, answers: dict[str, Any]
) -> AsyncIterator[Scene]:
    async with (
        running_site(tmp_path, fallback_a=FALLBACK_A, stations=(STATION,)) as site,
        site.charger(version=version) as charger,
    ):
        told = Scene(site, charger)
        charger.answers["SetChargingProfile"] = told.take_profile
        charger.answers.update(answers)
        await boot201(charger)
        await eventually(lambda: _fallbacks(charger) == {1, 2})
        if charging:
            answer = await charger.call("TransactionEvent", event("Started", 0, 1000))
            assert answer["idTokenInfo"]["status"] == "Accepted"
        yield told


def _fallbacks(charger: Charger) -> set[int]:
    return {
        payload["evseId"]
        for payload in charger.asked_for("SetChargingProfile")
        if payload["chargingProfile"]["chargingProfilePurpose"] == "TxDefaultProfile"
    }
