"""What is kept of each station's local list, and which cards the site wants on it.

One row a station: the version it took last and a digest of each entry, so that after a restart
only changes are sent. Read in the database's thread, never on the loop.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sitecontroller.domain.authorization import TokenHolder, TokenRecord
from sitecontroller.domain.ids import fold
from sitecontroller.domain.local_list import (
    KnownList,
    ListEntry,
    ListRules,
    ListState,
    LocalListView,
)
from sitecontroller.domain.local_list_plan import ENTRIES_MAX, ENTRIES_UNTOLD, Candidates, wanted
from sitecontroller.ports import Clock, Store, UnitOfWork
from sitecontroller.services.shelf import Shelf

KIND = "local-list"
SEEN_KIND = "blocked-card"
USED_WITHIN = timedelta(days=180)
"""A card that was used at a station this lately is wanted on its list."""
SEEN_WITHIN = timedelta(days=30)
"""A blocked card that was shown at the site this lately is."""
SEEN_MAX = 500


@dataclass(frozen=True, slots=True)
class KeptList:
    """One station's list, as far as we know."""

    station_id: str
    state: ListState = ListState.UNKNOWN
    version: int = 0
    entries: dict[str, str] | None = None
    wanted: int | None = None
    entries_max: int | None = None
    """As the station says."""
    room: int | None = None
    """As it showed, by taking no more."""
    room_at: datetime | None = None
    checked_at: datetime | None = None
    synced_at: datetime | None = None
    reason: str | None = None
    failures: int = 0
    retry_at: datetime | None = None

    @property
    def known(self) -> KnownList:
        """For the plan."""
        return KnownList(self.version, self.entries)

    def view(self) -> LocalListView:
        """As people see it."""
        return LocalListView(
            station_id=self.station_id,
            state=self.state,
            version=self.version if self.checked_at is not None else None,
            entries=None if self.entries is None else len(self.entries),
            wanted=self.wanted,
            entries_max=self.entries_max if self.room is None else self.room,
            checked_at=self.checked_at,
            synced_at=self.synced_at,
            reason=self.reason,
            retry_at=self.retry_at,
        )


@dataclass(frozen=True, slots=True)
class SeenCard:
    """A blocked card that somebody tried; folded."""

    id_token: str
    at: datetime


class SeenCards:
    """Blocked cards that were tried at the site lately: stations should know them by themselves."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._clock = clock
        self._shelf = Shelf(store, SEEN_KIND, SeenCard)
        self._seen: dict[str, datetime] = {}

    async def load(self) -> None:
        """Take up what was kept."""
        since = self._clock.now() - SEEN_WITHIN
        self._seen = {
            card.id_token: card.at for card in await self._shelf.all() if card.at >= since
        }

    def numbers(self) -> tuple[str, ...]:
        """Folded."""
        return tuple(self._seen)

    def note(self, id_token: str) -> bool:
        """Somebody tries a blocked card; whether that is news."""
        folded = fold(id_token)
        is_news = folded not in self._seen
        self._seen[folded] = self._clock.now()
        while len(self._seen) > SEEN_MAX:
            del self._seen[next(iter(self._seen))]
        return is_news

    async def keep(self, id_token: str) -> None:
        """Keep it over restarts."""
        folded = fold(id_token)
        at = self._clock.now()
        await self._shelf.put(folded, SeenCard(folded, at), at)
        await self._shelf.trim(SEEN_MAX)


def wanted_at(
    tx: UnitOfWork, station_id: str, at: datetime, rules: ListRules, seen: Sequence[str]
) -> Mapping[str, ListEntry]:
    """The list a station should hold now; `seen` are folded numbers of blocked cards shown here."""
    most = min(rules.entries_max or ENTRIES_UNTOLD, ENTRIES_MAX)
    tried = [record for record in _known(tx, seen) if record.blocked]
    candidates = Candidates(
        blocked=[*tried, *tx.blocked_and_seen(at - SEEN_WITHIN, most)],
        staff=_unblocked(tx.tokens_of(TokenHolder.STAFF, most)),
        residents=_unblocked(tx.tokens_of(TokenHolder.RESIDENT, most)),
        used_here=_unblocked(_known(tx, tx.recent_cards(station_id, at - USED_WITHIN, most))),
        whitelisted=tx.whitelisted_tokens(at, 2 * most),
    )
    return wanted(candidates, at, rules)


def _known(tx: UnitOfWork, numbers: Sequence[str]) -> list[TokenRecord]:
    found = (tx.token(number) for number in numbers)
    return [record for record in found if record is not None]


def _unblocked(records: Sequence[TokenRecord]) -> list[TokenRecord]:
    """A blocked card nobody has shown for long needs no place: off the list it isn't accepted."""
    return [record for record in records if not record.blocked]
