"""The 2.x device model's names, as `domain.device` writes them and as OCPP does; its rows, read.

Signs that hold a name together are written as %xx where they stand in a part of it.
"""

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import unquote

from sitecontroller.domain.device import Attribute, Mutability, Variable
from sitecontroller.domain.device_rules import redacted
from sitecontroller.domain.errors import CallRefused, FieldError, InvalidInput
from sitecontroller.ocpp.values import integer, number, rows, table, text

Item = TypeVar("Item")

VALUE_CHARACTERS_MAX = 2500
CHOICES_MAX = 200
ATTRIBUTES_MAX = 4
ACTUAL = "Actual"
OTHERS = ("Target", "MinSet", "MaxSet")
TOO_MANY = ("OccurrenceConstraintViolation", "OccurenceConstraintViolation", "FormatViolation")
"""Error codes by which a station says that a message holds too much (B06.FR.16, B06.FR.17)."""

_SIGNS = re.compile(r"[.@\[\]#%/]")
_COMPONENT = re.compile(r"(?P<name>[^\[]*)(\[(?P<evse>\d{1,9})(/(?P<connector>\d{1,9}))?\])?")
_MUTABILITIES = {kind.value.casefold(): kind for kind in Mutability}
_OTHERS = {kind.casefold(): kind for kind in OTHERS}


def variable(name: str) -> dict[str, Any]:
    """Component and variable as OCPP writes them, with the attribute where it isn't the actual
    value. InvalidInput if the name has not both."""
    found = component_variable(name)
    if "variable" not in found:
        raise _no_name(name)
    return found


def component_variable(name: str) -> dict[str, Any]:
    """The same, where the name of a component alone will do."""
    whole, _, kind = name.strip().partition("#")
    component, dot, rest = whole.partition(".")
    placed = _COMPONENT.fullmatch(component)
    if placed is None or not placed["name"] or bool(dot) != bool(rest):
        raise _no_name(name)
    found: dict[str, Any] = {"component": _named(placed["name"])}
    if placed["evse"] is not None:
        found["component"]["evse"] = {"id": int(placed["evse"])}
        if placed["connector"] is not None:
            found["component"]["evse"]["connectorId"] = int(placed["connector"])
    if rest:
        found["variable"] = _named(rest)
    if kind.casefold() in _OTHERS and rest:
        found["attributeType"] = _OTHERS[kind.casefold()]
    elif kind and kind != ACTUAL:
        raise _no_name(name)
    return found


def variable_name(row: dict[str, Any]) -> str | None:
    """The reverse of `variable`, from a result or a report; None: it names none."""
    component, found = table(row.get("component")), table(row.get("variable"))
    if text(component.get("name")) is None or text(found.get("name")) is None:
        return None
    evse = table(component.get("evse"))
    evse_id, connector_id = integer(evse.get("id")), integer(evse.get("connectorId"))
    place = "" if evse_id is None else f"[{evse_id}]"
    if evse_id is not None and connector_id is not None:
        place = f"[{evse_id}/{connector_id}]"
    kind = _OTHERS.get((text(row.get("attributeType")) or "").casefold())
    return f"{_joined(component)}{place}.{_joined(found)}" + (f"#{kind}" if kind else "")


def reported(row: dict[str, Any]) -> Variable | None:
    """A row of a NotifyReport, without what is secret; None: it can't be read."""
    name = variable_name({**row, "attributeType": None})
    if name is None:
        return None
    traits = table(row.get("variableCharacteristics"))
    found = Variable(
        name,
        data_type=text(traits.get("dataType")),
        unit=text(traits.get("unit")),
        min_limit=number(traits.get("minLimit")),
        max_limit=number(traits.get("maxLimit")),
        choices=_choices(traits.get("valuesList")),
    )
    for attribute in rows(row.get("variableAttribute"), ATTRIBUTES_MAX):
        kind = _OTHERS.get((text(attribute.get("type")) or ACTUAL).casefold())
        said = (text(attribute.get("mutability")) or "").casefold()
        mutability = _MUTABILITIES.get(said, Mutability.READ_WRITE)
        value = told_value(attribute.get("value"))
        if kind is None:
            found = replace(found, value=value, mutability=mutability)
        else:
            others = {**found.others, kind: Attribute(value, mutability)}
            found = replace(found, others=others)
    return redacted(found)


def told_value(raw: object) -> str | None:
    """A value as a station writes it, also one that isn't text; "" is a value."""
    if isinstance(raw, bool):
        return str(raw).lower()
    found = text(raw, VALUE_CHARACTERS_MAX)
    return "" if found is None and isinstance(raw, str) else found


async def in_parts(
    items: Sequence[Item],
    items_max: int,
    bytes_max: int | None,
    send: Callable[[Sequence[Item]], Awaitable[None]],
    *,
    is_too_much: Callable[[CallRefused], bool] = lambda refusal: refusal.error_code in TOO_MANY,
) -> None:
    """Send everything in as many messages as the station's limits ask for (B05.FR.11, B06.FR.05).

    One that says that a message holds too much gets half of it, down to single ones.
    """
    done, most = 0, max(1, items_max)
    while done < len(items):
        part = _fitting(items[done : done + most], bytes_max)
        try:
            await send(part)
        except CallRefused as refusal:
            if len(part) == 1 or not is_too_much(refusal):
                raise
            most = len(part) // 2
            continue
        done += len(part)


def _fitting(part: Sequence[Item], bytes_max: int | None) -> Sequence[Item]:
    """As many as `bytes_max` holds, with room for the frame around them; one at least."""
    if bytes_max is None:
        return part
    room = bytes_max - 150
    for count, item in enumerate(part):
        room -= len(json.dumps(item, ensure_ascii=False).encode()) + 1
        if room < 0:
            return part[: max(1, count)]
    return part


def _choices(raw: object) -> tuple[str, ...]:
    said = text(raw, VALUE_CHARACTERS_MAX)
    parts = (said or "").split(",")[:CHOICES_MAX]
    return tuple(part.strip() for part in parts if part.strip())


def _no_name(name: str) -> InvalidInput:
    return InvalidInput(
        f"'{name}' is no setting of an OCPP 2.0.1 station",
        remedy="Write Component.Variable, as in OCPPCommCtrlr.HeartbeatInterval",
        errors=(FieldError("name", "must be Component.Variable"),),
    )


def _named(part: str) -> dict[str, Any]:
    name, at, instance = part.partition("@")
    if at and instance:
        return {"name": unquote(name), "instance": unquote(instance)}
    return {"name": unquote(name)}


def _joined(named: dict[str, Any]) -> str:
    instance = text(named.get("instance"))
    return _escaped(text(named.get("name")) or "") + (f"@{_escaped(instance)}" if instance else "")


def _escaped(part: str) -> str:
    return _SIGNS.sub(lambda sign: f"%{ord(sign[0]):02X}", part)
