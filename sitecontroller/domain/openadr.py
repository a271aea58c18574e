"""OpenADR 3 events as limits. Source: OpenADR 3.1 Definition and User Guide (events, intervals).

Of an event's payloads IMPORT_CAPACITY_LIMIT counts, in the unit of its descriptor. Where the site
says what a switch means, SIMPLE from 1 on and the alerts for the grid are such a switch. Prices and
EXPORT_CAPACITY_LIMIT limit no import. Where events overlap the smallest limit wins, whatever their
priority. An event that can't be understood makes the whole answer senseless: it may hide a limit.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sitecontroller.domain.limit_signal import (
    SAID_MAX,
    SaidLimit,
    SenselessSignal,
    checked_a,
    checked_w,
)
from sitecontroller.domain.lpc import LimitValue

LIMIT = "IMPORT_CAPACITY_LIMIT"
ALERTS = frozenset({"ALERT_GRID_EMERGENCY", "ALERT_BLACK_START"})
AHEAD = timedelta(days=2)
"""What begins later is told later."""
FOREVER = timedelta(days=365 * 1000)
_AT_ONCE = 1900
"""A start in a year before it, such as 0001-01-01, is "now"."""
_DURATION = re.compile(
    r"P(?:(\d{1,5})Y)?(?:(\d{1,5})M)?(?:(\d{1,5})W)?(?:(\d{1,5})D)?"
    r"(?:T(?:(\d{1,6})H)?(?:(\d{1,7})M)?(?:(\d{1,9}(?:\.\d{1,6})?)S)?)?"
)
_DAYS = (366, 31, 7, 1)
"""Of a year, month, week and day: the longest."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How the site reads events. `targets` none: all that the VTN lets it see. `seed`: of its
    random starts, so that each site has its own and keeps it."""

    targets: frozenset[str]
    dimmed: LimitValue | None
    unit: str
    seed: str


@dataclass(frozen=True, slots=True)
class _Interval:
    value: LimitValue | None
    starts_at: datetime
    duration: timedelta


def limits_of(
    events: list[Any], units: Mapping[str, Mapping[str, str]], terms: Terms, now: datetime
) -> tuple[SaidLimit, ...]:
    """All limits of the events that hold now or soon. `units` by programme and payload type, for
    events that say none. SenselessSignal."""
    limits = [
        limit
        for event in events
        if concerns(event, terms.targets)
        for limit in _limits(event, units.get(str(event.get("programID")), {}), terms, now)
    ]
    return tuple(sorted(limits, key=lambda limit: limit.starts_at or now)[:SAID_MAX])


def concerns(event: Any, targets: frozenset[str]) -> bool:
    """Whether an event is for this site. Its targets are names (3.1) or types with names (3.0)."""
    if not isinstance(event, dict):
        raise SenselessSignal("an event is no object")
    try:
        names = {
            str(name)
            for target in event.get("targets") or ()
            for name in (target.get("values") or () if isinstance(target, dict) else [target])
        }
    except TypeError:
        raise SenselessSignal("an event's targets are no list") from None
    return not targets or not names or bool(names & targets)


def programmes_to_ask(events: list[Any]) -> set[str]:
    """The programmes of events that don't say themselves in which unit their limit is."""
    return {
        str(event.get("programID"))
        for event in events
        if isinstance(event, dict) and LIMIT in str(event) and LIMIT not in units_of(event)
    }


def units_of(described: Any) -> dict[str, str]:
    """The units that an event's or a programme's payload descriptors name, by payload type."""
    descriptors = described.get("payloadDescriptors") if isinstance(described, dict) else None
    return {
        str(each.get("payloadType")): str(each["units"])
        for each in descriptors or []
        if isinstance(each, dict) and each.get("units")
    }


def _limits(
    event: Any, units: Mapping[str, str], terms: Terms, now: datetime
) -> Iterator[SaidLimit]:
    named = {**units, **units_of(event)}
    try:
        intervals = tuple(_intervals(event, named, terms, now))
    except (TypeError, AttributeError, KeyError, OverflowError):
        raise SenselessSignal(f"event {str(event.get('id'))[:40]} has another shape") from None
    for interval in _repeated(event, intervals, now):
        ends_at = _plus(interval.starts_at, interval.duration)
        is_over = ends_at is not None and ends_at <= now
        if interval.value is not None and not is_over and interval.starts_at <= now + AHEAD:
            value = interval.value
            yield SaidLimit(value.power_w, value.current_a, interval.starts_at, ends_at)


