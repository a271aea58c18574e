"""What technicians look after: what a page is, and how an answer becomes its rows.

The pages themselves stand in `service_pages`; the screen knows none of them.
"""

import csv
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from enum import Enum
from io import StringIO
from typing import Any

from sitecontroller.domain.commands import Command
from sitecontroller.domain.money import Money
from sitecontroller.domain.queries import Query
from sitecontroller.domain.views import Page
from ui.i18n.texts import translate
from ui.presenters import units

CELL_CHARS_MAX = 160
_FORMULA = frozenset("=+-@")
"""Begins what a spreadsheet would work out; a charger's text must not."""
SPELT = frozenset({"kind", "type", "log_type", "state", "cause"})
"""Columns whose values are words of the protocol or of ours, written as one word."""


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """One line: its key, its cells, and whether it wants attention."""

    key: str
    cells: tuple[str, ...]
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What an action is carried out on: the charger, the selected row, what was typed, when."""

    station_id: str
    key: str
    text: str
    now: datetime


@dataclass(frozen=True, slots=True)
class ServiceAction:
    """A button. `needs_row`, `asks` (the label of a text field) and `needs_station` say what it
    takes; `grave` ones are held down. `done` is said when the charger agreed."""

    title: str
    command: Callable[[Asked], Command]
    done: str
    needs_row: bool = False
    asks: str = ""
    grave: bool = False
    needs_station: bool = True


@dataclass(frozen=True, slots=True)
class ServicePage:
    """A subject. `columns` are titles with names of fields; a name with a dot goes deeper."""

    name: str
    title: str
    note: str
    query: Callable[[str], Query]
    columns: tuple[tuple[str, str], ...]
    key: str
    empty: str
    actions: tuple[ServiceAction, ...] = ()
    items: str = "items"
    attention: tuple[str, ...] = ()
    """Words of a cell that make its row stand out."""
    needs_station: bool = False


def rows(page: ServicePage, answer: Any, zone: str, now: datetime) -> list[ServiceRow]:
    """The lines of an answer, in its order."""
    items: Iterable[Any] = answer.items if isinstance(answer, Page) else getattr(answer, page.items)
    found = []
    for number, item in enumerate(items):
        values = [(name, getattr(item, name)) for _, name in page.columns]
        cells = tuple(
            _spelt(str(_plain(value))) if name in SPELT and value else _cell(value, zone, now)
            for name, value in values
        )
        key = str(getattr(item, page.key)) if page.key else str(number)
        raw = {str(_plain(value)) for _, value in values}
        found.append(ServiceRow(key, cells, strong=bool(raw & set(page.attention))))
    return found


def file_of(
    page: ServicePage, answer: Any, station_id: str, zone: str, now: datetime
) -> tuple[str, bytes]:
    """Name and content of the file a page is saved as: a report's own text, else its table."""
    name = "-".join(filter(None, (page.name, station_id, f"{now:%Y-%m-%d}")))
    if text := getattr(answer, "text", ""):
        return f"{name}.txt", str(text).encode()
    lines = StringIO()
    writer = csv.writer(lines)
    writer.writerow([title for title, _ in page.columns])
    for row in rows(page, answer, zone, now):
        writer.writerow([f"'{cell}" if cell[:1] in _FORMULA else cell for cell in row.cells])
    return f"{name}.csv", lines.getvalue().encode("utf-8-sig")


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


def _spelt(word: str) -> str:
    """`TriggerMessage` and `in-step` as people write them."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", word).replace("-", " ").replace("_", " ")
    return f"{apart[:1]}{apart[1:].lower()}" if " " in apart else apart


def _cell(value: Any, zone: str, now: datetime) -> str:
    """A value as people read it."""
    value = _plain(value)
    if value is None or value == "":
        return units.UNKNOWN
    if isinstance(value, bool):
        return translate("Service", "yes") if value else translate("Service", "no")
    if isinstance(value, datetime):
        return units.moment(value, zone, now)
    if isinstance(value, Money):
        return units.money(value)
    if isinstance(value, tuple | list):
        return ", ".join(_cell(item, zone, now) for item in value)[:CELL_CHARS_MAX] or units.UNKNOWN
    if is_dataclass(value):
        parts = (_cell(getattr(value, field.name), zone, now) for field in fields(value))
        return " · ".join(part for part in parts if part != units.UNKNOWN)[:CELL_CHARS_MAX]
    return " ".join(str(value).split())[:CELL_CHARS_MAX]
