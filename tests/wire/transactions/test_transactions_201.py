"""Criteria for transactions of OCPP 2.0.1: TransactionEvents late, doubled, missing, bare."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sitecontroller.domain.transaction import TransactionFlag, TransactionState
from tests.support import eventually
from tests.wire.charger import Charger
from tests.wire.site import TestSite, boot201, instant, running_site

START_AT = datetime.now(UTC) - timedelta(minutes=30)
Flag = TransactionFlag


def event(
    kind: str,
    seq_no: int,
    wh: float | None = None,
    transaction_id: str = "tx-1",
    minutes: float | None = None,
    **more: Any,
) -> dict[str, Any]:
    at = instant(START_AT + timedelta(minutes=seq_no if minutes is None else minutes))
    payload: dict[str, Any] = {
        "eventType": kind,
        "timestamp": at,
        "triggerReason": {"Started": "Authorized", "Ended": "StopAuthorized"}.get(
            kind, "MeterValuePeriodic"
        ),
        "seqNo": seq_no,
        "transactionInfo": {"transactionId": transaction_id, "chargingState": "Charging"},
        **more,
    }
    if kind == "Started":
        payload.setdefault("evse", {"id": 1, "connectorId": 1})
        payload.setdefault("idToken", {"idToken": "CARD0001", "type": "ISO14443"})
    if wh is not None:
        payload["meterValue"] = [{"timestamp": at, "sampledValue": [{"value": wh}]}]
    return payload


@pytest.fixture
def scene(run, tmp_path):
    """`scene(play)` runs `await play(site, charger)` with one booted 2.0.1 charger."""

    async def staged(play):
        async with running_site(tmp_path) as site, site.charger(version="2.0.1") as charger:
            await boot201(charger)
            await play(site, charger)

    return lambda play: run(staged(play))


def test_a_session_of_three_events_is_priced(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        answer = await charger.call("TransactionEvent", event("Started", 0, 1000))
        assert answer["idTokenInfo"]["status"] == "Accepted"
        await charger.call("TransactionEvent", event("Updated", 1, 3000))
        await charger.call("TransactionEvent", event("Ended", 2, 11_000))
        row = await site.row()
        assert row.energy_wh == 10_000
        assert row.price is not None
        assert str(row.price.total.amount) == "6.00"

    scene(play)


def test_q34_a_repeated_event_changes_nothing(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        for _ in range(2):
            await charger.call("TransactionEvent", event("Started", 0, 1000))
            await charger.call("TransactionEvent", event("Updated", 1, 3000))
        row = await site.row()
        readings = await site.site.store.read(lambda tx: tx.readings(row.key))
        assert [reading.energy_import_wh for reading in readings] == [1000, 3000]

    scene(play)


def test_q34_a_gap_is_noted_asked_for_and_filled(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        await charger.call("TransactionEvent", event("Started", 0, 1000))
        await charger.call("TransactionEvent", event("Updated", 3, 4000))
        row = await site.row()
        assert row.seq_no_missing == (1, 2)
        assert Flag.SEQUENCE_GAP in row.flags
        await eventually(lambda: charger.asked_for("GetTransactionStatus"))
        assert charger.asked_for("GetTransactionStatus")[0] == {"transactionId": "tx-1"}
        await charger.call("TransactionEvent", event("Updated", 1, 2000, offline=True))
        await charger.call("TransactionEvent", event("Updated", 2, 3000, offline=True))
        row = await site.row()
        assert row.seq_no_missing == ()
        assert Flag.SEQUENCE_GAP not in row.flags
        assert row.meter_last_wh == 4000

    scene(play)


def test_q34_an_update_without_its_start_opens_a_session(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        update = event("Updated", 4, 5000, evse={"id": 2, "connectorId": 1})
        await charger.call("TransactionEvent", update)
        row = await site.row()
        assert row.evse_id == 2
        assert Flag.NO_START in row.flags
        late = event("Started", 0, 1000, evse={"id": 2, "connectorId": 1}, offline=True)
        await charger.call("TransactionEvent", late)
        row = await site.row()
        assert row.meter_start_wh == 1000
        assert Flag.NO_START not in row.flags

    scene(play)


def test_q34_an_end_without_start_or_evse_is_still_a_session(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        await charger.call("TransactionEvent", event("Ended", 5, 9000))
        row = await site.row()
        assert row.state is TransactionState.ENDED
        assert Flag.NO_START in row.flags

    scene(play)


def test_q34_an_offline_event_never_drives_the_live_state(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        await charger.call("TransactionEvent", event("Started", 0, 1000))
        stale = event("Updated", 1, 2000, offline=True)
        stale["transactionInfo"]["chargingState"] = "SuspendedEV"
        await charger.call("TransactionEvent", stale)
        assert (await site.row()).charging_state == "Charging"

    scene(play)


def test_a_bundle_in_reverse_order_is_one_session_at_the_right_price(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        bundle = [
            event("Started", 0, 1000, offline=True),
            event("Updated", 1, 6000, offline=True),
            event("Ended", 2, 11_000, offline=True),
        ]
        for payload in reversed(bundle):
            await charger.call("TransactionEvent", payload)
        row = await site.row()
        assert row.energy_wh == 10_000
        assert row.price is not None
        assert str(row.price.total.amount) == "6.00"

    scene(play)


def test_a_reused_transaction_id_is_a_new_session(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        await charger.call("TransactionEvent", event("Started", 0, 1000))
        await charger.call("TransactionEvent", event("Ended", 1, 2000))
        await charger.call("TransactionEvent", event("Started", 0, 2000, minutes=10))
        assert [row.state.value for row in await site.rows()] == ["ended", "active"]

    scene(play)


def test_a_station_cannot_touch_another_stations_transaction(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        await charger.call("TransactionEvent", event("Started", 0, 1000))
        async with site.charger("CP-02", "2.0.1") as other:
            await boot201(other)
            await other.call("TransactionEvent", event("Ended", 1, 99_000))
        mine = next(row for row in await site.rows() if row.station_id == "CP-01")
        assert mine.active

    scene(play)
