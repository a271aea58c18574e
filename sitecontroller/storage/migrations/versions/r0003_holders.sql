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
    PRIMARY KEY (row_id),
    UNIQUE (id_token_folded)
) STRICT;
INSERT INTO token SELECT *, 'guest', 'always' FROM token_before;
DROP TABLE token_before;
CREATE INDEX token_holder ON token (holder, row_id);
CREATE INDEX token_whitelist ON token (whitelist, row_id);
