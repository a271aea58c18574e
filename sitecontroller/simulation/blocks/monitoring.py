"""Monitoring of variables at a simulated 2.x station: thresholds, deltas, periods, faults.

What is hard-wired tells every fault; the temperature has a monitor from the factory; the CSMS may
add its own. Values of a periodic event stream (2.1) go the way of `streams`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from sitecontroller.simulation.blocks.block import Block, accepted
from sitecontroller.simulation.blocks.device import fits
from sitecontroller.simulation.control import EvseControl
from sitecontroller.simulation.settings import FLAG, Setting
from sitecontroller.simulation.uplink import Payload
from sitecontroller.simulation.variables2x import ITEMS_MAX, live, name_of, named

if TYPE_CHECKING:
    from sitecontroller.simulation.station import SimulatedStation

MONITORS_MAX = 100
FACTORY = "ChargingStation.Temperature"
FACTORY_ABOVE_C = 80.0
FAULT_SEVERITY = 3
SEVERITY_MAX = 9
THRESHOLDS = ("UpperThreshold", "LowerThreshold")
PERIODS = ("Periodic", "PeriodicClockAligned")
_CRITERIA = {
    "ThresholdMonitoring": THRESHOLDS,
    "DeltaMonitoring": ("Delta", "TargetDelta", "TargetDeltaRelative"),
    "PeriodicMonitoring": PERIODS,
}
_OF_NUMBERS = (*THRESHOLDS, "TargetDelta", "TargetDeltaRelative")


@dataclass(slots=True)
class Monitor:
    """One monitor and what it last saw."""

    monitor_id: int
    name: str
    kind: str
    value: float
    severity: int
    in_transactions: bool
    origin: str
    """Of the variable's owner: CustomMonitor or PreconfiguredMonitor."""
    stream: Payload | None = None
    crossed: bool = False
    reported: str | None = None
    due_s: float = 0.0


@dataclass(slots=True)
class Watch:
    """All monitors of a station; `level` is the least important severity that is told."""

    monitors: dict[int, Monitor] = field(default_factory=dict)
    base: str = "All"
    level: int = SEVERITY_MAX
    next_id: int = 1
    next_event: int = 1
    began: bool = False
    opened: list[Monitor] = field(default_factory=list)
    """Monitors whose event stream has still to be opened."""
    cleared: list[int] = field(default_factory=list)
    """Monitors whose event stream has to be closed."""

    def begin(self) -> None:
        """Set up what comes from the factory, once."""
        if not self.began:
            self.began = True
            self.add(FACTORY, "UpperThreshold", FACTORY_ABOVE_C, 2, False, "PreconfiguredMonitor")

    def add(
        self, name: str, kind: str, value: float, severity: int, running: bool, origin: str
    ) -> Monitor:
        """A new monitor under a number of its own."""
        monitor = Monitor(self.next_id, name, kind, value, severity, running, origin)
        self.monitors[monitor.monitor_id] = monitor
        self.next_id += 1
        return monitor


def _watch_of(station: SimulatedStation) -> Watch:
    watch = station.part(Watch)
    watch.begin()
    return watch


# What the CSMS asks


def _set_monitoring(station: SimulatedStation, payload: Payload) -> Payload:
    return {"setMonitoringResult": [_set(station, row) for row in payload["setMonitoringData"]]}


def _set(station: SimulatedStation, row: dict[str, Any]) -> dict[str, Any]:
    watch, name = _watch_of(station), name_of(row)
    status, monitor = _check(station, watch, row), None
    if status == "Accepted":
        monitor = watch.monitors.get(row.get("id", 0))
        if monitor is None:
            running = bool(row.get("transaction", False))
            kind, value, severity = row["type"], float(row["value"]), row["severity"]
            monitor = watch.add(name, kind, value, severity, running, "CustomMonitor")
        else:
            monitor.value, monitor.severity = float(row["value"]), row["severity"]
            monitor.kind, monitor.crossed = row["type"], False
        monitor.due_s = station.clock.monotonic_s() + monitor.value
        setting = station.settings.get(name)
        monitor.reported = None if setting is None else setting.now
        if "periodicEventStream" in row:
            monitor.stream = row["periodicEventStream"]
            watch.opened.append(monitor)
    return {
        **({} if monitor is None else {"id": monitor.monitor_id}),
        "status": status,
        "type": row["type"],
        "severity": row["severity"],
        "component": row["component"],
        "variable": row["variable"],
    }


