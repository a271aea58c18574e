"""Quarter hours of metered circuits: three means, three maxima and the EVSEs' part in a row."""

import sqlite3
from collections.abc import Sequence

from sqlalchemy import delete, func, select

from sitecontroller.domain.metering import QuarterHour
from sitecontroller.domain.topology import PHASES
from sitecontroller.storage.schema import power_series, quarter_hour
from sitecontroller.storage.statements import (
    Row,
    Statement,
    insert_or_ignore,
    parameter,
    upsert_row,
)

NUMBER_BITS = 24
NUMBER_MAX = (1 << NUMBER_BITS) - 1
"""A quarter hour of the year 2448."""

_MEANS = (quarter_hour.c.mean_l1_w, quarter_hour.c.mean_l2_w, quarter_hour.c.mean_l3_w)
_EVSES = (quarter_hour.c.evses_l1_w, quarter_hour.c.evses_l2_w, quarter_hour.c.evses_l3_w)
_IN_SERIES = quarter_hour.c.id.between(parameter("first"), parameter("last"))
_TOTAL_W = _MEANS[0] + _MEANS[1] + _MEANS[2]
_BASE_W = _TOTAL_W - _EVSES[0] - _EVSES[1] - _EVSES[2]

_ADD_SERIES = insert_or_ignore(power_series, without=("row_id",))
_SERIES = Statement(
    select(power_series.c.row_id).where(
        power_series.c.circuit_id == parameter("circuit_id", power_series.c.circuit_id)
    )
)
_PUT = upsert_row(quarter_hour, "id")
_FORGET = Statement(delete(quarter_hour).where(_IN_SERIES))
_BASE = Statement(
    select(quarter_hour.c.id, _BASE_W.label("base"))
    .where(_IN_SERIES, _BASE_W.is_not(None))
    .order_by(quarter_hour.c.id)
)
_PEAK = Statement(select(func.max(_TOTAL_W).label("peak")).where(_IN_SERIES))


class QuarterRows:
    """The part of a unit of work that keeps what circuits carried."""

    connection: sqlite3.Connection

    def put_quarter(self, circuit_id: str, row: QuarterHour, keep_quarters: int) -> None:
        """Add it, or replace that quarter hour's; forget those older by more than so many."""
        assert 0 < row.number <= NUMBER_MAX, f"{row.number} is no quarter hour of our time"
        _ADD_SERIES.run(self.connection, {"circuit_id": circuit_id})
        values = _span(self._row_id(circuit_id), 0, row.number - keep_quarters)
        _FORGET.run(self.connection, values)
        _PUT.run(self.connection, _row(values["first"] + row.number, row))

    def base_quarters(self, circuit_id: str, since: int) -> Sequence[tuple[int, int]]:
        """(number of the quarter hour, W of all that isn't EVSEs), where it is known on all
        phases, oldest first."""
        rows = self.connection.execute(_BASE.sql, _span(self._row_id(circuit_id), since))
        return [(row_id & NUMBER_MAX, base_w) for row_id, base_w in rows]

    def peak_w(self, circuit_id: str, since: int) -> int | None:
        """The greatest average of a quarter hour from that one on, all phases together."""
        row = _PEAK.one(self.connection, _span(self._row_id(circuit_id), since))
        return None if row is None else row["peak"]

    def _row_id(self, circuit_id: str) -> int:
        """0 is the number of none."""
        row = _SERIES.one(self.connection, {"circuit_id": circuit_id})
        return 0 if row is None else row["row_id"]


def _span(series: int, first: int, last: int = NUMBER_MAX) -> dict[str, int]:
    start = series << NUMBER_BITS
    return {"first": start + max(0, first), "last": start + last}


def _row(row_id: int, row: QuarterHour) -> Row:
    values: Row = {"id": row_id}
    for phase in PHASES:
        values[f"mean_l{phase + 1}_w"] = row.mean_w[phase]
        values[f"max_l{phase + 1}_w"] = row.max_w[phase]
        values[f"evses_l{phase + 1}_w"] = row.evses_w[phase]
    return values
