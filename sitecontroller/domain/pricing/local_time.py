"""The site's local time along a session: its offset from UTC, and when a wall clock there shows a
time at which a price may change.

In the night in which clocks go back an hour comes twice and a price holds in both; where they go
forward an hour is missing, and what begins in it begins with the change. Instants are µs of UTC
since 1970.
"""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo

from sitecontroller.domain.pricing.plan import DAY_US, SECOND_US

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_US = (datetime(9999, 12, 30, tzinfo=UTC) - _EPOCH).days * DAY_US
_EARLIEST_US = (datetime(1, 1, 3, tzinfo=UTC) - _EPOCH).days * DAY_US


def instant_us(at: datetime) -> int:
    """An aware instant as whole µs."""
    since = at - _EPOCH
    return (since.days * 86_400 + since.seconds) * SECOND_US + since.microseconds


class LocalTime:
    """The local time from one instant to a later one. `changes_us`: when it passes one of
    `bounds_us` (since midnight), and when the offset changes; without the ends."""

    def __init__(
        self, zone: tzinfo, begin_us: int, end_us: int, bounds_us: tuple[int, ...]
    ) -> None:
        self._starts_us = [begin_us]
        self._offsets_us = [_offset_us(zone, begin_us)]
        for at_us, offset_us in _offset_changes(zone, begin_us, end_us):
            self._starts_us.append(at_us)
            self._offsets_us.append(offset_us)
        changes_us = set(self._starts_us[1:])
        ends_us = [*self._starts_us[1:], end_us]
        for start_us, stop_us, offset_us in zip(
            self._starts_us, ends_us, self._offsets_us, strict=True
        ):
            first, last = (start_us + offset_us) // DAY_US, (stop_us + offset_us) // DAY_US
            for day in range(first, last + 1):
                for bound_us in bounds_us:
                    at_us = day * DAY_US + bound_us - offset_us
                    if start_us < at_us < stop_us:
                        changes_us.add(at_us)
        self.changes_us = sorted(changes_us)

    def day_and_time_us(self, at_us: int) -> tuple[int, int]:
        """Days since 1970-01-01 and µs since midnight."""
        place = 0
        if len(self._starts_us) > 1:
            place = max(0, bisect_right(self._starts_us, at_us) - 1)
        return divmod(at_us + self._offsets_us[place], DAY_US)


def _offset_changes(zone: tzinfo, begin_us: int, end_us: int) -> Iterator[tuple[int, int]]:
    """Looked for day by day: no zone changes its clocks and changes them back within one."""
    before_us, before_offset_us = begin_us, _offset_us(zone, begin_us)
    while before_us < end_us:
        after_us = min(before_us + DAY_US, end_us)
        offset_us = _offset_us(zone, after_us)
        if offset_us != before_offset_us:
            yield _change_us(zone, before_us, after_us), offset_us
        before_us, before_offset_us = after_us, offset_us


def _change_us(zone: tzinfo, before_us: int, after_us: int) -> int:
    """The first second with the later offset."""
    offset_us = _offset_us(zone, before_us)
    low_s, high_s = before_us // SECOND_US, -(-after_us // SECOND_US)
    while high_s - low_s > 1:
        middle_s = (low_s + high_s) // 2
        if _offset_us(zone, middle_s * SECOND_US) == offset_us:
            low_s = middle_s
        else:
            high_s = middle_s
    return high_s * SECOND_US


def _offset_us(zone: tzinfo, at_us: int) -> int:
    kept_us = min(max(at_us, _EARLIEST_US), _LATEST_US)
    offset = (_EPOCH + timedelta(microseconds=kept_us)).astimezone(zone).utcoffset()
    assert offset is not None, f"{zone} knows no offset"
    return (offset.days * 86_400 + offset.seconds) * SECOND_US + offset.microseconds
