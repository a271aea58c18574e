"""Keyset pages: a cursor names the last row seen, so that new rows shift nothing."""

import base64
import binascii
import sqlite3
from datetime import datetime

import orjson

from sitecontroller.domain.errors import FieldError, InvalidInput
from sitecontroller.storage.statements import Row, Statement
from sitecontroller.storage.types import to_micros

PAGE_MAX = 500
CURSOR_MAX = 400
"""Characters of a cursor that is looked at."""
FIRST: tuple[int, str] = (2**63 - 1, "")
"""Sorts behind every row: where the first page begins."""


def fetch(
    statement: Statement,
    connection: sqlite3.Connection,
    limit: int,
    cursor: str | None,
    values: Row | None = None,
    *,
    position: tuple[str, str],
) -> tuple[list[Row], str | None]:
    """A page of rows, newest first, and the cursor of the next one.

    `statement` has the parameters of `statements.before` and `limit`; `position` names the columns
    that it orders by, an instant or integer and a text. Raises InvalidInput naming the field.
    """
    _check_limit(limit)
    at, key = decode_cursor(cursor)
    asked = {**(values or {}), "before_at": at, "before_key": key, "limit": limit + 1}
    rows = statement.all(connection, asked)
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    number = last[position[0]]
    if isinstance(number, datetime):
        number = to_micros(number)
    return rows[:limit], encode_cursor(number, str(last[position[1]]))


def encode_cursor(number: int, text: str) -> str:
    """An opaque word for a position."""
    return base64.urlsafe_b64encode(orjson.dumps([number, text])).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> tuple[int, str]:
    """The position; FIRST without a cursor. Raises InvalidInput naming `cursor`."""
    if cursor is None:
        return FIRST
    try:
        number, text = _parsed(cursor)
    except (ValueError, TypeError, binascii.Error):
        raise InvalidInput(
            "The cursor is not one that this list gave",
            remedy="Start again without a cursor",
            errors=(FieldError("cursor", "is not one that this list gave"),),
        ) from None
    return number, text


def _check_limit(limit: int) -> None:
    """Raises InvalidInput naming `limit` unless it is 1 to PAGE_MAX."""
    if not 1 <= limit <= PAGE_MAX:
        raise InvalidInput(
            f"A page has 1 to {PAGE_MAX} items, not {limit}",
            remedy=f"Ask for at most {PAGE_MAX} and follow the cursor",
            errors=(FieldError("limit", f"is 1 to {PAGE_MAX}"),),
        )


def _parsed(cursor: str) -> tuple[int, str]:
    if len(cursor) > CURSOR_MAX:
        raise ValueError("too long")
    padded = cursor + "=" * (-len(cursor) % 4)
    number, text = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    if type(number) is not int or type(text) is not str or abs(number) > FIRST[0]:
        raise ValueError("not a position")
    return number, text
