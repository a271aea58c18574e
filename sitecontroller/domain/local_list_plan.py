"""Who is on a station's local list, and the messages that bring it there.

Pure: `wanted` picks and orders, `next_update` says the one message that brings a station nearer to
it, `applied` what the station holds after it took that message. `Synchronisation` puts them
together: whatever was lost, refused or forgotten before, it ends with exactly the wanted list or
with a reason why not (OCPP 1.6 5.15; OCPP 2.0.1 D01, D02).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from sitecontroller.domain.authorization import (
    AuthorizationStatus,
    IdTokenType,
    TokenRecord,
    Whitelist,
)
from sitecontroller.domain.ids import fold
from sitecontroller.domain.local_list import (
    KnownList,
    ListEntry,
    ListRules,
    ListUpdate,
    UpdateStatus,
)

VERSION_MAX = 2**31 - 1
ENTRIES_MAX = 10_000
"""Of any station's list, whatever it says it takes."""
ENTRIES_UNTOLD = 200
"""Where a station doesn't say; those that take few say so."""
ITEMS_PER_MESSAGE = 50
"""Where a station doesn't say how many it takes in one message."""
ANEW_MAX = 12
"""Whole lists in one attempt: halved from 50 entries a message down to one, and some to spare."""
MESSAGE_BYTES = 200
"""What a message takes beside its entries, at most."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Cards that may come on a station's list, most wanted group first."""

    blocked: Sequence[TokenRecord] = ()
    """Blocked ones that were shown at the site lately."""
    staff: Sequence[TokenRecord] = ()
    residents: Sequence[TokenRecord] = ()
    used_here: Sequence[TokenRecord] = ()
    whitelisted: Sequence[TokenRecord] = ()


