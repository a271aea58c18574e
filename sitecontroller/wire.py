"""Domain dataclasses to and from JSON values, once, for the API, its client, outbox and storage.

Times are RFC 3339 UTC with `Z` and milliseconds, decimals are strings, tuples and sets are lists,
unknown is null. Converters are built from the type hints at first use and kept.
"""

import dataclasses
import types
import typing
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin

T = TypeVar("T")
_Convert = Callable[[Any], Any]


def to_json(value: Any) -> Any:
    """Anything of the domain as JSON values (dict, list, str, int, float, bool, None)."""
    if value is None or isinstance(value, bool | int | float):
        return value
    kind: Any = type(value)
    return _encoder(kind)(value)


def from_json(cls: type[T], data: Any) -> T:
    """The reverse: ValueError or TypeError or KeyError when `data` isn't a `cls`.

    Unknown fields are ignored: the API may add some. A missing field takes its default.
    """
    hint: Any = cls
    result: T = _decoder(hint)(data)
    return result


def format_instant(at: datetime) -> str:
    """RFC 3339, UTC, milliseconds, `Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def parse_instant(text: str) -> datetime:
    """The reverse of `format_instant`; accepts any RFC 3339 offset."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"'{text}' names no time zone")
    return at.astimezone(UTC)


@cache
def _encoder(cls: Any) -> _Convert:
    if dataclasses.is_dataclass(cls):
        names = tuple(field.name for field in dataclasses.fields(cls))
        return lambda value: {name: to_json(getattr(value, name)) for name in names}
    if issubclass(cls, Enum):
        return lambda value: value.value
    if issubclass(cls, datetime):
        return format_instant
    if issubclass(cls, Decimal):
        return lambda value: format(value, "f")
    if issubclass(cls, frozenset | set):
        return lambda value: sorted(to_json(item) for item in value)
    if issubclass(cls, tuple | list):
        return lambda value: [to_json(item) for item in value]
    if issubclass(cls, dict):
        return lambda value: {str(key): to_json(item) for key, item in value.items()}
    if issubclass(cls, str):
        return str
    raise TypeError(f"{cls.__name__} has no JSON form")


@cache
def _decoder(hint: Any) -> _Convert:
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any:
        return lambda data: data
    if origin in (Union, types.UnionType):
        return _union(args)
    if origin is tuple:
        return _tuple(args)
    if origin in (frozenset, list):
        item = _decoder(args[0])
        return lambda data: origin(item(value) for value in data)
    if origin is dict:
        item = _decoder(args[1])
        return lambda data: {key: item(value) for key, value in data.items()}
    if dataclasses.is_dataclass(origin or hint):
        return _dataclass(hint)
    if issubclass(hint, Enum):
        return lambda data: hint(data)
    return _scalar(hint)


def _scalar(hint: type) -> _Convert:
    if hint is datetime:
        return parse_instant
    if hint is Decimal:
        return lambda data: Decimal(str(data))
    if hint is float:
        return float
    if hint in (str, int, bool, dict):
        return lambda data: _checked(hint, data)
    raise TypeError(f"{hint} has no JSON form")


def _checked(hint: type, data: Any) -> Any:
    if not isinstance(data, hint) or (hint is int and isinstance(data, bool)):
        raise TypeError(f"expected {hint.__name__}, got {type(data).__name__}")
    return data


def _union(args: tuple[Any, ...]) -> _Convert:
    choices = [arg for arg in args if arg is not types.NoneType]
    if len(choices) != 1:
        raise TypeError(f"{args}: only 'X | None' can be read back")
    item = _decoder(choices[0])
    return lambda data: None if data is None else item(data)


def _tuple(args: tuple[Any, ...]) -> _Convert:
    if len(args) == 2 and args[1] is Ellipsis:
        item = _decoder(args[0])
        return lambda data: tuple(item(value) for value in data)
    items = [_decoder(arg) for arg in args]
    return lambda data: tuple(item(value) for item, value in zip(items, data, strict=True))


def _dataclass(hint: Any) -> _Convert:
    cls = get_origin(hint) or hint
    hints = typing.get_type_hints(cls)
    parameters = dict(zip(getattr(cls, "__parameters__", ()), get_args(hint), strict=False))
    decoders: dict[str, _Convert] = {}
    for field in dataclasses.fields(cls):
        field_hint = hints[field.name]
        if get_args(field_hint) and parameters:
            field_hint = (
                field_hint[tuple(parameters[p] for p in field_hint.__parameters__)]
                if getattr(field_hint, "__parameters__", ())
                else field_hint
            )
        decoders[field.name] = _decoder(parameters.get(field_hint, field_hint))

    def decode(data: Any) -> Any:
        return cls(**{name: decoders[name](data[name]) for name in decoders if name in data})

    return decode
