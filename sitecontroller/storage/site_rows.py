"""What the site knows of its tokens, tariffs, stations and alarms, as rows."""

import sqlite3
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime

from sqlalchemy import delete, func, or_, select

from sitecontroller.domain.alarm import Alarm
from sitecontroller.domain.authorization import (
    IdTokenType,
    TokenHolder,
    TokenRecord,
    Whitelist,
)
from sitecontroller.domain.errors import Conflict
from sitecontroller.domain.ids import bare, fold
from sitecontroller.domain.tariff import Tariff
from sitecontroller.domain.views import Page
from sitecontroller.ports import StationRecord
from sitecontroller.storage import paging
from sitecontroller.storage.schema import (
    OPEN_ALARM,
    alarm,
    station,
    tariff,
    token,
    transaction,
)
from sitecontroller.storage.statements import (
    Row,
    Statement,
    before,
    insert_row,
    parameter,
    upsert_row,
)

_TOKEN_FIELDS = tuple(field.name for field in fields(TokenRecord))
_STATION_FIELDS = tuple(field.name for field in fields(StationRecord))
_ALARM_FIELDS = tuple(field.name for field in fields(Alarm))

TARIFFS_READ_MAX = 10_000
"""Versions of all tariffs together: one a day for 27 years."""

_WRITTEN_WITH_SEPARATORS = (IdTokenType.E_MAID, IdTokenType.MAC_ADDRESS)
_STARTED_AT = transaction.c.started_at

_PUT_TOKEN = upsert_row(token, "id_token_folded", without=("row_id",))
_TOKEN = Statement(select(token).where(token.c.id_token_folded == parameter("folded")))
_DELETE_TOKEN = Statement(delete(token).where(token.c.id_token_folded == parameter("folded")))
_TOKENS = Statement(
    select(token)
    .where(token.c.row_id < parameter("before_at"))
    .order_by(token.c.row_id.desc())
    .limit(parameter("limit"))
)
_TOKENS_OF = Statement(
    select(token)
    .where(token.c.holder == parameter("holder", token.c.holder))
    .order_by(token.c.row_id)
    .limit(parameter("limit"))
)
_WHITELISTED = Statement(
    select(token)
    .where(
        token.c.whitelist == Whitelist.ALWAYS,
        token.c.blocked.is_(False),
        or_(token.c.expires_at.is_(None), token.c.expires_at > parameter("at", token.c.expires_at)),
    )
    .order_by(token.c.row_id)
    .limit(parameter("limit"))
)
_BLOCKED_SEEN = Statement(
    select(token)
    .join(transaction, transaction.c.id_token_folded == token.c.id_token_folded)
    .where(token.c.blocked.is_(True), transaction.c.started_at >= parameter("since", _STARTED_AT))
    .group_by(token.c.row_id)
    .order_by(func.max(_STARTED_AT).desc(), token.c.row_id)
    .limit(parameter("limit"))
)
_ADD_TARIFF = insert_row(tariff)
_TARIFF_AT = Statement(
    select(tariff.c.body)
    .where(tariff.c.valid_from <= parameter("at", tariff.c.valid_from))
    .order_by(tariff.c.valid_from.desc(), tariff.c.version.desc(), tariff.c.tariff_id)
    .limit(parameter("limit"))
)
_ITS_VERSION_AT = Statement(
    select(tariff.c.body)
    .where(
        tariff.c.tariff_id == parameter("tariff_id"),
        tariff.c.valid_from <= parameter("at", tariff.c.valid_from),
    )
    .order_by(tariff.c.valid_from.desc(), tariff.c.version.desc())
    .limit(1)
)
_TARIFFS = Statement(
    select(tariff.c.body)
    .order_by(tariff.c.valid_from.desc(), tariff.c.version.desc(), tariff.c.tariff_id)
    .limit(TARIFFS_READ_MAX)
)
_PUT_STATION = upsert_row(station, "station_id_folded")
_STATION = Statement(select(station).where(station.c.station_id_folded == parameter("folded")))
_STATIONS = Statement(select(station).order_by(station.c.station_id))
_PUT_ALARM = upsert_row(alarm, "key", "raised_at")
_OPEN_ALARMS = Statement(select(alarm).where(OPEN_ALARM).order_by(alarm.c.raised_at, alarm.c.key))
_ALARMS = Statement(
    select(alarm)
    .where(before(alarm.c.raised_at, alarm.c.key))
    .order_by(alarm.c.raised_at.desc(), alarm.c.key.desc())
    .limit(parameter("limit"))
)


