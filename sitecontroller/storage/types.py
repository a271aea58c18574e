"""Column types: how a domain value lies in SQLite without losing a digit or a time zone.

Instants are integer µs UTC, energies integer mWh, other measured values scaled integers, all that
has structure JSON text through `wire` (there unrounded prices are decimal text and instants have
ms). Tables are STRICT: SQLite refuses a value of the wrong kind.
"""

import dataclasses
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, get_origin

import orjson
from sqlalchemy import Dialect, Integer, Text
from sqlalchemy.types import TypeDecorator

from sitecontroller.wire import from_json, to_json

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# What orjson writes as `wire` does is written by it; the rest goes through `wire`.
_AS_WIRE = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATETIME
DECODED_MAX = 256
"""Texts of a column whose value is kept."""
SCALED_MAX = 2**62
"""Measured values beyond this are nonsense; a difference of two smaller ones fits into 64 bits."""


def to_micros(at: datetime) -> int:
    """An aware instant as µs since 1970 UTC, exact."""
    assert at.tzinfo is not None, f"{at} names no time zone"
    return (at - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The reverse of `to_micros`, in UTC."""
    return _EPOCH + timedelta(microseconds=micros)


def scaled(value: float | None, steps: int) -> int | None:
    """`value` in whole steps of 1/`steps`; what no integer can hold (inf, NaN) is unknown."""
    if value is None or not math.isfinite(value) or abs(value) >= SCALED_MAX / steps:
        return None
    return round(value * steps)


def json_text(value: Any) -> str:
    """Any domain value as JSON text without blanks; dicts by key, dataclasses as declared."""
    return orjson.dumps(value, default=to_json, option=_AS_WIRE).decode()


class Instant(TypeDecorator[datetime]):
    """An aware instant as integer µs UTC."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else to_micros(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else from_micros(value)


class Scaled(TypeDecorator[float]):
    """A measured value in whole steps of 1/`steps` of its unit: 1000 keeps A as mA."""

    impl = Integer
    cache_ok = True

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def process_bind_param(self, value: float | None, dialect: Dialect) -> int | None:
        return scaled(value, self.steps)

    def process_result_value(self, value: int | None, dialect: Dialect) -> float | None:
        return None if value is None else value / self.steps


class Energy(Scaled):
    """Wh as integer mWh."""

    cache_ok = True

    def __init__(self) -> None:
        super().__init__(1000)


class Flag(TypeDecorator[bool]):
    """Yes or no as 1 or 0."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: bool | None, dialect: Dialect) -> int | None:
        return None if value is None else int(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> bool | None:
        return None if value is None else bool(value)


class Word(TypeDecorator[StrEnum]):
    """A word of a closed list as its text."""

    impl = Text
    cache_ok = True

    def __init__(self, words: type[StrEnum]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: StrEnum | None, dialect: Dialect) -> str | None:
        return None if value is None else value.value

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:
        return None if value is None else self.words(value)


class Code(TypeDecorator[StrEnum]):
    """A word of a closed list as its number in a fixed order; the first is 0 and takes no byte.

    The order is part of the file format: words are only ever added at the end.
    """

    impl = Integer
    cache_ok = True

    def __init__(self, *words: StrEnum) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: StrEnum | None, dialect: Dialect) -> int | None:
        return None if value is None else self.words.index(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> StrEnum | None:
        return None if value is None else self.words[value]


class Json(TypeDecorator[Any]):
    """JSON text. `of` names the domain type to read it back as; without it JSON values return.

    Equal texts of an immutable type are read once: many rows share a tariff, flags and prices.
    """

    impl = Text
    cache_ok = True

    def __init__(self, of: Any = None) -> None:
        super().__init__()
        self.of = of
        self._read: Callable[[str], Any] = orjson.loads
        if of is not None:
            self._read = lambda text: from_json(of, orjson.loads(text))
            if dataclasses.is_dataclass(of) or get_origin(of) in (tuple, frozenset):
                self._read = lru_cache(DECODED_MAX)(self._read)

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else self._read(value)