def _check(station: SimulatedStation, watch: Watch, row: dict[str, Any]) -> str:
    name = name_of(row)
    setting = station.settings.get(name)
    if setting is None:
        component = name.casefold().partition(".")[0] + "."
        known = any(s.name.casefold().startswith(component) for s in station.settings)
        return "UnknownVariable" if known else "UnknownComponent"
    is_number = setting.unit is not None or setting.data_type == "integer"
    if not setting.monitored or (row["type"] in _OF_NUMBERS and not is_number):
        return "UnsupportedMonitorType"
    if not 0 <= row["severity"] <= SEVERITY_MAX or len(watch.monitors) >= MONITORS_MAX:
        return "Rejected"
    if row["type"] in PERIODS and row["value"] < 1:
        return "Rejected"
    replaced = row.get("id")
    if replaced is not None:
        known_monitor = watch.monitors.get(replaced)
        if known_monitor is None or known_monitor.name.casefold() != name.casefold():
            return "Rejected"
    twins = [
        monitor
        for monitor in watch.monitors.values()
        if monitor.name.casefold() == name.casefold()
        and (monitor.kind, monitor.severity) == (row["type"], row["severity"])
        and monitor.monitor_id != replaced
    ]
    return "Duplicate" if twins else "Accepted"


def _clear_monitoring(station: SimulatedStation, payload: Payload) -> Payload:
    watch = _watch_of(station)
    results = []
    for number in payload["id"]:
        gone = watch.monitors.pop(number, None)
        if gone is not None and gone.stream is not None:
            watch.cleared.append(number)
        results.append({"id": number, "status": "NotFound" if gone is None else "Accepted"})
    return {"clearMonitoringResult": results}


def _set_base(station: SimulatedStation, payload: Payload) -> Payload:
    """All leaves the CSMS's own monitors, the other two take them away (N05)."""
    watch = _watch_of(station)
    watch.base = payload["monitoringBase"]
    if watch.base != "All":
        watch.monitors = {}
    if watch.base != "HardWiredOnly" and not any(
        monitor.origin == "PreconfiguredMonitor" for monitor in watch.monitors.values()
    ):
        watch.began = False
        watch.begin()
    return accepted()


def _set_level(station: SimulatedStation, payload: Payload) -> Payload:
    if not 0 <= payload["severity"] <= SEVERITY_MAX:
        return accepted(False)
    _watch_of(station).level = payload["severity"]
    return accepted()


def _get_monitoring_report(station: SimulatedStation, payload: Payload) -> Payload:
    kinds = [k for c in payload.get("monitoringCriteria", ()) for k in _CRITERIA[c]]
    rows = payload.get("componentVariable")
    by_name: dict[str, list[Monitor]] = {}
    for monitor in _watch_of(station).monitors.values():
        setting = station.settings.get(monitor.name)
        asked = rows is None or (setting is not None and any(fits(setting, row) for row in rows))
        if asked and (not kinds or monitor.kind in kinds):
            by_name.setdefault(monitor.name, []).append(monitor)
    if not by_name:
        return {"status": "EmptyResultSet"}
    entries = [_entry(station, name, monitors) for name, monitors in by_name.items()]
    parts = [entries[i : i + ITEMS_MAX] for i in range(0, len(entries), ITEMS_MAX)]
    for number, part in enumerate(parts):
        report = {
            "requestId": payload["requestId"],
            "generatedAt": station.stamp(),
            "seqNo": number,
            "tbc": number < len(parts) - 1,
            "monitor": part,
        }
        station.after_answer(partial(station.say, "NotifyMonitoringReport", report))
    return accepted()


def _entry(station: SimulatedStation, name: str, monitors: list[Monitor]) -> dict[str, Any]:
    more = {} if station.version.value == "2.0.1" else {"eventNotificationType": "CustomMonitor"}
    return {
        **named(name),
        "variableMonitoring": [
            {
                "id": monitor.monitor_id,
                "transaction": monitor.in_transactions,
                "value": monitor.value,
                "type": monitor.kind,
                "severity": monitor.severity,
                **({} if not more else {"eventNotificationType": monitor.origin}),
            }
            for monitor in monitors
        ],
    }


# What happens


def _every_second(station: SimulatedStation) -> None:
    watch = _watch_of(station)
    if not station.settings.flag("MonitoringCtrlr.Enabled"):
        return
    charging = any(control.transaction for control in station.controls.values())
    for monitor in watch.monitors.values():
        setting = station.settings.get(monitor.name)
        if setting is None or (monitor.in_transactions and not charging):
            continue
        if monitor.stream is None:
            _look(station, watch, monitor, setting.now)


