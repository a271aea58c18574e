"""Who may knock: token buckets and socket caps that keep a flood of bad handshakes off the loop.

A handshake takes a token of its address, of the station id it names and of the total; one that
succeeds puts them back, so only failures cost. A pair of address and id that was let in before has
a bucket of its own, so good stations keep their service whoever else knocks.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from sitecontroller.domain.ids import fold

REMEMBERED_MAX = 4096
"""Addresses, ids and good pairs, each; the longest unused goes first."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """A bucket's size, and how fast it fills again."""

    burst: float
    per_s: float


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """Many stations can share one address behind a router: the bursts let a whole site in."""

    address: Allowance = field(default_factory=lambda: Allowance(256, 4))
    station: Allowance = field(default_factory=lambda: Allowance(10, 0.2))
    total: Allowance = field(default_factory=lambda: Allowance(1024, 50))
    known: Allowance = field(default_factory=lambda: Allowance(30, 0.5))
    """Of one address with one id, once it was let in."""
    tls: Allowance = field(default_factory=lambda: Allowance(300, 10))
    """TLS handshakes of one address; those that end in a log-in cost nothing."""
    sockets_per_address: int = 600
    """Open connections that have not logged in yet."""
    sockets: int = 1500


class Door:
    """Counts what comes in. `now_s` is monotonic."""

    def __init__(self, limits: DoorLimits, now_s: Callable[[], float]) -> None:
        self._limits = limits
        self._addresses = _Buckets(limits.address, now_s)
        self._stations = _Buckets(limits.station, now_s)
        self._total = _Buckets(limits.total, now_s)
        self._known = _Buckets(limits.known, now_s)
        self._tls = _Buckets(limits.tls, now_s)
        self._sockets: Counter[str] = Counter()
        self.turned_away = 0

    def enter(self, address: str) -> bool:
        """A socket was opened; False: there are too many, drop it."""
        if (
            self._sockets[address] >= self._limits.sockets_per_address
            or self._sockets.total() >= self._limits.sockets
        ):
            self.turned_away += 1
            return False
        self._sockets[address] += 1
        return True

    def leave(self, address: str) -> None:
        """It has logged in, or was closed."""
        self._sockets[address] -= 1
        if self._sockets[address] <= 0:
            del self._sockets[address]

    def knock(self, address: str, station_id: str = "") -> "Ticket | None":
        """A handshake names a station (or none); None: it comes too often, answer with 429."""
        pair = f"{address} {fold(station_id)}"
        if self._known.holds(pair) and self._known.has_token(pair):
            self._known.add(pair, -1)
            return Ticket(((self._known, pair),), pair)
        wanted = [(self._addresses, address), (self._total, "")]
        if station_id:
            wanted.append((self._stations, fold(station_id)))
        if not all(bucket.has_token(key) for bucket, key in wanted):
            self.turned_away += 1
            return None
        for bucket, key in wanted:
            bucket.add(key, -1)
        return Ticket(tuple(wanted), pair)

    def may_begin_tls(self, address: str) -> bool:
        """Whether an address may have another TLS handshake now; False: drop it."""
        if not self._tls.has_token(address):
            self.turned_away += 1
            return False
        self._tls.add(address, -1)
        return True

    def let_in(self, ticket: "Ticket", tls_address: str | None = None) -> None:
        """The handshake succeeded: it costs nothing, and this pair is known from now on."""
        for bucket, key in ticket.taken:
            bucket.add(key, 1)
        if tls_address is not None:
            self._tls.add(tls_address, 1)
        self._known.add(ticket.pair, 0)


class _Buckets:
    """Token buckets of one kind by key."""

    def __init__(self, allowance: Allowance, now_s: Callable[[], float]) -> None:
        self._allowance = allowance
        self._now_s = now_s
        self._tokens: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def holds(self, key: str) -> bool:
        return key in self._tokens

    def has_token(self, key: str) -> bool:
        return self._level(key) >= 1

    def add(self, key: str, tokens: float) -> None:
        level = min(self._allowance.burst, self._level(key) + tokens)
        self._tokens[key] = (level, self._now_s())
        self._tokens.move_to_end(key)
        if len(self._tokens) > REMEMBERED_MAX:
            self._tokens.popitem(last=False)

    def _level(self, key: str) -> float:
        known = self._tokens.get(key)
        if known is None:
            return self._allowance.burst
        tokens, at_s = known
        return min(self._allowance.burst, tokens + (self._now_s() - at_s) * self._allowance.per_s)


@dataclass(frozen=True, slots=True)
class Ticket:
    """The tokens a handshake took, to be put back when it succeeds."""

    taken: tuple[tuple[_Buckets, str], ...]
    pair: str
