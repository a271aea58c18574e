"""The foreign stations: where each one's program is, how it is started and played with.

Everything of theirs stands below the folder that INTEROP_DIR names; nothing of it is part of this
project, and nothing is downloaded or built here. docs/interoperability.md says which versions were
run and what must stand where.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from tests.interop.programs import Hand, LinesHand, answers, post, procedure, running
from tests.interop.site import PASSWORD, STATION, InteropSite
from tests.support import unused_port, wait_until

DRIVERS = Path(__file__).parent / "drivers"
UP_WITHIN_S = 60.0
PHASES = 3


def home() -> Path | None:
    """The folder of the foreign programs; None when the environment names none."""
    said = os.environ.get("INTEROP_DIR")
    return Path(said) if said else None


def node() -> str:
    """Node.js 22 or newer, which the SAP simulator asks for: INTEROP_NODE, else the path's."""
    return os.environ.get("INTEROP_NODE", "node")


@dataclass(frozen=True)
class Foreign:
    """One implementation, in a folder of its name. `needs` are files that must be there."""

    name: str
    needs: tuple[str, ...]
    versions: tuple[str, ...]
    follows: tuple[str, ...]
    """Versions in which its measured current follows a limit."""
    in_watts: tuple[str, ...] = ()
    """Versions in which it takes limits in W only."""

    @property
    def root(self) -> Path:
        found = home()
        assert found is not None
        return found / self.name

    def missing(self) -> str | None:
        """Why it can't be run here, in words."""
        if home() is None:
            return "INTEROP_DIR names no folder of foreign stations; docs/interoperability.md"
        lacking = [need for need in self.needs if not (self.root / need).exists()]
        if lacking:
            return f"{self.name} is not in {self.root}: {', '.join(lacking)} missing"
        return None

    def at(self, site: InteropSite, version: str, directory: Path) -> AbstractContextManager[Hand]:
        """The station, connected to a site for as long as the block lasts."""
        raise NotImplementedError


class Sap(Foreign):
    """SAP's simulator (TypeScript): a worker process, steered over its UI server."""

    @contextmanager
    def at(self, site: InteropSite, version: str, directory: Path) -> Iterator[Hand]:
        shutil.copytree(self.root / "dist", directory / "dist")
        (directory / "node_modules").symlink_to(self.root / "node_modules")
        shutil.copy(self.root / "package.json", directory)
        assets, port = directory / "dist/assets", unused_port()
        template = "keba-ocpp2" if version == "2.0.1" else "keba"
        path = assets / f"station-templates/{template}.station-template.json"
        path.write_text(json.dumps(self._template(json.loads(path.read_text()), site)))
        configuration = {
            "$schemaVersion": 1,
            "supervisionUrls": [site.ocpp_url],
            "persistState": False,
            "log": {"console": True},
            "worker": {"processType": "workerSet"},
            "uiServer": {
                "enabled": True,
                "type": "ws",
                "options": {"host": "127.0.0.1", "port": port},
                "authentication": {"enabled": False, "type": "protocol-basic-auth"},
            },
            "stationTemplateUrls": [{"file": path.name, "numberOfStations": 1}],
        }
        (assets / "config.json").write_text(json.dumps(configuration))
        with running([node(), "dist/start.js"], directory, {"NODE_ENV": "production"}):
            hand = SapHand(f"ws://127.0.0.1:{port}", version, site)
            wait_until(lambda: answers(hand.state), within_s=UP_WITHIN_S)
            yield hand

    @staticmethod
    def _template(template: dict[str, Any], site: InteropSite) -> dict[str, Any]:
        """Their KEBA, with one outlet, our station's name, and a car that takes what it may."""
        template |= {
            "baseName": STATION,
            "fixedName": True,
            "supervisionUrls": [site.ocpp_url],
            "supervisionUser": STATION,
            "supervisionPassword": PASSWORD,
            "numberOfPhases": PHASES,
        }
        outlets = template.get("Connectors") or template["Evses"]["1"]["Connectors"]
        outlets.pop("2", None)
        for value in outlets["1"]["MeterValues"]:
            if value.get("measurand") == "Current.Import":
                value |= {"value": "32", "fluctuationPercent": 0}
            elif value.get("measurand") == "Power.Active.Import":
                value |= {"value": "22080", "fluctuationPercent": 0}
        return template


