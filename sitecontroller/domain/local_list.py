"""The list of cards that a station may accept by itself, and its cache of cards: the values, what
is said to a station about them, what people may ask and are shown.

Who is on a list and what is sent next stands in `local_list_plan`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import blake2s

from sitecontroller.domain.authorization import AuthorizationStatus, IdTokenType
from sitecontroller.domain.commands import Command, StationRequest
from sitecontroller.domain.queries import Query

LEFT_ALONE = "LeftAlone"
ENTRY_BYTES = 250
"""What an entry takes as JSON beside the numbers of card and parent, at most."""


@dataclass(frozen=True, slots=True)
class ListEntry:
    """One card as a station's list has it; `id_token` in the spelling that the station takes."""

    id_token: str
    type: IdTokenType
    status: AuthorizationStatus = AuthorizationStatus.ACCEPTED
    expires_at: datetime | None = None
    parent_id_token: str | None = None
    digest: str = field(init=False, compare=False, repr=False)
    """Changes with anything that a station is told of it."""

    def __post_init__(self) -> None:
        said = f"{self.status.value}|{self.expires_at}|{self.parent_id_token}"
        digest = blake2s(said.encode(), digest_size=6).hexdigest()
        object.__setattr__(self, "digest", digest)

    @property
    def key(self) -> str:
        """What makes it unique on a list."""
        return f"{self.type.value}/{self.id_token}"

    @property
    def size_bytes(self) -> int:
        """At most, as JSON."""
        return ENTRY_BYTES + len(self.id_token) + len(self.parent_id_token or "")


@dataclass(frozen=True, slots=True)
class ListRules:
    """What one station's list is like; None where it doesn't say.

    `characters` and `length_max` bound the card numbers it takes (Q24).
    """

    characters: str
    length_max: int
    enabled: bool | None = None
    entries_max: int | None = None
    items_per_message: int | None = None
    bytes_per_message: int | None = None

    def spelled(self, id_token: str) -> str | None:
        """A card number as this station takes it; None: it can't be on its list."""
        given = id_token.strip()
        sent = given.upper() if given.isascii() else given
        fits = 0 < len(sent) <= self.length_max and set(sent) <= set(self.characters)
        return sent if fits else None


@dataclass(frozen=True, slots=True)
class KnownList:
    """What a station holds, as far as it told and took: digests by entry key; None: unknown."""

    version: int = 0
    entries: Mapping[str, str] | None = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ListUpdate(StationRequest):
    """One SendLocalList. `full` replaces the whole list; else `removed` go and `put` come or
    change. `version` is the list's after it."""

    full: bool
    version: int
    put: tuple[ListEntry, ...] = ()
    removed: tuple[ListEntry, ...] = ()

    @property
    def items(self) -> int:
        """Entries it carries."""
        return len(self.put) + len(self.removed)


class UpdateStatus(StrEnum):
    """A station's answer to a message; `NOT_SUPPORTED` comes from 1.6 alone."""

    ACCEPTED = "Accepted"
    FAILED = "Failed"
    VERSION_MISMATCH = "VersionMismatch"
    NOT_SUPPORTED = "NotSupported"


# what is said to stations


@dataclass(frozen=True, slots=True)
class ReadListRules(StationRequest):
    """What its list is like; the answer's body has `ListRules` under "rules", not accepted: it has
    no list.

    `unasked`: no person waits for it, so a station that answered nothing so far is left alone
    (Q14); the answer's status is `LEFT_ALONE` then.
    """

    unasked: bool = False


@dataclass(frozen=True, slots=True)
class EnableLocalList(StationRequest):
    """Switch its list on."""


@dataclass(frozen=True, slots=True)
class AskListVersion(StationRequest):
    """GetLocalListVersion; the body has "version": 0 for no list, -1 for none possible (1.6)."""


@dataclass(frozen=True, slots=True)
class ClearCache(StationRequest):
    """Forget the cards it has seen."""


# what people ask for


@dataclass(frozen=True, slots=True)
class SyncLocalList(Command):
    """Compare a station's list with the wanted one now and send what it lacks; `anew`: all of it,
    whatever it holds."""

    station_id: str
    anew: bool = False


@dataclass(frozen=True, slots=True)
class EmptyLocalList(Command):
    """Take every card off a station's list; it stays empty until the list is synced by hand."""

    station_id: str


@dataclass(frozen=True, slots=True)
class ClearAuthorizationCache(Command):
    """Make a station forget the cards it has seen."""

    station_id: str


class ListState(StrEnum):
    """How a station's list stands."""

    UNKNOWN = "unknown"
    """Not asked yet."""
    IN_STEP = "in-step"
    BEHIND = "behind"
    """Something is still to be sent."""
    OFF = "off"
    """Emptied by hand and left so."""
    UNSUPPORTED = "unsupported"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class LocalListView:
    """One station's list as people see it. `entries` it holds, `wanted` it should."""

    station_id: str
    state: ListState
    version: int | None
    entries: int | None
    wanted: int | None
    entries_max: int | None
    checked_at: datetime | None
    synced_at: datetime | None
    reason: str | None
    """Why it is not in step, in words."""
    retry_at: datetime | None


@dataclass(frozen=True, slots=True)
class LocalListsQuery(Query):
    """Every station's list, in the order of site.toml."""

    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class LocalListQuery(Query):
    """One station's list."""

    station_id: str
