"""Every table of the site's database, as SQLAlchemy Core.

A change here needs a new revision in `migrations/versions`; a test compares both. Rows with a
natural order of arrival have an integer `row_id`. What is queried is a column; the rest is JSON.
"""

from typing import Any

from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, Table, Text, text

from sitecontroller.domain.authorization import (
    AuthorizationStatus,
    IdTokenType,
    TokenHolder,
    Whitelist,
)
from sitecontroller.domain.metering import ReadingContext, TimeQuality
from sitecontroller.domain.payment import (
    OperationKind,
    OperationState,
    PaymentMode,
    PaymentOperation,
    PaymentState,
)
from sitecontroller.domain.rating import Price
from sitecontroller.domain.station import ChargingState, StationBooted
from sitecontroller.domain.tariff import Tariff
from sitecontroller.domain.till import EntryKind, ShiftReport
from sitecontroller.domain.topology import ServiceClass
from sitecontroller.domain.transaction import TransactionFlag, TransactionState
from sitecontroller.storage.types import Code, Energy, Flag, Instant, Json, Scaled, Word

metadata = MetaData()

ACTIVE = text("state = 'active'")
"""Written out, not bound: else SQLite can't use the indexes of open transactions."""
ORPHAN = text("transaction_key IS NULL")
OPEN = text("open = 1")
OPEN_OPERATION = text("state IN ('pending', 'unknown')")
OPEN_SHIFT = text("closed_at IS NULL")
OPEN_ALARM = text("cleared_at IS NULL OR acknowledged_at IS NULL")


def _table(name: str, *parts: Any, **options: Any) -> Table:
    return Table(name, metadata, *parts, sqlite_strict=True, **options)


meta = _table(
    "meta",
    Column("name", Text, primary_key=True),
    Column("value", Json, nullable=False),
    sqlite_with_rowid=False,
)
"""Facts about this file: outbox epoch, clean stop, …"""