class SapHand:
    """Their UI protocol. A card's check is a message of its own."""

    def __init__(self, url: str, version: str, site: InteropSite) -> None:
        self._url, self._version, self._site = url, version, site

    def state(self) -> dict[str, Any]:
        return procedure(self._url, "simulatorState", {})

    def plug(self) -> None:
        """Its cars come with the transaction."""

    def start(self, card: str) -> None:
        if self._version == "1.6":
            procedure(self._url, "authorize", {"idTag": card})
            procedure(self._url, "startTransaction", {"connectorId": 1, "idTag": card})
        else:
            self._event("Started", "Authorized", str(uuid4()), card)

    def stop(self, card: str) -> None:
        running = self._site.running()
        assert running is not None
        transaction = running["station_transaction_id"]
        if self._version == "1.6":
            procedure(self._url, "stopTransaction", {"transactionId": int(transaction)})
        else:
            self._event("Ended", "StopAuthorized", transaction, card)

    def unplug(self) -> None:
        """Nothing to pull."""

    def _event(self, kind: str, trigger: str, transaction: str, card: str) -> None:
        body: dict[str, Any] = {
            "eventType": kind,
            "connectorId": 1,
            "evse": {"id": 1, "connectorId": 1},
            "triggerReason": trigger,
            "idToken": {"idToken": card, "type": "ISO14443"},
            "transactionId": transaction,
        }
        procedure(self._url, "transactionEvent", body)


class Vcp(Foreign):
    """Solidstudio's virtual charge point (TypeScript): messages are put into its mouth by HTTP."""

    @contextmanager
    def at(self, site: InteropSite, version: str, directory: Path) -> Iterator[Hand]:
        port = unused_port()
        environment = {
            "WS_URL": site.ocpp_url,
            "CP_ID": STATION,
            "PASSWORD": PASSWORD,
            "ADMIN_PORT": str(port),
        }
        (directory / "cert").symlink_to(self.root / "cert")  # it signs its meter's last value
        tsx = str(self.root / "node_modules/tsx/dist/cli.mjs")
        command = [node(), tsx, str(self.root / f"index_{version.replace('.', '')}.ts")]
        with running(command, directory, environment):
            url = f"http://127.0.0.1:{port}"
            wait_until(
                lambda: answers(lambda: httpx.get(f"{url}/health", timeout=5)),
                within_s=UP_WITHIN_S,
            )
            yield VcpHand(url, version)


class VcpHand:
    """Its admin interface sends any message as it stands."""

    def __init__(self, url: str, version: str) -> None:
        self._url, self._version = url, version
        self._transaction: str | None = None

    def plug(self) -> None:
        if self._version == "1.6":
            self._status16("Preparing")
        else:
            self._say("StatusNotification", self._status("Occupied"))

    def start(self, card: str) -> None:
        if self._version == "1.6":
            self._say("Authorize", {"idTag": card})
            start = {"connectorId": 1, "idTag": card, "meterStart": 0, "timestamp": _now()}
            self._say("StartTransaction", start)
            self._status16("Charging")
            return
        self._say("Authorize", {"idToken": self._token(card)})
        self._transaction = str(uuid4())
        self._event("Started", "Authorized", card, 0)

    def stop(self, card: str) -> None:
        if self._version == "1.6":  # 0 stands for the running one
            stop = {"transactionId": 0, "idTag": card, "meterStop": 500, "timestamp": _now()}
            self._say("StopTransaction", stop)
        else:
            self._event("Ended", "StopAuthorized", card, 1)

    def _event(self, kind: str, trigger: str, card: str, seq_no: int) -> None:
        event = {
            "eventType": kind,
            "timestamp": _now(),
            "triggerReason": trigger,
            "seqNo": seq_no,
            "evse": {"id": 1, "connectorId": 1},
            "idToken": self._token(card),
            "transactionInfo": {"transactionId": self._transaction},
        }
        self._say("TransactionEvent", event)

    @staticmethod
    def _token(card: str) -> dict[str, str]:
        return {"idToken": card, "type": "ISO14443"}

    def unplug(self) -> None:
        if self._version == "1.6":
            self._status16("Available")
        else:
            self._say("StatusNotification", self._status("Available"))

    def _status16(self, status: str) -> None:
        body = {"connectorId": 1, "errorCode": "NoError", "status": status}
        self._say("StatusNotification", body)

    @staticmethod
    def _status(status: str) -> dict[str, Any]:
        return {"timestamp": _now(), "connectorStatus": status, "evseId": 1, "connectorId": 1}

    def _say(self, action: str, payload: dict[str, Any]) -> None:
        post(f"{self._url}/execute", {"action": action, "payload": payload})


