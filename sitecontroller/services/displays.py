"""Messages on the displays of stations: what is wanted is brought to every station it is for.

A station that was away or lost its messages in a restart gets them again; what a station has no way
to show is said, not tried over and over.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from sitecontroller.domain.commands import Command, CommandResult, CommandState
from sitecontroller.domain.display import (
    ClearDisplayMessage,
    DisplayMessage,
    DisplayMessagesQuery,
    DisplayOutcome,
    DisplayState,
    GetDisplayMessages,
    ListMessages,
    MessageFormat,
    MessageText,
    RemoveMessage,
    SetDisplayMessage,
    ShowMessage,
    WantedMessage,
)
from sitecontroller.domain.errors import (
    CallRefused,
    Conflict,
    FieldError,
    InvalidInput,
    NotFound,
    OperatingError,
    Unsupported,
)
from sitecontroller.domain.events import Event, StationReady, TransactionChanged
from sitecontroller.domain.queries import Query
from sitecontroller.domain.station import OcppVersion
from sitecontroller.domain.transaction import Transaction
from sitecontroller.domain.views import Page
from sitecontroller.ports import StationLink
from sitecontroller.services.desk import Answerer, Desk, Handler, result_of
from sitecontroller.services.wanted_messages import WantedMessages
from sitecontroller.wire import to_json

log = logging.getLogger(__name__)

MESSAGES_MAX = 100
"""Wanted at a time; stations take a handful."""
CONTENT_CHARACTERS_MAX = 512
LANGUAGE_CHARACTERS_MAX = 8
LANGUAGES_MAX = 4
STATIONS_AT_ONCE = 20
RETURN_AFTER_S = 15.0
"""The set-up of a station that has come back goes first."""
NO_DISPLAY = "OCPP 1.6 has no display messages"
_NOT_SUPPORTED = (
    *("NotSupportedMessageFormat", "NotSupportedPriority", "NotSupportedState"),
    "LanguageNotSupported",
)


class Displays:
    """Brings messages to stations and keeps what became of them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._messages = WantedMessages(desk.store)
        self._at_once = asyncio.Semaphore(STATIONS_AT_ONCE)
        self._busy: set[str] = set()
        self._again: set[str] = set()
        """Stations under way for which something more has come up."""
        self.handlers: Mapping[type[Command], Handler] = {
            SetDisplayMessage: self._set,
            ClearDisplayMessage: self._clear,
            GetDisplayMessages: self._get,
        }
        self.answerers: Mapping[type[Query], Answerer] = {DisplayMessagesQuery: self._page}

    async def load(self) -> None:
        """Take up what the database knows."""
        await self._messages.load()
        await self._messages.prune(self._desk.clock.now())
        self._desk.publisher.subscribe(self._on_event, StationReady, TransactionChanged)

    # commands

    async def _set(self, command: SetDisplayMessage, command_id: str) -> CommandResult:
        now = self._desk.clock.now()
        await self._messages.prune(now)
        transaction = self._transaction(command)
        station_id = command.station_id if transaction is None else transaction.station_id
        if station_id is not None:
            self._desk.known(station_id)
        _check(command, now)
        if command.message_id is None and len(self._messages) >= MESSAGES_MAX:
            raise Conflict(
                f"{MESSAGES_MAX} messages are wanted already", remedy="Clear one of them first"
            )
        number = await self._number(command)
        message = DisplayMessage(
            number,
            command.text,
            command.priority,
            command.state,
            command.starts_at,
            command.ends_at,
            None if transaction is None else transaction.station_transaction_id,
            command.other_languages,
        )
        wanted = WantedMessage(message, now, station_id, command.transaction_key)
        await self._messages.put(wanted)
        answer = {"message_id": number}
        if station_id is None:
            self._bring_to_all()
            return CommandResult(command_id, CommandState.ACCEPTED, None, answer)
        await self._bring(station_id)
        return _told(command_id, self._messages.outcome(number, station_id), answer)

    async def _number(self, command: SetDisplayMessage) -> int:
        if command.message_id is None:
            return await self._messages.next_id()
        known = self._messages.get(command.message_id)
        if known is None or not known.wanted:
            raise _no_message(command.message_id)
        if known.station_id != command.station_id and command.transaction_key is None:
            raise Conflict(
                f"message {command.message_id} is for {known.station_id or 'all chargers'}",
                remedy="Clear it and set a new one",
            )
        return command.message_id

    def _transaction(self, command: SetDisplayMessage) -> Transaction | None:
        if command.transaction_key is None:
            return None
        found = self._desk.transactions.find(command.transaction_key)
        if found is None or not found.active:
            raise NotFound(
                f"no running transaction '{command.transaction_key}'",
                remedy="GET /v1/transactions?active=true lists them",
            )
        if command.station_id not in (None, found.station_id):
            raise _invalid("station_id", f"is {found.station_id}: the session runs there")
        return found

    async def _clear(self, command: ClearDisplayMessage, command_id: str) -> CommandResult:
        number = command.message_id
        known = self._messages.get(number)
        if command.station_id is not None:
            if known is not None and known.wanted:
                raise Conflict(
                    f"message {number} is wanted", remedy="Clear it without naming a charger"
                )
            link = self._desk.link(command.station_id)
            return result_of(command_id, await link.ask(RemoveMessage(number)))
        if known is None or not known.wanted:
            raise _no_message(number)
        await self._messages.unwant(number, self._desk.clock.now())
        if known.station_id is None:
            self._bring_to_all()
            return CommandResult(command_id, CommandState.ACCEPTED)
        await self._bring(known.station_id)
        left = self._messages.outcome(number, known.station_id)
        if left is None:
            return CommandResult(command_id, CommandState.EFFECTIVE)
        return CommandResult(
            command_id, CommandState.ACCEPTED, left.reason or "it is cleared later"
        )

    async def _get(self, command: GetDisplayMessages, command_id: str) -> CommandResult:
        link = self._desk.link(command.station_id)
        answer = await link.ask(ListMessages(command.message_ids, command.priority, command.state))
        if not answer.accepted:
            return result_of(command_id, answer)
        told = {
            "messages": to_json(answer.body["messages"]),
            "complete": answer.body["complete"],
        }
        return CommandResult(command_id, CommandState.ACCEPTED, None, told)

    async def _page(self, query: DisplayMessagesQuery) -> Page[WantedMessage]:
        """All fit on a few pages; the cursor is the number of the last one shown."""
        await self._messages.prune(self._desk.clock.now())
        messages = sorted(
            self._messages.all(), key=lambda each: each.message.message_id, reverse=True
        )
        if query.cursor is not None and query.cursor.isdecimal():
            last = int(query.cursor)
            messages = [each for each in messages if each.message.message_id < last]
        shown = messages[: query.limit]
        more = len(messages) > len(shown)
        following = str(shown[-1].message.message_id) if more and shown else None
        return Page(tuple(map(self._with_waiting, shown)), following)

    def _with_waiting(self, message: WantedMessage) -> WantedMessage:
        """Also the stations that it never reached."""
        told = {outcome.station_id: outcome for outcome in message.outcomes}
        if message.wanted:
            for station_id in self._stations(message):
                told.setdefault(station_id, DisplayOutcome(station_id))
        return replace(message, outcomes=tuple(told[station_id] for station_id in sorted(told)))

    def _stations(self, message: WantedMessage) -> tuple[str, ...]:
        if message.station_id is not None:
            return (message.station_id,)
        return tuple(state.station.station_id for state in self._desk.stations.states())

    # what happens

    def _on_event(self, event: Event) -> None:
        if isinstance(event, StationReady):
            work = self._returned(event.station_id, rebooted=event.rebooted)
            wanted, _ = self._messages.for_station(event.station_id)
            if wanted or self._messages.to_clear(event.station_id):
                name = f"display messages of {event.station_id}"
                self._desk.background.spawn(work, name, patient=True)
            else:
                work.close()
        elif isinstance(event, TransactionChanged) and event.ended:
            key = event.transaction.key
            if any(message.transaction_key == key for message in self._messages.all()):
                self._desk.background.spawn(
                    self._messages.prune(self._desk.clock.now(), (key,)), f"messages of {key}"
                )

    async def _returned(self, station_id: str, *, rebooted: bool) -> None:
        await asyncio.sleep(RETURN_AFTER_S)
        link = self._desk.stations.link(station_id)
        if link is None:
            return
        if rebooted and link.version is not OcppVersion.V16:
            await self._look(link)
        await self._bring(station_id)

    async def _look(self, link: StationLink) -> None:
        """What the station still has after a restart; what it lost is to be sent again."""
        wanted, _ = self._messages.for_station(link.station_id)
        numbers = {each.message.message_id: each.message for each in wanted}
        had = [n for n in numbers if self._state(n, link.station_id) is DisplayState.SET]
        if not had:
            return
        try:
            answer = await link.ask(ListMessages(unasked=True))
        except (Unsupported, CallRefused):
            shown = {}
        except OperatingError as error:
            log.info("%s: its display messages are not known: %s", link.station_id, error.detail)
            return
        else:
            if not answer.body["complete"]:
                return
            shown = {message.message_id: message for message in answer.body["messages"]}
        lost = [n for n in had if n not in shown or not _alike(shown[n], numbers[n])]
        for number in lost:
            await self._note(number, link.station_id, DisplayState.WAITING, "lost in a restart")
        if lost:
            log.info("%s: lost %d display messages in a restart", link.station_id, len(lost))

    def _state(self, number: int, station_id: str) -> DisplayState | None:
        outcome = self._messages.outcome(number, station_id)
        return None if outcome is None else outcome.state

    # to the stations

    def _bring_to_all(self) -> None:
        for state in self._desk.stations.states():
            station_id = state.station.station_id
            self._desk.background.spawn(
                self._bring(station_id), f"display of {station_id}", patient=True
            )

    async def _bring(self, station_id: str) -> None:
        """Bring one station to what is wanted; one at a time for each, a few stations at once."""
        if station_id in self._busy:
            self._again.add(station_id)
            return
        self._busy.add(station_id)
        try:
            async with self._at_once:
                self._again.add(station_id)
                while station_id in self._again:
                    self._again.discard(station_id)
                    await self._bring_once(station_id)
        finally:
            self._busy.discard(station_id)
            self._again.discard(station_id)

    async def _bring_once(self, station_id: str) -> None:
        link = self._desk.stations.link(station_id)
        wanted, replaced = self._messages.for_station(station_id)
        if link is None:
            return
        for message in replaced:
            await self._note(message.message.message_id, station_id, DisplayState.REPLACED, "")
        for number in self._messages.to_clear(station_id):
            await self._remove(link, number)
        for message in wanted:
            number = message.message.message_id
            if self._state(number, station_id) in (
                DisplayState.SET, DisplayState.NOT_SUPPORTED, DisplayState.REFUSED,
            ):  # fmt: skip
                continue
            await self._show(link, message.message)

    async def _show(self, link: StationLink, message: DisplayMessage) -> None:
        number = message.message_id
        if link.version is OcppVersion.V16 or not link.supports(ShowMessage):
            reason = NO_DISPLAY if link.version is OcppVersion.V16 else "it has no display messages"
            await self._note(number, link.station_id, DisplayState.NOT_SUPPORTED, reason)
            return
        try:
            answer = await link.ask(ShowMessage(message))
        except Unsupported as error:
            await self._note(number, link.station_id, DisplayState.NOT_SUPPORTED, error.detail)
            return
        except OperatingError as error:
            await self._note(number, link.station_id, DisplayState.WAITING, error.detail)
            return
        state = DisplayState.SET if answer.accepted else DisplayState.REFUSED
        if answer.status in _NOT_SUPPORTED:
            state = DisplayState.NOT_SUPPORTED
        await self._note(number, link.station_id, state, "" if answer.accepted else answer.status)

    async def _remove(self, link: StationLink, number: int) -> None:
        try:
            answer = await link.ask(RemoveMessage(number))
        except Unsupported:
            await self._messages.gone(number, link.station_id)
            return
        except OperatingError as error:
            await self._note(number, link.station_id, DisplayState.CLEARING, error.detail)
            return
        if answer.accepted:
            await self._messages.gone(number, link.station_id)
        else:
            await self._note(number, link.station_id, DisplayState.CLEARING, answer.status)

    async def _note(self, number: int, station_id: str, state: DisplayState, reason: str) -> None:
        outcome = DisplayOutcome(station_id, state, reason)
        await self._messages.note(number, outcome, self._desk.clock.now())


