"""Values that fit a schema, mostly: with the cards, EVSEs, transactions and requests that the site
really knows, with time stamps of every kind, and now and then with what nobody would write.
"""

from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

DEPTH_MAX = 6
LENGTH_MAX = 50
TEXTS = (
    "", " ", "A", "CARD0001", "x" * 300, "\u0000", "\U0001f600", "é", "'; DROP TABLE x;--",
    "<script>", "=1+1", "NaN", "-1", "1e308", "true", "null", "\u202e", "%s%n", "\ufffe\ufeff",
    "../../etc/passwd", "a" + "\u0301" * 40, "K\u0130\u0131ſ", "{0.__class__}", "\r\nX: y",
)  # fmt: skip
NUMBERS = (0, 1, -1, 2, 7, 255, 65536, 2**31, -(2**31), 2**53 - 1, 0.1, -0.0, 1e300, 1e-300, 16.25)
TIMES = (
    "", "0000-00-00T00:00:00Z", "1970-01-01T00:00:00Z", "2000-01-01T00:00:07Z", "1763719200",
    "2026-02-30T25:61:00Z", "2026-06-30T23:59:60Z", "2026-11-21T24:00:00Z", "21.11.2026 10:00",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", "9999-12-31T24:00:00-12:00",
    "10000-01-01T00:00:00Z", "2026-11-21T10:00:00.123456789123Z", "2026-11-21T10:00:00+99:99",
    "2026-11-21T10:00:00 Europe/Berlin", "٢٠٢٦-١١-٢١T10:00:00Z", "2026-11-21", "T", "now",
)  # fmt: skip
STYLES = (
    "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S+05:30", "%Y-%m-%dT%H:%M:%S-1200", "%Y-%m-%dT%H:%MZ",
)  # fmt: skip
KNOWN: dict[str, tuple[Any, ...]] = {
    "idTag": ("CARD0001", "CARD0002", "card0001"),
    "idToken": ("CARD0001", "CARD0002", "card0001"),
    "connectorId": (0, 1, 2, 3),
    "evseId": (0, 1, 2, 3),
    "id": (0, 1, 2, 3),
    "value": ("0", "1000", "1234.5", "-5", "1e3", "16", "230,4", "NaN", "0xff", "true"),
    "seqNo": tuple(range(12)),
    "transactionId": ("T1", "T2", "T3", 1, 2, 3),
}
"""What makes a message mean something to this site, by the name of its property. The neighbour's
card is not among them."""
LEARNED = frozenset({"transactionId", "requestId", "reservationId", "remoteStartId", "id"})
LEARNED_EACH = 8
_TYPES: dict[str, tuple[type, ...]] = {
    "integer": (int,), "number": (int, float), "string": (str,),
}  # fmt: skip


class Values:
    """Makes values; learns from what the site says which numbers mean something to it."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._now = datetime.now(UTC)
        self._learned: dict[str, deque[Any]] = {}

    def learn(self, payload: dict[str, Any]) -> None:
        """Remember the ids in what the site said."""
        for name in LEARNED & payload.keys():
            self._learned.setdefault(name, deque(maxlen=LEARNED_EACH)).append(payload[name])

    def odd(self) -> Any:
        """A value of any type."""
        return self._random.choice((None, True, False, [], {}, *NUMBERS, *TEXTS, *TIMES))

    def of(
        self, schema: dict[str, Any], root: dict[str, Any], name: str = "", depth: int = 0
    ) -> Any:
        """A value for the property `name`; `root` holds the definitions."""
        random = self._random
        if "$ref" in schema:
            schema = root["definitions"][schema["$ref"].rpartition("/")[2]]
        if random.random() < 0.01:
            return self.odd()
        if "enum" in schema:
            return random.choice(schema["enum"])
        kind = schema.get("type")
        if kind == "object":
            required = set(schema.get("required", ()))
            return {
                inner_name: self.of(inner, root, inner_name, depth + 1)
                for inner_name, inner in schema.get("properties", {}).items()
                if inner_name in required or (depth < DEPTH_MAX and random.random() < 0.3)
            }
        if kind == "array":
            count = random.choice((0, 1, 1, 2, 3)) if depth < DEPTH_MAX else 1
            return [self.of(schema.get("items", {}), root, name, depth + 1) for _ in range(count)]
        if kind == "boolean":
            return random.random() < 0.5
        known = self._known(name, _TYPES.get(kind or "", ()))
        if known and random.random() < 0.7:
            return random.choice(known)
        if kind in ("integer", "number"):
            return self._number(whole=kind == "integer")
        if schema.get("format") == "date-time":
            return self.time()
        length = schema.get("maxLength", LENGTH_MAX)
        return random.choice(TEXTS)[: length if random.random() < 0.95 else None]

    def time(self) -> str:
        """A time stamp: of these days in one of the usual spellings, or an odd one."""
        random = self._random
        if random.random() < 0.25:
            return random.choice(TIMES)
        at = self._now - timedelta(seconds=random.uniform(-7200, 2 * 86400))
        return at.strftime(random.choice(STYLES))

    def _number(self, *, whole: bool) -> float:
        random = self._random
        if random.random() < 0.05:
            return random.choice([n for n in NUMBERS if not whole or isinstance(n, int)])
        if whole:
            return random.choice((0, 1, 1, 2, random.randrange(-5, 100_000)))
        return random.choice((0, 1.5, 16, random.uniform(-10, 1e5)))

    def _known(self, name: str, types: Iterable[type]) -> list[Any]:
        wanted = (*KNOWN.get(name, ()), *self._learned.get(name, ()))
        return [value for value in wanted if isinstance(value, tuple(types))]
