"""The ways in which wires, firmware and attackers break a message: its values, then its bytes."""

from collections.abc import Callable, Iterator
from itertools import islice
from random import Random
from typing import Any

PIECES = (
    b"[", b"]", b"{", b"}", b'"', b"\\", b",", b":", b"NaN", b"1e999", b"\\u0000", b"\\ud800",
    b"\\udc00\\ud800", b"\\ud83d\\ude00", b"\\ud83d\\u0041", b"\xed\xa0\x80", b"\\u12", b"\\x",
    b"\xff", b"\xc0\x80", b"\x00", b"\r\n", b"\x1b", b"null", b"-Infinity", b"[[[[[[[[",
    b'{"a":{"a":', b"99999999999999999999", b"9007199254740993", b"1E400", b"-0", b"00",
    b"\xef\xbb\xbf", b"/*", b"'", b'"a":1,"a":2,',
)  # fmt: skip
HUGE_CHARS = (60, 1000, 70_000)
HUGE_ITEMS = (50, 1000, 40_000)
DEEP = (5, 20, 3000)
PLACES_MAX = 300


def bend(payload: dict[str, Any], random: Random, odd: Callable[[], Any]) -> None:
    """One place of a payload wrong: gone, of another type or name, repeated, huge or deep."""
    places = list(islice(_places(payload), PLACES_MAX))
    if not places:
        payload[random.choice(("", "x", "customData"))] = odd()
        return
    holder, key = random.choice(places)
    value, how = holder[key], random.random()
    if how < 0.25:
        del holder[key]
    elif how < 0.55:
        holder[key] = odd()
    elif how < 0.65:
        holder[key] = random.choice(([value], {"value": value}, str(value), [value, value], None))
    elif how < 0.75 and isinstance(holder, dict):
        holder[random.choice(("", key.upper(), f"{key} ", "x"))] = holder.pop(key)
    elif how < 0.85:
        other, other_key = random.choice(places)
        holder[key] = other[other_key] if _plain(other[other_key]) else odd()
    elif how < 0.97:
        holder[key] = random.choice((-1, 0, 2**31, 2**53 - 1, 1e300, "1", "-1", "", [], {}))
    else:
        holder[key] = random.choice((_long, _many, _nested))(random, value)


def break_bytes(raw: bytes, random: Random) -> bytes:
    """One place of a frame's bytes wrong."""
    return random.choice(_BREAKERS)(raw, random)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every member of an object or list, with what holds it."""
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in members:
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


def _plain(value: Any) -> bool:
    return not isinstance(value, dict | list)


def _long(random: Random, _: Any) -> str:
    return random.choice("x0é\u202e") * random.choice(HUGE_CHARS)


def _many(random: Random, value: Any) -> list[Any]:
    return [value if isinstance(value, int | float) else 0] * random.choice(HUGE_ITEMS)


def _nested(random: Random, _: Any) -> Any:
    value: Any = 0
    for _ in range(random.choice(DEEP[:2])):
        value = random.choice(([value], {"a": value}))
    return value


def _flip(raw: bytes, random: Random) -> bytes:
    if not raw:
        return raw
    at = random.randrange(len(raw))
    return raw[:at] + bytes((random.randrange(256),)) + raw[at + 1 :]


def _cut(raw: bytes, random: Random) -> bytes:
    return raw[: random.randrange(len(raw) + 1)]


def _insert(raw: bytes, random: Random) -> bytes:
    at = random.randrange(len(raw) + 1)
    return raw[:at] + random.choice(PIECES) + raw[at:]


def _insert_in_text(raw: bytes, random: Random) -> bytes:
    """Behind a quote: most often inside a string."""
    quotes = [at for at, byte in enumerate(raw[:4096]) if byte == ord('"')]
    if not quotes:
        return _insert(raw, random)
    at = random.choice(quotes) + 1
    return raw[:at] + random.choice(PIECES) + raw[at:]


def _double(raw: bytes, random: Random) -> bytes:
    begin = random.randrange(len(raw) + 1)
    part = raw[begin : begin + random.randrange(1, 60)]
    return raw[:begin] + part + raw[begin:]


def _pile(raw: bytes, random: Random) -> bytes:
    """Brackets by the thousand in the middle."""
    at = random.randrange(len(raw) + 1)
    return raw[:at] + random.choice((b"[", b'{"a":', b'["', b"]")) * random.choice(DEEP) + raw[at:]


_BREAKERS = (
    _flip,
    _flip,
    _cut,
    _cut,
    _insert,
    _insert,
    _insert_in_text,
    _insert_in_text,
    _double,
    _pile,
)
