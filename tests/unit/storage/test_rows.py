"""What goes in as a domain value comes out as the same one, and rules of identity hold."""

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sitecontroller.domain.alarm import Alarm
from sitecontroller.domain.authorization import (
    AuthorizationStatus,
    IdToken,
    IdTokenType,
    TokenHolder,
    TokenRecord,
    Whitelist,
)
from sitecontroller.domain.errors import Conflict, InvalidInput, NotFound
from sitecontroller.domain.metering import MeterReading, ReadingContext, TimeQuality
from sitecontroller.domain.rating import rate
from sitecontroller.domain.station import ChargingState, StationBooted, StationTime
from sitecontroller.domain.tariff import PriceComponent, Tariff, TariffDimension
from sitecontroller.domain.transaction import (
    Transaction,
    TransactionEnded,
    TransactionFlag,
    TransactionState,
    TransactionUpdated,
)
from sitecontroller.ports import Receipt, StationRecord
from sitecontroller.storage import backup, ledger_rows, report_rows, startup
from sitecontroller.storage.engine import connect
from sitecontroller.storage.report_rows import ORPHANS_MAX
from sitecontroller.storage.transaction_rows import SAME_ID_MAX
from sitecontroller.storage.types import SCALED_MAX
from sitecontroller.storage.unit_of_work import UnitOfWork
from tests.unit.storage.examples import (
    NOON,
    a_reading,
    a_start,
    a_tariff,
    a_transaction,
    at_ms,
    tell,
)

ENDED = TransactionState.ENDED


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[UnitOfWork]:
    path = tmp_path / "site.db"
    startup.upgrade(path)
    with closing(connect(path)) as connection:
        yield UnitOfWork(connection)


# Values as they can occur: registers to the mWh, instants to the µs (in JSON: to the ms).
texts = st.text(st.characters(codec="utf-8"), max_size=20)
instants = st.integers(0, 4_000_000_000_000_000).map(lambda us: NOON + timedelta(microseconds=us))
registers = st.none() | st.integers(0, 10**12).map(lambda mwh: mwh / 1000)
prices = st.decimals(0, 10, places=4)
SIMPLE = [TariffDimension.ENERGY, TariffDimension.FLAT]
tariffs = st.builds(
    Tariff,
    tariff_id=texts,
    version=st.integers(1, 99),
    name=texts,
    currency=st.sampled_from(["EUR", "JPY", "CHF"]),
    components=st.lists(
        st.builds(PriceComponent, st.sampled_from(SIMPLE), prices, prices), max_size=3
    ).map(tuple),
    valid_from=st.integers(0, 10**9).map(at_ms),
    tax_included=st.booleans(),
)
transactions = st.builds(
    Transaction,
    key=st.just("T1"),
    station_id=texts,
    evse_id=st.integers(1, 100),
    connector_id=st.integers(0, 100),
    station_transaction_id=texts,
    state=st.sampled_from(TransactionState),
    authorization_status=st.sampled_from(AuthorizationStatus),
    started_at=instants,
    start_received_at=instants,
    id_token=st.none() | st.builds(IdToken, texts, st.sampled_from(IdTokenType)),
    parent_id_token=st.none() | texts,
    ended_at=st.none() | instants,
    end_received_at=st.none() | instants,
    meter_start_wh=registers,
    meter_stop_wh=registers,
    meter_last_wh=registers,
    meter_last_at=st.none() | instants,
    energy_corrected_wh=registers,
    stop_reason=st.none() | texts,
    charging_state=st.none() | st.sampled_from(ChargingState),
    remote_start_id=st.none() | st.integers(0, 2**31),
    seq_no_max=st.none() | st.integers(0, 2**31),
    seq_no_missing=st.lists(st.integers(0, 2**31), max_size=3).map(tuple),
    tariff=st.none() | tariffs,
    price=st.none() | st.builds(rate, tariffs, prices),
    flags=st.frozensets(st.sampled_from(TransactionFlag)),
    version=st.integers(1, 2**31),
)


@given(transaction=transactions)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_transaction_comes_back_as_it_was(tx: UnitOfWork, transaction: Transaction) -> None:
    tx.connection.execute("BEGIN")
    tx.add_transaction(transaction)
    assert tx.transaction("T1") == transaction
    tx.connection.execute("ROLLBACK")


