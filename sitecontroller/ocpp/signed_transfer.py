"""Signed readings that come by DataTransfer of whatever vendor, beside the meter values.

There is no common form. What is taken: data (JSON, or JSON as text) that names a transaction and
holds an OCMF record, plain, as hex or base64, or as SignedMeterValueType. Anything else is of a
vendor that nobody here knows.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sitecontroller.domain.metering import MeterReading, ReadingContext
from sitecontroller.domain.transaction import TransactionUpdated
from sitecontroller.ocpp.block import Answer
from sitecontroller.ocpp.measurands import SIGNED_CHARACTERS_MAX
from sitecontroller.ocpp.values import text

RECORDS_MAX = 20
DEPTH_MAX = 4
_MARKS = ("OCMF|", "4f434d467c", "4F434D467C", "T0NNRn")
"""How a record begins: plain, in hex, in base64."""
_UNKNOWN: Answer = {"status": "UnknownVendorId"}


async def take_signed(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    """Keep the signed readings of a transfer with the transaction that it names."""
    data = _parsed(payload.get("data"))
    if not isinstance(data, dict):
        return _UNKNOWN
    said = data.get("transactionId")
    named = str(said) if isinstance(said, int) and not isinstance(said, bool) else text(said)
    records = list(dict.fromkeys(_records(data, DEPTH_MAX)))[:RECORDS_MAX]
    if not named or not records:
        return _UNKNOWN
    time = dialect.time_of(data.get("timestamp"), received_at)
    await dialect.services.transactions.updated(
        TransactionUpdated(
            station_id=dialect.station_id,
            station_transaction_id=named,
            time=time,
            received_at=received_at,
            readings=tuple(
                MeterReading(time.at, context=ReadingContext.OTHER, signed_data=record)
                for record in records
            ),
        )
    )
    return {"status": "Accepted"}


def _parsed(data: object) -> object:
    if not isinstance(data, str) or not data.lstrip().startswith("{"):
        return data
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _records(value: object, depth: int) -> Iterator[str]:
    """The texts within that are records, in the order written."""
    if isinstance(value, str):
        if value.lstrip().startswith(_MARKS) and len(value) <= SIGNED_CHARACTERS_MAX:
            yield value
    elif isinstance(value, dict) and _is_signed_value(value):
        yield json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    elif isinstance(value, dict | list) and depth > 0:
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _records(inner, depth - 1)


def _is_signed_value(value: dict[str, Any]) -> bool:
    signed = value.get("signedMeterData")
    return isinstance(signed, str) and len(signed) <= SIGNED_CHARACTERS_MAX