class SiteRows:
    """The part of a unit of work that keeps tokens, tariffs, stations and alarms."""

    connection: sqlite3.Connection

    def token(self, id_token: str) -> TokenRecord | None:
        """Compared caseless and trimmed; contracts and MAC addresses without separators too."""
        row = self._token_row(id_token)
        return None if row is None else _token(row)

    def _token_row(self, id_token: str) -> Row | None:
        row = _TOKEN.one(self.connection, {"folded": fold(id_token)})
        if row is None:
            row = _TOKEN.one(self.connection, {"folded": bare(id_token)})
            # A card whose number differs by a hyphen is another card.
            return row if row is not None and row["type"] in _WRITTEN_WITH_SEPARATORS else None
        return row

    def put_token(self, token: TokenRecord) -> None:
        """Add it, or replace the one of the same (folded) number, which keeps its place."""
        row = {name: getattr(token, name) for name in _TOKEN_FIELDS}
        compared = bare if token.type in _WRITTEN_WITH_SEPARATORS else fold
        _PUT_TOKEN.run(self.connection, {**row, "id_token_folded": compared(token.id_token)})

    def delete_token(self, id_token: str) -> bool:
        """Forget it; False: it was not known."""
        row = self._token_row(id_token)
        if row is None:
            return False
        return _DELETE_TOKEN.run(self.connection, {"folded": row["id_token_folded"]}) == 1

    def token_page(self, limit: int, cursor: str | None) -> Page[TokenRecord]:
        """Last added first."""
        rows, following = paging.fetch(
            _TOKENS, self.connection, limit, cursor, position=("row_id", "row_id")
        )
        return Page(tuple(_token(row) for row in rows), following)

    def tokens_of(self, holder: TokenHolder, limit: int) -> Sequence[TokenRecord]:
        """Oldest first."""
        rows = _TOKENS_OF.all(self.connection, {"holder": holder, "limit": limit})
        return [_token(row) for row in rows]

    def blocked_and_seen(self, since: datetime, limit: int) -> Sequence[TokenRecord]:
        """Blocked tokens that charged, or tried to, since then; the last one first."""
        rows = _BLOCKED_SEEN.all(self.connection, {"since": since, "limit": limit})
        return [_token(row) for row in rows]

    def whitelisted_tokens(self, at: datetime, limit: int) -> Sequence[TokenRecord]:
        """Valid ones that stations may always accept by themselves, oldest first."""
        rows = _WHITELISTED.all(self.connection, {"at": at, "limit": limit})
        return [_token(row) for row in rows]

    def tariff_at(self, at: datetime, tariff_id: str | None = None) -> Tariff | None:
        """The version that became valid last; `tariff_id` None: of any tariff."""
        if tariff_id is None:
            row = _TARIFF_AT.one(self.connection, {"at": at, "limit": 1})
        else:
            row = _ITS_VERSION_AT.one(self.connection, {"at": at, "tariff_id": tariff_id})
        if row is None:
            return None
        found: Tariff = row["body"]
        return found

    def tariffs(self) -> Sequence[Tariff]:
        """All versions of all, the last to become valid first."""
        return [row["body"] for row in _TARIFFS.all(self.connection)]

    def add_tariff(self, tariff: Tariff) -> None:
        """Raises Conflict when that version exists: a tariff is never edited."""
        row = {
            "tariff_id": tariff.tariff_id,
            "version": tariff.version,
            "valid_from": tariff.valid_from,
            "body": tariff,
        }
        try:
            _ADD_TARIFF.run(self.connection, row)
        except sqlite3.IntegrityError as error:
            raise Conflict(
                f"Tariff {tariff.tariff_id} has a version {tariff.version} already",
                remedy="Give the new prices the next version number",
            ) from error

    def station(self, station_id: str) -> StationRecord | None:
        """Compared caseless and trimmed (Q02)."""
        row = _STATION.one(self.connection, {"folded": fold(station_id)})
        return None if row is None else _station(row)

    def put_station(self, station: StationRecord) -> None:
        """Add it, or replace what is known of it, its spelling too."""
        row = {name: getattr(station, name) for name in _STATION_FIELDS}
        _PUT_STATION.run(self.connection, {**row, "station_id_folded": fold(station.station_id)})

    def stations(self) -> Sequence[StationRecord]:
        """All, by id."""
        return [_station(row) for row in _STATIONS.all(self.connection)]

    def put_alarm(self, alarm: Alarm) -> None:
        """Add it, or replace the one of the same key and `raised_at`.

        Raises Conflict when another one of this key is active.
        """
        try:
            _PUT_ALARM.run(self.connection, {name: getattr(alarm, name) for name in _ALARM_FIELDS})
        except sqlite3.IntegrityError as error:
            raise Conflict(f"Alarm {alarm.key} is active already, raised earlier") from error

    def open_alarms(self) -> Sequence[Alarm]:
        """Active or not yet acknowledged, oldest first."""
        return [_alarm(row) for row in _OPEN_ALARMS.all(self.connection)]

    def alarm_page(self, limit: int, cursor: str | None) -> Page[Alarm]:
        """Newest first, cleared ones too."""
        rows, following = paging.fetch(
            _ALARMS, self.connection, limit, cursor, position=("raised_at", "key")
        )
        return Page(tuple(_alarm(row) for row in rows), following)


def _token(row: Row) -> TokenRecord:
    return TokenRecord(**{name: row[name] for name in _TOKEN_FIELDS})


def _station(row: Row) -> StationRecord:
    return StationRecord(**{name: row[name] for name in _STATION_FIELDS})


def _alarm(row: Row) -> Alarm:
    return Alarm(**{name: row[name] for name in _ALARM_FIELDS})
