"""What MicroOcpp says on the wire, replayed; see docs/interoperability.md."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

from sitecontroller.domain.topology import EvseKey
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from tests.wire.site import CARDS, boot16, instant, running_site

EARLIER_LEASES_S = 320.0
SAMPLES = 9
SAMPLE_EVERY_S = 10.0


def meter_values(transaction_id: int, stamp: str) -> dict[str, Any]:
    """As its simulator sends them at 11 kW on three phases: no value names a phase."""
    sampled = [
        {"value": "15", "measurand": "Energy.Active.Import.Register", "unit": "Wh"},
        {"value": "10993.95", "measurand": "Power.Active.Import", "unit": "W"},
        {"value": "16.00", "measurand": "Current.Import", "unit": "A", "location": "Outlet"},
        {"value": "229.00", "measurand": "Voltage", "unit": "V"},
    ]
    for value in sampled:
        value["context"] = "Sample.Periodic"
    return {
        "connectorId": 1,
        "transactionId": transaction_id,
        "meterValue": [{"timestamp": stamp, "sampledValue": sampled}],
    }


def test_a_current_without_a_phase_is_evidence_and_no_session_is_ended(run: Any, tmp_path: Path):
    """Before, the current counted as unknown, and the session was ended after 42 s."""

    async def story() -> None:
        clock = virtual_clock()
        async with running_site(tmp_path, clock=clock) as site:
            await asyncio.sleep(EARLIER_LEASES_S)
            async with site.charger() as charger:
                await boot16(charger)
                started = {"connectorId": 1, "idTag": CARDS[0], "meterStart": 0}
                begin = started | {"timestamp": instant(clock.now())}
                transaction_id = (await charger.call("StartTransaction", begin))["transactionId"]
                for _ in range(SAMPLES):
                    await asyncio.sleep(SAMPLE_EVERY_S)
                    stamp = instant(clock.now() - timedelta(milliseconds=100))
                    await charger.call("MeterValues", meter_values(transaction_id, stamp))
                measured = site.site.services.metering.evse(EvseKey("CP-01", 1))
                assert measured is not None
                assert measured.reading.current_a == (16.0, 16.0, 16.0)
                assert not charger.asked_for("RemoteStopTransaction")

    run(story(), loop_factory=VirtualLoop)
