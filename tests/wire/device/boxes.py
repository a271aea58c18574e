"""Chargers with settings, in both versions: what they hold, and how they answer about it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sitecontroller.domain.commands import CommandResult, CommandState
from sitecontroller.ocpp.variables import variable, variable_name
from tests.support import eventually
from tests.wire.charger import Charger
from tests.wire.site import boot16, boot201, instant, running_site


@dataclass
class Box16:
    """The keys of a 1.6 charger. `read_only` and `after_reboot` by name; `refused`: any value."""

    version = "1.6"
    keys: dict[str, Any] = field(
        default_factory=lambda: {
            "HeartbeatInterval": "300",
            "MeterValueSampleInterval": "10",
            "GetConfigurationMaxKeys": "50",
            "ConnectionTimeOut": "60",
            "AuthorizationKey": "0011223344556677",
        }
    )
    read_only: set[str] = field(default_factory=lambda: {"GetConfigurationMaxKeys"})
    after_reboot: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    forgetful: set[str] = field(default_factory=set)
    """Accepted, but not kept."""

    def serve(self, charger: Charger) -> None:
        """Answer for these keys."""
        charger.answers["GetConfiguration"] = self.get
        charger.answers["ChangeConfiguration"] = self.change

    def get(self, payload: dict[str, Any]) -> dict[str, Any]:
        wanted = payload.get("key") or list(self.keys)
        return {
            "configurationKey": [
                {"key": key, "readonly": key in self.read_only, "value": self.keys[key]}
                for key in wanted
                if key in self.keys
            ],
            "unknownKey": [key for key in wanted if key not in self.keys],
        }

    def change(self, payload: dict[str, Any]) -> dict[str, Any]:
        key = payload["key"]
        if key not in self.keys:
            return {"status": "NotSupported"}
        if key in self.refused or key in self.read_only:
            return {"status": self.refused.get(key, "Rejected")}
        if key not in self.forgetful:
            self.keys[key] = payload["value"]
        return {"status": "RebootRequired" if key in self.after_reboot else "Accepted"}


@dataclass
class Box201:
    """The variables of a 2.x charger by name, each with its report's row."""

    version = "2.0.1"
    values: dict[str, str] = field(
        default_factory=lambda: {
            "OCPPCommCtrlr.HeartbeatInterval": "300",
            "OCPPCommCtrlr.OfflineThreshold": "60",
            "AuthCtrlr.AuthorizeRemoteStart": "true",
            "SampledDataCtrlr.TxUpdatedInterval": "10",
            "EVSE[1].AvailabilityState": "Available",
            "EVSE[2].AvailabilityState": "Available",
            "SecurityCtrlr.SecurityProfile": "1",
            "SecurityCtrlr.BasicAuthPassword": "secret-of-the-box",
        }
    )
    read_only: set[str] = field(
        default_factory=lambda: {"EVSE[1].AvailabilityState", "EVSE[2].AvailabilityState"}
    )
    after_reboot: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    forgetful: set[str] = field(default_factory=set)
    part_rows: int = 3
    report: Callable[[list[dict[str, Any]]], list[dict[str, Any]]] = lambda parts: parts
    """What becomes of a report's parts on their way."""
    status: str = "Accepted"
    charger: Charger | None = None
    sent: list[Awaitable[Any]] = field(default_factory=list)

    def serve(self, charger: Charger) -> None:
        """Answer for these variables."""
        self.charger = charger
        charger.answers["GetVariables"] = self.get
        charger.answers["SetVariables"] = self.set
        charger.answers["GetBaseReport"] = self.base_report
        charger.answers["GetReport"] = self.base_report

    def get(self, payload: dict[str, Any]) -> dict[str, Any]:
        return {"getVariableResult": [self._got(item) for item in payload["getVariableData"]]}

    def _got(self, item: dict[str, Any]) -> dict[str, Any]:
        name = variable_name(item)
        if name not in self.values:
            return {"attributeStatus": "UnknownVariable", **item}
        if name.endswith("Password"):
            return {"attributeStatus": "Rejected", **item}
        return {"attributeStatus": "Accepted", "attributeValue": self.values[name], **item}

    def set(self, payload: dict[str, Any]) -> dict[str, Any]:
        return {"setVariableResult": [self._set(item) for item in payload["setVariableData"]]}

    def _set(self, item: dict[str, Any]) -> dict[str, Any]:
        name, value = variable_name(item) or "", item["attributeValue"]
        item = {key: said for key, said in item.items() if key != "attributeValue"}
        if name not in self.values:
            return {"attributeStatus": "UnknownVariable", **item}
        if name in self.refused or name in self.read_only:
            return {"attributeStatus": self.refused.get(name, "Rejected"), **item}
        if name not in self.forgetful:
            self.values[name] = value
        status = "RebootRequired" if name in self.after_reboot else "Accepted"
        return {"attributeStatus": status, **item}

    def base_report(self, payload: dict[str, Any]) -> dict[str, Any]:
        if self.status == "Accepted":
            wanted = [variable_name(row) for row in payload.get("componentVariable", [])]
            task = asyncio.ensure_future(self._report(payload["requestId"], wanted))
            self.sent.append(task)
        return {"status": self.status}

    async def _report(self, request_id: int, wanted: list[str | None]) -> None:
        rows = [self.row(name) for name in self.values if not wanted or name in wanted]
        groups = [rows[i : i + self.part_rows] for i in range(0, len(rows), self.part_rows)]
        parts = [
            {
                "requestId": request_id,
                "generatedAt": instant(),
                "seqNo": number,
                "tbc": number < len(groups) - 1,
                "reportData": group,
            }
            for number, group in enumerate(groups)
        ]
        assert self.charger is not None
        for part in self.report(parts):
            assert await self.charger.call("NotifyReport", part) == {}

    def row(self, name: str) -> dict[str, Any]:
        """One row of a report."""
        attribute: dict[str, Any] = {"mutability": "ReadWrite", "value": self.values[name]}
        if name in self.read_only:
            attribute["mutability"] = "ReadOnly"
        if name.endswith("Password"):
            attribute["mutability"] = "WriteOnly"
        traits = {"dataType": "string", "supportsMonitoring": False}
        return {
            **variable(name),
            "variableAttribute": [attribute],
            "variableCharacteristics": traits,
        }


class Box21(Box201):
    """The same of 2.1."""

    version = "2.1"


@asynccontextmanager
async def told(tmp_path: Any, box: Any, *, station_id: str = "CP-01", **options: Any) -> Any:
    """A site with one booted charger that holds a box's settings: (site, charger)."""
    async with running_site(tmp_path, **options) as site, connected(site, box, station_id) as it:
        yield site, it


@asynccontextmanager
async def connected(site: Any, box: Any, station_id: str = "CP-01") -> Any:
    """A charger with a box's settings, booted."""
    async with site.charger(station_id, version=box.version) as charger:
        box.serve(charger)
        await (boot16 if box.version == "1.6" else boot201)(charger)
        await eventually(lambda: site.site.services.stations.link(station_id))
        yield charger


async def carried_out(site: Any, command: Any, within_s: float = 120) -> CommandResult:
    """A command's last word; those that take long are waited for."""
    controller = site.site.controller
    result = await controller.execute(command)

    def done() -> CommandResult | None:
        latest = controller.command_result(result.command_id) or result
        return None if latest.state is CommandState.SENT else latest

    return result if result.state is not CommandState.SENT else await eventually(done, within_s)
