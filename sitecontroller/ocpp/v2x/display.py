"""Messages on the display of a 2.x station (block O)."""

from datetime import datetime
from typing import Any

from sitecontroller.domain.display import (
    DisplayMessage,
    ListMessages,
    MessageFormat,
    MessagePriority,
    MessageState,
    MessageText,
    RemoveMessage,
    ShowMessage,
)
from sitecontroller.domain.station import OcppVersion
from sitecontroller.ocpp.block import Answer, Block
from sitecontroller.ocpp.commands import Priority
from sitecontroller.ocpp.times import read_instant
from sitecontroller.ocpp.values import integer, rows, table, text
from sitecontroller.ports import CallAnswer

MESSAGES_MAX = 500
"""Of one part."""
CONTENT_CHARACTERS_MAX = 1024
LANGUAGES_MAX = 4
STATES_OF_201 = (
    MessageState.CHARGING, MessageState.FAULTED, MessageState.IDLE, MessageState.UNAVAILABLE,
)  # fmt: skip

_PRIORITIES = {kind.value.casefold(): kind for kind in MessagePriority}
_STATES = {kind.value.casefold(): kind for kind in MessageState}
_FORMATS = {kind.value.casefold(): kind for kind in MessageFormat}


async def _notify_display_messages(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    dialect.gatherings.take("NotifyDisplayMessages", payload)
    return {}


async def _show(dialect: Any, request: ShowMessage) -> CallAnswer:
    """O01, O02, O06. What 2.0.1 has no word for is answered in its place, not sent."""
    message = request.message
    if dialect.version is OcppVersion.V201:
        if message.state is not None and message.state not in STATES_OF_201:
            return CallAnswer(False, "NotSupportedState", {})
        if message.text.format is MessageFormat.QRCODE:
            return CallAnswer(False, "NotSupportedMessageFormat", {})
    answer: CallAnswer = await dialect.say(
        "SetDisplayMessage", {"message": _info(dialect, message)}, priority=_priority(request)
    )
    return answer


def _info(dialect: Any, message: DisplayMessage) -> Answer:
    info: Answer = {
        "id": message.message_id,
        "priority": message.priority.value,
        "message": _content(message.text),
    }
    if message.state is not None:
        info["state"] = message.state.value
    if message.starts_at is not None:
        info["startDateTime"] = dialect.stamp(message.starts_at)
    if message.ends_at is not None:
        info["endDateTime"] = dialect.stamp(message.ends_at)
    if message.station_transaction_id is not None:
        info["transactionId"] = message.station_transaction_id
    if message.other_languages and dialect.version is not OcppVersion.V201:
        info["messageExtra"] = [_content(each) for each in message.other_languages]
    return info


def _content(said: MessageText) -> Answer:
    content: Answer = {"format": said.format.value, "content": said.content}
    if said.language is not None:
        content["language"] = said.language
    return content


async def _remove(dialect: Any, request: RemoveMessage) -> CallAnswer:
    """O05."""
    answer: CallAnswer = await dialect.say(
        "ClearDisplayMessage",
        {"id": request.message_id},
        accepted=("Accepted", "Unknown"),
        priority=_priority(request),
    )
    return answer


async def _list(dialect: Any, request: ListMessages) -> CallAnswer:
    """O03, O04. "Unknown" means that it has none such."""

    async def say(request_id: int) -> CallAnswer:
        payload: Answer = {"requestId": request_id}
        if request.message_ids:
            payload["id"] = list(request.message_ids)
        if request.priority is not None:
            payload["priority"] = request.priority.value
        if request.state is not None:
            payload["state"] = request.state.value
        answer: CallAnswer = await dialect.say(
            "GetDisplayMessages",
            payload,
            accepted=("Accepted", "Unknown"),
            priority=_priority(request),
        )
        return answer

    def read(payload: Answer) -> list[DisplayMessage]:
        found = map(_message, rows(payload.get("messageInfo"), MESSAGES_MAX))
        return [message for message in found if message is not None]

    answer, gathered = await dialect.gatherings.ask(dialect, "NotifyDisplayMessages", read, say)
    messages = () if gathered is None else gathered.items
    complete = gathered is None or gathered.complete
    return CallAnswer(answer.accepted, answer.status, {"messages": messages, "complete": complete})


def _message(row: Answer) -> DisplayMessage | None:
    message_id = integer(row.get("id"))
    if message_id is None:
        return None
    extra = rows(row.get("messageExtra"), LANGUAGES_MAX)
    return DisplayMessage(
        message_id=message_id,
        text=_text(table(row.get("message"))),
        priority=_PRIORITIES.get(
            (text(row.get("priority")) or "").casefold(), MessagePriority.NORMAL_CYCLE
        ),
        state=_STATES.get((text(row.get("state")) or "").casefold()),
        starts_at=read_instant(row.get("startDateTime")),
        ends_at=read_instant(row.get("endDateTime")),
        station_transaction_id=text(row.get("transactionId"), 36),
        other_languages=tuple(_text(each) for each in extra),
    )


def _text(row: Answer) -> MessageText:
    return MessageText(
        content=text(row.get("content"), CONTENT_CHARACTERS_MAX) or "",
        format=_FORMATS.get((text(row.get("format")) or "").casefold(), MessageFormat.UTF8),
        language=text(row.get("language"), 8),
    )


def _priority(request: ShowMessage | RemoveMessage | ListMessages) -> Priority:
    return Priority.HOUSEKEEPING if request.unasked else Priority.ATTENDANT


BLOCK = Block(
    inbound={"NotifyDisplayMessages": _notify_display_messages},
    requests={ShowMessage: _show, RemoveMessage: _remove, ListMessages: _list},
)
