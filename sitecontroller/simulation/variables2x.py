"""The device model of a simulated 2.x station: its variables, and how they are asked for.

A variable is kept under "Component.Variable", with instances "Component@instance.Variable@instance"
and with the EVSE's number "EVSE[1].Power"; of a connector "Connector[1/1].Available".
"""

import re
from collections.abc import Callable
from typing import Any

from sitecontroller.domain.topology import ChargingStation, Evse
from sitecontroller.simulation import samples
from sitecontroller.simulation.profiles import PERIODS_MAX, STACK_LEVEL_MAX
from sitecontroller.simulation.settings import FLAG, WHOLE_NUMBER, Setting

ITEMS_MAX = 50
PASSWORD = "SecurityCtrlr.BasicAuthPassword"
PING_INTERVAL = "OCPPCommCtrlr.WebSocketPingInterval"
STATES = ("Available", "Occupied", "Reserved", "Unavailable", "Faulted")

_NAME = re.compile(
    r"(?P<name>[^@\[.]+)(?:@(?P<instance>[^\[.]+))?(?:\[(?P<evse>\d+)(?:/(?P<connector>\d+))?\])?"
    r"\.(?P<variable>[^@]+)(?:@(?P<kind>.+))?"
)


def core_variables(station: ChargingStation, vendor: str, model: str) -> list[Setting]:
    """The variables of OCPP 2.0.1 part 2, appendix 3 that every station of ours has."""
    return [*_writable(), *_fixed(station, vendor, model)]


def _writable() -> list[Setting]:
    measured = ",".join(samples.DEFAULT_MEASURANDS)
    numbers = {
        "OCPPCommCtrlr.HeartbeatInterval": 300,
        PING_INTERVAL: 0,
        "OCPPCommCtrlr.OfflineThreshold": 60,
        "OCPPCommCtrlr.ResetRetries": 1,
        "OCPPCommCtrlr.MessageAttempts@TransactionEvent": 3,
        "OCPPCommCtrlr.MessageAttemptInterval@TransactionEvent": 10,
        "OCPPCommCtrlr.MessageTimeout@Default": 30,
        "OCPPCommCtrlr.RetryBackOffWaitMinimum": 1,
        "OCPPCommCtrlr.RetryBackOffRepeatTimes": 5,
        "OCPPCommCtrlr.RetryBackOffRandomRange": 1,
        "SampledDataCtrlr.TxUpdatedInterval": 60,
        "SampledDataCtrlr.TxEndedInterval": 0,
        "AlignedDataCtrlr.Interval": 0,
        "AlignedDataCtrlr.TxEndedInterval": 0,
        "TxCtrlr.EVConnectionTimeOut": 120,
    }
    flags = {
        "TxCtrlr.StopTxOnInvalidId": True,
        "TxCtrlr.StopTxOnEVSideDisconnect": True,
        "OCPPCommCtrlr.UnlockOnEVSideDisconnect": True,
        "OCPPCommCtrlr.QueueAllMessages": False,
        "AuthCtrlr.AuthorizeRemoteStart": False,
        "AuthCtrlr.LocalAuthorizeOffline": False,
        "AuthCtrlr.LocalPreAuthorize": False,
        "AuthCtrlr.OfflineTxForUnknownIdEnabled": False,
        "AuthCacheCtrlr.Enabled": True,
    }
    lists = {
        "SampledDataCtrlr.TxUpdatedMeasurands": measured,
        "SampledDataCtrlr.TxStartedMeasurands": samples.ENERGY,
        "SampledDataCtrlr.TxEndedMeasurands": samples.ENERGY,
        "AlignedDataCtrlr.Measurands": measured,
        "AlignedDataCtrlr.TxEndedMeasurands": samples.ENERGY,
    }
    return [
        *(Setting(name, str(value), WHOLE_NUMBER) for name, value in numbers.items()),
        *(Setting(name, str(value).lower(), FLAG) for name, value in flags.items()),
        *(
            Setting(name, value, samples.MEASURAND_LIST, data_type="MemberList")
            for name, value in lists.items()
        ),
    ]


