CREATE TABLE meta (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (name)
) WITHOUT ROWID, STRICT;

CREATE TABLE counter (
    name TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (name)
) WITHOUT ROWID, STRICT;

CREATE TABLE setting (
    name TEXT NOT NULL,
    value TEXT,
    PRIMARY KEY (name)
) WITHOUT ROWID, STRICT;

CREATE TABLE charging_transaction (
    row_id INTEGER NOT NULL,
    "key" TEXT NOT NULL,
    station_id TEXT NOT NULL,
    evse_id INTEGER NOT NULL,
    connector_id INTEGER NOT NULL,
    station_transaction_id TEXT NOT NULL,
    state TEXT NOT NULL,
    authorization_status TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    start_received_at INTEGER NOT NULL,
    id_token TEXT,
    id_token_type TEXT,
    id_token_folded TEXT,
    parent_id_token TEXT,
    ended_at INTEGER,
    end_received_at INTEGER,
    meter_start_wh INTEGER,
    meter_stop_wh INTEGER,
    meter_last_wh INTEGER,
    meter_last_at INTEGER,
    energy_corrected_wh INTEGER,
    stop_reason TEXT,
    charging_state TEXT,
    remote_start_id INTEGER,
    seq_no_max INTEGER,
    seq_no_missing TEXT NOT NULL,
    tariff TEXT,
    price TEXT,
    total_minor INTEGER,
    currency TEXT,
    flags TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (row_id),
    UNIQUE ("key")
) STRICT;
CREATE INDEX transaction_open ON charging_transaction (started_at, "key") WHERE state = 'active';
CREATE UNIQUE INDEX transaction_open_once
    ON charging_transaction (station_id, station_transaction_id, started_at)
    WHERE state = 'active';
CREATE INDEX transaction_open_token
    ON charging_transaction (id_token_folded)
    WHERE state = 'active';
CREATE INDEX transaction_started ON charging_transaction (started_at, "key");
CREATE INDEX transaction_station_started ON charging_transaction (station_id, started_at);
CREATE INDEX transaction_station_transaction
    ON charging_transaction (station_id, station_transaction_id);

CREATE TABLE report (
    row_id INTEGER NOT NULL,
    identity BLOB NOT NULL,
    station_id TEXT NOT NULL,
    transaction_key TEXT,
    received_at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (row_id),
    UNIQUE (identity)
) STRICT;
CREATE INDEX report_orphan ON report (station_id, received_at) WHERE transaction_key IS NULL;
CREATE INDEX report_transaction ON report (transaction_key);

CREATE TABLE reading_series (
    transaction_row_id INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    energy_import_mwh INTEGER NOT NULL,
    PRIMARY KEY (transaction_row_id)
) STRICT;

CREATE TABLE reading (
    id INTEGER NOT NULL,
    after_us INTEGER NOT NULL,
    current_l1_a INTEGER,
    current_l2_a INTEGER,
    current_l3_a INTEGER,
    voltage_l1_v INTEGER,
    voltage_l2_v INTEGER,
    voltage_l3_v INTEGER,
    power_l1_w INTEGER,
    power_l2_w INTEGER,
    power_l3_w INTEGER,
    power_w INTEGER,
    energy_import_after_mwh INTEGER,
    context INTEGER NOT NULL,
    rest TEXT,
    PRIMARY KEY (id)
) STRICT;

CREATE TABLE token (
    row_id INTEGER NOT NULL,
    id_token_folded TEXT NOT NULL,
    id_token TEXT NOT NULL,
    type TEXT NOT NULL,
    label TEXT NOT NULL,
    parent_id_token TEXT,
    blocked INTEGER NOT NULL,
    expires_at INTEGER,
    transactions_max INTEGER,
    PRIMARY KEY (row_id),
    UNIQUE (id_token_folded)
) STRICT;

CREATE TABLE tariff (
    tariff_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    valid_from INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tariff_id, version)
) STRICT;
CREATE INDEX tariff_valid_from ON tariff (valid_from);

CREATE TABLE station (
    station_id_folded TEXT NOT NULL,
    station_id TEXT NOT NULL,
    boot TEXT,
    password_hash TEXT,
    accepted INTEGER NOT NULL,
    connector_status TEXT,
    warnings TEXT NOT NULL,
    PRIMARY KEY (station_id_folded)
) STRICT;

CREATE TABLE alarm (
    "key" TEXT NOT NULL,
    raised_at INTEGER NOT NULL,
    code TEXT NOT NULL,
    subject TEXT NOT NULL,
    parameters TEXT NOT NULL,
    count INTEGER NOT NULL,
    cleared_at INTEGER,
    acknowledged_at INTEGER,
    acknowledged_by TEXT,
    PRIMARY KEY ("key", raised_at)
) STRICT;
CREATE UNIQUE INDEX alarm_active_once ON alarm ("key") WHERE cleared_at IS NULL;
CREATE INDEX alarm_open ON alarm (raised_at) WHERE cleared_at IS NULL OR acknowledged_at IS NULL;
CREATE INDEX alarm_raised ON alarm (raised_at, "key");

CREATE TABLE receipt (
    number TEXT NOT NULL,
    transaction_key TEXT NOT NULL,
    issued_at INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (number)
) STRICT;
CREATE INDEX receipt_transaction ON receipt (transaction_key);

CREATE TABLE idempotency (
    "key" TEXT NOT NULL,
    outcome TEXT,
    at INTEGER NOT NULL,
    PRIMARY KEY ("key")
) STRICT;
CREATE INDEX idempotency_at ON idempotency (at);

CREATE TABLE outbox (
    seq INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    aggregate_type TEXT NOT NULL,
    aggregate_id TEXT NOT NULL,
    aggregate_version INTEGER NOT NULL,
    kind TEXT NOT NULL,
    schema_version INTEGER NOT NULL,
    payload TEXT NOT NULL,
    occurred_at INTEGER NOT NULL,
    clock_quality TEXT NOT NULL,
    hash_prev BLOB NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (seq),
    UNIQUE (event_id)
) STRICT;
