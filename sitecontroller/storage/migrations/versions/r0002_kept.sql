CREATE TABLE kept (
    row_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    "key" TEXT NOT NULL,
    station_id TEXT,
    at INTEGER NOT NULL,
    open INTEGER NOT NULL,
    body TEXT,
    PRIMARY KEY (row_id)
) STRICT;
CREATE INDEX kept_at ON kept (kind, at, "key");
CREATE INDEX kept_of_station ON kept (kind, station_id, at, "key");
CREATE UNIQUE INDEX kept_once ON kept (kind, "key");
CREATE INDEX kept_open ON kept (kind) WHERE open = 1;
