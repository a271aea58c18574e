"""What Solidstudio's virtual charge point says on the wire, replayed; docs/interoperability.md."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.services import transaction_check
from tests.support import eventually
from tests.wire.charger import Charger
from tests.wire.site import CARDS, boot201, instant, running_site

TRANSACTION = "ecd99ba7-49b2-497e-bbfa-275a8c8d46a7"


def event(kind: str, trigger: str, **more: Any) -> dict[str, Any]:
    """Its number is 0 in every event of a transaction that we have started."""
    return {
        "eventType": kind,
        "timestamp": instant(),
        "triggerReason": trigger,
        "seqNo": 0,
        "transactionInfo": {"transactionId": TRANSACTION},
        "evse": {"id": 1, "connectorId": 1},
        **more,
    }


def register(seconds: float, wh: float) -> dict[str, Any]:
    """A periodic sample, so long after the start."""
    stamp = instant(datetime.now(UTC) + timedelta(seconds=seconds))
    return {
        "timestamp": stamp,
        "meterValue": [{"timestamp": stamp, "sampledValue": [{"value": wh}]}],
    }


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
def test_samples_that_all_have_number_0_are_counted_each(run: Any, tmp_path: Path, version: str):
    """Before, the first sample counted as the start told again, and its energy was lost."""

    async def story() -> None:
        async with running_site(tmp_path) as site, site.charger(version=version) as charger:
            await boot201(charger)
            token = {"idToken": CARDS[0], "type": "ISO14443"}
            begin = event("Started", "Authorized", idToken=token) | register(-60, 100)
            await charger.call("TransactionEvent", begin)
            sample = event("Updated", "MeterValuePeriodic") | register(-45, 250)
            for _ in range(2):  # told again it changes nothing
                await charger.call("TransactionEvent", sample)
            await charger.call("TransactionEvent", sample | register(-30, 400))
            row = await eventually(site.row)
            readings = await site.site.store.read(lambda tx: tx.readings(row.key))
            assert [reading.energy_import_wh for reading in readings] == [100, 250, 400]
            await charger.call("TransactionEvent", event("Ended", "RemoteStop"))
            assert (await site.row()).energy_wh == 300

    run(story())


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
def test_a_remote_stop_without_its_reason_is_no_local_one(run: Any, tmp_path: Path, version: str):
    """E06.FR.08 asks for the reason; its triggerReason says it, its stoppedReason is missing."""

    async def play(charger: Charger) -> None:
        await boot201(charger)
        token = {"idToken": CARDS[0], "type": "ISO14443"}
        await charger.call("TransactionEvent", event("Started", "Authorized", idToken=token))
        await charger.call("TransactionEvent", event("Ended", "RemoteStop"))

    async def story() -> None:
        async with running_site(tmp_path) as site, site.charger(version=version) as charger:
            await play(charger)
            row = await eventually(site.row)
            assert row.stop_reason == "Remote"

    run(story())


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
def test_a_session_that_is_told_of_is_not_over(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
):
    """It denies every transaction (E14), also the one whose samples it goes on sending."""
    monkeypatch.setattr(transaction_check, "CHECK_AFTER_S", 1.0)
    monkeypatch.setattr(transaction_check, "SETTLE_S", 0.0)

    async def story() -> None:
        async with running_site(tmp_path) as site, site.charger(version=version) as charger:
            denial = {"ongoingIndicator": False, "messagesInQueue": False}
            charger.answers["GetTransactionStatus"] = lambda _: denial
            await boot201(charger)
            begin = event("Started", "CablePluggedIn") | register(-60, 100)
            await charger.call("TransactionEvent", begin)
            sample = event("Updated", "MeterValuePeriodic") | register(0, 250)
            await charger.call("TransactionEvent", sample)
            other = {"transactionInfo": {"transactionId": "2"}, "evse": {"id": 2, "connectorId": 1}}
            await charger.call("TransactionEvent", begin | other)

            async def silent_one_closed() -> bool:
                told, silent = await site.rows()
                assert told.active
                return not silent.active

            await eventually(silent_one_closed)

    run(story())


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
def test_a_station_that_tells_its_register_alone_is_measured_with_each(
    run: Any, tmp_path: Path, version: str
):
    """Before, it seemed to be measured at the start for as long as the session ran."""

    async def story() -> None:
        async with running_site(tmp_path) as site, site.charger(version=version) as charger:
            await boot201(charger)
            begin = event("Started", "CablePluggedIn") | register(-10, 100)
            await charger.call("TransactionEvent", begin)
            sample = event("Updated", "MeterValuePeriodic") | register(0, 250)
            await charger.call("TransactionEvent", sample)
            station = site.site.picture.station("CP-01")
            assert station is not None
            assert instant(station.evses[0].measured_at) == sample["timestamp"]

    run(story())
