"""Criteria Q25 to Q37 for OCPP 1.6: frames over a real socket, the answer, the row, the state."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sitecontroller.domain.topology import EvseKey
from sitecontroller.domain.transaction import TransactionFlag, TransactionState
from tests.support import eventually
from tests.wire.charger import Charger
from tests.wire.site import TestSite, boot16, instant, running_site, status16

START_AT = datetime.now(UTC) - timedelta(minutes=30)
Flag = TransactionFlag


def start(meter_wh: int = 1000, card: str = "CARD0001", **more: Any) -> dict[str, Any]:
    return {
        "connectorId": 1,
        "idTag": card,
        "meterStart": meter_wh,
        "timestamp": instant(START_AT),
        **more,
    }


def stop(transaction_id: int, meter_wh: int = 11000, **more: Any) -> dict[str, Any]:
    return {
        "transactionId": transaction_id,
        "meterStop": meter_wh,
        "timestamp": instant(START_AT + timedelta(minutes=20)),
        **more,
    }


def meter(wh: float, transaction_id: int | None = None, minutes: float = 5) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "connectorId": 1,
        "meterValue": [
            {
                "timestamp": instant(START_AT + timedelta(minutes=minutes)),
                "sampledValue": [
                    {"value": str(wh), "measurand": "Energy.Active.Import.Register", "unit": "Wh"}
                ],
            }
        ],
    }
    if transaction_id is not None:
        payload["transactionId"] = transaction_id
    return payload


@pytest.fixture
def scene(run, tmp_path):
    """`scene(play)` runs `await play(site, charger)` with one booted 1.6 charger."""

    async def staged(play):
        async with running_site(tmp_path) as site, site.charger() as charger:
            await boot16(charger)
            await play(site, charger)

    return lambda play: run(staged(play))


def test_q25_a_resent_start_makes_one_transaction(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        first = await charger.call("StartTransaction", start())
        again = await charger.call("StartTransaction", start())
        assert again["transactionId"] == first["transactionId"]
        assert again["idTagInfo"]["status"] == "Accepted"
        assert (await site.row()).station_transaction_id == str(first["transactionId"])
        assert await site.outbox_kinds() == ["TransactionStarted"]

    scene(play)


def test_q25_a_start_resent_after_its_stop_still_makes_one_transaction(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        first = await charger.call("StartTransaction", start())
        await charger.call("StopTransaction", stop(first["transactionId"]))
        again = await charger.call("StartTransaction", start())
        assert again["transactionId"] == first["transactionId"]
        assert (await site.row()).state is TransactionState.ENDED

    scene(play)


def test_q26_a_refused_card_keeps_its_energy(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        answer = await charger.call("StartTransaction", start(card="STRANGER"))
        assert answer["idTagInfo"]["status"] == "Invalid"
        await charger.call("StopTransaction", stop(answer["transactionId"], 3500))
        row = await site.row()
        assert row.energy_wh == 2500
        assert Flag.REFUSED_TOKEN in row.flags

    scene(play)


def test_q27_transaction_ids_are_never_given_twice_over_restarts(run, tmp_path):
    async def starts(card: str, meter_wh: int, *, planted: bool) -> list[int]:
        async with running_site(tmp_path, planted=planted) as site, site.charger() as charger:
            await boot16(charger)
            answers = [
                await charger.call("StartTransaction", start(meter_wh, card, connectorId=connector))
                for connector in (1, 2)
            ]
            return [answer["transactionId"] for answer in answers]

    first = run(starts("CARD0001", 100, planted=False))
    second = run(starts("CARD0002", 200, planted=True))
    ids = first + second
    assert len(set(ids)) == 4
    assert all(1 <= number <= 2**31 - 1 for number in ids)


@pytest.mark.parametrize("transaction_id", [-1, 0, 999_999])
def test_q28_a_stop_with_a_useless_id_finds_its_transaction(scene, transaction_id):
    async def play(site: TestSite, charger: Charger) -> None:
        await charger.call("StartTransaction", start())
        await charger.call("StopTransaction", stop(transaction_id, idTag="CARD0001"))
        row = await site.row()
        assert row.state is TransactionState.ENDED
        assert row.energy_wh == 10_000

    scene(play)


def test_q28_a_stop_that_fits_nothing_is_acknowledged_and_kept(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        assert await charger.call("StopTransaction", stop(-1, idTag="CARD0003")) is not None
        since = START_AT - timedelta(days=1)
        orphans = await site.site.store.read(lambda tx: tx.orphan_reports("CP-01", since))
        assert [report.meter_stop_wh for _, report in orphans] == [11_000]

    scene(play)


def test_q28_a_second_stop_is_acknowledged_and_changes_nothing(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        number = (await charger.call("StartTransaction", start()))["transactionId"]
        await charger.call("StopTransaction", stop(number, 11_000))
        await charger.call("StopTransaction", stop(number, 99_000))
        assert (await site.row()).energy_wh == 10_000
        kinds = await site.outbox_kinds()
        assert kinds.count("TransactionEnded") == 1
        assert "TransactionCorrected" not in kinds

    scene(play)


@pytest.mark.parametrize("card", [None, "CARD0002", "STRANGER"])
def test_q29_a_stop_without_the_start_card_is_acknowledged(scene, card):
    async def play(site: TestSite, charger: Charger) -> None:
        number = (await charger.call("StartTransaction", start()))["transactionId"]
        payload = stop(number) if card is None else stop(number, idTag=card)
        await charger.call("StopTransaction", payload)
        row = await site.row()
        assert row.state is TransactionState.ENDED
        assert row.id_token is not None
        assert row.id_token.id_token == "CARD0001"

    scene(play)


def test_q30_a_stop_before_its_start_joins_it(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        await charger.call("StopTransaction", stop(-1, idTag="CARD0001"))
        await charger.call("StartTransaction", start())
        row = await site.row()
        assert row.state is TransactionState.ENDED
        assert row.energy_wh == 10_000

    scene(play)


def test_q30_a_stop_hours_in_the_future_is_accepted_and_flagged(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        number = (await charger.call("StartTransaction", start()))["transactionId"]
        late = datetime.now(UTC) + timedelta(hours=7)
        await charger.call("StopTransaction", stop(number, timestamp=instant(late)))
        row = await site.row()
        assert row.state is TransactionState.ENDED
        assert Flag.CLOCK_DOUBTFUL in row.flags
        assert row.end_received_at is not None
        assert row.end_received_at < late

    scene(play)


def test_q31_a_register_that_restarted_is_summed_from_the_readings(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        number = (await charger.call("StartTransaction", start(100_000)))["transactionId"]
        await charger.call("MeterValues", meter(104_000, number, minutes=5))
        await charger.call("MeterValues", meter(500, number, minutes=10))
        await charger.call("StopTransaction", stop(number, 2_500))
        row = await site.row()
        assert row.energy_wh == 6_000
        assert Flag.REGISTER_DOUBTFUL in row.flags
        review = f"transaction-review:{row.key}"
        assert site.site.controller.alarm_view(review) is not None

    scene(play)


def test_q32_a_new_start_closes_what_never_stopped(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        number = (await charger.call("StartTransaction", start()))["transactionId"]
        await charger.call("MeterValues", meter(4_000, number))
        later = instant(START_AT + timedelta(minutes=15))
        await charger.call("StartTransaction", start(4_200, "CARD0002", timestamp=later))
        old, new = await site.rows()
        assert old.state is TransactionState.ENDED
        assert old.energy_wh == 3_000
        assert Flag.MISSING_STOP in old.flags
        assert new.state is TransactionState.ACTIVE

    scene(play)


def test_q32_the_real_stop_corrects_the_price_when_it_comes_at_last(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        number = (await charger.call("StartTransaction", start()))["transactionId"]
        await charger.call("MeterValues", meter(4_000, number))
        later = instant(START_AT + timedelta(minutes=15))
        await charger.call("StartTransaction", start(4_200, "CARD0002", timestamp=later))
        await charger.call("StopTransaction", stop(number, 5_000))
        row = (await site.rows())[0]
        assert row.energy_wh == 4_000
        assert row.price is not None
        assert row.price.total.amount == Decimal("3.00")
        assert Flag.STOP_CORRECTED in row.flags
        assert "TransactionCorrected" in await site.outbox_kinds()

    scene(play)


def test_q33_an_offline_bundle_in_any_order_is_one_session(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        await charger.call("StopTransaction", stop(0, idTag="CARD0001"))
        number = (await charger.call("StartTransaction", start()))["transactionId"]
        await charger.call("MeterValues", meter(5_000, number))
        await charger.call("StopTransaction", stop(0, idTag="CARD0001"))
        await charger.call("StartTransaction", start())
        row = await site.row()
        assert row.energy_wh == 10_000
        assert row.price is not None
        assert row.price.total.amount == Decimal("6.00")

    scene(play)


def test_q35_values_with_an_unknown_id_join_the_session_of_their_connector(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        await charger.call("StartTransaction", start())
        await charger.call("MeterValues", meter(2_345, 777_777))
        assert (await site.row()).meter_last_wh == 2_345

    scene(play)


def test_q35_values_after_the_stop_complete_the_session(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        number = (await charger.call("StartTransaction", start()))["transactionId"]
        await charger.call("StopTransaction", stop(number, 11_000))
        await charger.call("MeterValues", meter(11_000, number, minutes=20))
        row = await site.row()
        readings = await site.site.store.read(lambda tx: tx.readings(row.key))
        assert [reading.energy_import_wh for reading in readings] == [11_000]
        assert row.energy_wh == 10_000

    scene(play)


def test_q36_connector_0_never_hides_a_connector(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        await status16(charger, 1, "Preparing")
        await status16(charger, 0, "Available")
        key = EvseKey("CP-01", 1)
        assert site.site.services.stations.evse_state(key).plugged

    scene(play)


def test_q37_one_card_charges_one_car_at_a_time(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        await charger.call("StartTransaction", start())
        second = await charger.call("StartTransaction", start(50, connectorId=2))
        assert second["idTagInfo"]["status"] == "ConcurrentTx"
        assert len(await site.rows()) == 2

    scene(play)


def test_q37_a_refused_start_that_charges_raises_an_alarm(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        answer = await charger.call("StartTransaction", start(card="STRANGER"))
        await charger.call("MeterValues", meter(1_500, answer["transactionId"]))
        alarm = "charging-refused-token:CP-01/1"
        await eventually(lambda: site.site.controller.alarm_view(alarm))

    scene(play)


def test_a_session_is_priced_with_the_tariff_of_its_start(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        number = (await charger.call("StartTransaction", start()))["transactionId"]
        await charger.call("StopTransaction", stop(number))
        row = await site.row()
        assert row.price is not None
        assert row.price.total.amount == Decimal("6.00")
        assert row.price.total_net.amount == Decimal("5.04")

    scene(play)


def test_q13_a_boot_in_a_session_marks_it_and_lets_it_go_on(run, tmp_path):
    async def play() -> None:
        async with running_site(tmp_path) as site:
            async with site.charger() as charger:
                await boot16(charger)
                await charger.call("StartTransaction", start())
            async with site.charger() as charger:
                await boot16(charger)

                async def marked() -> bool:
                    return Flag.POWER_LOSS in (await site.row()).flags

                await eventually(marked)
                assert (await site.row()).active

    run(play())
