"""The device model of a simulated OCPP 2.0.1 station: its variables and how they are asked for.

A variable is kept under "Component.Variable"; of EVSEs only what doesn't differ between them is
modelled.
"""

from typing import Any

from sitecontroller.domain.topology import ChargingStation
from sitecontroller.simulation import samples
from sitecontroller.simulation.profiles import PERIODS_MAX, PROFILES_MAX, STACK_LEVEL_MAX
from sitecontroller.simulation.settings import (
    FLAG,
    WHOLE_NUMBER,
    SetOutcome,
    Setting,
    Settings,
)
from sitecontroller.simulation.uplink import Payload

ITEMS_MAX = 50
PASSWORD = "SecurityCtrlr.BasicAuthPassword"
PING_INTERVAL = "OCPPCommCtrlr.WebSocketPingInterval"

_SET_WORDS = {
    SetOutcome.ACCEPTED: "Accepted",
    SetOutcome.REJECTED: "Rejected",
    SetOutcome.READ_ONLY: "Rejected",
    SetOutcome.UNKNOWN: "UnknownVariable",
}
_DATA_TYPES = {WHOLE_NUMBER: "integer", FLAG: "boolean"}


def factory_variables(station: ChargingStation, vendor: str, model: str) -> Settings:
    """The variables of OCPP 2.0.1 part 2, appendix 3 that this station has."""
    evse = station.evses[0]
    measurands = ",".join(samples.DEFAULT_MEASURANDS)
    fixed = {
        "ChargingStation.VendorName": vendor,
        "ChargingStation.Model": model,
        "ChargingStation.SupplyPhases": str(evse.phase_count),
        "EVSE.SupplyPhases": str(evse.phase_count),
        "EVSE.Power": str(round(evse.power_w_max * evse.efficiency)),
        "SecurityCtrlr.Identity": station.station_id,
        "SecurityCtrlr.SecurityProfile": "1",
        "SmartChargingCtrlr.Enabled": "true",
        "SmartChargingCtrlr.ProfileStackLevel": str(STACK_LEVEL_MAX),
        "SmartChargingCtrlr.PeriodsPerSchedule": str(PERIODS_MAX),
        "SmartChargingCtrlr.Entries": str(PROFILES_MAX),
        "SmartChargingCtrlr.RateUnit": evse.limit_unit.value,
        "DeviceDataCtrlr.ItemsPerMessage": str(ITEMS_MAX),
        "TxCtrlr.TxStartPoint": "PowerPathClosed",
        "TxCtrlr.TxStopPoint": "Authorized,EVConnected",
    }
    return Settings(
        Setting("OCPPCommCtrlr.HeartbeatInterval", "300", WHOLE_NUMBER),
        Setting(PING_INTERVAL, "0", WHOLE_NUMBER),
        Setting("SampledDataCtrlr.TxUpdatedInterval", "60", WHOLE_NUMBER),
        Setting("SampledDataCtrlr.TxUpdatedMeasurands", measurands, samples.MEASURAND_LIST),
        Setting("SampledDataCtrlr.TxStartedMeasurands", samples.ENERGY, samples.MEASURAND_LIST),
        Setting("SampledDataCtrlr.TxEndedMeasurands", samples.ENERGY, samples.MEASURAND_LIST),
        Setting("SampledDataCtrlr.TxEndedInterval", "0", WHOLE_NUMBER),
        Setting("AlignedDataCtrlr.Interval", "0", WHOLE_NUMBER),
        Setting("TxCtrlr.EVConnectionTimeOut", "120", WHOLE_NUMBER),
        Setting("TxCtrlr.StopTxOnInvalidId", "true", FLAG),
        Setting("TxCtrlr.StopTxOnEVSideDisconnect", "true", FLAG),
        Setting("AuthCtrlr.AuthorizeRemoteStart", "false", FLAG),
        Setting("AuthCtrlr.LocalAuthorizeOffline", "false", FLAG),
        Setting("AuthCtrlr.LocalPreAuthorize", "false", FLAG),
        Setting("AuthCtrlr.OfflineTxForUnknownIdEnabled", "false", FLAG),
        Setting(PASSWORD, "", r".{16,40}", readable=False),
        *(Setting(name, value, writable=False) for name, value in fixed.items()),
    )


def get_variables(settings: Settings, payload: Payload) -> Payload:
    """GetVariables: every variable asked for, with its value or why there is none."""
    return {"getVariableResult": [_got(settings, item) for item in payload["getVariableData"]]}


def set_variables(settings: Settings, payload: Payload) -> Payload:
    """SetVariables: every variable, and whether it took the value."""
    results = []
    for item in payload["setVariableData"]:
        status = "NotSupportedAttributeType"
        if item.get("attributeType", "Actual") == "Actual":
            status = _SET_WORDS[settings.set(_name(item), item["attributeValue"])]
            if status == "UnknownVariable" and not _has_component(settings, item):
                status = "UnknownComponent"
        results.append(
            {
                "attributeStatus": status,
                "component": item["component"],
                "variable": item["variable"],
            }
        )
    return {"setVariableResult": results}


def reports(settings: Settings, request_id: int, generated_at: str) -> list[Payload]:
    """NotifyReport of every variable, in as many messages as it takes."""
    entries = [_report(setting) for setting in settings]
    parts = [entries[i : i + ITEMS_MAX] for i in range(0, len(entries), ITEMS_MAX)]
    return [
        {
            "requestId": request_id,
            "generatedAt": generated_at,
            "seqNo": number,
            "tbc": number < len(parts) - 1,
            "reportData": part,
        }
        for number, part in enumerate(parts)
    ]


def _got(settings: Settings, item: dict[str, Any]) -> dict[str, Any]:
    setting = settings.get(_name(item))
    result = {"component": item["component"], "variable": item["variable"]}
    if item.get("attributeType", "Actual") != "Actual":
        return {"attributeStatus": "NotSupportedAttributeType", **result}
    if setting is None:
        known = _has_component(settings, item)
        status = "UnknownVariable" if known else "UnknownComponent"
        return {"attributeStatus": status, **result}
    if not setting.readable:
        return {"attributeStatus": "Rejected", **result}
    return {"attributeStatus": "Accepted", "attributeValue": setting.value, **result}


def _report(setting: Setting) -> dict[str, Any]:
    component, _, variable = setting.name.partition(".")
    mutability = "ReadWrite" if setting.readable else "WriteOnly"
    attribute = {"mutability": mutability if setting.writable else "ReadOnly"}
    if setting.readable:
        attribute["value"] = setting.value
    return {
        "component": {"name": component},
        "variable": {"name": variable},
        "variableAttribute": [attribute],
        "variableCharacteristics": {
            "dataType": _DATA_TYPES.get(setting.pattern, "string"),
            "supportsMonitoring": False,
        },
    }


def _name(item: dict[str, Any]) -> str:
    return f"{item['component']['name']}.{item['variable']['name']}"


def _has_component(settings: Settings, item: dict[str, Any]) -> bool:
    component = item["component"]["name"].casefold()
    return any(setting.name.casefold().partition(".")[0] == component for setting in settings)
