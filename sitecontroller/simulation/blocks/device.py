"""The device model over the wire: get and set variables, inventory and custom reports (B05–B08)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from sitecontroller.simulation.blocks import security
from sitecontroller.simulation.blocks.block import Block, accepted
from sitecontroller.simulation.control import EvseControl
from sitecontroller.simulation.settings import FLAG, WHOLE_NUMBER, SetOutcome, Setting
from sitecontroller.simulation.uplink import Payload
from sitecontroller.simulation.variables2x import ITEMS_MAX, STATES, live, name_of, named

if TYPE_CHECKING:
    from sitecontroller.simulation.station import SimulatedStation

TEMPERATURE_IDLE_C = 24.0
TEMPERATURE_PER_A = 0.6
"""How much warmer the box gets with the current of all its EVSEs."""

_SET_WORDS = {
    SetOutcome.ACCEPTED: "Accepted",
    SetOutcome.AFTER_REBOOT: "RebootRequired",
    SetOutcome.REJECTED: "Rejected",
    SetOutcome.READ_ONLY: "Rejected",
    SetOutcome.UNKNOWN: "UnknownVariable",
}
_DATA_TYPES = {WHOLE_NUMBER: "integer", FLAG: "boolean"}
_SUMMARY = ("AvailabilityState", "Problem", "Temperature")
_CRITERIA = ("Active", "Available", "Enabled", "Problem")


def temperature_c(station: SimulatedStation) -> float:
    """What the box's sensor shows."""
    current_a = sum(control.outlet.current_a for control in station.controls.values())
    return round(TEMPERATURE_IDLE_C + TEMPERATURE_PER_A * current_a, 1)


def _settings(station: SimulatedStation) -> Iterable[Setting]:
    """What the station measures and knows of itself."""

    def state() -> str:
        states = {control.status.value for control in station.controls.values()}
        return next((word for word in STATES if word in states), "Available")

    yield live("ChargingStation.AvailabilityState", state, words=STATES)
    yield live("ChargingStation.Problem", lambda: _said(_has_problem(station)))
    yield live("ChargingStation.Temperature", lambda: str(temperature_c(station)), unit="Celsius")
    yield live("ClockCtrlr.DateTime", lambda: station.stamp())
    yield live("Controller.FirmwareVersion", lambda: station.firmware_version)
    for evse_id, control in station.controls.items():
        yield from _of_evse(evse_id, control)


def _of_evse(evse_id: int, control: EvseControl) -> Iterable[Setting]:
    evse, outlet = control.evse, control.outlet
    most_w = round(evse.power_w_max * evse.efficiency)
    power = f"EVSE[{evse_id}].Power"
    yield live(power, lambda: f"{outlet.power_w:.0f}", unit="W", highest=most_w)
    yield live(f"EVSE[{evse_id}].ACCurrent", lambda: f"{outlet.current_a:.1f}", unit="A")
    yield live(f"EVSE[{evse_id}].AvailabilityState", lambda: control.status.value, words=STATES)
    yield live(f"EVSE[{evse_id}].Problem", lambda: _said(control.fault is not None))
    yield live(
        f"Connector[{evse_id}/1].AvailabilityState", lambda: control.status.value, words=STATES
    )
    yield live(
        f"FiscalMetering[{evse_id}].EnergyImportRegister",
        lambda: f"{outlet.energy_wh:.0f}",
        unit="Wh",
    )


def _has_problem(station: SimulatedStation) -> bool:
    return any(control.fault is not None for control in station.controls.values())


def _said(value: bool) -> str:
    return "true" if value else "false"


# Single variables


def _get_variables(station: SimulatedStation, payload: Payload) -> Payload:
    return {"getVariableResult": [_got(station, item) for item in payload["getVariableData"]]}


def _got(station: SimulatedStation, item: dict[str, Any]) -> dict[str, Any]:
    setting = station.settings.get(name_of(item))
    result = _echo(item)
    if setting is None:
        return {"attributeStatus": _unknown(station, item), **result}
    if item.get("attributeType", "Actual") != "Actual":
        return {"attributeStatus": "NotSupportedAttributeType", **result}
    if not setting.readable:
        return {"attributeStatus": "Rejected", **result}
    return {"attributeStatus": "Accepted", "attributeValue": setting.now, **result}


def _set_variables(station: SimulatedStation, payload: Payload) -> Payload:
    results = [
        {"attributeStatus": _set(station, item), **_echo(item)}
        for item in payload["setVariableData"]
    ]
    return {"setVariableResult": results}


def _set(station: SimulatedStation, item: dict[str, Any]) -> str:
    name, value = name_of(item), item["attributeValue"]
    if item.get("attributeType", "Actual") != "Actual":
        return "NotSupportedAttributeType"
    outcome = station.settings.set(name, value)
    if outcome is SetOutcome.UNKNOWN:
        return _unknown(station, item)
    if outcome in (SetOutcome.ACCEPTED, SetOutcome.AFTER_REBOOT):
        _has_effect(station, name.casefold(), value)
    return _SET_WORDS[outcome]


