ALTER TABLE receipt RENAME TO receipt_before;
CREATE TABLE receipt (
    number TEXT NOT NULL,
    transaction_key TEXT NOT NULL,
    issued_at INTEGER NOT NULL,
    body TEXT NOT NULL,
    cancels TEXT,
    shift_key TEXT,
    PRIMARY KEY (number)
) STRICT;
INSERT INTO receipt SELECT *, NULL, NULL FROM receipt_before;
DROP TABLE receipt_before;
CREATE INDEX receipt_transaction ON receipt (transaction_key);
CREATE INDEX receipt_shift ON receipt (shift_key, number);
CREATE TABLE payment (
    "key" TEXT NOT NULL,
    transaction_key TEXT NOT NULL,
    provider TEXT NOT NULL,
    till TEXT NOT NULL,
    mode TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    currency TEXT NOT NULL,
    authorized_minor INTEGER NOT NULL,
    captured_minor INTEGER NOT NULL,
    refunded_minor INTEGER NOT NULL,
    draft TEXT,
    version INTEGER NOT NULL,
    PRIMARY KEY ("key")
) STRICT;
CREATE INDEX payment_transaction ON payment (transaction_key, created_at, "key");
CREATE INDEX payment_created ON payment (created_at, "key");
CREATE TABLE payment_operation (
    row_id INTEGER NOT NULL,
    "key" TEXT NOT NULL,
    payment_key TEXT NOT NULL,
    shift_key TEXT,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (row_id),
    UNIQUE ("key")
) STRICT;
CREATE INDEX payment_operation_payment ON payment_operation (payment_key, row_id);
CREATE INDEX payment_operation_shift ON payment_operation (shift_key);
CREATE UNIQUE INDEX payment_operation_open_once ON payment_operation (payment_key) WHERE state IN ('pending', 'unknown');
CREATE TABLE drawer_entry (
    row_id INTEGER NOT NULL,
    "key" TEXT NOT NULL,
    shift_key TEXT NOT NULL,
    kind TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    at INTEGER NOT NULL,
    "by" TEXT NOT NULL,
    payment_key TEXT,
    why TEXT,
    approved_by TEXT,
    PRIMARY KEY (row_id),
    UNIQUE ("key")
) STRICT;
CREATE INDEX drawer_entry_shift ON drawer_entry (shift_key, row_id);
CREATE TABLE shift (
    "key" TEXT NOT NULL,
    till TEXT NOT NULL,
    opened_with_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    opened_by TEXT NOT NULL,
    closed_at INTEGER,
    report TEXT,
    PRIMARY KEY ("key")
) STRICT;
CREATE UNIQUE INDEX shift_open_once ON shift (till) WHERE closed_at IS NULL;
CREATE INDEX shift_opened ON shift (opened_at, "key");
