"""Signed readings as rows that are only ever added: what a meter signed is kept for good."""

import hashlib
import sqlite3
from collections.abc import Sequence

from sqlalchemy import select

from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.signed_reading import SignedReading
from sitecontroller.storage.schema import signed_reading
from sitecontroller.storage.statements import Statement, insert_or_ignore, parameter

SIGNED_READ_MAX = 2000
"""Of one transaction, read at once: more than a day's at one a minute. All are kept."""

_ROW = signed_reading.c
_ADD = insert_or_ignore(signed_reading, without=("row_id",))
_OF = Statement(
    select(signed_reading)
    .where(_ROW.transaction_key == parameter("key", _ROW.transaction_key))
    .order_by(_ROW.row_id)
    .limit(SIGNED_READ_MAX)
)


class SignedRows:
    """The part of a unit of work that keeps what meters signed."""

    connection: sqlite3.Connection

    def add_signed_reading(self, transaction_key: str, reading: MeterReading) -> None:
        """Keep what the reading was signed with; the same text of a transaction is kept once."""
        assert reading.signed_data is not None, "without signed data there is nothing to keep"
        told = f"{transaction_key} {reading.signed_data}".encode("utf-8", "surrogatepass")
        row = {
            "identity": hashlib.blake2b(told, digest_size=16).digest(),
            "transaction_key": transaction_key,
            "at": reading.at,
            "context": reading.context,
            "data": reading.signed_data,
        }
        _ADD.run(self.connection, row)

    def signed_readings(self, transaction_key: str) -> Sequence[SignedReading]:
        """In the order in which they came."""
        return [
            SignedReading(row["transaction_key"], row["at"], row["context"], row["data"])
            for row in _OF.all(self.connection, {"key": transaction_key})
        ]
