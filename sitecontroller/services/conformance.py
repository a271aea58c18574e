"""What stations' messages broke, counted by kind, kept over restarts, told as a report.

Counting is part of the message path and stays in memory; what changed is stored every minute and
when the controller stops. Losing a minute of counts is allowed.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

from sitecontroller.domain.commands import Command
from sitecontroller.domain.conformance import (
    ConformanceFault,
    ConformanceQuery,
    ConformanceReport,
    KeptFaults,
)
from sitecontroller.domain.ids import fold
from sitecontroller.domain.queries import Query
from sitecontroller.domain.station import StationBooted
from sitecontroller.services.desk import Answerer, Desk, Handler
from sitecontroller.services.shelf import Shelf

KINDS_MAX = 200
"""Of one station."""
REPORTS_MAX = 1000
LOOKED_AT = 50
"""Frames of a station that are searched for what costs much to find: a key named twice."""
OTHERS = "others"


class Conformance:
    """What one station's messages broke; outlives its connections."""

    def __init__(self, now: Callable[[], datetime], kept: KeptFaults | None = None) -> None:
        self._now = now
        self.since = now() if kept is None else kept.since
        self.changed = False
        self.looks_left = LOOKED_AT
        self._faults = {(f.subject, f.fault): f for f in (kept.faults if kept else ())}

    def note(self, subject: str, *faults: str) -> None:
        """Count faults of an action, or of frames as such."""
        for fault in faults:
            kind = subject, fault
            if kind not in self._faults and len(self._faults) >= KINDS_MAX:
                kind = OTHERS, OTHERS
            at, known = self._now(), self._faults.get(kind)
            first_at, count = (at, 0) if known is None else (known.first_at, known.count)
            self._faults[kind] = ConformanceFault(*kind, count + 1, first_at, at)
            self.changed = True

    def faults(self) -> tuple[ConformanceFault, ...]:
        """Most frequent first."""
        return tuple(sorted(self._faults.values(), key=lambda f: (-f.count, f.subject, f.fault)))

    def report(self) -> dict[str, int]:
        """Counts by plain sentence, most frequent first."""
        return {
            fault.subject if fault.subject == OTHERS else f"{fault.subject}: {fault.fault}": (
                fault.count
            )
            for fault in self.faults()
        }


class ConformanceBook:
    """The counts of every station that ever connected, known to the site or not."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._shelf = Shelf(desk.store, "conformance", KeptFaults)
        self._stations: dict[str, Conformance] = {}
        self.handlers: Mapping[type[Command], Handler] = {}
        self.answerers: Mapping[type[Query], Answerer] = {ConformanceQuery: self._report}

    async def load(self) -> None:
        """Take up what was counted before."""
        now = self._desk.clock.now
        for station in self._desk.config.topology.stations.values():
            key = fold(station.station_id)
            kept = await self._shelf.get(key)
            self._stations[key] = Conformance(now, kept)

    def of(self, station_id: str) -> Conformance:
        """Where to count what a station breaks."""
        key = fold(station_id)
        if key not in self._stations:
            counts = Conformance(self._desk.clock.now)
            if len(self._stations) >= REPORTS_MAX:
                return counts
            self._stations[key] = counts
        return self._stations[key]

    async def save(self) -> None:
        """Store what changed; strangers are not kept."""
        at = self._desk.clock.now()
        for station_id in self._desk.config.topology.stations:
            counts = self._stations[fold(station_id)]
            if counts.changed:
                counts.changed = False
                kept = KeptFaults(counts.since, counts.faults())
                await self._shelf.put(fold(station_id), kept, at, station_id)

    async def _report(self, query: ConformanceQuery) -> ConformanceReport:
        self._desk.known(query.station_id)
        state = self._desk.stations.state(query.station_id)
        assert state is not None, "known() has just said so"
        counts = self.of(query.station_id)
        boot = state.record.boot
        report = ConformanceReport(
            query.station_id,
            None if boot is None else boot.vendor,
            None if boot is None else boot.model,
            None if boot is None else boot.firmware_version,
            counts.since,
            counts.faults(),
        )
        return ConformanceReport(
            report.station_id,
            report.vendor,
            report.model,
            report.firmware_version,
            report.since,
            report.faults,
            report_text(report, boot),
        )


def report_text(report: ConformanceReport, boot: StationBooted | None) -> str:
    """The report as a person sends it to the maker."""
    machine = "unknown" if boot is None else f"{boot.vendor} {boot.model}".strip()
    firmware = report.firmware_version or "unknown"
    lines = [
        f"OCPP conformance of {report.station_id}",
        f"Charger: {machine}, firmware {firmware}",
        f"Observed since {report.since:%Y-%m-%d %H:%M} UTC",
        "",
    ]
    if not report.faults:
        lines.append("Every message so far kept to the specification.")
    for fault in report.faults:
        lines.append(f"{fault.count} x {fault.subject}: {fault.fault}")
        lines.append(f"    first {_stamp(fault.first_at)}, last {_stamp(fault.last_at)}")
    return "\n".join(lines) + "\n"


def _stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
