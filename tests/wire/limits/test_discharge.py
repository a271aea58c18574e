"""A car that gives back at times of peak demand, over real wires: a meter's Modbus, OCPP 2.1."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from sitecontroller.domain.session_needs import EndDischarge, SessionNeedsQuery
from sitecontroller.domain.topology import EvseKey
from sitecontroller.simulation.virtual_time import virtual_clock
from tests.wire.limits.giving import (
    DEMAND,
    DISCHARGE,
    LEASE_S,
    RULES,
    GivingBox,
    allow,
    mean_w,
    play,
    session,
)
from tests.wire.limits.test_own_meters import PERIOD_S, TARGET_W, VOLTS, Wired, next_window
from tests.wire.site import instant

__all__ = ["play"]


def test_a_car_gives_back_what_the_building_takes_above_the_target(play: Any) -> None:
    async def story(wired: Wired, box: GivingBox) -> None:
        await allow(wired)
        await next_window()
        mean = await mean_w(wired, box, PERIOD_S - 2)
        assert 0.9 * TARGET_W <= mean <= TARGET_W
        assert box.given_a >= 6
        assert "discharges" in wired.reason()
        assert wired.reason().endswith("A: peak demand")
        view = wired.site.site.services.load.limit_view(EvseKey("CP-01", 1))
        assert (view.current_a, view.bound_by) == (0, "discharge")
        needs = await wired.client.ask(SessionNeedsQuery(session(wired)))
        assert needs.discharge_from == "session"
        wired.wires.building_a = 5.0
        await asyncio.sleep(60)
        assert box.given_a == 0, "nothing is missing any more"

    play(story, DISCHARGE)


def test_it_stops_within_ten_seconds_when_consent_is_withdrawn(play: Any) -> None:
    async def story(wired: Wired, box: GivingBox) -> None:
        await allow(wired)
        await asyncio.sleep(30)
        assert box.given_a >= 8
        await wired.client.execute(EndDischarge(session(wired)))
        await asyncio.sleep(10)
        assert box.drawn_a == 0
        told = len(box.setpoints())
        await asyncio.sleep(40)
        assert len(box.setpoints()) == told

    play(story, DISCHARGE)


@pytest.mark.parametrize("by_line", [False, True], ids=["its clock", "its line"])
def test_without_contact_it_ends_with_its_lease(play: Any, by_line: bool) -> None:
    async def story(wired: Wired, box: GivingBox) -> None:
        await allow(wired)
        await asyncio.sleep(30)
        assert box.given_a >= 8
        body = box.profiles["TxProfile", 0]
        assert body["maxOfflineDuration"] == LEASE_S
        assert body["invalidAfterOfflineDuration"] is True
        await box.charger.socket.close()
        box.over = True
        box.offline_since = virtual_clock().now() if by_line else None
        await asyncio.sleep(LEASE_S + 1)
        assert box.given_a == 0
        assert box.drawn_a == 0, "the second period, or its fallback"

    play(story, DISCHARGE)


def test_a_car_that_offers_it_and_leaves_late_needs_no_word_of_a_person(play: Any) -> None:
    async def story(wired: Wired, box: GivingBox) -> None:
        await box.charger.call(
            "NotifyEVChargingNeeds",
            {
                "evseId": 1,
                "chargingNeeds": {
                    "requestedEnergyTransfer": "AC_BPT",
                    "departureTime": instant(virtual_clock().now() + timedelta(hours=9)),
                    "v2xChargingParameters": {
                        "maxDischargePower": 6 * 3 * VOLTS,
                        "evTargetEnergyRequest": 10_000,
                    },
                },
            },
        )
        await asyncio.sleep(30)
        assert box.given_a == 6, "no more than it says it can"
        needs = await wired.client.ask(SessionNeedsQuery(session(wired)))
        assert needs.discharge_from == "car"
        box.soc_percent = 40.0
        await asyncio.sleep(15)
        assert box.given_a == 0, "it is at its minimum"

    play(story, DISCHARGE)


def test_where_the_building_falls_the_car_is_lowered_before_anything_is_fed_in(play: Any) -> None:
    async def story(wired: Wired, box: GivingBox) -> None:
        await allow(wired)
        await asyncio.sleep(30)
        before_a = box.given_a
        wired.wires.building_a = before_a
        await asyncio.sleep(4)
        assert 0 < box.given_a < before_a
        assert wired.wires.grid_a >= 1, "the margin stays free"

    play(story, {"demand": {**DEMAND["demand"], "target_w": 4000}, "discharge": RULES})
