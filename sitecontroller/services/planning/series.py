"""What metered circuits carry, quarter hour by quarter hour, for forecasts and demand charges.

Each sample of a circuit's meter counts; what its EVSEs take is looked at every few seconds beside
it. A quarter hour of which too little was seen is left out: a gap is no zero.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from sitecontroller.domain.events import Event, EvseMeasured, MeterMeasured, TransactionChanged
from sitecontroller.domain.metering import MeterReading, QuarterHour
from sitecontroller.domain.topology import NOMINAL_V, PHASES, Evse, EvseKey, PerPhase
from sitecontroller.ports import UnitOfWork
from sitecontroller.services.desk import Desk
from sitecontroller.services.load.draw import grid_current

QUARTER_S = 900
MINUTES_SEEN_MIN = 10
"""Of a quarter hour; less is a gap."""
EVSES_EVERY_S = 5.0
"""Their own readings come every 10 s or so."""
KEEP_QUARTERS = 400 * 96
"""400 days."""

IDLE = MeterReading(
    datetime.fromtimestamp(0, UTC),
    current_a=(0.0, 0.0, 0.0),
    power_phase_w=(0.0, 0.0, 0.0),
    power_w=0.0,
)
"""An EVSE without a session."""

EvseReading = Callable[[EvseKey], MeterReading | None]
"""What an EVSE last said; None: nothing yet."""


class Running:
    """A value on three phases over a quarter hour; a sample without a phase is none of it."""

    def __init__(self) -> None:
        self._sum_w = [0.0, 0.0, 0.0]
        self._max_w: list[float | None] = [None, None, None]
        self._count = [0, 0, 0]
        self._minutes: tuple[set[int], ...] = (set(), set(), set())

    def note(self, power_w: PerPhase, minute: int) -> None:
        """One sample."""
        for phase in PHASES:
            value_w = power_w[phase]
            if value_w is None:
                continue
            most_w = self._max_w[phase]
            self._sum_w[phase] += value_w
            self._max_w[phase] = value_w if most_w is None else max(most_w, value_w)
            self._count[phase] += 1
            self._minutes[phase].add(minute)

    def mean_w(self) -> PerPhase:
        """Per phase, None where too little was seen."""
        one, two, three = (
            self._sum_w[phase] / self._count[phase]
            if len(self._minutes[phase]) >= MINUTES_SEEN_MIN
            else None
            for phase in PHASES
        )
        return (one, two, three)

    def max_w(self) -> PerPhase:
        """The greatest sample per phase."""
        one, two, three = self._max_w
        return (one, two, three)


class CircuitSeries:
    """One metered circuit: the quarter hour that runs, and those that are over."""

    def __init__(self, evses: Sequence[Evse]) -> None:
        self._evses = evses
        self._number = 0
        self._all, self._cars = Running(), Running()
        self._looked_s = float("-inf")
        self._over: list[QuarterHour] = []

    def note(self, reading: MeterReading, at: datetime, now_s: float, said: EvseReading) -> None:
        """A sample of its meter at `at`, now by the monotonic clock."""
        self.turn(at)
        minute = at.minute
        self._all.note(phase_power_w(reading), minute)
        if now_s - self._looked_s >= EVSES_EVERY_S:
            self._looked_s = now_s
            self._cars.note(evses_power_w(self._evses, said, reading), minute)

    def turn(self, at: datetime) -> None:
        """At the end of a quarter hour, begin the next."""
        number = quarter_of(at)
        if number == self._number:
            return
        mean_w = self._all.mean_w()
        if any(value is not None for value in mean_w):
            row = QuarterHour(self._number, mean_w, self._all.max_w(), self._cars.mean_w())
            self._over.append(row)
        self._number, self._all, self._cars = number, Running(), Running()

    def take(self) -> list[QuarterHour]:
        """Those that are over, once."""
        over, self._over = self._over, []
        return over


class PowerSeries:
    """Owner of the series of all metered circuits."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._readings: dict[EvseKey, MeterReading] = {}
        topology = desk.config.topology
        self._of_meter: dict[str, list[CircuitSeries]] = {}
        self._by_circuit: dict[str, CircuitSeries] = {}
        for circuit in topology.circuits.values():
            if circuit.meter_id is not None:
                series = CircuitSeries(topology.below(circuit.circuit_id))
                self._by_circuit[circuit.circuit_id] = series
                self._of_meter.setdefault(circuit.meter_id, []).append(series)

    @property
    def circuit_ids(self) -> tuple[str, ...]:
        """Those with a meter."""
        return tuple(self._by_circuit)

    def on_event(self, event: Event) -> None:
        """A sample of a meter or an EVSE."""
        match event:
            case MeterMeasured(meter_id, reading, received_s):
                now = self._desk.clock.now()
                for series in self._of_meter.get(meter_id, ()):
                    series.note(reading, now, received_s, self._said)
            case EvseMeasured(key, reading):
                self._readings[key] = reading
            case TransactionChanged(transaction, ended=True):
                self._readings.pop(EvseKey(transaction.station_id, transaction.evse_id), None)

    def _said(self, key: EvseKey) -> MeterReading | None:
        if self._desk.transactions.active(key) is None:
            return IDLE
        return self._readings.get(key)

    async def write(self) -> None:
        """Store what is over."""
        now = self._desk.clock.now()
        for series in self._by_circuit.values():
            series.turn(now)
        rows = {id_: over for id_, each in self._by_circuit.items() if (over := each.take())}
        if rows:
            await self._desk.store.commit(_put, rows)


def quarter_of(at: datetime) -> int:
    """The number of its quarter hour since 1970."""
    return int(at.timestamp()) // QUARTER_S


def phase_power_w(reading: MeterReading) -> PerPhase:
    """W per phase; where a meter knows only the sum, a third each."""
    one, two, three = (_phase_w(reading, phase) for phase in PHASES)
    if one is None and two is None and three is None and reading.power_w is not None:
        third_w = reading.power_w / len(PHASES)
        return (third_w, third_w, third_w)
    return (one, two, three)


def evses_power_w(evses: Iterable[Evse], said: EvseReading, meter: MeterReading) -> PerPhase:
    """W per phase that EVSEs take, as the grid sees it at the meter's voltage; all None where one
    of them says nothing."""
    total_w = [0.0, 0.0, 0.0]
    for evse in evses:
        reading = said(evse.key)
        if reading is None:
            return (None, None, None)
        current_a = grid_current(evse, reading).current_a
        if all(a is None for a in current_a):
            return (None, None, None)
        for phase in PHASES:
            total_w[phase] += (current_a[phase] or 0.0) * (meter.voltage_v[phase] or NOMINAL_V)
    return (total_w[0], total_w[1], total_w[2])


def _phase_w(reading: MeterReading, phase: int) -> float | None:
    power_w, current_a = reading.power_phase_w[phase], reading.current_a[phase]
    if power_w is not None or current_a is None:
        return power_w
    return current_a * (reading.voltage_v[phase] or NOMINAL_V)


def _put(tx: UnitOfWork, rows: Mapping[str, Iterable[QuarterHour]]) -> None:
    for circuit_id, over in rows.items():
        for row in over:
            tx.put_quarter(circuit_id, row, KEEP_QUARTERS)
