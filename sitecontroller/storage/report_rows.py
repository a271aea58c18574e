"""What stations said, and what they measured: reports verbatim in meaning, readings compact.

A report that comes twice is kept once. A reading is a row of scaled integers, counted from the
first one of its transaction.
"""

import dataclasses
import hashlib
import logging
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import func, insert, literal_column, select, update

from sitecontroller.domain.errors import NotFound
from sitecontroller.domain.metering import MeterReading, TimeQuality
from sitecontroller.domain.topology import PerPhase
from sitecontroller.domain.transaction import (
    TransactionEnded,
    TransactionReport,
    TransactionStarted,
    TransactionUpdated,
)
from sitecontroller.ports import KeptReport
from sitecontroller.storage.schema import ORPHAN, reading, reading_series, report, transaction
from sitecontroller.storage.signed_rows import SignedRows
from sitecontroller.storage.statements import (
    Row,
    Statement,
    insert_or_ignore,
    insert_row,
    parameter,
)
from sitecontroller.storage.types import from_micros, json_text, scaled, to_micros
from sitecontroller.wire import from_json, to_json

READINGS_BITS = 20
READINGS_MAX = (1 << READINGS_BITS) - 1
"""Readings kept of one transaction: 121 days at one every 10 s; later ones are dropped."""

ORPHANS_MAX = 200
"""Of a station's reports without a transaction, looked through for one: who goes on sending such
must not slow the others down. All of them are kept."""

_KINDS: dict[str, type[TransactionReport]] = {
    cls.__name__: cls for cls in (TransactionStarted, TransactionUpdated, TransactionEnded)
}
_PHASES = ("l1", "l2", "l3")
_REST = (
    "energy_export_wh",
    "frequency_hz",
    "current_offered_a",
    "soc_percent",
    "signed_data",
)


def _appended_reading() -> Statement:
    """A reading behind the last one of a series that was begun and has room, in one statement: each
    more costs the loop's thread a turn of the interpreter's lock. Touches 0 rows otherwise."""
    earlier = reading.alias()
    first_id = transaction.c.row_id.op("<<")(literal_column(str(READINGS_BITS)))
    end_id = first_id + parameter("most")
    last_id = select(func.max(earlier.c.id)).where(earlier.c.id.between(first_id, end_id))
    next_id = func.coalesce(last_id.scalar_subquery(), first_id) + literal_column("1")
    values = {name: parameter(name, column) for name, column in reading.c.items()} | {
        "id": next_id,
        "after_us": parameter("at_us") - reading_series.c.at_us,
        "energy_import_after_mwh": (
            parameter("energy_import_mwh") - reading_series.c.energy_import_mwh
        ),
    }
    series = transaction.join(
        reading_series, reading_series.c.transaction_row_id == transaction.c.row_id
    )
    appended = (
        select(*values.values())
        .select_from(series)
        .where(transaction.c.key == parameter("key", transaction.c.key), next_id < end_id)
    )
    return Statement(insert(reading).from_select(list(values), appended))


_ADD_REPORT = insert_or_ignore(report, without=("row_id",))
_ORPHANS = Statement(
    select(report.c.row_id, report.c.kind, report.c.body)
    .where(
        report.c.station_id == parameter("station_id", report.c.station_id),
        ORPHAN,
        report.c.received_at >= parameter("since", report.c.received_at),
    )
    .order_by(report.c.received_at.desc(), report.c.row_id.desc())
    .limit(ORPHANS_MAX)
)
_KEPT = Statement(
    select(report.c.row_id, report.c.transaction_key).where(
        report.c.identity == parameter("identity", report.c.identity)
    )
)
_ADOPT = Statement(
    update(report).where(report.c.row_id == parameter("adopted_row_id")),
    ("transaction_key",),
)
_SERIES = Statement(
    select(
        transaction.c.row_id,
        reading_series.c.at_us,
        reading_series.c.energy_import_mwh,
    )
    .select_from(
        transaction.outerjoin(
            reading_series, reading_series.c.transaction_row_id == transaction.c.row_id
        )
    )
    .where(transaction.c.key == parameter("key", transaction.c.key))
)
_ADD_SERIES = insert_row(reading_series)
_LAST_ID = Statement(
    select(func.max(reading.c.id).label("id")).where(
        reading.c.id.between(parameter("first"), parameter("last"))
    )
)
_ADD_READING = insert_row(reading)
_APPEND_READING = _appended_reading()
_READINGS = Statement(
    select(reading)
    .where(reading.c.id.between(parameter("first"), parameter("last")))
    .order_by(reading.c.after_us, reading.c.id)
)

