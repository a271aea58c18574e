"""The local authorization list of a 2.x station, and its cache (C11, D01, D02)."""

from typing import Any

from sitecontroller.domain.errors import CallRefused, CallTimeout
from sitecontroller.domain.local_list import (
    LEFT_ALONE,
    AskListVersion,
    ClearCache,
    EnableLocalList,
    ListEntry,
    ListRules,
    ListUpdate,
    ReadListRules,
)
from sitecontroller.ocpp.block import Answer, Block
from sitecontroller.ocpp.commands import Priority
from sitecontroller.ocpp.setup import Setting
from sitecontroller.ocpp.values import group, integer, text
from sitecontroller.ocpp.variables import component_variable
from sitecontroller.ports import CallAnswer

AVAILABLE = "LocalAuthListCtrlr.Available"
ENABLED = "LocalAuthListCtrlr.Enabled"
ENTRIES = "LocalAuthListCtrlr.Entries"
ITEMS = "LocalAuthListCtrlr.ItemsPerMessage"
BYTES = "LocalAuthListCtrlr.BytesPerMessage"
CARD_CHARACTERS_MAX = 36
PARENT_TYPE = "Central"


async def _read_rules(dialect: Any, request: ReadListRules) -> CallAnswer:
    """A station that has none of the list's variables has no list (D01.FR.12)."""
    if request.unasked and not dialect.found_settings:
        return CallAnswer(False, LEFT_ALONE, {})
    found = await dialect.read_settings((AVAILABLE, ENABLED, ENTRIES, ITEMS, BYTES))
    enabled = _said(found, ENABLED)
    rules = ListRules(
        characters=dialect.quirks.id_token_characters,
        length_max=min(dialect.quirks.id_token_length_max, CARD_CHARACTERS_MAX),
        enabled=None if enabled is None else enabled == "true",
        entries_max=await _entries_max(dialect) if found else None,
        items_per_message=_positive(_said(found, ITEMS)),
        bytes_per_message=_positive(_said(found, BYTES)),
    )
    return CallAnswer(bool(found) and _said(found, AVAILABLE) != "false", "", {"rules": rules})


async def _entries_max(dialect: Any) -> int | None:
    """What the list holds at most stands only in a report, beside the variable (D01.FR.12)."""

    async def ask(request_id: int) -> CallAnswer:
        payload: Answer = {
            "requestId": request_id,
            "componentVariable": [component_variable(ENTRIES)],
        }
        answer: CallAnswer = await dialect.say("GetReport", payload, priority=Priority.HOUSEKEEPING)
        return answer

    try:
        _, reading = await dialect.reports.ask(dialect, ask)
    except (CallRefused, CallTimeout):
        return None
    told = [] if reading is None else [v.max_limit for v in reading.variables if v.name == ENTRIES]
    return next((int(limit) for limit in told if limit is not None and limit > 0), None)


def _said(found: dict[str, Setting], name: str) -> str | None:
    setting = found.get(name)
    return None if setting is None or setting.value is None else setting.value.casefold()


def _positive(value: str | None) -> int | None:
    number = integer(value)
    return number if number is not None and number > 0 else None


async def _enable(dialect: Any, request: EnableLocalList) -> CallAnswer:
    taken = await dialect.write_setting(ENABLED, "true")
    return CallAnswer(taken, "", {})


async def _ask_version(dialect: Any, request: AskListVersion) -> CallAnswer:
    answer = await dialect.say("GetLocalListVersion", {}, priority=Priority.HOUSEKEEPING)
    version = integer(answer.body.get("versionNumber"))
    return CallAnswer(version is not None, "", {"version": version})


async def _send(dialect: Any, update: ListUpdate) -> CallAnswer:
    """A card that shall go stands there without its idTokenInfo (D01.FR.17)."""
    payload: Answer = {
        "versionNumber": update.version,
        "updateType": "Full" if update.full else "Differential",
    }
    entries = [{"idToken": _token(entry)} for entry in update.removed]
    entries += [_entry(dialect, entry) for entry in update.put]
    if entries:
        payload["localAuthorizationList"] = entries
    answer: CallAnswer = await dialect.say("SendLocalList", payload, priority=Priority.HOUSEKEEPING)
    return CallAnswer(answer.accepted, text(answer.status) or "", answer.body)


def _token(entry: ListEntry) -> Answer:
    return {"idToken": entry.id_token, "type": entry.type.value}


def _entry(dialect: Any, entry: ListEntry) -> Answer:
    info: Answer = {"status": entry.status.value}
    if entry.expires_at is not None:
        info["cacheExpiryDateTime"] = dialect.stamp(entry.expires_at)
    if parent := group(entry.parent_id_token, dialect.group_characters_max):
        info["groupIdToken"] = {"idToken": parent, "type": PARENT_TYPE}
    return {"idToken": _token(entry), "idTokenInfo": info}


async def _clear_cache(dialect: Any, request: ClearCache) -> CallAnswer:
    answer: CallAnswer = await dialect.say("ClearCache", {})
    return answer


BLOCK = Block(
    requests={
        ReadListRules: _read_rules,
        EnableLocalList: _enable,
        AskListVersion: _ask_version,
        ListUpdate: _send,
        ClearCache: _clear_cache,
    },
)
