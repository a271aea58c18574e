"""From what came over the wire to a limit. Whatever can't be one is refused, never guessed.

Without pointers a JSON document has this shape, of which `power_w` or `current_a` is enough (null:
not limited): `{"power_w": 20000, "current_a": 32, "until": "2026-11-21T20:00:00Z"}`; a switch says
`{"dimmed": true}`.
"""

import json
import re
from datetime import UTC, datetime
from typing import Any

from sitecontroller.config import Reading
from sitecontroller.domain.limit_signal import (
    SaidLimit,
    SenselessSignal,
    checked_a,
    checked_w,
)

TEXT_BYTES_MAX = 64 * 1024
"""Of one message; what is longer is refused unread."""

_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,15})?([eE][+-]?\d{1,3})?")
_SWITCH: dict[Any, bool] = {"1": True, "on": True, "true": True} | {
    "0": False,
    "off": False,
    "false": False,
}
_MISSING = object()


def parsed(text: bytes) -> Any:
    """JSON; SenselessSignal for anything else."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise SenselessSignal(f"{text[:40]!r} is no JSON") from None


def said_in(
    document: Any, reading: Reading, value: str | None, until: str | None
) -> tuple[SaidLimit, ...]:
    """What a JSON document says; nothing: unlimited."""
    ends_at = instant(at(document, until or "/until", None))
    if value is not None:
        return limit_of(at(document, value), reading, ends_at)
    if reading.dimmed is not None:
        return limit_of(at(document, "/dimmed"), reading, ends_at)
    power_w, current_a = at(document, "/power_w", _MISSING), at(document, "/current_a", _MISSING)
    if power_w is _MISSING and current_a is _MISSING:
        raise SenselessSignal("the JSON has neither power_w nor current_a")
    limit = SaidLimit(
        None if power_w in (None, _MISSING) else checked_w(power_w),
        None if current_a in (None, _MISSING) else checked_a(current_a),
        ends_at=ends_at,
    )
    return () if limit.power_w is None and limit.current_a is None else (limit,)


def limit_of(
    value: Any, reading: Reading, ends_at: datetime | None = None
) -> tuple[SaidLimit, ...]:
    """What one value says; None: unlimited."""
    if reading.dimmed is not None:
        on = value if isinstance(value, bool) else _SWITCH.get(str(value).strip().lower())
        if on is None:
            raise SenselessSignal(f"{str(value)[:40]!r} is neither on nor off")
        dimmed = reading.dimmed
        return (SaidLimit(dimmed.power_w, dimmed.current_a, ends_at=ends_at),) if on else ()
    if value is None:
        return ()
    if reading.unit == "A":
        return (SaidLimit(current_a=checked_a(value), ends_at=ends_at),)
    power_w = checked_w(value) if reading.unit == "W" else checked_kw(value)
    return (SaidLimit(power_w, ends_at=ends_at),)


def checked_kw(value: Any) -> float:
    """Kilowatts as watts; SenselessSignal for what can't be a limit."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SenselessSignal(f"{str(value)[:40]!r} is no number of kW")
    return checked_w(float(value) * 1000 if abs(value) < 1e9 else value)


def number(text: str) -> float:
    """A plain number in a text, as some write it; SenselessSignal for anything else."""
    if _NUMBER.fullmatch(text.strip()) is None:
        raise SenselessSignal(f"{text[:40]!r} is no number")
    return float(text)


def instant(value: Any) -> datetime | None:
    """RFC 3339 with a time zone, as UTC; None stays None; SenselessSignal for anything else."""
    if value is None:
        return None
    try:
        at_ = datetime.fromisoformat(value)
        if at_.tzinfo is None:
            raise ValueError
        return at_.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise SenselessSignal(f"{str(value)[:40]!r} is no time with a zone") from None


def at(document: Any, pointer: str, otherwise: Any = ...) -> Any:
    """What a JSON pointer (RFC 6901) names; SenselessSignal where there is nothing, unless
    `otherwise` is given."""
    found = document
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and key in found:
            found = found[key]
        elif isinstance(found, list) and key.isdecimal() and int(key[:9]) < len(found):
            found = found[int(key[:9])]
        elif otherwise is ...:
            raise SenselessSignal(f"the JSON has nothing at {pointer}")
        else:
            return otherwise
    return found