log = logging.getLogger(__name__)


class ReportRows(SignedRows):
    """The part of a unit of work that keeps reports and readings."""

    connection: sqlite3.Connection

    def add_report(self, transaction_key: str | None, report: TransactionReport) -> bool:
        """Keep a report; False: the same one is kept already. None keeps an orphan."""
        said = _brief(report)
        row = {
            "identity": _identity(said, type(report).__name__),
            "station_id": report.station_id,
            "transaction_key": transaction_key,
            "received_at": report.received_at,
            "kind": type(report).__name__,
            "body": said,
        }
        return _ADD_REPORT.run(self.connection, row) == 1

    def kept_report(self, report: TransactionReport) -> KeptReport | None:
        """The row of the very same report, if it was kept before."""
        identity = _identity(_brief(report), type(report).__name__)
        row = _KEPT.one(self.connection, {"identity": identity})
        return None if row is None else KeptReport(row["row_id"], row["transaction_key"])

    def orphan_reports(
        self, station_id: str, since: datetime
    ) -> Sequence[tuple[int, TransactionReport]]:
        """(row id, report) received since then without a transaction, oldest first; the newest
        `ORPHANS_MAX` of them."""
        rows = _ORPHANS.all(self.connection, {"station_id": station_id, "since": since})[::-1]
        return [(row["row_id"], from_json(_KINDS[row["kind"]], row["body"])) for row in rows]

    def adopt_report(self, row_id: int, transaction_key: str) -> None:
        """Give an orphan its transaction. Raises NotFound."""
        values = {"adopted_row_id": row_id, "transaction_key": transaction_key}
        if _ADOPT.run(self.connection, values) != 1:
            raise NotFound(f"There is no report {row_id}")

    def add_reading(self, transaction_key: str, reading: MeterReading) -> None:
        """Keep a reading of a transaction, rounded to mA, 0.1 V, W and mWh. Raises NotFound."""
        if reading.signed_data is not None:
            self.add_signed_reading(transaction_key, reading)
        row = _reading_row(reading) | {"key": transaction_key, "most": READINGS_MAX}
        if _APPEND_READING.run(self.connection, row) == 0:
            self._add_first_or_last(transaction_key, row)

    def _add_first_or_last(self, transaction_key: str, row: Row) -> None:
        series = self._series(transaction_key)
        if series["at_us"] is None:
            series = self._begin_series(series["row_id"], row)
        row["after_us"] = row.pop("at_us") - series["at_us"]
        energy_mwh = row.pop("energy_import_mwh")
        row["energy_import_after_mwh"] = (
            None if energy_mwh is None else energy_mwh - series["energy_import_mwh"]
        )
        number = self._next_number(series["row_id"])
        if number > READINGS_MAX:
            return
        if number == READINGS_MAX:
            log.warning(
                "transaction %s: has %d readings; further ones are not kept, its totals go on",
                transaction_key,
                number,
            )
        row["id"] = _first_id(series["row_id"]) + number
        _ADD_READING.run(self.connection, row)

    def readings(
        self, transaction_key: str, first_only: int = READINGS_MAX
    ) -> Sequence[MeterReading]:
        """Oldest first, of the `first_only` that came first. Raises NotFound when there is no such
        transaction."""
        series = self._series(transaction_key)
        if series["at_us"] is None:
            return []
        first = _first_id(series["row_id"])
        rows = _READINGS.all(self.connection, {"first": first, "last": first + first_only})
        return [_reading(row, series) for row in rows]

    def _series(self, transaction_key: str) -> Row:
        series = _SERIES.one(self.connection, {"key": transaction_key})
        if series is None:
            raise NotFound(f"There is no transaction {transaction_key}")
        return series

    def _begin_series(self, row_id: int, row: Row) -> Row:
        series = {
            "row_id": row_id,
            "transaction_row_id": row_id,
            "at_us": row["at_us"],
            "energy_import_mwh": row["energy_import_mwh"] or 0,
        }
        _ADD_SERIES.run(self.connection, series)
        return series

    def _next_number(self, row_id: int) -> int:
        first = _first_id(row_id)
        last = _LAST_ID.one(self.connection, {"first": first, "last": first + READINGS_MAX})
        assert last is not None, "an aggregate always has a row"
        return 1 if last["id"] is None else int(last["id"]) - first + 1


