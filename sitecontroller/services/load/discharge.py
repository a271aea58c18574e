"""Cars that give back to keep a peak-demand target, in the cycle: who may, how much, and its lease.

Owner of what each EVSE was told to give back. It never touches an exposure: who gives back is told
0 A and counts as one that draws nothing, and no car gets room by it. Only with the session's
consent, a known state of charge, fresh readings of its own meter and good meters above it; each
discharge ends by itself in the station unless it is renewed.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass

from sitecontroller.config.discharge import DischargeSettings
from sitecontroller.dlm.discharge import Battery, Place, Stock, may_give, shared_discharge
from sitecontroller.dlm.limits import Limit
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.station import OcppVersion
from sitecontroller.domain.topology import NOMINAL_V, PHASES, EvseKey, PerPhase
from sitecontroller.ports import Discharge, StationLink
from sitecontroller.services.load.circuits import CircuitControl, Sight
from sitecontroller.services.load.decide import Change
from sitecontroller.services.load.evse import OBEYS_A, OBEYS_SHARE, EvseControl
from sitecontroller.services.load.leases import WRITES_PER_DAY
from sitecontroller.services.load.own_meters import OwnMeters
from sitecontroller.services.load.state import LEASE_UNCERTAINTY_S, LoadState
from sitecontroller.services.load.takers import BELIEVABLE_V
from sitecontroller.services.metering import MeteringService
from sitecontroller.services.stations import StationService

BOUND_BY = "discharge"
SHOWS_WITHIN_S = 60.0
"""Who gives nothing back for so long after it was told, isn't asked again in its session."""
SHOWS_A = 0.5
SHOWS_FROM_A = 6.0
"""Told less, a car may be unable to give so little."""
WRITES_MAX = WRITES_PER_DAY * 2 // 3
"""Profiles written to its EVSE today; the rest is for charging."""
CHANGES_EVERY_S = 10.0
"""What is missing moves a discharge no more often; what may not flow back moves it at once."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Giving:
    """One EVSE's. `wanted_a` was decided last, `told_a` told last; A per phase."""

    session: str = ""
    wanted_a: float = 0.0
    told_a: float = 0.0
    told_s: float = float("-inf")
    changed_s: float = float("-inf")
    before_a: float = 0.0
    """The most told since its meter last showed what it gives."""
    asked_s: float = 0.0
    """Since when it is told enough for any car to show it."""
    read_s: float = float("-inf")
    soc_percent: float | None = None
    soc_s: float = float("-inf")
    barred: bool = False
    """It doesn't do what it is told: not again in this session."""