counter = _table(
    "counter",
    Column("name", Text, primary_key=True),
    Column("value", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""The last number given of each gap-free or unique sequence."""

setting = _table(
    "setting",
    Column("name", Text, primary_key=True),
    Column("value", Json),
    sqlite_with_rowid=False,
)

transaction = _table(
    "charging_transaction",
    Column("row_id", Integer, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("station_id", Text, nullable=False),
    Column("evse_id", Integer, nullable=False),
    Column("connector_id", Integer, nullable=False),
    Column("station_transaction_id", Text, nullable=False),
    Column("state", Word(TransactionState), nullable=False),
    Column("authorization_status", Word(AuthorizationStatus), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("start_received_at", Instant, nullable=False),
    Column("id_token", Text),
    Column("id_token_type", Word(IdTokenType)),
    Column("id_token_folded", Text),
    Column("parent_id_token", Text),
    Column("ended_at", Instant),
    Column("end_received_at", Instant),
    Column("meter_start_wh", Energy),
    Column("meter_stop_wh", Energy),
    Column("meter_last_wh", Energy),
    Column("meter_last_at", Instant),
    Column("energy_corrected_wh", Energy),
    Column("stop_reason", Text),
    Column("charging_state", Word(ChargingState)),
    Column("remote_start_id", Integer),
    Column("seq_no_max", Integer),
    Column("seq_no_missing", Json(tuple[int, ...]), nullable=False),
    Column("tariff", Json(Tariff)),
    Column("price", Json(Price)),
    Column("total_minor", Integer),
    Column("currency", Text),
    Column("flags", Json(frozenset[TransactionFlag]), nullable=False),
    Column("version", Integer, nullable=False),
)
"""`total_minor` and `currency` repeat the price's total, for sums in SQL."""

Index(
    "transaction_open_once",
    transaction.c.station_id,
    transaction.c.station_transaction_id,
    transaction.c.started_at,
    unique=True,
    sqlite_where=ACTIVE,
)
Index(
    "transaction_open_token",
    transaction.c.id_token_folded,
    sqlite_where=ACTIVE,
)
Index(
    "transaction_station_transaction",
    transaction.c.station_id,
    transaction.c.station_transaction_id,
)
Index("transaction_station_started", transaction.c.station_id, transaction.c.started_at)
Index("transaction_started", transaction.c.started_at, transaction.c.key)
Index("transaction_open", transaction.c.started_at, transaction.c.key, sqlite_where=ACTIVE)

report = _table(
    "report",
    Column("row_id", Integer, primary_key=True),
    Column("identity", LargeBinary, nullable=False, unique=True),
    Column("station_id", Text, nullable=False),
    Column("transaction_key", Text),
    Column("received_at", Instant, nullable=False),
    Column("kind", Text, nullable=False),
    Column("body", Json, nullable=False),
)
"""What stations said about transactions; `kind` is the domain class, `identity` its fingerprint."""

Index("report_transaction", report.c.transaction_key)
Index(
    "report_orphan",
    report.c.station_id,
    report.c.received_at,
    sqlite_where=ORPHAN,
)

reading_series = _table(
    "reading_series",
    Column("transaction_row_id", Integer, primary_key=True),
    Column("at_us", Integer, nullable=False),
    Column("energy_import_mwh", Integer, nullable=False),
)
"""The first sample of a transaction: what its readings are counted from."""

reading = _table(
    "reading",
    Column("id", Integer, primary_key=True),
    Column("after_us", Integer, nullable=False),
    Column("current_l1_a", Scaled(1000)),
    Column("current_l2_a", Scaled(1000)),
    Column("current_l3_a", Scaled(1000)),
    Column("voltage_l1_v", Scaled(10)),
    Column("voltage_l2_v", Scaled(10)),
    Column("voltage_l3_v", Scaled(10)),
    Column("power_l1_w", Scaled(1)),
    Column("power_l2_w", Scaled(1)),
    Column("power_l3_w", Scaled(1)),
    Column("power_w", Scaled(1)),
    Column("energy_import_after_mwh", Integer),
    Column(
        "context",
        Code(
            ReadingContext.PERIODIC,
            ReadingContext.CLOCK,
            ReadingContext.BEGIN,
            ReadingContext.END,
            ReadingContext.TRIGGER,
            ReadingContext.INTERRUPTION_BEGIN,
            ReadingContext.INTERRUPTION_END,
            ReadingContext.OTHER,
        ),
        nullable=False,
    ),
    Column("rest", Json),
)
"""One wide row a sample: 58 bytes with the 11 usual values, measured on 12 stations at once.

`id` is the transaction's `row_id` × 2²⁰ + a number from 1: the key keeps the samples of a
transaction side by side and costs neither a column nor an index. Time and register count from
`reading_series`. `rest` has by name what few stations send, signed meter values among it.
"""

signed_reading = _table(
    "signed_reading",
    Column("row_id", Integer, primary_key=True),
    Column("identity", LargeBinary, nullable=False, unique=True),
    Column("transaction_key", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("context", Word(ReadingContext), nullable=False),
    Column("data", Text, nullable=False),
)
"""What meters signed, as stations sent it; `identity` is the fingerprint of key and text."""
Index("signed_reading_transaction", signed_reading.c.transaction_key, signed_reading.c.row_id)

power_series = _table(
    "power_series",
    Column("row_id", Integer, primary_key=True),
    Column("circuit_id", Text, nullable=False, unique=True),
)
quarter_hour = _table(
    "quarter_hour",
    Column("id", Integer, primary_key=True),
    Column("mean_l1_w", Scaled(1)),
    Column("mean_l2_w", Scaled(1)),
    Column("mean_l3_w", Scaled(1)),
    Column("max_l1_w", Scaled(1)),
    Column("max_l2_w", Scaled(1)),
    Column("max_l3_w", Scaled(1)),
    Column("evses_l1_w", Scaled(1)),
    Column("evses_l2_w", Scaled(1)),
    Column("evses_l3_w", Scaled(1)),
)
"""What a metered circuit carried, and the part of it that EVSEs took; a row has 45 bytes at most
below 8 MW.

`id` is the series' `row_id` × 2²⁴ + the number of the quarter hour since 1970: the key keeps a
series together, in order of time.
"""

token = _table(
    "token",
    Column("row_id", Integer, primary_key=True),
    Column("id_token_folded", Text, nullable=False, unique=True),
    Column("id_token", Text, nullable=False),
    Column("type", Word(IdTokenType), nullable=False),
    Column("label", Text, nullable=False),
    Column("parent_id_token", Text),
    Column("blocked", Flag, nullable=False),
    Column("expires_at", Instant),
    Column("transactions_max", Integer),
    Column("holder", Word(TokenHolder), nullable=False),
    Column("whitelist", Word(Whitelist), nullable=False),
    Column("service_class", Word(ServiceClass)),
)
Index("token_holder", token.c.holder, token.c.row_id)
Index("token_whitelist", token.c.whitelist, token.c.row_id)

limit_change = _table(
    "limit_change",
    Column("row_id", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("station_id", Text, nullable=False),
    Column("evse_id", Integer, nullable=False),
    Column("current_a", Scaled(100), nullable=False),
    Column("bound_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
)
"""What load management allowed an EVSE from an instant on, and why; until its next row."""
Index("limit_change_at", limit_change.c.at)
Index("limit_change_of_evse", limit_change.c.station_id, limit_change.c.evse_id, limit_change.c.at)

tariff = _table(
    "tariff",
    Column("tariff_id", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("valid_from", Instant, nullable=False),
    Column("body", Json(Tariff), nullable=False),
)
Index("tariff_valid_from", tariff.c.valid_from)

station = _table(
    "station",
    Column("station_id_folded", Text, primary_key=True),
    Column("station_id", Text, nullable=False),
    Column("boot", Json(StationBooted)),
    Column("password_hash", Text),
    Column("accepted", Flag, nullable=False),
    Column("connector_status", Json(dict[str, str])),
    Column("warnings", Json(tuple[str, ...]), nullable=False),
)

alarm = _table(
    "alarm",
    Column("key", Text, primary_key=True),
    Column("raised_at", Instant, primary_key=True),
    Column("code", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("parameters", Json(dict[str, str]), nullable=False),
    Column("count", Integer, nullable=False),
    Column("cleared_at", Instant),
    Column("acknowledged_at", Instant),
    Column("acknowledged_by", Text),
)
Index("alarm_raised", alarm.c.raised_at, alarm.c.key)
Index(
    "alarm_active_once",
    alarm.c.key,
    unique=True,
    sqlite_where=text("cleared_at IS NULL"),
)
Index(
    "alarm_open",
    alarm.c.raised_at,
    sqlite_where=OPEN_ALARM,
)

kept = _table(
    "kept",
    Column("row_id", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("station_id", Text),
    Column("at", Instant, nullable=False),
    Column("open", Flag, nullable=False),
    Column("body", Json),
)
"""What stations are looked after with, each kind by its service: jobs, lists, reservations,
snapshots, events, certificates. `open`: something is still to be done about it."""
Index("kept_once", kept.c.kind, kept.c.key, unique=True)
Index("kept_at", kept.c.kind, kept.c.at, kept.c.key)
Index("kept_of_station", kept.c.kind, kept.c.station_id, kept.c.at, kept.c.key)
Index("kept_open", kept.c.kind, sqlite_where=OPEN)

receipt = _table(
    "receipt",
    Column("number", Text, primary_key=True),
    Column("transaction_key", Text, nullable=False),
    Column("issued_at", Instant, nullable=False),
    Column("body", Json, nullable=False),
    Column("cancels", Text),
    Column("shift_key", Text),
)
"""`cancels`: the number of the receipt that a counter-receipt takes back, or a part of it."""
Index("receipt_transaction", receipt.c.transaction_key)
Index("receipt_shift", receipt.c.shift_key, receipt.c.number)

payment = _table(
    "payment",
    Column("key", Text, primary_key=True),
    Column("transaction_key", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("till", Text, nullable=False),
    Column("mode", Word(PaymentMode), nullable=False),
    Column("state", Word(PaymentState), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("currency", Text, nullable=False),
    Column("authorized_minor", Integer, nullable=False),
    Column("captured_minor", Integer, nullable=False),
    Column("refunded_minor", Integer, nullable=False),
    Column("draft", Json),
    Column("version", Integer, nullable=False),
)
"""`draft`: the receipt to be issued when its money is captured, without a number."""
Index("payment_transaction", payment.c.transaction_key, payment.c.created_at, payment.c.key)
Index("payment_created", payment.c.created_at, payment.c.key)

payment_operation = _table(
    "payment_operation",
    Column("row_id", Integer, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("payment_key", Text, nullable=False),
    Column("shift_key", Text),
    Column("kind", Word(OperationKind), nullable=False),
    Column("state", Word(OperationState), nullable=False),
    Column("amount_minor", Integer, nullable=False),
    Column("body", Json(PaymentOperation), nullable=False),
)
"""What providers were asked for; `amount_minor` what was approved, 0 while nothing is."""
Index("payment_operation_payment", payment_operation.c.payment_key, payment_operation.c.row_id)
Index("payment_operation_shift", payment_operation.c.shift_key)
Index(
    "payment_operation_open_once",
    payment_operation.c.payment_key,
    unique=True,
    sqlite_where=OPEN_OPERATION,
)

drawer_entry = _table(
    "drawer_entry",
    Column("row_id", Integer, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("shift_key", Text, nullable=False),
    Column("kind", Word(EntryKind), nullable=False),
    Column("amount_minor", Integer, nullable=False),
    Column("currency", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("by", Text, nullable=False),
    Column("payment_key", Text),
    Column("why", Text),
    Column("approved_by", Text),
)
Index("drawer_entry_shift", drawer_entry.c.shift_key, drawer_entry.c.row_id)

shift = _table(
    "shift",
    Column("key", Text, primary_key=True),
    Column("till", Text, nullable=False),
    Column("opened_with_minor", Integer, nullable=False),
    Column("currency", Text, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("opened_by", Text, nullable=False),
    Column("closed_at", Instant),
    Column("report", Json(ShiftReport)),
)
Index("shift_open_once", shift.c.till, unique=True, sqlite_where=OPEN_SHIFT)
Index("shift_opened", shift.c.opened_at, shift.c.key)

idempotency = _table(
    "idempotency",
    Column("key", Text, primary_key=True),
    Column("outcome", Json),
    Column("at", Instant, nullable=False),
)
Index("idempotency_at", idempotency.c.at)

outbox = _table(
    "outbox",
    Column("seq", Integer, primary_key=True),
    Column("event_id", Text, nullable=False, unique=True),
    Column("aggregate_type", Text, nullable=False),
    Column("aggregate_id", Text, nullable=False),
    Column("aggregate_version", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("schema_version", Integer, nullable=False),
    Column("payload", Text, nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("clock_quality", Word(TimeQuality), nullable=False),
    Column("hash_prev", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)
"""Facts for HQ. `payload` is canonical JSON, kept as the very text that `hash` covers."""
