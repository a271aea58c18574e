"""Criteria Q25 to Q41 where a single frame is not enough: malformed starts, restores, all the ways
a stop stays away, offline bundles in any order, meters that count otherwise."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from sitecontroller import app
from sitecontroller.domain.authorization import IdTokenType, TokenRecord
from sitecontroller.domain.topology import EvseKey
from sitecontroller.domain.transaction import TransactionFlag, TransactionState
from sitecontroller.ocpp.times import CONFIRMATION_S
from tests.support import eventually
from tests.wire.clocks import ForwardClock
from tests.wire.site import boot16, boot201, instant, running_site, status16
from tests.wire.transactions.scenes import START_AT, at, euros, meter, start, stop
from tests.wire.transactions.test_transactions_201 import event

Flag = TransactionFlag
HOUR_S = 3600.0


@pytest.fixture
def scene(run, tmp_path):
    """`scene(play)` runs `await play(site, charger)` with one booted 1.6 charger of two EVSEs."""

    async def staged(play):
        async with running_site(tmp_path) as site, site.charger() as charger:
            await boot16(charger)
            await play(site, charger)

    return lambda play: run(staged(play))


@pytest.fixture(params=["2.0.1", "2.1"])
def scene2x(request, run, tmp_path):
    """The same with a 2.x charger."""

    async def staged(play):
        async with running_site(tmp_path) as site, site.charger(version=request.param) as charger:
            await boot201(charger)
            await play(site, charger)

    return lambda play: run(staged(play))


async def begun(charger, *args, **kwargs) -> int:
    return int((await charger.call("StartTransaction", start(*args, **kwargs)))["transactionId"])


async def total(site) -> object:
    price = (await site.row()).price
    return None if price is None else price.total.amount


# Q26


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"connectorId": 1},
        {**start(), "idTag": None},
        {**start(), "idTag": 12345678},
        {**start(), "idTag": "X" * 300},
        {**start(), "idTag": ""},
        {**start(), "connectorId": "1"},
        {**start(), "connectorId": 17},
        {**start(), "connectorId": -1},
        {**start(), "meterStart": "1000.4"},
        {**start(), "meterStart": {"wh": 1}},
        {**start(), "timestamp": "yesterday"},
        {**start(), "timestamp": 1767225600},
        {**start(), "unheardOf": [1, 2, 3]},
    ],
    ids=lambda payload: ",".join(f"{k}={str(v)[:12]}" for k, v in payload.items())[-60:],
)
def test_q26_no_start_is_refused_whatever_it_looks_like(scene, payload):
    async def play(site, charger):
        answer = await charger.call("StartTransaction", payload)
        assert answer["transactionId"] > 0
        row = await site.row()
        assert row.station_transaction_id == str(answer["transactionId"])
        assert row.active
        assert await site.outbox_kinds() == ["TransactionStarted"]

    scene(play)


@pytest.mark.parametrize("card", ["STRANGER", "BLOCKED1", "EXPIRED1"])
def test_q26_a_refused_start_keeps_its_energy_and_its_price(scene, card):
    async def play(site, charger):
        kind = IdTokenType.ISO14443
        past = datetime.now(UTC) - timedelta(days=1)
        await site.site.controller.put_token(TokenRecord("BLOCKED1", kind, blocked=True))
        await site.site.controller.put_token(TokenRecord("EXPIRED1", kind, expires_at=past))
        status = {"STRANGER": "Invalid", "BLOCKED1": "Blocked", "EXPIRED1": "Expired"}[card]
        answer = await charger.call("StartTransaction", start(card=card))
        assert answer["idTagInfo"]["status"] == status
        await charger.call("StopTransaction", stop(answer["transactionId"]))
        row = await site.row()
        assert row.energy_wh == 10_000
        assert await total(site) == euros(10)
        assert row.authorization_status == status

    scene(play)


# Q27


def test_q27_after_a_restore_no_id_issued_since_the_backup_is_given_again(run, tmp_path):
    async def before() -> tuple[list[int], object]:
        async with running_site(tmp_path) as site, site.charger() as charger:
            await boot16(charger)
            ids = [await begun(charger, 1000)]
            await site.site.store.backup()
            ids += [await begun(charger, 2000, "CARD0002", connector=2)]
            await charger.call("StopTransaction", stop(ids[0], minutes=10))
            ids += [await begun(charger, 3000, "CARD0003", minutes=15)]
            return ids, site.site.state_dir.database

    async def after() -> tuple[int, set[str]]:
        async with running_site(tmp_path, planted=True) as site, site.charger() as charger:
            assert site.site.controller.alarm_view("database-restored:database") is not None
            await boot16(charger)
            known = {row.station_transaction_id for row in await site.rows()}
            fresh = await begun(charger, 4000, "CARD0001", minutes=30, connector=2)
            lost = stop(issued[2], 9000, card="CARD0003", minutes=40)
            await charger.call("StopTransaction", lost)
            return fresh, known

    issued, database = run(before())
    database.unlink()
    fresh, known = run(after())
    assert known == {str(issued[0])}, "what the backup had"
    assert fresh not in issued
    assert fresh > max(issued)
    assert 1 <= fresh <= 2**31 - 1


def test_q27_ids_begin_again_at_1_and_are_never_0(scene):
    async def play(site, charger):
        sql = "UPDATE counter SET value = ? WHERE name = 'station-transaction'"
        first = await begun(charger)

        def put(tx) -> int:
            return tx.connection.execute(sql, (2**31 - 2,)).rowcount

        assert await site.site.store.commit(put) == 1
        last = await begun(charger, 2000, "CARD0002", connector=2)
        after = await begun(charger, 3000, "CARD0003", minutes=5, connector=2)
        assert last == 2**31 - 1
        assert after >= 1
        assert after != first, "an id that runs is not given twice"

    scene(play)


# Q29


@pytest.mark.parametrize("change", ["expired", "blocked", "gone"])
def test_q29_the_card_that_began_may_always_stop(scene, change):
    async def play(site, charger):
        number = await begun(charger)
        kind, past = IdTokenType.ISO14443, datetime.now(UTC) - timedelta(days=1)
        if change == "gone":
            await site.site.controller.delete_token("CARD0001")
        else:
            fields = {"expires_at": past} if change == "expired" else {"blocked": True}
            await site.site.controller.put_token(TokenRecord("CARD0001", kind, **fields))
        answer = await charger.call("StopTransaction", stop(number, card="CARD0001"))
        assert answer["idTagInfo"]["status"] == "Accepted"
        assert (await site.row()).energy_wh == 10_000

    scene(play)


def test_q29_a_card_of_the_group_may_stop_though_it_charges_elsewhere(scene):
    async def play(site, charger):
        kind = IdTokenType.ISO14443
        for card in ("FAM00001", "FAM00002"):
            record = TokenRecord(card, kind, parent_id_token="FAMILY")
            await site.site.controller.put_token(record)
        number = await begun(charger, card="FAM00001")
        async with site.charger("CP-02") as other:
            await boot16(other)
            await other.call("StartTransaction", start(card="FAM00002"))
            shown = {"status": "Accepted", "parentIdTag": "FAMILY"}
            assert (await charger.call("Authorize", {"idTag": "FAM00002"}))["idTagInfo"] == shown
            answer = await charger.call("StopTransaction", stop(number, card="FAM00002"))
            assert answer["idTagInfo"] == shown
        row = (await site.rows())[0]
        assert not row.active
        assert row.id_token is not None
        assert row.id_token.id_token == "FAM00001"

    scene(play)


# Q30


def test_q30_a_clock_that_is_wrong_is_measured_by_what_it_stamps(run, tmp_path):
    clock, off = ForwardClock(), timedelta(hours=2)

    async def play() -> None:
        async with running_site(tmp_path, clock=clock) as site, site.charger() as charger:
            await boot16(charger)
            link = site.site.services.stations.link("CP-01")
            assert link is not None
            for _ in range(3):
                assert link.clock_offset_s is None, "one stamp may be a message's delay"
                payload = {
                    "connectorId": 1,
                    "errorCode": "NoError",
                    "status": "Available",
                    "timestamp": instant(clock.now() + off),
                }
                await charger.call("StatusNotification", payload)
                clock.forward(CONFIRMATION_S / 2 + 1)
            assert link.clock_offset_s == pytest.approx(off.total_seconds(), abs=20)

    run(play())


def test_q30_both_clocks_are_kept(scene):
    async def play(site, charger):
        before = datetime.now(UTC)
        number = await begun(charger)
        await charger.call("StopTransaction", stop(number, minutes=20))
        row = await site.row()
        assert instant(row.started_at) == at(0)
        assert instant(row.ended_at) == at(20)
        assert row.start_received_at >= before
        assert row.end_received_at >= row.start_received_at

    scene(play)


# Q31


def test_q31_a_start_without_its_register_is_counted_from_the_readings(scene):
    async def play(site, charger):
        number = await begun(charger, None)
        await charger.call("MeterValues", meter(5_000, number, minutes=0.5))
        await charger.call("MeterValues", meter(9_000, number, minutes=10))
        await charger.call("StopTransaction", stop(number, 11_000))
        row = await site.row()
        assert row.energy_wh == 6_000
        assert await total(site) == euros(6)

    scene(play)


def test_q31_a_register_that_rolled_over_is_counted_on(scene):
    async def play(site, charger):
        number = await begun(charger, 999_998_000)
        await charger.call("MeterValues", meter(999_999_500, number, minutes=5))
        await charger.call("MeterValues", meter(500, number, minutes=10))
        await charger.call("StopTransaction", stop(number, 4_500))
        row = await site.row()
        assert Flag.REGISTER_DOUBTFUL in row.flags
        assert row.energy_wh == 1_500 + 4_000
        assert site.site.controller.alarm_view(f"transaction-review:{row.key}") is not None

    scene(play)


# Q32


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr(app, "HOUSEKEEPING_EVERY_S", 0.02)


async def closed_without_stop(site) -> None:
    async def closed() -> bool:
        return not (await site.rows())[0].active

    await eventually(closed)
    row = (await site.rows())[0]
    assert row.state is TransactionState.ENDED
    assert Flag.MISSING_STOP in row.flags
    assert row.energy_wh == 3_000, "the last register that can be trusted"
    assert row.price.total.amount == euros(3)


@pytest.mark.parametrize("how", ["available", "new start", "boot and available", "no meter"])
def test_q32_each_way_a_stop_stays_away_ends_the_session_and_the_real_one_corrects_it(
    run, tmp_path, often, how
):
    clock = ForwardClock()

    async def play() -> None:
        async with running_site(tmp_path, clock=clock) as site:
            async with site.charger() as charger:
                await boot16(charger)
                await status16(charger, 1, "Charging")
                number = await begun(charger)
                await charger.call("MeterValues", meter(4_000, number))
                if how == "available":
                    await status16(charger, 1, "Available")
                    await site.site.services.transactions.reconcile()
                    assert (await site.row()).active, "its stop may be on the way"
                    clock.forward(61)
                elif how == "new start":
                    await begun(charger, 4_200, "CARD0002", minutes=15)
                elif how == "no meter":
                    clock.forward(24 * HOUR_S + 1)
                if how != "boot and available":
                    await closed_without_stop(site)
                    await corrected(site, charger, number)
            if how == "boot and available":
                async with site.charger() as back:
                    await boot16(back)
                    await site.site.services.transactions.reconcile()
                    clock.forward(61)
                    await closed_without_stop(site)
                    assert Flag.POWER_LOSS in (await site.rows())[0].flags
                    await corrected(site, back, number)

    async def corrected(site, charger, number) -> None:
        assert (await site.outbox_kinds()).count("TransactionCorrected") == 0
        await charger.call("StopTransaction", stop(number, 5_000, minutes=12))
        row = (await site.rows())[0]
        assert row.energy_wh == 4_000
        assert row.price.total.amount == euros(4)
        assert Flag.STOP_CORRECTED in row.flags
        assert Flag.MISSING_STOP not in row.flags
        assert (await site.outbox_kinds()).count("TransactionCorrected") == 1

    run(play())


def test_q32_an_evse_that_is_available_for_a_moment_ends_nothing(run, tmp_path, often):
    clock = ForwardClock()

    async def play() -> None:
        async with running_site(tmp_path, clock=clock) as site, site.charger() as charger:
            await boot16(charger)
            number = await begun(charger)
            await status16(charger, 1, "Available")
            await site.site.services.transactions.reconcile()
            clock.forward(30)
            await status16(charger, 1, "Charging")
            await site.site.services.transactions.reconcile()
            clock.forward(40)
            await site.site.services.transactions.reconcile()
            assert (await site.row()).active
            await charger.call("StopTransaction", stop(number))
            assert await total(site) == euros(10)

    run(play())


# Q33

BUNDLE_16 = ("start", "meter", "stop")
ORDERS = list(itertools.permutations(BUNDLE_16))


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
@pytest.mark.parametrize("repeats", [1, 2], ids=["once", "twice"])
def test_q33_an_offline_bundle_of_16_in_any_order_is_one_session_at_its_cost(scene, order, repeats):
    async def play(site, charger):
        messages = {
            "start": ("StartTransaction", start()),
            "meter": ("MeterValues", meter(6_000, 0, minutes=10)),
            "stop": ("StopTransaction", stop(0, 11_000, card="CARD0001")),
        }
        for _ in range(repeats):
            for name in order:
                await charger.call(*messages[name])
        row = await site.row()
        assert not row.active
        assert row.energy_wh == 10_000
        assert row.price.total.amount == euros(10)
        assert Flag.OFFLINE in row.flags
        kinds = await site.outbox_kinds()
        assert kinds.count("TransactionStarted") == 1

    scene(play)


@pytest.mark.parametrize(
    "order", list(itertools.permutations((0, 1, 2))), ids=lambda order: "".join(map(str, order))
)
def test_q33_an_offline_bundle_of_2x_in_any_order_is_one_session_at_its_cost(scene2x, order):
    async def play(site, charger):
        bundle = [
            event("Started", 0, 1000, offline=True),
            event("Updated", 1, 6000, offline=True),
            event("Ended", 2, 11_000, offline=True),
        ]
        for _ in range(2):
            for number in order:
                await charger.call("TransactionEvent", bundle[number])
        row = await site.row()
        assert not row.active
        assert row.energy_wh == 10_000
        assert row.price.total.amount == euros(10)
        assert row.seq_no_missing == ()

    scene2x(play)


# Q34


def test_q34_an_offline_event_moves_no_live_view_and_no_state(scene2x):
    async def play(site, charger):
        await charger.call("TransactionEvent", event("Started", 0, 1000))
        late = event("Updated", 1, 2000, minutes=60, offline=True)
        late["transactionInfo"]["chargingState"] = "SuspendedEVSE"
        late["meterValue"][0]["sampledValue"].append(
            {"value": 7.0, "measurand": "Current.Import", "phase": "L1"}
        )
        await charger.call("TransactionEvent", late)
        row = await site.row()
        assert row.charging_state == "Charging"
        assert row.meter_last_wh == 2000, "its energy counts"
        station = site.site.controller.station_view("CP-01")
        assert station.evses[0].current_a[0] is None

    scene2x(play)


@pytest.mark.parametrize("kind", ["Updated", "Ended"])
def test_q34_an_event_without_evse_inherits_the_one_of_its_session(scene2x, kind):
    async def play(site, charger):
        began = event("Started", 0, 1000, evse={"id": 2, "connectorId": 1})
        await charger.call("TransactionEvent", began)
        await charger.call("TransactionEvent", event(kind, 1, 3000))
        row = await site.row()
        assert (row.evse_id, row.connector_id) == (2, 1)
        assert row.energy_wh == 2000

    scene2x(play)


# Q35


def test_q35_values_of_the_end_complete_a_session_that_has_ended(scene):
    async def play(site, charger):
        number = await begun(charger)
        await charger.call("StopTransaction", stop(number, None))
        assert await total(site) is None
        late = meter(7_000, number, minutes=20)
        late["meterValue"][0]["sampledValue"][0]["context"] = "Transaction.End"
        await charger.call("MeterValues", late)
        assert (await site.row()).energy_wh == 6_000
        assert await total(site) == euros(6)
        assert (await site.outbox_kinds())[-1] == "TransactionCorrected"

    scene(play)


# Q36


def test_q36_a_station_that_only_knows_connector_0_runs_its_session(scene):
    async def play(site, charger):
        await status16(charger, 1, "Charging")
        number = await begun(charger, connector=0)
        await charger.call("MeterValues", meter(4_000, number, connector=0))
        await charger.call("StopTransaction", stop(number))
        row = await site.row()
        assert row.evse_id == 1
        assert row.meter_last_wh == 4_000
        assert await total(site) == euros(10)

    scene(play)


def test_q36_connector_0_speaks_for_the_station_alone(scene):
    async def play(site, charger):
        await status16(charger, 0, "Unavailable")
        stations = site.site.services.stations
        assert stations.evse_state(EvseKey("CP-01", 1)).connector_status == "Available"
        await status16(charger, 0, "Faulted")
        assert stations.evse_state(EvseKey("CP-01", 2)).connector_status == "Available"
        assert site.site.controller.alarm_view("station-faulted:CP-01/0") is not None

    scene(play)


# Q37


@pytest.mark.parametrize(
    ("transactions_max", "statuses"),
    [
        (1, ["Accepted", "ConcurrentTx", "ConcurrentTx"]),
        (2, ["Accepted", "Accepted", "ConcurrentTx"]),
        (None, ["Accepted", "Accepted", "Accepted"]),
    ],
)
def test_q37_each_card_has_its_own_number_of_cars(scene, transactions_max, statuses):
    async def play(site, charger):
        record = TokenRecord("FLEET001", IdTokenType.ISO14443, transactions_max=transactions_max)
        await site.site.controller.put_token(record)
        async with site.charger("CP-02") as other:
            await boot16(other)
            answers = [
                await box.call("StartTransaction", start(card="FLEET001", connector=connector))
                for box, connector in ((charger, 1), (charger, 2), (other, 1))
            ]
        assert [answer["idTagInfo"]["status"] for answer in answers] == statuses
        assert len(await site.rows()) == 3

    scene(play)


def test_q37_a_refused_start_that_charges_is_an_alarm_until_it_ends(scene2x):
    async def play(site, charger):
        token = {"idToken": "STRANGER", "type": "ISO14443"}
        await charger.call("TransactionEvent", event("Started", 0, 1000, idToken=token))
        alarm = "charging-refused-token:CP-01/1"
        assert site.site.controller.alarm_view(alarm) is None
        await charger.call("TransactionEvent", event("Updated", 1, 1500))
        assert site.site.controller.alarm_view(alarm).cleared_at is None
        await charger.call("TransactionEvent", event("Ended", 2, 1600))
        assert site.site.controller.alarm_view(alarm).cleared_at is not None

    scene2x(play)


# Q40


def warnings(site) -> tuple[str, ...]:
    return site.site.controller.station_view("CP-01").warnings


def test_q40_a_register_per_session_is_told_of_and_its_energy_is_right(scene):
    async def play(site, charger):
        for number in range(3):
            minutes = number * 15
            session = await begun(charger, 0, minutes=minutes)
            await charger.call("MeterValues", meter(1_500, session, minutes=minutes + 5))
            await charger.call("StopTransaction", stop(session, 3_000, minutes=minutes + 10))
        assert [row.energy_wh for row in await site.rows()] == [3_000] * 3
        assert [row.price.total.amount for row in await site.rows()] == [euros(3)] * 3
        assert warnings(site) == ("EVSE 1: its energy register begins anew with each session",)

    scene(play)


def test_q40_one_new_meter_is_no_register_per_session(scene):
    async def play(site, charger):
        for number, (first, last) in enumerate(((90_000, 93_000), (0, 3_000), (3_000, 6_000))):
            session = await begun(charger, first, minutes=number * 15)
            await charger.call("StopTransaction", stop(session, last, minutes=number * 15 + 10))
        assert warnings(site) == ()

    scene(play)


def test_q40_a_start_of_0_beside_the_meters_whole_life_bills_the_session(scene):
    async def play(site, charger):
        session = await begun(charger, 0)
        await charger.call("MeterValues", meter(20_500, session, minutes=1))
        await charger.call("MeterValues", meter(22_000, session, minutes=10))
        await charger.call("StopTransaction", stop(session, 24_000))
        row = await site.row()
        assert row.energy_wh == 3_500
        assert Flag.REGISTER_DOUBTFUL in row.flags
        assert site.site.controller.alarm_view(f"transaction-review:{row.key}") is not None

    scene(play)


def test_q40_values_per_session_beside_a_lifetime_start_and_stop_change_nothing(scene):
    async def play(site, charger):
        session = await begun(charger, 100_000)
        await charger.call("MeterValues", meter(500, session, minutes=5))
        await charger.call("MeterValues", meter(1_500, session, minutes=10))
        await charger.call("StopTransaction", stop(session, 103_000))
        assert (await site.row()).energy_wh == 3_000
        assert await total(site) == euros(3)

    scene(play)


def test_q40_kwh_sent_as_wh_is_told_of_and_never_applied_silently(scene):
    async def play(site, charger):
        session = await begun(charger, 5000)
        for number in range(40):
            payload = meter(5000 + number // 4, session)
            payload["meterValue"][0]["sampledValue"].append(
                {"value": "11000", "measurand": "Power.Active.Import", "unit": "W"}
            )
            payload["meterValue"][0]["timestamp"] = instant(START_AT + timedelta(minutes=number))
            await charger.call("MeterValues", payload)
        await charger.call("StopTransaction", stop(session, 5010, minutes=45))
        assert any("looks like kWh sent as Wh" in warning for warning in warnings(site))
        assert (await site.row()).energy_wh == 10, "as the station said it, until a person decides"

    scene(play)


# Q41


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_q41_values_outside_of_sessions_show_and_bill_nothing(run, tmp_path, version):
    async def play() -> None:
        async with running_site(tmp_path) as site, site.charger(version=version) as charger:
            await (boot16 if version == "1.6" else boot201)(charger)
            sampled = [
                {"value": 9.5, "measurand": "Current.Import", "phase": "L1"},
                {"value": 7_000.0},
            ]
            values = [{"timestamp": instant(), "sampledValue": sampled}]
            if version == "1.6":
                for sample in sampled:
                    sample["value"] = str(sample["value"])
                await charger.call("MeterValues", {"connectorId": 1, "meterValue": values})
            else:
                await charger.call("MeterValues", {"evseId": 1, "meterValue": values})
            station = site.site.controller.station_view("CP-01")
            assert station.evses[0].current_a[0] == 9.5
            assert station.evses[0].transaction_key is None
            assert await site.rows() == ()
            assert await site.outbox_kinds() == []

    run(play())


def test_q41_values_after_a_session_do_not_change_its_bill(scene):
    async def play(site, charger):
        number = await begun(charger)
        await charger.call("StopTransaction", stop(number))
        await charger.call("MeterValues", meter(19_000, minutes=50))
        assert (await site.row()).energy_wh == 10_000
        assert await total(site) == euros(10)

    scene(play)