@dataclass(slots=True)
class Synchronisation:
    """One attempt to bring a station to the wanted list, message by message.

    `known` and `pending` are kept for the next attempt. A refused change is tried as a whole list,
    a refused whole list in smaller messages; what a station refuses beyond that ends the attempt
    with a reason in plain words.
    """

    known: KnownList
    pending: ListUpdate | None
    entries: Mapping[str, ListEntry]
    rules: ListRules
    sent: int = 0
    """Entries that went out."""
    room: int | None = None
    """Entries after which the station took no more."""
    gave_up: str | None = None
    _anew: int = 0

    def told(self, version: int) -> None:
        """The station said which version its list has."""
        self.known = told_version(self.known, self.pending, version)
        self.pending = None

    def next(self) -> ListUpdate | None:
        """What to send now; None: it is in step, or the attempt is over."""
        if self.gave_up is not None:
            return None
        self.pending = next_update(self.known, self.entries, self.rules)
        if self.pending is not None and self.pending.full:
            self._anew += 1
            if self._anew > ANEW_MAX:
                self.pending, self.gave_up = None, "the charger refuses the list again and again"
        return self.pending

    def answered(self, status: UpdateStatus) -> None:
        """The station's word on what `next` gave."""
        update, self.pending = self.pending, None
        assert update is not None, "an answer follows a message"
        self.sent += update.items
        if status is UpdateStatus.ACCEPTED:
            self.known = applied(self.known, update)
        elif status is UpdateStatus.NOT_SUPPORTED:
            self.gave_up = "the charger has no list of cards"
        elif update.full or (self._anew and status is UpdateStatus.FAILED):
            self._too_much(update, status)
        else:
            self.known = KnownList(self.known.version, None)

    def _too_much(self, update: ListUpdate, status: UpdateStatus) -> None:
        """Half of it next time; a list that takes not one card more is full."""
        held = len(self.known.entries or ())
        if update.items > 1:
            self.rules = replace(self.rules, items_per_message=update.items // 2)
        elif update.full:
            self.gave_up = f"the charger refuses the list ({status.value})"
        else:
            self.room, self.gave_up = held, f"the charger takes no more than {held} cards"


def wanted(candidates: Candidates, at: datetime, rules: ListRules) -> dict[str, ListEntry]:
    """The list a station should hold, by entry key, cut at what it takes."""
    room = min(ENTRIES_UNTOLD if rules.entries_max is None else rules.entries_max, ENTRIES_MAX)
    entries: dict[str, ListEntry] = {}
    taken: set[str] = set()
    for record in _in_order(candidates):
        if len(entries) >= room:
            break
        spelled = rules.spelled(record.id_token)
        if spelled is None or fold(spelled) in taken or not _belongs(record, at):
            continue
        taken.add(fold(spelled))
        entry = _entry(record, spelled)
        entries[entry.key] = entry
    return entries


def told_version(known: KnownList, pending: ListUpdate | None, version: int) -> KnownList:
    """What the station holds, now that it says its list's version.

    `pending` is a message whose answer was lost: its version shows that the station took it.
    """
    if version <= 0:
        return KnownList()
    if version == known.version:
        return known
    if pending is not None and version == pending.version:
        return applied(known, pending)
    return KnownList(version, None)


def next_update(
    known: KnownList, entries: Mapping[str, ListEntry], rules: ListRules
) -> ListUpdate | None:
    """The next message towards `entries`; None: the station holds them.

    A list of which nothing is known, or that isn't there yet, is sent anew; else the way with
    fewer entries is taken.
    """
    if known.version <= 0:
        return _full(1, entries, rules) if entries else None
    if known.entries is None:
        return _full(known.version + 1, entries, rules)
    gone = [key for key in known.entries if key not in entries]
    put = [entry for key, entry in entries.items() if known.entries.get(key) != entry.digest]
    if not gone and not put:
        return None
    if len(gone) + len(put) > len(entries) or known.version >= VERSION_MAX:
        return _full(known.version + 1, entries, rules)
    removed = _first_that_fit(map(_removed, gone), rules)
    # Entries go before others come, so that a full list has room for them.
    added = _first_that_fit(put, rules, removed) if len(removed) == len(gone) else ()
    return ListUpdate(False, known.version + 1, added, removed)


def applied(known: KnownList, update: ListUpdate) -> KnownList:
    """What the station holds once it took a message."""
    before = {} if update.full else dict(known.entries or {})
    for entry in update.removed:
        before.pop(entry.key, None)
    before.update((entry.key, entry.digest) for entry in update.put)
    return KnownList(update.version, before)


def _in_order(candidates: Candidates) -> Iterable[TokenRecord]:
    yield from candidates.blocked
    yield from candidates.staff
    yield from candidates.residents
    yield from candidates.used_here
    yield from candidates.whitelisted


def _belongs(record: TokenRecord, at: datetime) -> bool:
    """A blocked one is there to be refused; what has expired is refused as unknown."""
    if record.blocked:
        return True
    expired = record.expires_at is not None and record.expires_at <= at
    return not expired and record.whitelist is not Whitelist.NEVER


def _entry(record: TokenRecord, spelled: str) -> ListEntry:
    status = AuthorizationStatus.BLOCKED if record.blocked else AuthorizationStatus.ACCEPTED
    return ListEntry(spelled, record.type, status, record.expires_at, record.parent_id_token)


def _removed(key: str) -> ListEntry:
    kind, _, id_token = key.partition("/")
    return ListEntry(id_token, IdTokenType(kind))


def _full(version: int, entries: Mapping[str, ListEntry], rules: ListRules) -> ListUpdate:
    number = version if version <= VERSION_MAX else 1
    return ListUpdate(True, number, _first_that_fit(entries.values(), rules))


def _first_that_fit(
    entries: Iterable[ListEntry], rules: ListRules, before: Sequence[ListEntry] = ()
) -> tuple[ListEntry, ...]:
    """As many as one message carries; always one, even to a station that says it takes none."""
    room = max(1, rules.items_per_message or ITEMS_PER_MESSAGE) - len(before)
    size = MESSAGE_BYTES + sum(entry.size_bytes for entry in before)
    fitting: list[ListEntry] = []
    for entry in islice(entries, room):
        size += entry.size_bytes
        too_large = rules.bytes_per_message is not None and size > rules.bytes_per_message
        if too_large and (fitting or before):
            break
        fitting.append(entry)
    return tuple(fitting)
