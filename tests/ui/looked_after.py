"""Answers for the service screen: three plausible values of whatever a question's view is."""

import dataclasses
import types
import typing
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from sitecontroller.domain.money import Money
from sitecontroller.domain.queries import Query
from sitecontroller.domain.views import Page
from sitecontroller.routes import QUERIES
from tests.ui import site

ROWS = 3


def looked_after(query: Query) -> Any:
    """What a controller would answer."""
    answer = QUERIES[type(query)].answer
    inner = typing.get_args(answer)
    if inner:
        return Page(tuple(_value(inner[0], number) for number in range(ROWS)), None)
    return _value(answer, 0)


def _value(hint: Any, number: int, name: str = "") -> Any:
    """A value of a type; of a text by the name of its field."""
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        return _value(next(a for a in typing.get_args(hint) if a is not type(None)), number, name)
    if origin is tuple:
        return tuple(_value(typing.get_args(hint)[0], n, name) for n in range(ROWS))
    if origin is dict or hint is dict:
        return {}
    if hint is Money:
        return Money(Decimal("12.50"), "EUR")
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        hints = typing.get_type_hints(hint)
        return hint(
            **{
                field.name: _value(hints[field.name], number, field.name)
                for field in dataclasses.fields(hint)
            }
        )
    if isinstance(hint, type) and issubclass(hint, Enum):
        return list(hint)[number % len(hint)]
    plain: dict[Any, Any] = {
        datetime: site.NOW - timedelta(minutes=7 * number),
        int: 40 + number,
        float: 1.5,
        bool: number == 1,
        Decimal: Decimal(3),
    }
    return plain.get(hint, _text(name, number))


def _text(name: str, number: int) -> str:
    if name == "station_id":
        return f"CP-0{number + 1}"
    if name.endswith(("key", "id")):
        return f"01JAB{number}"
    if name.startswith("version"):
        return f"1.8.{20 + number}"
    return f"{name.replace('_', ' ')} as the charger said it"