def _look(station: SimulatedStation, watch: Watch, monitor: Monitor, value: str) -> None:
    now_s = station.clock.monotonic_s()
    if monitor.kind in THRESHOLDS:
        above = float(value) > monitor.value
        beyond = above if monitor.kind == "UpperThreshold" else float(value) < monitor.value
        if beyond is not monitor.crossed:
            monitor.crossed = beyond
            _tell(station, watch, monitor, value, "Alerting", cleared=not beyond)
    elif monitor.kind in PERIODS:
        if _is_due(station, monitor, now_s):
            _tell(station, watch, monitor, value, "Periodic")
    elif _moved(monitor, value):
        monitor.reported = value
        _tell(station, watch, monitor, value, "Delta")


def _is_due(station: SimulatedStation, monitor: Monitor, now_s: float) -> bool:
    if monitor.kind == "PeriodicClockAligned":
        return int(station.now().timestamp()) % int(monitor.value) == 0
    if now_s < monitor.due_s:
        return False
    monitor.due_s = now_s + monitor.value
    return True


def _moved(monitor: Monitor, value: str) -> bool:
    """A number by so much, anything else at all (N07.FR.19)."""
    if monitor.reported is None or value == monitor.reported:
        monitor.reported = monitor.reported or value
        return False
    try:
        return abs(float(value) - float(monitor.reported)) >= monitor.value
    except ValueError:
        return True


def _tell(
    station: SimulatedStation,
    watch: Watch,
    monitor: Monitor,
    value: str,
    trigger: str,
    *,
    cleared: bool = False,
) -> None:
    event = {
        "trigger": trigger,
        "actualValue": value,
        "eventNotificationType": monitor.origin,
        "variableMonitoringId": monitor.monitor_id,
        **({"cleared": cleared} if monitor.kind in THRESHOLDS else {}),
        **named(monitor.name),
    }
    tell_event(station, event, monitor.severity)


def tell_event(station: SimulatedStation, event: dict[str, Any], severity: int) -> None:
    """NotifyEvent, unless nobody wants to hear of such little things."""
    watch = _watch_of(station)
    if severity > watch.level:
        return
    data = {"eventId": watch.next_event, "timestamp": station.stamp(), **event}
    if station.version.value != "2.0.1":
        data["severity"] = severity
    watch.next_event += 1
    payload = {"generatedAt": station.stamp(), "seqNo": 0, "tbc": False, "eventData": [data]}
    station.say("NotifyEvent", payload)


def _faulted(station: SimulatedStation, control: EvseControl) -> None:
    """A fault came or went: hard-wired, so always told."""
    fault = control.fault
    event: dict[str, Any] = {
        "trigger": "Alerting",
        "actualValue": "false" if fault is None else "true",
        "cleared": fault is None,
        "eventNotificationType": "HardWiredNotification",
        **named(f"EVSE[{control.evse.evse_id}].Problem"),
    }
    if fault is not None:
        event |= {"techCode": fault.error_code[:50], "techInfo": fault.vendor_error_code[:500]}
    tell_event(station, event, FAULT_SEVERITY)


def _settings(station: SimulatedStation) -> Iterable[Setting]:
    def base() -> str:
        return _watch_of(station).base

    def level() -> str:
        return str(_watch_of(station).level)

    yield Setting("MonitoringCtrlr.Available", "true", FLAG, writable=False)
    yield Setting("MonitoringCtrlr.Enabled", "true", FLAG)
    for action in ("SetVariableMonitoring", "ClearVariableMonitoring"):
        items, size = f"ItemsPerMessage@{action}", f"BytesPerMessage@{action}"
        yield Setting(f"MonitoringCtrlr.{items}", str(ITEMS_MAX), r"\d+", writable=False)
        yield Setting(f"MonitoringCtrlr.{size}", "65536", r"\d+", writable=False)
    yield live("MonitoringCtrlr.ActiveMonitoringBase", base)
    yield live("MonitoringCtrlr.ActiveMonitoringLevel", level)


BLOCK = Block(
    answers={
        "SetVariableMonitoring": _set_monitoring,
        "ClearVariableMonitoring": _clear_monitoring,
        "SetMonitoringBase": _set_base,
        "SetMonitoringLevel": _set_level,
        "GetMonitoringReport": _get_monitoring_report,
    },
    hooks={"second": _every_second, "faulted": _faulted},
    settings=_settings,
)
