"""Local lists as stations keep them: strict about versions and their own limits."""

import asyncio
from typing import Any

from tests.wire.charger import Charger
from tests.wire.site import boot16, boot201, instant

ACCEPTED = {"status": "Accepted"}


class ListBox:
    """The list of one station; it survives a new connection. `refuses`: answers to give first.

    `room`: what it really takes, whatever it says.
    """

    def __init__(
        self,
        *,
        entries_max: int | None = 10,
        items_max: int | None = None,
        enabled: bool | None = True,
        profiles: str | None = None,
        room: int | None = None,
    ) -> None:
        self.entries_max, self.items_max, self.enabled = entries_max, items_max, enabled
        self.profiles = profiles
        self.room = room if room is not None else entries_max
        self.version = 0
        self.cards: dict[str, dict[str, Any]] = {}
        self.taken: list[dict[str, Any]] = []
        self.refuses: list[str] = []
        self.reports: list[asyncio.Future[Any]] = []

    def join16(self, charger: Charger) -> None:
        charger.answers |= {
            "GetConfiguration": self._configuration,
            "ChangeConfiguration": self._change_configuration,
            "GetLocalListVersion": lambda _: {"listVersion": self.version},
            "SendLocalList": lambda sent: self.take(sent, "listVersion", _card16),
        }

    def join2x(self, charger: Charger) -> None:
        def report(asked: dict[str, Any]) -> dict[str, Any]:
            told = charger.call("NotifyReport", self.report(asked["requestId"]))
            self.reports.append(asyncio.ensure_future(told))
            return ACCEPTED

        charger.answers |= {
            "GetReport": report,
            "GetVariables": self._variables,
            "SetVariables": self._set_variables,
            "GetLocalListVersion": lambda _: {"versionNumber": self.version},
            "SendLocalList": lambda sent: self.take(sent, "versionNumber", _card2x),
        }

    def take(self, sent: dict[str, Any], version_field: str, read: Any) -> dict[str, Any]:
        self.taken.append(sent)
        if self.refuses:
            return {"status": self.refuses.pop(0)}
        entries = sent.get("localAuthorizationList", [])
        version = sent[version_field]
        if self.items_max is not None and len(entries) > self.items_max:
            return {"status": "Failed"}
        full = sent["updateType"] == "Full"
        if not full and version <= self.version:
            return {"status": "VersionMismatch"}
        cards = {} if full else dict(self.cards)
        for entry in entries:
            card, info = read(entry)
            if info is None:
                cards.pop(card, None)
            else:
                cards[card] = info
        if self.room is not None and len(cards) > self.room:
            return {"status": "Failed"}
        self.cards, self.version = cards, version
        return ACCEPTED

    def _configuration(self, asked: dict[str, Any]) -> dict[str, Any]:
        known = {
            "LocalAuthListEnabled": None if self.enabled is None else str(self.enabled).lower(),
            "LocalAuthListMaxLength": self.entries_max,
            "SendLocalListMaxLength": self.items_max,
            "SupportedFeatureProfiles": self.profiles,
        }
        wanted = asked.get("key") or list(known)
        return {
            "configurationKey": [
                {"key": key, "readonly": False, "value": str(known[key])}
                for key in wanted
                if known.get(key) is not None
            ],
            "unknownKey": [key for key in wanted if known.get(key) is None],
        }

    def _change_configuration(self, sent: dict[str, Any]) -> dict[str, Any]:
        if sent["key"] == "LocalAuthListEnabled":
            self.enabled = sent["value"] == "true"
        return ACCEPTED

    def _variables(self, asked: dict[str, Any]) -> dict[str, Any]:
        known = {
            "Available": "true",
            "Enabled": None if self.enabled is None else str(self.enabled).lower(),
            "Entries": str(len(self.cards)),
            "ItemsPerMessage": None if self.items_max is None else str(self.items_max),
            "BytesPerMessage": "20000",
        }
        results = []
        for row in asked["getVariableData"]:
            component, name = row["component"], row["variable"]
            ours = component["name"] == "LocalAuthListCtrlr"
            value = known.get(name["name"]) if ours else None
            result = {"component": component, "variable": name}
            status = "UnknownVariable" if value is None else "Accepted"
            results.append({**result, "attributeStatus": status})
            if value is not None:
                results[-1]["attributeValue"] = value
        return {"getVariableResult": results}

    def _set_variables(self, sent: dict[str, Any]) -> dict[str, Any]:
        results = []
        for row in sent["setVariableData"]:
            if row["variable"]["name"] == "Enabled":
                self.enabled = row["attributeValue"] == "true"
            result = {"component": row["component"], "variable": row["variable"]}
            results.append({**result, "attributeStatus": "Accepted"})
        return {"setVariableResult": results}

    def report(self, request_id: int) -> dict[str, Any]:
        """The NotifyReport that says how many entries it takes."""
        return {
            "requestId": request_id,
            "generatedAt": instant(),
            "seqNo": 0,
            "tbc": False,
            "reportData": [
                {
                    "component": {"name": "LocalAuthListCtrlr"},
                    "variable": {"name": "Entries"},
                    "variableAttribute": [{"value": str(len(self.cards))}],
                    "variableCharacteristics": {
                        "dataType": "integer",
                        "supportsMonitoring": False,
                        "maxLimit": self.entries_max,
                    },
                }
            ],
        }


async def come(box: ListBox, charger: Charger) -> None:
    """A station with this list boots."""
    if charger.version == "1.6":
        box.join16(charger)
        await boot16(charger)
    else:
        box.join2x(charger)
        await boot201(charger)


def _card16(entry: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
    return entry["idTag"], entry.get("idTagInfo")


def _card2x(entry: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
    return entry["idToken"]["idToken"], entry.get("idTokenInfo")