class Discharges:
    """`link` finds a station's connection, `reading` an EVSE's last one; `missing_w` is by how much
    the building alone exceeds what the target leaves, None where nobody knows."""

    def __init__(
        self,
        settings: DischargeSettings,
        state: LoadState,
        link: Callable[[str], StationLink | None],
        reading: Callable[[EvseKey], MeterReading | None],
        missing_w: Callable[[], float | None],
    ) -> None:
        self._settings = settings
        self._state = state
        self._link = link
        self._reading = reading
        self._missing_w = missing_w
        self._givings = {key: Giving() for key in settings.current_a_max}
        self._circuits = {
            circuit.circuit.circuit_id: circuit
            for key in self._givings
            for circuit in state.circuits.up(state.controls[key].evse.circuit_id)
        }

    def targets(self, shed: Set[EvseKey], now_s: float) -> Mapping[EvseKey, Limit]:
        """Decide; 0 A for all who shall give back. Nobody of `shed` does."""
        controls = {key: self._state.controls[key] for key in self._givings}
        for key, control in controls.items():
            self._observe(control, self._givings[key], now_s)
        batteries = [
            self._battery(control, self._givings[key])
            for key, control in controls.items()
            if key not in shed and self._may(control, self._givings[key], now_s)
        ]
        given_a = shared_discharge(
            self._needed_w(batteries, now_s), batteries, [self._place(c) for c in self._way()]
        )
        for key, giving in self._givings.items():
            giving.wanted_a = given_a.get(str(key), 0.0)
        return {
            key: Limit(0.0, f"discharges {giving.wanted_a:g} A: peak demand", BOUND_BY)
            for key, giving in self._givings.items()
            if giving.wanted_a > 0
        }

    def changes(self, decided: Iterable[Change], now_s: float) -> list[Change]:
        """Those, and beside them what is to be told for a discharge alone."""
        found = {change.key: change for change in decided}
        for key, giving in self._givings.items():
            control = self._state.controls[key]
            if key in found or control.transaction is None or not control.online:
                continue
            due_s = giving.told_s + self._settings.lease_s / 2
            renews = giving.told_a > 0 and now_s >= due_s
            is_new = giving.wanted_a != giving.told_a
            if (renews or is_new) and now_s >= control.retry_s:
                found[key] = Change(key, control.limit_a(now_s))
        return list(found.values())

    def told(self, key: EvseKey, current_a: float, now_s: float) -> Discharge | None:
        """What goes out with a limit; from now on it counts as given."""
        giving = self._givings.get(key)
        if giving is None:
            return None
        told_a = giving.wanted_a if current_a == 0 else 0.0
        self._note(self._state.controls[key], giving, told_a, now_s)
        return Discharge(told_a, self._settings.lease_s) if told_a > 0 else None

    def _note(self, control: EvseControl, giving: Giving, told_a: float, now_s: float) -> None:
        if told_a != giving.told_a:
            if giving.told_a == 0:
                log.info("%s: gives back %g A: peak demand", control.key, told_a)
            elif told_a == 0:
                log.info("%s: gives nothing back any more", control.key)
            if giving.told_a < SHOWS_FROM_A:
                giving.asked_s = now_s
            giving.before_a = max(giving.before_a, giving.told_a)
            giving.changed_s = control.changed_s = now_s
        giving.told_a, giving.told_s = told_a, now_s
        control.gives_a = max(told_a, giving.before_a)

    # what is known

    def _observe(self, control: EvseControl, giving: Giving, now_s: float) -> None:
        transaction = control.transaction
        session = "" if transaction is None else transaction.key
        if giving.session != session:
            self._givings[control.key] = Giving(session)
            control.gives_a = control.gave_wh = 0.0
            return
        lapses_s = giving.told_s + self._settings.lease_s + LEASE_UNCERTAINTY_S
        if giving.told_a > 0 and now_s >= lapses_s:
            self._note(control, giving, 0.0, now_s)
        draw = control.draw
        if draw is None or draw.received_s <= giving.read_s:
            return
        given = [max(0.0, -(a or 0.0)) for a in draw.grid.current_a]
        if giving.read_s > 0:
            passed_s = draw.received_s - giving.read_s
            control.gave_wh += sum(given) * NOMINAL_V * passed_s / 3600
        giving.read_s = draw.received_s
        reading = self._reading(control.key)
        if reading is not None and reading.soc_percent is not None:
            giving.soc_percent, giving.soc_s = reading.soc_percent, draw.received_s
        if self._is_proven(control, giving):
            self._judge(control, giving, max(given), now_s)

    def _judge(self, control: EvseControl, giving: Giving, given_a: float, now_s: float) -> None:
        """What it does is known: whether that is what it was told."""
        giving.before_a = 0.0
        control.gives_a = max(giving.told_a, given_a)
        if giving.told_a == 0 or giving.barred:
            return
        is_over = given_a > giving.told_a + max(OBEYS_A, OBEYS_SHARE * giving.told_a)
        asked_enough = giving.told_a >= SHOWS_FROM_A and now_s - giving.asked_s >= SHOWS_WITHIN_S
        is_idle = asked_enough and given_a < SHOWS_A
        if is_over or is_idle:
            giving.barred = True
            what = "more than told" if is_over else "nothing, though told"
            log.warning("%s: gives back %s: not asked again in this session", control.key, what)

    def _is_proven(self, control: EvseControl, giving: Giving) -> bool:
        reacted_s = giving.changed_s + self._state.timing.reaction_s
        return control.draw is not None and control.draw.received_s >= reacted_s

    def _may(self, control: EvseControl, giving: Giving, now_s: float) -> bool:
        link, transaction = self._link(control.key.station_id), control.transaction
        consent_s = control.claim.discharge_ends_s
        if link is None or link.version is not OcppVersion.V21 or link.clock_offset_s is None:
            return False
        if transaction is None or transaction.station_transaction_id is None or giving.barred:
            return False
        if consent_s is None or now_s >= consent_s:
            return False
        if not control.steerable or control.paused_by or control.writes >= WRITES_MAX:
            return False
        if control.cap_a is not None or control.trial is not None:
            return False
        if giving.told_a == 0 and not link.may_raise(control.key.evse_id):
            return False
        return control.is_fresh(now_s, self._state.timing) and self._has_spare(
            control, giving, now_s
        )

    def _has_spare(self, control: EvseControl, giving: Giving, now_s: float) -> bool:
        evse, settings = control.evse, self._settings
        is_known = now_s - giving.soc_s <= 2 * self._state.timing.stale_s
        stock = Stock(
            giving.soc_percent if is_known else None,
            control.claim.departs_in_s(now_s),
            control.claim.need_wh(control.transaction, control.gave_wh),
            evse.current_a_max * NOMINAL_V * evse.phase_count,
        )
        return may_give(
            stock,
            gives=giving.told_a > 0,
            soc_percent_min=settings.soc_percent_min,
            reserve_wh=settings.energy_reserve_wh,
            ahead_s=settings.lease_s,
        )

    def _battery(self, control: EvseControl, giving: Giving) -> Battery:
        phases, key = control.phases.phases, control.key
        most_a = self._settings.current_a_max[key]
        car_w = control.claim.discharge_w_max
        if car_w is not None:
            most_a = min(most_a, car_w / (NOMINAL_V * max(1, len(phases))))
        proven, draw = self._is_proven(control, giving), control.draw
        given_a = 0.0
        if draw is not None:
            given_a = max((max(0.0, -(draw.grid.current_a[p] or 0.0)) for p in phases), default=0.0)
        gives_a = given_a if proven else max(giving.told_a, giving.before_a)
        return Battery(str(key), phases, most_a, giving.told_a, gives_a, proven)

    def _needed_w(self, batteries: Iterable[Battery], now_s: float) -> float:
        """What is missing; for a while no less than what was told, so that nothing flutters."""
        missing_w = self._missing_w()
        if missing_w is None or not batteries:
            return 0.0
        told_w = sum(b.told_a * NOMINAL_V * len(b.phases) for b in batteries)
        changed_s = max((giving.changed_s for giving in self._givings.values()), default=0.0)
        return max(missing_w, told_w) if now_s < changed_s + CHANGES_EVERY_S else missing_w

    # where it flows

    def _way(self) -> Iterable[CircuitControl]:
        return self._circuits.values()

    def _place(self, control: CircuitControl) -> Place:
        """How much more may flow back through a circuit than now; what cars draw may end at any
        moment and hides none of it."""
        circuit, settings = control.circuit, self._settings
        below = self._state.below[circuit.circuit_id]
        names = frozenset(str(each.key) for each in below if each.key in self._givings)
        spare: list[float | None] = []
        flows_a = _flowing_a(control)
        for phase in PHASES:
            may_a = circuit.limit_a[phase] - circuit.margin_a
            if circuit.parent_id is None:
                export_w = settings.export_w_max - settings.export_margin_w
                may_a = min(may_a, export_w / (NOMINAL_V * len(PHASES)))
            drawn_a = sum((e.draw.drawn_a[phase] or 0.0) for e in below if e.draw is not None)
            flow_a = flows_a[phase]
            if circuit.meter_id is None:
                flow_a = drawn_a - sum(e.gives_a for e in below)
            spare.append(None if flow_a is None else flow_a - drawn_a + may_a)
        return Place((spare[0], spare[1], spare[2]), names)


def _flowing_a(control: CircuitControl) -> PerPhase:
    """Active current by phase, below 0 where it flows back; None where the meter doesn't tell the
    direction of each phase, or is silent."""
    sample = control.measured
    if sample is None or control.sight >= Sight.ASSUMED:
        return (None, None, None)
    reading = sample.reading
    one, two, three = (
        None if w is None or v is None or v < BELIEVABLE_V else w / v
        for w, v in zip(reading.power_phase_w, reading.voltage_v, strict=True)
    )
    return (one, two, three)


def discharges_of(
    state: LoadState, stations: StationService, metering: MeteringService, own: OwnMeters
) -> Discharges | None:
    """Where site.toml lets cars give back; None: nothing of it is ever sent."""
    settings = state.settings.discharge
    if settings is None:
        return None

    def reading(key: EvseKey) -> MeterReading | None:
        measured = metering.evse(key)
        return None if measured is None else measured.reading

    def missing_w() -> float | None:
        return None if own.peak_demand is None else own.peak_demand.missing_w

    return Discharges(settings, state, stations.link, reading, missing_w)
