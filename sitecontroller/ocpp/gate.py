"""The gate: what may reach the JSON parser, and the four shapes of a frame behind it.

A frame passes (perhaps repaired), or is refused with the message id that could be read of it.
Refused are size, depth, token count and numbers beyond 2^53; control characters, lone surrogates,
wrong UTF-8 and NaN are repaired, because whole transactions hang on such a frame. Everything is
bounded by byte scans before a parser sees the frame. Pure: no state, no I/O.
"""

import re
from functools import lru_cache
from typing import Any, NamedTuple, TypeGuard

import orjson

from sitecontroller.ocpp.frames import CALL, CALLERROR, CALLRESULT, CALLRESULTERROR, SEND

FRAME_BYTES_MAX = 256 * 1024
REPAIR_BYTES_MAX = 32 * 1024
"""Repairs are slow (0.3 µs a byte); longer frames that are no JSON are refused."""
DEPTH_MAX = 16
KNOWN_SHAPES_MAX, KNOWN_BYTES_MAX = 1000, 1000
"""Stations say the same again and again: how many shapes of frames are known, and how long ones."""
TOKENS_MAX = 32_768
NUMBER_LIMIT = 2**53
"""From here on JSON readers disagree on an integer's value."""
ID_SEARCH_BYTES = 100
ID_CHARS_MAX = 255
"""Longer ids than the specification's 36 are answered, endless ones are not."""
ACTION_CHARS_MAX = 64
DIGITS_OF_LIMIT = 16
NUMBER_CHARS_MAX = 400
"""More digits than any float has; what stands behind them can't make a number small again."""

MessageId = str | int | float


class InboundCall(NamedTuple):
    """A CALL (2), or a SEND (6), which nobody answers. `body` is the frame as it came."""

    message_id: MessageId
    action: str
    payload: dict[str, Any]
    body: bytes
    repairs: tuple[str, ...] = ()
    unconfirmed: bool = False
    """A SEND."""


class InboundAnswer(NamedTuple):
    """A CALLRESULT (3) or CALLERROR (4): whatever of it could be read, the rest empty."""

    message_id: str
    payload: dict[str, Any] | None
    """None: a CALLERROR."""
    error_code: str = ""
    description: str = ""
    details: Any = None
    repairs: tuple[str, ...] = ()


class RefusedAnswer(NamedTuple):
    """A CALLRESULTERROR (5): our answer to the station's CALL could not be taken."""

    message_id: MessageId
    error_code: str
    description: str
    repairs: tuple[str, ...] = ()


class Refusal(NamedTuple):
    """A frame that goes no further. `message_id` None: unreadable. `code` as in OCPP 2.0.1.

    `answerable` is False for a broken answer to one of our calls: a CALLERROR answers CALLs only.
    `since_21`: of a message type that OCPP 2.1 brought, and that isn't answered there either.
    """

    message_id: MessageId | None
    code: str
    reason: str
    answerable: bool = True
    since_21: bool = False


Frame = InboundCall | InboundAnswer | RefusedAnswer | Refusal


def read(raw: bytes) -> Frame:
    """Bound, repair, parse and sort one frame."""
    reason = _out_of_bounds(raw)
    if reason is not None:
        return _broken(raw, "FormatViolation", reason)
    repairs: tuple[str, ...] = ()
    try:
        if b"\\" in raw and _SUSPECT_ESCAPE.search(raw):
            raise orjson.JSONDecodeError("escaped control characters", "", 0)
        message = orjson.loads(raw)
    except orjson.JSONDecodeError:
        try:
            repaired, repairs = _repaired(raw[:REPAIR_BYTES_MAX])
            message = orjson.loads(repaired)
        except orjson.JSONDecodeError:
            return _broken(raw, "RpcFrameworkError", "The frame is not JSON")
    return _sorted(message, raw, repairs)


def salvaged_id(raw: bytes) -> MessageId | None:
    """The message id of a frame that can't be parsed, read from its first characters."""
    match = _ID.match(raw[:ID_SEARCH_BYTES])
    if match is None:
        return None
    try:
        found = orjson.loads(match[1])
    except orjson.JSONDecodeError:
        return None
    return found if _usable(found) else None


def has_duplicate_keys(call: InboundCall) -> bool:
    """Whether an object of the frame names a key twice; the last one counted."""
    return _keys(call.body) > _keys(orjson.dumps(call.payload))


def _keys(text: bytes) -> int:
    """Of JSON text; what looks like one within a string counts too."""
    return text.translate(None, b" \t\r\n").count(b'":')