def _told(command_id: str, outcome: DisplayOutcome | None, answer: dict[str, int]) -> CommandResult:
    """One station's outcome as the command's."""
    if outcome is None:
        reason = "the charger is offline; it gets the message when it returns"
        return CommandResult(command_id, CommandState.SENT, reason, answer)
    if outcome.state is DisplayState.SET:
        return CommandResult(command_id, CommandState.ACCEPTED, None, answer)
    if outcome.state is DisplayState.WAITING:
        return CommandResult(command_id, CommandState.SENT, outcome.reason, answer)
    return CommandResult(command_id, CommandState.REJECTED, outcome.reason, answer)


def _alike(shown: DisplayMessage, wanted: DisplayMessage) -> bool:
    """As far as a station has to tell it back; times to the second."""
    return (
        shown.text.content == wanted.text.content.strip()
        and shown.priority is wanted.priority
        and shown.state is wanted.state
        and _close(shown.starts_at, wanted.starts_at)
        and _close(shown.ends_at, wanted.ends_at)
    )


def _close(one: datetime | None, other: datetime | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) < timedelta(seconds=2)


def _check(command: SetDisplayMessage, now: datetime) -> None:
    for number, text in enumerate((command.text, *command.other_languages)):
        _check_text("text" if number == 0 else f"other_languages[{number - 1}]", text)
    if len(command.other_languages) > LANGUAGES_MAX:
        raise _invalid("other_languages", f"are at most {LANGUAGES_MAX}")
    if command.ends_at is not None and command.ends_at <= now:
        raise _invalid("ends_at", "lies in the past")
    if command.ends_at is not None and command.ends_at <= (command.starts_at or now):
        raise _invalid("ends_at", "is not after starts_at")


def _check_text(field: str, text: MessageText) -> None:
    if not 1 <= len(text.content.strip()) <= CONTENT_CHARACTERS_MAX:
        raise _invalid(f"{field}.content", f"has 1 to {CONTENT_CHARACTERS_MAX} characters")
    if text.format is MessageFormat.ASCII and not text.content.isascii():
        raise _invalid(f"{field}.content", "has signs that are not ASCII; set format to UTF8")
    if text.language is not None and not 2 <= len(text.language) <= LANGUAGE_CHARACTERS_MAX:
        raise _invalid(f"{field}.language", "is a tag like de or en-US")


def _invalid(field: str, message: str) -> InvalidInput:
    return InvalidInput(
        f"{field} {message}",
        remedy="Mend the field and send it again",
        errors=(FieldError(field, message),),
    )


def _no_message(number: int) -> NotFound:
    return NotFound(f"no message {number}", remedy="GET /v1/display-messages lists them")
