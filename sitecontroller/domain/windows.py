"""Weekly windows on the site's clock, in which a limit holds: a tariff's, a grid operator's.

Local times become instants day by day, so a day of 23 or 25 hours shifts nothing: 17:00 is 17:00. A
time that doesn't exist (spring) is that much later; of one that comes twice (autumn) a window takes
the first as its beginning and the second as its end.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")


@dataclass(frozen=True, slots=True)
class WeeklyWindow:
    """`days`: 0 is Monday. `ends` at or before `starts`: on the next day; 00:00 to 00:00 is the
    whole day."""

    days: frozenset[int]
    starts: time
    ends: time

    def on(self, day: date, zone: tzinfo) -> tuple[datetime, datetime] | None:
        """The instants of the window that begins on that day, UTC."""
        if day.weekday() not in self.days:
            return None
        last = day + timedelta(days=1) if self.ends <= self.starts else day
        ends = datetime.combine(last, self.ends, zone)
        return (
            datetime.combine(day, self.starts, zone).astimezone(UTC),
            max(ends.replace(fold=fold).astimezone(UTC) for fold in (0, 1)),
        )


def coming(
    windows: Iterable[WeeklyWindow], now: datetime, zone: tzinfo, ahead: timedelta
) -> Iterator[tuple[datetime, datetime]]:
    """All that are open now or begin within `ahead`."""
    first = now.astimezone(zone).date() - timedelta(days=1)
    days = [first + timedelta(days=number) for number in range(ahead.days + 3)]
    for window in windows:
        for day in days:
            spell = window.on(day, zone)
            if spell is not None and now < spell[1] and spell[0] <= now + ahead:
                yield spell
