"""A station without smart charging, as the SAP simulator and MicroOcpp are in OCPP 2.0.1."""

import asyncio
from pathlib import Path
from typing import Any

from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from tests.wire.site import CARDS, boot201, instant, running_site

EARLIER_LEASES_S = 320.0
WATCHED_S = 15.0


def test_one_that_knows_no_profiles_is_not_tried_in_every_way(run: Any, tmp_path: Path):
    """Before, each limit went out in five ways, every 10 s."""

    async def story() -> None:
        clock = virtual_clock()
        async with running_site(tmp_path, clock=clock) as site:
            await asyncio.sleep(EARLIER_LEASES_S)
            async with site.charger(version="2.0.1") as charger:
                charger.errors["SetChargingProfile"] = "NotImplemented"
                await boot201(charger)
                started = {
                    "eventType": "Started",
                    "timestamp": instant(clock.now()),
                    "triggerReason": "Authorized",
                    "seqNo": 0,
                    "transactionInfo": {"transactionId": "a", "chargingState": "Charging"},
                    "evse": {"id": 1, "connectorId": 1},
                    "idToken": {"idToken": CARDS[0], "type": "ISO14443"},
                }
                await charger.call("TransactionEvent", started)
                await asyncio.sleep(1)
                before = len(charger.asked_for("SetChargingProfile"))
                await asyncio.sleep(WATCHED_S)
                assert len(charger.asked_for("SetChargingProfile")) - before in (1, 2)

    run(story(), loop_factory=VirtualLoop)