amperes = st.none() | st.integers(0, 500_000).map(lambda ma: ma / 1000)
volts = st.none() | st.integers(0, 10_000).map(lambda tenths: tenths / 10)
watts = st.none() | st.integers(-400_000, 400_000).map(float)
readings = st.builds(
    MeterReading,
    at=instants,
    current_a=st.tuples(amperes, amperes, amperes),
    voltage_v=st.tuples(volts, volts, volts),
    power_phase_w=st.tuples(watts, watts, watts),
    power_w=watts,
    energy_import_wh=registers,
    energy_export_wh=registers,
    frequency_hz=st.none() | st.floats(0, 100),
    current_offered_a=amperes,
    soc_percent=st.none() | st.floats(0, 100),
    context=st.sampled_from(ReadingContext),
    time_quality=st.sampled_from(TimeQuality),
    signed_data=st.none() | texts,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(transactions, transactions, st.booleans())
def test_an_updated_transaction_is_the_new_one_whatever_changed(
    tx: UnitOfWork, before: Transaction, after: Transaction, same_unit: bool
) -> None:
    tx.connection.execute("DELETE FROM charging_transaction")
    after = replace(after, version=before.version)
    tx.add_transaction(before)
    unit = tx if same_unit else UnitOfWork(tx.connection)
    unit.update_transaction(after)
    assert UnitOfWork(tx.connection).transaction("T1") == after
    known = unit.transaction("T1")
    assert known is not None
    unit.update_transaction(replace(known, meter_last_wh=5.0))
    assert UnitOfWork(tx.connection).transaction("T1") == replace(after, meter_last_wh=5.0)


@given(samples=st.lists(readings, min_size=1, max_size=5, unique_by=lambda sample: sample.at))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_readings_come_back_as_they_were(tx: UnitOfWork, samples: list[MeterReading]) -> None:
    tx.connection.execute("BEGIN")
    tx.add_transaction(a_transaction())
    for sample in samples:
        tx.add_reading("T1", sample)
    assert tx.readings("T1") == sorted(samples, key=lambda sample: sample.at)
    tx.connection.execute("ROLLBACK")


def test_nonsense_of_a_meter_is_unknown_not_an_error(tx: UnitOfWork) -> None:
    tx.add_transaction(a_transaction())
    nan, inf = float("nan"), float("inf")
    tx.add_reading(
        "T1", a_reading(current_a=(nan, inf, 1e300), power_w=-inf, energy_import_wh=SCALED_MAX)
    )
    assert tx.readings("T1") == [a_reading()]


def test_readings_of_two_transactions_stay_apart(tx: UnitOfWork) -> None:
    for key in ("T1", "T2"):
        tx.add_transaction(a_transaction(key))
    for second in range(4):
        tx.add_reading("T1" if second % 2 else "T2", a_reading(second))
    assert tx.readings("T1") == [a_reading(1), a_reading(3)]
    assert tx.readings("T2") == [a_reading(0), a_reading(2)]


def test_readings_of_a_transaction_have_a_bound(
    tx: UnitOfWork, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(report_rows, "READINGS_MAX", 3)
    tx.add_transaction(a_transaction())
    for second in range(6):
        tx.add_reading("T1", a_reading(second))
    assert len(tx.readings("T1")) == 3
    assert len(caplog.records) == 1


def test_a_reading_needs_its_transaction(tx: UnitOfWork) -> None:
    with pytest.raises(NotFound):
        tx.add_reading("none", a_reading())


def test_a_sample_takes_at_most_60_bytes(tx: UnitOfWork) -> None:
    stations, samples = 12, 1000
    tx.connection.execute("BEGIN")
    for station in range(stations):
        tx.add_transaction(a_transaction(f"T{station}"))
    for sample in range(samples):
        for station in range(stations):
            tx.add_reading(f"T{station}", _full_sample(sample * 10 + station / 100))
    tx.connection.execute("COMMIT")
    sql = "SELECT sum(pgsize) FROM dbstat WHERE name IN ('reading', 'reading_series')"
    pages = tx.connection.execute(sql).fetchone()[0]
    assert pages / (stations * samples) <= 60


def _full_sample(second: float) -> MeterReading:
    return a_reading(
        second,
        current_a=(31.8, 31.712, 31.95),
        voltage_v=(229.8, 231.1, 230.4),
        power_phase_w=(7321.0, 7332.0, 7345.0),
        power_w=21998.0,
        energy_import_wh=12_345_678.0 + second * 6,
    )


def test_an_update_raises_the_version_by_one_or_leaves_it(tx: UnitOfWork) -> None:
    tx.add_transaction(a_transaction(version=3))
    tx.update_transaction(a_transaction(version=3, meter_last_wh=5.0))
    tx.update_transaction(a_transaction(version=4))
    for version in (3, 6):
        with pytest.raises(Conflict, match="is at version 4"):
            tx.update_transaction(a_transaction(version=version))
    with pytest.raises(NotFound):
        tx.update_transaction(a_transaction("none"))


def test_open_transactions_of_one_name_and_start_are_one(tx: UnitOfWork) -> None:
    tx.add_transaction(a_transaction("T1", station_transaction_id="7"))
    with pytest.raises(Conflict):
        tx.add_transaction(a_transaction("T2", station_transaction_id="7"))
    tx.update_transaction(a_transaction("T1", station_transaction_id="7", state=ENDED))
    tx.add_transaction(a_transaction("T2", station_transaction_id="7"))
    found = tx.transactions_by_station_id("CP-01", "7")
    assert [transaction.key for transaction in found] == ["T2", "T1"]


def test_of_an_id_given_a_thousand_times_only_the_newest_are_looked_through(
    tx: UnitOfWork,
) -> None:
    for number in range(SAME_ID_MAX + 3):
        at = NOON + timedelta(hours=number)
        tx.add_transaction(
            a_transaction(f"T{number}", station_transaction_id="7", started_at=at, state=ENDED)
        )
    found = [transaction.key for transaction in tx.transactions_by_station_id("CP-01", "7")]
    assert found == [f"T{number}" for number in range(SAME_ID_MAX + 2, 2, -1)]


def test_of_very_many_orphans_the_newest_wait_for_their_transaction(tx: UnitOfWork) -> None:
    for second in range(ORPHANS_MAX + 3):
        tx.add_report(None, a_start(received_at=at_ms(second), meter_start_wh=float(second)))
    orphans = [report.received_at for _, report in tx.orphan_reports("CP-01", at_ms(0))]
    assert orphans == [at_ms(second) for second in range(3, ORPHANS_MAX + 3)]


def test_open_transactions_come_oldest_first_by_station_and_evse(tx: UnitOfWork) -> None:
    later = NOON + timedelta(hours=1)
    tx.add_transaction(a_transaction("A", started_at=later))
    tx.add_transaction(a_transaction("B", evse_id=2))
    tx.add_transaction(a_transaction("C", station_id="CP-02"))
    tx.add_transaction(a_transaction("D", state=ENDED))
    assert [t.key for t in tx.open_transactions()] == ["B", "C", "A"]
    assert [t.key for t in tx.open_transactions("CP-01")] == ["B", "A"]
    assert [t.key for t in tx.open_transactions("CP-01", 1)] == ["A"]
    last = tx.last_transaction("CP-01", 1, later)
    assert last is not None
    assert last.key == "A"
    assert tx.last_transaction("CP-01", 1, last.started_at + timedelta(seconds=1)) is None
    begun_then = tx.transactions_begun_at("CP-01", None, last.started_at)
    assert [t.key for t in begun_then] == ["A"]
    assert not tx.transactions_begun_at("CP-01", 2, last.started_at)


def test_active_count_knows_a_card_in_any_spelling(tx: UnitOfWork) -> None:
    tx.add_transaction(a_transaction("A", id_token=IdToken("Abc")))
    tx.add_transaction(a_transaction("B", id_token=IdToken(" aBC ")))
    tx.add_transaction(a_transaction("C", id_token=IdToken("abc"), state=ENDED))
    assert tx.active_count("ABC") == 2


# reports


def test_a_resent_report_is_kept_once(tx: UnitOfWork) -> None:
    assert tx.add_report(None, a_start())
    assert not tx.add_report(None, a_start(received_at=at_ms(99)))
    assert tx.add_report(None, a_start(meter_start_wh=101.0))


def test_a_resent_report_with_an_unreadable_time_is_kept_once(tx: UnitOfWork) -> None:
    first, again = (
        a_start(
            time=StationTime(at_ms(second), TimeQuality.RECEIVED, raw="never"),
            received_at=at_ms(second),
            reading=MeterReading(at=at_ms(second), time_quality=TimeQuality.RECEIVED),
        )
        for second in (0, 99)
    )
    assert tx.add_report(None, first)
    assert not tx.add_report(None, again)


def test_orphans_wait_for_their_transaction(tx: UnitOfWork) -> None:
    end = TransactionEnded("CP-01", "7", StationTime(at_ms(5)), at_ms(5), meter_stop_wh=7.5)
    update = TransactionUpdated(
        *("CP-01", "7", StationTime(at_ms(1)), at_ms(1)),
        readings=(MeterReading(at_ms(1), current_a=(1.5, None, 0.0)), MeterReading(at_ms(2))),
    )
    tx.add_report(None, end)
    tx.add_report(None, update)
    tx.add_report("T1", a_start())
    orphans = tx.orphan_reports("CP-01", at_ms(0))
    assert [report for _, report in orphans] == [update, end]
    assert [report for _, report in tx.orphan_reports("CP-01", at_ms(3))] == [end]
    tx.adopt_report(orphans[0][0], "T1")
    assert [report for _, report in tx.orphan_reports("CP-01", at_ms(0))] == [end]
    with pytest.raises(NotFound):
        tx.adopt_report(999, "T1")


# pages


def test_pages_hold_every_row_once_newest_first(tx: UnitOfWork) -> None:
    for n in range(25):
        started_at = NOON + timedelta(seconds=n // 4)
        state = TransactionState.ACTIVE if n % 2 else ENDED
        tx.add_transaction(a_transaction(f"T{n:02}", started_at=started_at, state=state))
    seen = []
    page = tx.transaction_page(10, None)
    seen += [t.key for t in page.items]
    tx.add_transaction(a_transaction("NEW", started_at=NOON + timedelta(days=1)))
    while page.next is not None:
        page = tx.transaction_page(10, page.next)
        seen += [t.key for t in page.items]
    assert seen == [f"T{n:02}" for n in reversed(range(25))]
    assert len(tx.transaction_page(500, None, active=True).items) == 13
    assert len(tx.transaction_page(500, None, active=False).items) == 13


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "!!!!", "bnVsbA", "WzEsMl0", "WzEsIngiLDJd", "é", "A" * 5000, "W10", "eyJhIjoxfQ"],
)
def test_a_strange_cursor_is_named(tx: UnitOfWork, cursor: str) -> None:
    for page in (tx.transaction_page, tx.token_page, tx.alarm_page):
        with pytest.raises(InvalidInput) as refused:
            page(10, cursor)
        assert [error.field for error in refused.value.errors] == ["cursor"]


@pytest.mark.parametrize("limit", [0, -1, 501])
def test_a_page_has_a_bound(tx: UnitOfWork, limit: int) -> None:
    with pytest.raises(InvalidInput) as refused:
        tx.alarm_page(limit, None)
    assert [error.field for error in refused.value.errors] == ["limit"]


# tokens, tariffs, stations, alarms


def test_a_token_is_found_in_any_spelling_and_keeps_its_place(tx: UnitOfWork) -> None:
    card = TokenRecord("Abc", IdTokenType.CENTRAL, "Anna", "P", True, NOON, None)
    tx.put_token(card)
    tx.put_token(TokenRecord("second", IdTokenType.LOCAL))
    assert tx.token(" aBC ") == card
    tx.put_token(replace(card, id_token="ABC", blocked=False))
    page = tx.token_page(1, None)
    assert [token.id_token for token in page.items] == ["second"]
    assert [token.id_token for token in tx.token_page(1, page.next).items] == ["ABC"]
    assert tx.delete_token("abc")
    assert not tx.delete_token("abc")
    assert tx.token("abc") is None


def test_separators_count_in_a_card_number_and_not_in_a_contract(tx: UnitOfWork) -> None:
    tx.put_token(TokenRecord("12-34", IdTokenType.KEY_CODE))
    tx.put_token(TokenRecord("AB12", IdTokenType.ISO14443))
    tx.put_token(TokenRecord("DE-8AA-C1", IdTokenType.E_MAID))
    assert tx.token("1234") is None
    assert tx.token("AB-12") is None
    assert not tx.delete_token("AB-12")
    assert tx.token("de8aac1") is not None
    assert tx.delete_token("DE8AAC1")
    assert tx.token("DE-8AA-C1") is None


def test_tokens_are_found_by_their_holder_and_by_what_stations_may_do(tx: UnitOfWork) -> None:
    for name, holder, whitelist in (
        ("anna", TokenHolder.STAFF, Whitelist.NEVER),
        ("bert", TokenHolder.RESIDENT, Whitelist.ALWAYS),
        ("cleo", TokenHolder.GUEST, Whitelist.ALLOWED),
        ("dora", TokenHolder.STAFF, Whitelist.ALWAYS),
    ):
        kind = IdTokenType.ISO14443
        tx.put_token(TokenRecord(name, kind, holder=holder, whitelist=whitelist))
    for name, fields in (("old", {"expires_at": NOON}), ("lost", {"blocked": True})):
        tx.put_token(TokenRecord(name, IdTokenType.ISO14443, **fields))
    assert [t.id_token for t in tx.tokens_of(TokenHolder.STAFF, 9)] == ["anna", "dora"]
    assert [t.id_token for t in tx.whitelisted_tokens(NOON, 9)] == ["bert", "dora"]
    assert [t.id_token for t in tx.whitelisted_tokens(NOON, 1)] == ["bert"]


def test_cards_are_told_by_when_they_last_charged(tx: UnitOfWork) -> None:
    for number, (card, station_id, second) in enumerate(
        (("Ann", "CP-01", 0), ("bob", "CP-02", 10), ("ANN", "CP-01", 20), ("cleo", "CP-01", -50))
    ):
        tx.add_transaction(
            a_transaction(
                f"T{number}",
                station_id=station_id,
                id_token=IdToken(card),
                started_at=NOON + timedelta(seconds=second),
                state=TransactionState.ENDED,
            )
        )
    for card in ("Ann", "Bob", "Cleo"):
        tx.put_token(TokenRecord(card, IdTokenType.ISO14443, blocked=card != "Ann"))
    assert tx.recent_cards("CP-01", NOON - timedelta(minutes=1), 9) == ["ann", "cleo"]
    assert tx.recent_cards("CP-01", NOON - timedelta(minutes=1), 1) == ["ann"]
    assert [card.id_token for card in tx.blocked_and_seen(NOON, 9)] == ["Bob"]
    assert [card.id_token for card in tx.blocked_and_seen(at_ms(-60_000), 9)] == ["Bob", "Cleo"]


def test_the_tariff_in_force_is_the_last_that_became_valid(tx: UnitOfWork) -> None:
    tx.add_tariff(a_tariff(1))
    tx.add_tariff(a_tariff(2, valid_from=at_ms(100)))
    assert tx.tariff_at(at_ms(-1)) is None
    assert tx.tariff_at(at_ms(0)) == a_tariff(1)
    assert tx.tariff_at(at_ms(100)) == a_tariff(2, valid_from=at_ms(100))
    with pytest.raises(Conflict):
        tx.add_tariff(a_tariff(2, name="edited"))


def test_a_station_is_found_in_any_spelling(tx: UnitOfWork) -> None:
    boot = StationBooted("CP-01", "Maker", "Box", None, "1.2", "PowerUp", at_ms(0))
    record = StationRecord("CP-01", boot, "hash", False, {"1/1": "Available"}, ("old",))
    tx.put_station(StationRecord("cp-01"))
    tx.put_station(record)
    assert tx.station(" cp-01") == record
    assert tx.stations() == [record]
    assert tx.station("CP-02") is None


def test_an_alarm_is_raised_once_while_it_is_active(tx: UnitOfWork) -> None:
    alarm = Alarm("a/b", "meter-stale", "b", NOON, {"meter": "b"})
    tx.put_alarm(alarm)
    tx.put_alarm(replace(alarm, count=2))
    with pytest.raises(Conflict):
        tx.put_alarm(replace(alarm, raised_at=NOON + timedelta(1)))
    cleared = replace(alarm, count=2, cleared_at=NOON)
    tx.put_alarm(cleared)
    assert tx.open_alarms() == [cleared], "nobody has seen it"
    again = replace(alarm, raised_at=NOON + timedelta(1))
    tx.put_alarm(again)
    seen = replace(cleared, acknowledged_at=NOON, acknowledged_by="anna")
    tx.put_alarm(seen)
    assert tx.open_alarms() == [again]
    assert tx.alarm_page(10, None).items == (again, seen)


# numbers, receipts, small state


def test_station_transaction_ids_wrap_and_are_never_0(
    tx: UnitOfWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_rows, "STATION_TRANSACTION_ID_MAX", 3)
    assert [tx.next_station_transaction_id() for _ in range(5)] == [1, 2, 3, 1, 2]


def test_a_restore_near_the_end_wraps_too(tx: UnitOfWork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_rows, "STATION_TRANSACTION_ID_MAX", 100_001)
    for _ in range(2):
        tx.next_station_transaction_id()
    tx.skip_station_ids()
    assert tx.next_station_transaction_id() == 2


def test_receipt_numbers_have_no_gap_when_a_sale_fails(tx: UnitOfWork) -> None:
    assert tx.next_receipt_number("K1", 2026) == 1
    tx.connection.execute("SAVEPOINT sale")
    assert tx.next_receipt_number("K1", 2026) == 2
    tx.connection.execute("ROLLBACK TO sale")
    assert tx.next_receipt_number("K1", 2026) == 2
    assert tx.next_receipt_number("K2", 2026) == 1
    assert tx.next_receipt_number("K1", 2027) == 1


def test_a_receipt_is_issued_once(tx: UnitOfWork) -> None:
    receipt = Receipt("S-K1-1", "T1", NOON, {"total": Decimal("5.00")})
    tx.add_receipt(receipt)
    assert tx.receipt("T1") == replace(receipt, body={"total": "5.00"})
    assert tx.receipt("T2") is None
    with pytest.raises(Conflict):
        tx.add_receipt(replace(receipt, transaction_key="T2"))


def test_small_state_is_kept(tx: UnitOfWork) -> None:
    assert tx.setting("x") is None
    tx.put_setting("x", {"a": [1, None]})
    tx.put_setting("x", {"a": [2, None]})
    assert tx.setting("x") == {"a": [2, None]}


def test_an_outcome_is_remembered_for_a_day(tx: UnitOfWork) -> None:
    tx.remember("k", {"state": "accepted"}, NOON)
    assert tx.remembered("k") == {"state": "accepted"}
    tx.remember("k2", 1, NOON + timedelta(hours=25))
    assert tx.remembered("k") is None


def test_the_outbox_is_a_chain(tx: UnitOfWork) -> None:
    tx.add_transaction(a_transaction())
    for n in range(3):
        tell(tx, str(n))
    tx.add_outbox("transaction", "T1", 1, "TransactionStarted", a_transaction(), NOON)
    statement = ledger_rows.Statement(
        ledger_rows.select(ledger_rows.outbox).order_by(ledger_rows.outbox.c.seq)
    )
    rows = statement.all(tx.connection)
    assert [row["seq"] for row in rows] == [1, 2, 3, 4]
    assert rows[0]["hash_prev"] == ledger_rows.NO_HASH
    for row, following in itertools.pairwise(rows):
        assert following["hash_prev"] == row["hash"]
    assert all(ledger_rows.chained_hash(row["hash_prev"], row) == row["hash"] for row in rows)
    forged = {**rows[1], "payload": "{}"}
    assert ledger_rows.chained_hash(forged["hash_prev"], forged) != rows[1]["hash"]


def test_an_epoch_begins_after_the_last_seq(tx: UnitOfWork) -> None:
    backup.begin_epoch(tx)
    first = tx.fact("epoch")
    tell(tx, "x")
    backup.begin_epoch(tx)
    assert tx.fact("epoch") != first
    assert tx.fact("epoch_first_seq") == 2


def test_a_value_of_the_wrong_kind_is_refused_by_the_file(tx: UnitOfWork) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="cannot store TEXT"):
        tx.connection.execute("INSERT INTO counter VALUES ('x', 'one')")
