"""What stations tell of their variables: asked now, and kept as snapshots.

A snapshot is two rows: what people see in a list, and its variables packed, since a station tells
hundreds and ten snapshots of each are kept.
"""

import asyncio
import base64
import json
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from sitecontroller.domain.commands import StationRequest
from sitecontroller.domain.device import (
    Cause,
    DeviceSnapshot,
    ReadDevice,
    Reading,
    ReadVariables,
    Variable,
)
from sitecontroller.domain.errors import Conflict, FieldError, InvalidInput, NotFound
from sitecontroller.domain.ids import new_ulid
from sitecontroller.domain.views import Page
from sitecontroller.ports import CallAnswer, Kept, StationLink, UnitOfWork
from sitecontroller.services.desk import Desk
from sitecontroller.services.shelf import Shelf
from sitecontroller.wire import from_json, to_json

T = TypeVar("T")

SNAPSHOTS = "device-snapshot"
VARIABLES = "device-variables"
SNAPSHOTS_MAX = 10
"""Of one station; those that nobody asked for go first."""
LAST_TOLD_MAX = 20
"""Readings held for paging, over all stations."""
LABEL_CHARACTERS_MAX = 80


@dataclass(frozen=True, slots=True)
class Told:
    """A reading and what it was taken from; an empty key: it isn't kept."""

    about: DeviceSnapshot
    variables: tuple[Variable, ...]
    """By name."""


