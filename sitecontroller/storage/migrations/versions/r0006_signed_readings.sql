CREATE TABLE signed_reading (
    row_id INTEGER NOT NULL,
    identity BLOB NOT NULL,
    transaction_key TEXT NOT NULL,
    at INTEGER NOT NULL,
    context TEXT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (row_id),
    UNIQUE (identity)
) STRICT;
CREATE INDEX signed_reading_transaction ON signed_reading (transaction_key, row_id);
