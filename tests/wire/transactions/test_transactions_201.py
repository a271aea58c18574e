"""Criteria for transactions of OCPP 2.0.1 and 2.1: events late, doubled, missing, bare."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sitecontroller.domain.commands import StopTransaction
from sitecontroller.domain.errors import Unsupported
from sitecontroller.domain.transaction import TransactionFlag, TransactionState
from tests.support import eventually
from tests.wire.charger import Charger
from tests.wire.site import TestSite, boot16, boot201, instant, running_site

START_AT = datetime.now(UTC) - timedelta(minutes=60)
MINUTES_APART = 10
Flag = TransactionFlag


def event(
    kind: str,
    seq_no: int,
    wh: float | None = None,
    transaction_id: str = "tx-1",
    minutes: float | None = None,
    **more: Any,
) -> dict[str, Any]:
    at = instant(
        START_AT + timedelta(minutes=seq_no * MINUTES_APART if minutes is None else minutes)
    )
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


@pytest.fixture(params=["2.0.1", "2.1"])
def scene(request, run, tmp_path):
    """`scene(play)` runs `await play(site, charger)` with one booted charger of 2.x."""

    async def staged(play):
        async with running_site(tmp_path) as site, site.charger(version=request.param) as charger:
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


def test_q22_a_transaction_id_longer_than_allowed_is_said_back_as_it_was(scene):
    long_id = "3f2504e0-4f89-11d3-9a0c-0305e82c3301-and-more"

    async def play(site: TestSite, charger: Charger) -> None:
        await charger.call("TransactionEvent", event("Started", 0, 1000, long_id))
        await charger.call("TransactionEvent", event("Updated", 2, 4000, long_id))
        await eventually(lambda: charger.asked_for("GetTransactionStatus"))
        assert charger.asked_for("GetTransactionStatus")[0] == {"transactionId": long_id}
        row = await site.row()
        await site.site.controller.execute(StopTransaction(row.key))
        assert charger.asked_for("RequestStopTransaction") == [{"transactionId": long_id}]

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
        await charger.call("TransactionEvent", event("Started", 0, 2000, minutes=20))
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


def test_q34_a_reused_id_whose_start_was_lost_is_a_session_of_its_own(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        await charger.call("TransactionEvent", event("Started", 0, 1000))
        await charger.call("TransactionEvent", event("Ended", 1, 2000))
        evse = {"id": 1, "connectorId": 1}
        await charger.call("TransactionEvent", event("Updated", 1, 2000, minutes=30, evse=evse))
        await charger.call("TransactionEvent", event("Ended", 2, 9000, minutes=50))
        first, second = await site.rows()
        assert first.energy_wh == 1000
        assert second.energy_wh == 7000
        assert Flag.NO_START in second.flags

    scene(play)


def test_q34_a_new_start_never_rewrites_an_old_bill(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        await charger.call("TransactionEvent", event("Ended", 5, 2000, minutes=10))
        await charger.call("TransactionEvent", event("Started", 0, 9000, minutes=30))
        old, new = await site.rows()
        assert old.meter_last_wh == 2000
        assert new.active
        assert new.meter_start_wh == 9000

    scene(play)


@pytest.mark.parametrize("corrected", [0, 7], ids=["clock never set", "clock put right meanwhile"])
def test_q25_a_started_event_resent_with_another_stamp_is_the_same_start(scene, corrected):
    async def play(site: TestSite, charger: Charger) -> None:
        first = event("Started", 0, 1000)
        again = dict(first, timestamp=instant(START_AT + timedelta(minutes=corrected)))
        if not corrected:
            again["timestamp"] = first["timestamp"] = "1970-01-01T00:00:03Z"
        await charger.call("TransactionEvent", first)
        await charger.call("TransactionEvent", again)
        await charger.call("TransactionEvent", event("Ended", 1, 6000))
        await charger.call("TransactionEvent", again)
        assert len(await site.rows()) == 1

    scene(play)


def test_a_card_shown_with_an_event_always_gets_an_answer(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        await charger.call("TransactionEvent", event("Started", 0, 1000))
        card = {"idToken": "CARD0001", "type": "ISO14443"}
        for payload in (
            event("Updated", 1, 2000, idToken=card),
            event("Updated", 1, 2000, idToken=card),
            event("Ended", 2, 3000, idToken=card),
        ):
            answer = await charger.call("TransactionEvent", payload)
            assert answer["idTokenInfo"]["status"] == "Accepted"

    scene(play)


def test_a_good_card_takes_over_from_a_refused_one(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        stranger = {"idToken": "STRANGER", "type": "ISO14443"}
        refused = await charger.call(
            "TransactionEvent", event("Started", 0, 1000, idToken=stranger)
        )
        assert refused["idTokenInfo"]["status"] == "Invalid"
        card = {"idToken": "CARD0001", "type": "ISO14443"}
        answer = await charger.call("TransactionEvent", event("Updated", 1, 1000, idToken=card))
        assert answer["idTokenInfo"]["status"] == "Accepted"
        row = await site.row()
        assert row.id_token is not None
        assert row.id_token.id_token == "CARD0001"
        assert Flag.REFUSED_TOKEN not in row.flags

    scene(play)


def test_q34_a_session_opened_without_its_evse_takes_the_one_named_later(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        await charger.call("TransactionEvent", event("Updated", 1, 2000))
        evse = {"id": 2, "connectorId": 1}
        await charger.call("TransactionEvent", event("Updated", 2, 3000, evse=evse))
        assert (await site.row()).evse_id == 2

    scene(play)


def test_q34_events_beyond_the_counted_gap_are_taken(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        await charger.call("TransactionEvent", event("Started", 0, 1000, minutes=0))
        await charger.call("TransactionEvent", event("Updated", 300, 5000, minutes=20))
        late = event("Updated", 250, 4000, minutes=15, offline=True)
        await charger.call("TransactionEvent", late)
        row = await site.row()
        readings = await site.site.store.read(lambda tx: tx.readings(row.key))
        assert 4000 in [reading.energy_import_wh for reading in readings]

    scene(play)


def test_a_session_begun_over_2x_is_out_of_reach_once_the_charger_speaks_16(run, tmp_path):
    """Whoever wants to stop it is told why."""

    async def play() -> None:
        async with running_site(tmp_path) as site:
            async with site.charger(version="2.0.1") as before:
                await boot201(before)
                await before.call("TransactionEvent", event("Started", 0, 1000))
            async with site.charger(version="1.6") as after:
                await boot16(after)
                row = await site.row()
                with pytest.raises(Unsupported, match="another version of OCPP"):
                    await site.site.controller.execute(StopTransaction(row.key))
                assert not after.asked_for("RemoteStopTransaction")
                assert (await after.call("Heartbeat", {}))["currentTime"]

    run(play())