def _fixed(station: ChargingStation, vendor: str, model: str) -> list[Setting]:
    evse = station.evses[0]
    texts = {
        "ChargingStation.VendorName": vendor,
        "ChargingStation.Model": model,
        "ChargingStation.Available": "true",
        "ChargingStation.SupplyPhases": str(evse.phase_count),
        "ClockCtrlr.TimeSource": "Heartbeat",
        "OCPPCommCtrlr.FileTransferProtocols": "HTTP,HTTPS,FTP,FTPS",
        "SmartChargingCtrlr.Enabled": "true",
        "SmartChargingCtrlr.ProfileStackLevel": str(STACK_LEVEL_MAX),
        "SmartChargingCtrlr.PeriodsPerSchedule": str(PERIODS_MAX),
        "SmartChargingCtrlr.RateUnit": evse.limit_unit.value,
        "SmartChargingCtrlr.LimitChangeSignificance": "1",
        "DeviceDataCtrlr.ItemsPerMessage@GetReport": str(ITEMS_MAX),
        "DeviceDataCtrlr.ItemsPerMessage@GetVariables": str(ITEMS_MAX),
        "DeviceDataCtrlr.ItemsPerMessage@SetVariables": str(ITEMS_MAX),
        "DeviceDataCtrlr.BytesPerMessage@GetReport": "65536",
        "DeviceDataCtrlr.BytesPerMessage@GetVariables": "65536",
        "DeviceDataCtrlr.BytesPerMessage@SetVariables": "65536",
        "AuthCtrlr.Enabled": "true",
        "AuthCacheCtrlr.Available": "true",
        "TxCtrlr.TxStartPoint": "PowerPathClosed",
        "TxCtrlr.TxStopPoint": "Authorized,EVConnected",
    }
    for evse in station.evses:
        texts |= {
            f"EVSE[{evse.evse_id}].Available": "true",
            f"EVSE[{evse.evse_id}].AllowReset": "true",
            f"EVSE[{evse.evse_id}].SupplyPhases": str(evse.phase_count),
            f"Connector[{evse.evse_id}/1].Available": "true",
            f"Connector[{evse.evse_id}/1].ConnectorType": _connector_type(evse),
            f"Connector[{evse.evse_id}/1].SupplyPhases": str(evse.phase_count),
        }
    return [Setting(name, value, _pattern(value), writable=False) for name, value in texts.items()]


def live(
    name: str,
    read: Callable[[], str],
    *,
    unit: str | None = None,
    highest: float | None = None,
    words: tuple[str, ...] = (),
) -> Setting:
    """A variable that the station measures or knows; it can be watched."""
    kind = "OptionList" if words else "decimal" if unit is not None else None
    return Setting(
        name,
        "",
        writable=False,
        unit=unit,
        highest=highest,
        words=words,
        data_type=kind,
        live=read,
        monitored=True,
    )


def name_of(item: dict[str, Any]) -> str:
    """The name under which component and variable of a request are kept."""
    component, variable = item["component"], item.get("variable") or {"name": ""}
    place = ""
    if evse := component.get("evse"):
        connector = evse.get("connectorId")
        place = f"[{evse['id']}]" if connector is None else f"[{evse['id']}/{connector}]"
    return f"{_joined(component)}{place}.{_joined(variable)}"


def named(name: str) -> dict[str, Any]:
    """Component and variable of a kept name, as OCPP writes them."""
    found = _NAME.fullmatch(name)
    assert found is not None, f"'{name}' names no variable"
    component: dict[str, Any] = {"name": found["name"]}
    variable: dict[str, Any] = {"name": found["variable"]}
    if found["instance"]:
        component["instance"] = found["instance"]
    if found["evse"]:
        component["evse"] = {"id": int(found["evse"])}
        if found["connector"]:
            component["evse"]["connectorId"] = int(found["connector"])
    if found["kind"]:
        variable["instance"] = found["kind"]
    return {"component": component, "variable": variable}


def _joined(part: dict[str, Any]) -> str:
    instance = part.get("instance")
    return part["name"] if not instance else f"{part['name']}@{instance}"


def _pattern(value: str) -> str:
    if value in ("true", "false"):
        return FLAG
    return WHOLE_NUMBER if value.isdigit() else r".{0,500}"


def _connector_type(evse: Evse) -> str:
    return "cCCS2" if evse.supply.value == "DC" else "sType2"