def _has_effect(station: SimulatedStation, name: str, value: str) -> None:
    """What isn't read from the settings whenever it is needed."""
    names = station.dialect.NAMES
    if name == names.password.casefold():
        station.uplink.password = value
        security.note_event(station, "ReconfigurationOfSecurityParameters")
    elif name == names.ping_interval.casefold():
        station.uplink.ping_interval_s = float(value) or None


def _echo(item: dict[str, Any]) -> dict[str, Any]:
    kind = item.get("attributeType")
    more = {} if kind is None else {"attributeType": kind}
    return {"component": item["component"], "variable": item["variable"], **more}


def _unknown(station: SimulatedStation, item: dict[str, Any]) -> str:
    component = name_of({"component": item["component"], "variable": {"name": ""}}).casefold()
    known = any(setting.name.casefold().startswith(component) for setting in station.settings)
    return "UnknownVariable" if known else "UnknownComponent"


# Reports


def _get_base_report(station: SimulatedStation, payload: Payload) -> Payload:
    wanted: Callable[[Setting], bool] = {
        "FullInventory": lambda _: True,
        "ConfigurationInventory": lambda setting: setting.writable,
        "SummaryInventory": lambda setting: setting.name.endswith(_SUMMARY),
    }[payload["reportBase"]]
    return _report(station, payload["requestId"], [s for s in station.settings if wanted(s)])


def _get_report(station: SimulatedStation, payload: Payload) -> Payload:
    """By component and variable, by criteria, or both (B08)."""
    rows = payload.get("componentVariable")
    criteria = payload.get("componentCriteria", ())
    found = [
        setting
        for setting in station.settings
        if (rows is None or any(fits(setting, row) for row in rows))
        and (not criteria or _meets(station, setting, criteria))
    ]
    return _report(station, payload["requestId"], found)


def fits(setting: Setting, row: dict[str, Any]) -> bool:
    """Whether a row of a request means this variable; what it leaves open fits all."""
    has = named(setting.name)
    component, asked = has["component"], row["component"]
    if component["name"].casefold() != asked["name"].casefold():
        return False
    if "instance" in asked and asked["instance"] != component.get("instance"):
        return False
    if "evse" in asked:
        evse = component.get("evse", {})
        if any(evse.get(key) != asked["evse"][key] for key in asked["evse"]):
            return False
    variable = row.get("variable")
    if variable is None:
        return True
    same = has["variable"]["name"].casefold() == variable["name"].casefold()
    return same and variable.get("instance") in (None, has["variable"].get("instance"))


def _meets(station: SimulatedStation, setting: Setting, criteria: list[str]) -> bool:
    """A component without such a variable counts as available and enabled, and as unimpaired."""
    component = setting.name.partition(".")[0]
    for criterion in criteria:
        default = "false" if criterion == "Problem" else "true"
        said = station.settings.text(f"{component}.{criterion}", default)
        if said == "true":
            return True
    return False


def _report(station: SimulatedStation, request_id: int, settings: list[Setting]) -> Payload:
    if not settings:
        return {"status": "EmptyResultSet"}
    entries = [entry(setting) for setting in settings]
    parts = [entries[i : i + ITEMS_MAX] for i in range(0, len(entries), ITEMS_MAX)]
    for number, part in enumerate(parts):
        report = {
            "requestId": request_id,
            "generatedAt": station.stamp(),
            "seqNo": number,
            "tbc": number < len(parts) - 1,
            "reportData": part,
        }
        station.after_answer(partial(station.say, "NotifyReport", report))
    return accepted()


def entry(setting: Setting) -> dict[str, Any]:
    """A ReportDataType."""
    mutability = "ReadWrite" if setting.readable else "WriteOnly"
    attribute: dict[str, Any] = {
        "mutability": mutability if setting.writable else "ReadOnly",
        "persistent": setting.live is None,
    }
    if setting.readable:
        attribute["value"] = setting.now
    data_type = setting.data_type or _DATA_TYPES.get(setting.pattern, "string")
    characteristics: dict[str, Any] = {
        "dataType": data_type,
        "supportsMonitoring": setting.monitored,
    }
    if setting.unit:
        characteristics["unit"] = setting.unit
    if setting.lowest is not None:
        characteristics["minLimit"] = setting.lowest
    if setting.highest is not None:
        characteristics["maxLimit"] = setting.highest
    if setting.words:
        characteristics["valuesList"] = ",".join(setting.words)
    return {
        **named(setting.name),
        "variableAttribute": [attribute],
        "variableCharacteristics": characteristics,
    }


BLOCK = Block(
    answers={
        "GetVariables": _get_variables,
        "SetVariables": _set_variables,
        "GetBaseReport": _get_base_report,
        "GetReport": _get_report,
    },
    settings=_settings,
)
