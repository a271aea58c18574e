CREATE TABLE power_series (
    row_id INTEGER NOT NULL,
    circuit_id TEXT NOT NULL,
    PRIMARY KEY (row_id),
    UNIQUE (circuit_id)
) STRICT;
CREATE TABLE quarter_hour (
    id INTEGER NOT NULL,
    mean_l1_w INTEGER,
    mean_l2_w INTEGER,
    mean_l3_w INTEGER,
    max_l1_w INTEGER,
    max_l2_w INTEGER,
    max_l3_w INTEGER,
    evses_l1_w INTEGER,
    evses_l2_w INTEGER,
    evses_l3_w INTEGER,
    PRIMARY KEY (id)
) STRICT;
