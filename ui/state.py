"""The console's copy of the live picture: frames go in, and what changed comes out.

Nothing here knows Qt or the network. After the connection is lost the last picture stays, marked
by `connection`, so that screens can show old values as old.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sitecontroller.domain.live import ChangesFrame, LiveFrame, SnapshotFrame
from sitecontroller.domain.views import (
    AlarmView,
    CircuitView,
    EvseView,
    MeterView,
    PhaseSample,
    SiteView,
    StationView,
    TransactionView,
)
from ui.clock import Clock

HISTORY_SPAN = timedelta(minutes=60)
HISTORY_STEP = timedelta(seconds=2)


class Link(StrEnum):
    """How the console stands with its controller."""

    CONNECTING = "connecting"
    LIVE = "live"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Changed:
    """What a frame changed, by id; `everything` after a snapshot."""

    everything: bool = False
    site: bool = False
    stations: frozenset[str] = frozenset()
    circuits: frozenset[str] = frozenset()
    meters: frozenset[str] = frozenset()
    transactions: frozenset[str] = frozenset()
    alarms: frozenset[str] = frozenset()


@dataclass(slots=True)
class Picture:
    """Everything live. `link_since` is when `link` last changed; `failure` why it is lost."""

    clock: Clock
    site: SiteView | None = None
    stations: dict[str, StationView] = field(default_factory=dict)
    circuits: dict[str, CircuitView] = field(default_factory=dict)
    meters: dict[str, MeterView] = field(default_factory=dict)
    transactions: dict[str, TransactionView] = field(default_factory=dict)
    alarms: dict[str, AlarmView] = field(default_factory=dict)
    history: list[PhaseSample] = field(default_factory=list)
    link: Link = Link.CONNECTING
    link_since: datetime | None = None
    failure: str = ""
    _ahead: timedelta = timedelta(0)

    @property
    def live(self) -> bool:
        """Whether what is shown is what is."""
        return self.link is Link.LIVE

    def now(self) -> datetime:
        """The controller's time, as far as we know it: ages are honest on a desk whose clock is
        wrong."""
        return self.clock.now() + self._ahead

    @property
    def zone(self) -> str:
        """The site's time zone."""
        return self.site.time_zone if self.site else "UTC"

    def main_circuit(self) -> CircuitView | None:
        """The grid connection."""
        return next((c for c in self.circuits.values() if c.parent_id is None), None)

    def path(self, circuit_id: str) -> list[CircuitView]:
        """The circuit and all above it."""
        found: list[CircuitView] = []
        current = self.circuits.get(circuit_id)
        while current is not None and current not in found:
            found.append(current)
            current = self.circuits.get(current.parent_id) if current.parent_id else None
        return found

    def evse(self, station_id: str, evse_id: int) -> EvseView | None:
        """One EVSE, or None."""
        station = self.stations.get(station_id)
        if station is None:
            return None
        return next((evse for evse in station.evses if evse.evse_id == evse_id), None)

    def set_link(self, link: Link, failure: str = "") -> bool:
        """Note how the connection stands; whether that is news."""
        news = link is not self.link or failure != self.failure
        if link is not self.link or self.link_since is None:
            self.link_since = self.clock.now()
        self.link, self.failure = link, failure
        return news

    def apply(self, frame: LiveFrame) -> Changed:
        """Take a frame in."""
        if isinstance(frame, SnapshotFrame):
            return self._replace(frame)
        if isinstance(frame, ChangesFrame):
            return self._update(frame)
        return Changed()

    def load_history(self, samples: tuple[PhaseSample, ...]) -> None:
        """Take the controller's hour of samples, keep newer ones of our own."""
        last = samples[-1].at if samples else None
        own = [sample for sample in self.history if last is None or sample.at > last]
        self.history = [*samples, *own]
        self._forget()

    def _replace(self, frame: SnapshotFrame) -> Changed:
        snapshot = frame.snapshot
        self._ahead = frame.at - self.clock.now()
        self.site = snapshot.site
        self.stations = dict(snapshot.stations)
        self.circuits = dict(snapshot.circuits)
        self.meters = dict(snapshot.meters)
        self.transactions = dict(snapshot.transactions)
        self.alarms = dict(snapshot.alarms)
        self._sample(frame.at)
        return Changed(everything=True)

    def _update(self, frame: ChangesFrame) -> Changed:
        if frame.site is not None:
            self.site = frame.site
        _merge(self.stations, frame.stations)
        _merge(self.circuits, frame.circuits)
        _merge(self.meters, frame.meters)
        _merge(self.transactions, frame.transactions)
        _merge(self.alarms, frame.alarms)
        self._sample(frame.at)
        return Changed(
            site=frame.site is not None,
            stations=frozenset(frame.stations),
            circuits=frozenset(frame.circuits),
            meters=frozenset(frame.meters),
            transactions=frozenset(frame.transactions),
            alarms=frozenset(frame.alarms),
        )

    def _sample(self, at: datetime) -> None:
        """Add a point to the chart's hour, at most one every `HISTORY_STEP`."""
        main = self.main_circuit()
        if main is None or (self.history and at - self.history[-1].at < HISTORY_STEP):
            return
        caps = [cap for cap in main.cap_a if cap is not None]
        if not caps:
            return
        current_a = (None, None, None) if main.stale else main.current_a
        self.history.append(PhaseSample(at, current_a, min(caps)))
        self._forget()

    def _forget(self) -> None:
        if not self.history:
            return
        begin = self.history[-1].at - HISTORY_SPAN
        keep = next(i for i, sample in enumerate(self.history) if sample.at >= begin)
        del self.history[:keep]


def _merge(known: dict[str, Any], changes: dict[str, Any]) -> None:
    for key, value in changes.items():
        if value is None:
            known.pop(key, None)
        else:
            known[key] = value