def _sorted(message: Any, raw: bytes, repairs: tuple[str, ...]) -> Frame:
    if type(message) is not list or not message:
        return Refusal(None, "RpcFrameworkError", "The frame is not a JSON array with elements")
    kind = message[0]
    if kind == CALL:
        return _call(message, raw, repairs)
    message_id = message[1] if len(message) > 1 and _usable(message[1]) else None
    if kind in (CALLRESULT, CALLERROR):
        if message_id is None:
            return Refusal(None, "RpcFrameworkError", "An answer without a message id", False)
        return _answer(kind, str(message_id), message, repairs)
    if kind == SEND:
        return _send(message, raw, repairs)
    if kind == CALLRESULTERROR and message_id is not None:
        return _refused_answer(message_id, message, repairs)
    return unknown_type(message_id, kind, since_21=kind == CALLRESULTERROR)


def unknown_type(message_id: MessageId | None, kind: object, *, since_21: bool = False) -> Refusal:
    """A message of a type that the version at hand has not."""
    reason = f"Message type {kind!r:.20} is unknown"
    return Refusal(message_id, "MessageTypeNotSupported", reason, since_21=since_21)


def _send(message: list[Any], raw: bytes, repairs: tuple[str, ...]) -> InboundCall | Refusal:
    """A SEND has the shape of a CALL (OCPP-J 2.1, 4.2.4)."""
    found = _call(message, raw, repairs)
    if isinstance(found, InboundCall):
        return found._replace(unconfirmed=True)
    return found._replace(code="MessageTypeNotSupported", since_21=True)


def _refused_answer(
    message_id: MessageId, message: list[Any], repairs: tuple[str, ...]
) -> RefusedAnswer:
    code, description = (*message[2:4], None, None)[:2]
    return RefusedAnswer(
        message_id,
        code if type(code) is str and code else "GenericError",
        description if type(description) is str else "",
        repairs,
    )


def _broken(raw: bytes, code: str, reason: str) -> Refusal:
    """Of a frame that can't be parsed; its type decides whether anybody waits for an answer."""
    match = _UNANSWERED.match(raw[:ID_SEARCH_BYTES])
    kind = int(match[1]) if match is not None else CALL
    is_answer = kind in (CALLRESULT, CALLERROR)
    since_21 = kind in (CALLRESULTERROR, SEND)
    return Refusal(salvaged_id(raw), code, reason, not is_answer, since_21)


def _call(message: list[Any], raw: bytes, repairs: tuple[str, ...]) -> InboundCall | Refusal:
    """The CALL if its four elements are there; what stands behind them is ignored."""
    message_id = message[1] if len(message) > 1 else None
    if not _usable(message_id):
        return Refusal(None, "RpcFrameworkError", "A CALL without a message id")
    if len(message) < 4:
        reason = "A CALL has four elements: type, id, action, payload"
        return Refusal(message_id, "FormatViolation", reason)
    action, payload = message[2], message[3]
    if type(action) is not str or not 0 < len(action) <= ACTION_CHARS_MAX:
        return Refusal(message_id, "FormatViolation", "The action is not a name")
    if type(payload) is not dict:
        return Refusal(message_id, "FormatViolation", "The payload is not a JSON object")
    return InboundCall(message_id, action, payload, raw, repairs)


def _answer(
    kind: int, message_id: str, message: list[Any], repairs: tuple[str, ...]
) -> InboundAnswer:
    """An answer with fields too many or too few is an answer all the same (Q19)."""
    if kind == CALLRESULT:
        payload = message[2] if len(message) > 2 else None
        return InboundAnswer(message_id, payload if type(payload) is dict else {}, repairs=repairs)
    code, description, details = (*message[2:5], None, None, None)[:3]
    return InboundAnswer(
        message_id,
        None,
        code if type(code) is str and code else "GenericError",
        description if type(description) is str else "",
        details,
        repairs,
    )


def _usable(message_id: Any) -> TypeGuard[MessageId]:
    """Text or a number, of a length that can be sent back; numbers because stations do (Q18)."""
    if type(message_id) is str:
        return 0 < len(message_id) <= ID_CHARS_MAX
    return type(message_id) in (int, float)


# Bounds. The fast path deletes from the frame all but brackets and quotes: where quotes pair up
# with nothing between them, no bracket stands inside a string, and each removal of empty pairs of
# brackets peels off one level of nesting. Anything unusual takes the exact path without strings.

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_NUMBER = re.compile(rb"-?[0-9][0-9.]*(?:[eE][+-]?[0-9]+)?")
_ALL_BUT_STRUCTURE = bytes(set(range(256)) - set(b'[]{}"\\'))
_DIGITS_AS_ZERO = bytes.maketrans(b"123456789+-E", b"00000000000e")
_ALL_BUT_NUMBERS = bytes(set(range(256)) - set(b'0123456789+-.eE,:"'))
"""Without them no run of digits is shorter than it was; one that grew is looked at exactly."""
_LONG_NUMBER = b"0" * DIGITS_OF_LIMIT
_EXPONENT = b"0e0"
_LARGE_NUMBER = re.compile(rb"[:\[,]\s*-?(?:[0-9.]{%d}|[0-9.]+[eE])" % DIGITS_OF_LIMIT)


