"""The local authorization list of a 1.6 station, and its cache."""

from typing import Any

from sitecontroller.domain.authorization import AuthorizationStatus
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
from sitecontroller.ocpp.v16.words import CARD_CHARACTERS_MAX, CARD_STATUSES
from sitecontroller.ocpp.values import group, integer, text
from sitecontroller.ports import CallAnswer

ENABLED = "LocalAuthListEnabled"
LIST_LENGTH = "LocalAuthListMaxLength"
MESSAGE_LENGTH = "SendLocalListMaxLength"
PROFILES = "SupportedFeatureProfiles"
PROFILE = "localauthlistmanagement"


async def _read_rules(dialect: Any, request: ReadListRules) -> CallAnswer:
    """A station that names its profiles without the list's has none, unless it has its keys."""
    if request.unasked and not dialect.found_settings:
        return CallAnswer(False, LEFT_ALONE, {})
    names = (ENABLED, LIST_LENGTH, MESSAGE_LENGTH, PROFILES)
    found = {
        name.casefold(): setting for name, setting in (await dialect.read_settings(names)).items()
    }
    profiles = _said(found, PROFILES)
    enabled = _said(found, ENABLED)
    rules = ListRules(
        characters=dialect.quirks.id_token_characters,
        length_max=min(dialect.quirks.id_token_length_max, CARD_CHARACTERS_MAX),
        enabled=None if enabled is None else enabled.casefold() == "true",
        entries_max=_positive(_said(found, LIST_LENGTH)),
        items_per_message=_positive(_said(found, MESSAGE_LENGTH)),
    )
    has_list = profiles is None or PROFILE in profiles.casefold() or enabled is not None
    return CallAnswer(has_list, "", {"rules": rules})


def _said(found: dict[str, Setting], name: str) -> str | None:
    setting = found.get(name.casefold())
    return None if setting is None else setting.value


def _positive(value: str | None) -> int | None:
    number = integer(value)
    return number if number is not None and number > 0 else None


async def _enable(dialect: Any, request: EnableLocalList) -> CallAnswer:
    taken = await dialect.write_setting(ENABLED, "true")
    return CallAnswer(taken, "", {})


async def _ask_version(dialect: Any, request: AskListVersion) -> CallAnswer:
    answer = await dialect.say("GetLocalListVersion", {}, priority=Priority.HOUSEKEEPING)
    version = integer(answer.body.get("listVersion"))
    return CallAnswer(version is not None, "", {"version": version})


async def _send(dialect: Any, update: ListUpdate) -> CallAnswer:
    """A card that shall go stands there without its idTagInfo."""
    payload: Answer = {
        "listVersion": update.version,
        "updateType": "Full" if update.full else "Differential",
    }
    entries = [{"idTag": entry.id_token} for entry in update.removed]
    entries += [_entry(dialect, entry) for entry in update.put]
    if entries:
        payload["localAuthorizationList"] = entries
    answer: CallAnswer = await dialect.say("SendLocalList", payload, priority=Priority.HOUSEKEEPING)
    return CallAnswer(answer.accepted, text(answer.status) or "", answer.body)


def _entry(dialect: Any, entry: ListEntry) -> Answer:
    info: Answer = {"status": CARD_STATUSES[AuthorizationStatus(entry.status)]}
    if entry.expires_at is not None:
        info["expiryDate"] = dialect.stamp(entry.expires_at)
    if parent := group(entry.parent_id_token, CARD_CHARACTERS_MAX):
        info["parentIdTag"] = parent
    return {"idTag": entry.id_token, "idTagInfo": info}


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