def _intervals(
    event: Any, units: Mapping[str, str], terms: Terms, now: datetime
) -> Iterator[_Interval]:
    """In their order; without a start of its own one begins where the one before ends."""
    usual = event.get("intervalPeriod") or {}
    shift = _shift(event, usual, terms)
    at = _start(event, usual, now) + shift
    for interval in event["intervals"]:
        own = interval.get("intervalPeriod") or {}
        if own.get("start") is not None:
            if own.get("randomizeStart") is not None:
                shift = _shift(event, own, terms)
            at = _start(event, own, now) + shift
        duration = _duration(own.get("duration", usual.get("duration")))
        yield _Interval(_value(interval["payloads"], units, terms), at, duration)
        at = _plus(at, duration) or at


def _repeated(event: Any, intervals: tuple[_Interval, ...], now: datetime) -> Iterator[_Interval]:
    """`event.duration` cuts the intervals off, or has them come again until it is over."""
    if event.get("duration") is None or not intervals:
        yield from intervals
        return
    lasts, first = _duration(event["duration"]), intervals[0].starts_at
    ends = [_plus(each.starts_at, each.duration) for each in intervals]
    over = _plus(first, lasts)
    last = None if None in ends else max(end for end in ends if end is not None)
    again = lasts if last is None else last - first
    turn = max(0, (now - first) // again - 1) if again > timedelta(0) else 0
    for number in range(turn, turn + SAID_MAX):
        moved = again * number
        if (number > 0 and moved >= lasts) or first + moved > now + AHEAD:
            return
        for each in intervals:
            starts_at = each.starts_at + moved
            left = each.duration if over is None else min(each.duration, over - starts_at)
            if left > timedelta(0):
                yield _Interval(each.value, starts_at, left)
        if again <= timedelta(0):
            return


def _value(payloads: Any, units: Mapping[str, str], terms: Terms) -> LimitValue | None:
    """The smallest that an interval's payloads say; None: nothing that limits."""
    found = []
    for payload in payloads:
        kind, values = payload["type"], payload.get("values") or []
        if kind == LIMIT:
            found += [_limit(value, units.get(LIMIT, terms.unit)) for value in values]
            if not values:
                raise SenselessSignal(f"an event's {LIMIT} has no value")
        elif terms.dimmed is not None and (
            kind in ALERTS or (kind == "SIMPLE" and any(_is_on(each) for each in values))
        ):
            found.append(terms.dimmed)
    powers_w = [each.power_w for each in found if each.power_w is not None]
    currents_a = [each.current_a for each in found if each.current_a is not None]
    if not found:
        return None
    return LimitValue(min(powers_w, default=None), min(currents_a, default=None))


def _limit(value: Any, unit: str) -> LimitValue:
    match unit.upper():
        case "W":
            return LimitValue(checked_w(value))
        case "KW":
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            return LimitValue(checked_w(float(value) * 1000 if is_number else value))
        case "A" | "AMPS":
            return LimitValue(current_a=checked_a(value))
    raise SenselessSignal(f"{unit[:20]!r} is no unit of a limit")


def _is_on(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 3:
        raise SenselessSignal(f"{str(value)[:20]!r} is no level of SIMPLE")
    return value >= 1


def _start(event: Any, period: Any, now: datetime) -> datetime:
    """Where none is said, or "now": when the event was made or changed."""
    text = period.get("start")
    if text is not None:
        at = _instant(text)
        if at.year >= _AT_ONCE:
            return at
    made = event.get("modificationDateTime") or event.get("createdDateTime")
    return now if made is None else min(now, _instant(made))


def _instant(text: Any) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise SenselessSignal(f"{str(text)[:40]!r} is no time") from None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return at if at.year < _AT_ONCE else at.astimezone(UTC)


def _duration(text: Any) -> timedelta:
    """ISO 8601. None, and P9999Y: without an end."""
    if text is None:
        return FOREVER
    match = _DURATION.fullmatch(str(text))
    if match is None or text in ("P", "") or str(text).endswith("T"):
        raise SenselessSignal(f"{str(text)[:40]!r} is no duration")
    parts = [float(part or 0) for part in match.groups()]
    days = sum(count * each for count, each in zip(parts[:4], _DAYS, strict=True))
    seconds = parts[4] * 3600 + parts[5] * 60 + parts[6]
    return min(FOREVER, timedelta(days=min(days, 1e6), seconds=seconds))


def _plus(at: datetime, duration: timedelta) -> datetime | None:
    return None if duration >= FOREVER else at + duration


def _shift(event: Any, period: Any, terms: Terms) -> timedelta:
    """Up to `randomizeStart` earlier or later, for an event and site always the same."""
    text = period.get("randomizeStart")
    most = timedelta(0) if text is None else min(_duration(text.lstrip("-")), timedelta(days=1))
    digest = hashlib.sha256(f"{terms.seed}/{event.get('id')}".encode()).digest()
    return most * (int.from_bytes(digest[:8], "big") / 2**63 - 1)
