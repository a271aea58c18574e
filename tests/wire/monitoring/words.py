"""What 2.x chargers say of monitors and events, and the answers they give."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from sitecontroller.domain.monitoring import StationEventsQuery
from tests.wire.charger import Charger
from tests.wire.site import TestSite, instant


def event(
    component: str = "EVSE",
    variable: str = "Problem",
    value: str = "true",
    *,
    evse: int | None = 1,
    connector: int | None = None,
    number: int = 1,
    trigger: str = "Alerting",
    origin: str = "HardWiredNotification",
    **more: Any,
) -> dict[str, Any]:
    """One element of eventData."""
    place: dict[str, Any] = {"name": component}
    if evse is not None:
        place["evse"] = {"id": evse}
        if connector is not None:
            place["evse"]["connectorId"] = connector
    return {
        "eventId": number,
        "timestamp": instant(),
        "trigger": trigger,
        "actualValue": value,
        "component": place,
        "variable": {"name": variable},
        "eventNotificationType": origin,
        **more,
    }


async def tell(charger: Charger, *events: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A NotifyEvent."""
    return await charger.call(
        "NotifyEvent",
        {"generatedAt": instant(), "seqNo": 0, "eventData": list(events), **more},
    )


def set_by(numbers: Callable[[int], int | None] = lambda index: index + 100) -> Any:
    """An answer to SetVariableMonitoring: accepted with these numbers, None: unknown variable."""

    def answer(payload: dict[str, Any]) -> dict[str, Any]:
        results = []
        for index, wanted in enumerate(payload["setMonitoringData"]):
            number = numbers(index)
            result = {
                "type": wanted["type"],
                "severity": wanted["severity"],
                "component": wanted["component"],
                "variable": wanted["variable"],
                "status": "Accepted" if number is not None else "UnknownVariable",
            }
            results.append({**result, **({} if number is None else {"id": number})})
        return {"setMonitoringResult": results}

    return answer


def monitor_row(
    number: int, *, component: str = "EVSE", variable: str = "AvailabilityState", **more: Any
) -> dict[str, Any]:
    """One element of a NotifyMonitoringReport."""
    return {
        "component": {"name": component, "evse": {"id": 1}},
        "variable": {"name": variable},
        "variableMonitoring": [
            {
                "id": number,
                "transaction": False,
                "value": 1,
                "type": "Delta",
                "severity": 8,
                "eventNotificationType": "CustomMonitor",
                **more,
            }
        ],
    }


def told_variables(**values: str) -> Any:
    """An answer to GetVariables: these by "Component.Variable@instance" with _ for the signs."""
    known = {name.replace("__", "@").replace("_", "."): value for name, value in values.items()}

    def answer(payload: dict[str, Any]) -> dict[str, Any]:
        results = []
        for wanted in payload["getVariableData"]:
            instance = wanted["variable"].get("instance")
            name = f"{wanted['component']['name']}.{wanted['variable']['name']}"
            name += f"@{instance}" if instance else ""
            value = known.get(name)
            results.append(
                {
                    "component": wanted["component"],
                    "variable": wanted["variable"],
                    "attributeStatus": "UnknownVariable" if value is None else "Accepted",
                    **({} if value is None else {"attributeValue": value}),
                }
            )
        return {"getVariableResult": results}

    return answer


_RUNNING: set[asyncio.Task[Any]] = set()


def later(work: Coroutine[Any, Any, Any]) -> None:
    """What a charger does after it has answered."""
    task = asyncio.get_running_loop().create_task(work)
    _RUNNING.add(task)
    task.add_done_callback(_RUNNING.discard)


async def history(site: TestSite, station_id: str | None = "CP-01") -> list[Any]:
    """Newest first."""
    page = await site.site.controller.query(StationEventsQuery(station_id=station_id))
    return list(page.items)


def alarms(site: TestSite, code: str = "station-event") -> list[Any]:
    """Those that stand."""
    return [a for a in site.site.services.alarms.open() if a.code == code and a.active]
