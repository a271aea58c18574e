"""The 2.x device model's names, and a base report gathered from its parts.

A setting is named "Component.Variable", with instances "Component@instance.Variable@instance".
"""

import asyncio
from typing import Any

from sitecontroller.domain.errors import FieldError, InvalidInput
from sitecontroller.ocpp.values import integer, rows, table, text

REPORT_ROWS_MAX = 5000


def variable(name: str) -> dict[str, Any]:
    """Component and variable as OCPP writes them. InvalidInput if the name has not both."""
    component, dot, rest = name.strip().partition(".")
    if not (component and dot and rest):
        raise InvalidInput(
            f"'{name}' is no setting of an OCPP 2.0.1 station",
            remedy="Write Component.Variable, as in OCPPCommCtrlr.HeartbeatInterval",
            errors=(FieldError("name", "is Component.Variable"),),
        )
    return {"component": _named(component), "variable": _named(rest)}


def variable_name(row: dict[str, Any]) -> str | None:
    """The reverse of `variable`, from a result or a report; an EVSE's number in brackets."""
    component, found = table(row.get("component")), table(row.get("variable"))
    if text(component.get("name")) is None or text(found.get("name")) is None:
        return None
    evse_id = integer(table(component.get("evse")).get("id"))
    place = "" if evse_id is None else f"[{evse_id}]"
    return f"{_joined(component)}{place}.{_joined(found)}"


class BaseReport:
    """The parts of one GetBaseReport, by name; the first 5000 variables of it."""

    def __init__(self, request_id: int) -> None:
        self.request_id = request_id
        self.values: dict[str, str | None] = {}
        self.complete = asyncio.Event()

    def take(self, payload: dict[str, Any]) -> None:
        """A NotifyReport; parts of another request are left."""
        if integer(payload.get("requestId")) != self.request_id:
            return
        for row in rows(payload.get("reportData"), REPORT_ROWS_MAX):
            name = variable_name(row)
            if name is not None and len(self.values) < REPORT_ROWS_MAX:
                self.values[name] = _actual(row)
        if payload.get("tbc") is not True:
            self.complete.set()


def _actual(row: dict[str, Any]) -> str | None:
    for attribute in rows(row.get("variableAttribute"), 4):
        if (text(attribute.get("type")) or "Actual") == "Actual":
            return text(attribute.get("value"))
    return None


def _named(part: str) -> dict[str, str]:
    name, at, instance = part.partition("@")
    return {"name": name, "instance": instance} if at and instance else {"name": name}


def _joined(named: dict[str, Any]) -> str:
    instance = text(named.get("instance"))
    return f"{text(named.get('name'))}" + (f"@{instance}" if instance else "")