class DeviceReadings:
    """Asks stations and keeps what they say."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._store = desk.store
        self._shelf = Shelf(desk.store, SNAPSHOTS, DeviceSnapshot)
        self._asking: dict[str, asyncio.Lock] = {}
        self._last: OrderedDict[str, Told] = OrderedDict()

    async def ask(self, station_id: str, request: StationRequest) -> Told:
        """What a station says now, one question at a time. Raises Conflict where it refuses."""
        link = self._desk.link(station_id)
        async with self._asking.setdefault(station_id, asyncio.Lock()):
            answer = await link.ask(request)
        reading = answer.body.get("reading")
        if not answer.accepted or not isinstance(reading, Reading):
            raise Conflict(
                f"{station_id} doesn't tell its settings: {answer.status or 'no reason given'}",
                remedy="Try again in a minute, or ask for single settings by name",
            )
        told = Told(self._about(link, reading), await asyncio.to_thread(_sorted, reading.variables))
        self._last[station_id] = told
        self._last.move_to_end(station_id)
        while len(self._last) > LAST_TOLD_MAX:
            self._last.popitem(last=False)
        return told

    async def unasked(self, station_id: str) -> Told | None:
        """The same without anybody waiting; None for a model that is left alone."""
        link = self._desk.link(station_id)
        answer = await link.ask(ReadDevice(unasked=True))
        reading = answer.body.get("reading")
        if not answer.accepted or not isinstance(reading, Reading):
            return None
        return Told(self._about(link, reading), await asyncio.to_thread(_sorted, reading.variables))

    async def now(self, station_id: str, names: Sequence[str]) -> dict[str, Variable]:
        """Single variables as the station has them, by name in lower case."""
        if not names:
            return {}
        answer: CallAnswer = await self._desk.link(station_id).ask(ReadVariables(tuple(names)))
        reading = answer.body.get("reading")
        found = reading.variables if isinstance(reading, Reading) else ()
        return {variable.name.casefold(): variable for variable in found}

    def last(self, station_id: str) -> Told:
        """What it said last, for paging. Raises InvalidInput."""
        told = self._last.get(station_id)
        if told is None:
            raise InvalidInput(
                f"what {station_id} said is no longer at hand",
                remedy="Ask again without a cursor",
                errors=(FieldError("cursor", "is too old"),),
            )
        return told

    # what is kept

    async def keep(self, told: Told, cause: Cause, label: str = "") -> DeviceSnapshot:
        """Keep a reading; the oldest of the station goes beyond ten."""
        key = new_ulid(self._desk.clock.now())
        snapshot = replace(told.about, key=key, cause=cause, label=label)
        body = await asyncio.to_thread(packed, told.variables)
        await self._store.commit(_keep, snapshot, body)
        return snapshot

    async def page(self, station_id: str, limit: int, cursor: str | None) -> Page[DeviceSnapshot]:
        """Newest first."""
        self._desk.known(station_id)
        return await self._shelf.page(limit, cursor, station_id)

    async def newest(self, station_id: str) -> DeviceSnapshot | None:
        """The last snapshot of a station; a complete one rather than a newer piece."""
        kept = await self._shelf.all(station_id)
        return next((each for each in kept if each.complete), next(iter(kept), None))

    async def snapshot(self, station_id: str, key: str) -> Told:
        """One snapshot of a station. Raises NotFound."""
        self._desk.known(station_id)
        about = await self._shelf.get(key)
        if about is None or about.station_id != station_id:
            raise NotFound(
                f"no snapshot '{key}' of {station_id}",
                remedy=f"GET /v1/stations/{station_id}/snapshots lists them",
            )
        row = await self._store.read(lambda tx: tx.kept(VARIABLES, key))
        body = None if row is None else row.body
        return Told(about, await asyncio.to_thread(unpacked, body))

    def _about(self, link: StationLink, reading: Reading) -> DeviceSnapshot:
        state = self._desk.stations.state(link.station_id)
        boot = None if state is None else state.record.boot
        return DeviceSnapshot(
            key="",
            station_id=link.station_id,
            at=self._desk.clock.now(),
            cause=Cause.ASKED,
            version=link.version.value,
            vendor="" if boot is None else boot.vendor,
            model="" if boot is None else boot.model,
            firmware_version="" if boot is None else boot.firmware_version or "",
            complete=reading.complete,
            note=reading.note,
            count=len(reading.variables),
        )


def checked_label(label: str) -> str:
    """A name that a person gives a snapshot. Raises InvalidInput."""
    plain = label.strip()
    if len(plain) > LABEL_CHARACTERS_MAX or not (plain.isprintable()):
        raise InvalidInput(
            "this label can't be used",
            remedy=f"Use at most {LABEL_CHARACTERS_MAX} letters, digits and signs in one line",
            errors=(FieldError("label", f"at most {LABEL_CHARACTERS_MAX} characters, one line"),),
        )
    return plain


def page_of(items: Sequence[T], limit: int, cursor: str | None) -> tuple[tuple[T, ...], str | None]:
    """A page of a list that stays as it is, and the cursor of the next. Raises InvalidInput."""
    if cursor is not None and not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 9):
        raise InvalidInput(
            "this cursor is none of ours",
            remedy="Use the `next` of the last page, or none",
            errors=(FieldError("cursor", "is the `next` of the last page"),),
        )
    start = int(cursor or 0)
    end = start + max(1, limit)
    return tuple(items[start:end]), str(end) if end < len(items) else None


def packed(variables: Sequence[Variable]) -> dict[str, str]:
    """Variables as they are kept: what is unknown is left out, the rest compressed.

    A line each, so that no single step holds the interpreter's lock for long.
    """
    lines = [
        json.dumps({name: value for name, value in to_json(each).items() if _is_told(value)})
        for each in variables
    ]
    whole = zlib.compress("\n".join(lines).encode())
    return {"zlib": base64.b64encode(whole).decode("ascii")}


def _is_told(value: Any) -> bool:
    """Whether a field says more than its default does; 0 and "" do."""
    return value is not None and value is not False and value not in ({}, [])


def unpacked(body: Any) -> tuple[Variable, ...]:
    """The reverse; nothing where nothing is kept."""
    if not body:
        return ()
    lines = zlib.decompress(base64.b64decode(body["zlib"])).decode().splitlines()
    return tuple(from_json(Variable, json.loads(line)) for line in lines)


def _sorted(variables: Sequence[Variable]) -> tuple[Variable, ...]:
    return tuple(sorted(variables, key=lambda variable: variable.name.casefold()))


def _keep(tx: UnitOfWork, snapshot: DeviceSnapshot, body: Any) -> None:
    key, at, station_id = snapshot.key, snapshot.at, snapshot.station_id
    tx.put_kept(Kept(SNAPSHOTS, key, at, to_json(snapshot), station_id))
    tx.put_kept(Kept(VARIABLES, key, at, body, station_id))
    others = [
        from_json(DeviceSnapshot, row.body)
        for row in tx.all_kept(SNAPSHOTS, station_id)
        if row.key != key
    ]
    for old in _surplus(others):
        tx.drop_kept(SNAPSHOTS, old.key)
        tx.drop_kept(VARIABLES, old.key)


def _surplus(others: Sequence[DeviceSnapshot]) -> list[DeviceSnapshot]:
    """Of the snapshots beside a new one, newest first, those that have to go."""
    over = len(others) - (SNAPSHOTS_MAX - 1)
    if over <= 0:
        return []
    oldest_first = others[::-1]
    unasked = [each for each in oldest_first if each.cause is not Cause.ASKED]
    asked = [each for each in oldest_first if each.cause is Cause.ASKED]
    return [*unasked, *asked][:over]
