ALTER TABLE token RENAME TO token_before;
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
    holder TEXT NOT NULL,
    whitelist TEXT NOT NULL,
    service_class TEXT,
    PRIMARY KEY (row_id),
    UNIQUE (id_token_folded)
) STRICT;
INSERT INTO token SELECT *, NULL FROM token_before;
DROP TABLE token_before;
CREATE INDEX token_holder ON token (holder, row_id);
CREATE INDEX token_whitelist ON token (whitelist, row_id);
CREATE TABLE limit_change (
    row_id INTEGER NOT NULL,
    at INTEGER NOT NULL,
    station_id TEXT NOT NULL,
    evse_id INTEGER NOT NULL,
    current_a INTEGER NOT NULL,
    bound_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (row_id)
) STRICT;
CREATE INDEX limit_change_at ON limit_change (at);
CREATE INDEX limit_change_of_evse ON limit_change (station_id, evse_id, at);
