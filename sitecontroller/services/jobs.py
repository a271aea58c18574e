"""Jobs at stations that are under way: in memory to be found fast, in the database to outlive us.

Used for logs and for firmware. A job's row is written before anybody is told of it; a word that a
station only repeats is counted in memory and written a little later.
"""

from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from sitecontroller.ports import Clock, Store
from sitecontroller.services.shelf import Shelf

ENDED_MAX = 1000
"""Jobs that ended lately, kept at hand for what their stations still say of them."""


class Job(Protocol):
    """What every job has."""

    @property
    def key(self) -> str: ...
    @property
    def station_id(self) -> str: ...
    @property
    def request_id(self) -> int: ...
    @property
    def token(self) -> str: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def under_way(self) -> bool: ...


J = TypeVar("J", bound=Job)


class Jobs(Generic[J]):
    """All jobs of one kind that are under way, and those that ended lately."""

    def __init__(self, store: Store, clock: Clock, kind: str, cls: type[J]) -> None:
        self.shelf = Shelf(store, kind, cls)
        self._clock = clock
        self._open: dict[str, J] = {}
        self._ended: OrderedDict[str, J] = OrderedDict()
        self._signs_s: dict[str, float] = {}
        self._unwritten: set[str] = set()

    async def load(self) -> None:
        """Take up those under way; how long they have been silent counts from now."""
        for job in reversed(await self.shelf.all(open_only=True)):
            self._open[job.key] = job
            self.sign(job)

    async def put(self, job: J) -> None:
        """Replace a job; returns after the commit."""
        self._at_hand(job)
        self._unwritten.discard(job.key)
        await self.shelf.put(job.key, job, job.created_at, job.station_id, open=job.under_way)

    def count(self, job: J) -> None:
        """Replace a job now, and write it with the next `write`."""
        self._at_hand(job)
        self._unwritten.add(job.key)

    async def write(self) -> None:
        """Write what was only counted."""
        for key in tuple(self._unwritten):
            job = self.get(key)
            if job is not None:
                await self.put(job)

    async def drop(self, job: J) -> None:
        """Forget one that has ended."""
        self._ended.pop(job.key, None)
        self._unwritten.discard(job.key)
        await self.shelf.drop(job.key)

    def sign(self, job: J) -> None:
        """It gave a sign of life."""
        self._signs_s[job.key] = self._clock.monotonic_s()

    def silent_s(self, job: J) -> float:
        """Since its last sign."""
        now_s = self._clock.monotonic_s()
        return now_s - self._signs_s.setdefault(job.key, now_s)

    def open(self) -> tuple[J, ...]:
        """All under way, oldest first."""
        return tuple(self._open.values())

    def get(self, key: str) -> J | None:
        """One under way, or ended lately."""
        return self._open.get(key) or self._ended.get(key)

    def now(self, job: J) -> J:
        """The same job as it is now."""
        return self.get(job.key) or job

    def of_token(self, token: str) -> J | None:
        """The one under way that has this token."""
        return next((job for job in self._open.values() if job.token == token), None)

    def of_station(self, station_id: str) -> tuple[J, ...]:
        """Those under way at a station, newest first."""
        return tuple(job for job in reversed(self._open.values()) if job.station_id == station_id)

    def last_ended(self, station_id: str) -> J | None:
        """The one that ended last at a station, as far as it is at hand."""
        return next(
            (job for job in reversed(self._ended.values()) if job.station_id == station_id), None
        )

    def meant(self, station_id: str, request_id: int | None) -> J | None:
        """Which job a station speaks of: the one with that id, else the newest under way, else,
        without an id, the one that ended last. Many stations send no id, or a wrong one.
        """
        if request_id is not None:
            for jobs in (self.of_station(station_id), self._of(self._ended.values(), station_id)):
                for job in jobs:
                    if job.request_id == request_id:
                        return job
        late = self.last_ended(station_id) if request_id is None else None
        return next(iter(self.of_station(station_id)), late)

    def _of(self, jobs: Iterable[J], station_id: str) -> tuple[J, ...]:
        return tuple(job for job in jobs if job.station_id == station_id)

    def _at_hand(self, job: J) -> None:
        if job.under_way:
            self._ended.pop(job.key, None)
            self._open[job.key] = job
            return
        self._open.pop(job.key, None)
        self._signs_s.pop(job.key, None)
        self._ended.pop(job.key, None)
        self._ended[job.key] = job
        while len(self._ended) > ENDED_MAX:
            self._unwritten.discard(self._ended.popitem(last=False)[0])