def _identity(said: dict[str, Any], kind: str) -> bytes:
    """A fingerprint that a report sent again shares: all that the station said.

    When we heard of it is not part of it, nor a time that we put in place of an unreadable one.
    """
    said = {name: value for name, value in said.items() if name != "received_at"}
    said["time"] = _as_written(said["time"], "quality")
    if "reading" in said:
        said["reading"] = _as_written(said["reading"], "time_quality")
    if "readings" in said:
        said["readings"] = [_as_written(item, "time_quality") for item in said["readings"]]
    return hashlib.blake2b(f"{kind} {json_text(said)}".encode(), digest_size=16).digest()


def _as_written(timed: dict[str, Any], quality: str) -> dict[str, Any]:
    if timed.get(quality) != TimeQuality.RECEIVED:
        return timed
    return {name: value for name, value in timed.items() if name != "at"}


def _brief(value: Any) -> Any:
    """JSON without the fields that have their default: half the text, read back the same."""
    if value is None or type(value) in (str, int, float, bool):
        return value
    if isinstance(value, tuple):
        return [_brief(item) for item in value]
    if not dataclasses.is_dataclass(value):
        return to_json(value)
    cls: type = type(value)
    return {
        name: _brief(field)
        for name, default in _defaults(cls)
        if (field := getattr(value, name)) != default
    }


@cache
def _defaults(cls: type[Any]) -> tuple[tuple[str, Any], ...]:
    return tuple((field.name, field.default) for field in dataclasses.fields(cls))


def _first_id(transaction_row_id: int) -> int:
    return transaction_row_id << READINGS_BITS


def _reading_row(reading: MeterReading) -> Row:
    row: Row = {
        "at_us": to_micros(reading.at),
        "energy_import_mwh": scaled(reading.energy_import_wh, 1000),
        "power_w": reading.power_w,
        "context": reading.context,
    }
    for position, phase in enumerate(_PHASES):
        row[f"current_{phase}_a"] = reading.current_a[position]
        row[f"voltage_{phase}_v"] = reading.voltage_v[position]
        row[f"power_{phase}_w"] = reading.power_phase_w[position]
    rest = {name: value for name in _REST if (value := getattr(reading, name)) is not None}
    if reading.time_quality is not TimeQuality.GOOD:
        rest["time_quality"] = reading.time_quality
    row["rest"] = rest or None
    return row


def _reading(row: Row, series: Row) -> MeterReading:
    rest = dict(row["rest"] or {})
    energy_mwh = row["energy_import_after_mwh"]
    return MeterReading(
        at=from_micros(series["at_us"] + row["after_us"]),
        current_a=_per_phase(row, "current_{}_a"),
        voltage_v=_per_phase(row, "voltage_{}_v"),
        power_phase_w=_per_phase(row, "power_{}_w"),
        power_w=row["power_w"],
        energy_import_wh=(
            None if energy_mwh is None else (series["energy_import_mwh"] + energy_mwh) / 1000
        ),
        context=row["context"],
        time_quality=TimeQuality(rest.pop("time_quality", TimeQuality.GOOD)),
        **rest,
    )


def _per_phase(row: Row, name: str) -> PerPhase:
    return (row[name.format("l1")], row[name.format("l2")], row[name.format("l3")])
