"""Messages on the displays of 2.x stations: what the site wants shown, and where it is shown.

A message is wanted for one station or for all; each station's answer is kept beside it. OCPP 1.6
has no such thing.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sitecontroller.domain.commands import Command, StationRequest
from sitecontroller.domain.queries import Query


class MessagePriority(StrEnum):
    """OCPP 2.0.1 MessagePriorityEnumType. Of `ALWAYS_FRONT` a station shows the newest alone."""

    ALWAYS_FRONT = "AlwaysFront"
    IN_FRONT = "InFront"
    NORMAL_CYCLE = "NormalCycle"


class MessageState(StrEnum):
    """OCPP 2.1 MessageStateEnumType; the last two came with 2.1."""

    CHARGING = "Charging"
    FAULTED = "Faulted"
    IDLE = "Idle"
    UNAVAILABLE = "Unavailable"
    SUSPENDED = "Suspended"
    DISCHARGING = "Discharging"


class MessageFormat(StrEnum):
    """OCPP 2.1 MessageFormatEnumType; QRCODE came with 2.1."""

    ASCII = "ASCII"
    HTML = "HTML"
    URI = "URI"
    UTF8 = "UTF8"
    QRCODE = "QRCODE"


@dataclass(frozen=True, slots=True)
class MessageText:
    """One text; `language` is an RFC 5646 tag of at most 8 characters ("de", "en-US")."""

    content: str
    format: MessageFormat = MessageFormat.UTF8
    language: str | None = None


@dataclass(frozen=True, slots=True)
class DisplayMessage:
    """One message as a station has or is to have it; `message_id` is unique at the site.

    `state` None: in every state. `starts_at`, `ends_at` None: from now, until it is cleared.
    `other_languages` reach 2.1 stations alone.
    """

    message_id: int
    text: MessageText
    priority: MessagePriority
    state: MessageState | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    station_transaction_id: str | None = None
    other_languages: tuple[MessageText, ...] = ()


class DisplayState(StrEnum):
    """How far a message got on one station."""

    WAITING = "waiting"
    """The station is offline, or has not answered yet."""
    SET = "set"
    NOT_SUPPORTED = "not-supported"
    REFUSED = "refused"
    REPLACED = "replaced"
    """A newer message took its place: of those always in front there is only one."""
    CLEARING = "clearing"
    """No longer wanted; the station has not yet said that it is gone."""


@dataclass(frozen=True, slots=True)
class DisplayOutcome:
    """Where a message stands on one station; `reason` is the station's word or ours."""

    station_id: str
    state: DisplayState = DisplayState.WAITING
    reason: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class WantedMessage:
    """A message, whom it is for, and what the stations made of it.

    `station_id` None: for all. `wanted` False: it is being cleared.
    """

    message: DisplayMessage
    set_at: datetime
    station_id: str | None = None
    transaction_key: str | None = None
    wanted: bool = True
    outcomes: tuple[DisplayOutcome, ...] = ()


# what is said to stations


@dataclass(frozen=True, slots=True)
class ShowMessage(StationRequest):
    """Put or replace one message."""

    message: DisplayMessage
    unasked: bool = False


@dataclass(frozen=True, slots=True)
class RemoveMessage(StationRequest):
    """Take one away; "Unknown" is as good as "Accepted"."""

    message_id: int
    unasked: bool = False


@dataclass(frozen=True, slots=True)
class ListMessages(StationRequest):
    """`DisplayMessage`s under "messages", and under "complete" whether all parts came."""

    message_ids: tuple[int, ...] = ()
    priority: MessagePriority | None = None
    state: MessageState | None = None
    unasked: bool = False


# commands


@dataclass(frozen=True, slots=True)
class SetDisplayMessage(Command):
    """Show a text on one 2.x station, or with `station_id` None on all.

    `message_id` replaces a message that is wanted already. `transaction_key`: for the driver of
    that session, until it ends. `answer` has the message's id.
    """

    text: MessageText
    priority: MessagePriority = MessagePriority.NORMAL_CYCLE
    station_id: str | None = None
    state: MessageState | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    transaction_key: str | None = None
    other_languages: tuple[MessageText, ...] = ()
    message_id: int | None = None


@dataclass(frozen=True, slots=True)
class ClearDisplayMessage(Command):
    """Take a message off every display; stations that are offline lose it when they return.

    With `station_id`: a message of a station that isn't one of ours, off that display alone.
    """

    message_id: int
    station_id: str | None = None


@dataclass(frozen=True, slots=True)
class GetDisplayMessages(Command):
    """Ask a station which messages it has; without ids, priority and state: all."""

    station_id: str
    message_ids: tuple[int, ...] = ()
    priority: MessagePriority | None = None
    state: MessageState | None = None


# questions


@dataclass(frozen=True, slots=True)
class DisplayMessagesQuery(Query):
    """The wanted messages, newest first, with what each station made of them."""

    limit: int = 50
    cursor: str | None = None
