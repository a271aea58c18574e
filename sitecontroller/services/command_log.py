"""What people asked of the site lately, the answers, and what came of them: for the console.

The last thousand, in memory; the journal has the frames for longer. Secrets never stand in it.
"""

from collections import OrderedDict
from dataclasses import fields, is_dataclass, replace
from datetime import datetime
from typing import Any

from sitecontroller.domain.commands import (
    Command,
    CommandRecord,
    CommandResult,
    CommandsQuery,
    CommandState,
)
from sitecontroller.domain.device_rules import is_secret
from sitecontroller.domain.views import Page
from sitecontroller.wire import to_json

RECORDS_MAX = 1000
TEXT_MAX = 200
SECRET_WORDS = ("password", "key", "secret", "authorization", "certificate")
NO_SECRETS = ("transaction_key", "alarm_key", "snapshot_key")
FINAL = (CommandState.EFFECTIVE, CommandState.INEFFECTIVE)


class CommandLog:
    """Records by command id, oldest first."""

    def __init__(self) -> None:
        self._records: OrderedDict[str, CommandRecord] = OrderedDict()

    def begin(self, command_id: str, command: Command, at: datetime) -> None:
        """A command is about to be carried out."""
        self._records[command_id] = CommandRecord(
            command_id,
            type(command).__name__,
            getattr(command, "station_id", None),
            _parameters(command),
            at,
            CommandState.SENT,
        )
        while len(self._records) > RECORDS_MAX:
            self._records.popitem(last=False)

    def note(self, result: CommandResult, at: datetime) -> None:
        """How far it got now."""
        known = self._records.get(result.command_id)
        if known is None:
            return
        if result.state in FINAL:
            effect = result.reason if result.state is CommandState.INEFFECTIVE else None
            known = replace(
                known,
                state=result.state,
                answered_at=known.answered_at or at,
                effect_at=at,
                reason=effect or known.reason,
            )
        else:
            known = replace(known, state=result.state, answered_at=at, reason=result.reason)
        self._records[result.command_id] = known

    async def page(self, query: CommandsQuery) -> Page[CommandRecord]:
        """Newest first; the cursor is the id of the last one shown."""
        found = [
            record
            for record in reversed(self._records.values())
            if query.station_id in (None, record.station_id)
            and (query.cursor is None or record.command_id < query.cursor)
        ]
        shown = tuple(found[: query.limit])
        following = shown[-1].command_id if len(found) > len(shown) else None
        return Page(shown, following)


def _parameters(command: Command) -> dict[str, str]:
    """What it asked for, in short; a secret is replaced by its name alone."""
    assert is_dataclass(command), "every command is a dataclass"
    values: dict[str, Any] = {
        field.name: to_json(getattr(command, field.name))
        for field in fields(command)
        if field.name != "station_id"
    }
    secret = any(word in str(values.get("name", "")).casefold() for word in SECRET_WORDS)
    return {
        name: "***" if secret and name == "value" else str(_shown(name, value))[:TEXT_MAX]
        for name, value in values.items()
        if value is not None and name != "payload"
    }


def _shown(name: str, value: Any) -> Any:
    """A value without its secrets, also those within it: a VPN's key, a password among settings."""
    if isinstance(value, dict):
        return {inner: _shown(str(inner), each) for inner, each in value.items()}
    return "***" if value and _is_secret(name) else value


def _is_secret(name: str) -> bool:
    return name.casefold() not in NO_SECRETS and (
        any(word in name.casefold() for word in SECRET_WORDS) or is_secret(name)
    )
