"""Numbers, receipts, outbox and small state: what must count without gaps and never change again.

Every number comes from a counter row inside the unit's savepoint: a unit that fails gives its
number back, so that no gap is left.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert

from sitecontroller.domain.errors import Conflict
from sitecontroller.domain.ids import new_ulid
from sitecontroller.domain.metering import TimeQuality
from sitecontroller.ports import Receipt
from sitecontroller.storage.schema import (
    ACTIVE,
    counter,
    idempotency,
    meta,
    outbox,
    receipt,
    setting,
    transaction,
)
from sitecontroller.storage.statements import (
    Row,
    Statement,
    insert_row,
    parameter,
    upsert_row,
)
from sitecontroller.storage.types import json_text

STATION_TRANSACTION_ID_MAX = 2**31 - 1
"""OCPP 1.6 transactionId is a signed 32-bit integer; stations take 0 and below as none."""
RESTORE_JUMP = 100_000
"""Ids skipped at a restore: more than any site starts between two backups."""
REMEMBERED_FOR = timedelta(hours=24)
OUTBOX_SCHEMA_VERSION = 1
NO_HASH = bytes(32)
"""What the first row of the outbox has as `hash_prev`."""

_STATION_TRANSACTION = "station-transaction"
_OUTBOX = "outbox"

_ADVANCE = Statement(
    insert(counter)
    .on_conflict_do_update(
        index_elements=["name"], set_={"value": counter.c.value + parameter("step")}
    )
    .returning(counter.c.value),
    ("name", "value"),
)
_SET_COUNTER = upsert_row(counter, "name")
_COUNTER = Statement(select(counter.c.value).where(counter.c.name == parameter("name")))
_ADD_RECEIPT = insert_row(receipt)
_RECEIPT = Statement(
    select(receipt)
    .where(receipt.c.transaction_key == parameter("transaction_key"), receipt.c.cancels.is_(None))
    .order_by(receipt.c.issued_at.desc(), receipt.c.number.desc())
)
_COUNTER_RECEIPT = Statement(
    select(receipt)
    .where(
        receipt.c.transaction_key == parameter("transaction_key"), receipt.c.cancels.is_not(None)
    )
    .order_by(receipt.c.issued_at.desc(), receipt.c.number.desc())
)
_NUMBERED = Statement(select(receipt).where(receipt.c.number == parameter("number")))
_RECEIPTS_OF_SHIFT = Statement(
    select(receipt).where(receipt.c.shift_key == parameter("shift_key")).order_by(receipt.c.number)
)
_PUT_SETTING = upsert_row(setting, "name")
_SETTING = Statement(select(setting.c.value).where(setting.c.name == parameter("name")))
_PUT_META = upsert_row(meta, "name")
_META = Statement(select(meta.c.value).where(meta.c.name == parameter("name")))
_REMEMBER = upsert_row(idempotency, "key")
_REMEMBERED = Statement(select(idempotency.c.outcome).where(idempotency.c.key == parameter("key")))
_FORGET = Statement(
    delete(idempotency).where(idempotency.c.at < parameter("before", idempotency.c.at))
)
_IN_USE = Statement(
    select(transaction.c.row_id).where(
        ACTIVE, transaction.c.station_transaction_id == parameter("number")
    )
)
_ADD_OUTBOX = insert_row(outbox)
_LAST_HASH = Statement(select(outbox.c.hash).where(outbox.c.seq == parameter("seq")))


class LedgerRows:
    """The part of a unit of work that numbers, remembers and tells HQ."""

    connection: sqlite3.Connection
    clock_quality: Callable[[], TimeQuality]

    def next_station_transaction_id(self) -> int:
        """1 … 2³¹−1, never 0, none that an open transaction has; a restore jumps RESTORE_JUMP
        ahead (see `skip_station_ids`)."""
        while True:
            number = self._advance(_STATION_TRANSACTION)
            if number > STATION_TRANSACTION_ID_MAX:
                number = 1
                self._set(_STATION_TRANSACTION, number)
            if _IN_USE.one(self.connection, {"number": str(number)}) is None:
                return number

    def skip_station_ids(self) -> None:
        """Jump past every id that may have been given since the backup this file came from."""
        number = self._advance(_STATION_TRANSACTION, RESTORE_JUMP)
        if number > STATION_TRANSACTION_ID_MAX:
            self._set(_STATION_TRANSACTION, number - STATION_TRANSACTION_ID_MAX)

    def next_receipt_number(self, till: str, year: int) -> int:
        """1, 2, 3 … without gaps: taken only if the unit of work commits."""
        return self._advance(f"receipt/{till}/{year}")

    def add_receipt(self, receipt: Receipt) -> None:
        """Raises Conflict when the number is taken: a receipt is never changed."""
        row = {
            "number": receipt.number,
            "transaction_key": receipt.transaction_key,
            "issued_at": receipt.issued_at,
            "body": receipt.body,
            "cancels": receipt.cancels,
            "shift_key": receipt.shift_key,
        }
        try:
            _ADD_RECEIPT.run(self.connection, row)
        except sqlite3.IntegrityError as error:
            raise Conflict(f"Receipt {receipt.number} was issued already") from error

    def receipt(self, transaction_key: str) -> Receipt | None:
        """The last one issued for a transaction; never a counter-receipt."""
        row = _RECEIPT.one(self.connection, {"transaction_key": transaction_key})
        return None if row is None else Receipt(**row)

    def last_counter_receipt(self, transaction_key: str) -> Receipt | None:
        """The last one that takes back a transaction's receipt, or a part of it."""
        row = _COUNTER_RECEIPT.one(self.connection, {"transaction_key": transaction_key})
        return None if row is None else Receipt(**row)

    def receipt_numbered(self, number: str) -> Receipt | None:
        """One by its number, a counter-receipt too."""
        row = _NUMBERED.one(self.connection, {"number": number})
        return None if row is None else Receipt(**row)

    def receipts_of_shift(self, shift_key: str) -> Sequence[Receipt]:
        """In the order of their numbers."""
        rows = _RECEIPTS_OF_SHIFT.all(self.connection, {"shift_key": shift_key})
        return [Receipt(**row) for row in rows]

    def next_z_number(self, till: str) -> int:
        """1, 2, 3 … without gaps: taken only if the unit of work commits."""
        return self._advance(f"z/{till}")

    def setting(self, name: str) -> Any:
        """JSON values as put; None: never put."""
        row = _SETTING.one(self.connection, {"name": name})
        return None if row is None else row["value"]

    def put_setting(self, name: str, value: Any) -> None:
        """Learned facts and small state, as JSON."""
        _PUT_SETTING.run(self.connection, {"name": name, "value": value})

    def remembered(self, key: str) -> Any:
        """The outcome kept under an idempotency key, or None."""
        row = _REMEMBERED.one(self.connection, {"key": key})
        return None if row is None else row["outcome"]

    def remember(self, key: str, outcome: Any, at: datetime) -> None:
        """Keep an outcome; those older than REMEMBERED_FOR at that instant are forgotten."""
        _FORGET.run(self.connection, {"before": at - REMEMBERED_FOR})
        _REMEMBER.run(self.connection, {"key": key, "outcome": outcome, "at": at})

    def add_outbox(
        self,
        aggregate_type: str,
        aggregate_id: str,
        aggregate_version: int,
        kind: str,
        payload: Any,
        occurred_at: datetime,
    ) -> None:
        """A fact for HQ: the next gap-free `seq`, chained to the row before it.

        `hash` is SHA-256 over `hash_prev` and the canonical JSON of the row's other columns.
        """
        seq = self._advance(_OUTBOX)
        previous = _LAST_HASH.one(self.connection, {"seq": seq - 1})
        row: Row = {
            "seq": seq,
            "event_id": new_ulid(occurred_at),
            "aggregate_type": aggregate_type,
            "aggregate_id": aggregate_id,
            "aggregate_version": aggregate_version,
            "kind": kind,
            "schema_version": OUTBOX_SCHEMA_VERSION,
            "payload": json_text(payload),
            "occurred_at": occurred_at,
            "clock_quality": self.clock_quality(),
        }
        hash_prev = NO_HASH if previous is None else previous["hash"]
        row["hash"] = chained_hash(hash_prev, row)
        row["hash_prev"] = hash_prev
        _ADD_OUTBOX.run(self.connection, row)

    def fact(self, name: str) -> Any:
        """What this file says of itself, such as "epoch"."""
        row = _META.one(self.connection, {"name": name})
        return None if row is None else row["value"]

    def put_fact(self, name: str, value: Any) -> None:
        """Note something about this file."""
        _PUT_META.run(self.connection, {"name": name, "value": value})

    def outbox_seq(self) -> int:
        """The last `seq` given; 0 before the first."""
        row = _COUNTER.one(self.connection, {"name": _OUTBOX})
        return 0 if row is None else int(row["value"])

    def _advance(self, name: str, step: int = 1) -> int:
        row = _ADVANCE.one(self.connection, {"name": name, "value": step, "step": step})
        assert row is not None, "RETURNING gives the row"
        return int(row["value"])

    def _set(self, name: str, value: int) -> None:
        _SET_COUNTER.run(self.connection, {"name": name, "value": value})


def chained_hash(hash_prev: bytes, row: Row) -> bytes:
    """The hash of an outbox row: of the one before it and of all its columns but the hashes."""
    covered = {name: value for name, value in row.items() if name not in ("hash", "hash_prev")}
    return hashlib.sha256(hash_prev + json_text(covered).encode()).digest()