class MicroOcpp(Foreign):
    """MicroOcpp's simulator (C++): the firmware library of real wallboxes, steered over HTTP."""

    @contextmanager
    def at(self, site: InteropSite, version: str, directory: Path) -> Iterator[Hand]:
        port, store = unused_port(), directory / "mo_store"
        store.mkdir()
        url = f"http://127.0.0.1:{port}"
        (store / "api.jsn").write_text(json.dumps({"url": url}))
        self._settings(store / "simulator.jsn", {"OcppVersion": version})
        with_2 = version == "2.0.1"
        if with_2:
            variables = {
                "CsmsUrl": f"{site.ocpp_url}",
                "Identity": STATION,
                "BasicAuthPassword": PASSWORD,
            }
            self._variables(store / "ws-conn-v201.jsn", variables)
        else:
            settings = {
                "Cst_BackendUrl": site.ocpp_url,
                "Cst_ChargeBoxId": STATION,
                "AuthorizationKey": PASSWORD.encode().hex().upper(),
            }
            self._settings(store / "ws-conn.jsn", settings)
        with running([str(self.root / "build/mo_simulator")], directory):
            wait_until(
                lambda: answers(lambda: httpx.get(f"{url}/api/connectors", timeout=5)),
                within_s=UP_WITHIN_S,
            )
            yield MicroOcppHand(url)

    @staticmethod
    def _settings(path: Path, settings: dict[str, str]) -> None:
        rows = [{"type": "string", "key": k, "value": v} for k, v in settings.items()]
        head = {"content-type": "ocpp_config_file", "version": "2.0"}
        path.write_text(json.dumps({"head": head, "configurations": rows}))

    @staticmethod
    def _variables(path: Path, values: dict[str, str]) -> None:
        rows = [
            {"component": "SecurityCtrlr", "name": name, "valActual": value}
            for name, value in values.items()
        ]
        head = {"content-type": "ocpp_vars_file", "version": "1.0"}
        path.write_text(json.dumps({"head": head, "variables": rows}))


class MicroOcppHand:
    """Its own HTTP interface, that of its dashboard."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/api/connector/1"

    def plug(self) -> None:
        self._set(True)

    def start(self, card: str) -> None:
        post(f"{self._url}/transaction", {"idTag": card})

    stop = start

    def unplug(self) -> None:
        self._set(False)

    def _set(self, plugged: bool) -> None:
        body = dict.fromkeys(("evPlugged", "evsePlugged", "evReady", "evseReady"), plugged)
        post(f"{self._url}/evse", body)


@dataclass(frozen=True)
class Library(Foreign):
    """A library under a small driver of ours; `command` runs it: {root}, {drivers}, {node}."""

    command: tuple[str, ...] = ()

    @contextmanager
    def at(self, site: InteropSite, version: str, directory: Path) -> Iterator[Hand]:
        words = {"root": str(self.root), "drivers": str(DRIVERS), "node": node()}
        command = [part.format(**words) for part in self.command]
        with running([*command, version, site.ocpp_url, STATION, PASSWORD], directory) as program:
            yield LinesHand(program)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


BOTH, ALL = ("1.6", "2.0.1"), ("1.6", "2.0.1", "2.1")
FOREIGN: tuple[Foreign, ...] = (
    Sap("sap", ("dist/start.js", "node_modules"), BOTH, ("1.6",)),
    Vcp("solidstudio-vcp", ("index_16.ts", "node_modules/tsx"), ALL, ()),
    Library(
        "ocpp-ws-io",
        ("node_modules/ocpp-ws-io",),
        ALL,
        ALL,
        command=("{node}", "{drivers}/ocpp_ws_io.mjs", "{root}"),
    ),
    Library(
        "java-oca-ocpp",
        ("classes/eu/chargetime/ocpp/MultiProtocolJSONClient.class", "lib"),
        ALL,
        ALL,
        command=("java", "-cp", "{root}/classes:{root}/lib/*", "{drivers}/JavaStation.java"),
    ),
    Library("ocpp-go", ("station",), BOTH, BOTH, command=("{root}/station",)),
    MicroOcpp("microocpp", ("build/mo_simulator",), BOTH, ("1.6",), ("1.6",)),
)