def _out_of_bounds(raw: bytes) -> str | None:
    if len(raw) > FRAME_BYTES_MAX:
        return f"The frame has {len(raw)} bytes, at most {FRAME_BYTES_MAX} are read"
    if _deeper_than_allowed(raw):
        return f"The frame is nested deeper than {DEPTH_MAX} levels"
    if (
        len(raw) > TOKENS_MAX
        and raw.count(b",") > TOKENS_MAX
        and _STRING.sub(b"", raw).count(b",") > TOKENS_MAX
    ):
        return f"The frame has more than {TOKENS_MAX} values"
    if _has_number_beyond_limit(raw):
        return "The frame has a number of 2^53 or more"
    return None


def _deeper_than_allowed(raw: bytes) -> bool:
    structure = raw.translate(None, _ALL_BUT_STRUCTURE)
    if len(structure) <= KNOWN_BYTES_MAX:
        if _is_known_shallow(structure):
            return False
    elif _is_shallow(structure):
        return False
    return _depth(_STRING.sub(b"", raw).translate(None, _ALL_BUT_STRUCTURE)) > DEPTH_MAX


def _is_shallow(structure: bytes) -> bool:
    """False also where only an exact look can tell."""
    if structure.count(b"[") + structure.count(b"{") <= DEPTH_MAX:
        return True
    brackets = structure.replace(b'""', b"")
    if b"\\" in brackets or b'"' in brackets:
        return False
    for _ in range(DEPTH_MAX):
        if not brackets:
            return True
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    return False


_is_known_shallow = lru_cache(KNOWN_SHAPES_MAX)(_is_shallow)


def _depth(brackets: bytes) -> int:
    depth = deepest = 0
    for bracket in brackets:
        if bracket in b"[{":
            depth += 1
            if depth > DEPTH_MAX:
                return depth
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest


def _has_number_beyond_limit(raw: bytes) -> bool:
    digits = raw.translate(_DIGITS_AS_ZERO, _ALL_BUT_NUMBERS)
    if _LONG_NUMBER not in digits and _EXPONENT not in digits:
        return False
    if _LARGE_NUMBER.search(raw) is None:
        return False
    numbers = _NUMBER.finditer(_STRING.sub(b'""', raw))
    return any(_magnitude(number[0]) >= NUMBER_LIMIT for number in numbers)


def _magnitude(number: bytes) -> float:
    try:
        return abs(float(number[:NUMBER_CHARS_MAX]))
    except ValueError:
        return 0.0  # not a JSON number: the parser says so


# Repairs. Reached only by frames that the parser rejects, or that escape control characters.

_ID = re.compile(rb'\s*\[\s*-?[0-9.]+\s*,\s*("(?:[^"\\]|\\.)*"|-?[0-9]+(?:\.[0-9]+)?)\s*[,\]]')
_UNANSWERED = re.compile(rb"\s*\[\s*([3-6])\s*[,\]]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_LINE_CHARACTERS = str.maketrans({"\t": "\\t", "\n": "\\n", "\r": "\\r"})
_SUSPECT_ESCAPE = re.compile(rb"\\u(?:00[01]|[dD][89a-fA-F])")
_ESCAPE = re.compile(
    r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u(....)|.)"
)
_TEXT_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_NOT_A_NUMBER = re.compile(r"[-+]?\b(?:NaN|nan|Infinity|inf)\b")
_BYTE_ORDER_MARK = "\ufeff"


def _repaired(raw: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The frame as it was probably meant, and what was done to it."""
    repairs: list[str] = []
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode(errors="replace")
        repairs.append("wrong UTF-8 replaced")
    cleaned = _CONTROL.sub("", text.removeprefix(_BYTE_ORDER_MARK))
    parts: list[str] = []
    end = 0
    for string in _TEXT_STRING.finditer(cleaned):
        parts.append(_NOT_A_NUMBER.sub("null", cleaned[end : string.start()]))
        parts.append(_ESCAPE.sub(_clean_escape, string[0].translate(_LINE_CHARACTERS)))
        end = string.end()
    parts.append(_NOT_A_NUMBER.sub("null", cleaned[end:]))
    result = "".join(parts)
    if result != text:
        repairs.append("control characters, lone surrogates or NaN taken out")
    return result.encode(errors="replace"), tuple(repairs)


def _clean_escape(escape: re.Match[str]) -> str:
    """Keep an escape, drop a control character, replace half a surrogate pair."""
    if escape[1]:
        return escape[0]
    if escape[3] is None:
        return escape[0]
    if not re.fullmatch("[0-9a-fA-F]{4}", escape[3]):
        return escape[0]
    code = int(escape[3], 16)
    if code < 0x20 and code not in (0x09, 0x0A, 0x0D):
        return ""
    return "\\ufffd" if 0xD800 <= code <= 0xDFFF else escape[0]
