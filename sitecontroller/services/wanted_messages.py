"""The display messages that are wanted, and where each stands: the part that is kept.

What was set stays until it is cleared, its time is over or its session has ended; what a station
still shows of a cleared one is remembered until the station says that it is gone.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sitecontroller.domain.display import (
    DisplayOutcome,
    DisplayState,
    MessagePriority,
    WantedMessage,
)
from sitecontroller.ports import Store, UnitOfWork
from sitecontroller.services.shelf import Shelf

CLEARING_FOR = timedelta(days=30)
"""So long a station may stay away and still lose a cleared message when it returns."""
_LAST_ID = "display-message-id"
ID_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class _Place:
    """An outcome as it is kept."""

    message_id: int
    outcome: DisplayOutcome


class WantedMessages:
    """All of the site, in memory and in the database."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._shelf = Shelf(store, "display-message", WantedMessage)
        self._places = Shelf(store, "display-outcome", _Place)
        self._messages: dict[int, WantedMessage] = {}
        self._outcomes: dict[int, dict[str, DisplayOutcome]] = {}

    async def load(self) -> None:
        """Take up what the database knows."""
        for message in await self._shelf.all():
            self._messages[message.message.message_id] = message
        for place in await self._places.all():
            if place.message_id in self._messages:
                of_message = self._outcomes.setdefault(place.message_id, {})
                of_message[place.outcome.station_id] = place.outcome

    def __len__(self) -> int:
        return len(self._messages)

    def get(self, message_id: int) -> WantedMessage | None:
        """One, also one that is being cleared."""
        return self._messages.get(message_id)

    def all(self) -> tuple[WantedMessage, ...]:
        """With their outcomes, in no order."""
        return tuple(
            replace(message, outcomes=tuple(self._outcomes.get(number, {}).values()))
            for number, message in self._messages.items()
        )

    def outcome(self, message_id: int, station_id: str) -> DisplayOutcome | None:
        """Where a message stands on one station; None: nothing was ever sent there."""
        return self._outcomes.get(message_id, {}).get(station_id)

    def for_station(self, station_id: str) -> tuple[list[WantedMessage], list[WantedMessage]]:
        """Those it is to show, oldest first, and those a newer one has replaced.

        Of messages always in front a station keeps the last it was given (O01.FR.16).
        """
        wanted = sorted(
            (m for m in self._messages.values() if m.wanted and m.station_id in (None, station_id)),
            key=lambda message: (message.set_at, message.message.message_id),
        )
        front = [m for m in wanted if m.message.priority is MessagePriority.ALWAYS_FRONT]
        replaced = front[:-1]
        return [message for message in wanted if message not in replaced], replaced

    def to_clear(self, station_id: str) -> list[int]:
        """Messages that it may still show and that nobody wants there any more."""
        return [
            number
            for number, of_message in self._outcomes.items()
            if (outcome := of_message.get(station_id)) is not None
            and outcome.state is DisplayState.CLEARING
        ]

    async def next_id(self) -> int:
        """Never given twice at this site."""
        return await self._store.commit(_next_id)

    async def put(self, message: WantedMessage) -> None:
        """Add or replace; what stations made of an earlier text no longer counts."""
        number = message.message.message_id
        self._messages[number] = message
        self._outcomes[number] = {
            station_id: replace(known, state=DisplayState.WAITING)
            for station_id, known in self._outcomes.get(number, {}).items()
        }
        await self._shelf.put(str(number), message, message.set_at, message.station_id)

    async def note(self, message_id: int, outcome: DisplayOutcome, at: datetime) -> None:
        """A station's word on a message."""
        if message_id not in self._messages:
            return
        told = replace(outcome, at=at)
        self._outcomes.setdefault(message_id, {})[outcome.station_id] = told
        key = f"{message_id}/{outcome.station_id}"
        await self._places.put(key, _Place(message_id, told), at, outcome.station_id)

    async def unwant(self, message_id: int, at: datetime) -> None:
        """It is to go from everywhere it may be shown."""
        message = self._messages[message_id]
        for outcome in tuple(self._outcomes.get(message_id, {}).values()):
            if outcome.state in (DisplayState.NOT_SUPPORTED, DisplayState.REFUSED):
                await self.gone(message_id, outcome.station_id)
            else:
                clearing = DisplayOutcome(outcome.station_id, DisplayState.CLEARING)
                await self.note(message_id, clearing, at)
        self._messages[message_id] = replace(message, wanted=False, set_at=at)
        await self._shelf.put(str(message_id), self._messages[message_id], at, message.station_id)
        await self._forget_if_done(message_id)

    async def gone(self, message_id: int, station_id: str) -> None:
        """A station shows it no more."""
        self._outcomes.get(message_id, {}).pop(station_id, None)
        await self._places.drop(f"{message_id}/{station_id}")
        await self._forget_if_done(message_id)

    async def prune(self, now: datetime, ended: Iterable[str] = ()) -> None:
        """Forget what stations take away by themselves (O01.FR.07, O02.FR.02): messages whose time
        is over or whose session has ended; and clearings that have waited for too long."""
        sessions = set(ended)
        for number, message in tuple(self._messages.items()):
            over = message.message.ends_at is not None and message.message.ends_at <= now
            stale = not message.wanted and now - message.set_at >= CLEARING_FOR
            if over or stale or message.transaction_key in sessions:
                await self._forget(number)

    async def _forget_if_done(self, message_id: int) -> None:
        message = self._messages.get(message_id)
        if message is not None and not message.wanted and not self._outcomes.get(message_id):
            await self._forget(message_id)

    async def _forget(self, message_id: int) -> None:
        self._messages.pop(message_id, None)
        places = self._outcomes.pop(message_id, {})
        await self._store.commit(self._drop, message_id, tuple(places))

    def _drop(self, tx: UnitOfWork, message_id: int, stations: tuple[str, ...]) -> None:
        tx.drop_kept(self._shelf.kind, str(message_id))
        for station_id in stations:
            tx.drop_kept(self._places.kind, f"{message_id}/{station_id}")


def _next_id(tx: UnitOfWork) -> int:
    number = (tx.setting(_LAST_ID) or 0) % ID_MAX + 1
    tx.put_setting(_LAST_ID, number)
    return int(number)
