"""When no car gives back, and who isn't asked again: over a real socket."""

import asyncio
from typing import Any

import pytest

from sitecontroller.domain.errors import Conflict
from tests.wire.limits.giving import (
    DEMAND,
    DISCHARGE,
    RULES,
    GivingBox,
    allow,
    play,
)
from tests.wire.limits.test_own_meters import Wired

__all__ = ["play"]


@pytest.mark.parametrize(
    ("load", "version"),
    [
        ({**DEMAND, "discharge": {**RULES, "enabled": False}}, "2.1"),
        (DISCHARGE, "2.0.1"),
    ],
    ids=["off", "an older station"],
)
def test_nothing_is_sent_where_nobody_gives_back(play: Any, load: Any, version: str) -> None:
    async def story(wired: Wired, box: GivingBox) -> None:
        if load is DISCHARGE:
            await allow(wired)
        else:
            with pytest.raises(Conflict):
                await allow(wired)
        await asyncio.sleep(30)
        assert box.drawn_a == 0
        assert box.setpoints() == []

    play(story, load, version)


def test_nothing_is_sent_without_consent_or_a_state_of_charge(play: Any) -> None:
    async def story(wired: Wired, box: GivingBox) -> None:
        await asyncio.sleep(20)
        assert box.setpoints() == [], "nobody agreed"
        box.soc_percent = None
        await asyncio.sleep(50)
        await allow(wired)
        await asyncio.sleep(20)
        assert box.setpoints() == [], "nobody knows how full it is"

    play(story, DISCHARGE)


def test_a_station_that_refuses_setpoints_is_told_its_limit_alone(play: Any) -> None:
    async def story(wired: Wired, box: GivingBox) -> None:
        box.takes_setpoints = False
        await allow(wired)
        await asyncio.sleep(30)
        refused = len(box.setpoints())
        assert box.drawn_a == 0
        assert box.purposes()[-1][0] == "TxProfile", "its limits go on as before"
        await asyncio.sleep(30)
        assert len(box.setpoints()) == refused

    play(story, DISCHARGE)


def test_a_car_that_gives_nothing_is_not_asked_again_in_its_session(play: Any) -> None:
    async def story(wired: Wired, box: GivingBox) -> None:
        box.obeys_setpoints = False
        await allow(wired)
        await asyncio.sleep(90)
        asked = len(box.setpoints())
        assert asked > 0
        await asyncio.sleep(90)
        assert len(box.setpoints()) == asked
        assert box.drawn_a == 0

    play(story, DISCHARGE)


def test_it_ends_when_a_circuit_is_shed_and_when_the_meter_is_silent(play: Any) -> None:
    async def story(wired: Wired, box: GivingBox) -> None:
        load = wired.site.site.services.load
        await allow(wired)
        await asyncio.sleep(30)
        assert box.given_a >= 8
        load.shed("test", "main", "emergency stop")
        await asyncio.sleep(3)
        assert box.drawn_a == 0
        load.end_shedding("test")
        await asyncio.sleep(30)
        assert box.given_a >= 8
        await wired.wires.grid.stop()
        await asyncio.sleep(15)
        assert box.drawn_a == 0

    play(story, DISCHARGE)
