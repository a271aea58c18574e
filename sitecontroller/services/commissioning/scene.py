"""What checks of one EVSE work with: its readings, the meters', and load management's hand.

A check never sets a limit itself: it asks load management to hold an EVSE down (`cap`, `hold`) or
to try a lease, and looks at what comes of it. Whatever it asked for is taken back at its end.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from sitecontroller.domain.commissioning import CheckState
from sitecontroller.domain.events import EvseMeasured, MeterMeasured
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.topology import Evse, EvseKey
from sitecontroller.ports import StationLink
from sitecontroller.services.desk import Desk
from sitecontroller.services.load.service import LoadService

T = TypeVar("T")

LOOK_EVERY_S = 1.0
DRAWS_A = 1.0
"""From here on a car charges."""
HELD_BY = "commissioning"


class Undecided(Exception):
    """The check can't be brought to an end; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check came to, in sentences; `write`: what to change in site.toml."""

    state: CheckState
    findings: tuple[str, ...]
    write: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """A reading and when it came, monotonic."""

    reading: MeterReading
    received_s: float


class Scene:
    """One EVSE with a car, while it is checked."""

    def __init__(self, desk: Desk, evse: Evse) -> None:
        self.desk, self.evse, self.key = desk, evse, evse.key
        self.load: LoadService = desk.load
        self._latest: Sample | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Hear this EVSE's readings."""
        unsubscribe = self.desk.publisher.subscribe(self._hear, EvseMeasured)
        try:
            yield
        finally:
            unsubscribe()

    def _hear(self, event: object) -> None:
        if isinstance(event, EvseMeasured) and event.key == self.key:
            self._latest = Sample(event.reading, event.received_s)

    @contextmanager
    def held_down(self) -> Iterator[None]:
        """Caps and pauses end here, whatever happens."""
        try:
            yield
        finally:
            self.load.cap(self.key, None)
            self.load.hold(self.key, "")

    @property
    def now_s(self) -> float:
        """Monotonic."""
        return self.desk.clock.monotonic_s()

    @property
    def link(self) -> StationLink:
        """Raises StationOffline."""
        return self.desk.link(self.key.station_id)

    @property
    def told_a(self) -> float:
        """What load management allows it now. Raises Undecided without a session."""
        told_a = self.load.told_a(self.key)
        if told_a is None:
            raise Undecided(f"No car charges at {self.key}: plug one, start it, and begin again")
        return told_a

    @property
    def drawn_a(self) -> float | None:
        """The largest phase of the last reading."""
        return most_a(self._latest)

    @property
    def drawn_by_phase(self) -> tuple[float | None, ...]:
        """Of the last reading, on the site's phases as configured."""
        return (None,) * 3 if self._latest is None else self._latest.reading.current_a

    async def reading_after(self, since_s: float, within_s: float) -> Sample | None:
        """The first reading that came after an instant; None: none did in time. It is asked for
        where the station doesn't send any by itself."""

        def newer() -> Sample | None:
            self.told_a  # noqa: B018  a session that ended ends the check
            latest = self._latest
            return latest if latest is not None and latest.received_s > since_s else None

        return await self.until(newer, within_s)

    async def until(self, condition: Callable[[], T | None], within_s: float) -> T | None:
        """What a condition returns once it is true; None when time is up."""
        ends_s = self.now_s + within_s
        while True:
            found = condition()
            if found:
                return found
            if self.now_s >= ends_s:
                return None
            await asyncio.sleep(LOOK_EVERY_S)

    async def charges(self, within_s: float) -> float:
        """What the car draws once it does. Raises Undecided."""

        def drawn() -> float | None:
            self.told_a  # noqa: B018
            drawn_a = self.drawn_a
            return drawn_a if drawn_a is not None and drawn_a >= DRAWS_A else None

        drawn_a = await self.until(drawn, within_s)
        if drawn_a is not None:
            return drawn_a
        if self.drawn_a is None:
            raise Undecided(f"{self.key} sends no readings of its current: nothing can be measured")
        raise Undecided(f"The car at {self.key} draws nothing: take one that charges")

    async def scheduled_a(self) -> float | None:
        """What its composite schedule says now; None where it says nothing."""
        return (await self.link.composite_limit(self.key.evse_id)).current_a


class MeterWatch:
    """Samples of some meters, as they come."""

    def __init__(self, desk: Desk, meter_ids: frozenset[str]) -> None:
        self._desk, self._ids = desk, meter_ids
        self.samples: dict[str, list[Sample]] = {meter_id: [] for meter_id in meter_ids}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Hear them."""
        unsubscribe = self._desk.publisher.subscribe(self._hear, MeterMeasured)
        try:
            yield
        finally:
            unsubscribe()

    def _hear(self, event: object) -> None:
        if isinstance(event, MeterMeasured) and event.meter_id in self._ids:
            self.samples[event.meter_id].append(Sample(event.reading, event.received_s))

    def clear(self) -> None:
        """Forget what was heard so far."""
        for heard in self.samples.values():
            heard.clear()


def most_a(sample: Sample | None) -> float | None:
    """The largest phase of a reading; None: it tells none."""
    if sample is None:
        return None
    known = [abs(a) for a in sample.reading.current_a if a is not None]
    return max(known, default=None)


def evse_of(desk: Desk, subject: str) -> Evse | None:
    """The EVSE of a subject such as "CP-03/1"."""
    try:
        return desk.config.topology.evse(EvseKey.parse(subject))
    except ValueError:
        return None
