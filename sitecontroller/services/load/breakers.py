"""S7: a second line behind sharing: everything below a breaker is shed before it could trip.

Sharing answers an overload at once and in full; this acts where that doesn't help, because chargers
don't obey or the building alone is too much. Then all below the circuit goes to 0 A, sessions are
ended if that isn't enough, and nothing rises before the breaker has cooled down.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sitecontroller.dlm.breaker import CURVES, Curve, heated, trips_in_s
from sitecontroller.domain.topology import PHASE_NAMES, PHASES
from sitecontroller.services.alarms import AlarmService
from sitecontroller.services.load.circuits import CircuitControl
from sitecontroller.services.load.evse import EvseControl
from sitecontroller.services.load.orders import AskEvidence, EndTransaction, Order
from sitecontroller.services.load.shedding import Shedding

SHED_BEFORE_S = 8.0
"""So that there is time to end sessions where limits don't help; and yet, warm and at 1.45 × In,
only after the 12 s that sharing has for a step of the building."""
CONFIRMED_BY = 2
"""Samples in a row, unless they come seldom: one odd sample sheds nobody."""
ASK_AFTER_S = 2.0
END_AFTER_S = 4.0
"""Where it is still near then, who still draws by a reading asked for between, or says nothing, is
ended."""
COOL = 0.9
"""The heat below which it has cooled down: that of 0.95 × In."""
STOPPED_A = 1.0
"""Who draws no more needn't be ended."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Breaker:
    """One circuit's; `heat` and `ratio` per phase as of the last sample, `ratio` × In."""

    curve: Curve
    heat: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    ratio: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    seen_s: float | None = None
    near: int = 0
    """Samples in a row after which it was about to trip."""
    shed_s: float | None = None

    def sample(self, ratio: Sequence[float | None], received_s: float) -> None:
        """Between two samples the larger of them counts; a phase that isn't known goes on."""
        for phase in PHASES:
            known = ratio[phase]
            now = self.ratio[phase] if known is None else abs(known)
            if self.seen_s is None:
                self.heat[phase] = min(now, 1.0) ** 2  # it has carried that for long, at most
            else:
                most, passed_s = max(now, self.ratio[phase]), received_s - self.seen_s
                self.heat[phase] = heated(self.curve, self.heat[phase], most, passed_s)
            self.ratio[phase] = now
        self.seen_s = received_s
        self.near = self.near + 1 if self.trips_in_s[0] < SHED_BEFORE_S else 0

    @property
    def trips_in_s(self) -> tuple[float, int]:
        """How soon it may trip, and on which phase."""
        return min(
            (trips_in_s(self.curve, self.heat[phase], self.ratio[phase]), phase) for phase in PHASES
        )

    @property
    def is_cool(self) -> bool:
        """Whether charging may go on."""
        return all(heat <= COOL for heat in self.heat)


class Breakers:
    """The breakers of all metered circuits whose curve site.toml doesn't turn off."""

    def __init__(
        self,
        circuits: Iterable[CircuitControl],
        below: Mapping[str, Sequence[EvseControl]],
        shedding: Shedding,
        alarms: AlarmService,
    ) -> None:
        self._watched = [
            (control, _Breaker(CURVES[control.circuit.curve]))
            for control in circuits
            if control.circuit.curve in CURVES and control.circuit.meter_id is not None
        ]
        self._below = below
        self._shedding = shedding
        self._alarms = alarms

    def watch(self, now_s: float) -> list[Order]:
        """Once per cycle, after the meters' samples are known: sheds, and what must end."""
        orders: list[Order] = []
        for control, breaker in self._watched:
            sample = control.measured
            if sample is None:
                continue
            if breaker.seen_s is not None and sample.received_s <= breaker.seen_s:
                continue
            ratio = [
                None if current_a is None else current_a / limit_a
                for current_a, limit_a in zip(
                    sample.reading.current_a, control.circuit.limit_a, strict=True
                )
            ]
            breaker.sample(ratio, sample.received_s)
            orders += self._act(control, breaker, now_s)
        return orders

    def _act(self, control: CircuitControl, breaker: _Breaker, now_s: float) -> list[Order]:
        circuit_id = control.circuit.circuit_id
        may_wait = control.period_s <= SHED_BEFORE_S / 2
        if breaker.shed_s is None:
            if breaker.near >= (CONFIRMED_BY if may_wait else 1):
                breaker.shed_s = now_s
                words = f"breaker of {control.circuit.name} near trip"
                self._shedding.hold(f"breaker {circuit_id}", circuit_id, words)
                self._raise(control, breaker)
            return []
        if breaker.is_cool:
            breaker.shed_s = None
            self._shedding.let_go(f"breaker {circuit_id}")
            self._alarms.clear("breaker-near-trip", circuit_id)
            log.info("circuit %s: its breaker has cooled down, charging goes on", circuit_id)
            return []
        since_s = now_s - breaker.shed_s
        sessions = [
            evse
            for evse in self._below[circuit_id]
            if evse.transaction is not None and evse.online and breaker.near
        ]
        if since_s < ASK_AFTER_S:
            return []
        if since_s < END_AFTER_S:
            return [AskEvidence(evse.key, reading=True, schedule=False) for evse in sessions]
        why = f"the breaker of {control.circuit.name} is near tripping"
        return [
            EndTransaction(evse.key, evse.transaction.station_transaction_id, why)
            for evse in sessions
            if evse.transaction is not None and _may_draw(evse, breaker.shed_s)
        ]

    def _raise(self, control: CircuitControl, breaker: _Breaker) -> None:
        circuit, (left_s, phase) = control.circuit, breaker.trips_in_s
        self._alarms.raise_(
            "breaker-near-trip",
            circuit.circuit_id,
            circuit=circuit.name,
            phase=PHASE_NAMES[phase],
            current_a=f"{breaker.ratio[phase] * circuit.limit_a[phase]:.0f}",
            limit_a=f"{circuit.limit_a[phase]:.0f}",
            curve=breaker.curve.name,
            left_s=f"{left_s:.0f}",
        )


def _may_draw(evse: EvseControl, shed_s: float) -> bool:
    """Unless a reading since then says that it hardly does."""
    draw = evse.draw
    most_a = draw.most_a if draw is not None and draw.received_s > shed_s else None
    return most_a is None or most_a > STOPPED_A
